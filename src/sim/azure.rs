//! Azure's way of OpenAI's dialect, from the provider's side: a deployment in the path, a version in the query, and what the content filter
//! found in each answer.
//!
//! **Invariant:** every body, except a fault's, fits the types of OpenAI's SDK.

use hyper::http::request::Parts;
use serde_json::{Value, json};

use super::{
    answer::Answer,
    fault::{Inband, Preset},
    openai,
    request::{Form, Request},
    responses,
    script::{self, Event, Kind},
    surface::{Errors, Owner, Refusal, Streams, Surface, status_of, unnamed},
};

const AZURE: Option<Owner> = Some(Owner { is_meant, refused });

/// Chats.
pub const CHAT: Surface = Surface {
    of: AZURE,
    whole: |answer, _| complete(answer, Form::Chat),
    streams: Some(Streams {
        events: |answer, request| stream(answer, Form::Chat, request),
        error: |kind| Event::sse(Kind::End, &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
    ..openai::CHAT
};

/// The older text completions.
pub const COMPLETIONS: Surface = Surface {
    of: AZURE,
    whole: |answer, _| complete(answer, Form::Completions),
    streams: Some(Streams {
        events: |answer, request| stream(answer, Form::Completions, request),
        error: |kind| Event::sse(Kind::End, &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
    ..openai::COMPLETIONS
};

/// Embeddings, which it does not filter.
pub const EMBEDDINGS: Surface = Surface { of: AZURE, errors: &ERRORS, ..openai::EMBEDDINGS };

/// Responses.
pub const RESPONSES: Surface = Surface { of: AZURE, errors: &ERRORS, ..responses::RESPONSES };

const ERRORS: Errors =
    Errors { failed, preset, inband, header: unnamed, request_id: "apim-request-id", models: openai::models };

/// Whether a request is one for Azure: by its key or its version. Its path alone is also that of others.
fn is_meant(head: &Parts, _: &[u8]) -> bool {
    head.headers.contains_key("api-key") || head.uri.path().contains("/openai/deployments/") || has_version(head)
}

fn has_version(head: &Parts) -> bool {
    head.uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("api-version=")))
}

/// What it refuses of a request by its path: the status and the body.
fn refused(head: &Parts, _: &[u8]) -> Option<Refusal> {
    let path = head.uri.path();
    // A path without a version in it has it in the query.
    let is_found = path.contains("/openai/v1/") || !path.contains("/openai/") || has_version(head);
    (!is_found).then(|| (404, error("404", "Resource not found")))
}

fn found(is_filtered: bool) -> Value {
    let harm = |is_filtered| json!({"filtered": is_filtered, "severity": if is_filtered { "medium" } else { "safe" }});
    json!({"hate": harm(false), "self_harm": harm(false), "sexual": harm(false), "violence": harm(is_filtered)})
}

fn of_prompt() -> Value {
    json!([{"prompt_index": 0, "content_filter_results": found(false)}])
}

/// An answer that the filter cuts off says nothing that a refusal of the model says.
fn plain(answer: &Answer) -> Answer {
    Answer { refused: false, ..answer.clone() }
}

/// The whole answer.
fn complete(answer: &Answer, form: Form) -> Value {
    let mut body = openai::complete(&plain(answer), form);
    filter(&mut body, answer);
    if let Some(body) = body.as_object_mut() {
        body.insert("prompt_filter_results".to_owned(), of_prompt());
    }
    body
}

/// The events of a stream, before which it says what it found in the prompt.
fn stream(answer: &Answer, form: Form, request: &Request) -> Vec<Event> {
    let first = json!({
        "id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": of_prompt(),
    });
    let events = openai::stream(&plain(answer), form, request.include_usage).into_iter().map(|event| {
        let data = event.bytes.strip_prefix(b"data: ").and_then(|data| serde_json::from_slice(data).ok());
        let Some(mut chunk): Option<Value> = data else { return event };
        filter(&mut chunk, answer);
        Event::sse(event.kind, &chunk.to_string())
    });
    [Event::sse(Kind::Opening, &first.to_string())].into_iter().chain(events).collect()
}

/// Adds what the filter found; an answer that refuses was stopped by it.
fn filter(body: &mut Value, answer: &Answer) {
    let choices = body.get_mut("choices").and_then(Value::as_array_mut);
    for choice in choices.into_iter().flatten().filter_map(Value::as_object_mut) {
        choice.insert("content_filter_results".to_owned(), found(answer.refused));
        if answer.refused && choice.get("finish_reason").is_some_and(Value::is_string) {
            choice.insert("finish_reason".to_owned(), "content_filter".into());
        }
    }
}

/// The status and the body of a preset error.
fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContentPolicy => {
            let inner = json!({"code": "ResponsibleAIPolicyViolation", "content_filter_result": found(true)});
            let words = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.";
            let error = json!({
                "message": words, "type": null, "param": "prompt", "code": "content_filter", "status": 400, "innererror": inner,
            });
            (400, json!({ "error": error }))
        }
        Preset::Quota => {
            let words = "Out of call volume quota for OpenAI.S0 resource. Quota will be replenished in 12:34:56.";
            (403, error("403", words))
        }
        _ => openai::preset(preset),
    }
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    let (code, words) = match status {
        401 => (
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription.",
        ),
        403 => ("403", "Access denied due to Virtual Network/Firewall rules."),
        404 => ("DeploymentNotFound", "The API deployment for this resource does not exist."),
        408 | 504 => ("Timeout", "The operation was timeout."),
        429 => (
            "429",
            "Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-10-21 have exceeded token rate limit of your current pricing tier. Please retry after 7 seconds.",
        ),
        400..=499 => ("BadRequest", "The request is not valid."),
        503 | 529 => {
            ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later.")
        }
        _ => ("InternalServerError", "Backend returned unexpected response. Please contact Microsoft for help."),
    };
    error(code, message.unwrap_or(words))
}

/// The error inside a stream, or inside a body of status 200.
fn inband(kind: Inband) -> Value {
    failed(status_of(kind), None)
}

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}
