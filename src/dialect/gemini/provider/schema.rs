//! The JSON Schema of an answer, made to fit: beside `$ref` Gemini takes only members that begin with `$`.
//!
//! **Invariant:** a schema nested deeper than serde's limit is refused, so the recursion here has an end.

use serde_json::Value;
use serde_json::value::RawValue;

/// The schema of an answer; `None` where it is nested too deeply.
pub fn of_answer(schema: &RawValue) -> Option<Value> {
    let mut schema = serde_json::from_str(schema.get()).ok()?;
    fit(&mut schema);
    Some(schema)
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
        assert_eq!(of_answer(&raw).unwrap(), serde_json::from_str::<Value>(wanted).unwrap());
    }
}
