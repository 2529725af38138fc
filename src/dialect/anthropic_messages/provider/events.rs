//! A stream of Anthropic's events: to ours.
//!
//! Events are told apart by the `type` in their JSON, not by the event line, which some gateways lose. Blocks are numbered by
//! Anthropic over all kinds, by us over those that are the client's business: the open blocks are kept by Anthropic's number.
//!
//! **Invariant:** nothing that follows the end or an error counts; an end of bytes before `message_stop` is an error, and so is
//! `message_stop` where nothing was said: neither text, thinking or a call, nor, of a message that began, why it ended. An event
//! that is not JSON is left out, but one that is known and cannot be read, or that is not UTF-8, ends the answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::JSON_TOOL;
use super::answer::{gave_up, is_error, refusal};
use super::frame::{Event as Told, Kind, Piece, Start};
use super::usage::{Counts, stop_reason};
use crate::chat::{Begun, Delta, Event, Usage};
use crate::dialect::framing::sse::Frame;
use crate::dialect::no_answer::{is_breakdown, no_answer, not_text, truncated, unreadable};
use crate::dialect::ordered::Ordered;
use crate::dialect::reader_scan::KnowingReader;
use crate::dialect::{AnswerContext, EventReader};
use crate::failure;

/// How much is kept of an event of no known kind, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

