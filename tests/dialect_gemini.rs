//! Gemini's dialect against golden files: `tests/golden/gemini/<case>/`. The rows of the issue are in the names of the cases.
//!
//! | file | what it is |
//! |---|---|
//! | `case.json` | optional: `client` (`openai`), `provider` (`gemini`), `model` (`gemini-2.5-flash`), `drop_params`, `status` |
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
use signalbox::dialect::request::Request;
use signalbox::dialect::verbatim::splice;
use signalbox::dialect::{
    AnswerContext, Awaited, Bridge, Dialect, Echo, Encoded, StreamFacts, Target, bridge, client_face, provider_face,
};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Api, Call, Provider};

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
    Case::all("gemini")
}

impl Case {
    fn provider(&self) -> &'static Provider {
        provider::by_name(self.settings["provider"].as_str().unwrap_or("gemini")).unwrap()
    }

    fn client(&self) -> Dialect {
        match self.settings["client"].as_str() {
            Some("anthropic") => Dialect::Anthropic,
            Some("responses") => Dialect::Responses,
            _ => Dialect::OpenAi,
        }
    }

    fn bridge(&self) -> Bridge {
        bridge(self.client(), self.provider().dialect)
    }

    fn encoded(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let provider = self.provider();
        let model = self.settings["model"].as_str().unwrap_or("gemini-2.5-flash");
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
            fallback_id: "fallback".to_owned(),
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
                Err(error) => drop(out.insert("refused.json", pretty(&self.refusal(&error)))),
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
                    out.insert("client_response.json", pretty(&self.refusal(&error)));
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

    fn refusal(&self, error: &ApiError) -> Value {
        let body = client_face(self.client()).error(error, Some("req-1"));
        json!({"status": error.status, "body": serde_json::from_slice::<Value>(&body).unwrap()})
    }

    fn replay(&self, pieces: &[&[u8]]) -> (String, StreamFacts) {
        let mut stream = self.bridge().stream(self.context());
        let text = golden::replay(stream.as_mut(), pieces);
        (text, stream.facts().clone())
    }
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
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    assert_cases(&cases, &PRODUCED, Case::run);
}

#[test]
fn any_cut_of_a_stream_gives_the_same() {
    let mut streams = 0;
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        streams += 1;
        let whole = case.replay(&[&bytes]);
        assert_any_cut(&case.name(), &bytes, |pieces| case.replay(pieces));
        let crlf = String::from_utf8(bytes).unwrap().replace('\n', "\r\n");
        assert_eq!(case.replay(&[crlf.as_bytes()]), whole, "{} with CRLF", case.name());
    }
    assert!(streams >= 10, "only {streams} streams");
}

/// A stream that is cut short ends with an error, and never looks complete, unless it had said why it ended.
#[test]
fn an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        for at in 0..bytes.len() {
            let (text, facts) = case.replay(&[&bytes[..at]]);
            let said_why = bytes[..at].windows(14).any(|it| it == b"\"finishReason\"")
                || bytes[..at].windows(13).any(|it| it == b"\"blockReason\"");
            assert!(facts.failure.is_some() || facts.complete && said_why, "{} at {at}: {text}", case.name());
        }
    }
}

/// No bytes make it panic, and what a client gets is always a whole event.
#[test]
fn damage_does_no_harm() {
    for case in cases() {
        if let Some(bytes) = case.read("upstream_response.sse") {
            for bytes in damage(&bytes) {
                let (text, facts) = case.replay(&[&bytes]);
                assert!(facts.complete || facts.failure.is_some(), "{}: {text}", case.name());
                assert!(text.is_empty() || text.ends_with("\n\n"), "{}: {text}", case.name());
            }
        }
        if let Some(body) = case.read("upstream_response.json") {
            for body in damage(&body) {
                let _ = case.bridge().answer(&body, &case.context());
            }
        }
        if let Some(body) = case.read("client_request.json") {
            for body in damage(&body) {
                let _ = case.encoded(&body);
            }
        }
    }
}

