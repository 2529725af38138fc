//! The endpoints: what ends a path, what is asked there, and in whose words it is answered.
//!
//! A new dialect is a file that has a [`Surface`] for each of its endpoints, and a line for each in [`SURFACES`].
//!
//! **Invariant:** nothing else of the simulator asks which dialect it speaks.

use hyper::{body::Bytes, http::request::Parts};
use serde_json::Value;

use super::{
    answer::Answer,
    anthropic, azure, bedrock, cohere,
    fault::{Inband, Preset},
    gemini, mistral, ollama, openai,
    request::{Form, Request},
    responses,
    script::Event,
};

/// All endpoints; the first that fits counts.
const SURFACES: &[&Surface] = &[
    &azure::CHAT,
    &azure::COMPLETIONS,
    &azure::EMBEDDINGS,
    &azure::RESPONSES,
    &mistral::CHAT,
    &mistral::EMBEDDINGS,
    &openai::CHAT,
    &openai::COMPLETIONS,
    &openai::EMBEDDINGS,
    &anthropic::MESSAGES,
    &responses::RESPONSES,
    &gemini::CHAT,
    &gemini::EMBEDDINGS,
    &bedrock::CONVERSE,
    &bedrock::INVOKE,
    &ollama::CHAT,
    &ollama::EMBEDDINGS,
    &cohere::CHAT,
    &cohere::EMBEDDINGS,
];

/// An endpoint.
pub struct Surface {
    /// What its paths end with; the base before it (`/v1`, `/openai/v1`, ...) is ignored.
    pub ends: &'static [&'static str],
    /// Whose it is, where others have the same path.
    pub of: Option<Owner>,
    /// The form of its requests, once they are translated.
    pub form: Form,
    /// Makes a request one of `form`; `None`: it is one.
    pub translate: Option<Translate>,
    /// The whole answer.
    pub whole: fn(&Answer, &Request) -> Value,
    /// How it streams; `None`: it does not.
    pub streams: Option<Streams>,
    /// Its errors.
    pub errors: &'static Errors,
}

/// One of those who share a path.
pub struct Owner {
    /// Whether a request is for it.
    pub is_meant: fn(&Parts, &[u8]) -> bool,
    /// What it refuses.
    pub refused: fn(&Parts, &[u8]) -> Option<Refusal>,
}

/// The status and the body of an error.
pub type Refusal = (u16, Value);

/// A request, by its path and its body, in another form; or what is wrong with it, in a sentence for the client.
pub type Translate = fn(&str, &[u8]) -> Result<Value, String>;

/// How an endpoint streams.
pub struct Streams {
    /// The events of a healthy stream.
    pub events: fn(&Answer, &Request) -> Vec<Event>,
    /// The event of an error.
    pub error: fn(Inband) -> Bytes,
    /// An event that says nothing which can be read, made of one that does.
    pub spoiled: fn(&[u8]) -> Bytes,
    /// The `content-type`.
    pub content_type: &'static str,
}

/// The errors of a provider.
pub struct Errors {
    /// The body of a status; a message replaces the usual words.
    pub failed: fn(u16, Option<&str>) -> Value,
    /// The status and the body of a preset error.
    pub preset: fn(Preset) -> (u16, Value),
    /// The error inside a body of status 200.
    pub inband: fn(Inband) -> Value,
    /// The header that names the kind of an error.
    pub header: fn(u16) -> Option<(&'static str, &'static str)>,
    /// The header that names a request.
    pub request_id: &'static str,
    /// The models on offer.
    pub models: fn(&[&str]) -> Value,
}

impl Surface {
    /// The endpoint of a request.
    pub fn of(head: &Parts, body: &[u8]) -> Option<&'static Surface> {
        let path = head.uri.path();
        SURFACES.iter().copied().find(|surface| {
            surface.ends.iter().any(|end| path.ends_with(end))
                && surface.of.as_ref().is_none_or(|owner| (owner.is_meant)(head, body))
        })
    }
}

/// The status that an error inside an answer would have outside.
pub fn status_of(kind: Inband) -> u16 {
    match kind {
        Inband::Overloaded => 503,
        Inband::RateLimit => 429,
        Inband::Server => 500,
    }
}

/// No header names the kind of an error.
pub fn unnamed(_: u16) -> Option<(&'static str, &'static str)> {
    None
}

/// The value at a JSON pointer, else null.
pub fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    static NOTHING: Value = Value::Null;
    value.pointer(pointer).unwrap_or(&NOTHING)
}

/// The list at a JSON pointer, else none.
pub fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_by_the_end_of_the_path() {
        let of = |path: &str, body: &[u8]| {
            Surface::of(&hyper::Request::builder().uri(path).body(()).unwrap().into_parts().0, body)
        };
        let form = |path: &str| of(path, b"").map(|surface| surface.form);
        assert_eq!(form("/openai/v1/chat/completions"), Some(Form::Chat));
        assert_eq!(form("/v1/completions"), Some(Form::Completions));
        assert_eq!(form("/v1/messages"), Some(Form::Messages));
        assert_eq!(form("/v1/responses"), Some(Form::Responses));
        assert_eq!(form("/model/amazon.nova-lite-v1%3A0/converse-stream"), Some(Form::Chat));
        assert_eq!(form("/v1/images/generations"), None);
        let refuses = |path: &str, body: &[u8]| (of(path, body).unwrap().errors.failed)(401, None).to_string();
        for (path, body, said) in [
            ("/api/chat", &b""[..], r#"{"error":"unauthorized"}"#),
            ("/v2/chat", b"", "invalid api token"),
            ("/openai/deployments/d/chat/completions?api-version=1", b"", "subscription key"),
            ("/openai/responses?api-version=1", b"", "subscription key"),
            ("/v1/chat/completions", br#"{"model": "mistral-small-latest"}"#, r#"{"detail":"Unauthorized"}"#),
            ("/v1/chat/completions", br#"{"model":"gpt-4o","user":"mistral-small"}"#, "Incorrect API key"),
        ] {
            assert!(refuses(path, body).contains(said), "{path}");
        }
    }
}
