//! Anthropic's clients against golden files: `tests/golden/messages/<case>/`. The provider speaks OpenAI's dialect, or Anthropic's too.
//!
//! | file | what it is |
//! |---|---|
//! | `case.json` | optional: `provider` (`openai`), `model` (`gpt-4o`), `drop_params`, `status` |
//! | `client_request.json` | the client's request |
//! | `upstream_request.json` | what the provider gets, or `refused.json`: what the client gets instead |
//! | `dropped.json` | the names of what was left out, where there are any |
//! | `upstream_response.json`, `.sse` | the provider's answer |
//! | `client_response.json`, `.sse` | what the client gets for it |
//! | `facts.json` | what a stream showed, or the failure that an answer is |
//!
//! `GOLDEN=write` rewrites what comes out; the reviewer reads the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "support/golden.rs"]
mod golden;

use std::collections::BTreeMap;

use golden::{Case, assert_any_cut, assert_cases, damage, pretty};
use serde_json::{Value, json};
use signalbox::chat::{ApiError, Failure};
use signalbox::dialect::verbatim::splice;
use signalbox::dialect::{AnswerContext, Bridge, Dialect, Echo, Encoded, StreamFacts, Target, bridge, client_face};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Provider};

const NOW_S: u64 = 1_763_600_000;
/// Every file that a run produces; one that is there but was not produced is stale.
const PRODUCED: [&str; 6] = [
    "upstream_request.json",
    "refused.json",
    "dropped.json",
    "client_response.json",
    "client_response.sse",
    "facts.json",
];

fn cases() -> Vec<Case> {
    Case::all("messages")
}

impl Case {
    fn provider(&self) -> &'static Provider {
        provider::by_name(self.settings["provider"].as_str().unwrap_or("openai")).unwrap()
    }

    fn bridge(&self) -> Bridge {
        bridge(Dialect::Anthropic, self.provider().dialect)
    }

    fn encoded(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let provider = self.provider();
        let model = self.settings["model"].as_str().unwrap_or("gpt-4o");
        let drop_params = self.settings["drop_params"].as_bool().unwrap_or_default();
        match self.bridge() {
            Bridge::Verbatim(client) => {
                let span = client.scan(body)?.model_span;
                let (end, mut spliced) = splice(body, span, model, false);
                spliced.extend_from_slice(&body[end..]);
                Ok(Encoded { body: spliced, dropped: Vec::new(), echo: Echo::default() })
            }
            Bridge::Translated(client, face) => {
                let conversation = client.read(body)?;
                face.write(&conversation, Target { provider, model, drop_params, max_output_tokens: None })
            }
        }
    }

    fn context(&self) -> AnswerContext {
        let request = self.read("client_request.json");
        let echo = request.and_then(|body| self.encoded(&body).ok()).map(|encoded| encoded.echo).unwrap_or_default();
        AnswerContext {
            provider: self.provider().name,
            model: "asked-model".to_owned(),
            now_s: NOW_S,
            fallback_id: "msg_fallback".to_owned(),
            include_usage: true,
            thinking_blocks: true,
            echo,
            ..AnswerContext::default()
        }
    }

    /// All that comes out for this case, by file name.
    fn run(&self) -> BTreeMap<&'static str, String> {
        let mut out = BTreeMap::new();
        if let Some(body) = self.read("client_request.json") {
            match self.encoded(&body) {
                Ok(encoded) if matches!(self.bridge(), Bridge::Verbatim(_)) => {
                    out.insert("upstream_request.json", String::from_utf8(encoded.body).unwrap());
                }
                Ok(encoded) => {
                    out.insert("upstream_request.json", pretty(&serde_json::from_slice(&encoded.body).unwrap()));
                    if !encoded.dropped.is_empty() {
                        out.insert("dropped.json", pretty(&json!(encoded.dropped)));
                    }
                }
                Err(error) => drop(out.insert("refused.json", pretty(&refusal(&error)))),
            }
        }
        if let Some(body) = self.read("upstream_response.json") {
            let answer = match self.settings["status"].as_u64() {
                Some(status) => {
                    let status = u16::try_from(status).unwrap();
                    let (provider, header) = (self.provider().name, |_: &str| None);
                    Err(failure::classify(&ErrorAnswer { provider, status, header: &header, body: &body, now_ms: 0 }))
                }
                None => self.bridge().answer(&body, &self.context()),
            };
            match answer.map(|answer| answer.body) {
                Ok(Some(body)) => {
                    out.insert("client_response.json", pretty(&serde_json::from_slice(&body).unwrap()));
                }
                // The bytes pass.
                Ok(None) => drop(out.insert("client_response.json", String::from_utf8(body).unwrap())),
                Err(failure) => {
                    let error = failure::api_error(&failure);
                    out.insert("client_response.json", pretty(&refusal(&error)));
                    out.insert("facts.json", pretty(&failure_json(&failure)));
                }
            }
        }
        if let Some(bytes) = self.read("upstream_response.sse") {
            let (text, facts) = self.replay(&[&bytes]);
            out.insert("client_response.sse", text);
            out.insert("facts.json", pretty(&facts_json(&facts)));
        }
        out
    }

    fn replay(&self, pieces: &[&[u8]]) -> (String, StreamFacts) {
        let mut stream = self.bridge().stream(self.context());
        let text = golden::replay(stream.as_mut(), pieces);
        (text, stream.facts().clone())
    }
}

fn refusal(error: &ApiError) -> Value {
    let body = client_face(Dialect::Anthropic).error(error, Some("req-1"));
    json!({"status": error.status, "body": serde_json::from_slice::<Value>(&body).unwrap()})
}

