//! Gemini's dialect against golden files: `tests/golden/gemini/<case>/`, which `tests/support/cases.rs` explains. The rows of the issue are in the
//! names of the cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

use serde_json::{Value, json};
use signalbox::dialect::request::Request;
use signalbox::dialect::{AnswerContext, Awaited, Dialect, Encoded, Target, bridge, client_face, provider_face};
use signalbox::provider::{self, Api, Call};

const FOLDER: cases::Folder = cases::Folder {
    name: "gemini",
    client: "openai",
    provider: "gemini",
    model: "gemini-2.5-flash",
    prefixed_ids: false,
    cases: 40,
    streams: 10,
};

#[test]
fn other_line_ends_give_the_same() {
    for (case, bytes) in cases::streams() {
        let crlf = String::from_utf8(bytes.clone()).unwrap().replace('\n', "\r\n");
        assert_eq!(case.replay(&[crlf.as_bytes()]), case.replay(&[&bytes]), "{} with CRLF", case.name());
    }
}

/// It looks complete only if it had said why it ended.
#[test]
fn an_answer_cut_short_is_complete_only_if_it_said_why() {
    for (case, bytes) in cases::streams() {
        let context = case.context();
        for at in 0..bytes.len() {
            let (text, facts) = case.replay_in(&context, &[&bytes[..at]]);
            let said_why = bytes[..at].windows(14).any(|it| it == b"\"finishReason\"")
                || bytes[..at].windows(13).any(|it| it == b"\"blockReason\"");
            assert!(facts.failure.is_some() || facts.complete && said_why, "{} at {at}: {text}", case.name());
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
