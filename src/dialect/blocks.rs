//! The events of an answer whose provider numbers no blocks, or not as we do: text and thinking go on until something else begins.
//!
//! **Invariant:** nothing follows the end or a failure; an id is the same however the bytes were cut.

use std::borrow::Cow;

use super::framing::sse::Frame;
use super::gathered::Gathered;
use super::no_answer::{no_answer, not_text, truncated};
use super::{AnswerContext, ids};
use crate::chat::{Answer, Begun, Delta, Event, Failure};

/// How much is kept of an event of no known kind, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

/// What takes events.
pub type Each<'e> = &'e mut dyn FnMut(Event<'_>);

/// A whole answer, of the events that `read` makes of its body.
///
/// # Errors
/// The failure among them, or that they do not come to an end.
pub fn whole(context: &AnswerContext, body: &str, read: impl FnOnce(Each<'_>)) -> Result<Answer<'static>, Failure> {
    let mut gathered = Gathered::default();
    read(&mut |event| gathered.take(event));
    let none = || no_answer(context.provider, body.as_bytes(), "the provider's answer is not whole");
    gathered.end().unwrap_or_else(|| Err(none()))
}

/// The blocks of one answer.
#[derive(Default)]
pub struct Blocks {
    /// Who answers.
    pub provider: &'static str,
    /// What the ids of calls are made of where the provider gives none.
    seed: String,
    started: bool,
    /// The block of text or thinking that is open, and whether it is thinking.
    open: Option<(usize, bool)>,
    count: usize,
    calls: usize,
    /// Something of the answer has come: text, thinking or a call.
    said: bool,
    /// The end or a failure has come.
    over: bool,
    /// The last event of no known kind: what the provider had to say if no answer comes.
    odd: Vec<u8>,
}

impl Blocks {
    /// None has begun.
    pub fn new(context: &AnswerContext) -> Self {
        let seed = format!("{}{}", context.fallback_id, context.now_s);
        Self { provider: context.provider, seed, ..Self::default() }
    }

    /// Whether something of the answer has come.
    pub const fn has_said(&self) -> bool {
        self.said
    }

    /// Tells an event, unless all is over.
    pub fn tell(&mut self, event: Event<'_>, each: Each<'_>) {
        if !self.over {
            self.over = matches!(event, Event::Failed(_) | Event::End);
            each(event);
        }
    }

    /// The answer failed.
    pub fn fail(&mut self, failure: Failure, each: Each<'_>) {
        self.tell(Event::Failed(failure), each);
    }

    /// The answer begins, if it has not.
    pub fn start(&mut self, id: Cow<'_, str>, model: Cow<'_, str>, each: Each<'_>) {
        if !std::mem::replace(&mut self.started, true) {
            self.seed.push_str(&id);
            self.tell(Event::Start { id, model }, each);
        }
    }

    /// A piece of text, or of thinking.
    pub fn text(&mut self, is_thinking: bool, piece: Cow<'_, str>, each: Each<'_>) {
        if piece.is_empty() {
            return;
        }
        self.said = true;
        let block = match self.open {
            Some((block, open)) if open == is_thinking => block,
            _ => {
                self.close(each);
                let block = self.begin(if is_thinking { Begun::Thinking } else { Begun::Text }, each);
                self.open = Some((block, is_thinking));
                block
            }
        };
        let delta = if is_thinking { Delta::Thinking(piece) } else { Delta::Text(piece) };
        self.tell(Event::Delta(block, delta), each);
    }

    /// A call begins. Gives its block.
    pub fn call(&mut self, id: Cow<'_, str>, name: Cow<'_, str>, each: Each<'_>) -> usize {
        self.close(each);
        (self.said, self.calls) = (true, self.calls.saturating_add(1));
        let id = match id.is_empty() {
            true => Cow::Owned(ids::make(&[&self.seed, &self.calls.to_string(), &name])),
            false => id,
        };
        self.begin(Begun::ToolCall { id, name }, each)
    }

    /// A piece of a call's arguments.
    pub fn arguments(&mut self, block: usize, piece: Cow<'_, str>, each: Each<'_>) {
        if !piece.is_empty() {
            self.tell(Event::Delta(block, Delta::Arguments(piece)), each);
        }
    }

    fn begin(&mut self, begun: Begun<'_>, each: Each<'_>) -> usize {
        let block = self.count;
        self.count = self.count.saturating_add(1);
        self.tell(Event::BlockStart(block, begun), each);
        block
    }

    /// The text or thinking that is open is over.
    pub fn close(&mut self, each: Each<'_>) {
        if let Some((block, _)) = self.open.take() {
            self.tell(Event::BlockStop(block), each);
        }
    }

    /// The answer is complete.
    pub fn finish(&mut self, each: Each<'_>) {
        self.close(each);
        self.tell(Event::End, each);
    }

    /// The bytes ended before the answer did.
    pub fn cut_off(&mut self, each: Each<'_>) {
        let failure = truncated(self.provider, &self.odd, "the stream ended before the answer did");
        self.fail(failure, each);
    }

    /// What came is no answer.
    pub fn none(&mut self, body: &str, each: Each<'_>) {
        self.fail(no_answer(self.provider, body.as_bytes(), "the provider's answer holds no answer"), each);
    }

    /// The text of a frame, if it has one that can be read.
    pub fn text_of<'f>(&mut self, frame: &'f Frame<'_>, each: Each<'_>) -> Option<&'f str> {
        let Some(data) = frame.data.as_deref() else {
            if frame.is_comment() {
                self.tell(Event::Ping, each);
            }
            return None;
        };
        match std::str::from_utf8(data) {
            Ok(text) => return Some(text),
            // The last frame, which ends in the middle of a letter.
            Err(error) if error.error_len().is_none() && !frame.is_whole() => self.tell(Event::LeftOut, each),
            Err(_) => self.fail(not_text(), each),
        }
        None
    }

    /// An event that is not JSON is left out.
    pub fn leave_out(&mut self, text: &str, each: Each<'_>) {
        self.tell(Event::LeftOut, each);
        self.keep(text);
    }

    /// Keeps what an event says that is none of the dialect.
    pub fn keep(&mut self, text: &str) {
        let end = text.len().min(MAX_ODD_BYTES);
        self.odd.clear();
        self.odd.extend_from_slice(text.as_bytes().get(..end).unwrap_or_default());
    }
}
