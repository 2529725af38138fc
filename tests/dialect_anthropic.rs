//! OpenAI's clients and Anthropic's dialect against golden files: `tests/golden/anthropic/<case>/`.
//!
//! | file | what it is |
//! |---|---|
//! | `case.json` | optional: `model`, `drop_params`, `max_output_tokens`, `status`, `no_usage`, `thinking_blocks` |
//! | `openai_request.json` | the client's request; its `model` names the target, `ALIAS` a plain one |
//! | `upstream_request.json` | what Anthropic gets, or `refused.json`: what the client gets instead |
//! | `dropped.json` | the names of what was left out, where there are any |
//! | `upstream_response.json`, `.sse` | Anthropic's answer |
//! | `openai_response.json`, `.sse` | what the client gets for it |
//! | `facts.json` | what a stream showed, or the failure that an answer is |
//!
//! `GOLDEN=write` rewrites what comes out; the reviewer reads the diff.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "support/golden.rs"]
mod golden;

use std::collections::BTreeMap;
use std::path::PathBuf;

use golden::{Case, assert_any_cut, assert_cases, damage, pretty};
use serde_json::{Value, json};
use signalbox::chat::{ApiError, Failure, Usage};
use signalbox::dialect::openai_chat::client::error;
use signalbox::dialect::{
    AnswerContext, AnswerStream, Bridge, Echo, Encoded, StreamFacts, Target, bridge, client_face, provider_face,
};
use signalbox::failure::{self, ErrorAnswer};
use signalbox::provider::{Dialect, by_name};

/// OpenAI's clients, Anthropic's dialect.
fn translated() -> Bridge {
    bridge(Dialect::OpenAi, Dialect::Anthropic)
}

fn stream(context: AnswerContext) -> Box<dyn AnswerStream> {
    translated().stream(context)
}

fn request(body: &[u8], target: Target<'_>) -> Result<Encoded, ApiError> {
    let conversation = client_face(Dialect::OpenAi).read(body)?;
    provider_face(Dialect::Anthropic).write(&conversation, target)
}

const NOW_S: u64 = 1_763_600_000;
/// Every file that a run produces; one that is there but was not produced is stale.
const PRODUCED: [&str; 6] = [
    "upstream_request.json",
    "refused.json",
    "dropped.json",
    "openai_response.json",
    "openai_response.sse",
    "facts.json",
];

fn cases() -> Vec<Case> {
    Case::all("anthropic")
}

impl Case {
    fn is(&self, setting: &str) -> bool {
        self.settings[setting].as_bool().unwrap_or_default()
    }

    /// The model that is asked, as Anthropic names it.
    fn model(&self, request: &[u8]) -> String {
        let request: Value = serde_json::from_slice(request).unwrap_or_default();
        let named = self.settings["model"].as_str().or(request["model"].as_str()).unwrap_or("ALIAS");
        let named = named.strip_prefix("anthropic/").unwrap_or(named);
        if named == "ALIAS" { "claude-haiku-4-5".to_owned() } else { named.to_owned() }
    }

    fn encoded(&self) -> Option<Result<Encoded, ApiError>> {
        let body = self.read("openai_request.json")?;
        let model = self.model(&body);
        let max_output_tokens = self.settings["max_output_tokens"].as_u64();
        let target = Target {
            provider: by_name("anthropic").unwrap(),
            model: &model,
            drop_params: self.is("drop_params"),
            max_output_tokens,
        };
        Some(request(&body, target))
    }

    fn echo(&self) -> Echo {
        self.encoded().and_then(Result::ok).map(|encoded| encoded.echo).unwrap_or_default()
    }

    fn context(&self) -> AnswerContext {
        AnswerContext {
            provider: "anthropic",
            model: "asked-model".to_owned(),
            now_s: NOW_S,
            fallback_id: "chatcmpl-fallback".to_owned(),
            include_usage: !self.is("no_usage"),
            hide_usage: false,
            awaited: signalbox::dialect::Awaited::Chat,
            mark: None,
            may_stop_with_calls: false,
            thinking_blocks: self.is("thinking_blocks"),
            echo: self.echo(),
        }
    }

