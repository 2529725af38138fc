//! Mistral's way of OpenAI's dialect, from the provider's side: thinking within the content, calls in one piece, usage with the last chunk,
//! and a 422 for every member that it does not know.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    fault::{Inband, Preset},
    openai,
    request::{Call, Request},
    script::{self, Event, Kind},
    surface::{Errors, Owner, Refusal, Streams, Surface, at, list, status_of, unnamed},
};

/// Chats.
pub const CHAT: Surface = Surface {
    of: Some(Owner { is_meant, refused: |_, body| refused(body, OF_CHAT) }),
    whole: complete,
    streams: Some(Streams {
        events: stream,
        error: |kind| Event::sse(Kind::End, &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
    ..openai::CHAT
};

/// Embeddings.
pub const EMBEDDINGS: Surface = Surface {
    of: Some(Owner { is_meant, refused: |_, body| refused(body, OF_EMBEDDINGS) }),
    whole: embeddings,
    errors: &ERRORS,
    ..openai::EMBEDDINGS
};

const ERRORS: Errors =
    Errors { failed, preset, inband, header: unnamed, request_id: "x-request-id", models: openai::models };

/// How the names of its models begin.
const MODELS: &[&str] = &[
    "mistral-",
    "magistral-",
    "ministral-",
    "codestral-",
    "devstral-",
    "pixtral-",
    "voxtral-",
    "open-mistral-",
    "open-mixtral-",
];
const OF_CHAT: &[&str] = &[
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "prompt_mode",
    "reasoning_effort",
    "prompt_cache_key",
    "guardrails",
    "safe_prompt",
    "service_tier",
    "min_tokens",
    "repetition_penalty",
    "top_k",
    "logprobs",
    "top_logprobs",
    "prompt_logprobs",
    "top_prompt_logprobs",
];
const OF_EMBEDDINGS: &[&str] = &["model", "input", "metadata", "output_dimension", "output_dtype", "encoding_format"];
const OF_MESSAGE: &[&str] = &["role", "content", "tool_calls", "prefix"];
const OF_RESULT: &[&str] = &["role", "content", "tool_call_id", "name"];

/// Whether a model is one of its own. Its host is that of the simulator, and its path OpenAI's.
fn is_meant(_: &Parts, body: &[u8]) -> bool {
    // Looked up and not parsed: OpenAI's requests, which the benchmark sends, shall not pay for it.
    let named = memchr::memmem::find(body, b"\"model\"").and_then(|place| body.get(place + 7..));
    let mut rest = named.unwrap_or_default().trim_ascii_start();
    for mark in [b":", b"\""] {
        rest = rest.strip_prefix(mark).unwrap_or_default().trim_ascii_start();
    }
    MODELS.iter().any(|name| rest.starts_with(name.as_bytes()))
}

/// Whether a model thinks whatever it is told.
fn is_thinker(model: &str) -> bool {
    model.starts_with("magistral-")
}

/// What it refuses of a request: the status and the body.
fn refused(body: &[u8], known: &[&str]) -> Option<Refusal> {
    let body: Value = serde_json::from_slice(body).ok()?;
    if let Some(name) = unknown(&body, known) {
        return Some((422, extra(&["body", name])));
    }
    let messages = list(&body, "/messages");
    for (place, message) in messages.iter().enumerate() {
        let role = at(message, "/role").as_str().unwrap_or_default();
        let known = match role {
            "assistant" => OF_MESSAGE,
            "tool" => OF_RESULT,
            "system" | "user" => OF_MESSAGE.get(..2).unwrap_or_default(),
            _ => {
                return Some((
                    422,
                    detail(
                        "union_tag_invalid",
                        &["body", "messages"],
                        "Input tag found does not match any of the expected tags",
                    ),
                ));
            }
        };
        if let Some(name) = unknown(message, known) {
            return Some((422, extra(&["body", "messages", &place.to_string(), role, name])));
        }
        let calls = list(message, "/tool_calls").iter().map(|call| at(call, "/id"));
        let mut ids = calls.chain(message.get("tool_call_id")).filter_map(Value::as_str);
        if let Some(id) = ids.find(|id| id.len() != 9 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
            let words = format!("Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9.");
            return Some((400, error(&words, "invalid_function_call", "3280")));
        }
    }
    let role = |message: &Value| at(message, "/role").as_str().unwrap_or_default().to_owned();
    for pair in messages.windows(2) {
        let (before, now) = (pair.first().map(role).unwrap_or_default(), pair.last().map(role).unwrap_or_default());
        if before == "tool" && now == "user" {
            let words = format!("Unexpected role '{now}' after role '{before}'");
            return Some((400, error(&words, "invalid_request_message_order", "3230")));
        }
    }
    let last = messages.last().filter(|last| role(last) == "assistant" && at(last, "/prefix") != &Value::Bool(true));
    if last.is_some() {
        let words = "Expected last role User or Tool (or Assistant with prefix True) for serving but got assistant";
        return Some((400, error(words, "invalid_request_message_order", "3230")));
    }
    let model = at(&body, "/model").as_str().unwrap_or_default();
    let effort = at(&body, "/reasoning_effort").as_str();
    if effort.is_some_and(|effort| is_thinker(model) || !matches!(effort, "none" | "high")) {
        return Some((422, detail("literal_error", &["body", "reasoning_effort"], "Input should be 'none' or 'high'")));
    }
    None
}

fn unknown<'a>(object: &'a Value, known: &[&str]) -> Option<&'a str> {
    object.as_object()?.keys().map(String::as_str).find(|name| !known.contains(name))
}

fn extra(place: &[&str]) -> Value {
    detail("extra_forbidden", place, "Extra inputs are not permitted")
}

fn detail(kind: &str, place: &[&str], words: &str) -> Value {
    let detail = json!({"detail": [{"type": kind, "loc": place, "msg": words, "input": null}]});
    json!({"object": "error", "message": detail, "type": "invalid_request_error", "param": null, "code": null, "raw_status_code": 422})
}

/// The answer as this model gives it: some think unasked.
fn told(answer: &Answer) -> Answer {
    let answer = answer.clone();
    if is_thinker(&answer.model) && answer.thoughts.is_empty() { answer.thinking() } else { answer }
}

/// The whole answer.
fn complete(answer: &Answer, _: &Request) -> Value {
    let answer = &told(answer);
    let choices: Vec<Value> = (0..answer.n)
        .map(|index| {
            let mut message = json!({"role": "assistant", "content": content(answer), "tool_calls": null});
            if let (false, Some(message)) = (answer.calls.is_empty(), message.as_object_mut()) {
                message.insert("tool_calls".to_owned(), calls(answer));
            }
            json!({"index": index, "message": message, "finish_reason": openai::finish(answer)})
        })
        .collect();
    json!({
        "id": id(answer), "object": "chat.completion", "created": answer.created, "model": answer.model,
        "choices": choices, "usage": usage(answer),
    })
}

fn content(answer: &Answer) -> Value {
    if answer.thoughts.is_empty() {
        return answer.text().into();
    }
    json!([thought(&answer.thoughts.concat()), {"type": "text", "text": answer.text()}])
}

fn thought(words: &str) -> Value {
    json!({"type": "thinking", "thinking": [{"type": "text", "text": words}]})
}

/// The events of a stream.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let answer = &told(answer);
    let chunk = |kind, delta: Value, reason: Option<&str>| {
        let mut chunk = json!({
            "id": id(answer), "object": "chat.completion.chunk", "created": answer.created, "model": answer.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        });
        if let (Some(_), Some(chunk)) = (reason, chunk.as_object_mut()) {
            chunk.insert("usage".to_owned(), usage(answer));
        }
        Event::sse(kind, &chunk.to_string())
    };
    let mut events = vec![chunk(Kind::Opening, json!({"role": "assistant", "content": ""}), None)];
    events.extend(answer.thoughts.iter().map(|word| chunk(Kind::Token, json!({"content": [thought(word)]}), None)));
    events.extend(answer.words.iter().map(|word| chunk(Kind::Token, json!({"content": word}), None)));
    if answer.calls.is_empty() {
        events.push(chunk(Kind::Closing, json!({"content": ""}), Some(openai::finish(answer))));
    } else {
        events.push(chunk(
            Kind::Token,
            json!({"content": "", "tool_calls": calls(answer)}),
            Some(openai::finish(answer)),
        ));
    }
    events.push(Event::sse(Kind::End, "[DONE]"));
    events
}

