//! The two roles' state machines without Envoy: [`Shell`] does to them what the wasm shell does, on a buffer of its own.
//!
//! Checked: one ending an attempt, whatever happens; the same bytes for the client however an answer is cut; no retry after an
//! answer was let go.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::RefCell;
use std::rc::Rc;

use signalbox::config::compile;
use signalbox::config::model::StreamCommit;
use signalbox::config::tree::Node;
use signalbox::filter::route::{self, PlanContext};
use signalbox::filter::{
    Api, Attempt, AttemptResult, Edit, Flight, HeaderMap, Outgoing, Reply, Report, Setup, Verdict,
};
use signalbox::routing::strategy::Random;
use signalbox::state::Outcome;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CONFIG: &str = r#"{
"model_list": [
  {"model_name": "open", "litellm_params": {"model": "openai/served", "api_base": "http://h/v1"}, "model_info": {"id": "open-1"}},
  {"model_name": "open", "litellm_params": {"model": "openai/served", "api_base": "http://i/v1"}, "model_info": {"id": "open-2"}},
  {"model_name": "claude", "litellm_params": {"model": "anthropic/claude-haiku-4-5"}, "model_info": {"id": "claude-1"}},
  {"model_name": "lone", "litellm_params": {"model": "openai/served", "api_base": "http://h/v1"}, "model_info": {"id": "lone-1"}},
  {"model_name": "lone-claude", "litellm_params": {"model": "anthropic/claude-haiku-4-5"}, "model_info": {"id": "lone-claude-1"}}],
"router_settings": {"fallbacks": [{"open": ["claude"]}, {"claude": ["open"]}], "num_retries": 2, "timeout": 60, "stream_timeout": 5},
"signalbox": {"max_response_bytes": 100000}}"#;

const OPENAI_STREAM: &[u8] = include_bytes!("golden/openai/openai/stream.sse");
const DEEPSEEK_STREAM: &[u8] = include_bytes!("golden/openai/deepseek/stream.sse");
const CLAUDE_STREAM: &[u8] = include_bytes!("golden/anthropic/parallel_calls_stream/upstream_response.sse");
const CLAUDE_THOUGHTS: &[u8] = include_bytes!("golden/anthropic/reasoning_adaptive_stream/upstream_response.sse");
const CLAUDE_BROKEN: &[u8] = include_bytes!("golden/anthropic/stream_error_midway/upstream_response.sse");
const CLAUDE_TRUNCATED: &[u8] = include_bytes!("golden/anthropic/stream_truncated/upstream_response.sse");
const CLAUDE_ANSWER: &[u8] = include_bytes!("golden/anthropic/parallel_calls/upstream_response.json");
const OPENAI_ANSWER: &[u8] = br#"{"id":"c","object":"chat.completion","created":1,"model":"s","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

fn config() -> Rc<Setup> {
    thread_local! {
        static COMPILED: Rc<Setup> = {
            let tree = Node::from_json_text(CONFIG.as_bytes()).unwrap();
            Rc::new(Setup::new(compile::compile(&tree, &|_| None).unwrap().config).unwrap())
        };
    }
    COMPILED.with(Rc::clone)
}

/// The same, where streams are held until they are complete.
fn complete() -> Rc<Setup> {
    let mut complete = (*config().config).clone();
    complete.signalbox.stream_commit = StreamCommit::Complete;
    Rc::new(Setup::new(complete).unwrap())
}

fn depart(config: &Rc<Setup>, model: &str, stream: bool, seed: u64) -> Rc<RefCell<Flight>> {
    let body = format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
    let moment = PlanContext { now_ms: 1_000, seed, ..PlanContext::default() };
    let flight = route::decide(config, Api::Chat, body.into_bytes(), &moment).unwrap();
    Rc::new(RefCell::new(flight))
}

/// What came of an attempt so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Retried,
    Passed,
    CutOff,
}

/// One attempt in the hands of the shell: Envoy's buffer, what went to the client, and what was decided.
struct Shell {
    attempt: Attempt,
    buffer: Vec<u8>,
    client: Vec<u8>,
    status: Option<String>,
    state: State,
}

impl Shell {
    fn start(flight: &Rc<RefCell<Flight>>, now_ms: u64) -> Result<(Self, Outgoing), Reply> {
        let (attempt, outgoing) = Attempt::start(flight, None, &|| now_ms)?;
        let (buffer, client) = (Vec::new(), Vec::new());
        Ok((Self { attempt, buffer, client, status: None, state: State::Waiting }, outgoing))
    }

