//! OpenAI's dialect, from the provider's side: answers, streams, embeddings and errors as the real API writes them.
//!
//! Stream events are built as text and not through a tree of values, because the simulator is also the upstream of the benchmark,
//! and must not be its slow part.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use hyper::body::Bytes;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Ending},
    fault::{Inband, Preset},
    request::{Call, Form, Request},
    script::{self, Event, Kind},
    surface::{Errors, Streams, Surface, status_of, unnamed},
};

/// Chat completions.
pub const CHAT: Surface = Surface {
    ends: &["/chat/completions"],
    of: None,
    form: Form::Chat,
    translate: None,
    whole: |answer, _| complete(answer, Form::Chat),
    streams: Some(Streams {
        events: |answer, request| stream(answer, Form::Chat, request.include_usage),
        error: error_event,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
};

/// The older text completions.
pub const COMPLETIONS: Surface = Surface {
    ends: &["/completions"],
    of: None,
    form: Form::Completions,
    translate: None,
    whole: |answer, _| complete(answer, Form::Completions),
    streams: Some(Streams {
        events: |answer, request| stream(answer, Form::Completions, request.include_usage),
        error: error_event,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
};

/// Embeddings.
pub const EMBEDDINGS: Surface = Surface {
    ends: &["/embeddings"],
    of: None,
    form: Form::Embeddings,
    translate: None,
    whole: embeddings,
    streams: None,
    errors: &ERRORS,
};

/// The errors of OpenAI, and of those that speak as it does.
pub const ERRORS: Errors = Errors { failed, preset, inband, header: unnamed, request_id: "x-request-id", models };

fn error_event(kind: Inband) -> Bytes {
    Event::sse(Kind::End, &inband(kind).to_string()).bytes
}

/// The whole answer of a request that wants no stream.
pub(super) fn complete(answer: &Answer, form: Form) -> Value {
    let choices: Vec<Value> = (0..answer.n)
        .map(|index| match form {
            Form::Completions => {
                json!({"text": answer.text(), "index": index, "logprobs": null, "finish_reason": finish(answer)})
            }
            _ => json!({"index": index, "message": message(answer), "logprobs": null, "finish_reason": finish(answer)}),
        })
        .collect();
    let object = if form == Form::Completions { "text_completion" } else { "chat.completion" };
    json!({
        "id": id(answer, form), "object": object, "created": answer.created, "model": answer.model,
        "choices": choices, "usage": usage(answer), "service_tier": "default", "system_fingerprint": "fp_simulator",
    })
}

fn message(answer: &Answer) -> Value {
    let text = if answer.calls.is_empty() { answer.text().into() } else { Value::Null };
    let (content, refusal) = if answer.refused { (Value::Null, text) } else { (text, Value::Null) };
    let mut message = Map::new();
    let mut put = |key: &str, value: Value| message.insert(key.to_owned(), value);
    put("role", "assistant".into());
    put("content", content);
    put("refusal", refusal);
    put("annotations", json!([]));
    if !answer.thoughts.is_empty() {
        put("reasoning_content", answer.thoughts.concat().into());
    }
    if !answer.calls.is_empty() {
        let call = |(place, call): (usize, &Call)| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": call_id(answer, place), "type": "function", "function": function})
        };
        put("tool_calls", answer.calls.iter().enumerate().map(call).collect());
    }
    message.into()
}

/// The events of a stream.
pub(super) fn stream(answer: &Answer, form: Form, include_usage: bool) -> Vec<Event> {
    let chunks = Chunks::new(answer, form, include_usage);
    let mut events = Vec::with_capacity(answer.words.len() + answer.thoughts.len() + 6);
    for index in 0..answer.n {
        if form == Form::Completions {
            events.extend(answer.words.iter().map(|word| chunks.text(index, word)));
            events.push(chunks.finished(index, finish(answer)));
            continue;
        }
        events.push(chunks.delta(Kind::Opening, index, r#"{"role":"assistant","content":"","refusal":null}"#));
        for thought in &answer.thoughts {
            events.push(chunks.delta(Kind::Token, index, &format!(r#"{{"reasoning_content":{}}}"#, json!(thought))));
        }
        let member = if answer.refused { "refusal" } else { "content" };
        for word in &answer.words {
            events.push(chunks.delta(Kind::Token, index, &format!(r#"{{"{member}":{}}}"#, json!(word))));
        }
        for (place, call) in answer.calls.iter().enumerate() {
            let start = json!({"tool_calls": [{"index": place, "id": call_id(answer, place), "type": "function",
                "function": {"name": call.name, "arguments": ""}}]});
            events.push(chunks.delta(Kind::Token, index, &start.to_string()));
            for piece in call.pieces() {
                let piece = json!({"tool_calls": [{"index": place, "function": {"arguments": piece}}]});
                events.push(chunks.delta(Kind::Token, index, &piece.to_string()));
            }
        }
        events.push(chunks.finished(index, finish(answer)));
    }
    if include_usage {
        let tail = format!(r#"{}],"usage":{}}}"#, chunks.head, usage(answer));
        events.push(Event::sse(Kind::Closing, &tail));
    }
    events.push(Event::sse(Kind::End, "[DONE]"));
    events
}

/// The members that all chunks of a stream share.
struct Chunks {
    head: String,
    tail: &'static str,
}

impl Chunks {
    fn new(answer: &Answer, form: Form, include_usage: bool) -> Chunks {
        let object = if form == Form::Completions { "text_completion" } else { "chat.completion.chunk" };
        let model = json!(answer.model);
        let (id, created) = (id(answer, form), answer.created);
        let head = format!(
            r#"{{"id":"{id}","object":"{object}","created":{created},"model":{model},"service_tier":"default","system_fingerprint":"fp_simulator","choices":["#
        );
        Chunks { head, tail: if include_usage { r#","usage":null}"# } else { "}" } }
    }

    fn delta(&self, kind: Kind, index: u32, delta: &str) -> Event {
        let Chunks { head, tail } = self;
        Event::sse(
            kind,
            &format!(r#"{head}{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":null}}]{tail}"#),
        )
    }

    fn text(&self, index: u32, word: &str) -> Event {
        let (Chunks { head, tail }, text) = (self, json!(word));
        let chunk = format!(r#"{head}{{"index":{index},"text":{text},"logprobs":null,"finish_reason":null}}]{tail}"#);
        Event::sse(Kind::Token, &chunk)
    }

    fn finished(&self, index: u32, reason: &str) -> Event {
        let Chunks { head, tail } = self;
        let body = if head.contains(r#""text_completion""#) { r#""text":"""# } else { r#""delta":{}"# };
        let chunk = format!(r#"{head}{{"index":{index},{body},"logprobs":null,"finish_reason":"{reason}"}}]{tail}"#);
        Event::sse(Kind::Closing, &chunk)
    }
}

fn id(answer: &Answer, form: Form) -> String {
    let kind = if form == Form::Completions { "cmpl" } else { "chatcmpl" };
    format!("{kind}-sim{:08}", answer.number)
}

fn call_id(answer: &Answer, place: usize) -> String {
    format!("call_sim{:019}{place:02}", answer.number)
}

/// Why it ends. A refusal and a stop sequence end it like any other text.
pub fn finish(answer: &Answer) -> &'static str {
    match answer.ending() {
        Ending::Calls => "tool_calls",
        Ending::Length => "length",
        Ending::Refusal | Ending::Sequence | Ending::Whole => "stop",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.thoughts.len(), "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

/// The models on offer.
pub fn models(names: &[&str]) -> Value {
    let models: Vec<Value> = names
        .iter()
        .map(|name| json!({"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "simulator"}))
        .collect();
    json!({"object": "list", "data": models})
}

/// Embeddings: vectors of length 1 that depend on the text alone.
pub fn embeddings(answer: &Answer, request: &Request) -> Value {
    let size = request.dimensions.unwrap_or(1536).clamp(1, 4096);
    let data: Vec<Value> = request
        .inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(input, size);
            let embedding = if request.base64 {
                base64(&vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()).into()
            } else {
                Value::from(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens: usize = request.inputs.iter().map(|input| input.len() / 4 + 1).sum();
    json!({"object": "list", "data": data, "model": answer.model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

fn vector(text: &str, size: u32) -> Vec<f32> {
    // FNV-1a of the text seeds a xorshift: no more than numbers that differ from text to text.
    let seed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut state = seed | 1;
    let raw: Vec<f32> = (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect();
    let length = raw.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    raw.into_iter().map(|x| x / length).collect()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let letter = ALPHABET.get((bits >> (18 - 6 * at) & 63) as usize).copied().unwrap_or(b'=');
            text.push(if at > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

/// The status and the body of a preset error.
pub(super) fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContextLength => (
            400,
            error(
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 130512 tokens. Please reduce the length of the messages.",
                "invalid_request_error",
                Some("messages"),
                Some("context_length_exceeded"),
            ),
        ),
        Preset::ContentPolicy => (
            400,
            error(
                "Your request was rejected as a result of our safety system.",
                "invalid_request_error",
                None,
                Some("content_policy_violation"),
            ),
        ),
        _ => (
            429,
            error(
                "You exceeded your current quota, please check your plan and billing details.",
                "insufficient_quota",
                None,
                Some("insufficient_quota"),
            ),
        ),
    }
}

/// The error body of a status; `message` replaces the usual words.
pub fn failed(status: u16, message: Option<&str>) -> Value {
    let invalid = "invalid_request_error";
    let (words, kind, code) = match status {
        401 => ("Incorrect API key provided.", invalid, Some("invalid_api_key")),
        403 => ("You are not allowed to use this model.", invalid, Some("permission_denied")),
        404 => ("The model does not exist or you do not have access to it.", invalid, Some("model_not_found")),
        408 | 504 => ("Request timed out.", "server_error", Some("timeout")),
        429 => (
            "Rate limit reached for requests per min (RPM): Limit 500, Used 500, Requested 1. Please try again in 120ms.",
            "requests",
            Some("rate_limit_exceeded"),
        ),
        400..=499 => ("The request is not valid.", invalid, None),
        503 | 529 => ("The engine is currently overloaded, please try again later", "server_error", None),
        _ => ("The server had an error processing your request. Sorry about that!", "server_error", None),
    };
    error(message.unwrap_or(words), kind, None, code)
}

/// The error inside a stream, or inside a body of status 200.
pub fn inband(kind: Inband) -> Value {
    failed(status_of(kind), None)
}

fn error(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
        assert_eq!(base64(&0.5_f32.to_le_bytes()), "AAAAPw==");
    }

    #[test]
    fn vectors_have_length_one_and_differ() {
        let (one, two) = (vector("one", 64), vector("two", 64));
        assert!((one.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);
        assert_ne!(one, two);
    }
}
