//! Cohere's dialect, from the provider's side: chats of version 2, their streams, embeddings and errors as the real API writes them.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use hyper::body::Bytes;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Ending},
    fault::{Inband, Preset},
    openai,
    request::{Call, Form, Request},
    script::{self, Event, Kind},
    surface::{Errors, Streams, Surface, at, list, status_of, unnamed},
};

/// Chats.
pub const CHAT: Surface = Surface {
    ends: &["/chat"],
    of: None,
    form: Form::Chat,
    translate: Some(as_openais),
    whole: complete,
    streams: Some(Streams { events: stream, error, spoiled: script::half, content_type: script::SSE }),
    errors: &ERRORS,
};

/// Embeddings.
pub const EMBEDDINGS: Surface = Surface {
    ends: &["/embed"],
    of: None,
    form: Form::Embeddings,
    translate: Some(as_openais),
    whole: embeddings,
    streams: None,
    errors: &ERRORS,
};

const ERRORS: Errors = Errors {
    failed,
    preset,
    inband: |kind| failed(status_of(kind), None),
    header: unnamed,
    request_id: "x-request-id",
    models: openai::models,
};

/// The request as one of OpenAI's, which it is but for some words.
fn as_openais(_: &str, body: &[u8]) -> Result<Value, String> {
    let mut body: Value = serde_json::from_slice(body).map_err(|error| format!("invalid json: {error}"))?;
    let choice = at(&body, "/tool_choice").as_str().map(str::to_ascii_lowercase);
    let schema = at(&body, "/response_format/json_schema").clone();
    let (texts, size) = (at(&body, "/texts").clone(), at(&body, "/output_dimension").clone());
    if at(&body, "/messages").as_array().and_then(|all| all.last()).is_some_and(|last| at(last, "/role") == "assistant")
    {
        return Err("invalid request: list of messages must end with a user, tool, or system message".to_owned());
    }
    if texts.is_array() && !at(&body, "/input_type").is_string() {
        return Err("invalid request: valid input_type must be provided with the provided model.".to_owned());
    }
    let fields = body.as_object_mut().ok_or("invalid json: expected an object")?;
    fields.remove("output_dimension");
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    if choice.is_some() {
        put("tool_choice", choice.into());
    }
    if schema.is_object() {
        put("response_format", json!({"type": "json_schema", "json_schema": {"schema": schema}}));
    }
    put("input", texts);
    put("dimensions", size);
    Ok(body)
}

/// The whole answer.
fn complete(answer: &Answer, _: &Request) -> Value {
    let mut message = Map::from_iter([("role".to_owned(), "assistant".into())]);
    if answer.calls.is_empty() {
        let thinking = json!({"type": "thinking", "thinking": answer.thoughts.concat()});
        let text = json!({"type": "text", "text": answer.text()});
        let content = if answer.thoughts.is_empty() { json!([text]) } else { json!([thinking, text]) };
        message.insert("content".to_owned(), content);
    } else {
        // What it thinks before it calls is a plan.
        message.insert("tool_plan".to_owned(), plan(answer).into());
        let calls = answer.calls.iter().enumerate().map(|(place, it)| call(answer, place, it, &it.arguments));
        message.insert("tool_calls".to_owned(), calls.collect());
    }
    json!({"id": id(answer), "finish_reason": reason(answer), "message": message, "usage": usage(answer)})
}

