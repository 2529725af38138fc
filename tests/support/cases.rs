//! Cases of one provider's dialect in a folder of golden files.
//!
//! | file | what it is |
//! |---|---|
//! | `case.json` | optional: `client` (`openai`), `provider`, `model`, `drop_params`, `status`, `awaited` (`chat`, `completion`, `embeddings`) |
//! | `client_request.json` | the client's request |
//! | `upstream_request.json` | what the provider gets, or `refused.json`: what the client gets instead |
//! | `dropped.json` | the names of what was left out, where there are any |
//! | `upstream_response.json`, `.stream` | the provider's answer |
//! | `client_response.json`, `.sse` | what the client gets for it |
//! | `facts.json` | what a stream showed, or the failure that an answer is |
//!
//! A name begins with its row of the list of faults of other bridges. `GOLDEN=write` rewrites what comes out; the reviewer reads the diff.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox::chat::{ApiError, Failure};
use signalbox::dialect::request::Request;
use signalbox::dialect::{
    AnswerContext, Awaited, Bridge, Dialect, Encoded, StreamFacts, Target, bridge, client_face, provider_face,
};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Provider};

use super::golden::{self, Case, assert_any_cut, assert_cases, damage, pretty};
use super::{FOLDER, MODEL, PROVIDER};

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

pub fn cases() -> Vec<Case> {
    Case::all(FOLDER)
}

impl Case {
    fn provider(&self) -> &'static Provider {
        provider::by_name(self.settings["provider"].as_str().unwrap_or(PROVIDER)).unwrap()
    }

    fn client(&self) -> Dialect {
        match self.settings["client"].as_str().unwrap_or("openai") {
            "openai" => Dialect::OpenAi,
            "anthropic" => Dialect::Anthropic,
            "responses" => Dialect::Responses,
            other => panic!("{other} is no dialect"),
        }
    }

    fn awaited(&self) -> Awaited {
        match self.settings["awaited"].as_str().unwrap_or("chat") {
            "chat" => Awaited::Chat,
            "completion" => Awaited::Completion,
            "embeddings" => Awaited::Embeddings,
            other => panic!("{other} is no API"),
        }
    }

    fn bridge(&self) -> Bridge {
        bridge(self.client(), self.provider().dialect)
    }

    pub fn encoded(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let provider = self.provider();
        let model = self.settings["model"].as_str().unwrap_or(MODEL);
        let drop_params = self.settings["drop_params"].as_bool().unwrap_or_default();
        let request = Request::read(client_face(self.client()), self.awaited(), body)?;
        let target = Target { provider, model, drop_params, max_output_tokens: None };
        request.write(provider_face(provider.dialect), target)
    }

    fn context(&self) -> AnswerContext {
        let request = self.read("client_request.json");
        let echo = request.and_then(|body| self.encoded(&body).ok()).map(|encoded| encoded.echo).unwrap_or_default();
        AnswerContext {
            provider: self.provider().name,
            awaited: self.awaited(),
            model: "asked-model".to_owned(),
            now_s: NOW_S,
            fallback_id: format!("{}fallback", client_face(self.client()).id_prefix()),
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
            match answer {
                Ok(answer) => {
                    let body: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
                    out.insert("client_response.json", pretty(&body));
                }
                Err(failure) => {
                    let error = failure::api_error(&failure);
                    out.insert("client_response.json", pretty(&self.refusal(&error)));
                    out.insert("facts.json", pretty(&failure_json(&failure)));
                }
            }
        }
        if let Some(bytes) = self.read("upstream_response.stream") {
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
    assert_cases(&cases(), &PRODUCED, Case::run);
}

#[test]
fn any_cut_of_a_stream_gives_the_same() {
    let mut streams = 0;
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.stream") else { continue };
        streams += 1;
        assert_any_cut(&case.name(), &bytes, |pieces| case.replay(pieces));
    }
    assert!(streams >= 4, "only {streams} streams");
}

#[test]
fn an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.stream") else { continue };
        for at in (0..bytes.len()).step_by(5) {
            let (text, facts) = case.replay(&[&bytes[..at]]);
            assert_eq!(facts.complete, facts.failure.is_none(), "{} at {at}: {text}", case.name());
        }
    }
}

#[test]
fn damaged_input_never_panics() {
    for case in cases() {
        for damaged in damage(&case.read("client_request.json").unwrap_or_default()) {
            if let Ok(encoded) = case.encoded(&damaged) {
                serde_json::from_slice::<Value>(&encoded.body).expect("a body is JSON");
            }
        }
        for damaged in damage(&case.read("upstream_response.json").unwrap_or_default()) {
            let _ = case.bridge().answer(&damaged, &case.context());
        }
        for damaged in damage(&case.read("upstream_response.stream").unwrap_or_default()) {
            let (_, facts) = case.replay(&[&damaged]);
            assert!(facts.complete != facts.failure.is_some(), "{}: one end, not two and not none", case.name());
        }
    }
}
