//! The conversation: turns of blocks to Anthropic's system blocks and turns.
//!
//! Anthropic wants turns that alternate, the user first, without empty texts, with the results of calls in front of what the
//! user says. Others know none of these rules, so blocks are gathered into turns here instead of mapped one by one.
//!
//! **Invariant:** texts keep their order and their words; only blank ones and the whitespace at the very end of a prefill go.

use serde_json::value::RawValue;

use super::media::{self, Media, Unusable};
use super::wire::{Block, Object, ResultContent, Speaker, Turn};
use crate::chat::NO_RESULT;
use crate::chat::{self, ApiError, Content, Place, Words};
use crate::dialect::ids::Ids;
use crate::dialect::names::Names;
use crate::dialect::thinking::is_carried;
use crate::dialect::unsupported::DroppedFields;

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

/// Writes a conversation. `prefill`: the model takes a last turn of the assistant. `media`: what it reads.
///
/// # Errors
/// An [`ApiError`] of status 400 for a block that Anthropic cannot read.
pub fn write<'r>(
    conversation: &'r chat::Conversation<'_>,
    names: &'r Names<'_>,
    prefill: bool,
    media: &'static Media,
    dropped: &mut DroppedFields,
) -> Result<Conversation<'r>, ApiError> {
    let (instructions, rest) = conversation.instructions();
    let mut gathering = Gathering {
        dropped,
        words: conversation.words,
        names,
        media,
        ids: Ids::default(),
        turns: Vec::new(),
        open: Vec::new(),
        results: Vec::new(),
        rest: Vec::new(),
    };
    let mut system = Vec::new();
    for turn in instructions {
        gathering.named(turn);
        let from = system.len();
        gathering.said(turn, false, &mut system)?;
        gathering.mark(turn, system.get_mut(from..).unwrap_or_default());
    }
    for turn in rest {
        gathering.named(turn);
        gathering.turn(turn)?;
    }
    let turns = gathering.finish(prefill);
    Ok(Conversation { system, turns })
}

struct Gathering<'r, 'l> {
    dropped: &'l mut DroppedFields,
    words: Words,
    names: &'r Names<'r>,
    media: &'static Media,
    ids: Ids<'r>,
    turns: Vec<Turn<'r>>,
    /// The calls that have no result yet.
    open: Vec<String>,
    /// Results of calls in the user turn that is being gathered.
    results: Vec<Block<'r>>,
    /// What else the user says in it.
    rest: Vec<Block<'r>>,
}

