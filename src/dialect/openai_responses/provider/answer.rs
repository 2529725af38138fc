//! A whole answer: the items of a response to blocks.
//!
//! **Invariant:** items that are not the client's business (tools that ran at the provider) never become the client's calls. A response that
//! failed is a failure, whatever its status.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{Answer, Block, Content, Failure, StopReason, TEXT_ARGUMENT, Usage};
use crate::dialect::AnswerContext;
use crate::dialect::no_answer::no_answer;
use crate::dialect::openai_chat::provider::usage;
use crate::dialect::read::{Object, loose_list, loose_object, loose_text};
use crate::dialect::thinking::carry;
use crate::dialect::value_kind::ValueKind;
use crate::failure;

/// A text that a member holds; empty where it holds none.
pub fn string<'a>(fields: &mut Object<'a>, name: &str) -> Cow<'a, str> {
    fields.take(name).and_then(loose_text).unwrap_or_default()
}

/// The objects of a list that a member holds.
pub fn objects<'a>(fields: &mut Object<'a>, name: &str) -> Vec<Object<'a>> {
    let list = fields.take(name).and_then(loose_list).unwrap_or_default();
    list.into_iter().filter_map(inner).collect()
}

/// The object that a value is.
pub fn inner(raw: &RawValue) -> Option<Object<'_>> {
    loose_object(raw.get().as_bytes())
}

/// What is told of a response at its end.
#[derive(Default)]
pub struct End<'a> {
    pub id: Cow<'a, str>,
    pub model: Cow<'a, str>,
    pub status: Cow<'a, str>,
    pub usage: Option<Usage>,
    pub output: Vec<Object<'a>>,
    /// There is a list of items, be it empty.
    pub has_output: bool,
    /// Why it is incomplete.
    pub stop: Option<StopReason>,
    /// Why it failed.
    pub error: Option<&'a RawValue>,
}

impl<'a> End<'a> {
    /// Reads it out of a response.
    pub fn of(mut response: Object<'a>) -> Self {
        let reason = response.take("incomplete_details").and_then(inner).map(|mut it| string(&mut it, "reason"));
        let status = string(&mut response, "status");
        let stop = match reason.as_deref() {
            Some("content_filter") => Some(StopReason::Refusal),
            Some("max_output_tokens") => Some(StopReason::MaxTokens),
            _ => (status == "incomplete").then_some(StopReason::MaxTokens),
        };
        let error = response.take("error").filter(|error| ValueKind::of(error.get()).is_something());
        Self {
            id: string(&mut response, "id"),
            model: string(&mut response, "model"),
            status,
            usage: response.take("usage").and_then(|raw| usage::read(raw.get().as_bytes())),
            has_output: response.has("output"),
            output: objects(&mut response, "output"),
            stop,
            error,
        }
    }

    /// The failure that it is, if it is one.
    pub fn failure(&self, provider: &'static str) -> Option<Failure> {
        let is_failed = matches!(self.status.as_ref(), "failed" | "cancelled");
        let said = self.error.map_or_else(|| "null".to_owned(), |error| error.get().to_owned());
        (is_failed || self.error.is_some()).then(|| of_error(provider, &said))
    }
}

/// The failure of an `error`.
pub fn of_error(provider: &'static str, error: &str) -> Failure {
    failure::in_band(provider, [r#"{"error":"#, error, "}"].concat().as_bytes())
}

/// What the provider wants back of an item of reasoning; none where it is not encrypted.
pub fn signature(provider: &str, id: &str, encrypted: &str) -> Option<String> {
    (!encrypted.is_empty()).then(|| carry(provider, &[id, ".", encrypted].concat()))
}

/// The arguments of a call of a tool that takes a text.
pub fn arguments(input: &str) -> String {
    serde_json::json!({ TEXT_ARGUMENT: input }).to_string()
}

/// The texts of a list of parts, as one.
pub fn texts<'a>(fields: &mut Object<'a>, name: &str) -> Cow<'a, str> {
    let mut texts: Vec<Cow<'a, str>> = objects(fields, name).iter_mut().map(|part| string(part, "text")).collect();
    match texts.len() {
        1 => texts.pop().unwrap_or_default(),
        _ => Cow::Owned(texts.join("\n\n")),
    }
}

/// The thinking of an item of reasoning: its summary, or, of models that show it, all of it.
pub fn thoughts<'a>(item: &mut Object<'a>) -> Cow<'a, str> {
    let (whole, summary) = (texts(item, "content"), texts(item, "summary"));
    if whole.is_empty() { summary } else { whole }
}

/// The blocks of an item.
fn blocks<'a>(mut item: Object<'a>, provider: &str, into: &mut Vec<Block<'a>>) {
    let id = string(&mut item, "id");
    let content = match string(&mut item, "type").as_ref() {
        "message" => {
            for mut part in objects(&mut item, "content") {
                let content = match string(&mut part, "type").as_ref() {
                    "refusal" => Content::Refusal(string(&mut part, "refusal")),
                    _ => Content::Text(string(&mut part, "text")),
                };
                if !matches!(&content, Content::Refusal(text) | Content::Text(text) if text.is_empty()) {
                    into.push(Block::new(content));
                }
            }
            return;
        }
        "reasoning" => {
            let text = thoughts(&mut item);
            let signature = signature(provider, &id, &string(&mut item, "encrypted_content")).map(Cow::Owned);
            if text.is_empty() && signature.is_none() {
                return;
            }
            Content::Thinking { text, signature }
        }
        "function_call" => Content::ToolCall {
            id: string(&mut item, "call_id"),
            name: string(&mut item, "name"),
            arguments: string(&mut item, "arguments"),
        },
        "custom_tool_call" => Content::ToolCall {
            id: string(&mut item, "call_id"),
            name: string(&mut item, "name"),
            arguments: Cow::Owned(arguments(&string(&mut item, "input"))),
        },
        _ => return,
    };
    into.push(Block::new(content));
}

/// The end of a response that is an answer.
fn ended<'a>(text: &'a str, context: &AnswerContext) -> Result<End<'a>, Failure> {
    let body = text.as_bytes();
    let none = |what| no_answer(context.provider, body, what);
    let response = loose_object(body).ok_or_else(|| none("the provider's answer is not a JSON object"))?;
    let end = End::of(response);
    match end.failure(context.provider) {
        Some(failure) => Err(failure),
        // One that runs in the background has nothing to say yet.
        None if end.has_output || matches!(end.status.as_ref(), "queued" | "in_progress") => Ok(end),
        None => Err(none("the provider's answer holds no answer")),
    }
}

/// Looks through an answer for its usage.
pub fn look_through(text: &str, context: &AnswerContext) -> Result<Option<Usage>, Failure> {
    ended(text, context).map(|end| end.usage)
}

/// Reads a whole answer.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or no response.
pub fn read<'a>(text: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
    let end = ended(text, context)?;
    let mut blocks_read = Vec::with_capacity(end.output.len());
    for item in end.output {
        blocks(item, context.provider, &mut blocks_read);
    }
    if blocks_read.is_empty() && end.stop.is_none() && end.status != "completed" {
        return Err(no_answer(context.provider, text.as_bytes(), "the answer says nothing, and not why it ended"));
    }
    let calls = blocks_read.iter().any(|block| matches!(block.content, Content::ToolCall { .. }));
    let stop = end.stop.or(Some(if calls { StopReason::ToolUse } else { StopReason::EndTurn }));
    Ok(Answer { id: end.id, model: end.model, blocks: blocks_read, stop, usage: end.usage, logprobs: None })
}