fn calls(answer: &Answer) -> Value {
    let call = |(index, call): (usize, &Call)| {
        let id = format!("S{:06}{index:02}", answer.number % 1_000_000);
        json!({"id": id, "index": index, "function": {"name": call.name, "arguments": call.arguments}})
    };
    answer.calls.iter().enumerate().map(call).collect()
}

fn id(answer: &Answer) -> String {
    format!("{:032x}", answer.number)
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.prompt_tokens, "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens, "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
    })
}

/// OpenAI's embeddings, with an id.
fn embeddings(answer: &Answer, request: &Request) -> Value {
    let mut body = openai::embeddings(answer, request);
    if let Some(body) = body.as_object_mut() {
        body.insert("id".to_owned(), id(answer).into());
    }
    body
}

/// The status and the body of a preset error.
fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContextLength => {
            let words = "Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length";
            (400, error(words, "invalid_request_invalid_args", "3051"))
        }
        Preset::ContentPolicy => {
            (400, error("The request was rejected by the moderation system", "invalid_request_error", "1000"))
        }
        _ => (402, json!({"detail": "You have reached the limit of your plan. Please check your subscription."})),
    }
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    let (words, kind, code) = match status {
        401 => return json!({"detail": "Unauthorized"}),
        403 => ("Inactive subscription or usage limit reached", "forbidden", "1920"),
        404 => ("Invalid model: simulated", "invalid_model", "1500"),
        429 => ("Requests rate limit exceeded", "rate_limited", "1300"),
        400..=499 => ("The request is not valid.", "invalid_request_error", "1000"),
        503 | 529 => ("Service unavailable.", "service_unavailable", "3500"),
        _ => ("Internal server error", "internal_server_error", "1000"),
    };
    error(message.unwrap_or(words), kind, code)
}

/// The error inside a stream, or inside a body of status 200.
fn inband(kind: Inband) -> Value {
    failed(status_of(kind), None)
}

fn error(message: &str, kind: &str, code: &str) -> Value {
    json!({"object": "error", "message": message, "type": kind, "param": null, "code": code})
}
