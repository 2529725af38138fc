//! A conversation in Anthropic's dialect: the body of `POST /v1/messages`.
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each part of a conversation is in it, or refused, or named as dropped.

use super::tools::{JSON_TOOL, UNUSED_TOOL};
use super::wire::{Block, Body, Format, Metadata, OutputConfig};
use super::{family, media, sampling, schema, tools, turns};
use crate::chat::{ApiError, Conversation, OutputFormat};
use crate::dialect::body_defaults::versioned;
use crate::dialect::names::Names;
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};

/// The longest `metadata.user_id` that is accepted, in bytes.
const USER_ID_LIMIT: usize = 256;
/// OpenAI's newer name of the end user.
const SAFETY_IDENTIFIER: &str = "safety_identifier";
/// How to say `json_object`, which Anthropic has no field for.
pub(in crate::dialect) const JSON_ONLY: &str =
    "Answer with one valid JSON object and nothing else: no other text, no code fence.";

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 that names the member which Anthropic cannot express, or which is broken.
pub fn write(conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    written(conversation, target, |body, dropped, names| {
        // Strings, numbers and raw JSON always serialize.
        let mut body = serde_json::to_vec(&body).unwrap_or_default();
        if let Some(version) = target.provider.habits.version_in_body {
            body = versioned(body, version);
        }
        Encoded { body, dropped: dropped.into_names(conversation), echo: Echo::of(conversation, names) }
    })
}

/// Whether a request can be written.
///
/// # Errors
/// As [`write`].
pub fn check(conversation: &Conversation<'_>, target: Target<'_>) -> Result<(), ApiError> {
    written(conversation, target, |_, _, _| ())
}

fn written<T>(
    conversation: &Conversation<'_>,
    target: Target<'_>,
    write: impl FnOnce(Body<'_>, DroppedFields, &Names<'_>) -> T,
) -> Result<T, ApiError> {
    // Each part by its name: one that is added to a conversation must be thought of here.
    let Conversation {
        turns: _,
        tools: _,
        foreign_tools: _,
        tool_choice: _,
        parallel_tool_calls: _,
        output,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        effort,
        thinking,
        verbosity,
        user,
        cache_control,
        stream,
        include_usage: _,
        deprecated_functions: _,
        tool_forms: _,
        other: _,
        unread: _,
        words,
    } = conversation;
    let family = family::of(target.model);
    let mut dropped = DroppedFields::new(target.drop_params);
    let safety = identifier(conversation);
    dropped.foreign(conversation, if safety.is_some() { &[SAFETY_IDENTIFIER] } else { &[] })?;
    let names = Names::of(conversation, &[JSON_TOOL, UNUSED_TOOL]);
    let mut talk = turns::write(conversation, &names, family.prefill, media::of(target.provider), &mut dropped)?;
    let mut format = None;
    match output {
        Some(OutputFormat::JsonSchema { name: _, description, schema, strict: _ }) => {
            if family.structured {
                let schema = schema::of_answer(*schema).ok_or_else(too_deep)?;
                format = Some(Format { r#type: "json_schema", schema });
            }
            if description.is_some() {
                dropped.hint(&format!("{}.{}", words.output, words.schema_description));
            }
        }
        Some(OutputFormat::JsonObject) => talk.system.push(Block::Text { text: JSON_ONLY, cache_control: None }),
        Some(OutputFormat::Text) | None => {}
    }
    let (tools, tool_choice) = tools::write(conversation, family, &names, talk.has_calls(), &mut dropped)?;
    let unfit = tool_choice.as_ref().is_some_and(tools::is_forced)
        || family.thinking == family::Thinking::Budget && talk.thoughts_are_lost();
    let (thinking, effort) = sampling::thinking(*effort, *thinking, family, unfit, words.effort, &mut dropped);
    let top_k = sampling::top_k(*top_k, family, thinking.as_ref(), &mut dropped);
    let (temperature, top_p) = sampling::sampling(*temperature, *top_p, family, thinking.as_ref(), &mut dropped);
    if verbosity.is_some() {
        dropped.hint(words.verbosity);
    }
    let user = user.as_deref().filter(|user| !user.is_empty());
    let user_id = user.filter(|user| is_opaque(user)).or(safety.as_deref().filter(|_| user.is_none()));
    if user.is_some() && user_id.is_none() {
        dropped.hint(words.user);
    }
    if user.is_some() && safety.is_some() {
        dropped.hint(SAFETY_IDENTIFIER);
    }
    let body = Body {
        model: target.model,
        max_tokens: sampling::max_tokens(*max_tokens, target.max_output_tokens, thinking.as_ref()),
        system: talk.system,
        messages: talk.turns,
        tools,
        tool_choice,
        temperature,
        top_p,
        top_k,
        stop_sequences: sampling::stop_sequences(stop, words.stop, &mut dropped),
        thinking,
        output_config: (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format }),
        metadata: user_id.map(|user_id| Metadata { user_id }),
        cache_control: *cache_control,
        stream: *stream,
    };
    Ok(write(body, dropped, &names))
}

/// Whether an id of the end user is opaque, as Anthropic demands: it refuses addresses.
fn is_opaque(user: &str) -> bool {
    !user.is_empty() && user.len() <= USER_ID_LIMIT && !user.contains('@')
}

/// The end user by OpenAI's newer name, where it can be sent.
fn identifier(conversation: &Conversation<'_>) -> Option<String> {
    let (_, raw) = conversation.other.iter().find(|(name, _)| name == SAFETY_IDENTIFIER)?;
    serde_json::from_str(raw.get()).ok().filter(|user: &String| is_opaque(user))
}

pub(in crate::dialect) fn too_deep() -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("invalid_value".to_owned()),
        param: Some("response_format.json_schema.schema".to_owned()),
        message: "The schema is nested too deeply.".to_owned(),
    }
}
