//! Responses against golden files, on either side: `tests/golden/responses/<case>/`.
//!
//! | file | what it is |
//! |---|---|
//! | `case.json` | optional: `client` (`responses`), `provider` (`groq`), `dialect` (what the provider speaks, if not its usual), `model` (`llama-3.3-70b-versatile`), `drop_params`, `status` |
//! | `client_request.json` | the client's request |
//! | `upstream_request.json` | what the provider gets, or `refused.json`: what the client gets instead |
//! | `dropped.json` | the names of what was left out, where there are any |
//! | `upstream_response.json`, `.sse` | the provider's answer |
//! | `client_response.json`, `.sse` | what the client gets for it |
//! | `facts.json` | what a stream showed, or the failure that an answer is |
//!
//! A name begins with its row of the list of faults of other bridges. `GOLDEN=write` rewrites what comes out; the reviewer reads the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "support/golden.rs"]
mod golden;

use std::collections::BTreeMap;

use golden::{Case, assert_any_cut, assert_cases, damage, pretty};
use serde_json::{Value, json};
use signalbox::chat::{ApiError, Failure};
use signalbox::dialect::verbatim::splice;
use signalbox::dialect::{AnswerContext, Bridge, Dialect, Echo, Encoded, StreamFacts, Target, bridge, client_face};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{self, Provider};

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
    Case::all("responses")
}

impl Case {
    fn provider(&self) -> &'static Provider {
        provider::by_name(self.settings["provider"].as_str().unwrap_or("groq")).unwrap()
    }

    fn client(&self) -> Dialect {
        dialect(self.settings["client"].as_str().unwrap_or("responses"))
    }

    fn bridge(&self) -> Bridge {
        bridge(self.client(), self.settings["dialect"].as_str().map_or(self.provider().dialect, dialect))
    }

    fn encoded(&self, body: &[u8]) -> Result<Encoded, ApiError> {
        let provider = self.provider();
        let model = self.settings["model"].as_str().unwrap_or("llama-3.3-70b-versatile");
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

fn dialect(name: &str) -> Dialect {
    match name {
        "openai" => Dialect::OpenAi,
        "anthropic" => Dialect::Anthropic,
        "responses" => Dialect::Responses,
        other => panic!("{other} is no dialect"),
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
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    assert_cases(&cases, &PRODUCED, Case::run);
}

#[test]
fn any_cut_of_a_stream_gives_the_same() {
    let mut streams = 0;
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        streams += 1;
        // Those that are long are cut at each place of their end, where all is told once more.
        let end = bytes.len().saturating_sub(1_500);
        let (before, end) = bytes.split_at(end);
        assert_any_cut(&case.name(), end, |pieces| case.replay(&[&[before], pieces].concat()));
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(case.replay(&single), case.replay(&[&bytes]), "{} byte by byte", case.name());
    }
    assert!(streams >= 20, "only {streams} streams");
}

/// R18: a cut stream ends with a failure, and never looks complete.
#[test]
fn r18_an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for case in cases().into_iter().filter(|case| case.client() == Dialect::Responses) {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        for at in (0..bytes.len()).step_by(5) {
            let (text, facts) = case.replay(&[&bytes[..at]]);
            let last = text.trim_end().rsplit("\n\n").next().unwrap().to_owned();
            let ends_well = ["completed", "incomplete"].iter().any(|end| last.contains(&format!("\"response.{end}\"")));
            assert_eq!(ends_well, facts.failure.is_none(), "{} at {at}: {text}", case.name());
            if facts.failure.is_some() {
                assert!(last.starts_with("event: response.failed\ndata: {"), "{} at {at}: {last}", case.name());
            }
        }
    }
}

/// The events of a stream, each with the name in its line.
fn events(text: &str) -> Vec<Value> {
    let events = text.split("\n\n").filter_map(|event| event.strip_prefix("event: "));
    let read = |event: &str| {
        let (name, data) = event.split_once("\ndata: ").unwrap();
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!(event["type"], name);
        event
    };
    events.map(read).collect()
}