type Each<'e> = &'e mut dyn FnMut(Event<'_>);

/// What events mean, one after the other.
#[derive(Default)]
pub struct Reader {
    provider: &'static str,
    open: Ordered<u64, Open>,
    /// How many blocks have begun.
    blocks: usize,
    /// Something of the answer has come.
    said: bool,
    counts: Counts,
    /// The id of the message that `message_start` began.
    started: Option<String>,
    /// The end or a failure has come.
    over: bool,
    /// The last event of no known kind: what the provider had to say if no answer comes.
    odd: Vec<u8>,
}

/// A block that has begun: our number of it, and what it is.
struct Open {
    block: usize,
    kind: Of,
}

enum Of {
    Text,
    Thinking,
    Call {
        /// Its input is the answer, in the shape of a schema.
        is_answer: bool,
        /// Its arguments as they stood at its beginning, until a piece of them comes.
        whole: Option<String>,
        /// A piece of its arguments came.
        said: bool,
    },
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        Self { provider: context.provider, ..Self::default() }
    }

    /// Something of an answer, or its end.
    pub(in crate::dialect) fn tell(&mut self, event: Event<'_>, each: Each<'_>) {
        if !self.over {
            self.over = matches!(event, Event::Failed(_) | Event::End);
            each(event);
        }
    }

    fn fail(&mut self, failure: crate::chat::Failure, each: Each<'_>) {
        self.tell(Event::Failed(failure), each);
    }

    /// Reads one event. Whether it is one of the dialect's.
    fn event(&mut self, frame: &Frame<'_>, each: Each<'_>) -> bool {
        let Some(data) = frame.data.as_deref() else {
            if frame.is_comment() {
                self.tell(Event::Ping, each);
            }
            return true;
        };
        let event = match std::str::from_utf8(data) {
            Ok(text) => serde_json::from_str::<Told<'_>>(text),
            // The last frame, which ends in the middle of a letter.
            Err(error) if error.error_len().is_none() && !frame.is_whole() => {
                self.leave_out(b"", each);
                return false;
            }
            Err(_) => {
                self.fail(not_text(), each);
                return true;
            }
        };
        let Ok(event) = event else {
            self.leave_out(data, each);
            return false;
        };
        if event.r#type == "error" || frame.event == b"error" || is_error(event.error, event.base_resp) {
            self.fail(failure::in_band(self.provider, data), each);
            return true;
        }
        let index = parsed(event.index).unwrap_or_default();
        match event.r#type.as_ref() {
            "message_start" => self.start(event.message, each),
            "content_block_start" => {
                if let Some(block) = self.piece(event.content_block, each) {
                    self.block(index, block, each);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = self.piece(event.delta, each) {
                    self.delta(index, delta, each);
                }
            }
            "content_block_stop" => self.stop(index, each),
            "message_delta" => {
                self.count(event.usage, each);
                if let Some(delta) = self.piece(event.delta, each) {
                    self.ends(delta, each);
                }
            }
            "message_stop" => self.finish(each),
            "ping" => self.tell(Event::Ping, each),
            _ => {
                self.keep(data);
                return false;
            }
        }
        true
    }

    /// Why the message ended, which alone is an answer too, of one that began.
    pub(in crate::dialect) fn ends(&mut self, delta: Piece<'_>, each: Each<'_>) {
        let Piece { stop_reason: Some(reason), stop_details, .. } = delta else { return };
        if self.started.is_none() && !self.said {
            return;
        }
        if is_breakdown(&reason) {
            return self.fail(gave_up(), each);
        }
        if let Some(why) = stop_details.and_then(|details| refusal(&reason, details)) {
            let block = self.begin(Begun::Refusal, each);
            self.tell(Event::Delta(block, Delta::Text(why)), each);
            self.tell(Event::BlockStop(block), each);
        }
        self.said = true;
        self.tell(Event::Stop(stop_reason(&reason)), each);
    }

    /// The message is over. Nothing follows.
    pub(in crate::dialect) fn finish(&mut self, each: Each<'_>) {
        if !self.said {
            let failure = no_answer(self.provider, &self.odd, "the stream ended without an answer");
            return self.fail(failure, each);
        }
        while let Some(index) = self.open.first() {
            self.stop(index, each);
        }
        self.tell(Event::End, each);
    }

    fn leave_out(&mut self, data: &[u8], each: Each<'_>) {
        self.tell(Event::LeftOut, each);
        self.keep(data);
    }

    /// Keeps what an event says that is none of the dialect.
    fn keep(&mut self, data: &[u8]) {
        let end = data.len().min(MAX_ODD_BYTES);
        self.odd.clear();
        self.odd.extend_from_slice(data.get(..end).unwrap_or_default());
    }

    /// A member that holds a block or a piece of one. Of a kind that is not known here it may have any form.
    fn piece<'a>(&mut self, raw: Option<&'a RawValue>, each: Each<'_>) -> Option<Piece<'a>> {
        let raw = raw?.get();
        match serde_json::from_str(raw) {
            Ok(piece) => Some(piece),
            Err(_) if serde_json::from_str::<Kind<'_>>(raw).is_ok_and(|kind| !kind.is_known()) => None,
            Err(_) => {
                self.fail(unreadable("an event of the stream cannot be read"), each);
                None
            }
        }
    }

    fn start(&mut self, message: Option<&RawValue>, each: Each<'_>) {
        let Start { id, model, usage } = parsed(message).unwrap_or_default();
        self.begins(id.unwrap_or_default(), model.unwrap_or_default(), each);
        self.count(usage, each);
    }

    /// The message begins, under the provider's id and its name of the model.
    pub(in crate::dialect) fn begins(&mut self, id: Cow<'_, str>, model: Cow<'_, str>, each: Each<'_>) {
        // A message that begins within another: what follows is not the answer that the client has the beginning of.
        if self.said || self.started.as_ref().is_some_and(|started| *started != id) {
            return self.fail(unreadable("another message began within the answer"), each);
        }
        self.started = Some(id.clone().into_owned());
        self.tell(Event::Start { id, model }, each);
    }

    fn count(&mut self, usage: Option<&RawValue>, each: Each<'_>) {
        let Some(newer) = parsed::<Counts>(usage) else { return };
        self.counts.update(newer);
        self.tell(Event::Usage(Usage::from(self.counts)), each);
    }

    /// Begins a block.
    fn begin(&mut self, begun: Begun<'_>, each: Each<'_>) -> usize {
        let block = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        self.tell(Event::BlockStart(block, begun), each);
        block
    }

    fn open(&mut self, index: u64, kind: Of, begun: Begun<'_>, each: Each<'_>) {
        let block = self.begin(begun, each);
        self.open.insert(index, Open { block, kind });
    }

    /// A block begins.
    pub(in crate::dialect) fn block(&mut self, index: u64, block: Piece<'_>, each: Each<'_>) {
        // A block that was not said to be over ends where another one takes its number.
        self.stop(index, each);
        match block.r#type.as_ref() {
            "text" => {
                self.open(index, Of::Text, Begun::Text, each);
                self.text(index, block.text, each);
            }
            "thinking" => {
                self.open(index, Of::Thinking, Begun::Thinking, each);
                self.thought(index, block, each);
            }
            "redacted_thinking" => {
                self.said = true;
                let block = self.begin(Begun::RedactedThinking(block.data), each);
                self.tell(Event::BlockStop(block), each);
            }
            // Anthropic's own `input` is an empty object here, and the arguments follow; compatible servers may say all of them here.
            "tool_use" => {
                let whole = block.input.map(RawValue::get).filter(|input| !is_empty(input)).map(str::to_owned);
                let is_answer = block.name == JSON_TOOL;
                let begun = match is_answer {
                    true => Begun::Text,
                    false => Begun::ToolCall { id: block.id, name: block.name },
                };
                self.said |= !is_answer;
                self.open(index, Of::Call { is_answer, whole, said: false }, begun, each);
            }
            // Not the client's business: a tool that runs at the provider has begun, or has a result.
            _ => self.tell(Event::Opaque, each),
        }
    }

    /// A piece of a block came.
    pub(in crate::dialect) fn delta(&mut self, index: u64, delta: Piece<'_>, each: Each<'_>) {
        match delta.r#type.as_ref() {
            "text_delta" => self.text(index, delta.text, each),
            "thinking_delta" | "signature_delta" => self.thought(index, delta, each),
            "input_json_delta" => self.input(index, delta.partial_json, each),
            _ => self.tell(Event::Opaque, each),
        }
    }

    /// A piece of a call's input.
    fn input(&mut self, index: u64, part: Cow<'_, str>, each: Each<'_>) {
        if part.is_empty() {
            return;
        }
        match self.open.get_mut(&index) {
            // Whitespace alone is no beginning.
            Some(Open { kind: Of::Call { said: false, .. }, .. }) if part.trim().is_empty() => {}
            Some(Open { block, kind: Of::Call { is_answer, said, .. } }) => {
                *said = true;
                let (block, is_answer) = (*block, *is_answer);
                return self.arguments(block, is_answer, part, each);
            }
            // A tool that runs at the provider.
            _ => {}
        }
        self.tell(Event::Opaque, each);
    }

    /// Arguments of a call, or of the tool whose input is the answer.
    fn arguments(&mut self, block: usize, is_answer: bool, part: Cow<'_, str>, each: Each<'_>) {
        self.said |= is_answer && !part.is_empty();
        let delta = if is_answer { Delta::Text(part) } else { Delta::Arguments(part) };
        self.tell(Event::Delta(block, delta), each);
    }

    /// A piece of text. Some compatible servers do not announce a block.
    fn text(&mut self, index: u64, text: Cow<'_, str>, each: Each<'_>) {
        if text.is_empty() {
            return;
        }
        if !matches!(self.open.get(&index), Some(Open { kind: Of::Text, .. })) {
            self.stop(index, each);
            self.open(index, Of::Text, Begun::Text, each);
        }
        self.said = true;
        let block = self.open.get(&index).map_or(0, |open| open.block);
        self.tell(Event::Delta(block, Delta::Text(text)), each);
    }

    fn thought(&mut self, index: u64, piece: Piece<'_>, each: Each<'_>) {
        if piece.thinking.is_empty() && piece.signature.is_empty() {
            return;
        }
        if !matches!(self.open.get(&index), Some(Open { kind: Of::Thinking, .. })) {
            self.stop(index, each);
            self.open(index, Of::Thinking, Begun::Thinking, each);
        }
        self.said = true;
        let block = self.open.get(&index).map_or(0, |open| open.block);
        if !piece.thinking.is_empty() {
            self.tell(Event::Delta(block, Delta::Thinking(piece.thinking)), each);
        }
        if !piece.signature.is_empty() {
            self.tell(Event::Delta(block, Delta::Signature(piece.signature)), each);
        }
    }

    /// A block is over.
    pub(in crate::dialect) fn stop(&mut self, index: u64, each: Each<'_>) {
        let Some(Open { block, kind }) = self.open.remove(&index) else { return };
        if let Of::Call { is_answer, whole, said: false } = kind {
            match whole {
                Some(whole) => self.arguments(block, is_answer, Cow::Owned(whole), each),
                // An answer without members.
                None if is_answer => self.arguments(block, true, Cow::Borrowed("{}"), each),
                None => {}
            }
        }
        self.tell(Event::BlockStop(block), each);
    }
}

impl KnowingReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) -> bool {
        self.event(frame, each)
    }
}

impl EventReader for Reader {
    fn frame(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) {
        self.event(frame, each);
    }

    fn end(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        let failure = truncated(self.provider, &self.odd, "the stream ended before the answer did");
        self.fail(failure, each);
    }

    fn kept(&self) -> usize {
        let of_block = |open: &Open| match &open.kind {
            Of::Call { whole, .. } => whole.as_ref().map_or(0, String::capacity),
            _ => 0,
        };
        self.open.iter().map(|(_, open)| of_block(open)).sum()
    }
}

/// Whether it is an object without members, or `null`.
fn is_empty(input: &str) -> bool {
    input.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}')) || input == "null"
}

fn parsed<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}
