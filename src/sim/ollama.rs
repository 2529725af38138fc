//! Ollama's dialect, from the provider's side: chats, their streams of lines, embeddings and errors as the real server writes them.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use serde_json::{Map, Value, json};

use super::{
    answer::Answer,
    fault::{Inband, Preset},
    openai,
    request::{Call, Form, Request},
    script::{self, Event, Kind},
    surface::{Errors, Streams, Surface, at, list, status_of, unnamed},
};

/// Chats.
pub const CHAT: Surface = Surface {
    ends: &["/api/chat"],
    of: None,
    form: Form::Chat,
    translate: Some(as_openais),
    whole: complete,
    streams: Some(Streams {
        events: stream,
        error: |kind| Event::line(Kind::End, &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: "application/x-ndjson",
    }),
    errors: &ERRORS,
};

/// Embeddings.
pub const EMBEDDINGS: Surface = Surface {
    ends: &["/api/embed"],
    of: None,
    form: Form::Embeddings,
    translate: Some(as_openais),
    whole: embeddings,
    streams: None,
    errors: &ERRORS,
};

const ERRORS: Errors =
    Errors { failed, preset, inband, header: unnamed, request_id: "x-request-id", models: openai::models };

/// The request as one of OpenAI's. It streams unless it says that it does not.
fn as_openais(_: &str, body: &[u8]) -> Result<Value, String> {
    let mut body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let mut messages = at(&body, "/messages").clone();
    for message in messages.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        let Some(text) = message.get("content").map_or(Some(""), Value::as_str) else {
            return Err(
                "json: cannot unmarshal array into Go struct field ChatRequest.messages of type string".to_owned()
            );
        };
        let mut parts = vec![json!({"type": "text", "text": text})];
        let images = message.get("images").and_then(Value::as_array).map_or(0, Vec::len);
        parts.resize(images + 1, json!({"type": "image"}));
        let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
        if calls.into_iter().any(|call| !at(call, "/function/arguments").is_object()) {
            return Err("json: cannot unmarshal string into Go struct field ToolCallFunction.arguments".to_owned());
        }
        message.insert("content".to_owned(), parts.into());
    }
    let effort = match at(&body, "/think") {
        Value::Bool(thinks) => thinks.then_some("medium").into(),
        level => level.clone(),
    };
    let format = match at(&body, "/format") {
        Value::String(_) => json!({"type": "json_object"}),
        Value::Null => Value::Null,
        schema => json!({"type": "json_schema", "json_schema": {"schema": schema}}),
    };
    let (limit, stop) = (at(&body, "/options/num_predict").clone(), at(&body, "/options/stop").clone());
    let fields = body.as_object_mut().ok_or("json: cannot unmarshal into Go value of type api.ChatRequest")?;
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if messages.is_array() {
        put("messages", messages);
    }
    put("reasoning_effort", effort);
    put("response_format", format);
    put("max_tokens", limit);
    put("stop", stop);
    fields.entry("stream").or_insert(true.into());
    Ok(body)
}

/// The whole answer.
fn complete(answer: &Answer, _: &Request) -> Value {
    let mut message = said("content", &answer.text());
    if !answer.thoughts.is_empty() {
        message.insert("thinking".to_owned(), answer.thoughts.concat().into());
    }
    if !answer.calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls(answer));
    }
    line(answer, message, true)
}

/// The lines of a stream; calls come whole.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let pieces = |name, words: &[String]| words.iter().map(|word| said(name, word)).collect::<Vec<_>>();
    let mut messages = pieces("thinking", &answer.thoughts);
    messages.extend(pieces("content", &answer.words));
    if !answer.calls.is_empty() {
        let mut message = said("content", "");
        message.insert("tool_calls".to_owned(), calls(answer));
        messages.push(message);
    }
    let lines = messages.into_iter().map(|message| Event::line(Kind::Token, &line(answer, message, false).to_string()));
    let end = line(answer, said("content", ""), true).to_string();
    lines.chain([Event::line(Kind::End, &end)]).collect()
}

fn said(name: &str, word: &str) -> Map<String, Value> {
    let mut message = Map::from_iter([("role".to_owned(), "assistant".into()), ("content".to_owned(), "".into())]);
    message.insert(name.to_owned(), word.into());
    message
}

fn calls(answer: &Answer) -> Value {
    let call = |(index, call): (usize, &Call)| {
        let arguments: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let function = json!({"index": index, "name": call.name, "arguments": arguments});
        json!({"id": format!("call_sim{:06}{index:02}", answer.number), "function": function})
    };
    answer.calls.iter().enumerate().map(call).collect()
}

fn line(answer: &Answer, message: Map<String, Value>, ends: bool) -> Value {
    let mut line =
        json!({"model": answer.model, "created_at": "2026-01-01T00:00:00Z", "message": message, "done": ends});
    if let (true, Some(line)) = (ends, line.as_object_mut()) {
        let counts = json!({
            "done_reason": if answer.short { "length" } else { "stop" },
            "total_duration": 1_000_000, "load_duration": 1_000, "prompt_eval_count": answer.prompt_tokens, "prompt_eval_duration": 1_000,
            "eval_count": answer.completion_tokens, "eval_duration": 1_000,
        });
        line.extend(counts.as_object().cloned().unwrap_or_default());
    }
    line
}

/// The vectors of OpenAI's answer, as Ollama writes them.
fn embeddings(answer: &Answer, request: &Request) -> Value {
    let openais = openai::embeddings(answer, request);
    let vectors: Vec<&Value> = list(&openais, "/data").iter().map(|item| at(item, "/embedding")).collect();
    json!({
        "model": answer.model, "embeddings": vectors, "total_duration": 1_000_000, "load_duration": 1_000,
        "prompt_eval_count": at(&openais, "/usage/prompt_tokens"),
    })
}

/// The models on offer.
pub fn models(names: &[&str]) -> Value {
    let model = |name: &&str| json!({"name": name, "model": name, "modified_at": "2026-01-01T00:00:00Z", "size": 1, "digest": "simulated"});
    json!({"models": names.iter().map(model).collect::<Vec<_>>()})
}

/// The status and the body of a preset error. It has no policy of its own: the words are what a model's host may say.
fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContextLength => (400, failed(400, Some("the input length exceeds the context length"))),
        Preset::ContentPolicy => (400, failed(400, Some("the request was rejected by the content policy"))),
        _ => (402, failed(402, None)),
    }
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    let usual = match status {
        401 => "unauthorized",
        402 => "you've reached your hourly usage limit, please upgrade to continue",
        403 => "this model requires a subscription, upgrade for access: https://ollama.com/upgrade",
        404 => "model 'simulated' not found",
        429 => "too many concurrent requests",
        400..=499 => "invalid request",
        503 | 529 => "server busy, please try again.  maximum pending requests exceeded",
        _ => "llama runner process has terminated: signal: killed",
    };
    json!({"error": message.unwrap_or(usual)})
}

/// The error inside a stream, or inside a body of status 200.
fn inband(kind: Inband) -> Value {
    failed(status_of(kind), None)
}
