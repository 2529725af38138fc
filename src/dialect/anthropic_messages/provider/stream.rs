//! A streamed answer: Anthropic's events to OpenAI's chunks.
//!
//! Events are told apart by the `type` in their JSON, not by the event line, which some gateways lose. Blocks are numbered by
//! Anthropic over all kinds, calls by OpenAI over calls alone: the open blocks are kept by Anthropic's number.
//!
//! **Invariant:** nothing that follows the end or an error counts; an end of bytes before `message_stop` is an error, and so is
//! `message_stop` where nothing was said: neither text, thinking or a call, nor, of a message that began, why it ended. An event
//! that is not JSON is left out, but one that is known and cannot be read, or that is not UTF-8, ends the answer.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::JSON_TOOL;
use super::answer::{gave_up, is_error, refusal, unreadable};
use super::event::{Event, Kind, Piece, Start};
use super::usage::{Counts, finish_reason};
use crate::chat::{ChatEvent, Failure, FailureClass, FinishReason, ThinkingBlock};
use crate::dialect::framing::sse;
use crate::dialect::no_answer::{is_breakdown, no_answer, not_text, truncated};
use crate::dialect::openai_chat::client::chunk::ChunkWriter;
use crate::dialect::{AnswerContext, AnswerStream, Passed, StreamFacts};
use crate::failure;

/// How much is kept of an event of no known kind, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

/// Starts reading a streamed answer.
#[must_use]
pub fn stream(context: AnswerContext) -> Stream {
    Stream { frames: sse::Cutter::default(), reading: Reading::new(context) }
}

/// A streamed answer on its way.
pub struct Stream {
    frames: sse::Cutter,
    reading: Reading,
}

impl AnswerStream for Stream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let Self { frames, reading } = self;
        reading.progressed = false;
        if !reading.over() && frames.push(bytes, |frame| reading.frame(&frame, out)).is_err() {
            reading.fail(
                failure::own(FailureClass::Upstream, "event_too_long", "an event of the stream is too long"),
                out,
            );
        }
        Passed::Rewritten
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Self { frames, reading } = self;
        reading.progressed = false;
        frames.end(|frame| reading.frame(&frame, out));
        if !reading.over() {
            reading.fail(truncated(reading.provider, &reading.odd, "the stream ended before the answer did"), out);
        }
    }

    fn facts(&self) -> &StreamFacts {
        &self.reading.facts
    }

    fn kept(&self) -> usize {
        let of_block = |open: &Open| match open {
            Open::Thinking { thinking, signature } => thinking.capacity() + signature.capacity(),
            Open::Call { whole, .. } => whole.as_ref().map_or(0, String::capacity),
        };
        self.frames.kept() + self.reading.open.values().map(of_block).sum::<usize>()
    }

    fn progressed(&self) -> bool {
        self.reading.progressed
    }
}

/// What events mean, one after the other.
struct Reading {
    provider: &'static str,
    writer: ChunkWriter,
    facts: StreamFacts,
    open: BTreeMap<u64, Open>,
    calls: usize,
    /// Whether the tool whose input is the answer was called.
    answered: bool,
    counts: Counts,
    /// An event since the last push began moved the answer on.
    progressed: bool,
    /// The id of the message that `message_start` began.
    started: Option<String>,
    /// Why the message ended, until it is over: nothing that comes before that is told after it.
    ended: Option<FinishReason>,
    /// The last event of no known kind: what the provider had to say if no answer comes.
    odd: Vec<u8>,
}

/// A block that has begun.
enum Open {
    Thinking {
        thinking: String,
        signature: String,
    },
    Call {
        /// Its number among calls; `None`: it is the tool whose input is the answer.
        number: Option<usize>,
        /// Its arguments as they stood at its beginning, until a piece of them comes.
        whole: Option<String>,
        /// A piece of its arguments came.
        said: bool,
    },
}

impl Reading {
    fn new(context: AnswerContext) -> Self {
        Self {
            provider: context.provider,
            writer: ChunkWriter::new(context),
            facts: StreamFacts::default(),
            open: BTreeMap::new(),
            calls: 0,
            answered: false,
            counts: Counts::default(),
            progressed: false,
            started: None,
            ended: None,
            odd: Vec::new(),
        }
    }

