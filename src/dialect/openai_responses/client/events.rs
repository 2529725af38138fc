//! A streamed answer for the client: [`Event`]s to those of Responses.
//!
//! An item ends where the next one begins, or with the answer: only then is it known whether it is whole. Items of calls may be open beside
//! each other. A block that never says anything is not told of. Each item is told once more as a whole when it ends, and all of them at the end.
//!
//! **Invariant:** events are numbered from 0 without a gap; an item has one id from its beginning to the end of the answer; after the end or a
//! failure nothing more is written.

use serde::Serialize;

use super::answer::{
    COMPLETED, FAILED, Failed, IN_PROGRESS, INCOMPLETE, Ids, Item, Part, Response, incomplete, response,
};
use super::error;
use super::sealed::{seal, seal_redacted};
use crate::chat::{ApiError, Begun, Delta, Event, StopReason, Usage};
use crate::dialect::ordered::Ordered;
use crate::dialect::{AnswerContext, EventWriter};
use crate::failure;

/// What says nothing, and yet is an event, which clients count: a comment they do not.
pub const PING: &[u8] = b"event: keepalive\ndata: {\"type\":\"keepalive\"}\n\n";
/// Before the response has begun, no event may come.
const COMMENT: &[u8] = b": ping\n\n";

/// Writes events.
pub struct ResponseWriter {
    context: AnswerContext,
    ids: Ids,
    model: String,
    /// The provider's answer has begun.
    begun: bool,
    /// `response.created` was written.
    started: bool,
    /// How many events were written.
    events: u64,
    /// The items so far.
    items: Vec<Item>,
    /// The blocks that are open, or over without their item being told to be, by our numbers of them.
    open: Ordered<usize, Open>,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    closed: bool,
}

/// A block that has begun.
struct Open {
    begun: Begun<'static>,
    /// The index of its item, once something of it was told, and that of its part.
    at: Option<(usize, usize)>,
    /// What came of it.
    said: String,
    signature: String,
    /// It is over.
    stopped: bool,
}

/// One event. What it does not have is left out.
#[derive(Serialize, Default)]
struct Told<'a> {
    r#type: &'static str,
    sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response<'a>>,
}

