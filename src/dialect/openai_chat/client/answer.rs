//! A whole answer for the client: blocks to the bytes of a `chat.completion`.
//!
//! The dialect has no order of blocks: texts become one, and so does thinking.
//!
//! **Invariant:** every key that OpenAI's schema requires is there, null where there is nothing to say.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{Answer, Content, Source, StopReason, Usage};
use crate::dialect::AnswerContext;
use crate::dialect::thinking::{Signs, of_google};

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Alternative<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    index: usize,
    message: Said<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Said<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    thinking_blocks: Vec<ThinkingBody<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Picture<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

/// An image, in the shape that clients of LiteLLM and OpenRouter know.
#[derive(Serialize)]
pub(super) struct Picture<'a> {
    index: usize,
    r#type: &'static str,
    image_url: Url<'a>,
}

#[derive(Serialize)]
struct Url<'a> {
    url: &'a str,
}

impl<'a> Picture<'a> {
    /// The image at a URL, and its number.
    pub(super) const fn of(url: &'a str, index: usize) -> Self {
        Self { index, r#type: "image_url", image_url: Url { url } }
    }
}

/// How likely tokens were.
#[derive(Serialize)]
pub(super) struct Logprobs<'a> {
    content: &'a RawValue,
    refusal: Option<()>,
}

impl<'a> Logprobs<'a> {
    /// Of a list as JSON.
    pub(super) fn of(list: &'a str) -> Option<Self> {
        serde_json::from_str(list).ok().map(|content| Self { content, refusal: None })
    }
}

/// What Google signed, in the place that its own clients know.
#[derive(Serialize)]
pub(super) struct Extra<'a> {
    google: Signed<'a>,
}

#[derive(Serialize)]
struct Signed<'a> {
    thought_signature: &'a str,
}

impl<'a> From<&'a str> for Extra<'a> {
    fn from(thought_signature: &'a str) -> Self {
        Self { google: Signed { thought_signature } }
    }
}

/// A thinking block under LiteLLM's name, in Anthropic's shape, which clients hand back as it is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingBody<'a> {
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
}

#[derive(Serialize)]
struct CallBody<'a> {
    id: &'a str,
    r#type: &'static str,
    function: FunctionBody<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    name: &'a str,
    arguments: &'a str,
}

/// Why an answer ended, in the words of the client's version of the dialect. An answer with calls ends with them, whatever reason was
/// given, and one without does not.
pub(super) fn finish_reason(reason: Option<StopReason>, has_calls: bool, context: &AnswerContext) -> &'static str {
    match reason.unwrap_or(StopReason::EndTurn) {
        StopReason::MaxTokens | StopReason::ContextWindow => "length",
        StopReason::Refusal => "content_filter",
        _ if has_calls && context.echo.function_call => "function_call",
        _ if has_calls => "tool_calls",
        _ => "stop",
    }
}

/// Usage in OpenAI's shape.
#[derive(Serialize)]
pub(super) struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cached_tokens,
                cache_write_tokens: usage.cache_write_tokens,
            },
            completion_tokens_details: CompletionDetails { reasoning_tokens: usage.reasoning_tokens },
        }
    }
}

/// Writes a whole answer, with the context's id and model where the provider gave none.
#[must_use]
pub fn write(answer: &Answer<'_>, context: &AnswerContext) -> Vec<u8> {
    let (mut content, mut reasoning, mut refusal) = (None, None, None);
    let (mut thinking_blocks, mut calls, mut images) = (Vec::new(), Vec::new(), Vec::new());
    let (mut of_call, mut of_text) = (None, None);
    for block in &answer.blocks {
        match &block.content {
            Content::Text(text) => append(&mut content, text),
            Content::Thinking { text, signature } => {
                append(&mut reasoning, text);
                let signature = signature.as_deref();
                match signature.and_then(of_google) {
                    Some((Signs::Call, signature)) => {
                        of_call = Some(signature);
                        continue;
                    }
                    Some((Signs::Text, signature)) => {
                        of_text = Some(signature);
                        continue;
                    }
                    _ => {}
                }
                thinking_blocks.extend(signature.map(|signature| ThinkingBody::Thinking { thinking: text, signature }));
            }
            Content::RedactedThinking(data) => thinking_blocks.push(ThinkingBody::RedactedThinking { data }),
            Content::Refusal(text) => append(&mut refusal, text),
            Content::ToolCall { id, name, arguments } => {
                // A call without arguments must end as JSON all the same.
                let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
                let function = FunctionBody { name: context.function_name(name), arguments };
                calls.push(CallBody {
                    id,
                    r#type: "function",
                    function,
                    extra_content: of_call.take().map(Extra::from),
                });
            }
            Content::Image { source: Source::Uri(url), .. } => images.push(Picture::of(url, images.len())),
            // No provider answers with these; what it does with others is its own affair.
            Content::Image { .. }
            | Content::Audio { .. }
            | Content::Document { .. }
            | Content::ToolResult { .. }
            | Content::Opaque(_) => {}
        }
    }
    let finish_reason = finish_reason(answer.stop, !calls.is_empty(), context);
    // OpenAI's clients expect a string unless something else was said.
    let silent = calls.is_empty() && refusal.is_none() && finish_reason != "content_filter";
    let mut function_call = None;
    if context.echo.function_call {
        function_call = std::mem::take(&mut calls).into_iter().next().map(|call| call.function);
    }
    let message = Said {
        role: "assistant",
        content: content.as_deref().or(silent.then_some("")),
        refusal: refusal.as_deref(),
        reasoning_content: reasoning.as_deref(),
        thinking_blocks,
        images,
        tool_calls: calls,
        function_call,
        extra_content: of_text.map(Extra::from),
    };
    let completion = Completion {
        id: given(&answer.id, &context.fallback_id),
        object: "chat.completion",
        created: context.now_s,
        model: given(&answer.model, &context.model),
        choices: [Alternative {
            index: 0,
            message,
            logprobs: answer.logprobs.as_deref().and_then(Logprobs::of),
            finish_reason,
        }],
        usage: answer.usage.map(UsageBody::from),
    };
    // Strings and numbers always serialize.
    serde_json::to_vec(&completion).unwrap_or_default()
}

/// Appends a text; an empty one is none.
fn append<'a>(whole: &mut Option<Cow<'a, str>>, piece: &'a str) {
    match whole {
        _ if piece.is_empty() => {}
        Some(text) => text.to_mut().push_str(piece),
        None => *whole = Some(Cow::Borrowed(piece)),
    }
}

/// The provider's word, or ours where it has none.
pub(super) fn given<'a>(theirs: &'a str, ours: &'a str) -> &'a str {
    if theirs.is_empty() { ours } else { theirs }
}
