//! The simulator as its users meet it: the real binary, over real sockets, each fault at least once.
//!
//! The client is a bare socket, because a reset, a clean end and a silence must be told apart.
//!
//! **Invariant:** every wait has an end; no test sleeps longer than the fault it looks at.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

struct Sim {
    child: Child,
    addresses: Vec<String>,
}

impl Sim {
    fn start(args: &[&str]) -> Sim {
        let listeners = args.iter().filter(|arg| arg.contains("127.0.0.1")).count();
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        command.args(["sim", "--quiet"]).args(args).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(listeners);
        let addresses = lines.map(|line| line.unwrap().split_once(" http://").unwrap().1.to_owned()).collect();
        Sim { child, addresses }
    }

    fn one() -> Sim {
        Sim::start(&["--listen", "primary=127.0.0.1:0"])
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        ask(&self.addresses[0], method, path, body)
    }

    fn chat(&self, model: &str, stream: bool) -> Answer {
        self.ask("POST", "/v1/chat/completions", &chat_body(model, stream))
    }

    fn messages(&self, model: &str, stream: bool) -> Answer {
        let user = json!({"role": "user", "content": "Hello"});
        let body = json!({"model": model, "max_tokens": 99, "stream": stream, "messages": [user]});
        self.ask("POST", "/v1/messages", &body.to_string())
    }

    fn requests(&self) -> Vec<Value> {
        self.ask("GET", "/sim/requests", "").json().as_array().unwrap().clone()
    }

    /// Waits for the process to end after a signal of this name.
    fn end(mut self, signal: &str) -> Option<i32> {
        Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(since.elapsed() < Duration::from_secs(10), "did not end");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chat_body(model: &str, stream: bool) -> String {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}).to_string()
}

