//! What the gateway adds to a client's body: members that the client left out, a bound for the length of the answer, the wish for a
//! stream's usage.
//!
//! **Invariant:** what the client said stays, save for the length where that is asked for; every other member keeps its very bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// The members of an object, each with its very bytes.
pub(in crate::codec) type Object<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Reads an object, to be changed and written again. `None`: it is none.
pub(in crate::codec) fn object(json: &[u8]) -> Option<Object<'_>> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(json).ok()?;
    Some(members.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))).collect())
}

/// The two names of one thing; the newer one first.
const LENGTH: [&str; 2] = ["max_completion_tokens", "max_tokens"];

/// A bound for the length of an answer, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ceiling {
    /// Longer wishes are lowered to it.
    Lower(u64),
    /// It takes the place of any wish.
    Set(u64),
}

/// The body with the gaps filled. `None`: nothing was to be done, or the body is no object.
#[must_use]
pub fn filled(body: &[u8], gaps: &Map<String, Value>, ceiling: Option<Ceiling>) -> Option<Vec<u8>> {
    let mut members = object(body)?;
    let mut changed = false;
    let is_there = |members: &Object<'_>, name: &str| members.get(name).is_some_and(|value| value.get() != "null");
    for (name, value) in gaps {
        let has_length = LENGTH.contains(&name.as_str()) && LENGTH.iter().any(|name| is_there(&members, name));
        if !has_length && !is_there(&members, name) {
            members.insert(Cow::Borrowed(name), Cow::Owned(to_raw_value(value).ok()?));
            changed = true;
        }
    }
    if let Some(ceiling) = ceiling {
        let (Ceiling::Lower(most) | Ceiling::Set(most)) = ceiling;
        let asked = |value: &RawValue| serde_json::from_str::<u64>(value.get()).ok();
        let mut set = |members: &mut BTreeMap<_, _>, name: &'static str| {
            members.insert(Cow::Borrowed(name), Cow::Owned(to_raw_value(&most).ok()?));
            changed = true;
            Some(())
        };
        let present: Vec<&'static str> = LENGTH.into_iter().filter(|name| is_there(&members, name)).collect();
        for name in &present {
            let now = members.get(*name).and_then(|value| asked(value));
            let replace = match ceiling {
                Ceiling::Lower(most) => now.is_some_and(|now| now > most),
                Ceiling::Set(most) => now != Some(most),
            };
            if replace {
                set(&mut members, name)?;
            }
        }
        if present.is_empty() && matches!(ceiling, Ceiling::Set(_)) {
            set(&mut members, "max_tokens")?;
        }
    }
    changed.then(|| serde_json::to_vec(&members).ok()).flatten()
}

/// The body with `include_usage` among the `stream_options` that it has. A body that is no object stays as it is, and so does one whose
/// `stream_options` are none: the provider will say so.
#[must_use]
pub fn with_usage_asked(body: &[u8]) -> Vec<u8> {
    asking_usage(body).unwrap_or_else(|| body.to_vec())
}

fn asking_usage(body: &[u8]) -> Option<Vec<u8>> {
    const OPTIONS: &str = "stream_options";
    let mut members = object(body)?;
    let mut options = match members.get(OPTIONS).map(|given| given.get()) {
        None | Some("null") => Object::new(),
        Some(given) => object(given.as_bytes())?,
    };
    options.insert(Cow::Borrowed("include_usage"), Cow::Owned(to_raw_value(&true).ok()?));
    let options = to_raw_value(&options).ok()?;
    members.insert(Cow::Borrowed(OPTIONS), Cow::Owned(options));
    serde_json::to_vec(&members).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(body: &str, gaps: &str, ceiling: Option<Ceiling>) -> Option<String> {
        let gaps: Map<String, Value> = serde_json::from_str(gaps).unwrap();
        filled(body.as_bytes(), &gaps, ceiling).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn gaps_are_filled_and_what_the_client_said_stays() {
        let body = r#"{"model":"m","temperature":0.50,"top_p":null,"max_completion_tokens":9}"#;
        let gaps = r#"{"temperature":1,"top_p":0.9,"max_tokens":5,"reasoning_effort":"high"}"#;
        let wanted =
            r#"{"max_completion_tokens":9,"model":"m","reasoning_effort":"high","temperature":0.50,"top_p":0.9}"#;
        assert_eq!(fill(body, gaps, None).unwrap(), wanted);
        assert_eq!(fill(body, r#"{"temperature":1}"#, None), None);
        assert_eq!(fill("[1]", gaps, Some(Ceiling::Set(1))), None);
    }

    #[test]
    fn a_ceiling_lowers_or_takes_the_place() {
        let with = |body, ceiling| fill(body, "{}", Some(ceiling));
        assert_eq!(with(r#"{"max_tokens":9}"#, Ceiling::Lower(5)).unwrap(), r#"{"max_tokens":5}"#);
        assert_eq!(with(r#"{"max_tokens":5}"#, Ceiling::Lower(5)), None);
        assert_eq!(with(r#"{"max_tokens":"many"}"#, Ceiling::Lower(5)), None, "the provider will say what is wrong");
        assert_eq!(with("{}", Ceiling::Lower(5)), None);
        assert_eq!(with(r#"{"max_tokens":3}"#, Ceiling::Set(5)).unwrap(), r#"{"max_tokens":5}"#);
        let newer = r#"{"max_completion_tokens":9}"#;
        assert_eq!(with(newer, Ceiling::Set(5)).unwrap(), r#"{"max_completion_tokens":5}"#);
        assert_eq!(with("{}", Ceiling::Set(5)).unwrap(), r#"{"max_tokens":5}"#);
    }
}