    fn carry_out(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Hold => {
                assert_ne!(self.state, State::Passed, "nothing is held after it was let go");
                if self.attempt.drains() {
                    self.buffer.clear();
                }
            }
            Verdict::Retry => {
                assert_eq!(self.state, State::Waiting, "no retry after an answer was let go, and no second one");
                assert_ne!(self.attempt.flight().borrow().next_cluster(), "", "a retry has somewhere to go");
                self.state = State::Retried;
            }
            Verdict::Pass(commit, edit) => {
                assert_eq!(self.state, State::Waiting, "let go once");
                self.status = commit.set.iter().find(|(name, _)| *name == ":status").map(|(_, status)| status.clone());
                self.state = State::Passed;
                self.let_go(edit);
            }
            Verdict::Continue(edit) => {
                if self.state == State::Passed {
                    self.let_go(edit);
                }
                self.buffer.clear();
            }
            Verdict::Reply(reply) => {
                assert_eq!(self.state, State::Waiting, "let go once");
                self.status = Some(reply.status.to_string());
                self.state = State::Passed;
                self.client.clone_from(&reply.body);
            }
            Verdict::CutOff => {
                assert_eq!(self.state, State::Passed, "only what was let go can be cut off");
                self.state = State::CutOff;
            }
        }
    }

    fn let_go(&mut self, edit: Edit) {
        match edit {
            Edit::Keep => {}
            Edit::Prefix(end, bytes) => drop(self.buffer.splice(..end, bytes)),
            Edit::Whole(bytes) => self.buffer = bytes,
            Edit::Append(bytes) => self.buffer.extend(bytes),
        }
        self.client.append(&mut self.buffer);
    }

    fn headers(&mut self, status: u16, ends: bool) {
        let verdict = self.attempt.on_headers(status, &HeaderMap::new, ends);
        self.carry_out(verdict);
    }

    fn body(&mut self, bytes: &[u8], ends: bool) {
        self.buffer.extend_from_slice(bytes);
        let verdict = if self.attempt.wants_body(self.buffer.len(), ends) {
            let buffered = self.buffer.clone();
            self.attempt.on_body(&buffered, ends)
        } else {
            self.attempt.unread()
        };
        self.carry_out(verdict);
    }

    /// Wakes the attempt if it asked for it.
    fn wake(&mut self) {
        let Some(deadline_ms) = self.attempt.deadline_ms() else { return };
        if let Some(verdict) = self.attempt.on_deadline(deadline_ms, &Vec::new) {
            self.carry_out(verdict);
        }
    }
}

/// How attempts ended since the last call; each has begun before.
fn endings_of(flight: &RefCell<Flight>) -> Vec<AttemptResult> {
    let ended = |event| match event {
        Report::Refused { .. } => None,
        Report::Ended(ending) => Some(ending),
    };
    flight.borrow_mut().take_reports().into_iter().filter_map(ended).collect()
}

/// What the client has of an answer that comes in these pieces.
fn replay(model: &str, stream: bool, status: u16, pieces: &[&[u8]]) -> (State, String, Vec<AttemptResult>) {
    let flight = depart(&config(), model, stream, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(status, false);
    for (n, piece) in pieces.iter().enumerate() {
        shell.body(piece, n + 1 == pieces.len());
        if shell.state == State::Retried {
            break;
        }
    }
    flight.borrow_mut().finish(false);
    let endings = endings_of(&flight);
    (shell.state, String::from_utf8(shell.client).unwrap(), endings)
}

/// The outcome of an answer, the same whole, byte by byte, with an empty end, and cut at each place.
fn steady(model: &str, stream: bool, status: u16, bytes: &[u8]) -> (State, String, Vec<AttemptResult>) {
    let whole = replay(model, stream, status, &[bytes]);
    let singly: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(replay(model, stream, status, &singly), whole, "byte by byte");
    let empties: Vec<&[u8]> = bytes.chunks(9).flat_map(|piece| [piece, b""]).collect();
    assert_eq!(replay(model, stream, status, &empties), whole, "with nothing in between");
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(replay(model, stream, status, &[head, tail, b""]), whole, "cut at {at}");
    }
    whole
}