/// R12 to R20: what a translated stream must keep, whatever came.
#[test]
fn r12_to_r20_the_events_keep_their_order() {
    let mut checked = 0;
    for case in cases() {
        let is_translated = matches!(case.bridge(), Bridge::Translated(..)) && case.client() == Dialect::Responses;
        let Some(bytes) = case.read("upstream_response.sse").filter(|_| is_translated) else { continue };
        let (text, facts) = case.replay(&[&bytes]);
        let (name, events) = (case.name(), events(&text));
        assert!(!text.contains("[DONE]"), "{name}");
        let (mut items, mut ended): (Vec<Value>, BTreeMap<usize, Value>) = (Vec::new(), BTreeMap::new());
        let (mut said, mut last_id) = (BTreeMap::<(usize, String), String>::new(), Value::Null);
        for (at, event) in events.iter().enumerate() {
            assert_eq!(event["sequence_number"], at, "{name}");
            let kind = event["type"].as_str().unwrap();
            assert_eq!(at == 0, kind == "response.created", "{name}");
            if !event["response"].is_null() {
                assert!(last_id.is_null() || last_id == event["response"]["id"], "{name}");
                last_id = event["response"]["id"].clone();
                assert!(last_id.as_str().unwrap().starts_with("resp_"), "{name}");
            }
            let Some(index) = event["output_index"].as_u64().map(|index| index as usize) else { continue };
            assert!(!ended.contains_key(&index), "{name}: {kind} after its item's end");
            if kind == "response.output_item.added" {
                assert_eq!(index, items.len(), "{name}");
                let prefix = match event["item"]["type"].as_str().unwrap() {
                    "message" => "msg_",
                    "reasoning" => "rs_",
                    "function_call" => "fc_",
                    _ => "ctc_",
                };
                assert!(event["item"]["id"].as_str().unwrap().starts_with(prefix), "{name}");
                items.push(event["item"].clone());
                continue;
            }
            let id = &items[index]["id"];
            if kind == "response.output_item.done" {
                assert_eq!((&event["item"]["id"], &event["item"]["type"]), (id, &items[index]["type"]), "{name}");
                ended.insert(index, event["item"].clone());
                continue;
            }
            assert_eq!(&event["item_id"], id, "{name}");
            // What came in pieces is what is said at the end.
            let part = event["content_index"].as_u64().unwrap_or_default();
            let of = (index, format!("{}{part}", kind.rsplit_once('.').unwrap().0));
            if kind.ends_with(".delta") {
                *said.entry(of).or_default() += event["delta"].as_str().unwrap();
            } else if kind.ends_with(".done") && event["part"].is_null() {
                let whole = ["text", "refusal", "arguments", "input"].iter().find_map(|key| event[key].as_str());
                assert_eq!(said.get(&of).map_or("", String::as_str), whole.unwrap(), "{name}");
            }
        }
        let last = events.last().unwrap();
        if facts.failure.is_none() {
            assert_eq!(json!(ended.into_values().collect::<Vec<_>>()), last["response"]["output"], "{name}");
            assert!(last["response"]["usage"]["total_tokens"].is_u64(), "{name}");
        } else {
            assert_eq!(last["type"], "response.failed", "{name}");
            assert!(last["response"]["error"]["code"].is_string(), "{name}");
        }
        checked += 1;
    }
    assert!(checked >= 20, "only {checked}");
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
        for damaged in damage(&case.read("upstream_response.sse").unwrap_or_default()) {
            let mut stream = case.bridge().stream(AnswerContext::default());
            stream.push(&damaged, &mut Vec::new());
            stream.end(&mut Vec::new());
            let facts = stream.facts();
            assert!(facts.complete != facts.failure.is_some(), "{}: one end, not two and not none", case.name());
        }
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let face = client_face(Dialect::Responses);
    for field in ["input", "tools", "tool_choice", "text", "reasoning", "include", "conversation", "metadata", "x"] {
        let body = format!(r#"{{"model":"m","input":"hi","{field}":{deep}}}"#);
        let _ = face.scan(body.as_bytes()).map(|scan| (scan.reference(), face.transcript(&scan, None)));
        let _ = face.read(body.as_bytes());
    }
    let body = format!(r#"{{"model":"m","input":[{{"role":"user","content":"hi","x":{deep}}}]}}"#);
    assert!(face.read(body.as_bytes()).is_ok(), "unknown members are passed over, however deep");
}

/// R9, R10: what the router must know before it chooses: who alone can serve it.
#[test]
fn r9_r10_what_only_one_provider_has_is_seen_without_reading() {
    let reference = |members: &str| {
        let body = format!(r#"{{"model":"m",{members}}}"#);
        let scan = client_face(Dialect::Responses).scan(body.as_bytes()).unwrap();
        assert!(scan.require_messages().is_ok(), "{members}");
        scan.reference().map(|it| (it.member, it.id.map(|id| id.into_owned())))
    };
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(reference(r#""previous_response_id":"resp_1""#), Some(("previous_response_id", id("resp_1"))));
    assert_eq!(reference(r#""conversation":{"id":"conv_1"},"input":"x""#), Some(("conversation", id("conv_1"))));
    assert_eq!(reference(r#""conversation":"conv_1""#), Some(("conversation", id("conv_1"))));
    assert_eq!(reference(r#""prompt":{"id":"pmpt_1"}"#), Some(("prompt", None)));
    assert_eq!(reference(r#""background":true,"input":"x""#), Some(("background", None)));
    for item in ["item_reference", "compaction_trigger", "compaction"] {
        assert_eq!(reference(&format!(r#""input":[{{"type":"{item}"}}]"#)), Some(("input", None)));
    }
    let plain =
        r#""input":[{"role":"user","content":"an \"item_reference\""}],"previous_response_id":null,"background":false"#;
    assert_eq!(reference(plain), None);
    let body = br#"{"model":"m","max_output_tokens":7,"stream":true,"tools":[{}],"text":{"format":{"type":"json_schema"}},"input":"x"}"#;
    let scan = client_face(Dialect::Responses).scan(body).unwrap();
    assert_eq!((scan.max_tokens, scan.stream, scan.tools, scan.structured), (Some(7), true, true, true));
    let none = client_face(Dialect::Responses).scan(br#"{"model":"m"}"#).unwrap().require_messages().unwrap_err();
    assert_eq!(none.param.as_deref(), Some("input"));
}
