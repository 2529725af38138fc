//! JSON Schemas, made to fit what Anthropic accepts.
//!
//! The schema of an answer must be strict. The rules are the official SDK's (2.11.0): objects are closed, `oneOf` becomes `anyOf`, and
//! constraints that cannot be enforced move into the description, where the model at least reads them. Local references stay references,
//! as there.
//!
//! **Invariant:** a schema nested deeper than serde's limit is refused, so the recursion here has an end.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::dialect::tool_schema::{Object, describe, typed};

/// Formats of strings that Anthropic enforces.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Leaves at the top of a tool's schema what says which members its arguments have, and gives the names of the rest.
pub fn bare(schema: &mut Object<'_>) -> Vec<String> {
    const KEPT: &[&str] = &["type", "properties", "required", "$defs", "definitions"];
    let whole = match schema {
        Object::Raw(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
        Object::Typed(value) => std::mem::take(value),
        Object::Empty {} => return Vec::new(),
    };
    let Value::Object(mut members) = whole else { return Vec::new() };
    let (mut gone, before) = (Vec::new(), members.len());
    members.retain(|name, _| {
        let stays = KEPT.contains(&name.as_str());
        // What begins so is about the schema itself.
        if !stays && !name.starts_with('$') {
            gone.push(name.clone());
        }
        stays
    });
    if members.len() < before || matches!(schema, Object::Typed(_)) {
        *schema = Object::Typed(Value::Object(members));
    }
    gone
}

/// The schema of an answer; `None` where it is nested too deeply.
pub fn of_answer(schema: Option<&RawValue>) -> Option<Value> {
    let schema = schema.map_or(Some(Value::Object(Map::new())), |raw| serde_json::from_str(raw.get()).ok())?;
    Some(match schema {
        Value::Object(map) if !map.is_empty() => strict(Value::Object(map)),
        _ => strict(typed(Map::new())),
    })
}

fn strict(schema: Value) -> Value {
    let Value::Object(mut from) = schema else { return schema };
    let mut to = Map::new();
    for key in ["$defs", "definitions"] {
        if let Some(Value::Object(definitions)) = from.remove(key) {
            to.insert(key.to_owned(), each(definitions));
        }
    }
    if let Some(reference) = from.remove("$ref") {
        to.insert("$ref".to_owned(), reference);
        return Value::Object(to);
    }
    for (key, as_key) in [("anyOf", "anyOf"), ("oneOf", "anyOf"), ("allOf", "allOf")] {
        if let Some(Value::Array(variants)) = from.remove(key) {
            to.entry(as_key).or_insert_with(|| variants.into_iter().map(strict).collect());
        }
    }
    let kind = from.remove("type");
    let is = |name: &str| match &kind {
        Some(Value::String(kind)) => kind == name,
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == name),
        _ => false,
    };
    if is("object") || from.contains_key("properties") {
        let properties = from.remove("properties").and_then(|value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        });
        to.insert("properties".to_owned(), each(properties.unwrap_or_default()));
        from.remove("additionalProperties");
        to.insert("additionalProperties".to_owned(), Value::Bool(false));
        keep(&mut from, &mut to, "required", |_| true);
    }
    if let Some(items) = from.remove("items") {
        to.insert("items".to_owned(), strict(items));
    }
    keep(&mut from, &mut to, "minItems", |least| least.as_u64().is_some_and(|least| least <= 1));
    keep(&mut from, &mut to, "format", |format| format.as_str().is_some_and(|format| FORMATS.contains(&format)));
    for key in ["enum", "const", "title", "description"] {
        keep(&mut from, &mut to, key, |_| true);
    }
    if let Some(kind) = kind {
        to.insert("type".to_owned(), kind);
    }
    // What says nothing about the values is not worth a word to the model.
    for key in ["$schema", "$id", "$comment", "strict"] {
        from.remove(key);
    }
    describe(from.iter().map(|(key, value)| (key.as_str(), value)), &mut to);
    Value::Object(to)
}

fn each(schemas: Map<String, Value>) -> Value {
    schemas.into_iter().map(|(name, schema)| (name, strict(schema))).collect::<Map<_, _>>().into()
}

/// Moves a key over if its value is one that Anthropic accepts.
fn keep(from: &mut Map<String, Value>, to: &mut Map<String, Value>, key: &str, accepted: impl Fn(&Value) -> bool) {
    if from.get(key).is_some_and(accepted)
        && let Some(value) = from.remove(key)
    {
        to.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_closed_and_constraints_described() {
        let schema = json!({"type": "object", "$schema": "x", "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "A number"},
            "s": {"oneOf": [{"type": "string", "format": "email"}, {"type": "string", "format": "x"}, {"$ref": "#/$defs/c"}]},
            "l": {"type": "array", "items": {"type": "object"}, "minItems": 3},
            "e": {"enum": ["a", "b"]},
            "u": {"type": ["string", "null"], "pattern": "^a"}
        }, "required": ["n"], "$defs": {"c": {"type": "array", "minItems": 1}}});
        assert_eq!(
            strict(schema),
            json!({"type": "object", "properties": {
            "n": {"type": "integer", "description": "A number\n\n{minimum: 1}"},
            "s": {"anyOf": [
                {"type": "string", "format": "email"}, {"type": "string", "description": "{format: \"x\"}"}, {"$ref": "#/$defs/c"}]},
            "l": {"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": false},
                  "description": "{minItems: 3}"},
            "e": {"enum": ["a", "b"]},
            "u": {"type": ["string", "null"], "description": "{pattern: \"^a\"}"}
        }, "additionalProperties": false, "required": ["n"], "$defs": {"c": {"type": "array", "minItems": 1}}})
        );
    }

    #[test]
    fn depth_has_an_end() {
        let deep = format!("{}{}", r#"{"items":"#.repeat(9000), "1") + &"}".repeat(9000);
        let raw: Box<RawValue> = serde_json::from_str(&deep).unwrap();
        assert_eq!(of_answer(Some(&raw)), None);
    }
}