fn served(endings: &[AttemptResult]) -> bool {
    matches!(endings, [AttemptResult { outcome: Outcome::Served, .. }])
}

fn failed(endings: &[AttemptResult]) -> bool {
    matches!(endings, [AttemptResult { outcome: Outcome::Failed(_), .. }])
}

#[test]
fn a_good_stream_of_openais_passes_byte_for_byte() {
    for (model, stream) in [("lone", OPENAI_STREAM), ("open", OPENAI_STREAM), ("lone", DEEPSEEK_STREAM)] {
        let (state, text, endings) = steady(model, true, 200, stream);
        assert_eq!(state, State::Passed);
        assert_eq!(text.as_bytes(), stream);
        assert!(served(&endings), "{endings:?}");
    }
}

#[test]
fn a_good_stream_of_anthropics_is_translated_the_same_however_it_is_cut() {
    for (stream, wanted) in [(CLAUDE_STREAM, "Grüße "), (CLAUDE_THOUGHTS, "reasoning_content")] {
        let (state, text, endings) = steady("lone-claude", true, 200, stream);
        assert_eq!(state, State::Passed);
        assert!(text.contains(wanted) && text.ends_with("data: [DONE]\n\n"), "{text}");
        assert!(served(&endings), "{endings:?}");
    }
}

/// Where a stream fails after its first words, what was said depends on how it came: all at once, nothing has been said yet.
/// Whatever is told, it is never a good end.
#[test]
fn a_broken_stream_is_never_a_good_end_wherever_it_is_cut() {
    let cut = OPENAI_STREAM.split_at(OPENAI_STREAM.len() / 2).0;
    let cases = [("lone-claude", CLAUDE_BROKEN), ("lone-claude", CLAUDE_TRUNCATED), ("lone", cut), ("open", cut)];
    for (model, stream) in cases {
        for at in 0..=stream.len() {
            let (head, tail) = stream.split_at(at);
            let (state, text, endings) = replay(model, true, 200, &[head, tail]);
            assert!(failed(&endings), "{model} cut at {at}: {endings:?}");
            assert!(!text.contains("[DONE]"), "{model} cut at {at}: {text}");
            assert!(state == State::Retried || text.contains("\"error\""), "{model} cut at {at}: {text}");
        }
    }
}

#[test]
fn whole_answers_and_errors_are_the_same_however_they_are_cut() {
    let (state, text, endings) = steady("lone", false, 200, OPENAI_ANSWER);
    assert_eq!((state, text.as_bytes()), (State::Passed, OPENAI_ANSWER));
    assert!(served(&endings));
    let (state, text, endings) = steady("lone-claude", false, 200, CLAUDE_ANSWER);
    assert_eq!(state, State::Passed);
    assert!(text.contains("\"tool_calls\"") && served(&endings), "{text}");
    for status in [400, 401, 429, 500] {
        let error = br#"{"error":{"message":"it went wrong","type":"x","param":null,"code":null}}"#;
        let (state, text, endings) = steady("lone", status % 2 == 0, status, error);
        assert!(failed(&endings), "{status}");
        // S8: what is said about our credentials is not for the client.
        let said = if status == 401 { "`openai` refused the gateway's credentials" } else { "it went wrong" };
        assert!(state == State::Retried || text.contains(said), "{status}: {text}");
        assert!(status != 401 || !text.contains("it went wrong"), "{text}");
    }
}

