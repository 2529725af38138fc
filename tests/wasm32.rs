//! The library on 32-bit WebAssembly, under node: `make test-wasm`. The same assertions run natively.
//!
//! `usize` has 32 bits there and the stack is small, as in Envoy. Whole test files that need no file system are taken in as they
//! are; golden cases that others read from disk are compiled in.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(target_arch = "wasm32")]
#[path = "complexity.rs"]
mod complexity;
#[cfg(target_arch = "wasm32")]
#[path = "dialect_openai.rs"]
mod dialect_openai;
#[cfg(target_arch = "wasm32")]
#[path = "failures.rs"]
mod failures;
#[cfg(target_arch = "wasm32")]
#[path = "hostile.rs"]
mod hostile;
#[cfg(target_arch = "wasm32")]
#[path = "json.rs"]
mod json;
#[cfg(target_arch = "wasm32")]
#[path = "lifecycle.rs"]
mod lifecycle;
#[cfg(target_arch = "wasm32")]
#[path = "signalbox_scorer.rs"]
mod signalbox_scorer;
#[cfg(target_arch = "wasm32")]
#[path = "task.rs"]
mod task;

use serde_json::Value;
use signalbox::config::compile::compile;
use signalbox::config::tree::Node;
use signalbox::dialect::scan::{self, BodyScan};
use signalbox::dialect::{AnswerContext, Target, bridge, client_face, provider_face};
use signalbox::failure;
use signalbox::provider::{Dialect, by_name};
use signalbox::routing::{Claim, PlanInputs, Requirements, plan};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

macro_rules! golden {
    ($case:literal, $file:literal) => {
        include_bytes!(concat!("golden/anthropic/", $case, "/", $file)).as_slice()
    };
}

/// What goes in and what comes out of each of these cases.
macro_rules! golden_pairs {
    ($from:literal, $to:literal, $($case:literal),+) => {
        [$(($case, golden!($case, $from), golden!($case, $to))),+]
    };
}

fn context() -> AnswerContext {
    AnswerContext {
        provider: "anthropic",
        model: "asked-model".to_owned(),
        now_s: 1_763_600_000,
        fallback_id: "chatcmpl-fallback".to_owned(),
        include_usage: true,
        hide_usage: false,
        thinking_blocks: false,
        ..AnswerContext::default()
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[test]
fn requests_are_encoded_as_natively() {
    let cases = golden_pairs!(
        "openai_request.json",
        "upstream_request.json",
        "parallel_calls",
        "tool_ids",
        "json_schema",
        "thinking_handed_back",
        "reasoning_budget",
        "pdf_file",
        "hints_dropped"
    );
    for (case, request, wanted) in cases {
        let chat = client_face(Dialect::OpenAi).read(request).unwrap();
        let target = Target {
            provider: by_name("anthropic").unwrap(),
            model: "claude-haiku-4-5",
            drop_params: false,
            max_output_tokens: None,
        };
        let encoded = provider_face(Dialect::Anthropic).write(&chat, target).unwrap();
        assert_eq!(json(&encoded.body), json(wanted), "{case}");
    }
}

#[test]
fn answers_are_read_as_natively() {
    let cases = golden_pairs!(
        "upstream_response.json",
        "openai_response.json",
        "parallel_calls",
        "cached_tokens",
        "reasoning_budget",
        "refusal",
        "max_tokens"
    );
    for (case, answer, wanted) in cases {
        let answer = bridge(Dialect::OpenAi, Dialect::Anthropic).answer(answer, &context()).unwrap();
        assert_eq!(json(&answer.body.unwrap()), json(wanted), "{case}");
    }
}

#[test]
fn streams_are_read_as_natively_whole_and_byte_by_byte() {
    let cases = golden_pairs!(
        "upstream_response.sse",
        "openai_response.sse",
        "parallel_calls_stream",
        "stream_error_midway",
        "stream_truncated",
        "stream_ping_only",
        "server_tools_stream"
    );
    for (case, bytes, wanted) in cases {
        for size in [bytes.len(), 1, 7] {
            let mut stream = bridge(Dialect::OpenAi, Dialect::Anthropic).stream(context());
            let mut out = Vec::new();
            for piece in bytes.chunks(size) {
                stream.push(piece, &mut out);
            }
            stream.end(&mut out);
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(wanted), "{case} by {size}");
        }
    }
}

#[test]
fn depth_is_no_danger_on_a_small_stack() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    let (lists, objects) = (deep("[", "]"), deep(r#"{"a":"#, "}").replacen('}', "1}", 1));
    for nested in [&lists, &objects] {
        let body =
            format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"x":{nested},"num_retries":1}}"#);
        assert_eq!(BodyScan::read(body.as_bytes()).unwrap().model, "m");
        let _ = scan::strip_gateway_params(body.as_bytes());
        client_face(Dialect::OpenAi).read(body.as_bytes()).unwrap();
        for field in
            ["messages", "tools", "stop", "logit_bias", "metadata", "response_format", "tool_choice", "stream_options"]
        {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],"{field}":{nested}}}"#);
            let _ = BodyScan::read(body.as_bytes());
            let Ok(chat) = client_face(Dialect::OpenAi).read(body.as_bytes()) else { continue };
            for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
                let _ = provider_face(dialect).write(
                    &chat,
                    Target {
                        provider: by_name("anthropic").unwrap(),
                        model: "claude-haiku-4-5",
                        drop_params: true,
                        max_output_tokens: None,
                    },
                );
            }
        }
        for format in ["json_schema", "tools"] {
            let part = match format {
                "tools" => {
                    format!(r#""tools":[{{"type":"function","function":{{"name":"f","parameters":{nested}}}}}]"#)
                }
                _ => format!(
                    r#""response_format":{{"type":"json_schema","json_schema":{{"name":"s","schema":{nested}}}}}"#
                ),
            };
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{part}}}"#);
            let Ok(chat) = client_face(Dialect::OpenAi).read(body.as_bytes()) else {
                assert!(nested.starts_with('['), "a schema is an object");
                continue;
            };
            for model in ["claude-haiku-4-5", "claude-3-haiku"] {
                let _ = provider_face(Dialect::Anthropic).write(
                    &chat,
                    Target {
                        provider: by_name("anthropic").unwrap(),
                        model,
                        drop_params: false,
                        max_output_tokens: None,
                    },
                );
            }
        }
        let _ = failure::in_band("openai", format!(r#"{{"error":{nested}}}"#).as_bytes());
        let _ = failure::in_band("openai", nested.as_bytes());
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            for answer in [nested.clone(), format!(r#"{{"choices":{nested},"content":{nested},"usage":{nested}}}"#)] {
                let _ = bridge(Dialect::OpenAi, dialect).answer(answer.as_bytes(), &context());
                let mut stream = bridge(Dialect::OpenAi, dialect).stream(context());
                stream.push(format!("data: {answer}\n\n").as_bytes(), &mut Vec::new());
                stream.end(&mut Vec::new());
            }
        }
        let _ = Node::from_json_text(nested.as_bytes()).map(|tree| compile(&tree, &|_| None).map(drop));
    }
}