impl<'r> Gathering<'r, '_> {
    /// A speaker has no name here.
    fn named(&mut self, turn: &chat::Turn<'_>) {
        if turn.name.is_some() {
            self.dropped.hint(&turn.place.name("name"));
        }
    }

    fn turn(&mut self, turn: &'r chat::Turn<'_>) -> Result<(), ApiError> {
        let media = turn.speaker == chat::Speaker::User;
        match turn.speaker {
            chat::Speaker::System | chat::Speaker::User => {
                let mut blocks = std::mem::take(&mut self.rest);
                let from = blocks.len();
                let said = self.said(turn, media, &mut blocks);
                self.mark(turn, blocks.get_mut(from..).unwrap_or_default());
                self.rest = blocks;
                said
            }
            chat::Speaker::Assistant => {
                let mut blocks = Vec::new();
                self.said(turn, media, &mut blocks)?;
                self.mark(turn, &mut blocks);
                self.assistant(blocks);
                Ok(())
            }
        }
    }

    /// Puts the mark of a whole turn on its last block that can have one.
    fn mark(&mut self, turn: &chat::Turn<'r>, blocks: &mut [Block<'r>]) {
        let Some(mark) = turn.cache_control else { return };
        match blocks.iter_mut().rev().find_map(Block::mark) {
            Some(place) => *place = place.or(Some(mark)),
            None => self.dropped.hint(&turn.place.name("cache_control")),
        }
    }

    /// Appends what a turn says, without blank texts. `media`: images and files may stand here.
    fn said(&mut self, turn: &'r chat::Turn<'_>, media: bool, blocks: &mut Vec<Block<'r>>) -> Result<(), ApiError> {
        let model = turn.speaker == chat::Speaker::Assistant;
        for block in &turn.blocks {
            let written = match &block.content {
                Content::Thinking { .. } | Content::RedactedThinking(_) if model => self.thought(block),
                Content::ToolCall { id, name, arguments } if model => Some(self.call(id, name, arguments)),
                Content::ToolResult { id, blocks, is_error } if turn.speaker == chat::Speaker::User => {
                    let mut result = self.result(id, blocks, *is_error)?;
                    if let Some(place) = result.mark() {
                        *place = block.cache_control;
                    }
                    self.results.push(result);
                    continue;
                }
                _ => self.block(block, media)?,
            };
            let Some(mut written) = written else { continue };
            match written.mark() {
                Some(place) => *place = block.cache_control,
                None if block.cache_control.is_some() => self.dropped.hint(&block.place.name("cache_control")),
                None => {}
            }
            blocks.push(written);
        }
        Ok(())
    }

    fn result(
        &mut self,
        id: &'r str,
        blocks: &'r [chat::Block<'_>],
        is_error: Option<bool>,
    ) -> Result<Block<'r>, ApiError> {
        let tool_use_id = self.ids.result(id);
        self.open.retain(|open| *open != tool_use_id);
        let content = match blocks {
            [] => ResultContent::Text(""),
            [chat::Block { content: Content::Text(text), cache_control: None, place }] if !place.is_item() => {
                ResultContent::Text(text)
            }
            blocks => {
                let mut all = Vec::with_capacity(blocks.len());
                for block in blocks {
                    if let Some(mut written) = self.block(block, true)? {
                        if let Some(place) = written.mark() {
                            *place = block.cache_control;
                        }
                        all.push(written);
                    }
                }
                ResultContent::Blocks(all)
            }
        };
        Ok(Block::ToolResult { tool_use_id, content, is_error, cache_control: None })
    }

    /// Thinking that is handed back. What carries no signature, or another provider's, cannot be handed on.
    fn thought(&mut self, block: &'r chat::Block<'_>) -> Option<Block<'r>> {
        match &block.content {
            Content::Thinking { text: thinking, signature: Some(signature) }
                if !signature.is_empty() && !is_carried(signature) =>
            {
                Some(Block::Thinking { thinking, signature })
            }
            Content::RedactedThinking(data) if !is_carried(data) => Some(Block::RedactedThinking { data }),
            _ => {
                self.dropped.hint(&block.place.to_string());
                None
            }
        }
    }

    /// A block that stands by itself.
    fn block(&mut self, block: &'r chat::Block<'_>, media: bool) -> Result<Option<Block<'r>>, ApiError> {
        let chat::Block { content, cache_control, place } = block;
        let written = match content {
            Content::Text(text) | Content::Refusal(text) => {
                let block = spoken(text);
                if block.is_none() && cache_control.is_some() {
                    self.dropped.hint(&place.name("cache_control"));
                }
                return Ok(block);
            }
            Content::Image { source, detail } if media => {
                if detail.as_deref().is_some_and(|detail| detail != "auto") {
                    self.dropped.hint(&place.name(self.words.detail));
                }
                media::image(source, self.media)
            }
            Content::Document { source, name } if media => {
                media::file(source, name.as_deref(), self.media).inspect(|block| {
                    if name.is_some() && matches!(block, Block::Image { .. }) {
                        self.dropped.hint(&place.name(self.words.file_name));
                    }
                })
            }
            Content::Image { .. }
            | Content::Document { .. }
            | Content::Audio { .. }
            | Content::Thinking { .. }
            | Content::RedactedThinking(_)
            | Content::ToolCall { .. }
            | Content::ToolResult { .. }
            | Content::Opaque(_) => Err(Unusable::Foreign),
        };
        match written {
            Ok(block) => Ok(Some(block)),
            Err(Unusable::Foreign) => self.dropped.semantic(&place.to_string()).map(|()| None),
            Err(Unusable::Broken) => Err(broken(*place)),
        }
    }

    fn call(&mut self, id: &'r str, name: &'r str, arguments: &'r str) -> Block<'r> {
        // Arguments that are no object come from an answer that was cut off or from a model that erred. The call is history
        // and its result says what came of it, so an empty object serves better than ending the conversation for good.
        let input = serde_json::from_str::<&RawValue>(arguments).ok().filter(|raw| raw.get().starts_with('{'));
        Block::ToolUse {
            id: self.ids.call(id),
            name: self.names.ours(name),
            input: input.map_or(Object::Empty {}, Object::Raw),
            cache_control: None,
        }
    }

    /// Ends the user turn that is being gathered, if there is one. Nobody takes a call that has no result in it.
    fn close(&mut self) {
        if !self.results.is_empty() || !self.rest.is_empty() {
            let missing = std::mem::take(&mut self.open).into_iter().map(|tool_use_id| Block::ToolResult {
                tool_use_id,
                content: ResultContent::Text(NO_RESULT),
                is_error: None,
                cache_control: None,
            });
            self.results.extend(missing);
        }
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
        self.open.extend(blocks.iter().filter_map(|block| match block {
            Block::ToolUse { id, .. } => Some(id.clone()),
            _ => None,
        }));
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
fn spoken(text: &str) -> Option<Block<'_>> {
    (!text.trim().is_empty()).then_some(Block::Text { text, cache_control: None })
}

fn broken(place: Place) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("invalid_value".to_owned()),
        param: Some(place.to_string()),
        message: format!("'{place}' is neither an http(s) URL nor a base64 data URI."),
    }
}
