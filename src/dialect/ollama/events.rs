//! Ollama's answers, each line of a stream being one with what is new: to ours.
//!
//! Calls come whole, with arguments that are an object, and the last line, which says why the answer ended, says `stop` after them too.
//!
//! **Invariant:** an answer is complete with the line that says so; an end of bytes before it is a failure.

use serde_json::value::RawValue;

use crate::chat::{Event, StopReason, Usage};
use crate::dialect::blocks::{Blocks, Each};
use crate::dialect::count::count_of;
use crate::dialect::framing::sse::Frame;
use crate::dialect::read::{Object, compact, loose_list, loose_object, loose_text};
use crate::dialect::value_kind::ValueKind;
use crate::dialect::{AnswerContext, EventReader};
use crate::failure;

/// Reads one answer.
pub struct Reader {
    blocks: Blocks,
    /// It calls.
    calls: bool,
}

fn object(raw: Option<&RawValue>) -> Option<Object<'_>> {
    loose_object(raw?.get().as_bytes())
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        Self { blocks: Blocks::new(context), calls: false }
    }

    /// Reads a whole answer.
    pub fn whole(mut self, body: &str, each: Each<'_>) {
        self.line(body, each);
    }

    fn line(&mut self, text: &str, each: Each<'_>) {
        let Some(mut fields) = loose_object(text.as_bytes()) else { return self.blocks.leave_out(text, each) };
        if fields.take("error").is_some_and(|error| ValueKind::of(error.get()).is_something()) {
            return self.blocks.fail(failure::in_band(self.blocks.provider, text.as_bytes()), each);
        }
        let (message, done) = (object(fields.take("message")), fields.take("done"));
        if message.is_none() && done.is_none() {
            return self.blocks.keep(text);
        }
        let model = fields.take("model").and_then(loose_text).unwrap_or_default();
        self.blocks.start("".into(), model, each);
        if let Some(mut message) = message {
            let mut text = |name| message.take(name).and_then(loose_text).unwrap_or_default();
            let (thinking, content) = (text("thinking"), text("content"));
            self.blocks.text(true, thinking, each);
            self.blocks.text(false, content, each);
            for call in message.take("tool_calls").and_then(loose_list).unwrap_or_default() {
                self.call(call, each);
            }
        }
        if done.is_some_and(|done| done.get() == "true") {
            let mut count = |name| fields.take(name).and_then(|raw| count_of(raw.get().as_bytes()));
            let (prompt, completion) = (count("prompt_eval_count"), count("eval_count"));
            if prompt.is_some() || completion.is_some() {
                let (prompt_tokens, completion_tokens) = (prompt.unwrap_or(0), completion.unwrap_or(0));
                let usage = Usage { prompt_tokens, completion_tokens, ..Usage::default() };
                self.blocks.tell(Event::Usage(usage), each);
            }
            let stop = match fields.take("done_reason").and_then(loose_text).as_deref() {
                Some("length") => StopReason::MaxTokens,
                _ if self.calls => StopReason::ToolUse,
                _ => StopReason::EndTurn,
            };
            self.blocks.close(each);
            self.blocks.tell(Event::Stop(stop), each);
            self.blocks.finish(each);
        }
    }

    fn call(&mut self, call: &RawValue, each: Each<'_>) {
        let mut call = object(Some(call));
        let id = call.as_mut().and_then(|call| call.take("id")).and_then(loose_text).unwrap_or_default();
        let mut function = object(call.as_mut().and_then(|call| call.take("function")));
        let mut named = |name| function.as_mut().and_then(|function| function.take(name));
        let name = named("name").and_then(loose_text).unwrap_or_default();
        let block = self.blocks.call(id, name, each);
        if let Some(raw) = named("arguments") {
            let is_object = raw.get().starts_with('{');
            let arguments = if is_object { compact(raw.get()) } else { loose_text(raw).unwrap_or_default() };
            self.blocks.arguments(block, arguments, each);
        }
        self.blocks.tell(Event::BlockStop(block), each);
        self.calls = true;
    }
}

impl EventReader for Reader {
    fn frame(&mut self, frame: &Frame<'_>, each: Each<'_>) {
        if let Some(text) = self.blocks.text_of(frame, each) {
            self.line(text, each);
        }
    }

    fn end(&mut self, each: Each<'_>) {
        self.blocks.cut_off(each);
    }

    fn kept(&self) -> usize {
        0
    }
}
