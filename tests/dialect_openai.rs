//! OpenAI's dialect at the provider: whole answers, streams cut at every place, and the model's name put into a body.
//!
//! `golden/openai/PROVIDER/` holds what providers send.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice, clippy::panic, missing_docs)]

use serde_json::Value;
use signalbox::chat::{
    Block, Content, Conversation, Effort, Failure, FailureClass, Member, OutputFormat, Place, Source, Speaker,
    ToolChoice, Turn, Usage,
};
use signalbox::dialect::body_defaults::with_usage_asked;
use signalbox::dialect::scan::BodyScan;
use signalbox::dialect::verbatim::splice;
use signalbox::dialect::{
    Answer, AnswerContext, AnswerStream, Awaited, Bridge, Passed, StreamFacts, Target, bridge, client_face,
    provider_face,
};
use signalbox::provider::{Dialect, by_name};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const OPENAI: &str = include_str!("golden/openai/openai/stream.sse");
const AZURE: &str = include_str!("golden/openai/azure/stream.sse");
const DEEPSEEK: &str = include_str!("golden/openai/deepseek/stream.sse");

/// What the client got, what it got before the end, and the facts.
#[derive(Debug, PartialEq)]
struct Outcome {
    text: String,
    facts: StreamFacts,
}

/// Clients and providers that speak it alike.
fn verbatim() -> Bridge {
    bridge(Dialect::OpenAi, Dialect::OpenAi)
}

fn stream() -> Box<dyn AnswerStream> {
    verbatim().stream(AnswerContext::default())
}

fn answer(body: &[u8]) -> Result<Answer, Failure> {
    verbatim().answer(body, &AnswerContext::default())
}

fn replay(pieces: &[&[u8]]) -> Outcome {
    let mut stream = stream();
    let mut text = Vec::new();
    for piece in pieces {
        let mut out = Vec::new();
        match stream.push(piece, &mut out) {
            Passed::Unchanged => {
                assert!(out.is_empty(), "unchanged means that nothing was added");
                text.extend_from_slice(piece);
            }
            Passed::Rewritten => text.extend(out),
        }
    }
    stream.end(&mut text);
    Outcome { text: String::from_utf8_lossy(&text).into_owned(), facts: stream.facts().clone() }
}

/// The outcome of a stream, the same whole, byte by byte, and cut at each place.
fn steady(text: impl AsRef<[u8]>) -> Outcome {
    let text = text.as_ref();
    let whole = replay(&[text]);
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(replay(&bytes), whole, "byte by byte");
    for at in 0..=text.len() {
        assert_eq!(replay(&[&text[..at], &text[at..]]), whole, "cut at {at}");
    }
    whole
}

fn data(json: &str) -> String {
    format!("data: {json}\n\n")
}

