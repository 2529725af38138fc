//! The schema of a function's arguments, made to fit what providers take at its top.
//!
//! Clients write `{}`, leave `properties` out, or begin with a choice (`anyOf`). OpenAI refuses all of these, Anthropic some; each wants an
//! object. What stands below is the model's affair.
//!
//! **Invariant:** a schema that fits keeps its very bytes; of one that does not, what cannot stand moves into the description.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A JSON object: as the client wrote it, or an empty one.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Object<'r> {
    Raw(&'r RawValue),
    /// A schema that did not fit.
    Typed(Value),
    Empty {},
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow, default)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
}

/// What Anthropic takes at no top.
pub const CHOICES: &[&str] = &["anyOf", "oneOf", "allOf"];
/// What OpenAI takes at no top.
pub const OPENAIS: &[&str] = &["anyOf", "oneOf", "allOf", "enum", "not"];

/// A tool's schema: as it is where it is an object's, else made one. `refused`: what cannot stand at its top.
pub fn of_tool<'r>(parameters: Option<&'r RawValue>, refused: &[&str]) -> Object<'r> {
    let empty = || Object::Typed(typed(Map::new()));
    let Some(raw) = parameters else { return empty() };
    // Only the top level is read: the rest may be as deep as it likes.
    let Ok(top) = serde_json::from_str::<Top<'_>>(raw.get()) else { return empty() };
    let is_object = top.r#type.is_some_and(|kind| kind.get() == "\"object\"");
    let has_properties = top.properties.is_some_and(|it| it.get().starts_with('{'));
    let may_hold = |name: &&str| memchr::memmem::find(raw.get().as_bytes(), format!("\"{name}\"").as_bytes()).is_some();
    if is_object && has_properties && !refused.iter().any(may_hold) {
        return Object::Raw(raw);
    }
    let Ok(Value::Object(mut map)) = serde_json::from_str(raw.get()) else {
        return if is_object { Object::Raw(raw) } else { empty() };
    };
    let gone: Vec<(&str, Value)> =
        refused.iter().filter_map(|name| map.shift_remove(*name).map(|value| (*name, value))).collect();
    if gone.is_empty() && is_object && has_properties {
        return Object::Raw(raw);
    }
    describe(gone.iter().map(|(name, value)| (*name, value)), &mut map);
    Object::Typed(typed(map))
}

/// A schema that is an object's.
pub fn typed(mut map: Map<String, Value>) -> Value {
    map.remove("type");
    let properties = map.shift_remove("properties").filter(Value::is_object);
    let mut all = Map::new();
    all.insert("type".to_owned(), "object".into());
    all.insert("properties".to_owned(), properties.unwrap_or_else(|| Value::Object(Map::new())));
    all.extend(map);
    Value::Object(all)
}

/// Says in the description what cannot be said otherwise.
pub fn describe<'v>(left: impl Iterator<Item = (&'v str, &'v Value)>, to: &mut Map<String, Value>) {
    let words: Vec<String> = left.map(|(key, value)| format!("{key}: {value}")).collect();
    if words.is_empty() {
        return;
    }
    let words = format!("{{{}}}", words.join(", "));
    let description = match to.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text}\n\n{words}"),
        None => words,
    };
    to.insert("description".to_owned(), description.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, refused: &[&str]) -> String {
        let raw: Box<RawValue> = serde_json::from_str(text).unwrap();
        serde_json::to_string(&of_tool(Some(&raw), refused)).unwrap()
    }

    #[test]
    fn a_tool_schema_gets_its_type_and_no_other_change() {
        let fits = r#"{"type": "object", "x": 1.50,"properties":{"a":{"anyOf":[]}}}"#;
        assert_eq!((of(fits, &[]), of(fits, OPENAIS)), (fits.to_owned(), fits.to_owned()));
        let empty = r#"{"type":"object","properties":{}}"#;
        for text in ["7", "{}", r#"{"type":"object"}"#, r#"{"type":"object","properties":null}"#, r#"{"type":null}"#] {
            assert_eq!(of(text, &[]), empty, "{text}");
        }
        assert_eq!(of(r#"{"required":["a"]}"#, &[]), r#"{"type":"object","properties":{},"required":["a"]}"#);
        assert_eq!(serde_json::to_string(&of_tool(None, &[])).unwrap(), empty);
    }

    #[test]
    fn a_choice_at_the_top_is_told_in_words() {
        let choice = r#"{"type":"object","properties":{"a":{}},"anyOf":[{"required":["a"]}],"description":"d"}"#;
        let told = r#"{"type":"object","properties":{"a":{}},"description":"d\n\n{anyOf: [{\"required\":[\"a\"]}]}"}"#;
        assert_eq!((of(choice, CHOICES), of(choice, &[])), (told.to_owned(), choice.to_owned()));
        assert_eq!(of(r#"{"enum":[1]}"#, OPENAIS), r#"{"type":"object","properties":{},"description":"{enum: [1]}"}"#);
    }
}