fn send(address: &str, method: &str, path: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\nauthorization: Bearer k\r\n");
    write!(socket, "{head}x-signalbox-attempt: 1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    socket
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> Answer {
    Answer::read(send(address, method, path, body), Instant::now())
}

/// All that came back on one connection.
struct Answer {
    raw: String,
    /// How reading ended: cleanly or not.
    end: Result<(), ErrorKind>,
    first_byte: Option<Duration>,
    took: Duration,
}

impl Answer {
    fn read(mut socket: TcpStream, since: Instant) -> Answer {
        let (mut raw, mut first_byte, mut buffer) = (Vec::new(), None, [0; 4096]);
        let end = loop {
            match socket.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(size) => raw.extend_from_slice(&buffer[..size]),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => break Err(error.kind()),
            }
            first_byte.get_or_insert(since.elapsed());
        };
        Answer { raw: String::from_utf8(raw).unwrap(), end, first_byte, took: since.elapsed() }
    }

    fn status(&self) -> u16 {
        self.raw.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let head = self.raw.split("\r\n\r\n").next().unwrap();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn body(&self) -> &str {
        self.raw.split_once("\r\n\r\n").unwrap().1
    }

    fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap()
    }

    /// The data of the stream's events. Each event is one chunk, so chunk sizes are lines that do not start with `data`.
    fn data(&self) -> Vec<&str> {
        self.body().lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    }

    /// How many tokens of content a chat stream carried.
    fn tokens(&self) -> usize {
        let tokens = self.data().into_iter().filter_map(|data| serde_json::from_str::<Value>(data).ok());
        tokens.filter(|chunk| chunk["choices"][0]["delta"]["content"].as_str().is_some_and(|s| !s.is_empty())).count()
    }

    /// Whether chunked encoding came to its own end.
    fn closed_chunks(&self) -> bool {
        self.raw.ends_with("0\r\n\r\n")
    }
}

#[test]
fn healthy_chat_in_both_dialects() {
    let sim = Sim::one();
    let chat = sim.chat("gpt-4o", false);
    let text = chat.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(text, "[primary] You said: Hello. The signal is green and the line Done.");
    assert_eq!(chat.json()["usage"]["completion_tokens"], 12);
    assert_eq!(chat.header("x-sim-name"), Some("primary"));
    let message = sim.messages("claude-haiku-4-5", false).json();
    assert_eq!(message["content"][0]["text"].as_str().unwrap(), text);
    assert_eq!(message["stop_reason"], "end_turn");

    let stream = sim.chat("gpt-4o@tokens=60", true);
    assert_eq!((stream.tokens(), stream.data().last(), stream.closed_chunks()), (60, Some(&"[DONE]"), true));
    assert!(!stream.raw.contains("usage"));
    let stream = sim.messages("claude-haiku-4-5", true);
    assert_eq!(stream.data().last(), Some(&r#"{"type":"message_stop"}"#));
}

#[test]
fn each_dialect_has_its_own_words() {
    let sim = Sim::one();
    let azure = "/openai/deployments/d/chat/completions?api-version=2024-10-21";
    let openais = "/choices/0/message/content";
    // The path, the model, where the text stands, what says that it is theirs, what ends a stream, and the error.
    for (path, model, text, [place, word], end, [error, said]) in [
        (
            "/v2/chat",
            "command-a",
            "/message/content/0/text",
            ["/finish_reason", "COMPLETE"],
            "message-end",
            ["/message", "Service"],
        ),
        ("/api/chat", "llama3.2", "/message/content", ["/done_reason", "stop"], "true", ["/error", "server busy"]),
        ("/v1/chat/completions", "mistral-tiny", openais, ["/object", "chat.completion"], "[DONE]", ["/code", "3500"]),
        (
            azure,
            "d",
            openais,
            ["/choices/0/content_filter_results/hate/severity", "safe"],
            "[DONE]",
            ["/error/code", "ServiceUnavailable"],
        ),
    ] {
        let ask = |fault: &str, stream: bool| {
            let user = json!({"role": "user", "content": "Hello"});
            let body = json!({"model": format!("{model}{fault}"), "stream": stream, "messages": [user]});
            sim.ask("POST", path, &body.to_string())
        };
        let whole = ask("", false).json();
        let texts =
            |body: &Value, place: &str| body.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(texts(&whole, text), "[primary] You said: Hello. The signal is green and the line Done.", "{whole}");
        assert_eq!(texts(&whole, place), word, "{whole}");
        let failed = ask("@status=503", false);
        assert!(failed.status() == 503 && texts(&failed.json(), error).contains(said), "{path}: {}", failed.body());
        for preset in ["context_length", "content_policy", "quota"] {
            let failed = ask(&format!("@body={preset}"), true);
            assert!(failed.status() >= 400 && failed.json().is_object(), "{path}: {}", failed.body());
        }
        let (stream, cut) = (ask("", true), ask("@cut_after=3", true));
        assert!(stream.body().contains(end) && !cut.body().contains(end), "{path}: {}", stream.body());
        let broken = ask("@error_event=overloaded,error_after=2", true);
        assert!(broken.status() == 200 && broken.body().contains(said), "{path}: {}", broken.body());
    }
}

#[test]
fn what_a_provider_refuses_is_refused() {
    let sim = Sim::one();
    let status = |path: &str, body: Value| sim.ask("POST", path, &body.to_string()).status();
    let user = json!({"role": "user", "content": "Hello"});
    let mistral = |more: Value| {
        let mut body = json!({"model": "mistral-small-latest", "messages": [user]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        status("/v1/chat/completions", body)
    };
    assert_eq!(mistral(json!({"reasoning_effort": "high", "random_seed": 1})), 200);
    for more in [
        json!({"stream_options": {"include_usage": true}}),
        json!({"user": "u"}),
        json!({"reasoning_effort": "low"}),
        json!({"messages": [{"role": "user", "content": "x", "name": "u"}]}),
        json!({"messages": [{"role": "developer", "content": "x"}]}),
    ] {
        assert_eq!(mistral(more.clone()), 422, "{more}");
    }
    let call = json!({"id": "call_1", "function": {"name": "f", "arguments": "{}"}});
    for turn in [
        json!({"role": "assistant", "content": "", "tool_calls": [call]}),
        json!({"role": "assistant", "content": "x"}),
    ] {
        assert_eq!(mistral(json!({"messages": [user, turn]})), 400, "{turn}");
    }
    assert_eq!(status("/v1/embeddings", json!({"model": "mistral-embed", "input": "a", "dimensions": 3})), 422);
    assert_eq!(status("/v2/embed", json!({"model": "embed-v4.0", "texts": ["a"]})), 400);
    assert_eq!(status("/v2/chat", json!({"model": "m", "messages": [{"role": "assistant", "content": "x"}]})), 400);
    let parts = json!([{"role": "user", "content": [{"type": "text", "text": "x"}]}]);
    assert_eq!(status("/api/chat", json!({"model": "m", "messages": parts})), 400);
    assert_eq!(status("/openai/responses?api-version=1", json!({"model": "m", "input": "x"})), 200);
    assert_eq!(status("/openai/deployments/d/embeddings", json!({"input": "x"})), 404, "no version");
}

#[test]
fn usage_comes_when_asked_for() {
    let body = json!({"model": "m", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "Hello"}]});
    let stream = Sim::one().ask("POST", "/v1/chat/completions", &body.to_string());
    let data = stream.data();
    let last: Value = serde_json::from_str(data[data.len() - 2]).unwrap();
    assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(12)));
}

#[test]
fn the_other_endpoints() {
    let sim = Sim::one();
    let text = sim.ask("POST", "/v1/completions", r#"{"model":"m","prompt":"Hi"}"#).json();
    assert_eq!((&text["object"], &text["choices"][0]["finish_reason"]), (&json!("text_completion"), &json!("stop")));
    let vectors = sim.ask("POST", "/v1/embeddings", r#"{"model":"m","input":["a","b"],"dimensions":3}"#).json();
    assert_eq!(vectors["data"][1]["embedding"].as_array().unwrap().len(), 3);
    let coded = r#"{"model":"m","input":"a","dimensions":3,"encoding_format":"base64"}"#;
    let coded = sim.ask("POST", "/v1/embeddings", coded).json();
    assert_eq!(coded["data"][0]["embedding"].as_str().unwrap().len(), 16);
    assert_eq!(sim.ask("GET", "/v1/models", "").json()["object"], "list");
    assert_eq!(sim.ask("POST", "/v1/nothing", "{}").status(), 404);
    assert_eq!(sim.ask("POST", "/v1/chat/completions", "{").status(), 400);
}

#[test]
fn tools_and_reasoning_when_asked_for() {
    let sim = Sim::one();
    let function =
        json!({"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}});
    let user = json!([{"role": "user", "content": "Weather in Rome?"}]);
    let tools = json!([{"type": "function", "function": function}]);
    let body = json!({"model": "m", "messages": user, "tools": tools, "reasoning_effort": "low"}).to_string();
    let answer = sim.ask("POST", "/v1/chat/completions", &body).json();
    let message = &answer["choices"][0]["message"];
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"city":"Rome"}"#);
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
    assert!(message["reasoning_content"].is_string());
    assert!(answer["usage"]["completion_tokens_details"]["reasoning_tokens"].as_u64() > Some(0));

    let tools = json!([{"name": "get_weather", "input_schema": {"type": "object"}}]);
    let thinking = json!({"type": "enabled", "budget_tokens": 1024});
    let body = json!({"model": "m", "max_tokens": 2000, "messages": user, "tools": tools, "thinking": thinking});
    let message = sim.ask("POST", "/v1/messages", &body.to_string()).json();
    assert_eq!(
        (&message["content"][0]["type"], &message["content"][1]["type"]),
        (&json!("thinking"), &json!("tool_use"))
    );
}

#[test]
fn statuses_and_bodies() {
    let sim = Sim::one();
    for status in [400, 401, 403, 404, 429, 500, 503, 529] {
        let answer = sim.chat(&format!("m@status={status}"), true);
        assert_eq!(answer.status(), status);
        assert!(answer.json()["error"]["message"].is_string());
        let answer = sim.messages(&format!("m@status={status}"), false);
        assert_eq!((answer.status(), &answer.json()["type"]), (status, &json!("error")));
    }
    assert_eq!(sim.chat("m@status=429,retry_after=2", false).header("retry-after"), Some("2"));
    for (body, status, code) in [
        ("context_length", 400, "context_length_exceeded"),
        ("content_policy", 400, "content_policy_violation"),
        ("quota", 429, "insufficient_quota"),
    ] {
        let answer = sim.chat(&format!("m@body={body}"), false);
        assert_eq!((answer.status(), answer.json()["error"]["code"].as_str()), (status, Some(code)));
    }
    assert_eq!(sim.messages("m@body=quota", false).status(), 400);
    let page = sim.chat("m@body=html", false);
    assert_eq!((page.status(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let cut = sim.chat("m@body=cut_json", true);
    assert_eq!((cut.status(), cut.end), (200, Ok(())));
    assert!(serde_json::from_str::<Value>(cut.body()).is_err());
    let prefilled = json!({"model": "m@refuse_prefill", "messages": [{"role": "assistant", "content": "Well,"}]});
    assert_eq!(sim.ask("POST", "/v1/chat/completions", &prefilled.to_string()).status(), 400);
    assert_eq!(sim.chat("m@refuse_prefill", false).status(), 200);
}

#[test]
fn streams_that_break() {
    let sim = Sim::one();
    let cut = sim.chat("m@tokens=60,cut_after=40", true);
    assert_eq!((cut.tokens(), cut.end, cut.closed_chunks()), (40, Ok(()), true));
    assert!(!cut.raw.contains("[DONE]") && !cut.raw.contains(r#""finish_reason":"stop""#));
    let reset = sim.chat("m@tokens=60,reset_after=40", true);
    assert_eq!((reset.tokens(), reset.end), (40, Err(ErrorKind::ConnectionReset)));
    let bad = sim.chat("m@bad_event=10", true);
    let odd: Vec<usize> = (0..bad.data().len())
        .filter(|at| bad.data()[*at] != "[DONE]" && serde_json::from_str::<Value>(bad.data()[*at]).is_err())
        .collect();
    assert_eq!((bad.tokens(), odd), (12, vec![9]));
    let open = sim.chat("m@no_done", true);
    assert_eq!((open.tokens(), open.raw.contains("[DONE]"), open.closed_chunks()), (12, false, true));
    let open = sim.messages("m@no_done", true);
    assert!(open.raw.contains("message_delta") && !open.raw.contains("message_stop"));
}

#[test]
fn errors_inside_a_good_status() {
    let sim = Sim::one();
    for (kind, openai, anthropic) in [
        ("overloaded", "server_error", "overloaded_error"),
        ("rate_limit", "requests", "rate_limit_error"),
        ("server", "server_error", "api_error"),
    ] {
        let stream = sim.chat(&format!("m@error_event={kind}"), true);
        let first: Value = serde_json::from_str(stream.data()[0]).unwrap();
        assert_eq!((stream.status(), first["error"]["type"].as_str()), (200, Some(openai)));
        let stream = sim.messages(&format!("m@error_event={kind}"), true);
        let first: Value = serde_json::from_str(stream.data()[0]).unwrap();
        assert_eq!((stream.status(), first["error"]["type"].as_str()), (200, Some(anthropic)));
    }
    let late = sim.chat("m@error_event=server,error_after=5", true);
    assert_eq!((late.tokens(), late.data().len()), (5, 7));
    assert!(sim.chat("m@error_event=server", false).json()["error"].is_object());
}

#[test]
fn connections_that_break_or_say_nothing() {
    let sim = Sim::one();
    let reset = sim.chat("m@reset", true);
    assert_eq!((reset.raw.as_str(), reset.end), ("", Err(ErrorKind::ConnectionReset)));
    let silent = sim.chat("m@silent=300ms", false);
    assert_eq!((silent.raw.as_str(), silent.end), ("", Ok(())));
    assert!(silent.took >= Duration::from_millis(300));
    let half = sim.chat("m@reset_after=1", false);
    assert_eq!((half.status(), half.end), (200, Err(ErrorKind::ConnectionReset)));
}

#[test]
fn answers_that_are_late() {
    let sim = Sim::one();
    let (pause, soon) = (Duration::from_millis(400), Duration::from_millis(200));
    let late = sim.chat("m@delay_headers=400ms", false);
    assert!(late.first_byte.unwrap() >= pause && late.status() == 200);
    for spec in ["delay_first_token=400ms", "delay_first_token=400ms,role_first"] {
        let late = sim.chat(&format!("m@{spec}"), true);
        assert!(late.first_byte.unwrap() < soon && late.took >= pause && late.tokens() == 12, "{spec}");
    }
    let stalled = sim.chat("m@stall_after=5,stall=400ms", true);
    assert!(stalled.first_byte.unwrap() < soon && stalled.took >= pause && stalled.tokens() == 12);
    assert!(sim.chat("m@token_delay=40ms", true).took >= Duration::from_millis(440));
}

#[test]
fn only_some_requests_suffer() {
    let sim = Sim::one();
    let statuses = |model: &str, n: usize| -> Vec<u16> { (0..n).map(|_| sim.chat(model, false).status()).collect() };
    assert_eq!(statuses("m@status=503,times=2", 3), [503, 503, 200]);
    assert_eq!(statuses("m@status=503,every=2", 4), [200, 503, 200, 503]);
    assert_eq!(statuses("m@status=503,for=300ms", 1), [503]);
    thread::sleep(Duration::from_millis(350));
    assert_eq!(statuses("m@status=503,for=300ms", 1), [200]);
    assert_eq!(sim.chat("m@tokens=60,cut_after=40,times=1", true).tokens(), 40);
    assert_eq!(sim.chat("m@tokens=60,cut_after=40,times=1", true).tokens(), 60);
}

#[test]
fn faults_by_flag_and_at_run_time_for_each_listener() {
    let listen = ["--listen", "primary=127.0.0.1:0", "--listen", "backup=127.0.0.1:0"];
    let sim = Sim::start(&[&listen[..], &["--fault", "primary:status=529"]].concat());
    let backup = |method: &str, path: &str, body: &str| ask(&sim.addresses[1], method, path, body);
    assert_eq!(sim.chat("m", false).status(), 529);
    assert_eq!(backup("POST", "/v1/chat/completions", &chat_body("m", false)).status(), 200);

    assert_eq!(sim.ask("POST", "/sim/fault", "").status(), 200);
    assert_eq!(backup("POST", "/sim/fault", r#"{"fault":"status=500,times=1"}"#).status(), 200);
    assert_eq!(backup("GET", "/sim/fault", "").json()["fault"], "status=500,times=1");
    assert_eq!(sim.chat("m", false).status(), 200);
    assert_eq!(backup("POST", "/v1/chat/completions", &chat_body("m", false)).status(), 500);
    assert_eq!(backup("POST", "/v1/chat/completions", &chat_body("m", false)).status(), 200);

    let refused = sim.ask("POST", "/sim/fault", "statsu=1");
    assert_eq!(refused.status(), 400);
    assert!(refused.body().contains("unknown fault `statsu`"));
    assert_eq!(sim.chat("m@statsu=1", false).status(), 400);
    let count = |requests: Value| requests.as_array().unwrap().len();
    assert_eq!((sim.requests().len(), count(backup("GET", "/sim/requests", "").json())), (3, 3));
}

#[test]
fn the_journal_tells_what_was_sent_and_who_left() {
    let sim = Sim::one();
    sim.chat("m@tokens=3", false);
    let mut left = send(&sim.addresses[0], "POST", "/v1/chat/completions", &chat_body("m@token_delay=50ms", true));
    left.read_exact(&mut [0; 16]).unwrap();
    drop(left);
    drop(send(&sim.addresses[0], "POST", "/v1/chat/completions", &chat_body("m@silent=60s", true)));
    let since = Instant::now();
    while sim.requests().iter().filter(|request| request["end_ms"].is_number()).count() < 3 {
        assert!(since.elapsed() < Duration::from_secs(5), "{:?}", sim.requests());
        thread::sleep(Duration::from_millis(20));
    }
    let requests = sim.requests();
    let cut: Vec<bool> = requests.iter().map(|request| request["cut"].as_bool().unwrap()).collect();
    assert_eq!(cut, [false, true, true]);
    assert_eq!(requests[0]["model"], "m@tokens=3");
    assert_eq!(requests[0]["path"], "/v1/chat/completions");
    assert_eq!(requests[0]["headers"]["authorization"], "Bearer k");
    assert_eq!(requests[0]["headers"]["x-signalbox-attempt"], "1");
    assert_eq!(requests[0]["body"]["messages"][0]["content"], "Hello");
    assert_eq!((&requests[0]["status"], &requests[2]["status"]), (&json!(200), &Value::Null));
    assert!(requests[0]["at_ms"].as_u64() <= requests[1]["at_ms"].as_u64());
    sim.ask("DELETE", "/sim/requests", "");
    assert_eq!(sim.requests(), Vec::<Value>::new());
}

#[test]
fn ends_when_told_even_with_answers_under_way() {
    for signal in ["-INT", "-TERM"] {
        let sim = Sim::one();
        let _silent = send(&sim.addresses[0], "POST", "/v1/chat/completions", &chat_body("m@silent=60s", false));
        assert_eq!(sim.end(signal), Some(0));
    }
}

#[test]
fn a_wrong_flag_is_exit_2() {
    for args in [&["--fault", "statsu=1"][..], &["--fault", "nobody:status=500"], &["--listen", "here"]] {
        let run = Command::new(env!("CARGO_BIN_EXE_signalbox")).arg("sim").args(args).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{args:?}");
        assert!(!run.stderr.is_empty());
    }
}
