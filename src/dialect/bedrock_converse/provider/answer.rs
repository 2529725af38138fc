//! A whole answer: Converse's content to blocks.
//!
//! **Invariant:** a block of a kind that is known here and cannot be read fails the answer; one of a kind that is not costs nothing but itself.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{Answer, Block, Content, Failure, Usage};
use crate::dialect::AnswerContext;
use crate::dialect::anthropic_messages::provider::{JSON_TOOL, gave_up, stop_reason};
use crate::dialect::count::count_of;
use crate::dialect::no_answer::{no_answer, unreadable};
use crate::dialect::read::{Object, compact, loose_list, loose_object, loose_text};

/// Reads a whole answer.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or no answer.
pub fn read<'a>(text: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
    let none = || no_answer(context.provider, text.as_bytes(), "the answer is no answer of Converse");
    let mut body = object(text).ok_or_else(none)?;
    let message = below(&mut body, "output").and_then(|mut output| below(&mut output, "message"));
    let content = message.and_then(|mut message| loose_list(message.take("content")?)).ok_or_else(none)?;
    let mut blocks = Vec::with_capacity(content.len());
    for raw in content {
        let found = block(raw).ok_or_else(|| unreadable("a block of the answer cannot be read"))?;
        blocks.extend(found.map(Block::new));
    }
    let reason = body.take("stopReason").and_then(loose_text);
    let stop = match reason.as_deref().map(word) {
        Some(None) => return Err(gave_up()),
        Some(Some(word)) => Some(stop_reason(word)),
        None if blocks.is_empty() => return Err(none()),
        None => None,
    };
    let usage = body.take("usage").and_then(usage);
    Ok(Answer { id: Cow::Borrowed(""), model: Cow::Borrowed(""), blocks, stop, usage, logprobs: None })
}

/// Anthropic's word for why an answer ended; `None`: the model failed.
pub fn word(reason: &str) -> Option<&str> {
    match reason {
        "malformed_model_output" | "malformed_tool_use" => None,
        "guardrail_intervened" | "content_filtered" => Some("refusal"),
        other => Some(other),
    }
}

/// What was used, cached tokens included; `None` where nothing is said.
pub fn usage(raw: &RawValue) -> Option<Usage> {
    let mut fields = object(raw.get())?;
    let mut count = |name: &str| fields.take(name).and_then(|raw| count_of(raw.get().as_bytes()));
    let (input, output) = (count("inputTokens"), count("outputTokens"));
    let (cached, written) = (count("cacheReadInputTokens"), count("cacheWriteInputTokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let prompt = [input, cached, written].into_iter().flatten().fold(0, u64::saturating_add);
    Some(Usage {
        prompt_tokens: prompt,
        completion_tokens: output.unwrap_or_default(),
        cached_tokens: cached.unwrap_or_default(),
        cache_write_tokens: written,
        reasoning_tokens: 0,
    })
}

/// An object's members; `None` where it is no object.
pub fn object(text: &str) -> Option<Object<'_>> {
    loose_object(text.as_bytes())
}

/// The object that is a member of another one.
pub fn below<'a>(fields: &mut Object<'a>, name: &str) -> Option<Object<'a>> {
    object(fields.take(name)?.get())
}

/// The text that is a member; empty where there is none.
pub fn text_of<'a>(fields: &mut Object<'a>, name: &str) -> Cow<'a, str> {
    fields.take(name).and_then(loose_text).unwrap_or_default()
}

/// Reads a block; an inner `None` where it says nothing to the client, an outer one where it cannot be read.
fn block(raw: &RawValue) -> Option<Option<Content<'_>>> {
    let mut fields = object(raw.get())?;
    if let Some(raw) = fields.take("text") {
        return Some(said(loose_text(raw)?));
    }
    if let Some(raw) = fields.take("toolUse") {
        return call(object(raw.get())?);
    }
    if let Some(raw) = fields.take("reasoningContent") {
        return Some(thought(object(raw.get())?));
    }
    // A text with its sources.
    let cited = below(&mut fields, "citationsContent").and_then(|mut cited| loose_list(cited.take("content")?));
    let text: String = cited
        .unwrap_or_default()
        .into_iter()
        .filter_map(|part| Some(text_of(&mut object(part.get())?, "text")))
        .collect();
    Some(said(Cow::Owned(text)))
}

fn said(text: Cow<'_, str>) -> Option<Content<'_>> {
    (!text.is_empty()).then_some(Content::Text(text))
}

fn call(mut call: Object<'_>) -> Option<Option<Content<'_>>> {
    // A tool that runs at the provider.
    if call.take("type").is_some() {
        return Some(None);
    }
    let (id, name) = (loose_text(call.take("toolUseId")?)?, loose_text(call.take("name")?)?);
    let arguments = call.take("input").map_or(Cow::Borrowed("{}"), |input| compact(input.get()));
    Some(Some(if name == JSON_TOOL { Content::Text(arguments) } else { Content::ToolCall { id, name, arguments } }))
}

fn thought(mut thought: Object<'_>) -> Option<Content<'_>> {
    if let Some(mut readable) = below(&mut thought, "reasoningText") {
        let text = text_of(&mut readable, "text");
        let signature = readable.take("signature").and_then(loose_text);
        return (!text.is_empty() || signature.is_some()).then_some(Content::Thinking { text, signature });
    }
    let data = text_of(&mut thought, "redactedContent");
    (!data.is_empty()).then_some(Content::RedactedThinking(data))
}
