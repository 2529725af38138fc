//! The client's chat request: bytes to [`Conversation`], borrowed.
//!
//! Strict where a wrong guess would send something else than the client meant (messages, roles, tools, types of known
//! fields), tolerant elsewhere: unknown members at the top wait in `other` for the provider's dialect that knows whether it can say them.
//!
//! **Invariant:** never panics, never recurses with the input's depth; each member is read, or named as unread.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{ApiError, Block, Content, Conversation, Effort, Member, OutputFormat, Place, Source, Speaker, Turn};
use crate::dialect::count::count;
use crate::dialect::ids::split;
use crate::dialect::read::{
    Object, Path, Unread, array, body, boolean, content, mark, messages, missing, number, object, optional, raw_object,
    required, text, unsupported, whole, wrong_value,
};
use crate::dialect::thinking::{self, Signs};

use super::tools::{functions, offered, tool_choice};

const EFFORTS: &str = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'";
const ROLES: &str = "'system', 'developer', 'user', 'assistant', 'tool', and 'function'";

/// Reads the body of `POST /v1/chat/completions`.
///
/// # Errors
/// An [`ApiError`] of status 400 in OpenAI's words, with the field's place as `param`.
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
    let mut conversation = Conversation {
        turns: messages(fields, unread, message)?,
        parallel_tool_calls: top(fields, "parallel_tool_calls", boolean)?,
        output: top(fields, "response_format", |raw, path| output(raw, path, unread))?,
        temperature: top(fields, "temperature", number)?,
        top_p: top(fields, "top_p", number)?,
        stop: top(fields, "stop", stop)?.unwrap_or_default(),
        effort: top(fields, "reasoning_effort", effort)?,
        user: top(fields, "user", text)?,
        verbosity: top(fields, "verbosity", text)?,
        stream: top(fields, "stream", boolean)?.unwrap_or_default(),
        include_usage: top(fields, "stream_options", |raw, path| include_usage(raw, path, unread))?.unwrap_or_default(),
        ..Conversation::default()
    };
    let deprecated = top(fields, "max_tokens", whole)?;
    conversation.max_tokens = top(fields, "max_completion_tokens", whole)?.or(deprecated);
    // Anthropic's own members, as its clients write them beside OpenAI's. One that cannot be read is none.
    conversation.thinking = fields.take_if("thinking", |raw| thinking::read(raw, unread));
    conversation.top_k = fields.take_if("top_k", |raw| count(raw).ok().flatten());
    conversation.cache_control = fields.take_if("cache_control", |raw| raw.get().starts_with('{').then_some(raw));
    let (tools, choice) = (fields.take("tools"), fields.take("tool_choice"));
    if let Some(raw) = tools {
        offered(raw, &mut conversation, unread)?;
    }
    if let Some(raw) = choice {
        conversation.tool_choice = tool_choice(raw, unread)?;
        if conversation.tool_choice.is_none() {
            fields.put("tool_choice", raw);
        }
    }
    if tools.is_none() {
        functions(fields, &mut conversation, unread)?;
    }
    Ok(conversation)
}

pub(super) fn top<'a, T>(
    fields: &mut Object<'a>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, Path::Top(name))).transpose()
}

fn message<'a>(raw: &'a RawValue, index: usize, unread: &mut Unread) -> Result<Turn<'a>, ApiError> {
    let place = Place::item(Member::Messages, index);
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        let role = required(fields, path, "role", text)?;
        let cache_control = mark(fields, path, unread);
        let name = optional(fields, path, "name", text)?;
        let said = optional(fields, path, "content", |raw, _| content(raw, place, unread, part))?.unwrap_or_default();
        let speaker = match role.as_ref() {
            "system" | "developer" => Speaker::System,
            "user" => Speaker::User,
            "assistant" => Speaker::Assistant,
            // Of a result, the name is said once more by the call that it answers.
            "tool" | "function" => {
                let result = result(fields, path, name, said)?;
                let blocks = vec![Block { content: result, cache_control, place }];
                return Ok(Turn { speaker: Speaker::User, blocks, name: None, cache_control: None, place });
            }
            other => return Err(wrong_value(path.field("role"), other, ROLES)),
        };
        let mut blocks = thoughts(fields, place, unread)?;
        let is_silent = said.is_empty();
        blocks.extend(said);
        if let Some(why) = optional(fields, path, "refusal", text)? {
            if is_silent {
                blocks.push(Block::unmarked(Content::Refusal(why), place.below(Member::Refusal)));
            } else {
                unread.name(path.field("refusal"));
            }
        }
        if let Some(signature) = google_signature(fields, path, unread) {
            blocks.push(google(Signs::Text, &signature, place));
        }
        optional(fields, path, "tool_call_id", text)?.inspect(|_| unread.name(path.field("tool_call_id")));
        blocks.append(&mut calls(fields, place, unread)?);
        Ok(Turn { speaker, blocks, name, cache_control, place })
    })
}

