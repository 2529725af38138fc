//! Reads JSON into the tree, every number as exactly as YAML's reader has it.
//!
//! `serde_json` reads a number of 17 digits one bit off now and then, and a score on a boundary would then have one tier on the
//! command line and another one in the filter. Its feature that reads exactly makes the module 43 KB bigger; the standard library's
//! reader of numbers is there anyway. So `serde_json` tells values apart, and numbers are read from their text.
//!
//! **Invariant:** what one side of a configuration says in JSON, the other reads to the last bit; nesting is bounded.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::{Key, Node, Value};

/// How deep lists and maps may be nested.
const DEEPEST: usize = 64;

/// Reads a JSON text.
///
/// # Errors
/// What is wrong with the text, in the parser's words.
pub fn read(text: &[u8]) -> Result<Node, String> {
    node(serde_json::from_slice(text).map_err(|error| error.to_string())?, DEEPEST)
}

fn node(raw: &RawValue, depth: usize) -> Result<Node, String> {
    let text = raw.get();
    let said = |error: serde_json::Error| error.to_string();
    let below = || depth.checked_sub(1).ok_or_else(|| "lists and maps are nested too deeply".to_owned());
    Ok(Node::new(match text.as_bytes().first() {
        Some(b'{') => {
            let Entries(entries) = serde_json::from_str(text).map_err(said)?;
            let below = below()?;
            let entry = |(name, raw)| Ok((Key { name, place: None }, node(raw, below)?));
            Value::Map(entries.into_iter().map(entry).collect::<Result<_, String>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(said)?;
            let below = below()?;
            Value::Seq(items.into_iter().map(|raw| node(raw, below)).collect::<Result<_, String>>()?)
        }
        Some(b'"') => Value::Str(serde_json::from_str(text).map_err(said)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => number(text)?,
    }))
}

fn number(text: &str) -> Result<Value, String> {
    if let Ok(whole) = text.parse() {
        return Ok(Value::Int(whole));
    }
    match text.parse() {
        Ok(number) if f64::is_finite(number) => Ok(Value::Float(number)),
        _ => Err(format!("number out of range: {text}")),
    }
}

/// A map's entries, in order; of a name given twice the last counts.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries: Vec<(String, &'de RawValue)> = Vec::new();
                // Or a map of many keys would take their number squared.
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((name, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    match places.get(&name).and_then(|place| entries.get_mut(*place)) {
                        Some((_, known)) => *known = raw,
                        None => {
                            places.insert(name.clone(), entries.len());
                            entries.push((name, raw));
                        }
                    }
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_serde_json_has() {
        for text in [
            r#"{"a": [1, -2, 2.5, 1e3, -0.0, 9223372036854775807, 9223372036854775808], "b": {"\u00e9\n": "\ud83d\ude00"}}"#,
            r#" [null, true, false, "", {}, [], {"a": 1, "b": 2, "a": 3}] "#,
            "7",
        ] {
            let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text.as_bytes()).unwrap(), Node::from_json(&theirs), "{text}");
        }
        for text in ["", "{", "[1,]", "nul", "01", "1e999", "[\"\\ud83d\"]", "{} {}", "\u{0}", "{\"a\": 1e999}"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"\"\xff\"").is_err());
        assert!(read(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes()).is_err());
        assert!(read(format!("{}{}", "[".repeat(DEEPEST), "]".repeat(DEEPEST)).as_bytes()).is_ok());
    }

    #[test]
    fn s14_many_keys_take_no_longer_than_they_are_long() {
        let keys: Vec<String> = (0..100_000).map(|number| format!("\"k{number}\":1")).collect();
        let (text, started) = (format!("{{{}}}", keys.join(",")), std::time::Instant::now());
        let Value::Map(entries) = read(text.as_bytes()).unwrap().value else { panic!() };
        // A quadratic reader takes minutes.
        assert!(entries.len() == keys.len() && started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    }

    #[test]
    fn every_number_comes_back_to_the_bit() {
        let mut seed = 0x5EED_u64;
        let mut theirs_differ = 0;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (seed >> 11) as f64 / (1_u64 << 53) as f64;
            let text = Node::new(Value::Float(number)).to_json().to_string();
            assert_eq!(read(text.as_bytes()).unwrap().value, Value::Float(number), "{text}");
            theirs_differ += u32::from(serde_json::from_str::<f64>(&text).unwrap().to_bits() != number.to_bits());
        }
        // Else this file could go.
        assert!(theirs_differ > 0);
    }
}
