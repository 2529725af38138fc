//! The conversation: turns of blocks to instructions and items.
//!
//! What the model says, thinks and calls are items beside each other here.
//!
//! **Invariant:** reasoning goes back to the provider that made it, with its id and its encrypted content as they came, and to no other.

use std::borrow::Cow;

use super::wire::{Item, Output, Part};
use crate::chat::{ApiError, Block, Content, Conversation, Source, Speaker, Turn};
use crate::dialect::ids::Ids;
use crate::dialect::names::Names;
use crate::dialect::openai_chat::provider::messages::{FAILED, FILE};
use crate::dialect::thinking::carried;
use crate::dialect::unsupported::DroppedFields;

/// Writes the conversation: the instructions that stand in front, and the items.
///
/// # Errors
/// An [`ApiError`] of status 400 for a block that the dialect cannot say.
pub fn write<'r>(
    conversation: &'r Conversation<'_>,
    names: &'r Names<'_>,
    provider: &'static str,
    dropped: &mut DroppedFields,
) -> Result<(Option<String>, Vec<Item<'r>>), ApiError> {
    let (mut instructions, mut rest) = conversation.instructions();
    if rest.is_empty() {
        // Something must be asked.
        (instructions, rest) = (&[], instructions);
    }
    let mut writer = Writer {
        dropped,
        names,
        provider,
        file_name: conversation.words.file_name,
        ids: Ids::default(),
        items: Vec::with_capacity(conversation.turns.len()),
        said: Vec::new(),
        results: Vec::new(),
    };
    let mut leading: Vec<&'r str> = Vec::new();
    for turn in instructions {
        writer.marks(turn);
        for block in &turn.blocks {
            match &block.content {
                Content::Text(text) | Content::Refusal(text) => leading.push(text),
                _ => writer.lost(block)?,
            }
        }
    }
    for turn in rest {
        writer.marks(turn);
        match turn.speaker {
            Speaker::System => writer.said("developer", turn)?,
            Speaker::User => writer.said("user", turn)?,
            Speaker::Assistant => writer.assistant(turn)?,
        }
    }
    writer.close();
    Ok(((!leading.is_empty()).then(|| leading.join("\n\n")), writer.items))
}

struct Writer<'r, 'l> {
    dropped: &'l mut DroppedFields,
    names: &'r Names<'r>,
    provider: &'static str,
    /// The client's word for a file's name.
    file_name: &'static str,
    ids: Ids<'r>,
    items: Vec<Item<'r>>,
    /// What was said since the model spoke.
    said: Vec<Item<'r>>,
    /// What its calls gave.
    results: Vec<Item<'r>>,
}