/// Appends an event.
fn tell(events: &mut u64, told: Told<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(told.r#type.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let told = Told { sequence_number: *events, ..told };
    *events = events.saturating_add(1);
    // Strings and numbers always serialize, and memory takes them.
    serde_json::to_writer(&mut *out, &told).ok();
    out.extend_from_slice(b"\n\n");
}

impl ResponseWriter {
    /// A writer for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            ids: Ids::of("", &context),
            context,
            model: String::new(),
            begun: false,
            started: false,
            events: 0,
            items: Vec::new(),
            open: Ordered::default(),
            stop: None,
            usage: None,
            closed: false,
        }
    }

    /// An event that tells of the response without its items.
    fn whole(&mut self, name: &'static str, out: &mut Vec<u8>) {
        let document = response(&self.ids, &self.model, IN_PROGRESS, &[], &self.context);
        tell(&mut self.events, Told { r#type: name, response: Some(document), ..Told::default() }, out);
    }

    fn start(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.started, true) {
            self.whole("response.created", out);
            self.whole("response.in_progress", out);
        }
    }

    fn begin(&mut self, block: usize, begun: Begun<'_>, out: &mut Vec<u8>) {
        let begun = match begun {
            Begun::Text => Begun::Text,
            Begun::Thinking => Begun::Thinking,
            Begun::Refusal => Begun::Refusal,
            // Its clients know an image as the result of a tool of OpenAI's alone.
            Begun::Image(_) => return,
            Begun::RedactedThinking(data) => Begun::RedactedThinking(data.into_owned().into()),
            Begun::ToolCall { id, name } => {
                Begun::ToolCall { id: id.into_owned().into(), name: name.into_owned().into() }
            }
        };
        // Others may have nothing to say.
        let says = matches!(begun, Begun::ToolCall { .. } | Begun::RedactedThinking(_));
        let open = Open { begun, at: None, said: String::new(), signature: String::new(), stopped: false };
        self.open.insert(block, open);
        if says {
            self.show(block, out);
        }
    }

    /// Tells that a block has begun, once. Gives the index of its item.
    fn show(&mut self, block: usize, out: &mut Vec<u8>) {
        if self.open.get(&block).is_none_or(|open| open.at.is_some()) {
            return;
        }
        self.start(out);
        let is_said = |open: &Open| matches!(open.begun, Begun::Text | Begun::Refusal);
        let joins = self.open.get(&block).is_some_and(is_said);
        self.close(joins, COMPLETED, out);
        let Some(open) = self.open.get_mut(&block) else { return };
        let index = self.items.len();
        // What is said goes on in the same message.
        let last = index.checked_sub(1).filter(|_| joins);
        let message = last.filter(|at| matches!(self.items.get(*at), Some(Item::Message { status: IN_PROGRESS, .. })));
        let item = match &open.begun {
            Begun::Text | Begun::Refusal | Begun::Image(_) => Item::message(&self.ids, index),
            Begun::Thinking | Begun::RedactedThinking(_) => Item::reasoning(&self.ids, index),
            Begun::ToolCall { id, name } => Item::call(&mut self.ids, index, id, name, &self.context),
        };
        let at = message.unwrap_or(index);
        if message.is_none() {
            self.items.push(item);
            let event = Told { output_index: Some(at), item: self.items.last(), ..Told::default() };
            tell(&mut self.events, Told { r#type: "response.output_item.added", ..event }, out);
        }
        let part = match &open.begun {
            Begun::Text => Part::text(String::new()),
            Begun::Refusal => Part::Refusal { refusal: String::new() },
            _ => return open.at = Some((at, 0)),
        };
        let Some(Item::Message { id, content, .. }) = self.items.get_mut(at) else { return };
        open.at = Some((at, content.len()));
        let event =
            Told { output_index: Some(at), item_id: Some(id), content_index: Some(content.len()), ..Told::default() };
        tell(&mut self.events, Told { r#type: "response.content_part.added", part: Some(&part), ..event }, out);
        content.push(part);
    }

    fn piece(&mut self, block: usize, delta: &Delta<'_>, out: &mut Vec<u8>) {
        if delta.as_str().is_empty() {
            return;
        }
        self.show(block, out);
        let Self { open, items, events, .. } = self;
        let Some(open) = open.get_mut(&block) else { return };
        let Some((at, part)) = open.at else { return };
        let Some(item) = items.get(at) else { return };
        let event =
            Told { output_index: Some(at), item_id: Some(item.id()), delta: Some(delta.as_str()), ..Told::default() };
        let told = match (&open.begun, delta) {
            (Begun::Text, Delta::Text(_)) => {
                Told { r#type: "response.output_text.delta", content_index: Some(part), logprobs: Some([]), ..event }
            }
            (Begun::Refusal, Delta::Text(_)) => {
                Told { r#type: "response.refusal.delta", content_index: Some(part), ..event }
            }
            (Begun::Thinking, Delta::Thinking(_)) => {
                if open.said.is_empty() {
                    let empty = Part::SummaryText { text: String::new() };
                    let begins = Told { output_index: Some(at), item_id: Some(item.id()), ..Told::default() };
                    let begins = Told { summary_index: Some(0), part: Some(&empty), ..begins };
                    tell(events, Told { r#type: "response.reasoning_summary_part.added", ..begins }, out);
                }
                Told { r#type: "response.reasoning_summary_text.delta", summary_index: Some(0), ..event }
            }
            (Begun::Thinking, Delta::Signature(part)) => return open.signature.push_str(part),
            (Begun::ToolCall { .. }, Delta::Arguments(part)) => {
                // A text within arguments is told when it is whole.
                if matches!(item, Item::CustomToolCall { .. }) {
                    return open.said.push_str(part);
                }
                Told { r#type: "response.function_call_arguments.delta", ..event }
            }
            _ => return,
        };
        open.said.push_str(delta.as_str());
        tell(events, told, out);
    }

    /// Ends the items of blocks that are over, in order. `joins`: what is said next goes on in the last message, if that is open.
    fn close(&mut self, joins: bool, status: &'static str, out: &mut Vec<u8>) {
        let over: Vec<usize> = self.open.iter().filter(|(_, open)| open.stopped).map(|(block, _)| block).collect();
        for block in over {
            let Some(open) = self.open.remove(&block) else { continue };
            self.finish(&open, out);
            if let Some((at, _)) = open.at
                && !matches!(self.items.get(at), Some(Item::Message { .. }))
            {
                self.end_item(at, status, out);
            }
        }
        // A message ends where anything else begins.
        let last = self.items.len().checked_sub(1).filter(|_| joins);
        for at in 0..self.items.len() {
            let is_open = self.open.iter().any(|(_, open)| open.at.is_some_and(|(item, _)| item == at));
            let is_message = matches!(self.items.get(at), Some(Item::Message { status: IN_PROGRESS, .. }));
            if is_message && !is_open && last != Some(at) {
                self.end_item(at, status, out);
            }
        }
    }

    /// Tells all of a block that is over.
    fn finish(&mut self, open: &Open, out: &mut Vec<u8>) {
        let Some((at, number)) = open.at else { return };
        let Self { items, events, .. } = self;
        let Some(item) = items.get_mut(at) else { return };
        let id = item.id().to_owned();
        let event = || Told { output_index: Some(at), item_id: Some(&id), ..Told::default() };
        let said = open.said.as_str();
        match item {
            Item::Message { content, .. } => {
                let Some(part) = content.get_mut(number) else { return };
                let event = || Told { content_index: Some(number), ..event() };
                match part {
                    Part::Refusal { refusal } => {
                        said.clone_into(refusal);
                        tell(events, Told { r#type: "response.refusal.done", refusal: Some(said), ..event() }, out);
                    }
                    Part::OutputText { text, .. } | Part::SummaryText { text } => {
                        said.clone_into(text);
                        let done = Told { text: Some(said), logprobs: Some([]), ..event() };
                        tell(events, Told { r#type: "response.output_text.done", ..done }, out);
                    }
                }
                tell(events, Told { r#type: "response.content_part.done", part: Some(part), ..event() }, out);
            }
            Item::Reasoning { summary, encrypted_content, .. } => {
                if !said.is_empty() {
                    let event = || Told { summary_index: Some(0), ..event() };
                    let done = Told { text: Some(said), ..event() };
                    tell(events, Told { r#type: "response.reasoning_summary_text.done", ..done }, out);
                    let part = Part::SummaryText { text: said.to_owned() };
                    let done = Told { part: Some(&part), ..event() };
                    tell(events, Told { r#type: "response.reasoning_summary_part.done", ..done }, out);
                    summary.push(part);
                }
                let signature = Some(open.signature.as_str()).filter(|signature| !signature.is_empty());
                let sealed = match &open.begun {
                    Begun::RedactedThinking(data) => seal_redacted(data),
                    _ => seal(signature),
                };
                *encrypted_content = Some(sealed.into_owned());
            }
            Item::FunctionCall { .. } | Item::CustomToolCall { .. } => {
                item.argue(said);
                match item {
                    Item::FunctionCall { arguments, name, .. } => {
                        if said.is_empty() {
                            let delta = Told { delta: Some(arguments), ..event() };
                            tell(events, Told { r#type: "response.function_call_arguments.delta", ..delta }, out);
                        }
                        let done = Told { arguments: Some(arguments), name: Some(name), ..event() };
                        tell(events, Told { r#type: "response.function_call_arguments.done", ..done }, out);
                    }
                    Item::CustomToolCall { input, .. } => {
                        if !input.is_empty() {
                            let delta = Told { delta: Some(input), ..event() };
                            tell(events, Told { r#type: "response.custom_tool_call_input.delta", ..delta }, out);
                        }
                        let done = Told { input: Some(input), ..event() };
                        tell(events, Told { r#type: "response.custom_tool_call_input.done", ..done }, out);
                    }
                    _ => {}
                }
            }
        }
    }

    fn end_item(&mut self, at: usize, status: &'static str, out: &mut Vec<u8>) {
        let Some(item) = self.items.get_mut(at) else { return };
        item.end(status);
        let event = Told { output_index: Some(at), item: Some(item), ..Told::default() };
        tell(&mut self.events, Told { r#type: "response.output_item.done", ..event }, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.start(out);
        let is_incomplete = incomplete(self.stop).is_some();
        for open in self.open.values_mut() {
            open.stopped = true;
        }
        self.close(false, if is_incomplete { INCOMPLETE } else { COMPLETED }, out);
        let name = if is_incomplete { "response.incomplete" } else { "response.completed" };
        let document = response(&self.ids, &self.model, COMPLETED, &self.items, &self.context);
        let document = document.ended(self.stop, self.usage);
        tell(&mut self.events, Told { r#type: name, response: Some(document), ..Told::default() }, out);
        self.closed = true;
    }

    /// The answer failed. What was open stays so, and the end tells how far it had come.
    fn fail(&mut self, why: &ApiError, out: &mut Vec<u8>) {
        self.start(out);
        let events = self.events;
        self.open.values_mut().for_each(|open| open.stopped = true);
        self.close(false, INCOMPLETE, &mut Vec::new());
        self.events = events;
        let document = response(&self.ids, &self.model, FAILED, &self.items, &self.context);
        let document = document.failed(Failed { code: error::code(why), message: &why.message }, self.usage);
        tell(&mut self.events, Told { r#type: "response.failed", response: Some(document), ..Told::default() }, out);
        self.closed = true;
    }
}

/// The end of a provider's own stream that failed. `begun`: the id and the model of the response that has begun, and the number of the event.
#[must_use]
pub fn failed(error: &ApiError, begun: Option<(&str, &str, u64)>, context: AnswerContext) -> Vec<u8> {
    let mut writer = ResponseWriter::new(context);
    if let Some((id, model, event)) = begun {
        (writer.started, writer.events) = (true, event);
        id.clone_into(&mut writer.ids.response);
        model.clone_into(&mut writer.model);
    }
    let mut out = Vec::new();
    writer.fail(error, &mut out);
    out
}

impl EventWriter for ResponseWriter {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model } => {
                if !self.started {
                    (self.ids, self.model) = (Ids::of(&id, &self.context), model.into_owned());
                }
                self.begun = true;
            }
            Event::BlockStart(block, begun) => self.begin(block, begun, out),
            Event::Delta(block, delta) => self.piece(block, &delta, out),
            Event::BlockStop(block) => {
                if let Some(open) = self.open.get_mut(&block) {
                    open.stopped = true;
                }
            }
            Event::Ping if self.begun || self.started => {
                if self.started {
                    // Another `response.in_progress` would take the SDK for Node back to a response without items.
                    tell(&mut self.events, Told { r#type: "keepalive", ..Told::default() }, out);
                }
                self.start(out);
            }
            Event::Ping => out.extend_from_slice(COMMENT),
            Event::Opaque | Event::Logprobs(_) | Event::LeftOut => {}
            Event::Stop(reason) => _ = self.stop.get_or_insert(reason),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => self.fail(&failure::api_error(&failure), out),
            Event::End => self.end(out),
        }
    }

    fn kept(&self) -> usize {
        let of_part = |part: &Part| match part {
            Part::OutputText { text, .. } | Part::SummaryText { text } => text.len(),
            Part::Refusal { refusal } => refusal.len(),
        };
        let of_item = |item: &Item| match item {
            Item::Message { content: parts, .. } => parts.iter().map(of_part).sum(),
            Item::Reasoning { summary, encrypted_content, .. } => {
                summary.iter().map(of_part).sum::<usize>() + encrypted_content.as_ref().map_or(0, String::len)
            }
            Item::FunctionCall { arguments: text, .. } | Item::CustomToolCall { input: text, .. } => text.len(),
        };
        let of_block = |open: &Open| open.said.len() + open.signature.len();
        self.items.iter().map(of_item).sum::<usize>() + self.open.iter().map(|(_, open)| of_block(open)).sum::<usize>()
    }
}
