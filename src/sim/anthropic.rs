//! Anthropic's dialect, from the provider's side: messages, their streams and errors as the real API writes them.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use serde_json::{Value, json};

use super::{
    answer::{Answer, Ending},
    fault::{Inband, Preset},
    request::{Form, Request},
    script::{self, Event, Kind},
    surface::{Errors, Streams, Surface, unnamed},
};

/// Messages.
pub const MESSAGES: Surface = Surface {
    ends: &["/messages"],
    of: None,
    form: Form::Messages,
    translate: None,
    whole: complete,
    streams: Some(Streams {
        events: stream,
        error: |kind| Event::named(Kind::End, "error", &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
};

/// Anthropic's errors.
pub const ERRORS: Errors = Errors { failed, preset, inband, header: unnamed, request_id: "request-id", models };

const SIGNATURE: &str = "c2ltdWxhdG9y";

/// The whole answer of a request that wants no stream.
fn complete(answer: &Answer, _: &Request) -> Value {
    let mut content = Vec::new();
    if !answer.thoughts.is_empty() {
        content.push(json!({"type": "thinking", "thinking": answer.thoughts.concat(), "signature": SIGNATURE}));
    }
    if answer.calls.is_empty() {
        content.push(json!({"type": "text", "text": answer.text()}));
    }
    for (place, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        content.push(json!({"type": "tool_use", "id": call_id(answer, place), "name": call.name, "input": input}));
    }
    json!({
        "id": id(answer), "type": "message", "role": "assistant", "model": answer.model, "content": content,
        "stop_reason": stop_reason(answer), "stop_sequence": answer.stopped,
        "usage": usage(answer, answer.completion_tokens),
    })
}

/// The events of a stream.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let message = json!({
        "id": id(answer), "type": "message", "role": "assistant", "model": answer.model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(answer, 1),
    });
    let mut events = Vec::with_capacity(answer.words.len() + answer.thoughts.len() + 12);
    events.push(event(Kind::Opening, "message_start", &format!(r#""message":{message}"#)));
    let mut index = 0;
    if !answer.thoughts.is_empty() {
        let block = json!({"type": "thinking", "thinking": "", "signature": ""});
        let mut deltas: Vec<String> = answer.thoughts.iter().map(|word| delta("thinking", word)).collect();
        deltas.push(delta("signature", SIGNATURE));
        push_block(&mut events, index, &block, &deltas);
        index += 1;
    }
    if answer.calls.is_empty() {
        let deltas: Vec<String> = answer.words.iter().map(|word| delta("text", word)).collect();
        push_block(&mut events, index, &json!({"type": "text", "text": ""}), &deltas);
    }
    for (place, call) in answer.calls.iter().enumerate() {
        let block = json!({"type": "tool_use", "id": call_id(answer, place), "name": call.name, "input": {}});
        let mut deltas = vec![delta("input_json", "")];
        deltas.extend(call.pieces().map(|piece| delta("input_json", piece)));
        push_block(&mut events, index, &block, &deltas);
        index += 1;
    }
    let usage = usage(answer, answer.completion_tokens);
    let end = json!({"stop_reason": stop_reason(answer), "stop_sequence": answer.stopped});
    events.push(event(Kind::Closing, "message_delta", &format!(r#""delta":{end},"usage":{usage}"#)));
    events.push(Event::named(Kind::End, "message_stop", r#"{"type":"message_stop"}"#));
    events
}

fn push_block(events: &mut Vec<Event>, index: u32, block: &Value, deltas: &[String]) {
    let start = format!(r#""index":{index},"content_block":{block}"#);
    events.push(event(Kind::Opening, "content_block_start", &start));
    if index == 0 {
        events.push(Event::named(Kind::Opening, "ping", r#"{"type":"ping"}"#));
    }
    for delta in deltas {
        events.push(event(Kind::Token, "content_block_delta", &format!(r#""index":{index},"delta":{delta}"#)));
    }
    events.push(event(Kind::Closing, "content_block_stop", &format!(r#""index":{index}"#)));
}

fn event(kind: Kind, name: &str, fields: &str) -> Event {
    Event::named(kind, name, &format!(r#"{{"type":"{name}",{fields}}}"#))
}

fn delta(kind: &str, piece: &str) -> String {
    let field = if kind == "input_json" { "partial_json" } else { kind };
    format!(r#"{{"type":"{kind}_delta","{field}":{}}}"#, json!(piece))
}

fn id(answer: &Answer) -> String {
    format!("msg_sim{:021}", answer.number)
}

fn call_id(answer: &Answer, place: usize) -> String {
    format!("toolu_sim{:017}{place:02}", answer.number)
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.ending() {
        Ending::Calls => "tool_use",
        Ending::Refusal => "refusal",
        Ending::Length => "max_tokens",
        Ending::Sequence => "stop_sequence",
        Ending::Whole => "end_turn",
    }
}

fn usage(answer: &Answer, output_tokens: u64) -> Value {
    json!({
        "input_tokens": answer.prompt_tokens - answer.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": answer.cached_tokens,
        "output_tokens": output_tokens,
        "output_tokens_details": {"thinking_tokens": answer.thoughts.len()},
        "service_tier": "standard",
    })
}

/// The models on offer.
fn models(names: &[&str]) -> Value {
    let models: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}))
        .collect();
    json!({"data": models, "has_more": false, "first_id": names.first(), "last_id": names.last()})
}

/// The status and the body of a preset error.
fn preset(preset: Preset) -> (u16, Value) {
    let words = match preset {
        Preset::ContextLength => "prompt is too long: 210000 tokens > 200000 maximum",
        Preset::ContentPolicy => "Output blocked by content filtering policy",
        _ => "Your credit balance is too low to access the Anthropic API.",
    };
    (400, error("invalid_request_error", words))
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    let (kind, words) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low to access the Anthropic API."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "model: not found"),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => {
            ("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute.")
        }
        400..=499 => ("invalid_request_error", "The request is not valid."),
        504 => ("timeout_error", "Request timed out"),
        503 | 529 => ("overloaded_error", "Overloaded"),
        _ => ("api_error", "Internal server error"),
    };
    error(kind, message.unwrap_or(words))
}

/// The error inside a stream, or inside a body of status 200.
fn inband(kind: Inband) -> Value {
    match kind {
        Inband::Overloaded => failed(529, None),
        Inband::RateLimit => failed(429, None),
        Inband::Server => failed(500, None),
    }
}

fn error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_simulator"})
}