impl<'r> Writer<'r, '_> {
    /// Names the marks and the name of a turn, which have no place here.
    fn marks(&mut self, turn: &Turn<'_>) {
        if turn.cache_control.is_some() {
            self.dropped.hint(&turn.place.name("cache_control"));
        }
        if turn.name.is_some() {
            self.dropped.hint(&turn.place.name("name"));
        }
        turn.blocks.iter().for_each(|block| self.mark(block));
    }

    fn mark(&mut self, block: &Block<'_>) {
        if block.cache_control.is_some() {
            self.dropped.hint(&block.place.name("cache_control"));
        }
    }

    /// A block that nothing stands for.
    fn lost(&mut self, block: &Block<'_>) -> Result<(), ApiError> {
        self.dropped.semantic(&block.place.to_string())
    }

    /// What somebody says who is not the model.
    fn said(&mut self, role: &'static str, turn: &'r Turn<'_>) -> Result<(), ApiError> {
        let mut content = Vec::new();
        for block in &turn.blocks {
            match &block.content {
                Content::ToolResult { id, blocks, is_error } => self.result(id, blocks, *is_error)?,
                _ => content.extend(self.part(block)?),
            }
        }
        if !content.is_empty() {
            self.said.push(Item::Message { role, content });
        }
        Ok(())
    }

    fn result(&mut self, id: &'r str, blocks: &'r [Block<'_>], is_error: Option<bool>) -> Result<(), ApiError> {
        let call_id = self.ids.result(id);
        let mut parts = Vec::new();
        for block in blocks {
            self.mark(block);
            parts.extend(self.part(block)?);
        }
        if is_error == Some(true) {
            match parts.first_mut() {
                Some(Part::InputText { text }) => *text = Cow::Owned([FAILED, text].concat()),
                _ => parts.push(Part::InputText { text: Cow::Borrowed(FAILED) }),
            }
        }
        let output = match (parts.len(), parts.pop()) {
            (_, None) => Output::Text(Cow::Borrowed("")),
            (1, Some(Part::InputText { text })) => Output::Text(text),
            (_, last) => {
                parts.extend(last);
                Output::Parts(parts)
            }
        };
        self.results.push(Item::FunctionCallOutput { call_id, output });
        Ok(())
    }

    /// A part of what is said; `None` where it is dropped.
    fn part(&mut self, block: &'r Block<'_>) -> Result<Option<Part<'r>>, ApiError> {
        let text = |text: Cow<'r, str>| Ok(Some(Part::InputText { text }));
        match &block.content {
            Content::Text(said) | Content::Refusal(said) => text(Cow::Borrowed(said)),
            Content::Image { source, detail } => match uri(source) {
                Some(image_url) => {
                    Ok(Some(Part::InputImage { image_url, detail: detail.as_deref().unwrap_or("auto") }))
                }
                None => self.lost(block).map(|()| None),
            },
            Content::Document { source: Source::Text(said), name: None } => text(Cow::Borrowed(said)),
            Content::Document { source: Source::Text(said), name: Some(name) } => {
                text(Cow::Owned(format!("{name}:\n\n{said}")))
            }
            Content::Document { source, name } => Ok(uri(source).map(|uri| match uri.starts_with("data:") {
                true => Part::InputFile {
                    filename: Some(name.as_deref().unwrap_or(FILE)),
                    file_data: Some(uri),
                    file_url: None,
                },
                false => {
                    if name.is_some() {
                        self.dropped.hint(&block.place.name(self.file_name));
                    }
                    Part::InputFile { filename: None, file_data: None, file_url: Some(uri) }
                }
            })),
            Content::Thinking { .. } | Content::RedactedThinking(_) => {
                self.dropped.hint(&block.place.to_string());
                Ok(None)
            }
            Content::Audio { .. } | Content::ToolCall { .. } | Content::ToolResult { .. } | Content::Opaque(_) => {
                self.lost(block).map(|()| None)
            }
        }
    }

    fn assistant(&mut self, turn: &'r Turn<'_>) -> Result<(), ApiError> {
        self.close();
        let mut content = Vec::new();
        for block in &turn.blocks {
            let item = match &block.content {
                Content::Text(text) if text.is_empty() => continue,
                Content::Text(text) => {
                    content.push(Part::OutputText { text, annotations: [] });
                    continue;
                }
                Content::Refusal(refusal) => {
                    content.push(Part::Refusal { refusal });
                    continue;
                }
                Content::ToolCall { id, name, arguments } => {
                    let call_id = self.ids.call(id);
                    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments.as_ref() };
                    Item::FunctionCall { call_id, name: self.names.ours(name), arguments }
                }
                Content::Thinking { text, signature } => match self.sealed(signature.as_deref()) {
                    Some((id, encrypted_content)) => {
                        let summary = if text.is_empty() { Vec::new() } else { vec![Part::SummaryText { text }] };
                        Item::Reasoning { id, summary, encrypted_content }
                    }
                    None => {
                        if !text.is_empty() || signature.as_ref().is_some_and(|it| !it.is_empty()) {
                            self.dropped.hint(&block.place.to_string());
                        }
                        continue;
                    }
                },
                Content::RedactedThinking(data) => match self.sealed(Some(data)) {
                    Some((id, encrypted_content)) => Item::Reasoning { id, summary: Vec::new(), encrypted_content },
                    None => {
                        self.dropped.hint(&block.place.to_string());
                        continue;
                    }
                },
                // What ran at the provider is told by the text that followed it.
                Content::Opaque(_) => {
                    self.dropped.hint(&block.place.to_string());
                    continue;
                }
                Content::Image { .. }
                | Content::Audio { .. }
                | Content::Document { .. }
                | Content::ToolResult { .. } => {
                    self.lost(block)?;
                    continue;
                }
            };
            self.spoken(&mut content);
            self.items.push(item);
        }
        self.spoken(&mut content);
        Ok(())
    }

    /// What the model said up to here is an item.
    fn spoken(&mut self, content: &mut Vec<Part<'r>>) {
        if !content.is_empty() {
            self.items.push(Item::Message { role: "assistant", content: std::mem::take(content) });
        }
    }

    /// The id and the encrypted content of reasoning, if this provider made it.
    fn sealed(&self, signature: Option<&'r str>) -> Option<(&'r str, &'r str)> {
        carried(signature?, self.provider)?.split_once('.')
    }

    /// Ends what was gathered since the model spoke.
    fn close(&mut self) {
        self.items.append(&mut self.results);
        self.items.append(&mut self.said);
    }
}

/// The URL of a source; `None` of plain text.
fn uri<'r>(source: &'r Source<'_>) -> Option<Cow<'r, str>> {
    match source {
        Source::Uri(uri) => Some(Cow::Borrowed(uri)),
        Source::Base64 { media_type, data } => Some(Cow::Owned(format!("data:{media_type};base64,{data}"))),
        Source::Text(_) => None,
    }
}
