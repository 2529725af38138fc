//! What a request gets: status, headers and the steps of the body, decided in full before the first byte leaves.
//!
//! **Invariant:** no waiting and no socket here.

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::{Method, body::Bytes, http::request::Parts};
use serde_json::Value;

use super::{
    answer::{Answer, DEFAULT_TOKENS},
    anthropic,
    fault::{Fault, Preset},
    listener::Listener,
    ollama, openai,
    request::Request,
    script::{self, Step},
    surface::{Errors, Surface},
};

const MODELS: &[&str] = &["gpt-4o", "gpt-4o-mini", "claude-haiku-4-5", "text-embedding-3-small"];
const HTML: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n\
                    <body><center><h1>502 Bad Gateway</h1></center><hr><center>proxy</center></body></html>\n";
const JSON: &str = "application/json";

/// A decided answer.
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The `content-type`.
    pub content_type: &'static str,
    /// The size of the body, if it is known and stays so.
    pub length: Option<usize>,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
    /// The steps that send the body.
    pub steps: Vec<Step>,
}

impl Reply {
    fn whole(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
        let body = body.into();
        let length = Some(body.len());
        Reply { status, content_type, length, headers: Vec::new(), steps: vec![Step::Send(body)] }
    }

    fn json(status: u16, body: &Value) -> Reply {
        Reply::whole(status, JSON, body.to_string())
    }

    fn error(errors: &Errors, status: u16, body: &Value) -> Reply {
        let headers = (errors.header)(status).map(|(name, value)| (name, value.to_owned()));
        Reply { headers: headers.into_iter().collect(), ..Reply::json(status, body) }
    }

    fn failed(errors: &Errors, status: u16, message: Option<&str>) -> Reply {
        Reply::error(errors, status, &(errors.failed)(status, message))
    }
}

/// What happens to a request.
pub struct Verdict {
    /// The answer, if there is one.
    pub reply: Reply,
    /// What goes wrong before it.
    pub fault: Fault,
    /// Whether a fault struck.
    pub struck: bool,
    /// The requested model, as written.
    pub model: String,
    /// Whether the client asked for a stream.
    pub stream: bool,
}

/// Decides the answer of a provider's endpoint.
pub fn decide(head: &Parts, body: &[u8], listener: &Listener, number: u64) -> Verdict {
    let path = head.uri.path();
    let surface = Surface::of(head, body).filter(|_| head.method == Method::POST);
    let errors = match surface {
        Some(surface) => surface.errors,
        None if head.headers.contains_key("anthropic-version") => &anthropic::ERRORS,
        None => &openai::ERRORS,
    };
    let healthy = |reply, model| Verdict { reply, fault: Fault::default(), struck: false, model, stream: false };
    let Some(surface) = surface else { return healthy(elsewhere(&head.method, path, errors), String::new()) };
    let request = match Request::read(surface, path, body) {
        Ok(request) => request,
        Err(said) => return healthy(Reply::failed(errors, 400, Some(&said)), String::new()),
    };
    if let Some((status, body)) = surface.of.as_ref().and_then(|owner| (owner.refused)(head, body)) {
        return healthy(Reply::json(status, &body), request.model);
    }
    let (plain, fault, struck) = match listener.fault_for(&request.model) {
        Ok(found) => found,
        Err(said) => return healthy(Reply::failed(errors, 400, Some(&said)), request.model),
    };
    let mut reply = refusal(&fault, &request, errors).unwrap_or_else(|| {
        let tokens = fault.tokens.unwrap_or(DEFAULT_TOKENS);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let answer = Answer::to(&request, &listener.name, plain, tokens, number, now);
        let answer = if fault.refusal { answer.refusing() } else { answer };
        played(&answer, &request, surface, &fault)
    });
    let seconds = fault.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
    reply.headers.extend(seconds);
    reply.headers.push((errors.request_id, format!("req_sim{number:08}")));
    Verdict { reply, fault, struck, model: request.model, stream: request.stream }
}

/// An error, or a page, in place of the answer.
fn refusal(fault: &Fault, request: &Request, errors: &Errors) -> Option<Reply> {
    if fault.refuse_prefill && request.prefilled {
        let said =
            "This model does not support assistant message prefill. The conversation must end with a user message.";
        return Some(Reply::failed(errors, 400, Some(said)));
    }
    match (fault.body, fault.status) {
        (Some(Preset::Html), status) => Some(Reply::whole(status.unwrap_or(200), "text/html; charset=utf-8", HTML)),
        (Some(preset @ (Preset::ContextLength | Preset::ContentPolicy | Preset::Quota)), status) => {
            let (usual, body) = (errors.preset)(preset);
            Some(Reply::error(errors, status.unwrap_or(usual), &body))
        }
        (None, Some(status)) if status != 200 => Some(Reply::failed(errors, status, None)),
        _ => None,
    }
}

/// The answer itself, as a stream or in one piece, with what the fault does to it.
fn played(answer: &Answer, request: &Request, surface: &Surface, fault: &Fault) -> Reply {
    if let Some(streams) = surface.streams.as_ref().filter(|_| request.stream && fault.body != Some(Preset::CutJson)) {
        let error = fault.error_event.map(streams.error).unwrap_or_default();
        let steps = script::stream((streams.events)(answer, request), fault, error, streams.spoiled);
        return Reply { status: 200, content_type: streams.content_type, length: None, headers: Vec::new(), steps };
    }
    let body = match fault.error_event {
        Some(kind) => (surface.errors.inband)(kind),
        None => (surface.whole)(answer, request),
    };
    let mut body = body.to_string();
    if fault.body == Some(Preset::CutJson) {
        let middle = body.floor_char_boundary(body.len() / 2);
        body = body.get(..middle).unwrap_or_default().to_owned();
    }
    let mut reply = Reply::whole(fault.status.unwrap_or(200), JSON, body.clone());
    reply.steps = script::whole(body.into(), fault);
    // An answer that breaks off must not have announced its size, save where the connection breaks with it.
    reply.length = reply.length.filter(|_| fault.cut_after.is_none());
    reply
}

/// The endpoints that are not a model's.
fn elsewhere(method: &Method, path: &str, errors: &Errors) -> Reply {
    if *method == Method::GET && path.ends_with("/models") {
        return Reply::json(200, &(errors.models)(MODELS));
    }
    if *method == Method::GET && path.ends_with("/api/tags") {
        return Reply::json(200, &ollama::models(MODELS));
    }
    let said = format!("Invalid URL ({method} {path})");
    Reply::failed(errors, 404, Some(&said))
}

/// The simulator's own endpoints below `/sim/`.
pub fn control(method: &Method, path: &str, body: &[u8], listener: &Listener) -> Reply {
    match (method.as_str(), path) {
        ("GET", "/sim/fault") => Reply::json(200, &listener.shown()),
        ("POST", "/sim/fault") => match listener.set(&String::from_utf8_lossy(body)) {
            Ok(()) => Reply::json(200, &listener.shown()),
            Err(said) => Reply::json(400, &openai::failed(400, Some(&said))),
        },
        ("GET", "/sim/requests") => Reply::json(200, &listener.journal.to_json()),
        ("DELETE", "/sim/requests") => {
            listener.journal.clear();
            Reply::json(200, &listener.journal.to_json())
        }
        _ => Reply::json(404, &openai::failed(404, Some("known: GET, POST /sim/fault; GET, DELETE /sim/requests"))),
    }
}
