//! What the gateway adds to a client's body: members that the client left out, a bound for the length of the answer, the request for a
//! stream's usage.
//!
//! **Invariant:** what the client said stays, save for the length where that is asked for; every other member keeps its very bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// The members of an object, each with its very bytes.
pub type Object<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// Reads an object, to be changed and written again. `None`: it is none.
#[must_use]
pub fn object(json: &[u8]) -> Option<Object<'_>> {
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(json).ok()?;
    let mut object = Object::new();
    object.extend(members.into_iter().map(|(name, value)| (name, Cow::Borrowed(value))));
    Some(object)
}

/// The two names of one thing; the newer one first.
const LENGTH: [&str; 2] = ["max_completion_tokens", "max_tokens"];
/// OpenAI's way and Anthropic's to say how much to think: a client that says one of them has said it.
const THINKING: [&str; 2] = ["reasoning_effort", "thinking"];

/// Whether a body has a member that is not `null`.
fn is_there(members: &Object<'_>, name: &str) -> bool {
    members.get(name).is_some_and(|value| value.get() != "null")
}

/// Whether a member is said by another name. `says_thinking`: the client's own body did, for of what a deployment brings both may stand.
fn is_said(members: &Object<'_>, says_thinking: bool, name: &str) -> bool {
    THINKING.contains(&name) && says_thinking
        || LENGTH.contains(&name) && LENGTH.iter().any(|name| is_there(members, name))
}

/// A bound for the length of an answer, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCap {
    /// Longer limits are lowered to it.
    Lower(u64),
    /// It replaces any limit.
    Set(u64),
}

/// A body with its gaps filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filled {
    /// The body.
    pub body: Vec<u8>,
    /// The members that were not there before.
    pub added: Vec<String>,
}

/// The body with the gaps filled. `None`: nothing was to be done, or the body is no object.
#[must_use]
pub fn filled(body: &[u8], gaps: &Map<String, Value>, ceiling: Option<TokenCap>) -> Option<Filled> {
    let mut members = object(body)?;
    let (mut changed, mut added) = (false, Vec::new());
    let says_thinking = THINKING.iter().any(|name| is_there(&members, name));
    for (name, value) in gaps {
        if !is_there(&members, name) && !is_said(&members, says_thinking, name) {
            members.insert(Cow::Borrowed(name), Cow::Owned(to_raw_value(value).ok()?));
            added.push(name.clone());
            changed = true;
        }
    }
    if let Some(ceiling) = ceiling {
        let (TokenCap::Lower(most) | TokenCap::Set(most)) = ceiling;
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
                TokenCap::Lower(most) => now.is_some_and(|now| now > most),
                TokenCap::Set(most) => now != Some(most),
            };
            if replace {
                set(&mut members, name)?;
            }
        }
        if present.is_empty() && matches!(ceiling, TokenCap::Set(_)) {
            set(&mut members, "max_tokens")?;
            added.push("max_tokens".to_owned());
        }
    }
    let body = changed.then(|| serde_json::to_vec(&members).ok()).flatten()?;
    Some(Filled { body, added })
}

/// The body without these members. `None`: it is no object.
#[must_use]
pub fn without(body: &[u8], names: &[String]) -> Option<Vec<u8>> {
    let mut members = object(body)?;
    members.retain(|name, _| !names.iter().any(|left_out| left_out == name));
    serde_json::to_vec(&members).ok()
}

/// The body with the version of the dialect in place of the model, which stands in the path. A body that is no object stays as it is.
#[must_use]
pub fn versioned(body: Vec<u8>, version: &str) -> Vec<u8> {
    let Some(mut members) = object(&body) else { return body };
    let Ok(version) = to_raw_value(version) else { return body };
    members.remove("model");
    members.insert(Cow::Borrowed("anthropic_version"), Cow::Owned(version));
    serde_json::to_vec(&members).unwrap_or_default()
}

