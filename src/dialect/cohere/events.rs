//! Cohere's answers and the events of its streams: to ours.
//!
//! Events are told apart by the `type` in their JSON. A plan, which Cohere's models write before they call, is thinking.
//!
//! **Invariant:** an answer that ended in an error is a failure, whatever it said; an end of bytes before `message-end` is one too.

use serde_json::value::RawValue;

use crate::chat::{Event, FailureClass, StopReason, Usage};
use crate::dialect::blocks::{Blocks, Each};
use crate::dialect::count::count_of;
use crate::dialect::framing::sse::Frame;
use crate::dialect::no_answer::is_breakdown;
use crate::dialect::ordered::Ordered;
use crate::dialect::read::{Object, compact, loose_list, loose_object, loose_text};
use crate::dialect::{AnswerContext, EventReader};
use crate::failure;

/// Reads one answer.
pub struct Reader {
    blocks: Blocks,
    /// The calls that are open, by Cohere's numbers.
    calls: Ordered<u64, usize>,
}

/// An object's members; none where it is no object.
fn object(raw: Option<&RawValue>) -> Option<Object<'_>> {
    loose_object(raw?.get().as_bytes())
}

fn member<'a>(raw: Option<&'a RawValue>, name: &str) -> Option<&'a RawValue> {
    object(raw)?.take(name)
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        Self { blocks: Blocks::new(context), calls: Ordered::default() }
    }

    /// Reads a whole answer.
    pub fn whole(mut self, body: &str, each: Each<'_>) {
        let Some(mut fields) = loose_object(body.as_bytes()) else { return self.blocks.none(body, each) };
        let Some(mut message) = object(fields.take("message")) else {
            // An error has a text there.
            return self.blocks.none(body, each);
        };
        let id = fields.take("id").and_then(loose_text).unwrap_or_default();
        self.blocks.start(id, "".into(), each);
        let content = message.take("content").and_then(loose_list).unwrap_or_default();
        let plan = message.take("tool_plan").and_then(loose_text).unwrap_or_default();
        for item in content {
            self.said(Some(item), each);
        }
        self.blocks.text(true, plan, each);
        for call in message.take("tool_calls").and_then(loose_list).unwrap_or_default() {
            let block = self.call(Some(call), each);
            self.blocks.tell(Event::BlockStop(block), each);
        }
        let reason = fields.take("finish_reason");
        if reason.is_none() && !self.blocks.has_said() {
            return self.blocks.none(body, each);
        }
        self.ends(reason, fields.take("usage"), None, each);
    }

    /// A piece of text or thinking.
    fn said(&mut self, content: Option<&RawValue>, each: Each<'_>) {
        let Some(mut content) = object(content) else { return };
        if let Some(thinking) = content.take("thinking").and_then(loose_text) {
            self.blocks.text(true, thinking, each);
        }
        if let Some(text) = content.take("text").and_then(loose_text) {
            self.blocks.text(false, text, each);
        }
    }

    /// A call, with as much of its arguments as is there. Gives its block.
    fn call(&mut self, call: Option<&RawValue>, each: Each<'_>) -> usize {
        let mut call = object(call);
        let id = call.as_mut().and_then(|call| call.take("id")).and_then(loose_text).unwrap_or_default();
        let mut function = object(call.as_mut().and_then(|call| call.take("function")));
        let mut named = |name| function.as_mut().and_then(|function| function.take(name));
        let name = named("name").and_then(loose_text).unwrap_or_default();
        let block = self.blocks.call(id, name, each);
        self.arguments(block, named("arguments"), each);
        block
    }

    /// A piece of a call's arguments, which may be the object itself.
    fn arguments(&mut self, block: usize, arguments: Option<&RawValue>, each: Each<'_>) {
        let Some(raw) = arguments else { return };
        if raw.get().starts_with('{') {
            return self.blocks.arguments(block, compact(raw.get()), each);
        }
        let text = loose_text(raw).filter(|text| text != "null").unwrap_or_default();
        self.blocks.arguments(block, text, each);
    }

    /// Why the answer ended, and with what.
    fn ends(&mut self, reason: Option<&RawValue>, usage: Option<&RawValue>, error: Option<&RawValue>, each: Each<'_>) {
        if let Some(usage) = usage.and_then(counted) {
            self.blocks.tell(Event::Usage(usage), each);
        }
        let reason = reason.and_then(loose_text).unwrap_or_default();
        if is_breakdown(&reason) || reason == "TIMEOUT" {
            let error = error.and_then(loose_text).filter(|error| !error.is_empty());
            let message = error.as_deref().unwrap_or("the provider gave up within its answer");
            return self.blocks.fail(failure::own(FailureClass::Upstream, "provider_error", message), each);
        }
        self.blocks.close(each);
        while let Some(block) = self.calls.first().and_then(|index| self.calls.remove(&index)) {
            self.blocks.tell(Event::BlockStop(block), each);
        }
        self.blocks.tell(Event::Stop(stop_reason(&reason)), each);
        self.blocks.finish(each);
    }

    fn event(&mut self, text: &str, each: Each<'_>) {
        let Some(mut event) = loose_object(text.as_bytes()) else { return self.blocks.leave_out(text, each) };
        let kind = event.take("type").and_then(loose_text).unwrap_or_default();
        let index = event.take("index").and_then(|raw| count_of(raw.get().as_bytes())).unwrap_or_default();
        let delta = event.take("delta");
        let message = |name| member(member(delta, "message"), name);
        match kind.as_ref() {
            "message-start" => {
                let id = event.take("id").and_then(loose_text).unwrap_or_default();
                self.blocks.start(id, "".into(), each);
            }
            "content-start" | "content-delta" => self.said(message("content"), each),
            "content-end" => self.blocks.close(each),
            "tool-plan-delta" => {
                let plan = message("tool_plan").and_then(loose_text).unwrap_or_default();
                self.blocks.text(true, plan, each);
            }
            "tool-call-start" => {
                self.stop(index, each);
                let block = self.call(message("tool_calls"), each);
                self.calls.insert(index, block);
            }
            "tool-call-delta" => {
                let arguments = member(member(message("tool_calls"), "function"), "arguments");
                if let Some(block) = self.calls.get(&index) {
                    self.arguments(*block, arguments, each);
                }
            }
            "tool-call-end" => self.stop(index, each),
            "message-end" => {
                self.ends(member(delta, "finish_reason"), member(delta, "usage"), member(delta, "error"), each);
            }
            // What it cites is its own.
            "citation-start" | "citation-end" | "debug" => self.blocks.tell(Event::Opaque, each),
            "error" => self.blocks.fail(failure::in_band(self.blocks.provider, text.as_bytes()), each),
            _ => self.blocks.keep(text),
        }
    }

    fn stop(&mut self, index: u64, each: Each<'_>) {
        if let Some(block) = self.calls.remove(&index) {
            self.blocks.tell(Event::BlockStop(block), each);
        }
    }
}

