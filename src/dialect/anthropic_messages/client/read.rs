//! The client's Messages request: bytes to [`Conversation`], borrowed.
//!
//! Strict where a wrong guess would send something else than the client meant, tolerant elsewhere. What Anthropic alone runs (its own tools,
//! their calls and results) has no neutral form. Agents write a line for Anthropic's bookkeeping into their instructions, another one on each
//! request: it is left out here, since it would keep every other provider's prompt cache from being hit.
//!
//! **Invariant:** never panics, never recurses with the input's depth; each member is read, or named as unread.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{
    ApiError, Block, Content, Conversation, Effort, ForeignTool, Member, OutputFormat, Place, Source, Speaker, Tool,
    ToolChoice, Turn, Words,
};
use crate::dialect::count::count;
use crate::dialect::ids::split;
use crate::dialect::read::{
    Object, Path, Unread, array, body, boolean, compact, content, loose_text, mark, messages, number, object, optional,
    raw_object, required, text, whole, wrong_value,
};
use crate::dialect::thinking;

/// How the line for Anthropic's bookkeeping begins.
const BILLING: &str = "x-anthropic-billing-header:";

const WORDS: Words = Words {
    stop: "stop_sequences",
    effort: "output_config.effort",
    output: "output_config.format",
    user: "metadata.user_id",
    parallel_tool_calls: "tool_choice.disable_parallel_tool_use",
    verbosity: "verbosity",
    signature: "signature",
    detail: "detail",
    file_name: "title",
    parameters: "input_schema",
    schema_description: "description",
};

/// Reads the body of `POST /v1/messages`.
///
/// # Errors
/// An [`ApiError`] of status 400, with the member's place as `param`.
pub fn read(bytes: &[u8]) -> Result<Conversation<'_>, ApiError> {
    let unread = &mut Unread::default();
    let (mut conversation, other) = body(bytes, |fields| conversation(fields, unread))?;
    conversation.other = other;
    conversation.unread = std::mem::take(unread).into_names();
    conversation.settle();
    Ok(conversation)
}

fn conversation<'a>(fields: &mut Object<'a>, unread: &mut Unread) -> Result<Conversation<'a>, ApiError> {
    fields.take("model");
    let mut turns = Vec::new();
    turns.extend(top(fields, "system", |raw, _| system(raw, unread))?.flatten());
    turns.append(&mut messages(fields, unread, message)?);
    let mut conversation = Conversation {
        turns,
        max_tokens: top(fields, "max_tokens", whole)?,
        temperature: top(fields, "temperature", number)?,
        top_p: top(fields, "top_p", number)?,
        top_k: fields.take_if("top_k", |raw| count(raw).ok().flatten()),
        stop: top(fields, "stop_sequences", stop)?.unwrap_or_default(),
        thinking: fields.take_if("thinking", |raw| thinking::read(raw, unread)),
        user: top(fields, "metadata", |raw, path| user(raw, path, unread))?.flatten(),
        cache_control: fields.take_if("cache_control", |raw| raw.get().starts_with('{').then_some(raw)),
        stream: top(fields, "stream", boolean)?.unwrap_or_default(),
        // A stream of this dialect always tells it.
        include_usage: true,
        words: WORDS,
        ..Conversation::default()
    };
    top(fields, "output_config", |raw, path| output_config(raw, path, &mut conversation, unread))?;
    // Its name while it was a beta.
    if let Some(format) = top(fields, "output_format", |raw, path| output(raw, path, unread))? {
        conversation.output = conversation.output.or(Some(format));
    }
    if let Some(raw) = fields.take("tools") {
        offered(raw, &mut conversation, unread)?;
    }
    top(fields, "tool_choice", |raw, path| tool_choice(raw, path, &mut conversation, unread))?;
    Ok(conversation)
}

fn top<'a, T>(
    fields: &mut Object<'a>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, Path::Top(name))).transpose()
}

fn system<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<Option<Turn<'a>>, ApiError> {
    let place = Place::top(Member::System);
    let path = Path::from(place);
    let mut blocks = Vec::new();
    if raw.get().starts_with('[') {
        for (index, raw) in array(raw, path)?.into_iter().enumerate() {
            let block = block(raw, Place::item(Member::System, index), unread)?;
            match &block.content {
                Content::Text(text) if text.starts_with(BILLING) => unread.name(block.place.into()),
                _ => blocks.push(block),
            }
        }
    } else {
        blocks.push(Block::unmarked(Content::Text(text(raw, path)?), place));
    }
    let turn = Turn { speaker: Speaker::System, blocks, name: None, cache_control: None, place };
    Ok((!turn.blocks.is_empty()).then_some(turn))
}

