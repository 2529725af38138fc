//! Cases of one dialect in a folder of golden files.
//!
//! | file | what it is |
//! |---|---|
//! | `case.json` | optional: `client`, `provider`, `model`, each if not the [`Folder`]'s; `dialect` (what the provider speaks, if not its usual), `drop_params`, `status`, `awaited` (`chat`, `completion`, `embeddings`) |
//! | `client_request.json` | the client's request |
//! | `upstream_request.json` | what the provider gets, or `refused.json`: what the client gets instead |
//! | `dropped.json` | the names of what was left out, where there are any |
//! | `upstream_response.json`; `.sse`, `.stream` | the provider's answer; a stream of it |
//! | `client_response.json`, `.sse` | what the client gets for it |
//! | `facts.json` | what a stream showed, or the failure that an answer is |
//!
//! A name begins with its row of the list of faults of other bridges. `GOLDEN=write` rewrites what comes out; the reviewer reads the diff.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox::chat::{ApiError, Failure};
use signalbox::dialect::request::Request;
use signalbox::dialect::verbatim::splice;
use signalbox::dialect::{
    AnswerContext, Awaited, Bridge, Dialect, Echo, Encoded, StreamFacts, Target, bridge, client_face,
};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Provider};

use super::FOLDER;
use super::golden::{self, Case, assert_any_cut, assert_cases, damage, pretty};

/// A folder of `tests/golden`, and what a case is about that does not say otherwise.
pub struct Folder {
    pub name: &'static str,
    pub client: &'static str,
    pub provider: &'static str,
    pub model: &'static str,
    /// Whether the id of an answer that brings none begins as its client's dialect has it.
    pub prefixed_ids: bool,
    /// So many cases and streams are there at least: else the tests look in the wrong place.
    pub cases: usize,
    pub streams: usize,
}

const NOW_S: u64 = 1_763_600_000;
/// A stream that is longer is cut only within the last [`END`] bytes, where all is told once more, and short in fewer places: each cut replays it.
const LONG: usize = 2_000;
const END: usize = 1_500;
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
    let cases = Case::all(FOLDER.name);
    assert!(cases.len() >= FOLDER.cases, "only {} cases", cases.len());
    cases
}

/// The cases that hold a stream, and its bytes.
pub fn streams() -> Vec<(Case, Vec<u8>)> {
    let streams: Vec<_> = cases().into_iter().filter_map(|case| case.stream().map(|bytes| (case, bytes))).collect();
    assert!(streams.len() >= FOLDER.streams, "only {} streams", streams.len());
    streams
}

fn dialect(name: &str) -> Dialect {
    match name {
        "openai" => Dialect::OpenAi,
        "anthropic" => Dialect::Anthropic,
        "responses" => Dialect::Responses,
        other => panic!("{other} is no dialect"),
    }
}

impl Case {
    fn setting<'c>(&'c self, name: &str, usual: &'c str) -> &'c str {
        self.settings[name].as_str().unwrap_or(usual)
    }

    fn stream(&self) -> Option<Vec<u8>> {
        self.read("upstream_response.sse").or_else(|| self.read("upstream_response.stream"))
    }

    fn provider(&self) -> &'static Provider {
        provider::by_name(self.setting("provider", FOLDER.provider)).unwrap()
    }

    pub fn client(&self) -> Dialect {
        dialect(self.setting("client", FOLDER.client))
    }

    fn awaited(&self) -> Awaited {
        match self.setting("awaited", "chat") {
            "chat" => Awaited::Chat,
            "completion" => Awaited::Completion,
            "embeddings" => Awaited::Embeddings,
            other => panic!("{other} is no API"),
        }
    }

    pub fn bridge(&self) -> Bridge {
        bridge(self.client(), self.settings["dialect"].as_str().map_or(self.provider().dialect, dialect))
    }

    pub fn encoded(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let (provider, model) = (self.provider(), self.setting("model", FOLDER.model));
        let drop_params = self.settings["drop_params"].as_bool().unwrap_or_default();
        match self.bridge() {
            Bridge::Verbatim(client) => {
                let (end, mut spliced) = splice(body, client.scan(body)?.model_span, model, false);
                spliced.extend_from_slice(&body[end..]);
                Ok(Encoded { body: spliced, dropped: Vec::new(), echo: Echo::default() })
            }
            Bridge::Translated(client, face) => Request::read(client, self.awaited(), body)?
                .write(face, Target { provider, model, drop_params, max_output_tokens: None }),
        }
    }

    pub fn context(&self) -> AnswerContext {
        let request = self.read("client_request.json");
        let prefix = if FOLDER.prefixed_ids { client_face(self.client()).id_prefix() } else { "" };
        let echo = request.and_then(|body| self.encoded(&body).ok()).map(|encoded| encoded.echo).unwrap_or_default();
        AnswerContext {
            provider: self.provider().name,
            awaited: self.awaited(),
            model: "asked-model".to_owned(),
            now_s: NOW_S,
            fallback_id: format!("{prefix}fallback"),
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
                // The bytes pass.
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
                Ok(None) => drop(out.insert("client_response.json", String::from_utf8(body).unwrap())),
                Err(failure) => {
                    let error = failure::api_error(&failure);
                    out.insert("client_response.json", pretty(&self.refusal(&error)));
                    out.insert("facts.json", pretty(&failure_json(&failure)));
                }
            }
        }
        if let Some(bytes) = self.stream() {
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

    pub fn replay(&self, pieces: &[&[u8]]) -> (String, StreamFacts) {
        self.replay_in(&self.context(), pieces)
    }

    pub fn replay_in(&self, context: &AnswerContext, pieces: &[&[u8]]) -> (String, StreamFacts) {
        let mut stream = self.bridge().stream(context.clone());
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
    for (case, bytes) in streams() {
        let context = case.context();
        let (before, end) = bytes.split_at(if bytes.len() > LONG { bytes.len() - END } else { 0 });
        assert_any_cut(&case.name(), end, |pieces| case.replay_in(&context, &[&[before], pieces].concat()));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(case.replay(&single), case.replay(&[&bytes]), "{} byte by byte", case.name());
    }
}

#[test]
fn an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for (case, bytes) in streams() {
        let context = case.context();
        for at in (0..bytes.len()).step_by(if bytes.len() > LONG { 5 } else { 1 }) {
            let (text, facts) = case.replay_in(&context, &[&bytes[..at]]);
            assert_eq!(facts.complete, facts.failure.is_none(), "{} at {at}: {text}", case.name());
        }
    }
}

#[test]
fn damaged_input_never_panics() {
    for case in cases() {
        let context = case.context();
        for damaged in damage(&case.read("client_request.json").unwrap_or_default()) {
            if let Ok(encoded) = case.encoded(&damaged) {
                serde_json::from_slice::<Value>(&encoded.body).expect("a body is JSON");
            }
        }
        for damaged in damage(&case.read("upstream_response.json").unwrap_or_default()) {
            let _ = case.bridge().answer(&damaged, &context);
        }
        for damaged in damage(&case.stream().unwrap_or_default()) {
            let mut stream = case.bridge().stream(context.clone());
            let out = golden::replay_bytes(stream.as_mut(), &[&damaged]);
            let facts = stream.facts();
            assert!(facts.complete != facts.failure.is_some(), "{}: one end, not two and not none", case.name());
            let is_whole = out.is_empty() || out.ends_with(b"\n\n") || matches!(case.bridge(), Bridge::Verbatim(_));
            assert!(is_whole, "{}: {}", case.name(), String::from_utf8_lossy(&out));
        }
    }
}
