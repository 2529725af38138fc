//! A whole answer: Anthropic's message to OpenAI's completion.
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
use super::event::text_or_none;
use super::usage::{Counts, finish_reason};
use crate::chat::{ChatResponse, Choice, Failure, FailureClass, FinishReason, ThinkingBlock, ToolCall, Usage};
use crate::dialect::no_answer::{self, is_breakdown, no_answer, not_text};
use crate::dialect::openai_chat;
use crate::dialect::value_kind::{ValueKind, is_failed};
use crate::dialect::{Answer, AnswerContext};
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

/// Translates a whole answer.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or no message.
pub fn answer(body: &[u8], context: &AnswerContext) -> Result<Answer, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| not_text())?;
    let none = || no_answer(context.provider, body, "the answer is no Anthropic message");
    let message: Message<'_> = serde_json::from_str(text).map_err(|_| none())?;
    let kind = message.r#type.as_deref();
    if kind == Some("error") || is_error(message.error, message.base_resp) {
        return Err(failure::in_band(context.provider, body));
    }
    let content = message.content.filter(|_| kind.is_none_or(|kind| kind == "message")).ok_or_else(none)?;
    let stop_reason = message.stop_reason.as_deref();
    if stop_reason.is_some_and(is_breakdown) {
        return Err(gave_up());
    }
    let mut choice = Choice::default();
    for block in content {
        read(block, &mut choice).ok_or_else(|| unreadable("a block of the answer cannot be read"))?;
    }
    if stop_reason.is_none() && choice == Choice::default() {
        return Err(no_answer(context.provider, body, "the answer says nothing, and not why it ended"));
    }
    if let (Some(reason), Some(details)) = (stop_reason, message.stop_details) {
        choice.refusal = refusal(reason, details);
    }
    choice.finish = Some(match finish_reason(stop_reason) {
        // The call may have been the answer in the shape of a schema; and a reason may be unknown.
        FinishReason::ToolCalls if choice.tool_calls.is_empty() => FinishReason::Stop,
        FinishReason::Stop if !choice.tool_calls.is_empty() => FinishReason::ToolCalls,
        reason => reason,
    });
    let usage = message.usage.and_then(parsed::<Counts>).map(Usage::from);
    let response = ChatResponse {
        id: message.id.unwrap_or_default(),
        model: message.model.unwrap_or_default(),
        choices: vec![choice],
        usage,
    };
    Ok(Answer { body: Some(openai_chat::client::answer::encode(&response, context)), usage })
}

fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether a document is an error without calling itself one: with an error of OpenAI's shape, or in `MiniMax`'s way.
pub(super) fn is_error(error: Option<&RawValue>, base_resp: Option<&RawValue>) -> bool {
    error.is_some_and(|error| ValueKind::of(error.get()).is_something()) || base_resp.is_some_and(is_failed)
}

/// Why the model refused, where it did and says so.
pub(super) fn refusal<'a>(stop_reason: &str, details: &'a RawValue) -> Option<Cow<'a, str>> {
    parsed::<Refusal<'_>>(details)
        .filter(|_| finish_reason(Some(stop_reason)) == FinishReason::ContentFilter)?
        .explanation
        .filter(|why| !why.is_empty())
}

pub(super) fn gave_up() -> Failure {
    failure::own(FailureClass::Upstream, "provider_error", "the provider gave up within its answer")
}

pub(super) fn unreadable(message: &str) -> Failure {
    failure::own(FailureClass::Upstream, no_answer::CODE, message)
}

/// Reads a block; `None` where it is one of those that are known here, and cannot be read.
fn read<'a>(block: &'a RawValue, choice: &mut Choice<'a>) -> Option<()> {
    let Some(kind) = parsed::<Kind<'_>>(block) else { return Some(()) };
    match kind.r#type.as_ref() {
        "text" => append(&mut choice.content, parsed::<Text<'_>>(block)?.text),
        "thinking" => {
            let Thinking { thinking, signature } = parsed(block)?;
            append(&mut choice.reasoning, thinking.clone());
            choice.thinking_blocks.extend(signature.map(|signature| ThinkingBlock::Thinking(thinking, signature)));
        }
        "redacted_thinking" => {
            let data = Some(parsed::<Redacted<'_>>(block)?.data).filter(|data| !data.is_empty());
            choice.thinking_blocks.extend(data.map(ThinkingBlock::Redacted));
        }
        "tool_use" => {
            let ToolUse { id, name, input } = parsed(block)?;
            let arguments = input.map_or(Cow::Borrowed("{}"), |input| compact(input.get()));
            if name == JSON_TOOL {
                append(&mut choice.content, arguments);
            } else {
                choice.tool_calls.push(ToolCall { id, name, arguments });
            }
        }
        _ => {}
    }
    Some(())
}

/// Appends a text; an empty one is none.
fn append<'a>(whole: &mut Option<Cow<'a, str>>, piece: Cow<'a, str>) {
    match whole {
        _ if piece.is_empty() => {}
        Some(text) => text.to_mut().push_str(&piece),
        None => *whole = Some(piece),
    }
}

/// JSON without the whitespace between its tokens: clients see the same arguments however the provider lays out its answer.
fn compact(json: &str) -> Cow<'_, str> {
    let (mut quoted, mut escaped) = (false, false);
    let within = |c: &char| {
        let kept = quoted || !c.is_ascii_whitespace();
        quoted ^= *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        kept
    };
    let tokens: String = json.chars().filter(within).collect();
    if tokens.len() == json.len() { Cow::Borrowed(json) } else { Cow::Owned(tokens) }
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn only_whitespace_between_tokens_goes() {
        assert_eq!(
            compact(r#"{"a": "b c \" , d", "e":"\\" , "f": [1, 2]}"#),
            r#"{"a":"b c \" , d","e":"\\","f":[1,2]}"#
        );
    }
}
