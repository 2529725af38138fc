//! A stream of OpenAI's dialect on its way to a client of the same dialect: read, but passed on as it came.
//!
//! Whole good frames pass without a copy. Only faults are rewritten: a frame that is not JSON is left out (clients break on
//! it), an event that only says that the provider is there becomes a comment, an error becomes an error of our shape and ends the
//! stream, and so do bytes that are not UTF-8; a missing `[DONE]` is added to a complete answer.
//!
//! **Invariant:** a stream that was cut off never looks complete, nor does one that holds no answer: it ends with an error event
//! and without `[DONE]`. An answer is text, thinking, a call, a refusal, audio, or a finish reason alone.

use super::failed;
use super::scan;
use crate::chat::{Failure, FailureClass};
use crate::dialect::framing::sse::{Cutter, Frame};
use crate::dialect::no_answer::{no_answer, not_text, truncated};
use crate::dialect::openai_chat::client::{chunk, error};
use crate::dialect::{AnswerContext, AnswerStream, Awaited, Passed, StreamFacts};
use crate::failure;

/// How much is kept of an event that is no chunk, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

/// A streamed answer of an OpenAI-compatible provider.
#[derive(Debug, Default)]
pub struct Stream {
    cutter: Cutter,
    reader: Reader,
}

/// What was read of the stream so far.
#[derive(Debug, Default)]
struct Reader {
    facts: StreamFacts,
    /// Any event has come.
    begun: bool,
    /// The choices seen, a bit for each index.
    choices: u128,
    /// Those of them that ended.
    finished: u128,
    /// The chunk that holds nothing but usage is for the gateway alone.
    hide_usage: bool,
    /// An event since the last push began moved the answer on. The deltas that follow it are not looked into.
    progressed: bool,
    /// Whose stream it is.
    provider: &'static str,
    /// What its client waits for.
    awaited: Awaited,
    /// The last event that was no chunk: what the provider had to say if no answer comes.
    odd: Vec<u8>,
}

impl Stream {
    /// Starts reading.
    #[must_use]
    pub fn new(context: &AnswerContext) -> Self {
        let AnswerContext { hide_usage, provider, awaited, .. } = *context;
        Self { reader: Reader { hide_usage, provider, awaited, ..Reader::default() }, ..Self::default() }
    }
}

/// What becomes of a frame.
enum Fate {
    Pass,
    LeaveOut,
    /// It says that the provider is there, in a way that clients may not understand.
    Ping,
    Fail(Failure),
}

impl Reader {
    /// Reads a frame, and passes it on, leaves it out, or ends the stream with it. Whether it passed.
    fn take(&mut self, frame: &Frame<'_>, way: &mut Way<'_>) -> bool {
        let fate = match &frame.data {
            _ if self.facts.failure.is_some() => Fate::LeaveOut,
            Some(_) if self.facts.done => Fate::Pass,
            Some(data) => self.read(frame, data),
            None if frame.event == b"error" => Fate::Fail(failure::in_band(self.provider, b"")),
            None if std::str::from_utf8(frame.raw).is_err() => Fate::Ping,
            None => Fate::Pass,
        };
        match fate {
            Fate::Pass => {
                way.pass(frame.raw);
                return true;
            }
            Fate::LeaveOut => way.rewrite(),
            Fate::Ping => {
                way.rewrite();
                way.out.extend_from_slice(chunk::PING);
            }
            Fate::Fail(failure) => {
                way.rewrite();
                self.fail(failure, way.out);
            }
        }
        false
    }

    fn read(&mut self, frame: &Frame<'_>, data: &[u8]) -> Fate {
        self.begun = true;
        let text = match text(frame, data) {
            Ok(text) => text,
            Err(Unreadable::Cut) => return self.leave_out(b""),
            Err(Unreadable::NotText) => return Fate::Fail(not_text()),
        };
        if text.trim_ascii_start().starts_with("[DONE]") {
            return self.done();
        }
        if frame.event == b"error" {
            return Fate::Fail(failure::in_band(self.provider, data));
        }
        let is_ping = matches!(frame.event, b"ping" | b"keepalive" | b"keep-alive" | b"heartbeat");
        let Some(sight) = scan::read(text, !(self.progressed && self.facts.meaningful), self.awaited) else {
            return if is_ping { Fate::Ping } else { self.leave_out(data) };
        };
        if let Some(failure) = failed(self.provider, &sight, data) {
            return Fate::Fail(failure);
        }
        if !sight.chunk {
            if is_ping || sight.ping {
                return Fate::Ping;
            }
            self.keep(data);
        }
        // Azure begins with what its filter thinks of the prompt; clients stumble over the empty id and choices.
        if sight.prompt_filter && sight.no_id && sight.choices == 0 {
            return Fate::LeaveOut;
        }
        self.choices |= sight.choices;
        self.finished |= sight.finished;
        self.facts.complete = self.finished != 0 && self.choices == self.finished;
        self.facts.meaningful |= sight.meaningful;
        // Some repeat what was used in every chunk, also in empty ones.
        let is_new_usage = sight.usage.is_some() && sight.usage != self.facts.usage;
        self.progressed |= sight.meaningful || is_new_usage;
        self.facts.usage = sight.usage.or(self.facts.usage);
        if self.hide_usage && sight.usage.is_some() && sight.choices == 0 {
            return Fate::LeaveOut;
        }
        Fate::Pass
    }