impl EventReader for Reader {
    fn frame(&mut self, frame: &Frame<'_>, each: Each<'_>) {
        let Some(text) = self.blocks.text_of(frame, each) else { return };
        if frame.event == b"error" {
            return self.blocks.fail(failure::in_band(self.blocks.provider, text.as_bytes()), each);
        }
        self.event(text, each);
    }

    fn end(&mut self, each: Each<'_>) {
        self.blocks.cut_off(each);
    }

    fn kept(&self) -> usize {
        0
    }
}

/// An unknown reason is the end of a turn.
fn stop_reason(reason: &str) -> StopReason {
    match reason {
        "STOP_SEQUENCE" => StopReason::StopSequence,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "TOOL_CALL" => StopReason::ToolUse,
        "ERROR_TOXIC" => StopReason::Refusal,
        "ERROR_LIMIT" => StopReason::ContextWindow,
        _ => StopReason::EndTurn,
    }
}

/// The tokens of `usage`. What is billed is less, and stands in where nothing else does.
fn counted(usage: &RawValue) -> Option<Usage> {
    let mut fields = object(Some(usage))?;
    let cached = fields.take("cached_tokens");
    let mut tokens = object(fields.take("tokens")).or(object(fields.take("billed_units")))?;
    let count = |raw: Option<&RawValue>| raw.and_then(|raw| count_of(raw.get().as_bytes()));
    Some(Usage {
        prompt_tokens: count(tokens.take("input_tokens")).unwrap_or(0),
        completion_tokens: count(tokens.take("output_tokens")).unwrap_or(0),
        cached_tokens: count(cached).unwrap_or(0),
        ..Usage::default()
    })
}
