//! A streamed answer for the client: [`Event`]s to Anthropic's.
//!
//! A stream of this dialect has one block open at a time, and clients take the pieces of a block in order. So what comes for a block while
//! another one is open waits until that one is over. A block that never says anything is not told of, so that the numbers have no gap.
//!
//! **Invariant:** `message_start` comes first and once; each block starts, is filled and stops before the next; after the end or an error
//! nothing more is written.

use std::collections::VecDeque;

use serde::Serialize;

use super::answer::{BlockBody, Input, Message, UsageBody, stop_reason};
use super::error;
use crate::chat::{Begun, Delta, Event, StopReason, Usage};
use crate::dialect::ids::Given;
use crate::dialect::{AnswerContext, EventWriter};
use crate::failure;

/// What is said while nothing is said. Before the message has started, a comment.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";
const COMMENT: &[u8] = b": ping\n\n";

/// Writes events.
pub struct MessageWriter {
    context: AnswerContext,
    id: String,
    model: String,
    /// The provider's answer has begun.
    begun: bool,
    /// `message_start` was written.
    started: bool,
    /// The blocks that are open, the first of which is the one that is told of; the others wait.
    open: VecDeque<Open>,
    /// How many blocks were told of.
    blocks: usize,
    ids: Given,
    has_calls: bool,
    is_refusal: bool,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    closed: bool,
}

/// A block that is open.
struct Open {
    /// Our number of it, not the client's.
    block: usize,
    begun: Begun<'static>,
    /// Its start was written.
    started: bool,
    /// What waits to be told.
    waiting: Vec<Delta<'static>>,
    /// It is over.
    stopped: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: usize, content_block: BlockBody<'a> },
    ContentBlockDelta { index: usize, delta: Piece<'a> },
    ContentBlockStop { index: usize },
    MessageDelta { delta: End, usage: UsageBody },
    MessageStop,
}

#[derive(Serialize)]
#[serde(tag = "type")]
enum Piece<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Arguments { partial_json: &'a str },
}

#[derive(Serialize)]
struct End {
    stop_reason: &'static str,
    stop_sequence: Option<()>,
}

impl Told<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }

    /// Appends it. Clients pass over an event without a name.
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(self.name().as_bytes());
        out.extend_from_slice(b"\ndata: ");
        // Strings and numbers always serialize, and memory takes them.
        serde_json::to_writer(&mut *out, self).ok();
        out.extend_from_slice(b"\n\n");
    }
}

impl MessageWriter {
    /// A writer for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            context,
            id: String::new(),
            model: String::new(),
            begun: false,
            started: false,
            open: VecDeque::new(),
            blocks: 0,
            ids: Given::default(),
            has_calls: false,
            is_refusal: false,
            stop: None,
            usage: None,
            closed: false,
        }
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let message = Message {
            id: if self.id.is_empty() { &self.context.fallback_id } else { &self.id },
            r#type: "message",
            role: "assistant",
            model: if self.model.is_empty() { &self.context.model } else { &self.model },
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: self.usage.map(UsageBody::from).unwrap_or_default(),
        };
        Told::MessageStart { message }.write(out);
    }

    fn begin(&mut self, block: usize, begun: Begun<'_>, out: &mut Vec<u8>) {
        let begun = match begun {
            Begun::Text => Begun::Text,
            Begun::Thinking => Begun::Thinking,
            Begun::Refusal => Begun::Refusal,
            // No Claude draws.
            Begun::Image(_) => return,
            Begun::RedactedThinking(data) => Begun::RedactedThinking(data.into_owned().into()),
            Begun::ToolCall { id, name } => {
                let name = self.context.function_name(&name).to_owned().into();
                Begun::ToolCall { id: self.ids.give(&id).into(), name }
            }
        };
        self.has_calls |= matches!(begun, Begun::ToolCall { .. });
        self.is_refusal |= begun == Begun::Refusal;
        self.open.push_back(Open { block, begun, started: false, waiting: Vec::new(), stopped: false });
        self.tell(out);
    }

    fn piece(&mut self, block: usize, delta: &Delta<'_>, out: &mut Vec<u8>) {
        if delta.as_str().is_empty() {
            return;
        }
        let Some(at) = self.open.iter().position(|open| open.block == block) else { return };
        if at == 0 {
            self.start_block(out);
            write_piece(self.blocks, delta, out);
        } else if let Some(open) = self.open.get_mut(at) {
            open.wait(delta);
        }
    }

    fn stop(&mut self, block: usize, out: &mut Vec<u8>) {
        if let Some(open) = self.open.iter_mut().find(|open| open.block == block) {
            open.stopped = true;
            self.tell(out);
        }
    }

    /// Tells what may be told: all of the first block, and, where that is over, of those behind it.
    fn tell(&mut self, out: &mut Vec<u8>) {
        while let Some(first) = self.open.front_mut() {
            let waiting = std::mem::take(&mut first.waiting);
            // Others may have nothing to say.
            let says = matches!(first.begun, Begun::ToolCall { .. } | Begun::RedactedThinking(_));
            let stopped = first.stopped;
            if says || !waiting.is_empty() {
                self.start_block(out);
            }
            for delta in &waiting {
                write_piece(self.blocks, delta, out);
            }
            if !stopped {
                return;
            }
            if self.open.pop_front().is_some_and(|over| over.started) {
                Told::ContentBlockStop { index: self.blocks }.write(out);
                self.blocks = self.blocks.saturating_add(1);
            }
        }
    }

    /// Writes the start of the first block, once.
    fn start_block(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let Some(open) = self.open.front_mut() else { return };
        if std::mem::replace(&mut open.started, true) {
            return;
        }
        let content_block = match &open.begun {
            Begun::Text | Begun::Refusal | Begun::Image(_) => BlockBody::Text { text: "" },
            Begun::Thinking => BlockBody::Thinking { thinking: "", signature: "" },
            Begun::RedactedThinking(data) => BlockBody::RedactedThinking { data },
            Begun::ToolCall { id, name } => {
                BlockBody::ToolUse { id: id.clone().into_owned(), name, input: Input::Empty {} }
            }
        };
        Told::ContentBlockStart { index: self.blocks, content_block }.write(out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        for open in &mut self.open {
            open.stopped = true;
        }
        self.tell(out);
        let stop_reason = stop_reason(self.stop, self.has_calls, self.is_refusal);
        let usage = self.usage.map(UsageBody::from).unwrap_or_default();
        Told::MessageDelta { delta: End { stop_reason, stop_sequence: None }, usage }.write(out);
        Told::MessageStop.write(out);
        self.closed = true;
    }
}

