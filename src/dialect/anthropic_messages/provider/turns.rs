//! The conversation: OpenAI's messages to Anthropic's system blocks and turns.
//!
//! Anthropic wants turns that alternate, the user first, without empty texts, with the results of calls in front of what the
//! user says. OpenAI knows none of these rules, so messages are gathered into turns here instead of mapped one by one.
//!
//! **Invariant:** texts keep their order and their words; only blank ones and the whitespace at the very end of a prefill go.

use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

use super::ids::Ids;
use super::media::{self, Unusable};
use super::names::Names;
use super::wire::{Block, Object, ResultContent, Speaker, Turn};
use crate::chat::{ApiError, Content, Message, Part, Role, ToolUse};
use crate::dialect::loss::Loss;

/// What stands where Anthropic wants a user turn and the client has none.
const FILLER: &str = ".";

/// A conversation in Anthropic's shape.
pub struct Conversation<'r> {
    /// The instructions that stand before everything else.
    pub system: Vec<Block<'r>>,
    /// The turns, the user's first.
    pub turns: Vec<Turn<'r>>,
}

impl Conversation<'_> {
    /// Whether any turn calls a tool or answers a call.
    pub fn has_calls(&self) -> bool {
        let mut blocks = self.turns.iter().flat_map(|turn| &turn.content);
        blocks.any(|block| matches!(block, Block::ToolUse { .. } | Block::ToolResult { .. }))
    }

    /// Whether the newest call came without the thinking that led to it, which Anthropic wants back while a model thinks.
    pub fn thoughts_are_lost(&self) -> bool {
        let calls = |turn: &&Turn<'_>| turn.content.iter().any(|block| matches!(block, Block::ToolUse { .. }));
        let newest = self.turns.iter().rev().find(calls).and_then(|turn| turn.content.first());
        newest.is_some_and(|block| !matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. }))
    }
}

/// Turns messages into a conversation. `prefill`: the model takes a last turn of the assistant.
///
/// # Errors
/// An [`ApiError`] of status 400 for a part that Anthropic cannot read.
pub fn conversation<'r>(
    messages: &'r [Message<'_>],
    names: &'r Names<'_>,
    prefill: bool,
    loss: &mut Loss,
) -> Result<Conversation<'r>, ApiError> {
    let leading = messages.iter().take_while(|message| message.role == Role::System).count();
    let mut gathering =
        Gathering { loss, names, ids: Ids::default(), turns: Vec::new(), results: Vec::new(), rest: Vec::new() };
    let mut system = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        // Of a result, the name is said once more by the call that it answers.
        if message.role != Role::Tool && message.name.is_some() {
            gathering.loss.hint(&format!("messages[{index}].name"));
        }
        if index < leading {
            let from = system.len();
            gathering.said(index, message, &mut system)?;
            gathering.mark(index, message, system.get_mut(from..).unwrap_or_default());
        } else {
            gathering.message(index, message)?;
        }
    }
    let turns = gathering.finish(prefill);
    Ok(Conversation { system, turns })
}

struct Gathering<'r, 'l> {
    loss: &'l mut Loss,
    names: &'r Names<'r>,
    ids: Ids<'r>,
    turns: Vec<Turn<'r>>,
    /// Results of calls in the user turn that is being gathered.
    results: Vec<Block<'r>>,
    /// What else the user says in it.
    rest: Vec<Block<'r>>,
}

