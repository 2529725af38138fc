//! The conversation: turns of blocks to OpenAI's messages.
//!
//! OpenAI wants the results of calls right behind the calls, each as a message of its own that holds text alone. Other dialects let the user
//! speak between them and put images into them. So a user's turns are gathered until the model speaks again: results first, then what they
//! hold besides text, then what the user says.
//!
//! **Invariant:** base64 never stands in a text; between a call and its result stands nothing.

use std::borrow::Cow;

use super::wire::{Arguments, Audio, Call, Called, File, Image, Message, Part, Said};
use crate::chat::{ApiError, Block, Content, Conversation, Source, Speaker, Turn};
use crate::dialect::data_uri::data_uri;
use crate::dialect::ids::Ids;
use crate::dialect::names::Names;
use crate::dialect::unsupported::DroppedFields;
use crate::provider::Habits;

/// What stands before the result of a call that failed.
pub const FAILED: &str = "Error: ";
/// The name of a file that has none.
pub const FILE: &str = "document.pdf";

/// What messages of a dialect hold.
#[derive(Clone, Copy)]
pub struct Form {
    /// What the model thought, under this name; `None`: it is left out.
    pub thinking: Option<ThinkingAs>,
    /// The names of those that speak, and refusals.
    pub labels: bool,
    /// Files and sound.
    pub files: bool,
    /// Images by URL; else only by their bytes.
    pub links: bool,
    /// Several texts of a user stay apart. Some compatible servers read nothing but one.
    pub apart: bool,
}

impl Form {
    /// Texts, and images by their bytes.
    pub const PLAIN: Self = Self { thinking: None, labels: false, files: false, links: false, apart: true };

    /// OpenAI's, as a provider has it.
    pub fn of(habits: Habits) -> Self {
        let thinking = habits.takes_thinking.then_some(ThinkingAs::ReasoningContent);
        Self { thinking, labels: true, files: true, links: true, apart: habits.is_openai }
    }
}

/// The name under which thinking goes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ThinkingAs {
    /// `reasoning_content`.
    ReasoningContent,
    /// `thinking`.
    Thinking,
}

/// Writes the messages.
///
/// # Errors
/// An [`ApiError`] of status 400 for a block that the dialect cannot say.
pub fn write<'r>(
    conversation: &'r Conversation<'_>,
    names: &'r Names<'_>,
    form: Form,
    dropped: &mut DroppedFields,
) -> Result<Vec<Message<'r>>, ApiError> {
    let (instructions, rest) = conversation.instructions();
    let mut writer = Writer {
        dropped,
        names,
        form,
        signature: conversation.words.signature,
        ids: Ids::default(),
        messages: Vec::with_capacity(conversation.turns.len() + 1),
        awaits: false,
        results: Vec::new(),
        media: Vec::new(),
        said: Vec::new(),
    };
    // Those compatible with OpenAI take one message of instructions, in front.
    let mut leading: Vec<&'r str> = Vec::new();
    let mut name = None;
    for turn in instructions {
        name = writer.marks(turn);
        leading.extend(writer.words(&turn.blocks)?);
    }
    if let Some(text) = joined(leading, "\n\n") {
        let name = name.filter(|_| instructions.len() == 1);
        writer.messages.push(Message { name, ..message("system", Said::Text(text)) });
    }
    for turn in rest {
        writer.turn(turn)?;
    }
    writer.close();
    Ok(writer.messages)
}

struct Writer<'r, 'l> {
    dropped: &'l mut DroppedFields,
    names: &'r Names<'r>,
    form: Form,
    /// The client's word for the signature of thinking.
    signature: &'static str,
    ids: Ids<'r>,
    messages: Vec<Message<'r>>,
    /// The last turn of the model made calls.
    awaits: bool,
    /// Results of calls since then.
    results: Vec<Message<'r>>,
    /// What they hold besides text.
    media: Vec<Part<'r>>,
    /// What the user says since then, turn by turn.
    said: Vec<Message<'r>>,
}

const fn message<'r>(role: &'static str, content: Said<'r>) -> Message<'r> {
    Message {
        role,
        content,
        reasoning_content: None,
        thinking: None,
        images: Vec::new(),
        tool_plan: None,
        tool_calls: Vec::new(),
        tool_call_id: None,
        tool_name: None,
        name: None,
    }
}

fn joined<'r>(texts: Vec<&'r str>, between: &str) -> Option<Cow<'r, str>> {
    match texts.as_slice() {
        [] => None,
        [one] => Some(Cow::Borrowed(one)),
        _ => Some(Cow::Owned(texts.join(between))),
    }
}

