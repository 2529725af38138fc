//! Turns in Anthropic's shape to Converse's messages, by what the model's family accepts.
//!
//! **Invariant:** no text that is sent is blank; roles alternate, the user first; what a family refuses is named.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::answer::{object, text_of};
use super::family::{Caches, Family};
use super::wire::{Block, CachePoint, Message, Reasoning, Source, Tool, Tools};
use crate::chat::{self, Content, Conversation};
use crate::dialect::anthropic_messages::provider::media::Media;
use crate::dialect::anthropic_messages::provider::wire::{self as messages, ResultContent, Speaker, Turn};
use crate::dialect::read::{Object, loose_text};
use crate::dialect::unsupported::DroppedFields;

/// The times to live of a cache point.
const TTLS: [&str; 2] = ["5m", "1h"];
/// What stands where Converse wants a text and the client has none.
const FILLER: &str = ".";
/// What says that a call failed, to families that cannot be told otherwise, and where nothing else says it.
const FAILED: &str = "The call failed.";
/// What stands in a result of which everything else follows it.
const FOLLOWS: &str = "The result follows.";
/// The most cache points in a request.
const MOST_POINTS: usize = 4;

/// What Converse reads, by media type and by its own word for it.
pub const MEDIA: Media = Media {
    by_url: false,
    images: &[
        ("image/jpeg", "jpeg"),
        ("image/jpg", "jpeg"),
        ("image/png", "png"),
        ("image/gif", "gif"),
        ("image/webp", "webp"),
    ],
    documents: &[
        ("application/pdf", "pdf"),
        ("text/plain", "txt"),
        ("text/markdown", "md"),
        ("text/html", "html"),
        ("text/csv", "csv"),
        ("application/msword", "doc"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
        ("application/vnd.ms-excel", "xls"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ],
};

/// Puts turns into Converse's shapes.
pub struct Writer<'c, 'o, 'd, 'r> {
    pub conversation: &'c Conversation<'o>,
    pub family: Family,
    pub dropped: &'d mut DroppedFields,
    /// The names of documents so far: no two may be alike.
    pub names: BTreeSet<String>,
    /// What results hold besides text, for families that want it behind them.
    pub apart: Vec<Block<'r>>,
}

impl<'r> Writer<'_, '_, '_, 'r> {
    /// The instructions.
    pub fn system(&mut self, blocks: Vec<messages::Block<'r>>) -> Vec<Block<'r>> {
        let mut system = Vec::with_capacity(blocks.len());
        for block in blocks {
            self.block(block, &mut system);
        }
        system
    }

    /// The turns.
    pub fn turns(&mut self, turns: Vec<Turn<'r>>) -> Vec<Message<'r>> {
        let mut all: Vec<Message<'r>> = Vec::with_capacity(turns.len());
        for turn in turns {
            match turn.role {
                Speaker::Assistant => {
                    let content = self.assistant(turn.content);
                    push(&mut all, "assistant", content);
                }
                Speaker::User => self.user(turn.content, &mut all),
            }
        }
        all
    }

    fn assistant(&mut self, blocks: Vec<messages::Block<'r>>) -> Vec<Block<'r>> {
        let calls = blocks.iter().any(|block| matches!(block, messages::Block::ToolUse { .. }));
        let mut content = Vec::with_capacity(blocks.len());
        for block in blocks {
            match &block {
                messages::Block::Text { text, .. } if calls && !self.family.mixes => self.name(text),
                messages::Block::Thinking { thinking, signature } if !self.family.thoughts => {
                    self.name(if thinking.is_empty() { signature } else { thinking });
                }
                messages::Block::RedactedThinking { data } if !self.family.thoughts => self.name(data),
                _ => self.block(block, &mut content),
            }
        }
        content
    }

    fn user(&mut self, blocks: Vec<messages::Block<'r>>, all: &mut Vec<Message<'r>>) {
        let is_result = |block: &messages::Block<'_>| matches!(block, messages::Block::ToolResult { .. });
        let (mut results, mut rest) = (Vec::new(), Vec::new());
        for block in blocks {
            let into = if is_result(&block) { &mut results } else { &mut rest };
            self.block(block, into);
        }
        if !self.apart.is_empty() {
            self.apart.append(&mut rest);
            rest = std::mem::take(&mut self.apart);
        }
        let is_text = |block: &Block<'_>| matches!(block, Block::Text(_));
        // A document wants a text beside it.
        if rest.iter().any(|block| matches!(block, Block::Document { .. })) && !rest.iter().any(is_text) {
            rest.push(filler());
        }
        if !self.family.mixes && !results.is_empty() && !rest.is_empty() {
            push(all, "user", std::mem::take(&mut results));
            push(all, "assistant", vec![filler()]);
        }
        results.append(&mut rest);
        push(all, "user", results);
    }

    /// Writes a block, and a cache point behind it where it has a mark.
    fn block(&mut self, block: messages::Block<'r>, content: &mut Vec<Block<'r>>) {
        let (written, mark) = match block {
            messages::Block::Text { text, cache_control } => (Block::Text(text.into()), cache_control),
            messages::Block::Image { source, cache_control } => match bytes(source) {
                Some((format, source)) => (Block::Image { format, source }, cache_control),
                None => return,
            },
            messages::Block::Document { source, title, cache_control } => match bytes(source) {
                Some((format, source)) => {
                    let name = self.document_name(title.unwrap_or_default(), format);
                    (Block::Document { format, name, source }, cache_control)
                }
                None => return,
            },
            messages::Block::Thinking { thinking: text, signature } => {
                (Block::ReasoningContent(Reasoning::ReasoningText { text, signature }), None)
            }
            messages::Block::RedactedThinking { data } => {
                (Block::ReasoningContent(Reasoning::RedactedContent(data)), None)
            }
            messages::Block::ToolUse { id: tool_use_id, name, input, cache_control } => {
                (Block::ToolUse { tool_use_id, name, input }, cache_control)
            }
            messages::Block::ToolResult { tool_use_id, content, is_error, cache_control } => {
                let (content, inner) = self.result(&tool_use_id, content, is_error == Some(true));
                let status = (is_error == Some(true) && self.family.status).then_some("error");
                (Block::ToolResult { tool_use_id, content, status }, cache_control.or(inner))
            }
        };
        let point =
            mark.filter(|_| self.family.caches > Caches::Nowhere).map(|mark| Block::CachePoint(cache_point(mark)));
        // Right behind a document that is no PDF a point is refused.
        let (before, behind) = match &written {
            Block::Document { format, .. } if *format != "pdf" => (point, None),
            _ => (None, point),
        };
        match before {
            Some(_) if matches!(content.last(), None | Some(Block::CachePoint(_) | Block::Document { .. })) => {
                self.dropped.hint(MARK);
            }
            before => content.extend(before),
        }
        content.push(written);
        content.extend(behind);
    }

    /// What a call gave, and the last mark in it: a cache point stands behind the result.
    fn result(&mut self, id: &str, content: ResultContent<'r>, failed: bool) -> (Vec<Block<'r>>, Option<&'r RawValue>) {
        let mut written = Vec::new();
        let mut mark = None;
        if failed && !self.family.status {
            written.push(Block::Text(FAILED.into()));
        }
        match content {
            ResultContent::Text(text) if text.trim().is_empty() => {}
            ResultContent::Text(text) => written.push(Block::Text(text.into())),
            ResultContent::Blocks(blocks) => {
                for mut block in blocks {
                    mark = block.mark().and_then(Option::take).or(mark);
                    self.block(block, &mut written);
                }
            }
        }
        let is_rich = |block: &Block<'_>| matches!(block, Block::Image { .. } | Block::Document { .. });
        if !self.family.rich_results && written.iter().any(is_rich) {
            self.apart.push(Block::Text(Cow::Owned(["This is part of the result of the call ", id, ":"].concat())));
            for block in std::mem::take(&mut written) {
                let into = if is_rich(&block) { &mut self.apart } else { &mut written };
                into.push(block);
            }
            if written.is_empty() {
                written.push(Block::Text(FOLLOWS.into()));
            }
        }
        // The model's service wants to be told what failed.
        if failed && written.is_empty() {
            written.push(Block::Text(FAILED.into()));
        }
        (written, mark)
    }

    /// A name that Converse takes (letters, digits, brackets, single spaces), and that no other document has.
    fn document_name(&mut self, title: &str, format: &str) -> String {
        let title = title.strip_suffix(format).and_then(|stem| stem.strip_suffix('.')).unwrap_or(title);
        let plain = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, ' ' | '(' | ')' | '[' | ']' | '-') { c } else { '-' }
        };
        let plain: String = title.chars().map(plain).collect();
        let words: Vec<&str> = plain.split_ascii_whitespace().collect();
        let stem: String = if words.is_empty() { "document".to_owned() } else { words.join(" ") };
        let stem: String = stem.chars().take(190).collect();
        let stem = stem.trim_end().to_owned();
        let mut name = stem.clone();
        let mut number = 2_u32;
        while !self.names.insert(name.clone()) {
            name = format!("{stem} {number}");
            number = number.saturating_add(1);
        }
        name
    }

    /// Names the block that a text of the client's stands in.
    fn name(&mut self, text: &str) {
        let is_it = |block: &&chat::Block<'_>| match &block.content {
            Content::Text(own) | Content::Refusal(own) | Content::RedactedThinking(own) => is_same(own, text),
            Content::Thinking { text: own, signature } => {
                is_same(own, text) || signature.as_deref().is_some_and(|own| is_same(own, text))
            }
            _ => false,
        };
        let found = self.conversation.turns.iter().flat_map(|turn| &turn.blocks).find(is_it);
        let place = found.map_or_else(|| "messages".to_owned(), |block| block.place.to_string());
        self.dropped.hint(&place);
    }
}

/// How a client calls a mark.
const MARK: &str = "cache_control";

/// Takes the points out that are more than a request may have: of the turns' the first, then of the instructions', then of the tools'.
pub fn thin<'r>(
    tools: Option<&mut Tools<'r>>,
    system: &mut Vec<Block<'r>>,
    turns: &mut [Message<'r>],
    dropped: &mut DroppedFields,
) {
    let is_point = |block: &Block<'_>| matches!(block, Block::CachePoint(_));
    let is_of_tools = |tool: &Tool<'_>| matches!(tool, Tool::CachePoint(_));
    let of_tools = tools.as_ref().map_or(0, |tools| tools.tools.iter().filter(|tool| is_of_tools(tool)).count());
    let mut over = of_tools + system.iter().filter(|block| is_point(block)).count();
    turns.iter().for_each(|turn| over += turn.content.iter().filter(|block| is_point(block)).count());
    over = over.saturating_sub(MOST_POINTS);
    if over == 0 {
        return;
    }
    dropped.hint(MARK);
    let mut goes = |is_point: bool| {
        let goes = is_point && over > 0;
        over -= usize::from(goes);
        goes
    };
    let all = turns.iter_mut().map(|turn| &mut turn.content).chain([system]);
    all.for_each(|blocks| blocks.retain(|block| !goes(is_point(block))));
    if let Some(tools) = tools {
        tools.tools.retain(|tool| !goes(is_of_tools(tool)));
    }
}

fn filler<'r>() -> Block<'r> {
    Block::Text(Cow::Borrowed(FILLER))
}

/// A cache point for a mark.
pub fn cache_point(mark: &RawValue) -> CachePoint {
    let ttl = ttl(mark);
    CachePoint { r#type: "default", ttl: TTLS.into_iter().find(|known| *known == ttl) }
}

/// What a mark says that Converse does not know, such as another time to live.
pub fn odd_members(mark: &RawValue) -> Vec<String> {
    let is_known = |name: &str, value: &RawValue| match name {
        "type" => true,
        "ttl" => loose_text(value).is_some_and(|ttl| TTLS.contains(&ttl.as_ref())),
        _ => false,
    };
    let members = object(mark.get()).map(Object::into_members).unwrap_or_default();
    members.into_iter().filter(|(name, value)| !is_known(name, value)).map(|(name, _)| name.into_owned()).collect()
}

fn ttl(mark: &RawValue) -> String {
    object(mark.get()).map(|mut mark| text_of(&mut mark, "ttl").into_owned()).unwrap_or_default()
}

/// Whether it is the same text in the same place; a last text may have lost the white space at its end.
fn is_same(own: &str, text: &str) -> bool {
    !text.is_empty() && std::ptr::eq(own.as_ptr(), text.as_ptr())
}

/// Adds a message, or its blocks to the last one where that has its role.
fn push<'r>(all: &mut Vec<Message<'r>>, role: &'static str, mut content: Vec<Block<'r>>) {
    if content.is_empty() {
        return;
    }
    match all.last_mut() {
        Some(last) if last.role == role => last.content.append(&mut content),
        None if role == "assistant" => {
            all.push(Message { role: "user", content: vec![filler()] });
            all.push(Message { role, content });
        }
        _ => all.push(Message { role, content }),
    }
}

/// The format and the bytes of an image or a document.
fn bytes(source: messages::Source<'_>) -> Option<(&'static str, Source<'_>)> {
    match source {
        messages::Source::Base64 { media_type, data } => Some((media_type, Source::Bytes(data))),
        messages::Source::Text { data, .. } if data.trim().is_empty() => None,
        messages::Source::Text { data, .. } => Some(("txt", Source::Text(data))),
        // It is not among what is read.
        messages::Source::Url { .. } => None,
    }
}
