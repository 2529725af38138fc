//! A stream of OpenAI's chunks: to events.
//!
//! The dialect has no blocks: text, thinking and calls stand beside each other in a chunk, and nothing says that one of them is over. Text
//! and thinking end where something else begins. A call may go on behind a later one, so it ends where another block begins only if its
//! arguments are whole by then, else with the answer.
//!
//! **Invariant:** arguments that come for a call that has begun reach that call, whatever came in between.

use super::answer::{Called, Document, Message, Piece, given_or_made, text};
use super::calls::Calls;
use super::{StreamScan, stop_reason};
use crate::chat::{Begun, Delta, Event};
use crate::dialect::framing::sse::Frame;
use crate::dialect::verbatim::{Ending, Fate, Scanner};
use crate::dialect::{AnswerContext, EventReader};

/// Reads one stream.
pub struct Reader {
    /// What ids are made of where the provider gives none.
    context: AnswerContext,
    scan: StreamScan,
    begun: bool,
    /// How many blocks have begun.
    blocks: usize,
    /// The block of text that is open, and its kind.
    open: Option<(usize, Kind)>,
    /// The calls, and of each its block and whether that has ended.
    calls: Calls,
    called: Vec<Block>,
    /// Half a character at the end of the last piece of text, as its escape.
    half: String,
}

/// The block of a call.
enum Block {
    /// It begins once its function's name is said: what came before that, the id and the arguments.
    Nameless(String, String),
    Open(usize),
    Ended,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Refusal,
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        let scan = StreamScan::of_chat(context);
        let AnswerContext { now_s, ref fallback_id, .. } = *context;
        let context = AnswerContext { now_s, fallback_id: fallback_id.clone(), ..AnswerContext::default() };
        Self {
            context,
            scan,
            begun: false,
            blocks: 0,
            open: None,
            calls: Calls::default(),
            called: Vec::new(),
            half: String::new(),
        }
    }

    fn take(&mut self, fate: Fate, frame: &Frame<'_>, was_done: bool, each: &mut dyn FnMut(Event<'_>)) {
        match fate {
            Fate::Pass if self.scan.facts().done && !was_done => self.finish(each),
            Fate::Pass => match frame.data.as_deref().map(std::str::from_utf8) {
                Some(Ok(data)) => self.chunk(data, each),
                Some(Err(_)) => {}
                None if frame.is_comment() => each(Event::Ping),
                None => {}
            },
            // It puts nothing right here.
            Fate::LeaveOut | Fate::Replace(_) => {}
            Fate::Ping => each(Event::Ping),
            Fate::Fail(failure) => each(Event::Failed(failure)),
        }
    }

    fn chunk(&mut self, data: &str, each: &mut dyn FnMut(Event<'_>)) {
        let Some(document) = Document::read(data) else { return };
        if !self.begun && document.choices.is_some() {
            self.begun = true;
            each(Event::Start { id: text(document.id), model: text(document.model) });
        }
        let Some(choice) = document.choice() else { return };
        self.message(&choice.said(), each);
        if let Some(word) = choice.finish_reason() {
            each(Event::Stop(stop_reason(&word)));
        }
    }

    fn message(&mut self, message: &Message<'_>, each: &mut dyn FnMut(Event<'_>)) {
        self.text(Kind::Thinking, &message.reasoning(), each);
        match message.content.and_then(|raw| self.joined(raw.get())) {
            Some(whole) => self.text(Kind::Text, &whole, each),
            None => {
                for piece in message.pieces() {
                    match piece {
                        Piece::Text(text) => self.text(Kind::Text, &text, each),
                        Piece::Thinking(text) => self.text(Kind::Thinking, &text, each),
                    }
                }
            }
        }
        self.text(Kind::Refusal, &message.refusal(), each);
        for call in message.calls() {
            self.call(&call, each);
        }
    }

    /// The text of a piece that begins or ends with half a character: some providers cut an emoji in two. `None`: it does not.
    fn joined(&mut self, raw: &str) -> Option<String> {
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        let ends_in_half = ends_in_half(inner);
        if self.half.is_empty() && !ends_in_half {
            return None;
        }
        let mut whole = std::mem::take(&mut self.half) + inner;
        if ends_in_half && let Some((before, half)) = whole.split_at_checked(whole.len().saturating_sub(6)) {
            (self.half, whole) = (half.to_owned(), before.to_owned());
        }
        let quoted = format!("\"{whole}\"");
        let read = serde_json::from_str::<&serde_json::value::RawValue>(&quoted).ok()?;
        Some(text(Some(read)).into_owned())
    }

    /// A piece of text, thinking or a refusal.
    fn text(&mut self, kind: Kind, piece: &str, each: &mut dyn FnMut(Event<'_>)) {
        if piece.is_empty() {
            return;
        }
        let block = match self.open {
            Some((block, open)) if open == kind => block,
            _ => {
                let begun = match kind {
                    Kind::Text => Begun::Text,
                    Kind::Thinking => Begun::Thinking,
                    Kind::Refusal => Begun::Refusal,
                };
                let block = self.begin(begun, each);
                self.open = Some((block, kind));
                block
            }
        };
        let delta = match kind {
            Kind::Thinking => Delta::Thinking(piece.into()),
            Kind::Text | Kind::Refusal => Delta::Text(piece.into()),
        };
        each(Event::Delta(block, delta));
    }

    /// Begins a block, and ends those that are over then.
    fn begin(&mut self, begun: Begun<'_>, each: &mut dyn FnMut(Event<'_>)) -> usize {
        if let Some((block, _)) = self.open.take() {
            each(Event::BlockStop(block));
        }
        for (place, called) in self.called.iter_mut().enumerate() {
            if let Block::Open(block) = *called
                && self.calls.is_whole(place)
            {
                *called = Block::Ended;
                each(Event::BlockStop(block));
            }
        }
        let block = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        each(Event::BlockStart(block, begun));
        block
    }

    fn call(&mut self, call: &Called<'_>, each: &mut dyn FnMut(Event<'_>)) {
        let place = self.calls.place(call);
        if place.begins {
            let id = given_or_made(call.id.as_ref().into(), &self.context, place.number);
            self.called.push(Block::Nameless(id.into_owned(), String::new()));
        }
        if place.names && !call.name.is_empty() {
            self.name(place.number, &call.name, each);
        }
        match self.called.get_mut(place.number) {
            Some(Block::Open(block)) if !call.arguments.is_empty() => {
                each(Event::Delta(*block, Delta::Arguments(call.arguments.as_ref().into())));
            }
            Some(Block::Nameless(_, arguments)) => arguments.push_str(&call.arguments),
            _ => {}
        }
    }

    /// Begins a call that has none but this name.
    fn name(&mut self, number: usize, name: &str, each: &mut dyn FnMut(Event<'_>)) {
        let Some(Block::Nameless(id, arguments)) = self.called.get_mut(number) else { return };
        let (id, arguments) = (std::mem::take(id), std::mem::take(arguments));
        let block = self.begin(Begun::ToolCall { id: id.into(), name: name.into() }, each);
        if let Some(called) = self.called.get_mut(number) {
            *called = Block::Open(block);
        }
        if !arguments.is_empty() {
            each(Event::Delta(block, Delta::Arguments(arguments.into())));
        }
    }

    /// The answer is complete.
    fn finish(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        if !self.half.is_empty() {
            self.half.clear();
            self.text(Kind::Text, "\u{fffd}", each);
        }
        if let Some((block, _)) = self.open.take() {
            each(Event::BlockStop(block));
        }
        for number in 0..self.called.len() {
            self.name(number, "", each);
        }
        for called in std::mem::take(&mut self.called) {
            if let Block::Open(block) = called {
                each(Event::BlockStop(block));
            }
        }
        each(Event::End);
    }
}