fn delta(delta: &str) -> String {
    data(&format!(r#"{{"id":"1","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}],"usage":null}}"#))
}

fn finish(index: u32) -> String {
    data(&format!(r#"{{"id":"1","choices":[{{"index":{index},"delta":{{}},"finish_reason":"stop"}}]}}"#))
}

const DONE: &str = "data: [DONE]\n\n";
const HI: &str = r#"{"content":"Hi"}"#;

/// The error event that `text` ends with, as type and code.
fn last_error(text: &str) -> (String, String) {
    let event = text.trim_end().rsplit("\n\n").next().unwrap();
    let event: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    let word = |key: &str| event["error"][key].as_str().unwrap().to_owned();
    (word("type"), word("code"))
}

#[test]
fn good_streams_pass_as_they_came() {
    for (text, completion, reasoning) in [(OPENAI, 16, 0), (DEEPSEEK, 12, 9)] {
        let outcome = steady(text);
        assert_eq!(outcome.text, text);
        let facts = outcome.facts;
        assert!(facts.meaningful && facts.complete && facts.failure.is_none() && facts.dropped_events == 0);
        let usage = facts.usage.unwrap();
        assert_eq!((usage.completion_tokens, usage.reasoning_tokens), (completion, reasoning));
    }
}

/// A whole answer to a client that waits for this.
fn awaiting(awaited: Awaited, body: &str) -> Result<Answer, Failure> {
    verbatim().answer(body.as_bytes(), &AnswerContext { awaited, ..AnswerContext::default() })
}

/// What a stream shows to a client that waits for a completion.
fn completed(events: &str) -> StreamFacts {
    let context = AnswerContext { awaited: Awaited::Completion, ..AnswerContext::default() };
    let mut stream = verbatim().stream(context);
    stream.push(events.as_bytes(), &mut Vec::new());
    stream.end(&mut Vec::new());
    stream.facts().clone()
}

#[test]
fn whole_frames_are_not_touched() {
    let mut stream = stream();
    let mut out = Vec::new();
    for frame in OPENAI.split_inclusive("\n\n") {
        assert_eq!(stream.push(frame.as_bytes(), &mut out), Passed::Unchanged);
    }
    stream.end(&mut out);
    assert_eq!(out.capacity(), 0);
}

#[test]
fn every_line_end_will_do() {
    for end in ["\r\n", "\r"] {
        let text = AZURE.split_once("\n\n").unwrap().1.replace('\n', end);
        let outcome = steady(&text);
        assert!(outcome.facts.complete && outcome.facts.failure.is_none());
        assert!(outcome.text.starts_with(text.trim_end()));
    }
}

#[test]
fn azures_first_chunk_is_swallowed() {
    let outcome = steady(AZURE);
    assert_eq!(outcome.text, AZURE.split_once("\n\n").unwrap().1);
    assert_eq!(outcome.facts.dropped_events, 0);
}

#[test]
fn meaningful_is_what_a_caller_waits_for() {
    let shown = |delta_json: &str| steady(delta(delta_json)).facts.meaningful;
    for nothing in [
        r#"{"role":"assistant"}"#,
        r#"{"role":"assistant","content":""}"#,
        r#"{"content":null,"reasoning_content":"","tool_calls":[],"refusal":null,"audio":null}"#,
        "{}",
        "null",
    ] {
        assert!(!shown(nothing), "{nothing}");
    }
    for something in [
        HI,
        r#"{"content":[{"type":"thinking"}]}"#,
        r#"{"tool_calls":[{"index":0}]}"#,
        r#"{"function_call":{"name":"f"}}"#,
        r#"{"reasoning_content":"Hm"}"#,
        r#"{"reasoning":"Hm"}"#,
        r#"{"refusal":"No"}"#,
        r#"{"audio":{"id":"a"}}"#,
    ] {
        assert!(shown(something), "{something}");
    }
    assert!(!steady(data(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#)).facts.meaningful, "usage alone");
    assert!(!steady(": keep-alive\n\n").facts.meaningful, "a comment");
    let completion = |chunk: &str| completed(&data(chunk)).meaningful;
    assert!(!completion(r#"{"choices":[{"text":"","index":0}]}"#), "an empty completion");
    assert!(completion(r#"{"choices":[{"text":"Hi","index":0}]}"#), "a completion");
    assert!(steady(finish(0)).facts.meaningful, "an end");
}

/// B4, S7: comments and empty deltas are no progress, however often they come; and no push speaks for another.
#[test]
fn progress_is_what_moves_the_answer_on() {
    let mut stream = stream();
    let mut push = |text: &str| {
        stream.push(text.as_bytes(), &mut Vec::new());
        stream.progressed()
    };
    let usage = data(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#);
    let used = data(r#"{"choices":[{"index":0,"delta":{"content":""}}],"usage":{"prompt_tokens":1}}"#);
    for before_or_after_the_first_token in 0..2 {
        for idle in [": keep-alive\n\n", ": OPENROUTER PROCESSING\n\n", &delta(r#"{"role":"assistant"}"#)] {
            assert!(!push(idle), "{before_or_after_the_first_token} {idle}");
        }
        for idle in [delta("{}"), delta(r#"{"content":""}"#), delta(r#"{"content":null,"tool_calls":[]}"#)] {
            assert!(!push(&idle), "{before_or_after_the_first_token} {idle}");
        }
        for moved in [HI, r#"{"reasoning":"Hm"}"#, r#"{"tool_calls":[{"index":0}]}"#, r#"{"audio":{"data":"A"}}"#] {
            assert!(push(&delta(moved)), "{moved}");
        }
    }
    assert!(push(&usage), "usage");
    assert!(!push(&used) && !push(&usage), "the same usage again");
    assert!(push(&format!("{}{}", delta(HI), delta("{}"))), "something and nothing in one push");
    assert!(!push(&delta(HI)[..20]) && push(&delta(HI)[20..]), "half an event is none yet");
    assert!(push(&finish(0)));
    assert!(push(DONE));
}

/// S10: one event of a good stream is not JSON.
#[test]
fn an_event_that_is_not_json_is_left_out() {
    let (before, after) = (delta(HI), format!("{}{DONE}", finish(0)));
    for junk in ["{\"id\":\"1\",\"choi", "upstream hiccup", "", "null", "3", "{} {}", "\u{1}"] {
        let outcome = steady(format!("{before}data: {junk}\n\n{after}"));
        assert_eq!(outcome.text, format!("{before}{after}"), "{junk:?}");
        assert!(outcome.facts.complete && outcome.facts.failure.is_none());
        assert_eq!(outcome.facts.dropped_events, 1);
    }
}

/// Security, S10: what is not UTF-8 is never left out in silence, wherever it stands in an event.
#[test]
fn s10_bytes_that_are_not_utf8_end_the_answer() {
    let hi = delta(HI);
    let frames: [&[u8]; 6] = [
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xFF\"}}]}\n\n",
        b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf\xE9\"},\"finish_reason\":\"stop\"}]}\n\n",
        b"data: {\"choices\":[],\"x\":\"\xED\xA0\xBD\"}\r\n\r\n",
        b"data: hiccup \xC3\n\n",
        b"id: \xFF\ndata: {\"choices\":[]}\n\n",
        b"data: {\"choices\":\ndata: []}\nid: \xFF\n\n",
    ];
    for frame in frames {
        for before in ["", hi.as_str()] {
            let bytes = [before.as_bytes(), frame, finish(0).as_bytes(), DONE.as_bytes()].concat();
            let outcome = steady(bytes);
            let failure = outcome.facts.failure.clone().unwrap();
            assert_eq!((failure.class, outcome.facts.meaningful), (FailureClass::Upstream, !before.is_empty()));
            let rest = outcome.text.strip_prefix(before).unwrap();
            assert_eq!(last_error(rest), ("upstream_error".into(), "invalid_utf8".into()), "{frame:?}");
            assert!(!outcome.text.contains("[DONE]"), "{frame:?}");
        }
    }
    let comment = [hi.as_bytes(), b": \xFF\n\n", finish(0).as_bytes(), DONE.as_bytes()].concat();
    assert_eq!(steady(comment).text, format!("{hi}: ping\n\n{}{DONE}", finish(0)), "a comment is not the answer");
    let cut = steady([hi.as_bytes(), b"data: {\"choices\":[{\"delta\":{\"content\":\"\xE2\x82"].concat());
    assert_eq!(last_error(&cut.text).1, "stream_truncated", "half a letter at the end is a cut");
    let body = b"{\"choices\":[{\"message\":{\"content\":\"\xFF\"},\"finish_reason\":\"stop\"}]}";
    let failure = answer(body).unwrap_err();
    assert_eq!((failure.class, failure.code.as_deref()), (FailureClass::Upstream, Some("invalid_utf8")));
}

/// B4: clients of the dialect know no event that says nothing.
#[test]
fn b4_an_event_that_only_pings_becomes_a_comment() {
    for ping in [
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "data: {\"type\":\"ping\"}\n\n",
        "data: {\"object\":\"keepalive\"}\n\n",
        "event: keepalive\ndata: {}\n\n",
        "event: heartbeat\ndata: 12:00\n\n",
    ] {
        for before in [String::new(), delta(HI)] {
            let outcome = steady(format!("{before}{ping}{}{}{DONE}", delta(HI), finish(0)));
            assert_eq!(outcome.text, format!("{before}: ping\n\n{}{}{DONE}", delta(HI), finish(0)), "{ping}");
            assert_eq!(outcome.facts.dropped_events, 0, "{ping}");
        }
        assert!(!steady(ping).facts.meaningful, "{ping}");
    }
    let chunk = format!("event: ping\n{}", delta(HI));
    assert!(steady(&chunk).text.starts_with(&chunk), "a chunk is one, whatever its event is called");
}

#[test]
fn k60_what_clients_take_for_an_empty_event_is_left_out() {
    let (first, last) = (delta(r#"{"content":"Hi"}"#), finish(0));
    for end in ["\n", "\r\n"] {
        let odd = format!("retry: 3000||id: 7|{first}event: ping||data:||: keep||id: 8|{last}data: [DONE]||");
        let plain = format!("{first}: keep||{last}data: [DONE]||");
        let (odd, plain) = (odd.replace('|', end), plain.replace('|', end));
        assert_eq!(steady(odd).text, plain);
    }
}

#[test]
fn json_of_an_unknown_form_passes() {
    for odd in
        [r#"{"choices":3}"#, r#"{"choices":[7]}"#, r#"{"choices":[{"index":"a","delta":"b"}]}"#, r#"{"usage":3}"#]
    {
        let text = format!("{}{}{}{DONE}", delta(HI), data(odd), finish(0));
        let outcome = steady(&text);
        assert_eq!((outcome.text, outcome.facts.dropped_events), (text, 0), "{odd}");
    }
}

/// Some providers cut an emoji in two, and clients put it together again.
#[test]
fn half_an_emoji_is_no_fault() {
    for odd in [r#"{"content":"\ud83d"}"#, r#"{"content":"a","reasoning":1e999}"#] {
        let text = format!("{}{}{}{DONE}", delta(odd), delta(r#"{"content":"\ude00"}"#), finish(0));
        let outcome = steady(&text);
        assert_eq!((outcome.text, outcome.facts.dropped_events), (text, 0), "{odd}");
        assert!(steady(delta(odd)).facts.meaningful, "{odd}");
    }
    let alone = data(r#"{"choices":[{"index":0,"delta":{"content":"\ud83d"},"finish_reason":"stop"}]}"#);
    assert!(steady(alone).facts.complete);
}

/// S08: the stream ends in the middle.
#[test]
fn a_stream_cut_off_never_looks_complete() {
    let halves =
        [String::new(), delta(HI), format!("{}data: {{\"choi", delta(HI)), "data: {}\n".into(), ": hi\n\n".into()];
    for half in halves {
        let outcome = steady(&half);
        let failure = outcome.facts.failure.clone().unwrap();
        assert_eq!((failure.class, outcome.facts.complete), (FailureClass::Upstream, false), "{half:?}");
        assert_eq!(last_error(&outcome.text), ("upstream_error".into(), "stream_truncated".into()));
        assert!(!outcome.text.contains("[DONE]"));
    }
    // Every beginning of a good stream that lacks the end of its finish event.
    let finished = OPENAI.find(r#""finish_reason":"tool_calls""#).unwrap();
    for at in 0..finished {
        assert!(replay(&[&OPENAI.as_bytes()[..at]]).facts.failure.is_some(), "cut at {at}");
    }
}

/// S11: everything came but `[DONE]`.
#[test]
fn a_missing_done_is_added() {
    let text = OPENAI.strip_suffix(DONE).unwrap();
    let outcome = steady(text);
    assert_eq!(outcome.text, OPENAI);
    assert!(outcome.facts.failure.is_none() && outcome.facts.usage.is_some());
    let outcome = steady(OPENAI.trim_end());
    assert_eq!(outcome.text, OPENAI, "its blank line is added too");
}

#[test]
fn all_choices_must_end() {
    let unnumbered = data(r#"{"choices":[{"index":null,"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#);
    assert!(steady(unnumbered).facts.complete, "without a number it is the first");
    let two = format!("{}{}", delta(HI), data(r#"{"choices":[{"index":1,"delta":{"content":"Ho"}}]}"#));
    assert!(steady(format!("{two}{}", finish(0))).facts.failure.is_some());
    let outcome = steady(format!("{two}{}{}", finish(1), finish(0)));
    assert!(outcome.facts.complete && outcome.text.ends_with(DONE));
}

/// F01, and errors later on.
#[test]
fn an_error_in_the_stream_ends_it() {
    let groq = "event: error\ndata: {\"error\":{\"message\":\"Tool call validation failed\",\"code\":\"tool_use_failed\",\"status_code\":400}}\n\n";
    let cases = [
        (data(r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#), "overloaded", "overloaded"),
        (data(r#"{"error":{"message":"Slow","code":"rate_limit_exceeded"}}"#), "rate_limit", "rate_limit_exceeded"),
        (
            data(r#"{"id":"g","error":{"code":502,"message":"gone"},"choices":[{"index":0,"finish_reason":"error"}]}"#),
            "upstream",
            "502",
        ),
        (
            data(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}]}"#),
            "upstream",
            "provider_error",
        ),
        (
            data(
                r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":429,"message":"Slow"}}]}"#,
            ),
            "rate_limit",
            "rate_limit_exceeded",
        ),
        (
            data(r#"{"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"network_error"}]}"#),
            "upstream",
            "provider_error",
        ),
        (data(r#"{"error":{"message":"Slow","code":429}}"#), "rate_limit", "rate_limit_exceeded"),
        (data(r#"{"error":{"message":"gone","code":503}}"#), "overloaded", "overloaded"),
        (data(r#"{"error":"it broke"}"#), "upstream", "upstream"),
        ("event: error\n\n".into(), "upstream", "upstream"),
        (data(r#"{"type":"error","message":"gone","code":"server_error"}"#), "upstream", "server_error"),
        (data(r#"{"object":"error","message":"bad","type":"BadRequestError","code":400}"#), "bad_request", "400"),
        ("event: error\ndata: it broke\n\n".into(), "upstream", "upstream"),
        (groq.into(), "bad_request", "tool_use_failed"),
    ];
    for (event, class, code) in cases {
        for before in [String::new(), delta(HI)] {
            let outcome = steady(format!("{before}{event}{}{DONE}", delta(HI)));
            assert_eq!(outcome.facts.failure.as_ref().unwrap().class.as_str(), class, "{event}");
            let rest = outcome.text.strip_prefix(&before).unwrap();
            assert_eq!((rest.matches("data: ").count(), rest.ends_with("\n\n")), (1, true), "one event: {rest}");
            assert_eq!(last_error(rest).1, code);
        }
    }
    for harmless in [r#"{"error":null,"choices":[]}"#, r#"{"error":{},"choices":[]}"#] {
        assert!(steady(format!("{}{}", data(harmless), finish(0))).facts.failure.is_none(), "{harmless}");
    }
}

#[test]
fn an_answer_that_is_no_stream_is_a_failure() {
    let outcome = steady(r#"{"error":{"message":"Slow down","code":"rate_limit_exceeded"}}"#);
    assert_eq!(outcome.facts.failure.unwrap().class, FailureClass::RateLimit);
    assert_eq!(steady("<html>502</html>\n").facts.failure.unwrap().class, FailureClass::Upstream);
    assert_eq!(steady("Too many requests\n").facts.failure.unwrap().class, FailureClass::RateLimit);
    assert_eq!(steady(": too many requests\n").facts.failure.unwrap().class, FailureClass::Upstream);
}

#[test]
fn usage_is_found_where_groq_puts_it() {
    let chunk = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":5,"completion_tokens":1}}}"#;
    let usage = steady(data(chunk)).facts.usage.unwrap();
    assert_eq!(usage, Usage { prompt_tokens: 5, completion_tokens: 1, ..Usage::default() });
}

#[test]
fn the_latest_word_on_usage_counts() {
    let usage = |tokens: u32| data(&format!(r#"{{"choices":[],"usage":{{"prompt_tokens":{tokens}}}}}"#));
    let outcome = steady(format!("{}{}{}{DONE}", usage(1), usage(2), delta(HI)));
    assert_eq!(outcome.facts.usage.unwrap().prompt_tokens, 2);
}

#[test]
fn after_done_nothing_is_read() {
    let text = format!("{}{}{DONE}data: trailer\n\n{}", delta(HI), finish(0), data(r#"{"error":{"message":"late"}}"#));
    let outcome = steady(&text);
    assert_eq!((outcome.text, outcome.facts.failure, outcome.facts.dropped_events), (text, None, 0));
}

#[test]
fn an_event_too_long_ends_the_stream() {
    let long = vec![b'x'; (16 << 20) + 1];
    let outcome = replay(&[delta(HI).as_bytes(), b"data: ", &long, b"\n\n", DONE.as_bytes()]);
    assert_eq!(last_error(&outcome.text), ("upstream_error".into(), "event_too_long".into()));
    assert!(outcome.text.starts_with(&delta(HI)) && !outcome.text.contains("[DONE]"));
}

#[test]
fn answers_pass_with_their_usage() {
    let read = |body: &str| answer(body.as_bytes());
    for body in [
        include_str!("golden/openai/openai/answer.json"),
        include_str!("golden/openai/azure/answer.json"),
        include_str!("golden/openai/groq/answer.json"),
    ] {
        let answer = read(&format!("\n\n{body}")).unwrap();
        assert_eq!(answer.body, None);
        assert_eq!(answer.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens)), Some((90, 16)));
    }
    let embeddings = r#"{"object":"list","data":[{"embedding":"AAAA"}],"usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    assert_eq!(awaiting(Awaited::Embeddings, embeddings).unwrap().usage.unwrap().prompt_tokens, 4);
    assert!(awaiting(Awaited::Completion, r#"{"choices":[{"text":"a"}],"error":null}"#).is_ok());
}

/// F02, and errors with a good status.
#[test]
fn what_is_no_answer_is_a_failure() {
    let class = |body: &str| answer(body.as_bytes()).map_err(|failure| failure.class.as_str());
    let whole = include_str!("golden/openai/openai/answer.json").trim_end();
    for at in 0..whole.len() {
        assert_eq!(class(&whole[..at]), Err("upstream"), "cut at {at}");
    }
    for body in ["<html><body>Welcome</body></html>", "[]", "{}", r#"{"status":"ok"}"#, "null", "OK"] {
        assert_eq!(class(body), Err("upstream"), "{body}");
    }
    assert_eq!(class(r#"{"error":{"code":502,"message":"Provider disconnected"}}"#), Err("upstream"));
    assert_eq!(class(r#"{"error":{"code":429,"message":"slow"},"choices":[]}"#), Err("rate_limit"));
    assert_eq!(class(r#"{"error":{"type":"overloaded_error","message":"x"}}"#), Err("overloaded"));
    assert_eq!(class(r#"{"object":"error","message":"x","code":404}"#), Err("not_found"));
    assert_eq!(class(r#"{"choices":[{"finish_reason":"error","message":{}}]}"#), Err("upstream"));
}

/// A8: what a good status must hold to be an answer.
#[test]
fn a8_a_200_is_an_answer_only_if_it_holds_one() {
    let read = |body: &str| answer(body.as_bytes()).map_err(|failure| failure.class.as_str());
    for (body, class) in [
        // Choices that hold none.
        (r#"{"id":"c","object":"chat.completion"}"#, "upstream"),
        (r#"{"id":"c","object":"chat.completion","choices":null}"#, "upstream"),
        (r#"{"id":"c","object":"chat.completion","choices":[],"usage":{"prompt_tokens":1}}"#, "upstream"),
        (r#"{"object":"text_completion","choices":[ ]}"#, "upstream"),
        (r#"{"choices":{}}"#, "upstream"),
        (r#"{"choices":"none"}"#, "upstream"),
        (r#"{"choices":[null]}"#, "upstream"),
        (r#"{"choices":[{}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"finish_reason":"stop"}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"message":null,"finish_reason":"stop"}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"message":{},"finish_reason":"stop"}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"message":"Hi","finish_reason":"stop"}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"message":{"role":"assistant","content":null}}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"message":{"content":"","tool_calls":[]},"finish_reason":null}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"text":null,"finish_reason":"stop"}]}"#, "upstream"),
        // Another API's: the client would find nothing in it.
        (r#"{"object":"text_completion","choices":[{"index":0,"text":"Hi","finish_reason":"stop"}]}"#, "upstream"),
        (r#"{"data":[{"embedding":"AAAA"}]}"#, "upstream"),
        (r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#, "upstream"),
        (r#"{"choices":[{"message":null,"finish_reason":"content_filter"}]}"#, "content_policy"),
        (r#"{"object":"list","data":[{"index":0,"embedding":null}]}"#, "upstream"),
        (r#"{"object":"list","data":[{"index":0,"embedding":[]}]}"#, "upstream"),
        (r#"{"object":"list","data":[{"id":"gpt-4o","object":"model"}]}"#, "upstream"),
        // Errors in disguise, whose words are heard.
        (r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"},"choices":null}"#, "quota"),
        (r#"{"base_resp":{"status_code":1002,"status_msg":"rate limit"}}"#, "rate_limit"),
        (
            r#"{"choices":[{"message":{"content":"Hi"}}],"base_resp":{"status_code":1013,"status_msg":"unknown"}}"#,
            "upstream",
        ),
        (r#"{"detail":"Internal error"}"#, "upstream"),
        (r#"{"detail":"Too many requests"}"#, "rate_limit"),
        (r#"{"code":500,"msg":"404 NOT_FOUND","success":false}"#, "upstream"),
        (r#"{"code":429,"msg":"slow down"}"#, "rate_limit"),
        (r#"{"code":1001,"message":"the service is overloaded"}"#, "overloaded"),
        (r#"{"code":0,"msg":"ok","data":{"status":"queued"}}"#, "upstream"),
        (r#"{"status":"error","message":"out of memory"}"#, "upstream"),
        (r#"{"errors":[{"message":"rate limit reached"}]}"#, "rate_limit"),
        (
            r#"[{"error":{"code":429,"message":"Resource has been exhausted","status":"RESOURCE_EXHAUSTED"}}]"#,
            "rate_limit",
        ),
        ("too many requests", "rate_limit"),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"rate limit\"}}]}\n\n", "upstream"),
        // The provider failed within its answer.
        (r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"insufficient_system_resource"}]}"#, "upstream"),
        (r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"network_error"}]}"#, "upstream"),
        (r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"abort"}]}"#, "upstream"),
        (r#"{"choices":[{"message":{"content":"rate limit"},"finish_reason":"error"}]}"#, "upstream"),
        (
            r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"error","error":{"code":429,"message":"x"}}]}"#,
            "rate_limit",
        ),
        (r#"{"choices":[{"message":{"content":""},"error":{"code":502,"message":"gone"}}]}"#, "upstream"),
    ] {
        assert_eq!(read(body), Err(class), "{body}");
    }
    for body in [
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":0,"message":{"role":"assistant"},"finish_reason":"length"}]}"#,
        r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[{"message":{"content":null,"reasoning_content":"Hm"},"finish_reason":null}]}"#,
        r#"{"choices":[{"message":{"content":"\ud83d"}}]}"#,
        r#"{"choices":[{"message":{"content":[{"type":"text","text":"Hi"}]}}]}"#,
        r#"{"choices":[{"message":{"content":"","images":[{"type":"image_url"}]}}]}"#,
        r#"{"choices":[{"message":{"role":"assistant","content":""},"finish_reason":"content_filter"}]}"#,
        r#"{"choices":[{"message":{},"finish_reason":"content_filter"}]}"#,
        r#"{"choices":[{"index":"0","message":{"content":"Hi"},"finish_reason":{"type":"stop"}}]}"#,
        r#"{"choices":[{"message":{"content":"Hi"},"error":null}],"error":"","detail":"","code":0,"msg":"ok"}"#,
        r#"{"choices":[{"message":{"content":"Hi"}}],"base_resp":{"status_code":0,"status_msg":"success"}}"#,
        r#"{"choices":[{"message":{"content":"Hi"}}],"base_resp":null}"#,
        r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
        r#"{"choices":[{"message":{"content":"Hi"},"text":"Hi"}]}"#,
    ] {
        assert!(read(body).is_ok(), "{body}");
    }
    for (awaited, body, is_one) in [
        (Awaited::Completion, r#"{"choices":[{"text":"","finish_reason":"stop"}]}"#, true),
        (Awaited::Completion, r#"{"choices":[{"index":0,"text":null,"finish_reason":"stop"}]}"#, false),
        (Awaited::Completion, r#"{"object":"text_completion","choices":[ ]}"#, false),
        (Awaited::Completion, r#"{"data":[{"embedding":"AAAA"}]}"#, false),
        (Awaited::Embeddings, r#"{"data":[{"embedding":"AAAA"}]}"#, true),
        (Awaited::Embeddings, r#"{"data":[{"embedding":[0.1,1e999]}]}"#, true),
        (Awaited::Embeddings, r#"{"object":"list","data":[]}"#, false),
        (Awaited::Embeddings, r#"{"object":"list","data":null}"#, false),
        (Awaited::Embeddings, r#"{"object":"list"}"#, false),
        (Awaited::Embeddings, r#"{"object":"list","data":{}}"#, false),
        (Awaited::Embeddings, r#"{"object":"list","data":[{}]}"#, false),
        (Awaited::Embeddings, r#"{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}]}"#, false),
    ] {
        assert_eq!(awaiting(awaited, body).is_ok(), is_one, "{awaited:?} {body}");
    }
}

/// A8: what a stream must hold.
#[test]
fn a8_a_stream_is_an_answer_only_if_it_holds_one() {
    let role = delta(r#"{"role":"assistant","content":""}"#);
    let usage = data(r#"{"choices":[],"usage":{"prompt_tokens":1}}"#);
    let azure = data(r#"{"id":"","choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#);
    for (events, class) in [
        (String::new(), "upstream"),
        (role.clone(), "upstream"),
        (": keep-alive\n\n: keep-alive\n\n".into(), "upstream"),
        (usage.clone(), "upstream"),
        (azure.clone(), "upstream"),
        (format!("{azure}{role}{usage}"), "upstream"),
        (data("{}"), "upstream"),
        (data(r#"{"choices":null}"#), "upstream"),
        (data(r#"{"choices":[]}"#), "upstream"),
        (data(r#"{"choices":[{"index":0}]}"#), "upstream"),
        (data(r#"{"choices":[{"index":0,"delta":null,"finish_reason":null}]}"#), "upstream"),
        (data(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"null"}]}"#), "upstream"),
        (data(r#"{"object":"text_completion","choices":[{"index":0,"text":"Hi"}]}"#), "upstream"),
        (data(r#"{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}"#), "upstream"),
        (data(r#"{"detail":"it broke"}"#), "upstream"),
        (data(r#"{"detail":"Too many requests"}"#), "rate_limit"),
        (format!("{role}{}", data(r#"{"code":429,"msg":"slow down"}"#)), "rate_limit"),
        (data(r#"{"message":"the server is overloaded"}"#), "overloaded"),
        ("data: upstream: rate limit\n\n".into(), "rate_limit"),
        (data(r#"{"choices":[{"delta":{"content":"the rate limit"#), "upstream"),
    ] {
        let outcome = steady(format!("{events}{DONE}{}", delta(HI)));
        let failure = outcome.facts.failure.clone().unwrap();
        assert_eq!((failure.class.as_str(), outcome.facts.meaningful), (class, false), "{events}");
        assert!(outcome.text.contains(r#"data: {"error":"#) && !outcome.text.contains("[DONE]"), "{events}");
        let outcome = steady(&events);
        assert_eq!(outcome.facts.failure.unwrap().class.as_str(), class, "the same without a last word: {events}");
    }
    let base = |code: &str| {
        let chunk = r#"{"choices":null,"base_resp":{"status_code":CODE,"status_msg":"insufficient balance"}}"#;
        data(&chunk.replace("CODE", code))
    };
    for before in [String::new(), delta(HI)] {
        assert_eq!(steady(format!("{before}{}{DONE}", base("1008"))).facts.failure.unwrap().class, FailureClass::Quota);
    }
    for good in [
        format!("{}{}", delta(HI), finish(0)),
        finish(0),
        format!("{role}{}{}", finish(0), usage.replace(":1}", r#":1,"completion_tokens":0,"total_tokens":1}"#)),
        data(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"content_filter"}]}"#),
        format!("{}{}{}", delta(HI), base("0"), finish(0)),
        format!("{}{}{}", data(r#"{"detail":"one moment"}"#), delta(HI), finish(0)),
        format!("{}{}{}", data(r#"{"choices":[{"index":0,"delta":{},"finish_reason":null}]}"#), delta(HI), finish(0)),
    ] {
        let outcome = steady(format!("{good}{DONE}"));
        assert_eq!((outcome.text, outcome.facts.failure), (format!("{good}{DONE}"), None));
        assert!(outcome.facts.meaningful && outcome.facts.complete);
    }
    // K61: the last word is a deliberate end, which clients know by its reason. Alibaba spells `null` out.
    let spelt =
        |null: &str| data(&format!(r#"{{"id":"1","choices":[{{"index":0,"delta":{{}},"finish_reason":{null}}}]}}"#));
    for (events, good) in [
        (delta(HI), delta(HI)),
        (format!("{}{}", delta(HI), base("0")), format!("{}{}", delta(HI), base("0"))),
        (format!("{}{}", spelt("\"null\""), delta(HI)), format!("{}{}", spelt("null"), delta(HI))),
    ] {
        let outcome = steady(format!("{events}{DONE}"));
        assert_eq!((outcome.text, outcome.facts.failure), (format!("{good}{}{DONE}", finish(0)), None));
        assert!(outcome.facts.meaningful && outcome.facts.complete);
    }
    let completion = completed(&format!("{}{DONE}", data(r#"{"choices":[{"index":0,"text":"Hi"}]}"#)));
    assert!(completion.meaningful && completion.complete && completion.failure.is_none());
    let broken = format!("{}{}{DONE}", delta(HI), data(r#"{"detail":"Too many requests"}"#));
    assert_eq!(steady(broken).facts.failure.unwrap().class.as_str(), "rate_limit", "it never finished, and says why");
}

/// Usage that comes before the first token, in the same bytes, does not hide it.
#[test]
fn the_first_token_is_seen_behind_usage() {
    let usage = data(r#"{"choices":[{"index":0,"delta":{"role":"assistant"}}],"usage":{"prompt_tokens":1}}"#);
    assert!(replay(&[format!("{usage}{}", delta(HI)).as_bytes()]).facts.meaningful);
}

#[test]
fn nesting_costs_no_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"x":{deep},"choices":[{{"message":{{"content":{deep},"x":{deep}}},"y":{deep}}}]}}"#);
    assert!(answer(body.as_bytes()).is_ok());
    let body = body.replace("message", "delta");
    let outcome = replay(&[data(&body).as_bytes()]);
    assert_eq!((outcome.facts.dropped_events, outcome.facts.meaningful), (0, true));
}

#[test]
fn the_model_alone_is_replaced() {
    let body = br#" {"temperature":1e2, "model" : "gr\u00f6\u00dfe", "messages":[{"content":"\ud800 \u0041"}] } "#;
    let head = BodyScan::read(body).unwrap();
    let (end, prefix) = splice(body, head.model_span, "a/\"b\"\\é\n", false);
    let spliced = [&prefix, &body[end..]].concat();
    let expected = r#" {"temperature":1e2, "model" : "a/\"b\"\\é\n", "messages":[{"content":"\ud800 \u0041"}] } "#;
    assert_eq!(String::from_utf8(spliced).unwrap(), expected);
    assert_eq!(splice(body, 5..9999, "m", true), (0, Vec::new()));
}

#[test]
fn usage_is_asked_for_among_the_options_that_are_there() {
    let asked = |options: &str| {
        let body = format!(r#"{{"model":"m","stream_options":{options},"temperature":1e2}}"#);
        assert!(BodyScan::read(body.as_bytes()).unwrap().stream_options, "{options}");
        String::from_utf8(with_usage_asked(body.as_bytes())).unwrap()
    };
    let with = |options: &str| format!(r#"{{"model":"m","stream_options":{options},"temperature":1e2}}"#);
    for (given, expected) in [
        ("null", r#"{"include_usage":true}"#),
        ("{}", r#"{"include_usage":true}"#),
        (r#"{"include_usage":false}"#, r#"{"include_usage":true}"#),
        (r#"{"include_obfuscation": false}"#, r#"{"include_obfuscation":false,"include_usage":true}"#),
        ("[1]", "[1]"),
    ] {
        assert_eq!(asked(given), with(expected), "{given}");
    }
    assert_eq!(with_usage_asked(b"[]"), b"[]");
}

fn written(conversation: &Conversation<'_>, drop_params: bool) -> (Value, Vec<String>) {
    let target = Target { provider: by_name("openai").unwrap(), model: "ALIAS", drop_params, max_output_tokens: None };
    let encoded = provider_face(Dialect::OpenAi).write(conversation, target).unwrap();
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

/// A client's own bytes go to a provider of its dialect; read and written again they say the same.
#[test]
fn what_is_read_is_written() {
    let body = include_str!("golden/openai/openai/request.json");
    let conversation = client_face(Dialect::OpenAi).read(body.as_bytes()).unwrap();
    let mut golden: Value = serde_json::from_str(body).unwrap();
    golden["messages"][0]["role"] = "system".into();
    assert_eq!(written(&conversation, false), (golden, Vec::new()));
}

#[test]
fn what_the_dialect_has_no_place_for_is_named() {
    let raw: &serde_json::value::RawValue = serde_json::from_str("7").unwrap();
    let block = |index, content| Block {
        content,
        cache_control: None,
        place: Place::item(Member::Messages, 0).at(Member::Content, index),
    };
    let file = Content::Document { source: Source::Uri("data:,x".into()), name: Some("a.pdf".into()) };
    let conversation = Conversation {
        turns: vec![Turn {
            speaker: Speaker::User,
            blocks: vec![block(0, Content::Opaque("video".into())), block(1, file)],
            name: None,
            cache_control: None,
            place: Place::item(Member::Messages, 0),
        }],
        tool_choice: Some(ToolChoice::Named("f".into())),
        output: Some(OutputFormat::JsonSchema {
            name: "s".into(),
            description: None,
            schema: Some(raw),
            strict: Some(true),
        }),
        effort: Some(Effort::XHigh),
        stream: true,
        include_usage: true,
        other: vec![("seed".into(), raw), ("store".into(), raw)],
        unread: vec!["messages[0].foo".into()],
        ..Conversation::default()
    };
    let write = |drop_params| {
        let target =
            Target { provider: by_name("groq").unwrap(), model: "ALIAS", drop_params, max_output_tokens: None };
        provider_face(Dialect::OpenAi).write(&conversation, target)
    };
    let error = write(false).unwrap_err();
    assert_eq!((error.status, error.code.as_deref()), (400, Some("unsupported_parameter")));
    assert_eq!(error.param.as_deref(), Some("messages[0].content[0]"));
    let expected = serde_json::json!({
        "model": "ALIAS",
        "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:,x", "filename": "a.pdf"}}]}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": 7, "strict": true}},
        "reasoning_effort": "xhigh", "stream": true, "stream_options": {"include_usage": true}, "seed": 7,
    });
    let encoded = write(true).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&encoded.body).unwrap(), expected);
    // What is of another dialect, and a choice among no tools.
    assert_eq!(encoded.dropped, ["store", "messages[0].content[0]", "tool_choice", "messages[0].foo"]);
}