    /// All that comes out for this case, by file name.
    fn run(&self) -> BTreeMap<&'static str, String> {
        let mut out = BTreeMap::new();
        if let Some(encoded) = self.encoded() {
            match encoded {
                Ok(encoded) => {
                    out.insert("upstream_request.json", pretty(&serde_json::from_slice(&encoded.body).unwrap()));
                    if !encoded.dropped.is_empty() {
                        out.insert("dropped.json", pretty(&json!(encoded.dropped)));
                    }
                }
                Err(error) => drop(out.insert("refused.json", pretty(&refusal(&error)))),
            }
        }
        if let Some(body) = self.read("upstream_response.json") {
            let answer = match self.settings["status"].as_u64() {
                Some(status) => {
                    let status = u16::try_from(status).unwrap();
                    let (provider, header) = ("anthropic", |_: &str| None);
                    Err(failure::classify(&ErrorAnswer { provider, status, header: &header, body: &body, now_ms: 0 }))
                }
                None => translated().answer(&body, &self.context()),
            };
            match answer {
                Ok(answer) => {
                    let body: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
                    assert_eq!(body["usage"]["prompt_tokens"].as_u64(), answer.usage.map(|usage| usage.prompt_tokens));
                    out.insert("openai_response.json", pretty(&body));
                }
                Err(failure) => {
                    let error = failure::api_error(&failure);
                    out.insert("openai_response.json", pretty(&refusal(&error)));
                    out.insert("facts.json", pretty(&failure_json(&failure)));
                }
            }
        }
        if let Some(bytes) = self.read("upstream_response.sse") {
            let (text, facts) = self.replay(&[&bytes]);
            out.insert("openai_response.sse", text);
            out.insert("facts.json", pretty(&facts_json(&facts)));
        }
        out
    }

    fn replay(&self, pieces: &[&[u8]]) -> (String, StreamFacts) {
        let mut stream = stream(self.context());
        let mut out = Vec::new();
        for piece in pieces {
            stream.push(piece, &mut out);
        }
        stream.end(&mut out);
        (String::from_utf8(out).unwrap(), stream.facts().clone())
    }
}

fn refusal(error: &ApiError) -> Value {
    json!({"status": error.status, "body": serde_json::from_slice::<Value>(&error::body(error)).unwrap()})
}

fn failure_json(failure: &Failure) -> Value {
    json!({"class": failure.class.as_str(), "status": failure.status, "message": failure.message})
}