#[test]
fn a_configuration_compiles_from_json_and_plans() {
    let text = r#"{"model_list": [
        {"model_name": "a", "litellm_params": {"model": "openai/x", "weight": 3}, "model_info": {"id": "a1"}},
        {"model_name": "a", "litellm_params": {"model": "openai/y", "weight": 1}, "model_info": {"id": "a2"}},
        {"model_name": "b", "litellm_params": {"model": "openai/z"}, "model_info": {"id": "b"}},
        {"model_name": "claude/*", "litellm_params": {"model": "anthropic/*"}, "model_info": {"id": "c"}}],
      "router_settings": {"fallbacks": [{"a": ["b"]}], "cooldown_time": 30, "model_group_alias": {"quick": "a"}}}"#;
    let config = compile(&Node::from_json_text(text.as_bytes()).unwrap(), &|_| None).unwrap().config;
    assert_eq!(config.router.cooldown_ms, 30_000);
    let planned = |model: &str, seed: u64| {
        let inputs = PlanInputs {
            model,
            routed: None,
            num_retries: None,
            disable_fallbacks: false,
            fallbacks: &[],
            requirements: Requirements::default(),
            may_serve: &|_| true,
            views: &[],
            claim: &|_| Claim::Granted,
            now_ms: 1_763_600_000_000,
            seed,
        };
        let plan = plan(&config, &inputs).unwrap();
        let id = |index: usize| config.deployments[index].id.clone();
        plan.candidates().map(|it| (id(it.deployment), it.model.clone())).collect::<Vec<_>>()
    };
    assert_eq!(planned("claude/opus", 1), [("c".to_owned(), Some("opus".to_owned()))]);
    assert_eq!(planned("quick", 1).len(), 3);
    // The same draw on every platform.
    let firsts: String = (0..24).map(|seed| if planned("a", seed)[0].0 == "a1" { '1' } else { '2' }).collect();
    assert_eq!(firsts, "211111111111121111111122");
    let mistakes = compile(&Node::from_json_text(b"{\"model_list\": 7}").unwrap(), &|_| None).unwrap_err();
    assert!(!mistakes.is_empty());
}