impl<'r> Writer<'r, '_> {
    /// Names the marks of a turn, which have no place here. Gives the speaker's name.
    fn marks(&mut self, turn: &'r Turn<'_>) -> Option<&'r str> {
        if turn.cache_control.is_some() {
            self.dropped.hint(&turn.place.name("cache_control"));
        }
        for block in &turn.blocks {
            self.mark(block);
        }
        if turn.name.is_some() && !self.form.labels {
            self.dropped.hint(&turn.place.name("name"));
        }
        turn.name.as_deref().filter(|_| self.form.labels)
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

    /// The texts of instructions.
    fn words(&mut self, blocks: &'r [Block<'_>]) -> Result<Vec<&'r str>, ApiError> {
        let mut texts = Vec::new();
        for block in blocks {
            match &block.content {
                Content::Text(text) | Content::Refusal(text) => texts.push(text.as_ref()),
                _ => self.lost(block)?,
            }
        }
        Ok(texts)
    }

    fn turn(&mut self, turn: &'r Turn<'_>) -> Result<(), ApiError> {
        let name = self.marks(turn);
        match turn.speaker {
            Speaker::System => {
                let text = joined(self.words(&turn.blocks)?, "\n\n");
                if let Some(text) = text {
                    // Between a call and its result nothing may stand.
                    let message = Message { name, ..message("system", Said::Text(text)) };
                    match !self.awaits && self.results.is_empty() {
                        true => {
                            self.close();
                            self.messages.push(message);
                        }
                        false => self.said.push(message),
                    }
                }
            }
            Speaker::User => self.user(turn, name)?,
            Speaker::Assistant => self.assistant(turn, name)?,
        }
        Ok(())
    }

    fn user(&mut self, turn: &'r Turn<'_>, name: Option<&'r str>) -> Result<(), ApiError> {
        let mut parts = Vec::new();
        for block in &turn.blocks {
            match &block.content {
                Content::ToolResult { id, blocks, is_error } => self.result(id, blocks, *is_error)?,
                _ => parts.extend(self.part(block)?),
            }
        }
        if !parts.is_empty() {
            let content = if self.form.apart { said(parts) } else { together(parts, "\n\n") };
            self.said.push(Message { name, ..message("user", content) });
        }
        Ok(())
    }

    fn result(&mut self, id: &'r str, blocks: &'r [Block<'_>], is_error: Option<bool>) -> Result<(), ApiError> {
        let id = self.ids.result(id);
        let mut texts = Vec::new();
        let mut media = Vec::new();
        for block in blocks {
            self.mark(block);
            match &block.content {
                Content::Text(text) => texts.push(Cow::Borrowed(text.as_ref())),
                Content::Image { .. } | Content::Document { .. } | Content::Audio { .. } => match self.part(block)? {
                    // A document of plain text.
                    Some(Part::Text { text }) => texts.push(text),
                    part => media.extend(part),
                },
                _ => self.lost(block)?,
            }
        }
        let mut text = if texts.len() > 1 { Cow::Owned(texts.join("\n")) } else { texts.pop().unwrap_or_default() };
        if is_error == Some(true) {
            text = Cow::Owned([FAILED, &text].concat());
        }
        if !media.is_empty() {
            if text.is_empty() {
                text = Cow::Borrowed("The result follows.");
            }
            self.media.push(Part::Text { text: Cow::Owned(format!("This is part of the result of the call {id}:")) });
            self.media.append(&mut media);
        }
        self.results.push(Message { tool_call_id: Some(id), ..message("tool", Said::Text(text)) });
        Ok(())
    }

    /// A part of what the user says; `None` where it is dropped.
    fn part(&mut self, block: &'r Block<'_>) -> Result<Option<Part<'r>>, ApiError> {
        let Block { content, cache_control: _, place } = block;
        Ok(Some(match content {
            Content::Text(text) => Part::Text { text: Cow::Borrowed(text) },
            Content::Image { source, detail } => {
                let is_fit = |url: &Cow<'_, str>| self.form.links || data_uri(url).is_some();
                let Some(url) = uri(source).filter(is_fit) else { return self.lost(block).map(|()| None) };
                if detail.is_some() && !self.form.links {
                    self.dropped.hint(&format!("{place}.image_url.detail"));
                }
                // The newest detail of Responses is more than this dialect has.
                let detail = detail.as_deref().map(|detail| if detail == "original" { "high" } else { detail });
                Part::ImageUrl { image_url: Image { url, detail } }
            }
            Content::Audio { data, format } if self.form.files => {
                Part::InputAudio { input_audio: Audio { data, format } }
            }
            Content::Document { source: Source::Text(text), name: None } => Part::Text { text: Cow::Borrowed(text) },
            Content::Document { source: Source::Text(text), name: Some(name) } => {
                Part::Text { text: Cow::Owned(format!("{name}:\n\n{text}")) }
            }
            Content::Document { source, name } => match uri(source) {
                Some(file_data) if self.form.files && file_data.starts_with("data:") => {
                    Part::File { file: File { filename: Some(name.as_deref().unwrap_or(FILE)), file_data } }
                }
                _ => return self.lost(block).map(|()| None),
            },
            Content::Refusal(text) => Part::Text { text: Cow::Borrowed(text) },
            Content::Thinking { .. } | Content::RedactedThinking(_) => {
                self.dropped.hint(&place.to_string());
                return Ok(None);
            }
            Content::Audio { .. } | Content::ToolCall { .. } | Content::ToolResult { .. } | Content::Opaque(_) => {
                return self.lost(block).map(|()| None);
            }
        }))
    }

    fn assistant(&mut self, turn: &'r Turn<'_>, name: Option<&'r str>) -> Result<(), ApiError> {
        let (mut parts, mut calls, mut thoughts) = (Vec::new(), Vec::new(), Vec::new());
        for block in &turn.blocks {
            match &block.content {
                Content::Text(text) => parts.push(Part::Text { text: Cow::Borrowed(text) }),
                Content::Refusal(refusal) if self.form.labels => parts.push(Part::Refusal { refusal }),
                Content::Refusal(text) => parts.push(Part::Text { text: Cow::Borrowed(text) }),
                Content::ToolCall { id, name, arguments } => {
                    calls.push((id.as_ref(), name.as_ref(), arguments.as_ref()))
                }
                Content::Thinking { text, signature } => {
                    let told = self.form.thinking.is_some() && !text.is_empty();
                    if told {
                        thoughts.push(text.as_ref());
                    } else if !text.is_empty() || signature.as_ref().is_some_and(|it| !it.is_empty()) {
                        self.dropped.hint(&block.place.to_string());
                    }
                    if told && signature.as_ref().is_some_and(|it| !it.is_empty()) {
                        self.dropped.hint(&block.place.name(self.signature));
                    }
                }
                // What ran at the provider is told by the text that followed it.
                Content::RedactedThinking(_) | Content::Opaque(_) => self.dropped.hint(&block.place.to_string()),
                Content::Image { .. }
                | Content::Audio { .. }
                | Content::Document { .. }
                | Content::ToolResult { .. } => {
                    self.lost(block)?;
                }
            }
        }
        if parts.is_empty() && calls.is_empty() && thoughts.is_empty() {
            return Ok(());
        }
        self.close();
        let tool_calls: Vec<Call<'r>> =
            calls.into_iter().map(|(id, name, arguments)| self.call(id, name, arguments)).collect();
        self.awaits = !tool_calls.is_empty();
        let content = if parts.is_empty() { Said::Nothing(None) } else { together(parts, "") };
        let mut message = Message { tool_calls, name, ..message("assistant", content) };
        let thinking = match self.form.thinking {
            Some(ThinkingAs::Thinking) => &mut message.thinking,
            Some(ThinkingAs::ReasoningContent) | None => &mut message.reasoning_content,
        };
        *thinking = joined(thoughts, "\n");
        self.messages.push(message);
        Ok(())
    }

    fn call(&mut self, id: &'r str, name: &'r str, arguments: &'r str) -> Call<'r> {
        let arguments = Arguments::Text(if arguments.trim().is_empty() { "{}" } else { arguments });
        Call { id: self.ids.call(id), r#type: "function", function: Called { name: self.names.ours(name), arguments } }
    }

    /// Ends what was gathered since the model spoke.
    fn close(&mut self) {
        let said = std::mem::take(&mut self.said);
        if said.is_empty() && self.results.is_empty() && self.media.is_empty() {
            return;
        }
        self.messages.append(&mut self.results);
        self.awaits = false;
        let mut said = said.into_iter().peekable();
        if !self.media.is_empty() {
            let mut parts = std::mem::take(&mut self.media);
            match said.peek().map(|first| first.role) {
                Some("user") => {
                    let Some(first) = said.next() else { return };
                    let Message { content, name, .. } = first;
                    parts.extend(content.into_parts());
                    self.messages.push(Message { name, ..message("user", Said::Parts(parts)) });
                }
                _ => self.messages.push(message("user", Said::Parts(parts))),
            }
        }
        self.messages.extend(said);
    }
}

/// What a user says: one text as such, else parts.
fn said(mut parts: Vec<Part<'_>>) -> Said<'_> {
    match (parts.len(), parts.pop()) {
        (1, Some(Part::Text { text })) => Said::Text(text),
        (_, last) => {
            parts.extend(last);
            Said::Parts(parts)
        }
    }
}

/// What was said: its texts as one, which every compatible server reads, unless there is more.
fn together<'r>(parts: Vec<Part<'r>>, between: &str) -> Said<'r> {
    if parts.len() < 2 || !parts.iter().all(|part| matches!(part, Part::Text { .. })) {
        return said(parts);
    }
    let texts = parts.into_iter().filter_map(|part| match part {
        Part::Text { text } => Some(text.into_owned()),
        _ => None,
    });
    Said::Text(Cow::Owned(texts.collect::<Vec<String>>().join(between)))
}

/// The URL of a source; `None` of plain text.
fn uri<'r>(source: &'r Source<'_>) -> Option<Cow<'r, str>> {
    match source {
        Source::Uri(uri) => Some(Cow::Borrowed(uri)),
        Source::Base64 { media_type, data } => Some(Cow::Owned(format!("data:{media_type};base64,{data}"))),
        Source::Text(_) => None,
    }
}