impl Open {
    /// Keeps a piece until this block is told of. Pieces of one kind become one.
    fn wait(&mut self, delta: &Delta<'_>) {
        if let Some(last) = self.waiting.last_mut() {
            match (last, delta) {
                (Delta::Text(all), Delta::Text(more))
                | (Delta::Thinking(all), Delta::Thinking(more))
                | (Delta::Signature(all), Delta::Signature(more))
                | (Delta::Arguments(all), Delta::Arguments(more)) => return all.to_mut().push_str(more),
                _ => {}
            }
        }
        self.waiting.push(match delta {
            Delta::Text(text) => Delta::Text(text.clone().into_owned().into()),
            Delta::Thinking(text) => Delta::Thinking(text.clone().into_owned().into()),
            Delta::Signature(text) => Delta::Signature(text.clone().into_owned().into()),
            Delta::Arguments(text) => Delta::Arguments(text.clone().into_owned().into()),
        });
    }
}

fn write_piece(index: usize, delta: &Delta<'_>, out: &mut Vec<u8>) {
    let delta = match delta {
        Delta::Text(text) => Piece::Text { text },
        Delta::Thinking(thinking) => Piece::Thinking { thinking },
        Delta::Signature(signature) => Piece::Signature { signature },
        Delta::Arguments(partial_json) => Piece::Arguments { partial_json },
    };
    Told::ContentBlockDelta { index, delta }.write(out);
}

impl EventWriter for MessageWriter {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model } => {
                (self.id, self.model) = (id.into_owned(), model.into_owned());
                self.begun = true;
            }
            Event::BlockStart(block, begun) => self.begin(block, begun, out),
            Event::Delta(block, delta) => self.piece(block, &delta, out),
            Event::BlockStop(block) => self.stop(block, out),
            // Clients count events, and none may come before the message's start.
            Event::Ping if self.begun || self.started => {
                self.start(out);
                out.extend_from_slice(PING);
            }
            Event::Ping => out.extend_from_slice(COMMENT),
            Event::Opaque | Event::Logprobs(_) | Event::LeftOut => {}
            Event::Stop(reason) => _ = self.stop.get_or_insert(reason),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                self.closed = true;
                out.extend(error::event(&failure::api_error(&failure)));
            }
            Event::End => self.end(out),
        }
    }

    fn kept(&self) -> usize {
        let of_block = |open: &Open| open.waiting.iter().map(|delta| delta.as_str().len()).sum::<usize>();
        self.open.iter().map(of_block).sum()
    }
}