/// The events of a stream.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let opening =
        json!({"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}});
    let mut events = vec![event(Kind::Opening, "message-start", &json!({"id": id(answer), "delta": opening}))];
    let mut index = 0;
    let mut piece = |kind, name: &str, message: Value| {
        let ends = message.is_null();
        let fields =
            if ends { json!({ "index": index }) } else { json!({"index": index, "delta": {"message": message}}) };
        events.push(event(kind, name, &fields));
        index += u32::from(ends);
    };
    if !answer.calls.is_empty() {
        for word in plan(answer).split_inclusive(' ') {
            piece(Kind::Token, "tool-plan-delta", json!({"tool_plan": word}));
        }
    } else {
        for (kind, words) in [("thinking", &answer.thoughts), ("text", &answer.words)] {
            if words.is_empty() && kind == "thinking" {
                continue;
            }
            piece(Kind::Opening, "content-start", json!({"content": {"type": kind, kind: ""}}));
            for word in words {
                piece(Kind::Token, "content-delta", json!({"content": {kind: word}}));
            }
            piece(Kind::Closing, "content-end", Value::Null);
        }
    }
    for (place, it) in answer.calls.iter().enumerate() {
        piece(Kind::Token, "tool-call-start", json!({"tool_calls": call(answer, place, it, "")}));
        for part in it.pieces() {
            piece(Kind::Token, "tool-call-delta", json!({"tool_calls": {"function": {"arguments": part}}}));
        }
        piece(Kind::Closing, "tool-call-end", Value::Null);
    }
    let end = json!({"id": id(answer), "delta": {"finish_reason": reason(answer), "usage": usage(answer)}});
    events.push(event(Kind::End, "message-end", &end));
    events
}

fn event(kind: Kind, name: &str, fields: &Value) -> Event {
    let mut data = json!({ "type": name });
    if let (Some(data), Some(fields)) = (data.as_object_mut(), fields.as_object()) {
        data.extend(fields.clone());
    }
    Event::named(kind, name, &data.to_string())
}

fn id(answer: &Answer) -> String {
    format!("00000000-0000-4000-8000-{:012}", answer.number)
}

fn plan(answer: &Answer) -> String {
    if answer.thoughts.is_empty() { "I will use the tool.".to_owned() } else { answer.thoughts.concat() }
}

fn call(answer: &Answer, place: usize, call: &Call, arguments: &str) -> Value {
    let id = format!("{}_sim{:08}{place:02}", call.name, answer.number);
    json!({"id": id, "type": "function", "function": {"name": call.name, "arguments": arguments}})
}

fn reason(answer: &Answer) -> &'static str {
    match answer.ending() {
        Ending::Calls => "TOOL_CALL",
        Ending::Refusal => "ERROR_TOXIC",
        Ending::Length => "MAX_TOKENS",
        Ending::Sequence => "STOP_SEQUENCE",
        Ending::Whole => "COMPLETE",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "billed_units": {"input_tokens": answer.prompt_tokens / 2, "output_tokens": answer.completion_tokens},
        "tokens": {"input_tokens": answer.prompt_tokens, "output_tokens": answer.completion_tokens},
        "cached_tokens": answer.cached_tokens,
    })
}

/// The vectors of OpenAI's answer, as Cohere writes them.
fn embeddings(answer: &Answer, request: &Request) -> Value {
    let openais = openai::embeddings(answer, request);
    let vectors: Vec<&Value> = list(&openais, "/data").iter().map(|item| at(item, "/embedding")).collect();
    let billed = json!({"input_tokens": at(&openais, "/usage/prompt_tokens")});
    json!({
        "id": id(answer), "response_type": "embeddings_by_type", "embeddings": {"float": vectors}, "texts": request.inputs,
        "meta": {"api_version": {"version": "2"}, "billed_units": billed},
    })
}

/// The status and the body of a preset error.
fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContextLength => {
            let words = "too many tokens: size limit exceeded by 19296 tokens. Try using shorter or fewer inputs. The limit for this model is 132000 tokens.";
            (400, failed(400, Some(words)))
        }
        Preset::ContentPolicy => {
            let words = "blocked output: this request was blocked due to a violation of our policies";
            (498, failed(498, Some(words)))
        }
        _ => (402, failed(402, None)),
    }
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    let usual = match status {
        401 => "invalid api token",
        402 => {
            "Please add or update your payment method at https://dashboard.cohere.com/billing?tab=payment to continue"
        }
        403 => "Your API key has been deactivated. Contact support.",
        404 => {
            "model 'simulated' not found, make sure the correct model ID was used and that you have access to the model."
        }
        429 => "You are using a Trial key, which is limited to 40 API calls / minute.",
        400..=499 => "invalid request: the request is not valid",
        503 | 529 => "Service unavailable, please retry",
        _ => "internal server error, this has been reported to our developers. id 00000000",
    };
    json!({"id": "00000000-0000-4000-8000-000000000000", "message": message.unwrap_or(usual)})
}

/// The event of an error: an end that says so.
fn error(kind: Inband) -> Bytes {
    let end = json!({"finish_reason": "ERROR", "error": at(&failed(status_of(kind), None), "/message")});
    event(Kind::End, "message-end", &json!({ "delta": end })).bytes
}
