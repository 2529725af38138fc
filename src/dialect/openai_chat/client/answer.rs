//! A whole answer for the client: [`ChatResponse`] to the bytes of a `chat.completion`.
//!
//! **Invariant:** every key that OpenAI's schema requires is there, null where there is nothing to say.

use serde::Serialize;

use crate::chat::{ChatResponse, Choice, FinishReason, ThinkingBlock, ToolCall, Usage};
use crate::dialect::AnswerContext;

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Alternative<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<UsageBody>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    index: usize,
    message: Said<'a>,
    logprobs: Option<()>,
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
    tool_calls: Vec<CallBody<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionBody<'a>>,
}

/// A thinking block under LiteLLM's name, in Anthropic's shape, which clients hand back as it is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ThinkingBody<'a> {
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
}

impl<'a> From<&'a ThinkingBlock<'_>> for ThinkingBody<'a> {
    fn from(block: &'a ThinkingBlock<'_>) -> Self {
        match block {
            ThinkingBlock::Thinking(thinking, signature) => Self::Thinking { thinking, signature },
            ThinkingBlock::Redacted(data) => Self::RedactedThinking { data },
        }
    }
}

#[derive(Serialize)]
struct CallBody<'a> {
    id: &'a str,
    r#type: &'static str,
    function: FunctionBody<'a>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> CallBody<'a> {
    fn of(call: &'a ToolCall<'_>, context: &'a AnswerContext) -> Self {
        let function = FunctionBody { name: context.function_name(&call.name), arguments: &call.arguments };
        Self { id: &call.id, r#type: "function", function }
    }
}

/// Why an answer ended, in the words of the client's version of the dialect.
pub(super) fn finish_reason(reason: FinishReason, context: &AnswerContext) -> &'static str {
    match reason {
        FinishReason::ToolCalls if context.echo.function_call => "function_call",
        reason => reason.as_str(),
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
pub fn encode(response: &ChatResponse<'_>, context: &AnswerContext) -> Vec<u8> {
    let completion = Completion {
        id: given(&response.id, &context.fallback_id),
        object: "chat.completion",
        created: context.now_s,
        model: given(&response.model, &context.model),
        choices: response
            .choices
            .iter()
            .enumerate()
            .map(|(index, choice)| alternative(index, choice, context))
            .collect(),
        usage: response.usage.map(UsageBody::from),
    };
    // Strings and numbers always serialize.
    serde_json::to_vec(&completion).unwrap_or_default()
}

/// The provider's word, or ours where it has none.
pub(super) fn given<'a>(theirs: &'a str, ours: &'a str) -> &'a str {
    if theirs.is_empty() { ours } else { theirs }
}

fn alternative<'a>(index: usize, choice: &'a Choice<'_>, context: &'a AnswerContext) -> Alternative<'a> {
    // OpenAI's clients expect a string unless something else was said.
    let silent = choice.tool_calls.is_empty() && choice.refusal.is_none();
    let mut tool_calls: Vec<_> = choice.tool_calls.iter().map(|call| CallBody::of(call, context)).collect();
    let mut function_call = None;
    if context.echo.function_call {
        function_call = tool_calls.drain(..).next().map(|call| call.function);
    }
    let message = Said {
        role: "assistant",
        content: choice.content.as_deref().or(silent.then_some("")),
        refusal: choice.refusal.as_deref(),
        reasoning_content: choice.reasoning.as_deref(),
        thinking_blocks: choice.thinking_blocks.iter().map(ThinkingBody::from).collect(),
        tool_calls,
        function_call,
    };
    Alternative {
        index,
        message,
        logprobs: None,
        finish_reason: finish_reason(choice.finish.unwrap_or(FinishReason::Stop), context),
    }
}
