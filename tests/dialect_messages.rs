//! Anthropic's clients against golden files: `tests/golden/messages/<case>/`, which `tests/support/cases.rs` explains. The provider speaks
//! OpenAI's dialect, or Anthropic's too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

use serde_json::{Value, json};
use signalbox::dialect::{Bridge, Dialect, client_face};

const FOLDER: cases::Folder = cases::Folder {
    name: "messages",
    client: "anthropic",
    provider: "openai",
    model: "gpt-4o",
    prefixed_ids: true,
    cases: 60,
    streams: 20,
};

/// M22: a cut stream ends with an error event, and never looks complete.
#[test]
fn m22_an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for (case, bytes) in cases::streams() {
        let context = case.context();
        for at in 0..bytes.len() {
            let (text, facts) = case.replay_in(&context, &[&bytes[..at]]);
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
    for (case, bytes) in cases::streams() {
        let Bridge::Translated(..) = case.bridge() else { continue };
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