/// What a deployment brings to a body.
#[derive(Debug, Clone, Copy)]
pub struct Brought<'a> {
    /// Parameters, for where the client gives none.
    pub members: &'a Map<String, Value>,
    /// Members of another kind: they take the place of OpenAI's own parameters, and yield to a client's that OpenAI does not know.
    pub extra: &'a Map<String, Value>,
    /// What is not sent, whatever gave it.
    pub dropped: &'a [String],
}

/// Parameters of OpenAI's own, which `extra` takes the place of.
const OPENAIS_OWN: &[&str] = &[
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "n",
    "user",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "response_format",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "modalities",
    "prediction",
    "audio",
    "service_tier",
    "store",
    "dimensions",
    "encoding_format",
];

/// The body with what a deployment brings, and the names of the client's members that are not sent. `None`: the body is no object. Tools of
/// the deployment stand before those of the client.
#[must_use]
pub fn completed(body: &[u8], brought: &Brought<'_>) -> Option<(Vec<u8>, Vec<String>)> {
    let mut members = object(body)?;
    let mut left_out = Vec::new();
    for name in brought.dropped {
        if is_there(&members, name) {
            left_out.push(name.clone());
        }
        members.remove(name.as_str());
    }
    let says_thinking = THINKING.iter().any(|name| is_there(&members, name));
    let raw = |value: &Value| Some(Cow::Owned(to_raw_value(value).ok()?));
    for (name, value) in brought.members.iter().filter(|(name, _)| !brought.dropped.contains(name)) {
        let value = match (is_there(&members, name) || is_said(&members, says_thinking, name), name.as_str()) {
            (true, "tools") => match members.get("tools").and_then(|own| joined(value, own)) {
                Some(both) => both,
                None => continue,
            },
            (true, _) => continue,
            (false, _) => raw(value)?,
        };
        members.insert(Cow::Borrowed(name), value);
    }
    let mut body = members;
    for (name, value) in brought.extra.iter().filter(|(name, _)| !brought.dropped.contains(name)) {
        if OPENAIS_OWN.contains(&name.as_str()) || !is_there(&body, name) {
            body.insert(Cow::Borrowed(name), raw(value)?);
        }
    }
    Some((serde_json::to_vec(&body).ok()?, left_out))
}

/// A body with these members in place of its own. One that is no object stays as it is.
#[must_use]
pub fn overlaid(body: Vec<u8>, extra: &Map<String, Value>) -> Vec<u8> {
    let Some(mut members) = object(&body) else { return body };
    for (name, value) in extra {
        let Ok(value) = to_raw_value(value) else { continue };
        members.insert(Cow::Borrowed(name), Cow::Owned(value));
    }
    serde_json::to_vec(&members).unwrap_or_else(|_| body.clone())
}

/// The body without what paths lead to (`tools[*].function.strict`), and the paths that led to something. `None`: none did.
#[must_use]
pub fn without_inside(body: &[u8], paths: &[String]) -> Option<(Vec<u8>, Vec<String>)> {
    let mut whole: Option<Box<RawValue>> = None;
    let mut left_out = Vec::new();
    for path in paths {
        // As LiteLLM reads a path: names, and brackets with a number or a star.
        let steps: Vec<&str> =
            path.split(['.', '[']).map(|step| step.trim_end_matches(']')).filter(|step| !step.is_empty()).collect();
        let text = whole.as_ref().map_or(body, |whole| whole.get().as_bytes());
        let pruned = serde_json::from_slice(text).ok().and_then(|raw| pruned(raw, &steps));
        if pruned.is_some() {
            left_out.push(path.clone());
            whole = pruned;
        }
    }
    Some((whole?.get().as_bytes().to_vec(), left_out))
}

