//! Looks through a stream of OpenAI's dialect: what each frame shows, and what becomes of it where the client speaks the same.
//!
//! A frame that is not JSON is left out (clients break on it), an event that only says that the provider is there becomes a comment, an
//! error ends the stream, and so do bytes that are not UTF-8; a missing `[DONE]` is added to a complete answer. What clients would misread in a
//! chunk is put right by [`Repair`].
//!
//! **Invariant:** a stream that was cut off is a failure, and so is one that holds no answer. An answer is text, thinking, a call, a refusal,
//! audio, or a finish reason alone.

use super::failed;
use super::repair::{Known, Repair};
use super::scan;
use crate::chat::Failure;
use crate::dialect::framing::sse::Frame;
use crate::dialect::no_answer::{no_answer, not_text, truncated};
use crate::dialect::verbatim::{Ending, Fate, Scanner};
use crate::dialect::{AnswerContext, Awaited, StreamFacts};
use crate::failure;

/// The last word.
const DONE: &[u8] = b"data: [DONE]\n\n";
/// How much is kept of an event that is no chunk, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

/// What was read of the stream so far.
#[derive(Default)]
pub struct StreamScan {
    facts: StreamFacts,
    /// Any event has come.
    begun: bool,
    /// The choices seen, a bit for each index.
    choices: u128,
    /// Those of them that ended.
    finished: u128,
    /// Those that call a tool.
    calling: u128,
    /// Puts chunks right, where the client speaks the same dialect.
    repair: Option<Box<Repair>>,
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

impl StreamScan {
    /// Starts reading.
    #[must_use]
    pub fn new(context: &AnswerContext) -> Self {
        let AnswerContext { hide_usage, provider, awaited, .. } = *context;
        let repair = Some(Box::new(Repair::new(context)));
        Self { hide_usage, provider, awaited, repair, ..Self::default() }
    }

    /// Starts reading a chat for a client of another dialect.
    #[must_use]
    pub fn of_chat(context: &AnswerContext) -> Self {
        Self { provider: context.provider, hide_usage: context.hide_usage, ..Self::default() }
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
        let Some(shown) = scan::read(text.as_bytes(), !(self.progressed && self.facts.meaningful), self.awaited) else {
            return if is_ping { Fate::Ping } else { self.leave_out(data) };
        };
        if let Some(failure) = failed(self.provider, &shown, data) {
            return Fate::Fail(failure);
        }
        if !shown.chunk {
            if is_ping || shown.ping {
                return Fate::Ping;
            }
            self.keep(data);
        }
        // Azure begins with what its filter thinks of the prompt; clients stumble over the empty id and choices.
        if shown.no_id && (shown.prompt_filter && shown.choices == 0 || shown.silent && shown.usage.is_none()) {
            return Fate::LeaveOut;
        }
        self.choices |= shown.choices;
        self.finished |= shown.finished;
        self.calling |= shown.calling;
        self.facts.complete = self.finished != 0 && self.choices == self.finished;
        self.facts.meaningful |= shown.meaningful;
        // Some repeat what was used in every chunk, also in empty ones.
        let is_new_usage = shown.usage.is_some() && shown.usage != self.facts.usage;
        self.progressed |= shown.meaningful || is_new_usage;
        self.facts.usage = shown.usage.or(self.facts.usage);
        if self.hide_usage && shown.usage.is_some() && shown.choices == 0 {
            return Fate::LeaveOut;
        }
        let known = Known { complete: self.facts.complete, calling: self.calling, finished: self.finished };
        match self.repair.as_mut().and_then(|repair| repair.chunk(data, &shown, known)) {
            None => Fate::Pass,
            Some(bytes) => Fate::Replace(bytes),
        }
    }

    /// The provider's last word: an answer has come, or never will.
    fn done(&mut self) -> Fate {
        let is_broken = !self.facts.complete && !self.odd.is_empty();
        if !self.facts.meaningful || is_broken {
            return Fate::Fail(no_answer(self.provider, &self.odd, "the provider's stream ended without an answer"));
        }
        (self.facts.done, self.facts.complete, self.progressed) = (true, true, true);
        let mut owed = self.owed();
        if owed.is_empty() {
            return Fate::Pass;
        }
        owed.extend_from_slice(DONE);
        Fate::Replace(owed)
    }

    /// What is missing before the last word.
    fn owed(&mut self) -> Vec<u8> {
        let (open, calling) = (self.choices & !self.finished, self.calling);
        self.repair.as_mut().map(|repair| repair.owed(open, calling)).unwrap_or_default()
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

impl Scanner for StreamScan {
    fn frame(&mut self, frame: &Frame<'_>) -> Fate {
        let fate = match &frame.data {
            Some(_) if self.facts.done => Fate::Pass,
            Some(data) => self.read(frame, data),
            None if frame.event == b"error" => Fate::Fail(failure::in_band(self.provider, b"")),
            None if std::str::from_utf8(frame.raw).is_err() => Fate::Ping,
            None => Fate::Pass,
        };
        self.progressed |= matches!(fate, Fate::Fail(_));
        fate
    }

    fn scrap(&mut self, frame: &Frame<'_>) -> Option<Failure> {
        if self.begun {
            return None;
        }
        if is_document(frame.raw) {
            return Some(failure::in_band(self.provider, frame.raw));
        }
        if !frame.is_comment() {
            self.keep(frame.raw);
        }
        None
    }

    fn end(&mut self) -> Ending {
        if !self.facts.complete {
            let what = "the provider's stream ended before its answer was complete";
            return Ending::Failed(truncated(self.provider, &self.odd, what));
        }
        if self.facts.done {
            return Ending::Owes(Vec::new());
        }
        let mut owed = self.owed();
        owed.extend_from_slice(DONE);
        Ending::Owes(owed)
    }

    fn facts(&self) -> &StreamFacts {
        &self.facts
    }

    fn facts_mut(&mut self) -> &mut StreamFacts {
        &mut self.facts
    }

    fn kept(&self) -> usize {
        self.repair.as_ref().map_or(0, |repair| repair.kept())
    }

    fn begin_push(&mut self) {
        self.progressed = false;
    }

    fn progressed(&self) -> bool {
        self.progressed
    }
}

/// Whether the provider answered with JSON or a page instead of events.
fn is_document(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'))
}