    const fn over(&self) -> bool {
        self.facts.complete || self.facts.failure.is_some()
    }

    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        self.progressed = true;
        self.facts.failure = Some(failure.clone());
        self.writer.write(ChatEvent::Failed(failure), out);
    }

    fn frame(&mut self, frame: &sse::Frame<'_>, out: &mut Vec<u8>) {
        if self.over() {
            return;
        }
        let Some(data) = frame.data.as_deref() else {
            if frame.is_comment() {
                self.writer.write(ChatEvent::Ping, out);
            }
            return;
        };
        let event = match std::str::from_utf8(data) {
            Ok(text) => serde_json::from_str::<Event<'_>>(text),
            // The last frame, which ends in the middle of a letter.
            Err(error) if error.error_len().is_none() && !frame.is_whole() => return self.leave_out(b""),
            Err(_) => return self.fail(not_text(), out),
        };
        let Ok(event) = event else { return self.leave_out(data) };
        if event.r#type == "error" || frame.event == b"error" || is_error(event.error, event.base_resp) {
            return self.fail(failure::in_band(self.provider, data), out);
        }
        let index = parsed(event.index).unwrap_or_default();
        match event.r#type.as_ref() {
            "message_start" => self.start(event.message, out),
            "content_block_start" => {
                let block = self.piece(event.content_block, out);
                self.block(index, block, out);
            }
            "content_block_delta" => {
                let delta = self.piece(event.delta, out);
                self.delta(index, delta, out);
            }
            "content_block_stop" => self.stop(index, out),
            "message_delta" => {
                self.count(event.usage, out);
                let delta = self.piece(event.delta, out);
                self.end(delta, out);
            }
            "message_stop" => self.finish(out),
            "ping" => self.writer.write(ChatEvent::Ping, out),
            _ => self.keep(data),
        }
    }

    /// Why the message ended, which alone is an answer too, of one that began.
    fn end(&mut self, delta: Option<Piece<'_>>, out: &mut Vec<u8>) {
        let Some(Piece { stop_reason: Some(reason), stop_details, .. }) = delta else { return };
        if self.started.is_none() && !self.facts.meaningful {
            return;
        }
        if is_breakdown(&reason) {
            return self.fail(gave_up(), out);
        }
        if let Some(why) = stop_details.and_then(|details| refusal(&reason, details)) {
            self.tell(ChatEvent::Refusal(why), out);
        }
        let reason = match finish_reason(Some(&reason)) {
            FinishReason::ToolCalls if self.answered && self.calls == 0 => FinishReason::Stop,
            reason => reason,
        };
        self.ended.get_or_insert(reason);
        (self.facts.meaningful, self.progressed) = (true, true);
    }

    /// Something that a caller waits for.
    fn tell(&mut self, event: ChatEvent<'_>, out: &mut Vec<u8>) {
        (self.facts.meaningful, self.progressed) = (true, true);
        self.writer.write(event, out);
    }

    /// The message is over. Nothing follows.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.facts.meaningful {
            return self.fail(no_answer(self.provider, &self.odd, "the stream ended without an answer"), out);
        }
        while let Some((index, _)) = self.open.first_key_value() {
            self.stop(*index, out);
        }
        if let Some(reason) = self.ended {
            self.tell(ChatEvent::Finish(reason), out);
        }
        self.tell(ChatEvent::End, out);
        (self.facts.complete, self.facts.done) = (true, true);
    }

    fn leave_out(&mut self, data: &[u8]) {
        self.facts.dropped_events = self.facts.dropped_events.saturating_add(1);
        self.keep(data);
    }

    /// Keeps what an event says that is none of the dialect.
    fn keep(&mut self, data: &[u8]) {
        let end = data.len().min(MAX_ODD_BYTES);
        self.odd.clear();
        self.odd.extend_from_slice(data.get(..end).unwrap_or_default());
    }

    /// A member that holds a block or a piece of one. Of a kind that is not known here it may have any form.
    fn piece<'a>(&mut self, raw: Option<&'a RawValue>, out: &mut Vec<u8>) -> Option<Piece<'a>> {
        let raw = raw?.get();
        match serde_json::from_str(raw) {
            Ok(piece) => Some(piece),
            Err(_) if serde_json::from_str::<Kind<'_>>(raw).is_ok_and(|kind| !kind.is_known()) => None,
            Err(_) => {
                self.fail(unreadable("an event of the stream cannot be read"), out);
                None
            }
        }
    }

    fn start(&mut self, message: Option<&RawValue>, out: &mut Vec<u8>) {
        let Start { id, model, usage } = parsed(message).unwrap_or_default();
        let id = id.unwrap_or_default();
        // A message that begins within another: what follows is not the answer that the client has the beginning of.
        if self.facts.meaningful || self.started.as_ref().is_some_and(|started| *started != id) {
            return self.fail(unreadable("another message began within the answer"), out);
        }
        self.started = Some(id.clone().into_owned());
        self.writer.write(ChatEvent::Start { id, model: model.unwrap_or_default() }, out);
        self.count(usage, out);
    }

    fn count(&mut self, usage: Option<&RawValue>, out: &mut Vec<u8>) {
        let Some(newer) = parsed::<Counts>(usage) else { return };
        self.counts.update(newer);
        let usage = Some(self.counts.into());
        self.progressed |= usage != self.facts.usage;
        self.facts.usage = usage;
        self.writer.write(ChatEvent::Usage(self.counts.into()), out);
    }

    fn block(&mut self, index: u64, block: Option<Piece<'_>>, out: &mut Vec<u8>) {
        let Some(block) = block else { return };
        // Also one that is not the client's business: a tool that runs at the provider has begun, or has a result.
        self.progressed |= block.r#type != "text";
        // A block that was not said to be over ends where another one takes its number.
        self.stop(index, out);
        match block.r#type.as_ref() {
            "text" => self.text(block.text, out),
            "thinking" => {
                self.open.insert(index, Open::Thinking { thinking: String::new(), signature: String::new() });
                self.thought(index, block, out);
            }
            "redacted_thinking" => self.tell(ChatEvent::Thinking(ThinkingBlock::Redacted(block.data)), out),
            // Anthropic's own `input` is an empty object here, and the arguments follow; compatible servers may say all of them here.
            "tool_use" => {
                let whole = block.input.map(RawValue::get).filter(|input| !is_empty(input)).map(str::to_owned);
                if block.name == JSON_TOOL {
                    self.answered = true;
                    self.open.insert(index, Open::Call { number: None, whole, said: false });
                    return;
                }
                self.open.insert(index, Open::Call { number: Some(self.calls), whole, said: false });
                self.tell(ChatEvent::ToolStart { index: self.calls, id: block.id, name: block.name }, out);
                self.calls += 1;
            }
            _ => {}
        }
    }

    fn delta(&mut self, index: u64, delta: Option<Piece<'_>>, out: &mut Vec<u8>) {
        let Some(delta) = delta else { return };
        self.progressed |= !delta.is_empty();
        match delta.r#type.as_ref() {
            "text_delta" => self.text(delta.text, out),
            "thinking_delta" | "signature_delta" => self.thought(index, delta, out),
            "input_json_delta" => match self.open.get_mut(&index) {
                // Whitespace alone is no beginning.
                Some(Open::Call { said, .. }) if !*said && delta.partial_json.trim().is_empty() => {}
                Some(Open::Call { number, said, .. }) => {
                    *said = true;
                    let number = *number;
                    self.arguments(number, delta.partial_json, out);
                }
                // A tool that runs at the provider.
                _ => {}
            },
            _ => {}
        }
    }

    /// Arguments of a call, or, where it has no number, of the tool whose input is the answer.
    fn arguments(&mut self, number: Option<usize>, part: Cow<'_, str>, out: &mut Vec<u8>) {
        match number {
            Some(index) => self.writer.write(ChatEvent::ToolArguments { index, part }, out),
            None => self.text(part, out),
        }
    }

    fn text(&mut self, text: Cow<'_, str>, out: &mut Vec<u8>) {
        if !text.is_empty() {
            self.tell(ChatEvent::Text(text), out);
        }
    }

    fn thought(&mut self, index: u64, piece: Piece<'_>, out: &mut Vec<u8>) {
        if let Some(Open::Thinking { thinking, signature }) = self.open.get_mut(&index) {
            thinking.push_str(&piece.thinking);
            signature.push_str(&piece.signature);
        }
        if !(piece.thinking.is_empty() && piece.signature.is_empty()) {
            self.tell(ChatEvent::Reasoning(piece.thinking), out);
        }
    }

    fn stop(&mut self, index: u64, out: &mut Vec<u8>) {
        match self.open.remove(&index) {
            Some(Open::Thinking { thinking, signature }) if !signature.is_empty() => {
                let block = ThinkingBlock::Thinking(thinking.into(), signature.into());
                self.tell(ChatEvent::Thinking(block), out);
            }
            // A call without arguments must end as JSON all the same.
            Some(Open::Call { number, whole, said: false }) => {
                self.arguments(number, whole.map_or(Cow::Borrowed("{}"), Cow::Owned), out);
            }
            _ => {}
        }
    }
}

/// Whether it is an object without members, or `null`.
fn is_empty(input: &str) -> bool {
    input.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}')) || input == "null"
}

fn parsed<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(raw?.get()).ok()
}