fn failure_json(failure: &Failure) -> Value {
    json!({"class": failure.class.as_str(), "status": failure.status, "message": failure.message})
}

fn facts_json(facts: &StreamFacts) -> Value {
    json!({
        "meaningful": facts.meaningful, "complete": facts.complete, "dropped_events": facts.dropped_events,
        "failure": facts.failure.as_ref().map(failure_json),
        "usage": facts.usage.map(|usage| json!([usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens])),
    })
}

#[test]
fn every_case_comes_out_as_written() {
    let cases = cases();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    assert_cases(&cases, &PRODUCED, Case::run);
}

#[test]
fn any_cut_of_a_stream_gives_the_same() {
    let mut streams = 0;
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        streams += 1;
        assert_any_cut(&case.name(), &bytes, |pieces| case.replay(pieces));
    }
    assert!(streams >= 20, "only {streams} streams");
}

/// M22: a cut stream ends with an error event, and never looks complete.
#[test]
fn m22_an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        for at in 0..bytes.len() {
            let (text, facts) = case.replay(&[&bytes[..at]]);
            let ends_well = text.trim_end().ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}");
            assert_eq!(ends_well, facts.failure.is_none(), "{} at {at}: {text}", case.name());
            if facts.failure.is_some() {
                let last = text.trim_end().rsplit("\n\n").next().unwrap();
                assert!(
                    last.starts_with("event: error\ndata: {\"type\":\"error\","),
                    "{} at {at}: {text}",
                    case.name()
                );
            }
        }
    }
}

/// What a translated stream must keep, whatever came: one start, blocks one after the other without a gap, each filled in its own kind, calls
/// that are JSON, one end.
#[test]
fn m15_to_m20_the_events_keep_their_order() {
    let mut checked = 0;
    for case in cases() {
        let (Some(bytes), Bridge::Translated(..)) = (case.read("upstream_response.sse"), case.bridge()) else {
            continue;
        };
        let (text, facts) = case.replay(&[&bytes]);
        let events: Vec<Value> = text
            .split("\n\n")
            .filter_map(|event| event.strip_prefix("event: "))
            .map(|event| {
                let (name, data) = event.split_once("\ndata: ").unwrap();
                let event: Value = serde_json::from_str(data).unwrap();
                assert_eq!(event["type"], name, "{}", case.name());
                event
            })
            .filter(|event| event["type"] != "ping" && event["type"] != "error")
            .collect();
        let (mut open, mut next, mut arguments) = (None, 0, String::new());
        for (at, event) in events.iter().enumerate() {
            let kind = event["type"].as_str().unwrap();
            assert_eq!(at == 0, kind == "message_start", "{}", case.name());
            match kind {
                "content_block_start" => {
                    assert_eq!((open, &event["index"]), (None, &json!(next)), "{}", case.name());
                    open = event["content_block"]["type"].as_str();
                    arguments.clear();
                }
                "content_block_delta" => {
                    assert_eq!(event["index"], json!(next));
                    let fits = match event["delta"]["type"].as_str().unwrap() {
                        "text_delta" => "text",
                        "thinking_delta" | "signature_delta" => "thinking",
                        _ => "tool_use",
                    };
                    assert_eq!(open, Some(fits), "{}", case.name());
                    arguments.push_str(event["delta"]["partial_json"].as_str().unwrap_or_default());
                }
                "content_block_stop" => {
                    let is_call = open == Some("tool_use") && !arguments.is_empty();
                    assert!(
                        !is_call || serde_json::from_str::<Value>(&arguments).unwrap().is_object(),
                        "{}",
                        case.name()
                    );
                    (open, next) = (None, next + 1);
                }
                "message_delta" => assert!(open.is_none() && event["usage"]["output_tokens"].is_u64()),
                _ => {}
            }
        }
        if facts.failure.is_none() {
            let ends: Vec<&Value> = events.iter().rev().take(2).map(|event| &event["type"]).collect();
            assert_eq!(ends, ["message_stop", "message_delta"], "{}", case.name());
        }
        checked += 1;
    }
    assert!(checked >= 20, "only {checked}");
}

#[test]
fn damaged_input_never_panics() {
    for case in cases() {
        for damaged in damage(&case.read("client_request.json").unwrap_or_default()) {
            if let Ok(encoded) = case.encoded(&damaged) {
                serde_json::from_slice::<Value>(&encoded.body).expect("a body is JSON");
            }
        }
        for damaged in damage(&case.read("upstream_response.json").unwrap_or_default()) {
            let _ = case.bridge().answer(&damaged, &case.context());
        }
        for damaged in damage(&case.read("upstream_response.sse").unwrap_or_default()) {
            let mut stream = case.bridge().stream(AnswerContext::default());
            stream.push(&damaged, &mut Vec::new());
            stream.end(&mut Vec::new());
            let facts = stream.facts();
            assert!(facts.complete != facts.failure.is_some(), "{}: one end, not two and not none", case.name());
        }
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for field in ["messages", "system", "tools", "stop_sequences", "metadata", "thinking", "output_config", "x"] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"{field}":{deep}}}"#);
        let _ = client_face(Dialect::Anthropic).scan(body.as_bytes());
        let _ = client_face(Dialect::Anthropic).read(body.as_bytes());
    }
    let input = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"a","name":"f","input":{{"x":{deep}}}}}]}}]}}"#
    );
    assert!(client_face(Dialect::Anthropic).read(input.as_bytes()).is_ok(), "arguments are carried, however deep");
}
