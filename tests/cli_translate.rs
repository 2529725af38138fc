//! `signalbox translate`, the real binary: what it writes where, and with which exit code.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_signalbox"))
        .arg("translate")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Exit code, stdout, stderr.
fn run(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = start(args);
    // A child that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

const REQUEST: &str =
    r#"{"model":"anthropic/claude-haiku-4-5","messages":[{"role":"user","content":"Hi"}],"n":2,"seed":1}"#;

#[test]
fn a_request_goes_to_stdout_and_notices_to_stderr() {
    let (code, out, err) = run(&["request", "--to", "anthropic", "--drop-params"], REQUEST);
    let body = r#"{"model":"claude-haiku-4-5","max_tokens":64000,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}]}"#;
    assert_eq!((code, out.as_str(), err.as_str()), (0, body, "dropped: n\ndropped: seed\n"));
}

#[test]
fn a_refusal_is_openais_error_and_exit_code_1() {
    let (code, out, err) = run(&["request", "--to", "anthropic"], REQUEST);
    let error: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (1, "status: 400\n"));
    assert_eq!(error["error"]["param"], "n");
    assert_eq!(error["error"]["code"], "unsupported_parameter");
    let (code, out, _) = run(&["request", "--to", "anthropic"], "{");
    assert_eq!((code, out.starts_with(r#"{"error":{"message":"#)), (1, true));
}

/// C12: as LiteLLM does it.
#[test]
fn c12_openais_reasoning_models_get_what_they_take() {
    let body = r#"{"model":"openai/o3","max_tokens":5,"temperature":0.2,"messages":[]}"#;
    let renamed = r#"{"max_completion_tokens":5,"messages":[],"model":"o3","temperature":0.2}"#;
    assert_eq!(run(&["request", "--to", "openai"], body), (0, renamed.to_owned(), String::new()));
    let dropped = r#"{"max_completion_tokens":5,"messages":[],"model":"o3"}"#;
    let (code, out, err) = run(&["request", "--to", "openai", "--drop-params"], body);
    assert_eq!((code, out.as_str(), err.as_str()), (0, dropped, "dropped: temperature\n"));
    let other = body.replace("o3", "gpt-4o");
    let kept = other.replace("openai/", "");
    assert_eq!(run(&["request", "--to", "openai", "--drop-params"], &other), (0, kept, String::new()));
}

#[test]
fn openais_dialect_keeps_the_clients_bytes() {
    let own = r#"{ "model" : "groq/llama/x" , "messages":[], "unknown": 1.0 }"#;
    let body = own.replace("groq/llama/x", "llama/x");
    assert_eq!(run(&["request", "--to", "groq"], own), (0, body.clone(), String::new()));
    let body = body.replace("llama/x", "m");
    assert_eq!(run(&["request", "--to", "groq", "--model", "m"], own), (0, body, String::new()));
    let answer = r#"{"id":"c","object":"chat.completion","choices":[ {"message":{"content":""},"finish_reason":"stop"} ],"x":1}"#;
    let (code, out, _) = run(&["response", "--from", "groq"], answer);
    assert_eq!((code, out.as_str()), (0, answer));
}

#[test]
fn an_unknown_provider_is_exit_code_2_with_the_list_and_a_suggestion() {
    for direction in [["request", "--to"], ["response", "--from"], ["stream", "--from"]] {
        let (code, out, err) = run(&[direction[0], direction[1], "antropic"], "");
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(err.contains("groq, ") && err.contains("a similar value exists: 'anthropic'"), "{err}");
    }
}

#[test]
fn a_failure_is_the_error_that_the_client_sees() {
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    for status in ["529", "200"] {
        let (code, out, err) = run(&["response", "--from", "anthropic", "--status", status], overloaded);
        let error: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, err.as_str(), &error["error"]["message"]), (0, "status: 503\n", &"Overloaded".into()));
    }
}

#[test]
fn an_answer_names_the_time_and_the_model_given() {
    let args = ["response", "--from", "anthropic", "--now", "7", "--model", "m"];
    let (code, out, _) = run(&args, r#"{"content":[{"type":"text","text":"Hi"}]}"#);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["created"], &answer["model"]), (0, &7.into(), &"m".into()));
}

#[test]
fn a_stream_is_written_as_it_comes() {
    let mut child = start(&["stream", "--from", "anthropic", "--no-usage", "--now", "7"]);
    let mut stdin = child.stdin.take().unwrap();
    let text = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}"#;
    write!(stdin, "data: {text}\n\n").unwrap();
    // The rest is not sent before the first chunks are there: a translator that waits for the end would hang here.
    let mut first = vec![0; 64];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"data: {\"id\":\"chatcmpl-"));
    write!(stdin, "data: {{\"type\":\"message_stop\"}}\n\n").unwrap();
    drop(stdin);
    let done = child.wait_with_output().unwrap();
    let rest = String::from_utf8(done.stdout).unwrap();
    assert!(
        rest.contains(r#""content":"Hi""#) && rest.ends_with("data: [DONE]\n\n") && !rest.contains("usage"),
        "{rest}"
    );
    let (code, out, err) = run(&["stream", "--from", "anthropic"], "data: x\n\n");
    assert_eq!((code, out.starts_with("data: {\"error\""), err.contains("failed: upstream: ")), (0, true, true));
    assert!(err.starts_with("dropped: 1 "));
}

