//! The client's Responses request: bytes to [`Conversation`], borrowed.
//!
//! Only one that goes to another dialect is read, so what it refers to at the provider that made it (a response, a conversation, an item) is
//! refused: served without that, it would be answered without its history.
//!
//! **Invariant:** never panics, never recurses with the input's depth; each member is read, or named as unread.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::input;
use super::tools::{Forms, offered, tool_choice};
use crate::chat::{ApiError, Block, Content, Conversation, Effort, Member, OutputFormat, Place, Speaker, Turn, Words};
use crate::dialect::read::{
    Field, Object, Path, Unread, array, body, boolean, loose_text, missing, number, object, optional, raw_object,
    required, text, whole, wrong_value,
};
use crate::dialect::scan::Reference;

const EFFORTS: &str = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'";

const WORDS: Words = Words {
    stop: "stop",
    effort: "reasoning.effort",
    output: "text.format",
    user: "user",
    parallel_tool_calls: "parallel_tool_calls",
    verbosity: "text.verbosity",
    signature: "encrypted_content",
    detail: "detail",
    file_name: "filename",
    parameters: "parameters",
    schema_description: "description",
};

/// Reads the body of `POST /v1/responses`.
///
/// # Errors
/// An [`ApiError`] of status 400 in OpenAI's words, with the member's place as `param`.
pub fn read(bytes: &[u8]) -> Result<Conversation<'_>, ApiError> {
    let unread = &mut Unread::default();
    let (mut conversation, mut other) = body(bytes, |fields| conversation(fields, unread))?;
    conversation.other.append(&mut other);
    conversation.unread = std::mem::take(unread).into_names();
    conversation.settle();
    Ok(conversation)
}

fn conversation<'a>(fields: &mut Object<'a>, unread: &mut Unread) -> Result<Conversation<'a>, ApiError> {
    fields.take("model");
    for name in ["previous_response_id", "conversation", "prompt"] {
        if fields.take(name).is_some() {
            return Err(Reference::refusal(name));
        }
    }
    if top(fields, "background", boolean)?.unwrap_or_default() {
        return Err(Reference::refusal("background"));
    }
    let mut conversation = Conversation {
        max_tokens: top(fields, "max_output_tokens", whole)?,
        temperature: top(fields, "temperature", number)?,
        top_p: top(fields, "top_p", number)?,
        parallel_tool_calls: top(fields, "parallel_tool_calls", boolean)?,
        user: top(fields, "user", text)?,
        stream: top(fields, "stream", boolean)?.unwrap_or_default(),
        // A stream of this dialect always tells it.
        include_usage: true,
        words: WORDS,
        ..Conversation::default()
    };
    top(fields, "text", |raw, path| said(raw, path, &mut conversation, unread))?;
    conversation.effort = top(fields, "reasoning", |raw, path| effort(raw, path, unread))?.flatten();
    conversation.other.extend(top(fields, "include", |raw, path| include(raw, path, unread))?.flatten());
    what_asks_nothing(fields, unread)?;
    let mut forms = Forms::default();
    if let Some(raw) = fields.take("tools") {
        let list = array(raw, Path::Top("tools"))?;
        offered(list, |index| Place::item(Member::Tools, index), &mut conversation, &mut forms, unread)?;
    }
    if let Some(raw) = fields.take("tool_choice") {
        conversation.tool_choice = tool_choice(raw, &conversation.foreign_tools, &mut forms, unread)?;
        if conversation.tool_choice.is_none() {
            fields.put("tool_choice", raw);
        }
    }
    if let Some(words) = top(fields, "instructions", text)? {
        conversation.turns.push(by(Speaker::System, words, Place::top(Member::Instructions)));
    }
    let path = Path::Top("input");
    let raw = fields.take("input").ok_or_else(|| missing(path))?;
    if raw.get().starts_with('"') {
        conversation.turns.push(by(Speaker::User, text(raw, path)?, Place::top(Member::Input)));
    } else {
        let items = array(raw, path)?;
        if items.is_empty() && conversation.turns.is_empty() {
            return Err(wrong_value(path, "[]", "a text, and a list of at least one item"));
        }
        input::read(items, &mut conversation, &mut forms, unread)?;
    }
    conversation.tool_forms = forms.into_map();
    Ok(conversation)
}

fn by<'a>(speaker: Speaker, words: Cow<'a, str>, place: Place) -> Turn<'a> {
    let blocks = vec![Block::unmarked(Content::Text(words), place)];
    Turn { speaker, blocks, name: None, cache_control: None, place }
}

fn top<'a, T>(
    fields: &mut Object<'a>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, Path::Top(name))).transpose()
}

/// Takes what asks for nothing else than what happens anyway.
fn what_asks_nothing(fields: &mut Object<'_>, unread: &mut Unread) -> Result<(), ApiError> {
    for (name, value) in [("store", "false"), ("truncation", "\"disabled\""), ("top_logprobs", "0")] {
        fields.take_if(name, |raw| (raw.get() == value).then_some(()));
    }
    // How many alternatives are shown, where any are: that is asked by `include`.
    if fields.take("top_logprobs").is_some() {
        unread.name(Path::Top("top_logprobs"));
    }
    top(fields, "stream_options", |raw, path| {
        object(raw, path, unread, |fields, _| {
            // `false` is what other providers do anyway: only one pads its events.
            fields.take_if("include_obfuscation", |raw| (raw.get() == "false").then_some(()));
            Ok(())
        })
    })?;
    Ok(())
}

/// The shape of the answer, and how long-winded it is.
fn said<'a>(
    raw: &'a RawValue,
    path: Path<'_>,
    into: &mut Conversation<'a>,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    object(raw, path, unread, |fields, unread| {
        into.output = optional(fields, path, "format", |raw, path| format(raw, path, unread))?;
        into.verbosity = optional(fields, path, "verbosity", text)?;
        Ok(())
    })
}

fn format<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<OutputFormat<'a>, ApiError> {
    object(raw, path, unread, |fields, _| match required(fields, path, "type", text)?.as_ref() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => Ok(OutputFormat::JsonSchema {
            schema: optional(fields, path, "schema", raw_object)?,
            name: optional(fields, path, "name", text)?.unwrap_or_default(),
            description: optional(fields, path, "description", text)?,
            strict: optional(fields, path, "strict", boolean)?,
        }),
        other => Err(wrong_value(path.field("type"), other, "'text', 'json_object', and 'json_schema'")),
    })
}

fn effort(raw: &RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<Effort>, ApiError> {
    object(raw, path, unread, |fields, _| {
        let Some(word) = optional(fields, path, "effort", text)? else { return Ok(None) };
        let known = Effort::named(&word);
        known.map(Some).ok_or_else(|| wrong_value(path.field("effort"), &word, EFFORTS))
    })
}

/// What the answer shall hold besides. Encrypted reasoning it always holds; how likely its words were it cannot.
fn include<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<Field<'a>>, ApiError> {
    let mut lacking = None;
    for (index, item) in array(raw, path)?.into_iter().enumerate() {
        match loose_text(item).as_deref() {
            Some("reasoning.encrypted_content") => {}
            Some("message.output_text.logprobs") => lacking = Some((Cow::Borrowed("include"), raw)),
            _ => unread.name(path.index(index)),
        }
    }
    Ok(lacking)
}