/// A value without what these steps lead to; `None`: they lead nowhere.
fn pruned(raw: &RawValue, steps: &[&str]) -> Option<Box<RawValue>> {
    let (step, rest) = steps.split_first()?;
    if let Ok(mut items) = serde_json::from_str::<Vec<Cow<'_, RawValue>>>(raw.get()) {
        let mut found = false;
        for (index, item) in items.iter_mut().enumerate() {
            let is_meant = *step == "*" || *step == index.to_string();
            if let Some(less) = is_meant.then(|| pruned(item, rest)).flatten() {
                (*item, found) = (Cow::Owned(less), true);
            }
        }
        return found.then(|| to_raw_value(&items).ok()).flatten();
    }
    let mut members = object(raw.get().as_bytes())?;
    if rest.is_empty() {
        members.remove(*step)?;
    } else {
        let inner = pruned(members.get(*step)?, rest)?;
        members.insert(Cow::Borrowed(step), Cow::Owned(inner));
    }
    to_raw_value(&members).ok()
}

/// Two lists as one.
fn joined<'a>(first: &Value, second: &RawValue) -> Option<Cow<'a, RawValue>> {
    let (Value::Array(first), Ok(second)) = (first, serde_json::from_str::<Vec<&RawValue>>(second.get())) else {
        return None;
    };
    let first: Vec<Box<RawValue>> = first.iter().map(to_raw_value).collect::<Result<_, _>>().ok()?;
    let all: Vec<&RawValue> = first.iter().map(AsRef::as_ref).chain(second).collect();
    Some(Cow::Owned(to_raw_value(&all).ok()?))
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

    fn fill(body: &str, gaps: &str, ceiling: Option<TokenCap>) -> Option<String> {
        let gaps: Map<String, Value> = serde_json::from_str(gaps).unwrap();
        filled(body.as_bytes(), &gaps, ceiling).map(|it| String::from_utf8(it.body).unwrap())
    }

    #[test]
    fn gaps_are_filled_and_what_the_client_said_stays() {
        let body = r#"{"model":"m","temperature":0.50,"top_p":null,"max_completion_tokens":9}"#;
        let gaps = r#"{"temperature":1,"top_p":0.9,"max_tokens":5,"reasoning_effort":"high"}"#;
        let wanted =
            r#"{"max_completion_tokens":9,"model":"m","reasoning_effort":"high","temperature":0.50,"top_p":0.9}"#;
        assert_eq!(fill(body, gaps, None).unwrap(), wanted);
        assert_eq!(fill(body, r#"{"temperature":1}"#, None), None);
        assert_eq!(fill("[1]", gaps, Some(TokenCap::Set(1))), None);
    }

    #[test]
    fn a_deployment_brings_what_the_client_did_not_give() {
        let map = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap();
        let complete = |body: &str, members: &str, extra: &str, dropped: &[&str]| {
            let dropped: Vec<String> = dropped.iter().map(ToString::to_string).collect();
            let brought = Brought { members: &map(members), extra: &map(extra), dropped: &dropped };
            let (body, left_out) = completed(body.as_bytes(), &brought).unwrap();
            (String::from_utf8(body).unwrap(), left_out)
        };
        let none: Vec<String> = Vec::new();
        assert_eq!(
            complete(
                r#"{"model":"m","temperature":0.50}"#,
                r#"{"temperature":1,"max_tokens":77}"#,
                r#"{"top_k":5}"#,
                &[]
            ),
            (r#"{"max_tokens":77,"model":"m","temperature":0.50,"top_k":5}"#.to_owned(), none.clone())
        );
        // LiteLLM's order: `extra_body` over OpenAI's own parameters, and under a client's that OpenAI does not know.
        assert_eq!(
            complete(r#"{"temperature":0.5,"top_k":7}"#, "{}", r#"{"temperature":0.9,"top_k":1}"#, &[]).0,
            r#"{"temperature":0.9,"top_k":7}"#
        );
        // One length is enough: providers refuse both.
        assert_eq!(
            complete(r#"{"max_completion_tokens":9}"#, r#"{"max_tokens":77}"#, "{}", &[]).0,
            r#"{"max_completion_tokens":9}"#
        );
        // So is one word on thinking; a deployment may bring both.
        let both = r#"{"reasoning_effort":"low","thinking":{"type":"adaptive"}}"#;
        assert_eq!(complete("{}", both, "{}", &[]).0, both);
        for own in [r#"{"reasoning_effort":"high"}"#, r#"{"thinking":{"type":"disabled"}}"#] {
            assert_eq!(complete(own, both, "{}", &[]).0, own);
            assert_eq!(fill(own, both, None), None);
        }
        assert_eq!(
            complete(r#"{"tools":[{"b": 1}]}"#, r#"{"tools":[{"a":1}]}"#, "{}", &[]).0,
            r#"{"tools":[{"a":1},{"b": 1}]}"#
        );
        let (body, left_out) =
            complete(r#"{"logit_bias":{},"seed":1,"n":null}"#, r#"{"seed":2}"#, "{}", &["seed", "n", "logit_bias"]);
        assert_eq!((body.as_str(), left_out), ("{}", vec!["seed".to_owned(), "logit_bias".to_owned()]));
        assert!(completed(b"[1]", &Brought { members: &map("{}"), extra: &map("{}"), dropped: &[] }).is_none());
        assert_eq!(overlaid(br#"{"a":1}"#.to_vec(), &map(r#"{"a":2,"b":3}"#)), br#"{"a":2,"b":3}"#);
        assert_eq!(overlaid(b"[1]".to_vec(), &map(r#"{"a":2}"#)), b"[1]");
    }

    #[test]
    fn paths_lead_into_members() {
        let without = |body: &str, paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
            without_inside(body.as_bytes(), &paths).map(|(body, left)| (String::from_utf8(body).unwrap(), left))
        };
        let tools = r#"{"n":1.50,"tools":[{"function":{"name":"f","strict":true}},{"function":{"name":"g"}},3]}"#;
        assert_eq!(
            without(tools, &["tools[*].function.strict", "a.b"]).unwrap(),
            (
                r#"{"n":1.50,"tools":[{"function":{"name":"f"}},{"function":{"name":"g"}},3]}"#.to_owned(),
                vec!["tools[*].function.strict".to_owned()]
            )
        );
        assert_eq!(
            without(r#"{"a":[{"b":1,"c":2},{"b":1}],"x":{"y":{"z":0}}}"#, &["a[1].b", "x.y.z"]).unwrap().0,
            r#"{"a":[{"b":1,"c":2},{}],"x":{"y":{}}}"#
        );
        for path in ["tools[9].function", "tools[*]", "n.x", "tools.function"] {
            assert_eq!(without(tools, &[path]), None, "{path}");
        }
        assert_eq!(without("[1]", &["a.b"]), None);
    }

    #[test]
    fn a_ceiling_lowers_or_takes_the_place() {
        let with = |body, ceiling| fill(body, "{}", Some(ceiling));
        assert_eq!(with(r#"{"max_tokens":9}"#, TokenCap::Lower(5)).unwrap(), r#"{"max_tokens":5}"#);
        assert_eq!(with(r#"{"max_tokens":5}"#, TokenCap::Lower(5)), None);
        assert_eq!(with(r#"{"max_tokens":"many"}"#, TokenCap::Lower(5)), None, "the provider will say what is wrong");
        assert_eq!(with("{}", TokenCap::Lower(5)), None);
        assert_eq!(with(r#"{"max_tokens":3}"#, TokenCap::Set(5)).unwrap(), r#"{"max_tokens":5}"#);
        let newer = r#"{"max_completion_tokens":9}"#;
        assert_eq!(with(newer, TokenCap::Set(5)).unwrap(), r#"{"max_completion_tokens":5}"#);
        assert_eq!(with("{}", TokenCap::Set(5)).unwrap(), r#"{"max_tokens":5}"#);
    }
}
