//! Whole requests through the real roles of the filter, on a scripted Envoy: what it is asked, what it is told, and what the client gets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/envoy.rs"]
mod envoy;
#[path = "support/memory.rs"]
mod memory;

use envoy::Envoy;

const CONFIG: &str = r#"{
"model_list": [
  {"model_name": "open", "litellm_params": {"model": "openai/served", "api_base": "http://h/v1"}, "model_info": {"id": "open-1"}},
  {"model_name": "open", "litellm_params": {"model": "openai/served", "api_base": "http://i/v1"}, "model_info": {"id": "open-2"}},
  {"model_name": "claude", "litellm_params": {"model": "anthropic/claude-haiku-4-5"}, "model_info": {"id": "claude-1"}},
  {"model_name": "lone", "litellm_params": {"model": "openai/served", "api_base": "http://h/v1"}, "model_info": {"id": "lone-1"}}],
"router_settings": {"fallbacks": [{"open": ["claude"]}], "num_retries": 2, "timeout": 60, "stream_timeout": 5}}"#;

const ANSWER: &[u8] = br#"{"id":"c","object":"chat.completion","created":1,"model":"s","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

fn body(model: &str, stream: bool) -> String {
    format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

/// Each call costs 5 to 20 thousand instructions: this list only gets shorter.
const PLAIN: [&str; 10] = [
    "header Request :path",
    "body Request",
    "set property signalbox.cluster",
    "set Request x-signalbox-flight",
    "clear route cache",
    "headers Request",
    "set headers Request",
    "edit Request",
    "header Response :status",
    "body Response",
];

/// The host calls of one chat that is served at once, after another of the same tick.
fn calls_of(model: &str) -> Vec<String> {
    let mut envoy = Envoy::new(CONFIG);
    for _ in 0..3 {
        let _ = envoy.calls();
        let chat = envoy.chat(&body(model, false));
        envoy.answer(chat, 200, ANSWER);
        assert_eq!(envoy.client(chat).body, ANSWER);
    }
    let calls = envoy.calls();
    envoy.assert_even();
    calls
}

#[test]
fn a_plain_chat_costs_so_many_host_calls() {
    assert_eq!(calls_of("lone"), PLAIN);
}

#[test]
fn what_a_chat_needs_more_than_a_plain_one_is_known() {
    let mut calls = calls_of("open");
    // Where a reset would lead elsewhere, Envoy is told so before it happens.
    let preset = calls.iter().rposition(|call| call == "set property signalbox.cluster").unwrap();
    assert_eq!(calls[preset - 1], "set headers Request");
    calls.remove(preset);
    assert_eq!(calls, PLAIN);

    let mut envoy = Envoy::new(CONFIG);
    let _ = envoy.calls();
    let chat = envoy.chat(&body("lone", false));
    envoy.answer(chat, 200, ANSWER);
    let mut calls = envoy.calls();
    // What a provider says of its limits is read once a tick.
    let limits = calls.iter().position(|call| call == "headers Response").unwrap();
    calls.remove(limits);
    assert_eq!(calls, PLAIN);
}