#[test]
fn anthropics_clients_are_translated_for_openais_dialect() {
    let request = r#"{"model":"groq/m","max_tokens":5,"system":"Be brief.","top_k":3,"messages":[{"role":"user","content":"Hi"}]}"#;
    let body = r#"{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],"max_tokens":5}"#;
    let done = run(&["request", "--from", "anthropic", "--to", "groq"], request);
    assert_eq!(done, (0, body.to_owned(), "dropped: top_k\n".to_owned()));
    let (code, out, err) = run(&["request", "--from", "anthropic", "--to", "groq"], r#"{"model":"m","messages":7}"#);
    let error: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str(), &error["type"]), (1, "status: 400\n", &"error".into()));
    let answer = r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#;
    let (code, out, _) = run(&["response", "--from", "groq", "--to", "anthropic", "--model", "m"], answer);
    let message: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &message["content"][0]["text"], &message["id"]), (0, &"Hi".into(), &"msg_signalbox".into()));
    let chunk = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n";
    let (code, out, _) = run(&["stream", "--from", "groq", "--to", "anthropic"], chunk);
    assert!(code == 0 && out.starts_with("event: message_start\n") && out.ends_with("{\"type\":\"message_stop\"}\n\n"));
}

#[test]
fn anthropics_clients_keep_their_bytes_at_anthropic() {
    let own = r#"{ "model" : "anthropic/claude-x" , "messages":[], "unknown": 1.0 }"#;
    let body = own.replace("anthropic/claude-x", "claude-x");
    assert_eq!(run(&["request", "--from", "anthropic", "--to", "anthropic"], own), (0, body, String::new()));
    let answer = r#"{"type":"message","content":[ {"type":"text","text":"Hi"} ],"stop_reason":"end_turn","x":1.0}"#;
    let (code, out, _) = run(&["response", "--from", "anthropic", "--to", "anthropic"], answer);
    assert_eq!((code, out.as_str()), (0, answer));
}

/// What Azure's filter thinks, in the middle of a stream.
#[test]
fn k32_k33_a_stream_goes_on_over_what_azures_filter_thinks() {
    let chunk = |rest: &str| {
        format!(
            "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,{rest}}}]}}\n\n"
        )
    };
    let prompt = "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}\n\n";
    let late = "data: {\"id\":\"\",\"object\":\"\",\"created\":0,\"model\":\"\",\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}},\"content_filter_offsets\":{\"check_offset\":44,\"start_offset\":44,\"end_offset\":198}}]}\n\n";
    let first = chunk(
        r#""finish_reason":null,"delta":{"role":"assistant"},"content_filter_result":{"error":{"code":"content_filter_error","message":"The contents are not filtered"}}"#,
    );
    let text = chunk(r#""delta":{"content":"Hi"},"finish_reason":null"#);
    let end = chunk(r#""delta":{},"finish_reason":"stop""#);
    let done = "data: [DONE]\n\n";
    let (code, out, _) = run(&["stream", "--from", "azure"], &format!("{prompt}{first}{text}{late}{late}{end}{done}"));
    assert_eq!((code, out), (0, format!("{first}{text}{end}{done}")), "a choice without a delta is kept from clients");
    let (_, out, _) =
        run(&["stream", "--from", "azure", "--to", "anthropic"], &format!("{first}{text}{late}{end}{done}"));
    assert!(out.contains(r#""text":"Hi""#) && out.contains("end_turn") && !out.contains("error"), "{out}");
}