/// What came of a call. The deprecated `function` role answers by name; so does the call that `function_call` becomes.
fn result<'a>(
    fields: &mut Object<'a>,
    path: Path<'_>,
    name: Option<Cow<'a, str>>,
    blocks: Vec<Block<'a>>,
) -> Result<Content<'a>, ApiError> {
    let id = optional(fields, path, "tool_call_id", text)?.or(name);
    let (id, _) = split(id.ok_or_else(|| missing(path.field("tool_call_id")))?);
    let is_error = optional(fields, path, "is_error", boolean)?;
    Ok(Content::ToolResult { id, blocks, is_error })
}

/// The thinking that a message hands back, in front of all else: LiteLLM's `thinking_blocks`, else the text that was shown.
fn thoughts<'a>(fields: &mut Object<'a>, place: Place, unread: &mut Unread) -> Result<Vec<Block<'a>>, ApiError> {
    let path = Path::from(place);
    let blocks = fields.take("thinking_blocks");
    let shown = fields.take_if("reasoning_content", |raw| text(raw, path).ok());
    let Some(raw) = blocks else {
        let shown = shown.filter(|text| !text.is_empty()).map(|text| Content::Thinking { text, signature: None });
        return Ok(shown.map(|it| Block::unmarked(it, place.below(Member::ReasoningContent))).into_iter().collect());
    };
    // The same thoughts once more, as they are shown, stood beside.
    let within = place.below(Member::ThinkingBlocks);
    let list = Path::from(within);
    let Ok(items) = array(raw, list) else {
        unread.name(list);
        return Ok(Vec::new());
    };
    let read = |(index, raw)| match thinking::block(raw, list.index(index), unread) {
        Some(content) => Some(Block::unmarked(content, within)),
        None => {
            unread.name(list);
            None
        }
    };
    Ok(items.into_iter().enumerate().filter_map(read).collect())
}

fn part<'a>(raw: &'a RawValue, place: Place, unread: &mut Unread) -> Result<Block<'a>, ApiError> {
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        let kind = required(fields, path, "type", text)?;
        let mark = mark(fields, path, unread);
        // OpenAI's mark has but one form, and has it in Anthropic's words.
        let own = optional(fields, path, "prompt_cache_breakpoint", |raw, path| breakpoint(raw, path, unread))?;
        let cache_control = mark.or(own.flatten());
        let content = match kind.as_ref() {
            "text" => Content::Text(required(fields, path, "text", text)?),
            "refusal" => Content::Refusal(required(fields, path, "refusal", text)?),
            "image_url" => required(fields, path, "image_url", |raw, path| image(raw, path, unread))?,
            "input_audio" => required(fields, path, "input_audio", |raw, path| audio(raw, path, unread))?,
            "file" => match required(fields, path, "file", |raw, path| file(raw, path, unread))? {
                Some(file) => file,
                // A file by id lives at another provider.
                None => Content::Opaque(kind),
            },
            _ => {
                fields.cover();
                Content::Opaque(kind)
            }
        };
        Ok(Block { content, cache_control, place })
    })
}

fn breakpoint(raw: &RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<&'static RawValue>, ApiError> {
    if raw.get().starts_with('{') {
        object(raw, path, unread, |fields, _| Ok(fields.take("mode")))?;
    }
    Ok(serde_json::from_str(r#"{"type":"ephemeral"}"#).ok())
}

fn image<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Content<'a>, ApiError> {
    if raw.get().starts_with('"') {
        return Ok(Content::Image { source: Source::Uri(text(raw, path)?), detail: None });
    }
    object(raw, path, unread, |fields, _| {
        let source = Source::Uri(required(fields, path, "url", text)?);
        Ok(Content::Image { source, detail: optional(fields, path, "detail", text)? })
    })
}

fn audio<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Content<'a>, ApiError> {
    object(raw, path, unread, |fields, _| {
        let data = required(fields, path, "data", text)?;
        Ok(Content::Audio { data, format: required(fields, path, "format", text)? })
    })
}

/// A file by its bytes or by URL; `None` where it has neither.
fn file<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Option<Content<'a>>, ApiError> {
    object(raw, path, unread, |fields, unread| {
        let mut data = optional(fields, path, "file_data", text)?;
        match optional(fields, path, "file_id", text)? {
            None => {}
            // LiteLLM's clients write a URL here.
            Some(url) if data.is_none() && (url.starts_with("http") || url.starts_with("gs://")) => data = Some(url),
            Some(_) if data.is_some() => unread.name(path.field("file_id")),
            Some(_) => {}
        }
        let name = optional(fields, path, "filename", text)?;
        if data.is_none() {
            fields.cover();
        }
        Ok(data.map(|uri| Content::Document { source: Source::Uri(uri), name }))
    })
}

/// The calls that a message makes, with the deprecated one.
fn calls<'a>(fields: &mut Object<'a>, place: Place, unread: &mut Unread) -> Result<Vec<Block<'a>>, ApiError> {
    let message = Path::from(place);
    let mut blocks = Vec::new();
    if let Some(raw) = fields.take("tool_calls") {
        for (index, raw) in array(raw, message.field("tool_calls"))?.into_iter().enumerate() {
            blocks.extend(call(raw, place.at(Member::ToolCalls, index), unread)?.into_iter().flatten());
        }
    }
    if let Some(raw) = fields.take("function_call") {
        let place = place.below(Member::FunctionCall);
        let (name, arguments, _) = called(raw, place.into(), unread)?;
        blocks.push(Block::unmarked(Content::ToolCall { id: name.clone(), name, arguments }, place));
    }
    Ok(blocks)
}

