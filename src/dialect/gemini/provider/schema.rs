//! JSON Schemas, made to fit: beside `$ref` Gemini takes only members that begin with `$`, and the arguments of a function must be an object.
//!
//! **Invariant:** a schema nested deeper than serde's limit is refused, so the recursion here has an end.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::Value;
use serde_json::value::RawValue;

/// The schema of an answer; `None` where it is nested too deeply.
pub fn of_answer(schema: &RawValue) -> Option<Value> {
    let mut schema = serde_json::from_str(schema.get()).ok()?;
    fit(&mut schema);
    Some(schema)
}

/// The schema of a function's arguments. Most fit as they are.
pub fn of_arguments(schema: &RawValue) -> Cow<'_, RawValue> {
    let text = schema.get();
    let says_object = ["{\"type\":\"object\"", "{\"type\": \"object\""].iter().any(|begin| text.starts_with(begin));
    if says_object && memmem::find(text.as_bytes(), b"\"$ref\"").is_none() {
        return Cow::Borrowed(schema);
    }
    fitted(text).map_or(Cow::Borrowed(schema), Cow::Owned)
}

fn fitted(text: &str) -> Option<Box<RawValue>> {
    let mut schema: Value = serde_json::from_str(text).ok()?;
    fit(&mut schema);
    let members = schema.as_object_mut()?;
    // Those of tools without arguments say nothing at all, others are built of parts.
    if !members.contains_key("$ref") && !members.get("type").is_some_and(Value::is_string) {
        members.insert("type".to_owned(), "object".into());
    }
    serde_json::value::to_raw_value(&schema).ok()
}

fn fit(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            // A property may have that name.
            if members.get("$ref").is_some_and(Value::is_string) {
                members.retain(|name, _| name.starts_with('$'));
            }
            members.values_mut().for_each(fit);
        }
        Value::Array(items) => items.iter_mut().for_each(fit),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G15.
    #[test]
    fn g15_nothing_stands_beside_a_reference() {
        let raw = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"d"},"$ref":{"type":"string"}},"$defs":{"A":{"enum":["x"]}}}"##;
        let raw: Box<RawValue> = serde_json::from_str(raw).unwrap();
        let wanted = r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"$ref":{"type":"string"}},"$defs":{"A":{"enum":["x"]}}}"##;
        let of_arguments = |text: &str| of_arguments(serde_json::from_str(text).unwrap()).get().to_owned();
        assert_eq!(of_arguments(raw.get()), wanted);
        for (theirs, ours) in [
            ("{}", r#"{"type":"object"}"#),
            (r#"{"properties":{"a":{}}}"#, r#"{"properties":{"a":{}},"type":"object"}"#),
            (r#"{"type": ["object", "null"]}"#, r#"{"type":"object"}"#),
            (r#"{"type": "object", "a": 1.50}"#, r#"{"type": "object", "a": 1.50}"#),
        ] {
            assert_eq!(of_arguments(theirs), ours, "{theirs}");
        }
        assert_eq!(of_answer(&raw).unwrap(), serde_json::from_str::<Value>(wanted).unwrap());
    }
}