fn message<'a>(raw: &'a RawValue, index: usize, unread: &mut Unread) -> Result<Turn<'a>, ApiError> {
    let place = Place::item(Member::Messages, index);
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        let speaker = match required(fields, path, "role", text)?.as_ref() {
            "user" => Speaker::User,
            "assistant" => Speaker::Assistant,
            "system" => Speaker::System,
            other => return Err(wrong_value(path.field("role"), other, "'user', 'assistant', and 'system'")),
        };
        let blocks = required(fields, path, "content", |raw, _| content(raw, place, unread, block))?;
        Ok(Turn { speaker, blocks, name: None, cache_control: None, place })
    })
}

fn block<'a>(raw: &'a RawValue, place: Place, unread: &mut Unread) -> Result<Block<'a>, ApiError> {
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        let kind = required(fields, path, "type", text)?;
        let cache_control = mark(fields, path, unread);
        let content = match kind.as_ref() {
            "text" => Content::Text(required(fields, path, "text", text)?),
            "image" => match required(fields, path, "source", |raw, path| source(raw, path, unread))? {
                Some(source) => Content::Image { source, detail: None },
                None => covered(fields, kind),
            },
            "document" => match required(fields, path, "source", |raw, path| source(raw, path, unread))? {
                Some(source) => Content::Document { source, name: optional(fields, path, "title", text)? },
                None => covered(fields, kind),
            },
            "thinking" => Content::Thinking {
                text: required(fields, path, "thinking", text)?,
                signature: optional(fields, path, "signature", text)?,
            },
            "redacted_thinking" => Content::RedactedThinking(required(fields, path, "data", text)?),
            "tool_use" => Content::ToolCall {
                id: split(required(fields, path, "id", text)?).0,
                name: required(fields, path, "name", text)?,
                arguments: compact(optional(fields, path, "input", raw_object)?.map_or("{}", RawValue::get)),
            },
            // Only in a turn of its own: nothing else holds a result.
            "tool_result" if !place.is_deep() => Content::ToolResult {
                id: split(required(fields, path, "tool_use_id", text)?).0,
                blocks: optional(fields, path, "content", |raw, _| content(raw, place, unread, block))?
                    .unwrap_or_default(),
                is_error: optional(fields, path, "is_error", boolean)?,
            },
            "search_result" => match search_result(fields, path, unread)? {
                Some(text) => Content::Text(text),
                None => covered(fields, kind),
            },
            // All tools are told of anyway; the result says which one was looked for.
            "tool_reference" => Content::Text(required(fields, path, "tool_name", text)?),
            _ => covered(fields, kind),
        };
        Ok(Block { content, cache_control, place })
    })
}

/// A block that no neutral form holds: it is refused or named as a whole.
fn covered<'a>(fields: &mut Object<'a>, kind: Cow<'a, str>) -> Content<'a> {
    fields.cover();
    Content::Opaque(kind)
}

/// What a search found, as a text under its title and its source.
fn search_result<'a>(
    fields: &mut Object<'a>,
    path: Path<'_>,
    unread: &mut Unread,
) -> Result<Option<Cow<'a, str>>, ApiError> {
    let (title, source) = (required(fields, path, "title", text)?, required(fields, path, "source", text)?);
    let said = required(fields, path, "content", |raw, path| texts(raw, path, unread))?;
    Ok(said.map(|said| Cow::Owned(format!("{title} ({source}):\n\n{said}"))))
}

/// A text, or a list of texts, as one; `None`: there is something else among them.
fn texts<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<Cow<'a, str>>, ApiError> {
    if raw.get().starts_with('"') {
        return text(raw, path).map(Some);
    }
    let mut all = Vec::new();
    for (index, raw) in array(raw, path)?.into_iter().enumerate() {
        let path = path.index(index);
        let read = object(raw, path, unread, |fields, unread| {
            if required(fields, path, "type", text)? != "text" {
                fields.cover();
                return Ok(None);
            }
            mark(fields, path, unread).inspect(|_| unread.name(path.field("cache_control")));
            required(fields, path, "text", text).map(Some)
        })?;
        match read {
            Some(text) => all.push(text),
            None => return Ok(None),
        }
    }
    Ok(Some(Cow::Owned(all.join("\n\n"))))
}

