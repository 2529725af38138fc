//! The conversation: turns of blocks to Gemini's contents.
//!
//! Gemini wants the user first, and all results of a turn's calls right behind it, in the order of the calls, with nothing else beside them:
//! without ids it pairs them by place. Others let the user speak between them and go on without one. So a user's turns are gathered
//! until the model speaks again: results first, then what they hold besides text, then what the user says.
//!
//! **Invariant:** each call has one result once somebody speaks after it; a signature stands on the part that it came with, or nowhere.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::family::{Family, Thinking};
use super::media;
use super::wire::{Call, Content, Part, Response, Result as Said};
use crate::chat::{self, ApiError, Block, Place, Speaker};
use crate::dialect::ids;
use crate::dialect::names::Names;
use crate::dialect::thinking::{self, Signs};
use crate::dialect::unsupported::DroppedFields;

/// What stands where Gemini wants a user and the client has none.
const FILLER: &str = ".";
/// What stands for a result that the client does not have.
const NO_RESULT: &str = "There is no result: the call was interrupted.";
/// Google's word for a call whose signature is lost, in base64, which both of its APIs take.
const UNSIGNED: &str = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";
const NOTHING: &str = "{}";

/// A conversation in Gemini's shape.
pub struct Talk<'r> {
    pub system: Option<Content<'r>>,
    pub contents: Vec<Content<'r>>,
    /// How closely its images are looked at.
    pub resolution: Option<&'static str>,
}

/// Writes a conversation.
///
/// # Errors
/// An [`ApiError`] of status 400 for a block that Gemini cannot read.
pub fn write<'r>(
    conversation: &'r chat::Conversation<'_>,
    names: &'r Names<'_>,
    family: Family,
    dropped: &mut DroppedFields,
) -> Result<Talk<'r>, ApiError> {
    let (instructions, rest) = conversation.instructions();
    let mut writer = Writer {
        dropped,
        names,
        family,
        detail: conversation.words.detail,
        contents: Vec::new(),
        open: Vec::new(),
        media: Vec::new(),
        said: Vec::new(),
        ids: BTreeSet::new(),
        high: false,
        low: Vec::new(),
        images: 0,
    };
    for turn in instructions {
        writer.user(turn)?;
    }
    // Without a place of their own they begin what the user says.
    let system = if family.instructions { std::mem::take(&mut writer.said) } else { Vec::new() };
    let system = (!system.is_empty()).then_some(Content { role: None, parts: system });
    for turn in rest {
        match turn.speaker {
            Speaker::System | Speaker::User => writer.user(turn)?,
            Speaker::Assistant => writer.model(turn)?,
        }
    }
    writer.end(rest.last().map(|turn| turn.place));
    let resolution = writer.resolution();
    Ok(Talk { system, contents: writer.contents, resolution })
}

/// A call of the last turn of the model.
struct Open<'r> {
    /// The client's id of it.
    theirs: &'r str,
    id: Option<&'r str>,
    name: &'r str,
    result: Option<Part<'r>>,
}

struct Writer<'r, 'l> {
    dropped: &'l mut DroppedFields,
    names: &'r Names<'r>,
    family: Family,
    /// The client's word for how closely an image is looked at.
    detail: &'static str,
    contents: Vec<Content<'r>>,
    open: Vec<Open<'r>>,
    /// What results hold besides text, for models that do not take it there.
    media: Vec<Part<'r>>,
    /// What the user says since the model spoke.
    said: Vec<Part<'r>>,
    /// The ids of calls that were sent.
    ids: BTreeSet<&'r str>,
    /// An image shall be looked at closely; which ones shall not; how many there are.
    high: bool,
    low: Vec<Place>,
    images: usize,
}

fn text<'r>(text: impl Into<Cow<'r, str>>) -> Part<'r> {
    Part { text: Some(text.into()), ..Part::default() }
}

