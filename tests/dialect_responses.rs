//! Responses against golden files, on either side: `tests/golden/responses/<case>/`, which `tests/support/cases.rs` explains.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox::dialect::{Bridge, Dialect, client_face};

const FOLDER: cases::Folder = cases::Folder {
    name: "responses",
    client: "responses",
    provider: "groq",
    model: "llama-3.3-70b-versatile",
    prefixed_ids: true,
    cases: 60,
    streams: 20,
};

/// R18: a cut stream ends with a failure, and never looks complete.
#[test]
fn r18_an_answer_cut_short_is_never_taken_for_a_whole_one() {
    for (case, bytes) in cases::streams().into_iter().filter(|(case, _)| case.client() == Dialect::Responses) {
        let context = case.context();
        for at in (0..bytes.len()).step_by(5) {
            let (text, facts) = case.replay_in(&context, &[&bytes[..at]]);
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
    for (case, bytes) in cases::streams() {
        if case.client() != Dialect::Responses || matches!(case.bridge(), Bridge::Verbatim(_)) {
            continue;
        }
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
