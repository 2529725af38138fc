//! Completions and embeddings of OpenAI's clients at providers of other dialects.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/golden.rs"]
mod golden;

use golden::assert_any_cut;
use serde_json::{Value, json};
use signalbox::chat::ApiError;
use signalbox::dialect::request::Request;
use signalbox::dialect::{AnswerContext, Awaited, Encoded, Target, bridge, client_face, provider_face};
use signalbox::provider::{Dialect, by_name};

fn context(awaited: Awaited) -> AnswerContext {
    AnswerContext { awaited, model: "m".into(), now_s: 7, fallback_id: "cmpl-x".into(), ..AnswerContext::default() }
}

fn asked(provider: &'static str, awaited: Awaited, body: &Value) -> Result<Encoded, ApiError> {
    let provider = by_name(provider).unwrap();
    let body = body.to_string();
    let request = Request::read(client_face(Dialect::OpenAi), awaited, body.as_bytes())?;
    request.write(
        provider_face(provider.dialect),
        Target { provider, model: "m", drop_params: true, max_output_tokens: Some(9) },
    )
}

fn param(provider: &'static str, awaited: Awaited, body: &Value) -> String {
    asked(provider, awaited, body).unwrap_err().param.unwrap()
}

#[test]
fn a_completion_is_a_chat_of_one_message() {
    let body = json!({"model": "m", "prompt": ["Say hi"], "max_tokens": 8, "stop": "\n", "stream": true, "n": 1,
        "echo": false, "best_of": 1, "suffix": null, "seed": 3, "user": "u"});
    let encoded = asked("anthropic", Awaited::Completion, &body).unwrap();
    let sent: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!(sent["messages"], json!([{"role": "user", "content": [{"type": "text", "text": "Say hi"}]}]));
    assert_eq!((&sent["max_tokens"], &sent["stream"]), (&json!(8), &json!(true)));
    assert_eq!(encoded.dropped, ["seed", "stop"], "a stop of white space is none at Anthropic");
}

#[test]
fn what_no_chat_can_do_is_refused_whatever_may_be_dropped() {
    for (name, value) in
        [("echo", json!(true)), ("suffix", json!("x")), ("best_of", json!(2)), ("n", json!(2)), ("logprobs", json!(0))]
    {
        let mut body = json!({"model": "m", "prompt": "a"});
        body[name] = value;
        assert_eq!(param("anthropic", Awaited::Completion, &body), name);
    }
    for prompt in [json!(["a", "b"]), json!([1, 2]), json!([[1]]), json!([])] {
        let body = json!({"model": "m", "prompt": prompt});
        assert_eq!(param("anthropic", Awaited::Completion, &body), "prompt");
    }
    assert_eq!(param("anthropic", Awaited::Completion, &json!({"model": "m"})), "prompt");
}

const MESSAGE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[
    {"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":" hi"},{"type":"text","text":" you"}],
    "stop_reason":"max_tokens","usage":{"input_tokens":2,"output_tokens":1}}"#;

#[test]
fn the_answer_of_a_chat_is_a_completions_text() {
    let bridge = bridge(Dialect::OpenAi, Dialect::Anthropic);
    let answer = bridge.answer(MESSAGE.as_bytes(), &context(Awaited::Completion)).unwrap();
    let body: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
    let choice = json!({"text": " hi you", "index": 0, "logprobs": null, "finish_reason": "length"});
    assert_eq!((&body["object"], &body["choices"][0]), (&json!("text_completion"), &choice));
    assert_eq!(
        (&body["id"], &body["created"], &body["usage"]["total_tokens"]),
        (&json!("msg_1"), &json!(7), &json!(3))
    );
}

const EVENTS: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":2,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" hi"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}

event: message_stop
data: {"type":"message_stop"}

"#;

#[test]
fn the_stream_of_a_chat_is_a_completions_stream() {
    let replay = |pieces: &[&[u8]]| {
        let context = AnswerContext { include_usage: true, ..context(Awaited::Completion) };
        let mut stream = bridge(Dialect::OpenAi, Dialect::Anthropic).stream(context);
        let mut out = Vec::new();
        pieces.iter().for_each(|piece| _ = stream.push(piece, &mut out));
        stream.end(&mut out);
        String::from_utf8(out).unwrap()
    };
    let told = replay(&[EVENTS.as_bytes()]);
    let chunk = |choices: &str, usage: &str| {
        let head = r#"{"id":"msg_1","object":"text_completion","created":7,"model":"claude""#;
        format!("data: {head},\"choices\":[{choices}],\"usage\":{usage}}}\n\n")
    };
    let usage = r#"{"prompt_tokens":2,"completion_tokens":4,"total_tokens":6,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}"#;
    let wanted = [
        chunk(r#"{"text":" hi","index":0,"logprobs":null,"finish_reason":null}"#, "null"),
        chunk(r#"{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}"#, "null"),
        chunk("", usage),
        "data: [DONE]\n\n".to_owned(),
    ];
    assert_eq!(told, wanted.concat());
    assert_any_cut("completion", EVENTS.as_bytes(), |pieces| replay(pieces));
    let (cut, _) = EVENTS.split_once("event: message_delta").unwrap();
    let told = replay(&[cut.as_bytes()]);
    assert!(told.contains(r#"{"error":"#) && !told.contains("[DONE]"), "{told}");
}

#[test]
fn embeddings_of_a_dialect_without_them_are_refused() {
    let body = json!({"model": "m", "input": "x"});
    let error = asked("anthropic", Awaited::Embeddings, &body).unwrap_err();
    assert_eq!((error.status, error.code.as_deref()), (400, Some("unsupported_parameter")));
    assert!(error.message.contains("has no embeddings"), "{}", error.message);
    let wrong = json!({"model": "m", "input": "x", "encoding_format": "int8"});
    assert_eq!(param("anthropic", Awaited::Embeddings, &wrong), "encoding_format");
}
