//! A whole answer: a message to blocks.
//!
//! Blocks are read one by one, so that a kind of block that did not exist when this was written costs nothing but itself.
//!
//! **Invariant:** blocks that are not the client's business (server tools, their results) never become the client's calls. A message
//! is an answer if it has content, be that an empty list, and says something or why it ended; a text or a call in it that
//! cannot be read fails all of it, so that nothing is lost in silence.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::JSON_TOOL;
use super::frame::text_or_none;
use super::usage::{Counts, stop_reason};
use crate::chat::{Answer, Block, Content, Failure, FailureClass, StopReason, Usage};
use crate::dialect::AnswerContext;
use crate::dialect::no_answer::{is_breakdown, no_answer, unreadable};
use crate::dialect::read::compact;
use crate::dialect::value_kind::{ValueKind, is_failed};
use crate::failure;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    base_resp: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    stop_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    stop_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Text<'a> {
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    text: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    thinking: Cow<'a, str>,
    #[serde(borrow, default)]
    signature: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Redacted<'a> {
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    data: Cow<'a, str>,
}

#[derive(Deserialize)]
struct ToolUse<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    input: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow, default)]
    explanation: Option<Cow<'a, str>>,
}

/// Reads a whole answer.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or no message.
pub fn read<'a>(text: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
    let body = text.as_bytes();
    let none = || no_answer(context.provider, body, "the answer is no Anthropic message");
    let message: Message<'a> = serde_json::from_str(text).map_err(|_| none())?;
    let kind = message.r#type.as_deref();
    if kind == Some("error") || is_error(message.error, message.base_resp) {
        return Err(failure::in_band(context.provider, body));
    }
    let content = message.content.filter(|_| kind.is_none_or(|kind| kind == "message")).ok_or_else(none)?;
    let reason = message.stop_reason.as_deref();
    if reason.is_some_and(is_breakdown) {
        return Err(gave_up());
    }
    let mut blocks = Vec::with_capacity(content.len());
    for raw in content {
        let block = block(raw).ok_or_else(|| unreadable("a block of the answer cannot be read"))?;
        blocks.extend(block.map(Block::new));
    }
    if reason.is_none() && blocks.is_empty() {
        return Err(no_answer(context.provider, body, "the answer says nothing, and not why it ended"));
    }
    if let (Some(reason), Some(details)) = (reason, message.stop_details) {
        blocks.extend(refusal(reason, details).map(|why| Block::new(Content::Refusal(why))));
    }
    Ok(Answer {
        id: message.id.unwrap_or_default(),
        model: message.model.unwrap_or_default(),
        blocks,
        stop: reason.map(stop_reason),
        usage: message.usage.and_then(parsed::<Counts>).map(Usage::from),
        logprobs: None,
    })
}

fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether a document is an error without calling itself one: with an error of OpenAI's shape, or in `MiniMax`'s way.
pub(super) fn is_error(error: Option<&RawValue>, base_resp: Option<&RawValue>) -> bool {
    error.is_some_and(|error| ValueKind::of(error.get()).is_something())
        || base_resp.is_some_and(|said| is_failed(said.get()))
}

/// Why the model refused, where it did and says so.
pub(super) fn refusal<'a>(reason: &str, details: &'a RawValue) -> Option<Cow<'a, str>> {
    parsed::<Refusal<'_>>(details)
        .filter(|_| stop_reason(reason) == StopReason::Refusal)?
        .explanation
        .filter(|why| !why.is_empty())
}

pub(in crate::dialect) fn gave_up() -> Failure {
    failure::own(FailureClass::Upstream, "provider_error", "the provider gave up within its answer")
}

/// Reads a block; an inner `None` where it says nothing to the client, an outer one where it is one of those that are known here, and
/// cannot be read.
fn block(raw: &RawValue) -> Option<Option<Content<'_>>> {
    let Some(kind) = parsed::<Kind<'_>>(raw) else { return Some(None) };
    Some(match kind.r#type.as_ref() {
        "text" => Some(parsed::<Text<'_>>(raw)?.text).filter(|text| !text.is_empty()).map(Content::Text),
        "thinking" => {
            let Thinking { thinking: text, signature } = parsed(raw)?;
            let says = !text.is_empty() || signature.is_some();
            says.then_some(Content::Thinking { text, signature })
        }
        "redacted_thinking" => {
            Some(parsed::<Redacted<'_>>(raw)?.data).filter(|data| !data.is_empty()).map(Content::RedactedThinking)
        }
        "tool_use" => {
            let ToolUse { id, name, input } = parsed(raw)?;
            let arguments = input.map_or(Cow::Borrowed("{}"), |input| compact(input.get()));
            // The answer in the shape of a schema.
            Some(if name == JSON_TOOL { Content::Text(arguments) } else { Content::ToolCall { id, name, arguments } })
        }
        _ => None,
    })
}
