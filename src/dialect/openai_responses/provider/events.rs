//! A stream of Responses: to events.
//!
//! Events are told apart by the `type` in their JSON, not by the event line, which may come later. The same is said up to four times: in
//! deltas, at the end of a part, of an item and of the response. What was said before is not said again, and what was not, is.
//!
//! **Invariant:** nothing that follows the end or an error counts; an end of bytes before the response's is an error. An event that is not JSON
//! is left out, but one that is not UTF-8 ends the answer.

use std::borrow::Cow;

use super::super::client::failed;
use super::answer::{End, arguments, inner, objects, of_error, signature, string, thoughts};
use crate::chat::{ApiError, Begun, Delta, Event, Failure, StopReason};
use crate::dialect::count::count_of;
use crate::dialect::framing::sse::Frame;
use crate::dialect::no_answer::{no_answer, not_text, truncated};
use crate::dialect::ordered::Ordered;
use crate::dialect::read::{Object, loose_object};
use crate::dialect::reader_scan::KnowingReader;
use crate::dialect::{AnswerContext, EventReader};
use crate::failure;

/// How much is kept of an event of no known kind, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

type Each<'e> = &'e mut dyn FnMut(Event<'_>);

/// Where something is said: the index of an item, and that of a part of it.
type At = (u64, u64);

/// What events mean, one after the other.
#[derive(Default)]
pub struct Reader {
    provider: &'static str,
    context: AnswerContext,
    /// The id and the model of the response, once it has begun.
    response: Option<(String, String)>,
    /// The number of the last event.
    event: u64,
    open: Ordered<At, Open>,
    /// What came in pieces.
    told: Vec<At>,
    /// The items that have ended.
    ended: Vec<u64>,
    /// How many blocks have begun.
    blocks: usize,
    /// Something of the answer has come.
    said: bool,
    has_calls: bool,
    /// It was said that the provider works on it.
    works: bool,
    over: bool,
    /// The last event of no known kind: what the provider had to say if no answer comes.
    odd: Vec<u8>,
}

/// A block that has begun.
struct Open {
    block: usize,
    /// A piece of it came.
    said: bool,
    /// The number of the part of the summary that came last.
    part: u64,
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        Self { provider: context.provider, context: context.clone(), ..Self::default() }
    }

    /// Something of an answer, or its end.
    fn tell(&mut self, event: Event<'_>, each: Each<'_>) {
        if !self.over {
            self.over = matches!(event, Event::Failed(_) | Event::End);
            each(event);
        }
    }

    fn fail(&mut self, failure: Failure, each: Each<'_>) {
        self.tell(Event::Failed(failure), each);
    }

    fn event(&mut self, frame: &Frame<'_>, each: Each<'_>) -> bool {
        let Some(data) = frame.data.as_deref() else {
            if frame.event == b"error" {
                self.fail(failure::in_band(self.provider, b""), each);
            } else if frame.is_comment() {
                self.tell(Event::Ping, each);
            }
            return true;
        };
        if let Err(error) = std::str::from_utf8(data) {
            // The last frame, which ends in the middle of a letter.
            if error.error_len().is_none() && !frame.is_whole() {
                self.leave_out(b"", each);
                return false;
            }
            self.fail(not_text(), each);
            return true;
        }
        let Some(mut event) = loose_object(data) else {
            self.leave_out(data, each);
            return false;
        };
        let kind = string(&mut event, "type");
        if let Some(number) = event.take("sequence_number").and_then(|raw| count_of(raw.get().as_bytes())) {
            self.event = number;
        }
        // An error beside a type is the event of one; some gateways write one without.
        if kind == "error" || frame.event == b"error" || (kind.is_empty() && event.has("error")) {
            self.fail(failure::in_band(self.provider, data), each);
            return true;
        }
        let Some(kind) = kind.strip_prefix("response.") else {
            return self.other(&kind, data, each);
        };
        self.of_response(kind, event, each);
        true
    }

    /// An event of the response, by its name.
    fn of_response(&mut self, kind: &str, mut event: Object<'_>, each: Each<'_>) {
        let index = |event: &mut Object<'_>, name: &str| {
            event.take(name).and_then(|raw| count_of(raw.get().as_bytes())).unwrap_or_default()
        };
        let item = index(&mut event, "output_index");
        match kind {
            "created" => self.start(event, each),
            // Said once more, it says that the provider is there.
            "in_progress" | "queued" if std::mem::replace(&mut self.works, true) => self.tell(Event::Ping, each),
            "in_progress" | "queued" => {}
            "output_item.added" => {
                if let Some(begun) = event.take("item").and_then(inner) {
                    self.item(item, begun, each);
                }
            }
            "output_item.done" => {
                if let Some(over) = event.take("item").and_then(inner) {
                    self.item_done(item, over, each);
                }
            }
            "output_text.delta" | "refusal.delta" => {
                let begun = if kind == "refusal.delta" { Begun::Refusal } else { Begun::Text };
                let at = (item, index(&mut event, "content_index"));
                self.text(at, &begun, string(&mut event, "delta"), each);
            }
            "output_text.done" | "refusal.done" => {
                let (begun, name) = match kind {
                    "refusal.done" => (Begun::Refusal, "refusal"),
                    _ => (Begun::Text, "text"),
                };
                let at = (item, index(&mut event, "content_index"));
                if !self.told.contains(&at) {
                    self.text(at, &begun, string(&mut event, name), each);
                }
                self.stop(at, each);
            }
            "reasoning_summary_text.delta" | "reasoning_text.delta" => {
                let of_summary = kind == "reasoning_summary_text.delta";
                let part = index(&mut event, if of_summary { "summary_index" } else { "content_index" });
                self.thought(item, part, string(&mut event, "delta"), each);
            }
            "function_call_arguments.delta" => self.argue(item, string(&mut event, "delta"), each),
            "function_call_arguments.done" => {
                let whole = string(&mut event, "arguments");
                self.argue_whole(item, &whole, each);
            }
            "completed" | "incomplete" | "failed" | "cancelled" => {
                let end = event.take("response").and_then(inner).map(End::of).unwrap_or_default();
                self.finish(kind, end, each);
            }
            // The same once more, or what only this dialect has.
            _ if kind.ends_with(".done") || kind.ends_with(".added") => {}
            _ => self.tell(Event::Opaque, each),
        }
    }

    /// An event that is no response's.
    fn other(&mut self, kind: &str, data: &[u8], each: Each<'_>) -> bool {
        if matches!(kind, "keepalive" | "ping" | "heartbeat") {
            self.tell(Event::Ping, each);
            return true;
        }
        self.keep(data);
        // Of a type that did not exist when this was written.
        !kind.is_empty()
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

    fn start(&mut self, mut event: Object<'_>, each: Each<'_>) {
        let Some(mut response) = event.take("response").and_then(inner) else { return };
        let (id, model) = (string(&mut response, "id"), string(&mut response, "model"));
        if self.response.is_none() {
            self.response = Some((id.clone().into_owned(), model.clone().into_owned()));
            self.tell(Event::Start { id, model }, each);
        }
    }

    fn begin(&mut self, at: At, begun: Begun<'_>, each: Each<'_>) -> usize {
        let block = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        self.open.insert(at, Open { block, said: false, part: 0 });
        self.tell(Event::BlockStart(block, begun), each);
        block
    }

    fn item(&mut self, index: u64, mut item: Object<'_>, each: Each<'_>) {
        match string(&mut item, "type").as_ref() {
            "function_call" | "custom_tool_call" => {
                let (id, name) = (string(&mut item, "call_id"), string(&mut item, "name"));
                (self.said, self.has_calls) = (true, true);
                self.begin((index, 0), Begun::ToolCall { id, name }, each);
                self.argue(index, string(&mut item, "arguments"), each);
            }
            "message" | "reasoning" => {}
            // It runs at the provider.
            _ => self.tell(Event::Opaque, each),
        }
    }

    /// A piece of text, or of a refusal.
    fn text(&mut self, at: At, begun: &Begun<'_>, text: Cow<'_, str>, each: Each<'_>) {
        if text.is_empty() {
            return;
        }
        let begun = if *begun == Begun::Refusal { Begun::Refusal } else { Begun::Text };
        self.piece(at, begun, Delta::Text(text), each);
    }

    fn piece(&mut self, at: At, begun: Begun<'_>, delta: Delta<'_>, each: Each<'_>) {
        let block = match self.open.get(&at) {
            Some(open) => open.block,
            None => self.begin(at, begun, each),
        };
        self.said = true;
        if !self.told.contains(&at) {
            self.told.push(at);
        }
        self.tell(Event::Delta(block, delta), each);
    }

    /// A piece of thinking; between two parts of it stands a blank line.
    fn thought(&mut self, item: u64, part: u64, text: Cow<'_, str>, each: Each<'_>) {
        if text.is_empty() {
            return;
        }
        let at = (item, 0);
        let is_next = self.told.contains(&at) && self.open.get(&at).is_some_and(|open| open.part != part);
        if is_next {
            self.piece(at, Begun::Thinking, Delta::Thinking("\n\n".into()), each);
        }
        self.piece(at, Begun::Thinking, Delta::Thinking(text), each);
        if let Some(open) = self.open.get_mut(&at) {
            open.part = part;
        }
    }

    /// A piece of a call's arguments.
    fn argue(&mut self, item: u64, part: Cow<'_, str>, each: Each<'_>) {
        let Some(open) = self.open.get_mut(&(item, 0)).filter(|_| !part.is_empty()) else { return };
        open.said = true;
        let block = open.block;
        self.tell(Event::Delta(block, Delta::Arguments(part)), each);
    }

    /// All of a call's arguments.
    fn argue_whole(&mut self, item: u64, whole: &str, each: Each<'_>) {
        if self.open.get(&(item, 0)).is_some_and(|open| !open.said) {
            self.argue(item, Cow::Borrowed(whole), each);
        }
    }

    fn stop(&mut self, at: At, each: Each<'_>) {
        if let Some(open) = self.open.remove(&at) {
            self.tell(Event::BlockStop(open.block), each);
        }
    }

    /// An item is over: what of it was not said yet is said now.
    fn item_done(&mut self, index: u64, mut item: Object<'_>, each: Each<'_>) {
        if self.ended.contains(&index) {
            return;
        }
        self.ended.push(index);
        match string(&mut item, "type").as_ref() {
            "message" => {
                if !self.told.iter().any(|(item, _)| *item == index) {
                    for (part, mut content) in (0..).zip(objects(&mut item, "content")) {
                        let (begun, name) = match string(&mut content, "type").as_ref() {
                            "refusal" => (Begun::Refusal, "refusal"),
                            _ => (Begun::Text, "text"),
                        };
                        self.text((index, part), &begun, string(&mut content, name), each);
                    }
                }
            }
            "reasoning" => {
                let id = string(&mut item, "id");
                if !self.told.contains(&(index, 0)) {
                    let text = thoughts(&mut item);
                    self.thought(index, 0, text, each);
                }
                let encrypted = string(&mut item, "encrypted_content");
                if let Some(signature) = signature(self.provider, &id, &encrypted) {
                    self.piece((index, 0), Begun::Thinking, Delta::Signature(signature.into()), each);
                }
            }
            kind @ ("function_call" | "custom_tool_call") => {
                let is_text = kind == "custom_tool_call";
                let whole = match is_text {
                    true => Cow::Owned(arguments(&string(&mut item, "input"))),
                    false => string(&mut item, "arguments"),
                };
                if !self.open.contains_key(&(index, 0)) {
                    let (id, name) = (string(&mut item, "call_id"), string(&mut item, "name"));
                    (self.said, self.has_calls) = (true, true);
                    self.begin((index, 0), Begun::ToolCall { id, name }, each);
                }
                self.argue_whole(index, &whole, each);
            }
            _ => return self.tell(Event::Opaque, each),
        }
        let parts: Vec<At> = self.open.iter().map(|(at, _)| at).filter(|(item, _)| *item == index).collect();
        for at in parts {
            self.stop(at, each);
        }
    }

    /// The response is over. Nothing follows.
    fn finish(&mut self, kind: &str, end: End<'_>, each: Each<'_>) {
        if let Some(failure) = end.failure(self.provider) {
            return self.fail(failure, each);
        }
        if matches!(kind, "failed" | "cancelled") {
            return self.fail(of_error(self.provider, "null"), each);
        }
        let End { output, usage, stop, has_output, .. } = end;
        // Some tell all of it at the end alone.
        if !self.said {
            (0..).zip(output).for_each(|(index, item)| self.item_done(index, item, each));
        }
        while let Some(at) = self.open.first() {
            self.stop(at, each);
        }
        let incomplete = || (kind == "incomplete").then_some(StopReason::MaxTokens);
        if !self.said && !has_output && stop.or_else(incomplete).is_none() {
            let failure = no_answer(self.provider, &self.odd, "the stream ended without an answer");
            return self.fail(failure, each);
        }
        if let Some(usage) = usage {
            self.tell(Event::Usage(usage), each);
        }
        let usual = if self.has_calls { StopReason::ToolUse } else { StopReason::EndTurn };
        self.tell(Event::Stop(stop.or_else(incomplete).unwrap_or(usual)), each);
        self.tell(Event::End, each);
    }
}

impl KnowingReader for Reader {
    fn read(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) -> bool {
        self.event(frame, each)
    }

    fn failed(&self, error: &ApiError) -> Option<Vec<u8>> {
        // As the client was told it.
        let mark = |id: &str| self.context.mark.map_or_else(String::new, |mark| mark.of(id.as_bytes()));
        let id = self.response.as_ref().map(|(id, _)| [id.as_str(), &mark(id)].concat());
        let begun = self.response.as_ref().zip(id.as_deref());
        let begun = begun.map(|((_, model), id)| (id, model.as_str(), self.event.saturating_add(1)));
        Some(failed(error, begun, self.context.clone()))
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
        self.odd.capacity()
    }
}