impl<'r> Writer<'r, '_> {
    /// Names what a turn has no place for here.
    fn marks(&mut self, turn: &chat::Turn<'_>) {
        if turn.name.is_some() {
            self.dropped.hint(&turn.place.name("name"));
        }
        if turn.cache_control.is_some() {
            self.dropped.hint(&turn.place.name("cache_control"));
        }
        self.block_marks(&turn.blocks);
    }

    fn block_marks(&mut self, blocks: &[Block<'_>]) {
        for block in blocks.iter().filter(|block| block.cache_control.is_some()) {
            self.dropped.hint(&block.place.name("cache_control"));
        }
    }

    fn user(&mut self, turn: &'r chat::Turn<'_>) -> Result<(), ApiError> {
        self.marks(turn);
        for block in &turn.blocks {
            match &block.content {
                chat::Content::ToolResult { id, blocks, is_error } => self.result(id, blocks, *is_error)?,
                _ => {
                    let mut parts = std::mem::take(&mut self.said);
                    let part = self.part(block, turn.speaker == Speaker::User, &mut parts);
                    self.said = parts;
                    part?;
                }
            }
        }
        Ok(())
    }

    /// Appends a block that stands by itself. `media`: images and files may stand here.
    fn part(&mut self, block: &'r Block<'_>, media: bool, parts: &mut Vec<Part<'r>>) -> Result<(), ApiError> {
        use chat::Content as Is;
        let part = match &block.content {
            Is::Text(said) | Is::Refusal(said) => {
                // Gemini refuses blank texts.
                parts.extend((!said.trim().is_empty()).then(|| text(said.as_ref())));
                return Ok(());
            }
            Is::Image { source, detail } if media => {
                self.images = self.images.saturating_add(1);
                match detail.as_deref() {
                    None | Some("auto") => {}
                    Some("high") => self.high = true,
                    Some("low") => self.low.push(block.place),
                    Some(_) => self.dropped.hint(&block.place.name(self.detail)),
                }
                media::part(source)
            }
            Is::Document { source, name } if media => {
                parts.extend(name.as_deref().filter(|name| !name.is_empty()).map(|name| text(format!("{name}:"))));
                media::part(source)
            }
            Is::Audio { data, format } if media => Some(media::sound(data, format)),
            Is::Thinking { .. } | Is::RedactedThinking(_) => {
                self.dropped.hint(&block.place.to_string());
                return Ok(());
            }
            _ => return self.dropped.semantic(&block.place.to_string()),
        };
        parts.push(part.ok_or_else(|| broken(block.place))?);
        Ok(())
    }

    fn result(&mut self, id: &'r str, blocks: &'r [Block<'_>], is_error: Option<bool>) -> Result<(), ApiError> {
        self.block_marks(blocks);
        let (mut texts, mut parts): (Vec<&'r str>, Vec<Part<'r>>) = (Vec::new(), Vec::new());
        for block in blocks {
            match &block.content {
                chat::Content::Text(text) => texts.push(text),
                _ => self.part(block, true, &mut parts)?,
            }
        }
        let said: Cow<'r, str> = match texts.as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(one),
            _ => Cow::Owned(texts.join("\n")),
        };
        let Some(open) = self.open.iter_mut().find(|open| open.theirs == id && open.result.is_none()) else {
            // Without a call it is no result here.
            self.said.extend((!said.trim().is_empty()).then(|| text(said)));
            self.said.append(&mut parts);
            return Ok(());
        };
        let object = match &said {
            Cow::Borrowed(said) if said.trim_start().starts_with('{') => serde_json::from_str::<&RawValue>(said).ok(),
            _ => None,
        };
        let response = match object {
            _ if is_error == Some(true) => Said::Error { error: said },
            Some(object) => Said::Object(object),
            None => Said::Output { output: said },
        };
        let mut inside = Vec::new();
        if self.family.signs {
            inside = parts;
        } else if !parts.is_empty() {
            self.media.push(text(format!("This is part of the result of the call of {}:", open.name)));
            self.media.append(&mut parts);
        }
        let response = Response { id: open.id, name: open.name, response, parts: inside };
        open.result = Some(Part { function_response: Some(response), ..Part::default() });
        Ok(())
    }

    fn model(&mut self, turn: &'r chat::Turn<'_>) -> Result<(), ApiError> {
        self.marks(turn);
        let (mut parts, mut calls) = (Vec::new(), Vec::new());
        // The signature of the call that follows.
        let mut signature: Option<(&'r str, Place)> = None;
        for block in &turn.blocks {
            match &block.content {
                chat::Content::ToolCall { id, name, arguments } => {
                    let name = self.names.ours(name);
                    let args =
                        serde_json::from_str::<&RawValue>(arguments).ok().filter(|raw| raw.get().starts_with('{'));
                    // Arguments that are no object come from an answer that was cut off; what came of the call says enough.
                    let Some(args) = args.or_else(|| serde_json::from_str(NOTHING).ok()) else { continue };
                    let id = (self.family.signs && !ids::is_made(id) && self.ids.insert(id)).then_some(id.as_ref());
                    calls.push(Open { theirs: block_id(block), id, name, result: None });
                    parts.push(Part {
                        function_call: Some(Call { id, name, args }),
                        thought_signature: signature.take().map(|(signature, _)| signature),
                        ..Part::default()
                    });
                }
                chat::Content::Thinking { text, signature: signed } => {
                    self.thought(block.place, text, signed.as_deref(), &mut parts, &mut signature);
                }
                // What ran at another provider is told by the text that followed it.
                chat::Content::Opaque(_) => self.dropped.hint(&block.place.to_string()),
                _ => self.part(block, true, &mut parts)?,
            }
        }
        if let Some((_, place)) = signature {
            self.dropped.hint(&place.to_string());
        }
        if parts.is_empty() {
            return Ok(());
        }
        // Some write parallel calls as turns of their own.
        let is_alike = !calls.is_empty() && self.said.is_empty() && self.open.iter().all(|open| open.result.is_none());
        if !is_alike {
            self.close();
        }
        self.open.append(&mut calls);
        match self.contents.last_mut() {
            Some(last) if last.role == Some("model") => last.parts.append(&mut parts),
            last => {
                if last.is_none() {
                    self.contents.push(Content { role: Some("user"), parts: vec![text(FILLER)] });
                }
                self.contents.push(Content { role: Some("model"), parts });
            }
        }
        Ok(())
    }

    /// Thinking that is handed back: what Google signed stands on the part that it signed, the rest cannot be handed on.
    fn thought(
        &mut self,
        place: Place,
        thought: &'r str,
        signature: Option<&'r str>,
        parts: &mut Vec<Part<'r>>,
        of_call: &mut Option<(&'r str, Place)>,
    ) {
        let thinks = self.family.signs || self.family.thinking != Thinking::Never;
        match signature.and_then(thinking::of_google).filter(|(_, signature)| thinks && is_whole(signature)) {
            Some((Signs::Call, signature)) => *of_call = Some((signature, place)),
            Some((Signs::Text, signature)) => match parts.iter_mut().rfind(|it| it.text.is_some() && !it.thought) {
                Some(part) => part.thought_signature = Some(signature),
                None => parts.push(Part { thought_signature: Some(signature), ..text("") }),
            },
            Some((Signs::Thought, signature)) => {
                parts.push(Part { thought: true, thought_signature: Some(signature), ..text(thought) });
            }
            None if thought.is_empty() && signature.is_none_or(str::is_empty) => {}
            None => self.dropped.hint(&place.to_string()),
        }
    }

    /// Ends what was gathered since the model spoke.
    fn close(&mut self) {
        let results: Vec<Part<'r>> = std::mem::take(&mut self.open).into_iter().map(answered).collect();
        let mut said = std::mem::take(&mut self.media);
        said.append(&mut self.said);
        for parts in [results, said] {
            if !parts.is_empty() {
                self.contents.push(Content { role: Some("user"), parts });
            }
        }
    }

    /// `last`: where the last turn stands.
    fn end(&mut self, last: Option<Place>) {
        let must_answer = !self.family.prefill && !self.open.is_empty();
        if must_answer || !self.said.is_empty() || self.open.iter().any(|open| open.result.is_some()) {
            self.close();
        }
        let ends_with_model = self.contents.last().is_some_and(|last| last.role == Some("model"));
        if self.contents.is_empty() || ends_with_model && !self.family.prefill {
            self.contents.push(Content { role: Some("user"), parts: vec![text(FILLER)] });
        }
        if let (true, false, Some(place)) = (ends_with_model, self.family.prefill, last) {
            self.dropped.hint(&place.to_string());
        }
        if self.family.signs {
            self.sign();
        }
    }

    /// Puts Google's word for a lost signature on the first call of each turn of the model since the user last spoke: those must be signed.
    fn sign(&mut self) {
        let is_users = |content: &&mut Content<'_>| {
            content.role == Some("user") && content.parts.iter().any(|part| part.function_response.is_none())
        };
        for content in self.contents.iter_mut().rev().take_while(|content| !is_users(content)) {
            let first = content.parts.iter_mut().find(|part| part.function_call.is_some());
            if let Some(part) = first {
                part.thought_signature.get_or_insert(UNSIGNED);
            }
        }
    }

    /// One resolution holds for all images of a request.
    fn resolution(&mut self) -> Option<&'static str> {
        if self.high || self.low.len() < self.images {
            for place in std::mem::take(&mut self.low) {
                self.dropped.hint(&place.name(self.detail));
            }
        }
        match (self.high, self.low.is_empty()) {
            (true, _) => Some("MEDIA_RESOLUTION_HIGH"),
            (false, false) => Some("MEDIA_RESOLUTION_LOW"),
            (false, true) => None,
        }
    }
}

fn block_id<'r>(block: &'r Block<'_>) -> &'r str {
    match &block.content {
        chat::Content::ToolCall { id, .. } => id,
        _ => "",
    }
}

fn answered(open: Open<'_>) -> Part<'_> {
    let Open { theirs: _, id, name, result } = open;
    result.unwrap_or_else(|| {
        let response = Said::Error { error: Cow::Borrowed(NO_RESULT) };
        let response = Response { id, name, response, parts: Vec::new() };
        Part { function_response: Some(response), ..Part::default() }
    })
}

/// Whether a signature can be decoded: one that cannot refuses the whole conversation.
fn is_whole(signature: &str) -> bool {
    let letters = signature.trim_end_matches('=');
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    !letters.is_empty()
        && signature.len() - letters.len() <= 2
        && letters.len() % 4 != 1
        && letters.bytes().all(is_letter)
}

fn broken(place: Place) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("invalid_value".to_owned()),
        param: Some(place.to_string()),
        message: format!("'{place}' is neither an http(s) or gs URL nor a base64 data URI."),
    }
}
