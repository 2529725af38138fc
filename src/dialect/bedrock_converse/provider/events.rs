//! A stream of Converse: its frames to the events that Anthropic would send, and those to ours.
//!
//! A text or a thought begins without a word; only a call is announced. Why the answer ended comes before what it used, so the answer is over
//! with its usage, or with its last byte.
//!
//! **Invariant:** an end of bytes before `messageStop` is an error; an exception ends the answer; usage that was told is not taken back.

use std::borrow::Cow;

use super::answer::{below, object, text_of, usage, word};
use crate::chat::{Event, Failure};
use crate::dialect::anthropic_messages::provider::{Piece, Reader as Messages, gave_up};
use crate::dialect::count::count_of;
use crate::dialect::framing::sse::Frame;
use crate::dialect::no_answer::unreadable;
use crate::dialect::read::Object;
use crate::dialect::{AnswerContext, EventReader};
use crate::failure;

type Each<'e> = &'e mut dyn FnMut(Event<'_>);

/// What frames mean, one after the other.
pub struct Reader {
    provider: &'static str,
    messages: Messages,
    /// `messageStop` has come.
    stopped: bool,
    /// Encrypted thinking, which comes in pieces, and the number of its block.
    redacted: Option<(u64, String)>,
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        Self { provider: context.provider, messages: Messages::new(context), stopped: false, redacted: None }
    }

    fn fail(&mut self, failure: Failure, each: Each<'_>) {
        self.messages.tell(Event::Failed(failure), each);
    }

    fn start(&mut self, index: u64, mut fields: Object<'_>, each: Each<'_>) {
        let call = below(&mut fields, "start").and_then(|mut start| below(&mut start, "toolUse"));
        // A tool with a type runs at the provider; what is no tool is an image, or newer than this.
        let own = call.and_then(|mut call| call.take("type").is_none().then_some(call));
        let Some(mut call) = own else { return self.messages.tell(Event::Opaque, each) };
        let (id, name) = (text_of(&mut call, "toolUseId"), text_of(&mut call, "name"));
        self.messages.block(index, Piece { id, name, ..piece("tool_use") }, each);
    }

    fn delta(&mut self, index: u64, mut fields: Object<'_>, each: Each<'_>) {
        let Some(mut delta) = below(&mut fields, "delta") else {
            return self.fail(unreadable("an event of the stream cannot be read"), each);
        };
        if let Some(mut call) = below(&mut delta, "toolUse") {
            let partial_json = text_of(&mut call, "input");
            return self.messages.delta(index, Piece { partial_json, ..piece("input_json_delta") }, each);
        }
        if let Some(mut thought) = below(&mut delta, "reasoningContent") {
            let (thinking, signature) = (text_of(&mut thought, "text"), text_of(&mut thought, "signature"));
            let redacted = text_of(&mut thought, "redactedContent");
            if !redacted.is_empty() {
                return self.redact(index, &redacted, each);
            }
            return self.messages.delta(index, Piece { thinking, signature, ..piece("thinking_delta") }, each);
        }
        let text = text_of(&mut delta, "text");
        self.messages.delta(index, Piece { text, ..piece("text_delta") }, each);
    }

    /// A piece of encrypted thinking. Base64 that is filled up ends there.
    fn redact(&mut self, index: u64, piece: &str, each: Each<'_>) {
        match &mut self.redacted {
            Some((known, data)) if *known == index && !data.ends_with('=') => data.push_str(piece),
            _ => {
                self.flush(each);
                self.redacted = Some((index, piece.to_owned()));
            }
        }
        self.messages.tell(Event::Opaque, each);
    }

    /// Hands on encrypted thinking that is whole.
    fn flush(&mut self, each: Each<'_>) {
        if let Some((index, data)) = self.redacted.take() {
            self.messages.block(index, Piece { data: Cow::Owned(data), ..piece("redacted_thinking") }, each);
        }
    }

    fn ends(&mut self, mut fields: Object<'_>, each: Each<'_>) {
        self.flush(each);
        let reason = text_of(&mut fields, "stopReason");
        let Some(word) = word(&reason) else { return self.fail(gave_up(), each) };
        self.stopped = true;
        self.messages.ends(Piece { stop_reason: Some(Cow::Borrowed(word)), ..piece("") }, each);
    }

    fn metadata(&mut self, mut fields: Object<'_>, each: Each<'_>) {
        let Some(usage) = fields.take("usage").and_then(usage) else { return };
        self.messages.tell(Event::Usage(usage), each);
        if self.stopped {
            self.messages.finish(each);
        }
    }
}

impl EventReader for Reader {
    fn frame(&mut self, frame: &Frame<'_>, each: Each<'_>) {
        let data = frame.data.as_deref().unwrap_or_default();
        if frame.event == b"error" {
            return self.fail(failure::in_band(self.provider, data), each);
        }
        let Some(mut fields) = std::str::from_utf8(data).ok().and_then(object) else {
            return self.fail(unreadable("an event of the stream cannot be read"), each);
        };
        let index = fields.take("contentBlockIndex").and_then(|raw| count_of(raw.get().as_bytes())).unwrap_or_default();
        match frame.event {
            b"messageStart" => self.messages.begins(Cow::Borrowed(""), Cow::Borrowed(""), each),
            b"contentBlockStart" => self.start(index, fields, each),
            b"contentBlockDelta" => self.delta(index, fields, each),
            b"contentBlockStop" => {
                self.flush(each);
                self.messages.stop(index, each);
            }
            b"messageStop" => self.ends(fields, each),
            b"metadata" => self.metadata(fields, each),
            // An event that did not exist when this was written.
            _ => self.messages.tell(Event::Opaque, each),
        }
    }

    fn end(&mut self, each: Each<'_>) {
        match self.stopped {
            true => self.messages.finish(each),
            false => self.messages.end(each),
        }
    }

    fn kept(&self) -> usize {
        self.messages.kept() + self.redacted.as_ref().map_or(0, |(_, data)| data.capacity())
    }
}

fn piece(kind: &'static str) -> Piece<'static> {
    Piece { r#type: Cow::Borrowed(kind), ..Piece::default() }
}