impl<'r> Gathering<'r, '_> {
    fn message(&mut self, index: usize, message: &'r Message<'_>) -> Result<(), ApiError> {
        match message.role {
            Role::System | Role::User => {
                let mut blocks = std::mem::take(&mut self.rest);
                let from = blocks.len();
                self.said(index, message, &mut blocks)?;
                self.mark(index, message, blocks.get_mut(from..).unwrap_or_default());
                self.rest = blocks;
            }
            Role::Assistant => {
                let mut blocks = self.thoughts(index, message);
                self.said(index, message, &mut blocks)?;
                blocks.extend(message.tool_calls.iter().map(|call| self.call(call)));
                self.mark(index, message, &mut blocks);
                self.assistant(blocks);
            }
            Role::Tool => {
                let tool_use_id = self.ids.result(message.tool_call_id.as_deref().unwrap_or_default());
                let content = match &message.content {
                    Content::Text(text) => ResultContent::Text(text),
                    Content::None => ResultContent::Text(""),
                    Content::Parts(_) => {
                        let mut blocks = Vec::new();
                        self.said(index, message, &mut blocks)?;
                        ResultContent::Blocks(blocks)
                    }
                };
                let (is_error, cache_control) = (message.is_error, message.cache_control);
                self.results.push(Block::ToolResult { tool_use_id, content, is_error, cache_control });
            }
        }
        Ok(())
    }

    /// Puts the mark of a whole message on its last block that can have one.
    fn mark(&mut self, index: usize, message: &Message<'r>, blocks: &mut [Block<'r>]) {
        let Some(mark) = message.cache_control else { return };
        match blocks.iter_mut().rev().find_map(Block::mark) {
            Some(place) => *place = place.or(Some(mark)),
            None => self.loss.hint(&format!("messages[{index}].cache_control")),
        }
    }

    /// The thinking that a message hands back. What carries no signature cannot be handed on.
    fn thoughts(&mut self, index: usize, message: &'r Message<'_>) -> Vec<Block<'r>> {
        let Some(raw) = message.thinking_blocks else { return Vec::new() };
        let (blocks, whole) = thoughts(raw);
        if !whole {
            self.loss.hint(&format!("messages[{index}].thinking_blocks"));
        }
        blocks
    }

    /// Appends what a message says, without blank texts.
    fn said(&mut self, index: usize, message: &'r Message<'_>, blocks: &mut Vec<Block<'r>>) -> Result<(), ApiError> {
        match &message.content {
            Content::None => {}
            Content::Text(text) => blocks.extend(spoken(text, None)),
            Content::Parts(parts) => {
                for (place, part) in parts.iter().enumerate() {
                    let place = || format!("messages[{index}].content[{place}]");
                    let media = matches!(message.role, Role::User | Role::Tool);
                    blocks.extend(self.part(part, media, place)?);
                }
            }
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: &'r Part<'_>,
        media: bool,
        place: impl Fn() -> String,
    ) -> Result<Option<Block<'r>>, ApiError> {
        let (block, mark) = match part {
            Part::Text(text, mark) | Part::Refusal(text, mark) => {
                let block = spoken(text, *mark);
                if block.is_none() && mark.is_some() {
                    self.loss.hint(&format!("{}.cache_control", place()));
                }
                return Ok(block);
            }
            Part::Image(url, detail, mark) if media => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.loss.hint(&format!("{}.image_url.detail", place()));
                }
                (media::image(url), *mark)
            }
            Part::File(uri, name, mark) if media => (media::file(uri, name.as_deref()), *mark),
            Part::Image(..) | Part::File(..) | Part::Other(_) => (Err(Unusable::Foreign), None),
        };
        match block {
            Ok(mut block) => {
                if let Some(place) = block.mark() {
                    *place = mark;
                }
                Ok(Some(block))
            }
            Err(Unusable::Foreign) => self.loss.semantic(&place()).map(|()| None),
            Err(Unusable::Broken) => Err(ApiError {
                status: 400,
                kind: "invalid_request_error",
                code: Some("invalid_value".to_owned()),
                param: Some(place()),
                message: format!("'{}' is neither an http(s) URL nor a base64 data URI.", place()),
            }),
        }
    }

    fn call(&mut self, call: &'r ToolUse<'_>) -> Block<'r> {
        // Arguments that are no object come from an answer that was cut off or from a model that erred. The call is history
        // and its result says what came of it, so an empty object serves better than ending the conversation for good.
        let input = serde_json::from_str::<&RawValue>(&call.arguments).ok().filter(|raw| raw.get().starts_with('{'));
        Block::ToolUse {
            id: self.ids.call(&call.id),
            name: self.names.ours(&call.name),
            input: input.map_or(Object::Empty {}, Object::Raw),
            cache_control: call.cache_control,
        }
    }

    /// Ends the user turn that is being gathered, if there is one.
    fn close(&mut self) {
        self.results.append(&mut self.rest);
        if !self.results.is_empty() {
            self.turns.push(Turn { role: Speaker::User, content: std::mem::take(&mut self.results) });
        }
    }

    fn assistant(&mut self, mut blocks: Vec<Block<'r>>) {
        if blocks.is_empty() {
            return;
        }
        self.close();
        match self.turns.last_mut() {
            Some(turn) if turn.role == Speaker::Assistant => turn.content.append(&mut blocks),
            Some(_) => self.turns.push(Turn { role: Speaker::Assistant, content: blocks }),
            None => {
                self.turns.push(filler());
                self.turns.push(Turn { role: Speaker::Assistant, content: blocks });
            }
        }
    }

    fn finish(mut self, prefill: bool) -> Vec<Turn<'r>> {
        self.close();
        match self.turns.last_mut() {
            None => self.turns.push(filler()),
            Some(turn) if turn.role == Speaker::Assistant => {
                if let Some(Block::Text { text, .. }) = turn.content.last_mut() {
                    *text = text.trim_end();
                }
                if !prefill {
                    self.turns.push(filler());
                }
            }
            Some(_) => {}
        }
        self.turns
    }
}

fn filler<'r>() -> Turn<'r> {
    Turn { role: Speaker::User, content: vec![Block::Text { text: FILLER, cache_control: None }] }
}

/// A text block, unless it is blank: Anthropic refuses those.
fn spoken<'r>(text: &'r str, cache_control: Option<&'r RawValue>) -> Option<Block<'r>> {
    (!text.trim().is_empty()).then_some(Block::Text { text, cache_control })
}

#[derive(Deserialize)]
struct Thought<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    thinking: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
}

/// The thinking that the client hands back, and whether that is all of it.
fn thoughts(raw: &RawValue) -> (Vec<Block<'_>>, bool) {
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else { return (Vec::new(), false) };
    let count = list.len();
    let thoughts = list.into_iter().filter_map(|raw| serde_json::from_str::<Thought<'_>>(raw.get()).ok());
    let blocks = thoughts.filter_map(|thought| match (thought.r#type.as_ref(), thought.signature, thought.data) {
        ("thinking", Some(signature), _) if !signature.is_empty() => {
            Some(Block::Thinking { thinking: thought.thinking.unwrap_or_default(), signature })
        }
        ("redacted_thinking", _, Some(data)) => Some(Block::RedactedThinking { data }),
        _ => None,
    });
    let blocks: Vec<_> = blocks.collect();
    let whole = blocks.len() == count;
    (blocks, whole)
}