/// G22: each input is a content of its own; fewer vectors than inputs are no answer.
#[test]
fn g22_embeddings_have_a_vector_for_each_input() {
    let body = br#"{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64"}"#;
    let written = |name: &str, model: &str, body: &[u8]| {
        let target =
            Target { provider: provider::by_name(name).unwrap(), model, drop_params: false, max_output_tokens: None };
        let request = Request::read(client_face(Dialect::OpenAi), Awaited::Embeddings, body).unwrap();
        request.write(provider_face(Dialect::Gemini), target)
    };
    let json = |encoded: &Encoded| serde_json::from_slice::<Value>(&encoded.body).unwrap();
    let encoded = written("gemini", "gemini-embedding-2", body).unwrap();
    let one = |text: &str| json!({"model": "models/gemini-embedding-2", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2});
    assert_eq!(json(&encoded), json!({"requests": [one("a"), one("b")]}));
    let vertex = written("vertex_ai", "text-embedding-005", body).unwrap();
    assert_eq!(
        json(&vertex),
        json!({"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 2}})
    );
    let alone =
        written("vertex_ai", "gemini-embedding-2", br#"{"model":"m","input":"a","task_type":"RETRIEVAL_QUERY"}"#)
            .unwrap();
    assert_eq!(json(&alone), json!({"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY"}));
    assert_eq!(written("vertex_ai", "gemini-embedding-2", body).unwrap_err().param.as_deref(), Some("input"));

    let context = AnswerContext {
        provider: "gemini",
        awaited: Awaited::Embeddings,
        echo: encoded.echo,
        ..AnswerContext::default()
    };
    let read = |body: &str| bridge(Dialect::OpenAi, Dialect::Gemini).answer(body.as_bytes(), &context);
    let answer = read(r#"{"embeddings":[{"values":[0.5,-1]},{"values":[0,1]}]}"#).unwrap();
    let answer: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
    assert_eq!(answer["data"][0]["embedding"], "AAAAPwAAgL8=");
    assert_eq!(answer["data"][1]["index"], 1);
    assert!(read(r#"{"embeddings":[{"values":[0.5,-1]}]}"#).is_err(), "one vector for two inputs");
    let vertex = r#"{"predictions":[{"embeddings":{"values":[1,2],"statistics":{"token_count":3}}},{"embeddings":{"values":[1,2],"statistics":{"token_count":4}}}]}"#;
    assert_eq!(read(vertex).unwrap().usage.map(|usage| usage.prompt_tokens), Some(7));
}

/// G21: where Vertex AI is asked.
#[test]
fn g21_paths_of_vertex() {
    let path = |model: &'static str, api, stream| {
        let vertex = provider::by_name("vertex_ai").unwrap();
        let row = (vertex.instead)(model, "").unwrap_or(vertex);
        let model = (row.full_name)(api, model).into_owned();
        (row.path)(Call { api, dialect: row.dialect, model: &model, stream }).map(|path| path.into_owned())
    };
    for model in ["gemini-2.5-flash", "google/gemini-2.5-flash", "models/gemini-2.5-flash"] {
        let wanted = "/publishers/google/models/gemini-2.5-flash:generateContent";
        assert_eq!(path(model, Api::Chat, false).as_deref(), Some(wanted), "{model}");
    }
    let claude = "/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict";
    assert_eq!(path("claude-sonnet-4-5@20250929", Api::Chat, true).as_deref(), Some(claude));
    assert_eq!(path("424242", Api::Chat, false).as_deref(), Some("/endpoints/424242:generateContent"));
    assert_eq!(path("gemini/424242", Api::Chat, false).as_deref(), Some("/endpoints/424242:generateContent"));
    let own = Some("/endpoints/424242/chat/completions");
    assert_eq!(path("openai/424242", Api::Chat, true).as_deref(), own);
    let mistral = Some("/publishers/mistralai/models/mistral-large-2411@001:streamRawPredict");
    for model in ["mistral-large-2411@001", "mistralai/mistral-large-2411@001"] {
        assert_eq!(path(model, Api::Chat, true).as_deref(), mistral);
    }
    assert_eq!(path("meta/llama-4", Api::Chat, true).as_deref(), Some("/endpoints/openapi/chat/completions"));
    let predict = "/publishers/google/models/text-embedding-005:predict";
    assert_eq!(path("text-embedding-005", Api::Embeddings, false).as_deref(), Some(predict));
}