    /// The provider's last word: an answer has come, or never will.
    fn done(&mut self) -> Fate {
        let is_broken = !self.facts.complete && !self.odd.is_empty();
        if !self.facts.meaningful || is_broken {
            return Fate::Fail(no_answer(self.provider, &self.odd, "the provider's stream ended without an answer"));
        }
        (self.facts.done, self.facts.complete, self.progressed) = (true, true, true);
        Fate::Pass
    }

    /// Leaves an event out that is not JSON.
    fn leave_out(&mut self, data: &[u8]) -> Fate {
        self.facts.dropped_events = self.facts.dropped_events.saturating_add(1);
        self.keep(data);
        Fate::LeaveOut
    }

    /// Keeps what an event says that is no chunk.
    fn keep(&mut self, data: &[u8]) {
        let end = data.len().min(MAX_ODD_BYTES);
        self.odd.clear();
        self.odd.extend_from_slice(data.get(..end).unwrap_or_default());
    }

    /// Ends the stream with an error event.
    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        out.extend_from_slice(&error::event(&failure::api_error(&failure)));
        self.facts.failure = Some(failure);
        self.progressed = true;
    }
}

enum Unreadable {
    /// The last frame, which ends in the middle of a letter.
    Cut,
    NotText,
}

/// The data of a frame, all of which must be UTF-8: clients break on any other line of it, too.
fn text<'a>(frame: &Frame<'_>, data: &'a [u8]) -> Result<&'a str, Unreadable> {
    let text = std::str::from_utf8(data).map_err(|error| match error.error_len() {
        None if !frame.is_whole() => Unreadable::Cut,
        _ => Unreadable::NotText,
    })?;
    let is_all = frame.raw.len() <= b"data: \n\n".len() + data.len();
    if is_all || std::str::from_utf8(frame.raw).is_ok() { Ok(text) } else { Err(Unreadable::NotText) }
}

/// The way out: as long as everything passes, the bytes that came are the output, and nothing is copied.
struct Way<'a> {
    /// The bytes that came.
    bytes: &'a [u8],
    /// How many of them, from their beginning, pass.
    passed: usize,
    /// The output is no longer the beginning of the bytes.
    rewriting: bool,
    out: &'a mut Vec<u8>,
}

impl Way<'_> {
    fn pass(&mut self, raw: &[u8]) {
        if self.rewriting {
            self.out.extend_from_slice(raw);
        } else {
            self.passed += raw.len();
        }
    }

    /// From here on, the output is what is appended to it.
    fn rewrite(&mut self) {
        if !self.rewriting {
            self.out.extend_from_slice(self.bytes.get(..self.passed).unwrap_or_default());
            self.rewriting = true;
        }
    }

    fn finish(mut self) -> Passed {
        if !self.rewriting && self.passed == self.bytes.len() {
            return Passed::Unchanged;
        }
        self.rewrite();
        Passed::Rewritten
    }
}

impl AnswerStream for Stream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let Self { cutter, reader } = self;
        reader.progressed = false;
        if reader.facts.failure.is_some() {
            return Passed::Rewritten;
        }
        let mut way = Way { bytes, passed: 0, rewriting: !cutter.is_empty(), out };
        let cut = cutter.push(bytes, |frame| _ = reader.take(&frame, &mut way));
        if cut.is_err() && reader.facts.failure.is_none() {
            way.rewrite();
            let message = "the provider sent an event that is too long to be read";
            reader.fail(failure::own(FailureClass::Upstream, "event_too_long", message), way.out);
        }
        way.finish()
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Self { cutter, reader } = self;
        reader.progressed = false;
        cutter.end(|frame| {
            let mut way = Way { bytes: &[], passed: 0, rewriting: true, out };
            if frame.data.is_some() {
                if reader.take(&frame, &mut way) {
                    // Its blank line may be missing.
                    out.extend_from_slice(b"\n\n");
                }
            } else if !reader.begun && reader.facts.failure.is_none() {
                if is_document(frame.raw) {
                    reader.fail(failure::in_band(reader.provider, frame.raw), out);
                } else if !frame.is_comment() {
                    reader.keep(frame.raw);
                }
            }
        });
        if reader.facts.failure.is_some() {
            return;
        }
        if !reader.facts.complete {
            let what = "the provider's stream ended before its answer was complete";
            reader.fail(truncated(reader.provider, &reader.odd, what), out);
        } else if !reader.facts.done {
            out.extend_from_slice(b"data: [DONE]\n\n");
        }
    }

    fn facts(&self) -> &StreamFacts {
        &self.reader.facts
    }

    fn kept(&self) -> usize {
        self.cutter.kept()
    }

    fn progressed(&self) -> bool {
        self.reader.progressed
    }
}

/// Whether the provider answered with JSON or a page instead of events.
fn is_document(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'))
}