impl EventReader for Reader {
    fn frame(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) {
        let before = self.scan.facts();
        let (left_out, usage, was_done) = (before.dropped_events, before.usage, before.done);
        let fate = self.scan.frame(frame);
        if self.scan.facts().dropped_events > left_out {
            each(Event::LeftOut);
        }
        let counted = self.scan.facts().usage.filter(|now| usage != Some(*now));
        self.take(fate, frame, was_done, each);
        if let Some(usage) = counted {
            each(Event::Usage(usage));
        }
    }

    fn last(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) {
        if frame.data.is_some() {
            return self.frame(frame, each);
        }
        if let Some(failure) = self.scan.scrap(frame) {
            each(Event::Failed(failure));
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        match self.scan.end() {
            Ending::Owes(_) => self.finish(each),
            Ending::Failed(failure) => each(Event::Failed(failure)),
        }
    }

    fn kept(&self) -> usize {
        self.half.capacity() + self.calls.kept()
    }
}

/// Whether the inside of a JSON string ends with the first half of a pair of surrogates, as an escape.
fn ends_in_half(inner: &str) -> bool {
    let Some((before, end)) = inner.len().checked_sub(6).and_then(|at| inner.split_at_checked(at)) else {
        return false;
    };
    let is_high = |digits: &str| matches!(u16::from_str_radix(digits, 16), Ok(0xD800..=0xDBFF));
    let escapes = before.bytes().rev().take_while(|byte| *byte == b'\\').count();
    escapes % 2 == 0 && end.strip_prefix("\\u").is_some_and(is_high)
}