fn facts_json(facts: &StreamFacts) -> Value {
    let usage = |usage: Usage| {
        json!({
            "prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "cached": usage.cached_tokens,
            "cache_write": usage.cache_write_tokens, "reasoning": usage.reasoning_tokens
        })
    };
    json!({
        "meaningful": facts.meaningful, "complete": facts.complete, "dropped_events": facts.dropped_events,
        "failure": facts.failure.as_ref().map(failure_json), "usage": facts.usage.map(usage)
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

#[test]
fn an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for case in cases() {
        let Some(bytes) = case.read("upstream_response.sse") else { continue };
        let (text, facts) = case.replay(&[&bytes]);
        if !facts.complete {
            continue;
        }
        assert!(text.ends_with("data: [DONE]\n\n"), "{}", case.name());
        let last = bytes.windows(12).rposition(|window| window == b"message_stop").unwrap();
        for at in 0..last {
            let (text, facts) = case.replay(&[&bytes[..at]]);
            assert!(facts.failure.is_some() && !facts.complete, "{} at {at}", case.name());
            assert!(!text.contains("[DONE]") && text.contains("\"error\""), "{} at {at}", case.name());
        }
    }
}

#[test]
fn nothing_is_meaningful_before_something_of_the_answer_came() {
    let case = cases().into_iter().find(|case| case.name() == "worked_example_b").unwrap();
    let bytes = case.read("upstream_response.sse").unwrap();
    let thinking = bytes.windows(14).position(|window| window == b"thinking_delta").unwrap();
    let mut stream = stream(case.context());
    let mut out = Vec::new();
    stream.push(&bytes[..thinking], &mut out);
    assert!(!stream.facts().meaningful);
    assert_eq!(String::from_utf8_lossy(&out), ": ping\n\n", "B4: a ping is a comment, and nothing else came");
    stream.push(&bytes[thinking..], &mut out);
    assert!(stream.facts().meaningful && stream.facts().complete);
}

/// B4, S7: pings, comments and empty deltas are no progress; each ping reaches the client as a comment.
#[test]
fn progress_is_what_moves_the_answer_on() {
    let mut stream = stream(AnswerContext::default());
    let mut push = |text: &str| {
        let mut out = Vec::new();
        stream.push(text.as_bytes(), &mut out);
        (stream.progressed(), String::from_utf8(out).unwrap())
    };
    let event = |json: &str| format!("data: {json}\n\n");
    let delta = |kind: &str, member: &str| {
        event(&format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"{kind}",{member}}}}}"#))
    };
    let block = |kind: &str| {
        event(&format!(r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"{kind}","text":""}}}}"#))
    };
    assert!(push(&event(r#"{"type":"message_start","message":{"usage":{"input_tokens":3}}}"#)).0, "usage");
    for before_or_after_the_first_token in 0..2 {
        for ping in [": keep-alive\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n"] {
            assert_eq!(push(ping), (false, ": ping\n\n".to_owned()), "{before_or_after_the_first_token}");
        }
        for idle in [
            block("text"),
            delta("text_delta", r#""text":"""#),
            delta("input_json_delta", r#""partial_json":"""#),
            delta("thinking_delta", r#""thinking":"""#),
            event(r#"{"type":"content_block_stop","index":7}"#),
            event(r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"input_tokens":3}}"#),
        ] {
            assert_eq!(push(&idle), (false, String::new()), "{before_or_after_the_first_token} {idle}");
        }
        for moved in [
            block("thinking"),
            block("server_tool_use"),
            delta("text_delta", r#""text":"Hi""#),
            delta("thinking_delta", r#""thinking":"Hm""#),
            delta("input_json_delta", r#""partial_json":"{""#),
            delta("citations_delta", r#""citation":{}"#),
        ] {
            assert!(push(&moved).0, "{moved}");
        }
    }
    assert!(push(&event(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#)).0);
    assert!(push(&event(r#"{"type":"message_stop"}"#)).0);
}

#[test]
fn damaged_input_never_panics() {
    for case in cases() {
        let body = case.read("openai_request.json").unwrap_or_default();
        let model = case.model(&body);
        for damaged in damage(&body) {
            if let Ok(chat) = client_face(Dialect::OpenAi).read(&damaged) {
                let target = Target {
                    provider: by_name("anthropic").unwrap(),
                    model: &model,
                    drop_params: damaged.len() % 2 == 0,
                    max_output_tokens: None,
                };
                if let Ok(encoded) = provider_face(Dialect::Anthropic).write(&chat, target) {
                    serde_json::from_slice::<Value>(&encoded.body).expect("a body is JSON");
                }
            }
        }
        for damaged in damage(&case.read("upstream_response.json").unwrap_or_default()) {
            let _ = translated().answer(&damaged, &case.context());
        }
        for damaged in damage(&case.read("upstream_response.sse").unwrap_or_default()) {
            let mut stream = stream(case.context());
            let mut out = Vec::new();
            stream.push(&damaged, &mut out);
            stream.end(&mut out);
            let facts = stream.facts();
            assert!(facts.complete != facts.failure.is_some(), "{}: one end, not two and not none", case.name());
        }
    }
}

#[test]
fn depth_is_no_danger() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(200_000), close.repeat(200_000));
    let value = deep("[", "]");
    for field in ["messages", "tools", "stop", "logit_bias", "metadata", "user"] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"{field}":{value}}}"#);
        let _ = client_face(Dialect::OpenAi).read(body.as_bytes());
    }
    let schema = deep(r#"{"items":"#, "}").replacen("}", "1}", 1);
    let tools =
        format!(r#"[{{"type":"function","function":{{"name":"f","parameters":{{"type":"object","x":{schema}}}}}}}]"#);
    let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}],"tools":{tools}}}"#);
    let chat = client_face(Dialect::OpenAi).read(body.as_bytes()).unwrap();
    let target = Target {
        provider: by_name("anthropic").unwrap(),
        model: "claude-haiku-4-5",
        drop_params: false,
        max_output_tokens: None,
    };
    let encoded = provider_face(Dialect::Anthropic).write(&chat, target).unwrap();
    assert!(encoded.body.len() > schema.len(), "a tool's schema is carried, however deep");
}

/// Anthropic's own streams do neither; servers that speak its dialect do.
#[test]
fn a_call_may_come_whole_and_what_is_not_said_may_be_null() {
    let event = |json: &str| format!("data: {json}\n\n");
    let call = |input: &str, piece: &str| {
        let start = format!(
            r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"tool_use","id":"t","name":"f","text":null,"input":{input}}}}}"#
        );
        let piece = format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"input_json_delta","partial_json":{piece},"signature":null}}}}"#
        );
        let events = [
            r#"{"type":"message_start","message":{"id":"m","model":null,"usage":{"input_tokens":1,"output_tokens":1}}}"#,
            &start,
            &piece,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"message_delta","delta":{"type":null,"stop_reason":"tool_use"},"usage":{"output_tokens":2}}"#,
            r#"{"type":"message_stop"}"#,
        ];
        let mut stream = stream(AnswerContext::default());
        let mut out = Vec::new();
        stream.push(events.map(event).concat().as_bytes(), &mut out);
        assert!(stream.facts().complete && stream.facts().failure.is_none());
        let out = String::from_utf8(out).unwrap();
        let chunks =
            out.split("\n\n").filter_map(|event| serde_json::from_str::<Value>(event.strip_prefix("data: ")?).ok());
        let parts = chunks.filter_map(|chunk| {
            Some(chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()?.to_owned())
        });
        parts.collect::<String>()
    };
    assert_eq!(call("{}", r#""{\"a\":1}""#), r#"{"a":1}"#, "as Anthropic does");
    assert_eq!(call(r#"{"a": 1}"#, "null"), r#"{"a": 1}"#);
    assert_eq!(call(r#"{"a":1}"#, r#""{\"a\":1}""#), r#"{"a":1}"#, "not twice");
    assert_eq!(call("null", r#""""#), "{}", "no argument is an empty object");
}

/// A8: what a good status must hold to be an answer.
#[test]
fn a8_a_200_is_an_answer_only_if_it_holds_a_message() {
    let read =
        |body: &[u8]| translated().answer(body, &AnswerContext::default()).map_err(|failure| failure.class.as_str());
    for (body, class) in [
        (r#"{"id":"m","type":"message","role":"assistant","stop_reason":"end_turn"}"#, "upstream"),
        (r#"{"type":"message","content":null,"stop_reason":"end_turn"}"#, "upstream"),
        (r#"{"type":"message","content":"Hi","stop_reason":"end_turn"}"#, "upstream"),
        (r#"{"type":"message","content":{},"stop_reason":"end_turn"}"#, "upstream"),
        (r#"{"type":"message","content":[],"stop_reason":null}"#, "upstream"),
        (r#"{"type":"message","content":[{"type":"text","text":""}]}"#, "upstream"),
        (r#"{"type":"completion","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}"#, "upstream"),
        (r#"{"id":"c","object":"chat.completion","choices":[{"message":{"content":"Hi"}}]}"#, "upstream"),
        ("{}", "upstream"),
        ("[]", "upstream"),
        ("null", "upstream"),
        ("<html>gateway</html>", "upstream"),
        (r#"{"detail":"Too many requests"}"#, "rate_limit"),
        (r#"{"code":429,"msg":"slow down"}"#, "rate_limit"),
        (r#"{"code":500,"msg":"it broke"}"#, "upstream"),
        (r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#, "overloaded"),
        (r#"{"type":"message","content":[],"stop_reason":"end_turn","error":{"message":"rate limit"}}"#, "rate_limit"),
        (r#"{"content":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#, "quota"),
        (r#"{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"error"}"#, "upstream"),
        // Nothing of an answer is lost in silence.
        (
            r#"{"content":[{"type":"text","text":"Hi"},{"type":"text","text":"\udc00"}],"stop_reason":"end_turn"}"#,
            "upstream",
        ),
        (r#"{"content":[{"type":"text","text":"\ud83d"}],"stop_reason":"end_turn"}"#, "upstream"),
        (r#"{"content":[{"type":"tool_use","name":"f"}],"stop_reason":"tool_use"}"#, "upstream"),
    ] {
        assert_eq!(read(body.as_bytes()).map(drop), Err(class), "{body}");
    }
    for body in [
        r#"{"type":"message","content":[],"stop_reason":"end_turn"}"#,
        r#"{"type":"message","content":[{"type":"text","text":""}],"stop_reason":"max_tokens"}"#,
        r#"{"type":"message","content":[{"type":"text","text":"Hi"}]}"#,
        r#"{"content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","error":null,"base_resp":{"status_code":0}}"#,
        r#"{"content":[{"type":"not_yet_known","text":{}},{"kind":1}],"stop_reason":"end_turn"}"#,
        r#"{"content":[{"type":"thinking","thinking":"Hm"}]}"#,
    ] {
        assert!(read(body.as_bytes()).is_ok(), "{body}");
    }
    // S10.
    let body = b"{\"type\":\"message\",\"x\":\"\xFF\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}],\"stop_reason\":\"end_turn\"}";
    let failure = translated().answer(body, &AnswerContext::default()).unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("invalid_utf8"));
}

/// The outcome of a stream, the same whole and byte by byte.
fn steady(bytes: &[u8]) -> (String, StreamFacts) {
    let case = Case { dir: PathBuf::new(), settings: json!({"no_usage": true}) };
    let whole = case.replay(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(case.replay(&single), whole, "byte by byte");
    whole
}

fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

const START: &str = r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":3}}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
const ENDED: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;
const PING: &str = r#"{"type":"ping"}"#;

/// A8: what a stream must hold.
#[test]
fn a8_a_stream_is_an_answer_only_if_it_holds_one() {
    let empty_block = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
    for (events, class) in [
        (vec![STOP], "upstream"),
        (vec![PING, STOP], "upstream"),
        (vec![START, STOP], "upstream"),
        (vec![START, empty_block, STOP], "upstream"),
        (vec![START, r#"{"type":"message_delta","delta":{"stop_reason":null}}"#, STOP], "upstream"),
        (vec![ENDED, STOP], "upstream"),
        (vec!["[DONE]", STOP], "upstream"),
        (vec![r#"{"detail":"Too many requests"}"#, STOP], "rate_limit"),
        (vec![START, r#"{"code":429,"msg":"slow"}"#, STOP], "rate_limit"),
        (vec![r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#, STOP], "overloaded"),
        (vec![START, r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#], "rate_limit"),
        (vec![r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#, STOP], "quota"),
        (vec![START, r#"{"type":"message_delta","delta":{"stop_reason":"error"}}"#, STOP], "upstream"),
        (vec![r#"{"id":"c","choices":[{"index":0,"delta":{"content":"Hi"}}]}"#, "[DONE]"], "upstream"),
    ] {
        let (text, facts) = steady(events.iter().copied().map(event).collect::<String>().as_bytes());
        let failure = facts.failure.expect("a failure");
        assert_eq!((failure.class.as_str(), facts.meaningful, facts.complete), (class, false, false), "{events:?}");
        assert!(text.contains(r#"data: {"error":"#) && !text.contains("[DONE]"), "{events:?}");
    }
    for events in [vec![START, ENDED, STOP], vec![TEXT, STOP], vec![START, TEXT, ENDED, STOP], vec![TEXT, ENDED, STOP]]
    {
        let (text, facts) = steady(events.iter().copied().map(event).collect::<String>().as_bytes());
        assert!(facts.complete && facts.failure.is_none() && text.ends_with("data: [DONE]\n\n"), "{events:?}");
    }
    let named = format!("{}{}event: error\ndata: {{\"message\":\"it broke\"}}\n\n", event(START), event(TEXT));
    assert!(steady(named.as_bytes()).1.failure.is_some(), "an error by the name of its event");
}

/// Security, S10: what is not UTF-8, or is known and cannot be read, is never left out in silence.
#[test]
fn s10_what_cannot_be_read_ends_the_answer() {
    let bad: [&[u8]; 4] = [
        b"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"caf\xE9\"}}",
        b"{\"type\":\"not_yet_known\",\"x\":\"\xFF\"}",
        b"hiccup \xFF",
        br#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ud83d"}}"#,
    ];
    for frame in bad {
        for before in ["", TEXT] {
            let before = if before.is_empty() { String::new() } else { event(before) };
            let after = format!("\n\n{}{}", event(ENDED), event(STOP));
            let (text, facts) = steady(&[before.as_bytes(), b"data: ", frame, after.as_bytes()].concat());
            assert_eq!(facts.failure.expect("a failure").class.as_str(), "upstream");
            assert_eq!(facts.meaningful, !before.is_empty());
            assert!(
                text.trim_end().ends_with("}}") && text.contains("\"error\"") && !text.contains("[DONE]"),
                "{text}"
            );
        }
    }
    let unknown = r#"{"type":"content_block_delta","index":0,"delta":{"type":"not_yet_known","text":{"a":1}}}"#;
    let (_, facts) = steady([START, TEXT, unknown, ENDED, STOP].map(event).concat().as_bytes());
    assert!(facts.complete, "a kind that is not known here may have any form");
}

/// Claude on Vertex AI fetches nothing: another deployment may, or the image is left out by name.
#[test]
fn on_vertex_an_image_by_url_is_refused() {
    let provider = (by_name("vertex_ai").unwrap().instead)("claude-sonnet-4-5", "").unwrap();
    let body = |url: &str| {
        let content = json!([{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": url}}]);
        json!({"model": "m", "messages": [{"role": "user", "content": content}]}).to_string()
    };
    let sent = |url: &str, drop_params| {
        let target = Target { provider, model: "claude-sonnet-4-5", drop_params, max_output_tokens: None };
        request(body(url).as_bytes(), target)
    };
    let error = sent("https://x/y.png", false).unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (400, Some("messages[0].content[1]")));
    assert_eq!(sent("https://x/y.png", true).unwrap().dropped, ["messages[0].content[1]"]);
    assert!(sent("data:image/png;base64,AAAA", false).is_ok());
}