/// Where bytes are; `None` for what lives at Anthropic.
fn source<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<Source<'a>>, ApiError> {
    object(raw, path, unread, |fields, unread| {
        Ok(Some(match required(fields, path, "type", text)?.as_ref() {
            "base64" => Source::Base64 {
                media_type: required(fields, path, "media_type", text)?,
                data: required(fields, path, "data", text)?,
            },
            "url" => Source::Uri(required(fields, path, "url", text)?),
            "text" => {
                fields.take_if("media_type", |raw| (raw.get() == "\"text/plain\"").then_some(()));
                Source::Text(required(fields, path, "data", text)?)
            }
            "content" => match required(fields, path, "content", |raw, path| texts(raw, path, unread))? {
                Some(text) => Source::Text(text),
                None => return Ok(None),
            },
            _ => {
                fields.cover();
                return Ok(None);
            }
        }))
    })
}

fn stop<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    array(raw, path)?.into_iter().enumerate().map(|(index, raw)| text(raw, path.index(index))).collect()
}

fn user<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<Cow<'a, str>>, ApiError> {
    object(raw, path, unread, |fields, _| optional(fields, path, "user_id", text))
}

fn output_config<'a>(
    raw: &'a RawValue,
    path: Path<'_>,
    into: &mut Conversation<'a>,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    object(raw, path, unread, |fields, unread| {
        into.effort = fields.take_if("effort", |raw| Effort::named(&loose_text(raw)?));
        into.output = optional(fields, path, "format", |raw, path| output(raw, path, unread))?;
        Ok(())
    })
}

fn output<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<OutputFormat<'a>, ApiError> {
    object(raw, path, unread, |fields, _| match required(fields, path, "type", text)?.as_ref() {
        // Here a schema always binds.
        "json_schema" => Ok(OutputFormat::JsonSchema {
            name: Cow::Borrowed(""),
            description: None,
            schema: optional(fields, path, "schema", raw_object)?,
            strict: Some(true),
        }),
        other => Err(wrong_value(path.field("type"), other, "'json_schema'")),
    })
}

/// Reads the tools. Those that have a type of their own are Anthropic's.
fn offered<'a>(raw: &'a RawValue, into: &mut Conversation<'a>, unread: &mut Unread) -> Result<(), ApiError> {
    for (index, raw) in array(raw, Path::Top("tools"))?.into_iter().enumerate() {
        let place = Place::item(Member::Tools, index);
        let path = Path::from(place);
        object(raw, path, unread, |fields, unread| {
            let kind = optional(fields, path, "type", text)?;
            if kind.is_some_and(|kind| kind != "custom") {
                let name = fields.take_if("name", |raw| text(raw, path).ok());
                into.foreign_tools.push(ForeignTool { name, is_optional: true, place });
                fields.cover();
                return Ok(());
            }
            into.tools.push(Tool {
                name: required(fields, path, "name", text)?,
                description: optional(fields, path, "description", text)?,
                parameters: optional(fields, path, "input_schema", raw_object)?,
                strict: optional(fields, path, "strict", boolean)?,
                cache_control: mark(fields, path, unread),
                place,
            });
            Ok(())
        })?;
    }
    Ok(())
}

fn tool_choice<'a>(
    raw: &'a RawValue,
    path: Path<'_>,
    into: &mut Conversation<'a>,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    object(raw, path, unread, |fields, _| {
        into.tool_choice = Some(match required(fields, path, "type", text)?.as_ref() {
            "auto" => ToolChoice::Auto,
            "any" => ToolChoice::Required,
            "none" => ToolChoice::None,
            "tool" => ToolChoice::Named(required(fields, path, "name", text)?),
            other => return Err(wrong_value(path.field("type"), other, "'auto', 'any', 'tool', and 'none'")),
        });
        let one_call = optional(fields, path, "disable_parallel_tool_use", boolean)?;
        into.parallel_tool_calls = one_call.map(|one_call| !one_call);
        Ok(())
    })
}