/// A call, and before it what Google signed with it.
fn call<'a>(raw: &'a RawValue, place: Place, unread: &mut Unread) -> Result<[Option<Block<'a>>; 2], ApiError> {
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        if optional(fields, path, "type", text)?.is_some_and(|kind| kind != "function") {
            return Err(unsupported(path.field("type")));
        }
        let (id, beside) = split(required(fields, path, "id", text)?);
        let signature = google_signature(fields, path, unread);
        let (name, arguments, within) = required(fields, path, "function", |raw, path| called(raw, path, unread))?;
        let signature = signature.or(within).or(beside).map(|it| google(Signs::Call, &it, place));
        let cache_control = mark(fields, path, unread);
        // A number that clients keep from a stream; the order says it.
        fields.take("index");
        Ok([signature, Some(Block { content: Content::ToolCall { id, name, arguments }, cache_control, place })])
    })
}

/// The block that carries what Google signed.
fn google<'a>(signs: Signs, signature: &str, place: Place) -> Block<'a> {
    Block::unmarked(thinking::of_signature(signs, signature), place.below(Member::ExtraContent))
}

/// What Google signed with a call or a message, where its own clients keep it (`extra_content`), or LiteLLM's (`provider_specific_fields`).
fn google_signature<'a>(fields: &mut Object<'a>, path: Path<'_>, unread: &mut Unread) -> Option<Cow<'a, str>> {
    let own = path.field("extra_content");
    let of_google = fields.take_if("extra_content", |raw| {
        let google = |fields: &mut Object<'a>, unread: &mut Unread| {
            Ok(fields.take("google").and_then(|raw| signature_in(raw, own.field("google"), unread)))
        };
        object(raw, own, unread, google).ok()
    });
    let litellms = path.field("provider_specific_fields");
    let of_litellm = fields.take_if("provider_specific_fields", |raw| Some(signature_in(raw, litellms, unread)));
    of_google.flatten().or_else(|| of_litellm.flatten())
}

fn signature_in<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Option<Cow<'a, str>> {
    let read =
        |fields: &mut Object<'a>, _: &mut Unread| Ok(fields.take_if("thought_signature", |raw| text(raw, path).ok()));
    object(raw, path, unread, read).ok().flatten()
}

type Called<'a> = (Cow<'a, str>, Cow<'a, str>, Option<Cow<'a, str>>);

/// The name and the arguments of a call, and what Google signed with it, which LiteLLM writes here too.
fn called<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<Called<'a>, ApiError> {
    object(raw, path, unread, |fields, unread| {
        let name = required(fields, path, "name", text)?;
        let arguments = match fields.take("arguments") {
            // Some clients replay the arguments as the object they parsed.
            Some(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw.get()),
            Some(raw) => text(raw, path.field("arguments"))?,
            None => Cow::Borrowed(""),
        };
        Ok((name, arguments, google_signature(fields, path, unread)))
    })
}

fn output<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Result<OutputFormat<'a>, ApiError> {
    object(raw, path, unread, |fields, unread| match required(fields, path, "type", text)?.as_ref() {
        "text" => Ok(OutputFormat::Text),
        "json_object" => Ok(OutputFormat::JsonObject),
        "json_schema" => required(fields, path, "json_schema", |raw, path| {
            object(raw, path, unread, |fields, _| {
                Ok(OutputFormat::JsonSchema {
                    schema: optional(fields, path, "schema", raw_object)?,
                    name: optional(fields, path, "name", text)?.unwrap_or_default(),
                    description: optional(fields, path, "description", text)?,
                    strict: optional(fields, path, "strict", boolean)?,
                })
            })
        }),
        other => Err(wrong_value(path.field("type"), other, "'text', 'json_object', and 'json_schema'")),
    })
}

pub(super) fn stop<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    if !raw.get().starts_with('[') {
        return Ok(vec![text(raw, path)?]);
    }
    array(raw, path)?.into_iter().enumerate().map(|(index, raw)| text(raw, path.index(index))).collect()
}

fn effort(raw: &RawValue, path: Path<'_>) -> Result<Effort, ApiError> {
    let word = text(raw, path)?;
    Effort::named(&word).ok_or_else(|| wrong_value(path, &word, EFFORTS))
}

pub(super) fn include_usage(raw: &RawValue, path: Path<'_>, unread: &mut Unread) -> Result<bool, ApiError> {
    object(raw, path, unread, |fields, _| {
        let include = optional(fields, path, "include_usage", boolean)?.unwrap_or_default();
        // `false` is what other providers do anyway: only one pads its chunks.
        fields.take_if("include_obfuscation", |raw| (raw.get() == "false").then_some(()));
        Ok(include)
    })
}
