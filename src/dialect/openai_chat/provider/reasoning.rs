//! What OpenAI's reasoning models take otherwise than the others: a limit by its newer name, and hardly any sampling.
//!
//! The rules are LiteLLM's (1.106.2), for the same two families: the `o` series, and `gpt-5` and later but for its chat models. All
//! others' bytes pass as they are, at the price of a look at the name.
//!
//! **Invariant:** a member is only left out with `drop_params`, and then named; all that stays keeps its very bytes.

use std::borrow::Cow;

use crate::dialect::body_defaults::{Object, object};

const LENGTH: &str = "max_tokens";
const NEWER_LENGTH: &str = "max_completion_tokens";
/// Taken by no model that thinks.
const SAMPLING: &[&str] = &["top_p", "logprobs", "top_logprobs"];
const PENALTIES: &[&str] = &["presence_penalty", "frequency_penalty"];
const NOT_GPT: &[&str] = &["stop", "logit_bias", "modalities", "prediction", "audio", "web_search_options"];
const NOT_SERIES: &[&str] = &["parallel_tool_calls"];
/// The families that do not think unless they are told to.
const THINKS_WHEN_TOLD: &[&str] = &["gpt-5.1", "gpt-5.2", "gpt-5.4"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// `o1`, `o3`, `o4-mini`.
    Series,
    /// `gpt-5` and later. Whether it can be told not to think, and whether it does not unless it is told to.
    Gpt { can_rest: bool, rests: bool },
}

fn family(model: &str) -> Option<Family> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let mut letters = name.bytes();
    if letters.next() == Some(b'o') && letters.next().is_some_and(|letter| letter.is_ascii_digit()) {
        return Some(Family::Series);
    }
    // Not `contains`: what that builds for a search costs more than this, and each request is asked.
    let is_one = name.as_bytes().windows(5).any(|five| matches!(five, b"gpt-5" | b"gpt-6"));
    let is_one = is_one && !name.contains("gpt-5-chat");
    is_one.then(|| {
        let is_first = !name.contains("gpt-5.") && !name.contains("gpt-6");
        let can_rest = !is_first && !name.contains("chat");
        let rests = can_rest && THINKS_WHEN_TOLD.iter().any(|known| name.contains(known));
        Family::Gpt { can_rest, rests }
    })
}

/// Whether a model of OpenAI's thinks.
pub fn reasons(model: &str) -> bool {
    family(model).is_some()
}

/// Whether it can be told not to.
pub fn can_rest(model: &str) -> bool {
    matches!(family(model), Some(Family::Gpt { can_rest: true, .. }))
}

/// The body as the model takes it, and the names of what was left out. `None`: as it is.
#[must_use]
pub fn suited(body: &[u8], model: &str, drop_params: bool) -> Option<(Vec<u8>, Vec<String>)> {
    let family = family(model)?;
    let mut members = object(body)?;
    let mut changed = false;
    if let Some(limit) = members.remove(LENGTH) {
        members.entry(Cow::Borrowed(NEWER_LENGTH)).or_insert(limit);
        changed = true;
    }
    let mut dropped = Vec::new();
    if drop_params {
        let sampled = SAMPLING.iter().chain(["temperature"].iter()).filter(|_| thinks(family, &members));
        let other = match family {
            Family::Series => NOT_SERIES,
            Family::Gpt { .. } => NOT_GPT,
        };
        let names: Vec<&str> = sampled.chain(PENALTIES).chain(other).copied().collect();
        for name in names {
            if members.get(name).is_some_and(|value| says_something(name, value.get())) {
                members.remove(name);
                dropped.push(name.to_owned());
            }
        }
    }
    if !changed && dropped.is_empty() {
        return None;
    }
    Some((serde_json::to_vec(&members).ok()?, dropped))
}

/// Whether the model thinks about this request.
fn thinks(family: Family, members: &Object<'_>) -> bool {
    let Family::Gpt { can_rest, rests } = family else { return true };
    let effort = members.get("reasoning_effort").map(|value| value.get()).filter(|value| *value != "null");
    let rests = match effort {
        Some(effort) => can_rest && effort == "\"none\"",
        None => rests,
    };
    !rests
}

/// Whether a value asks for anything else than what the models do anyway.
fn says_something(name: &str, value: &str) -> bool {
    let is_one = || name == "temperature" && value.parse() == Ok(1.0);
    value != "null" && !is_one()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(model: &str, drop_params: bool, body: &str) -> Option<(String, String)> {
        let (body, dropped) = suited(body.as_bytes(), model, drop_params)?;
        Some((String::from_utf8(body).unwrap(), dropped.join(",")))
    }

    #[test]
    fn c12_a_limit_gets_its_newer_name() {
        for model in
            ["o1", "o3", "o4-mini-2025-04-16", "openai/o3", "gpt-5", "gpt-5-mini", "gpt-5.1-chat-latest", "gpt-6-sol"]
        {
            let fitted = fit(model, false, r#"{"model":"m","max_tokens":5,"temperature":0.20}"#);
            let wanted = r#"{"max_completion_tokens":5,"model":"m","temperature":0.20}"#;
            assert_eq!(fitted, Some((wanted.to_owned(), String::new())), "{model}");
        }
        let both = fit("o3", false, r#"{"max_tokens":5,"max_completion_tokens":9}"#);
        assert_eq!(both.unwrap().0, r#"{"max_completion_tokens":9}"#);
    }

    #[test]
    fn c12_what_is_not_taken_is_dropped_where_that_is_asked() {
        let body = r#"{"temperature":0.2,"top_p":0.5,"logprobs":true,"presence_penalty":1,"stop":["x"],"logit_bias":{"1":1},"parallel_tool_calls":false,"seed":1}"#;
        let dropped = |model| fit(model, true, body).unwrap().1;
        assert_eq!(dropped("o3"), "top_p,logprobs,temperature,presence_penalty,parallel_tool_calls");
        assert_eq!(dropped("gpt-5"), "top_p,logprobs,temperature,presence_penalty,stop,logit_bias");
        assert_eq!(dropped("gpt-5.5"), dropped("gpt-5"));
        assert_eq!(dropped("gpt-5.1-chat-latest"), dropped("gpt-5"));
        assert_eq!(dropped("gpt-5.1"), "presence_penalty,stop,logit_bias", "it rests unless it is told to think");
        assert_eq!(fit("o3", false, body), None, "the provider says what is wrong");
        assert_eq!(fit("o3", true, r#"{"temperature":1,"top_p":null}"#), None);
        assert_eq!(fit("o3", true, r#"{"temperature":1.0}"#), None);
        let effort = |model, effort| fit(model, true, &format!(r#"{{"temperature":0,"reasoning_effort":{effort}}}"#));
        assert!(effort("gpt-5.1", "\"low\"").is_some() && effort("gpt-5.1", "\"none\"").is_none());
        assert!(effort("gpt-5.5", "\"none\"").is_none() && effort("gpt-5", "\"none\"").is_some());
    }

    #[test]
    fn other_models_are_left_alone() {
        let body = r#"{"max_tokens":5,"temperature":0}"#;
        for model in ["gpt-4o", "gpt-5-chat-latest", "olmo", "o", "", "qwen/o-3", "gpt-4.5"] {
            assert_eq!(fit(model, true, body), None, "{model}");
        }
        assert_eq!(fit("o3", true, r#"{"model":"o3"}"#), None);
        assert_eq!(fit("o3", true, "[1]"), None);
    }
}