#[test]
fn a_document_in_place_of_a_stream_is_judged_as_a_whole_however_it_is_cut() {
    let spent = br#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#;
    for (model, text) in [("lone", &spent[..]), ("lone", b"[1]"), ("lone", b"<html>busy</html>")] {
        let (state, said, endings) = steady(model, true, 200, text);
        assert_ne!(state, State::Waiting, "{model}: {said}");
        let Outcome::Failed(failure) = &endings[0].outcome else { panic!("{endings:?}") };
        assert_eq!(failure.class.as_str() == "quota", text == spent, "{model}: {failure:?}");
    }
    let spent =
        br#"{"type":"error","error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#;
    for before in ["\n\n", " \r\n", "\u{feff}", "\u{feff}\n"] {
        let text = [before.as_bytes(), spent].concat();
        for (model, stream) in [("lone", true), ("lone", false), ("lone-claude", true), ("lone-claude", false)] {
            let (_, said, endings) = steady(model, stream, 200, &text);
            let Outcome::Failed(failure) = &endings[0].outcome else { panic!("{endings:?}") };
            assert_eq!(failure.class.as_str(), "quota", "{model}, {before:?}: {said}");
        }
        let text = [before.as_bytes(), OPENAI_STREAM].concat();
        let (state, said, endings) = replay("lone", true, 200, &[before.as_bytes(), OPENAI_STREAM]);
        assert_eq!((state, said.as_bytes()), (State::Passed, text.as_slice()), "a stream loses nothing: {before:?}");
        assert!(served(&endings));
        let text = [before.as_bytes(), OPENAI_ANSWER].concat();
        let (state, said, endings) = steady("lone", false, 200, &text);
        assert_eq!((state, said.as_bytes()), (State::Passed, text.as_slice()), "nor does an answer: {before:?}");
        assert!(served(&endings));
    }
    let flight = depart(&config(), "claude", true, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(b"\n{\"error\":{}}", false);
    assert_eq!(shell.state, State::Retried, "and nobody waits for its end");
    let flight = depart(&config(), "claude", true, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(b"{\"error", false);
    shell.wake();
    assert_eq!(shell.state, State::Retried, "what does not come to its end is late like any first token");
    let flight = depart(&config(), "lone", true, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(b"{\"error", false);
    shell.wake();
    assert_eq!(shell.state, State::Retried, "nor is it a stream that could be let go");
}

#[test]
fn an_answer_compressed_unasked_is_said_to_be_so() {
    let compressed = b"\x1F\x8B\x08\0\0\0\0\0\0\x03\xAB\x56\n\n\xCA\x4B";
    for (model, stream) in [("lone", true), ("lone", false), ("lone-claude", true), ("lone-claude", false)] {
        let (_, _, endings) = steady(model, stream, 200, compressed);
        let Outcome::Failed(failure) = &endings[0].outcome else { panic!("{endings:?}") };
        assert!(failure.message.contains("compressed"), "{model}: {failure:?}");
        let flight = depart(&config(), model, stream, 1);
        let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
        shell.headers(200, false);
        shell.body(compressed, false);
        assert_eq!(shell.state == State::Waiting, !stream, "a stream's end is not awaited");
        let (_, _, endings) = steady(model, stream, 429, compressed);
        let Outcome::Failed(failure) = &endings[0].outcome else { panic!("{endings:?}") };
        assert_eq!((failure.class.as_str(), failure.message.as_str()), ("rate_limit", ""), "no bytes of it");
    }
}

#[test]
fn an_answer_too_large_to_hold_passes_unread_where_it_can() {
    let long = format!("{{\"x\":\"{}\"}}", "y".repeat(300_000));
    let pieces: Vec<&[u8]> = long.as_bytes().chunks(16_384).collect();
    let (state, text, endings) = replay("lone", false, 200, &pieces);
    assert_eq!((state, text), (State::Passed, long.clone()));
    assert!(served(&endings));
    let (state, _, endings) = replay("lone-claude", false, 200, &pieces);
    assert!(failed(&endings) && state != State::Waiting, "{endings:?}");
}

#[test]
fn the_first_token_deadline_moves_on_and_the_last_candidate_is_waited_for() {
    let flight = depart(&config(), "open", true, 1);
    let mut tried = Vec::new();
    loop {
        let now_ms = 1_000 + 10_000 * u64::try_from(tried.len()).unwrap();
        tried.push(flight.borrow().next_cluster().to_owned());
        let (mut shell, _) = Shell::start(&flight, now_ms).unwrap();
        shell.headers(200, false);
        shell.body(b": ping\n\n", false);
        let deadline_ms = shell.attempt.deadline_ms().unwrap() - now_ms;
        if tried.len() == 3 {
            shell.wake();
            assert_eq!(shell.state, State::Passed, "nothing is left to try: it may take its time");
            shell.body(CLAUDE_STREAM, true);
            assert!(String::from_utf8(shell.client).unwrap().ends_with("data: [DONE]\n\n"));
            break;
        }
        assert_eq!(deadline_ms, 5_000);
        shell.wake();
        assert_eq!(shell.state, State::Retried);
        shell.body(OPENAI_STREAM, true);
        assert!(shell.client.is_empty(), "what comes late is nobody's");
    }
    assert!(tried[..2].iter().all(|id| id.starts_with("open-")) && tried[0] != tried[1] && tried[2] == "claude-1");
}

#[test]
fn a_stream_that_falls_silent_is_cut_off_once_it_was_let_go_and_moved_on_while_it_is_held() {
    let begun = &OPENAI_STREAM[..OPENAI_STREAM.len() / 2];
    let flight = depart(&config(), "open", true, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(begun, false);
    assert_eq!((shell.state, shell.attempt.deadline_ms()), (State::Passed, Some(31_000)));
    shell.attempt.hear(5_000);
    assert!(shell.attempt.on_deadline(31_000, &Vec::new).is_none(), "something came since");
    shell.wake();
    assert_eq!(shell.state, State::CutOff);
    assert!(failed(&endings_of(&flight)));

    let flight = depart(&complete(), "open", true, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(begun, false);
    assert_eq!((shell.state, shell.attempt.deadline_ms()), (State::Waiting, Some(31_000)));
    shell.wake();
    assert_eq!(shell.state, State::Retried, "nothing of it has gone to the client");
    let (mut shell, _) = Shell::start(&flight, 31_000).unwrap();
    shell.headers(200, false);
    shell.body(OPENAI_STREAM, true);
    assert_eq!((shell.state, shell.client.as_slice()), (State::Passed, OPENAI_STREAM));
}

#[test]
fn a_held_stream_that_stalls_is_its_deployments_fault_however_impatient_the_caller() {
    for (begun, is_callers) in [(&OPENAI_STREAM[..OPENAI_STREAM.len() / 2], false), (b": ping\n\n", true)] {
        let body = br#"{"model":"open","stream":true,"timeout":4,"messages":[{"role":"user","content":"hi"}]}"#;
        let moment = PlanContext { now_ms: 1_000, seed: 1, ..PlanContext::default() };
        let mut brief = (*complete().config).clone();
        brief.signalbox.stream_idle_timeout_ms = Some(2_000);
        let flight = route::decide(&Setup::new(brief).unwrap(), Api::Chat, body.to_vec(), &moment).unwrap();
        let flight = Rc::new(RefCell::new(flight));
        let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
        shell.headers(200, false);
        shell.body(begun, false);
        shell.wake();
        assert_eq!(shell.state, State::Retried);
        let endings = endings_of(&flight);
        assert_eq!(endings[0].outcome == Outcome::Abandoned, is_callers, "{endings:?}");
    }
}

/// Refuses the first attempt, which is asked for a wait of so many seconds.
fn refuse(flight: &Rc<RefCell<Flight>>, wait_s: &str) {
    let (mut shell, _) = Shell::start(flight, 1_000).unwrap();
    let headers = vec![("retry-after".to_owned(), wait_s.as_bytes().to_vec())];
    let verdict = shell.attempt.on_headers(429, &|| headers.clone(), false);
    shell.carry_out(verdict);
    shell.body(b"{}", true);
    assert_eq!(shell.state, State::Retried);
}

#[test]
fn what_was_waited_before_an_attempt_is_not_its_deployments_time() {
    let flight = depart(&complete(), "claude", true, 1);
    refuse(&flight, "4");
    let (mut shell, outgoing) = Shell::start(&flight, 2_000).unwrap();
    assert_eq!(outgoing.wait_ms, 4_000);
    shell.attempt.hear(6_500);
    shell.headers(200, false);
    assert_eq!(shell.attempt.deadline_ms(), Some(11_000), "five seconds from when it was sent");
    shell.attempt.hear(7_000);
    shell.body(CLAUDE_STREAM, true);
    let endings = endings_of(&flight);
    assert!(served(&endings[1..]), "{endings:?}");
    assert_eq!((endings[1].first_token_ms, endings[1].took_ms), (Some(1_000), 1_000));
}

#[test]
fn a_wait_that_leaves_no_time_for_an_answer_is_not_begun() {
    for (timeout_s, next, wait_ms) in [(60, "claude-1", 4_000), (8, "claude-1", 4_000), (7, "open", 0), (2, "open", 0)]
    {
        let mut brief = (*config().config).clone();
        brief.router.timeout_ms = Some(timeout_s * 1_000);
        let flight = depart(&Rc::new(Setup::new(brief).unwrap()), "claude", false, 1);
        refuse(&flight, "4");
        assert!(flight.borrow().next_cluster().starts_with(next), "{timeout_s} s");
        assert_eq!(Shell::start(&flight, 2_000).unwrap().1.wait_ms, wait_ms, "{timeout_s} s");
    }
    let mut brief = (*config().config).clone();
    brief.router.timeout_ms = Some(600);
    let flight = depart(&Rc::new(Setup::new(brief).unwrap()), "lone", false, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(500, true);
    assert_eq!(Shell::start(&flight, 1_100).unwrap().1.wait_ms, 300, "a backoff is as long as there is time for it");
}

#[test]
fn an_answer_whose_body_does_not_come_is_a_timeout_and_not_asked_for_again_at_the_same_place() {
    let flight = depart(&config(), "claude", false, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(b"  ", false);
    assert_eq!(flight.borrow().next_cluster(), "claude-1", "a lost connection is made again");
    assert_eq!(shell.attempt.deadline_ms(), Some(60_700));
    shell.wake();
    assert!(flight.borrow().next_cluster().starts_with("open"));
    shell.body(CLAUDE_ANSWER, true);
    assert_eq!(shell.state, State::Passed, "it came after all");
}

#[test]
fn an_error_whose_body_does_not_come_is_judged_by_what_there_is() {
    for (status, next) in [(529, "open"), (401, "open"), (500, "claude-1")] {
        let flight = depart(&config(), "claude", false, 1);
        let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
        shell.headers(status, false);
        shell.body(b"  ", false);
        assert_eq!(shell.attempt.deadline_ms(), Some(2_500));
        shell.wake();
        assert_eq!(shell.state, State::Retried);
        assert!(flight.borrow().next_cluster().starts_with(next), "{status}");
    }
    let flight = depart(&config(), "lone", false, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(401, false);
    shell.wake();
    assert_eq!(shell.status.as_deref(), Some("502"), "where nothing is left, the client is told at once");
    assert!(failed(&endings_of(&flight)));
}

#[test]
fn a_client_that_leaves_after_the_last_word_was_served() {
    for (model, stream) in [("lone", OPENAI_STREAM), ("lone-claude", CLAUDE_STREAM)] {
        // The last word is whole a line before its end.
        for at in 0..stream.len() - 1 {
            let flight = depart(&config(), model, true, 1);
            let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
            shell.headers(200, false);
            shell.body(&stream[..at], false);
            flight.borrow_mut().finish(false);
            let endings = endings_of(&flight);
            assert_eq!(endings[0].outcome, Outcome::Abandoned, "{model} at {at}");
            // Anthropic tells of the prompt first, and bills it.
            let told = model == "lone-claude" && stream[..at].windows(2).any(|ends| ends == b"\n\n");
            assert!(!told || endings[0].cost.is_some(), "{model} at {at}");
        }
        let flight = depart(&config(), model, true, 1);
        let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
        shell.headers(200, false);
        shell.body(stream, false);
        flight.borrow_mut().finish(false);
        let endings = endings_of(&flight);
        assert!(served(&endings) && endings[0].usage.is_some(), "{model}: {endings:?}");
    }

    let flight = depart(&complete(), "open", true, 1);
    let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
    shell.headers(200, false);
    shell.body(OPENAI_STREAM, false);
    assert_eq!(
        (shell.state, shell.client.as_slice()),
        (State::Passed, OPENAI_STREAM),
        "nor does it wait for more if all is held"
    );
}

#[test]
fn a_held_stream_that_is_let_go_at_last_loses_nothing() {
    for at in 0..OPENAI_STREAM.len() {
        let flight = depart(&config(), "lone", true, 1);
        let (mut shell, _) = Shell::start(&flight, 1_000).unwrap();
        let (head, tail) = OPENAI_STREAM.split_at(at);
        shell.headers(200, false);
        shell.body(head, false);
        if shell.state == State::Waiting {
            shell.wake();
        }
        shell.body(tail, true);
        assert_eq!(shell.state, State::Passed, "at {at}");
        assert_eq!(shell.client, OPENAI_STREAM, "at {at}");
        assert!(served(&endings_of(&flight)));
    }
}

#[test]
fn every_attempt_starts_from_the_original() {
    let flight = depart(&config(), "open", false, 3);
    let original = flight.borrow().body().to_vec();
    let mut known_length = None;
    for _ in 0..3 {
        let cluster = flight.borrow().next_cluster().to_owned();
        let (mut shell, outgoing) = Shell::start(&flight, 1_000).unwrap();
        let mut body = original.clone();
        match outgoing.body {
            Edit::Keep => {}
            Edit::Prefix(end, bytes) => drop(body.splice(..end, bytes)),
            Edit::Whole(bytes) => body = bytes,
            Edit::Append(bytes) => body.extend(bytes),
        }
        let sent: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let claude = cluster == "claude-1";
        assert_eq!(sent["model"], if claude { "claude-haiku-4-5" } else { "served" });
        assert_eq!(sent.get("max_tokens").is_some(), claude);
        let length = outgoing.headers.iter().find(|(name, _)| *name == "content-length").map(|(_, length)| length);
        known_length = length.cloned().or(known_length);
        assert_eq!(known_length, Some(body.len().to_string()), "all attempts share one map of headers");
        assert_eq!(flight.borrow().body(), original);
        shell.headers(401, false);
        shell.body(b"{}", true);
    }
    assert!(flight.borrow().body().is_empty(), "the client has its answer");
    assert_eq!(endings_of(&flight).len(), 3);
}

/// Random events, as an adversary would send them. Nothing panics, every attempt ends once, and an answer that was let go is
/// neither taken back nor followed by another.
#[test]
fn random_events_never_break_the_rules() {
    let config = config();
    let mut random = Random::new(0xF11_6A7);
    let mut below = |bound: usize| usize::try_from(random.next() % u64::try_from(bound).unwrap()).unwrap();
    let junk: [&[u8]; 8] = [
        b"",
        b"{",
        b"\xff\xfe",
        b"data: {not json\n\n",
        b"data: [DONE]\n\n",
        b"<html>",
        b"\n\n",
        b"event: error\ndata: {}\n\n",
    ];
    let sources: [&[u8]; 6] =
        [OPENAI_STREAM, CLAUDE_STREAM, CLAUDE_BROKEN, CLAUDE_TRUNCATED, CLAUDE_ANSWER, OPENAI_ANSWER];
    let mut seen = [0_u32; 4];
    for round in 0..6_000 {
        let model = ["open", "claude", "lone", "lone-claude"][below(4)];
        let flight = depart(&config, model, below(2) == 0, round);
        let mut attempts = 0;
        let mut endings = Vec::new();
        let mut now_ms = 1_000;
        let mut done = false;
        while !done {
            attempts += 1;
            assert!(attempts <= 12, "the retries end");
            now_ms += u64::try_from(below(3_000)).unwrap();
            let Ok((mut shell, _)) = Shell::start(&flight, now_ms) else {
                attempts -= 1;
                break;
            };
            let source = sources[below(6)];
            let mut from = 0;
            let mut has_head = false;
            for _ in 0..=below(12) {
                match below(8) {
                    0 => shell.wake(),
                    1 if !has_head => {
                        has_head = true;
                        let ends = below(6) == 0;
                        shell.headers(
                            [200, 200, 200, 201, 204, 301, 400, 401, 404, 413, 429, 500, 503][below(13)],
                            ends,
                        );
                        done |= ends && shell.state == State::Passed;
                    }
                    2 if has_head => shell.body(junk[below(8)], false),
                    _ if has_head => {
                        let to = (from + below(400)).min(source.len());
                        let ends = to == source.len();
                        shell.body(&source[from..to], ends);
                        from = to;
                        done |= ends;
                    }
                    _ => {}
                }
                if shell.state == State::Retried || done {
                    break;
                }
            }
            endings.extend(endings_of(&flight));
            match shell.state {
                State::Retried => seen[0] += 1,
                State::Passed | State::CutOff => {
                    seen[1] += 1;
                    assert!(flight.borrow().is_answered());
                    done = true;
                }
                State::Waiting if below(2) == 0 && !flight.borrow().next_cluster().is_empty() => seen[2] += 1, // reset: Envoy retries
                State::Waiting => {
                    seen[3] += 1;
                    if below(2) == 0 {
                        let reply = flight.borrow_mut().abort(below(2) == 0, now_ms);
                        assert!(
                            reply.status >= 400 && serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok()
                        );
                    }
                    done = true;
                }
            }
        }
        flight.borrow_mut().finish(below(2) == 0);
        flight.borrow_mut().finish(true);
        endings.extend(endings_of(&flight));
        assert_eq!(endings.len(), attempts, "{model}: one ending an attempt: {endings:?}");
    }
    assert!(seen.iter().all(|times| *times > 200), "every way was taken: {seen:?}");
}
