//! A whole answer for the client: blocks to the bytes of a `message`.
//!
//! **Invariant:** every key that Anthropic's SDK requires is there, null where there is nothing to say.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{Answer, Content, StopReason, Usage};
use crate::dialect::AnswerContext;
use crate::dialect::ids::Given;

#[derive(Serialize)]
pub struct Message<'a> {
    pub id: &'a str,
    pub r#type: &'static str,
    pub role: &'static str,
    pub model: &'a str,
    pub content: Vec<BlockBody<'a>>,
    pub stop_reason: Option<&'static str>,
    pub stop_sequence: Option<()>,
    pub usage: UsageBody,
}

/// One block.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum BlockBody<'a> {
    Text { text: &'a str },
    Thinking { thinking: &'a str, signature: &'a str },
    RedactedThinking { data: &'a str },
    ToolUse { id: String, name: &'a str, input: Input<'a> },
}

/// A call's arguments: an object.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Input<'a> {
    Raw(&'a RawValue),
    Empty {},
}

/// Usage in Anthropic's shape, whose counts are disjoint.
#[derive(Serialize, Default)]
pub struct UsageBody {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        let written = usage.cache_write_tokens.unwrap_or_default();
        Self {
            input_tokens: usage.prompt_tokens.saturating_sub(usage.cached_tokens).saturating_sub(written),
            cache_creation_input_tokens: written,
            cache_read_input_tokens: usage.cached_tokens,
            output_tokens: usage.completion_tokens,
        }
    }
}

/// Why an answer ended. One with calls ends with them, whatever reason was given, and one without does not.
pub fn stop_reason(reason: Option<StopReason>, has_calls: bool, is_refusal: bool) -> &'static str {
    match reason.unwrap_or(StopReason::EndTurn) {
        StopReason::MaxTokens => "max_tokens",
        StopReason::ContextWindow => "model_context_window_exceeded",
        StopReason::Refusal => "refusal",
        _ if has_calls => "tool_use",
        _ if is_refusal => "refusal",
        StopReason::Pause => "pause_turn",
        // Which text it was is not known, and clients look for it where this reason is given.
        StopReason::EndTurn | StopReason::ToolUse | StopReason::StopSequence => "end_turn",
    }
}

/// Writes a whole answer, with the context's id and model where the provider gave none.
#[must_use]
pub fn write(answer: &Answer<'_>, context: &AnswerContext) -> Vec<u8> {
    let mut ids = Given::default();
    let (mut has_calls, mut is_refusal) = (false, false);
    let mut content = Vec::with_capacity(answer.blocks.len());
    for block in &answer.blocks {
        content.push(match &block.content {
            Content::Text(text) => BlockBody::Text { text },
            Content::Refusal(text) => {
                is_refusal = true;
                BlockBody::Text { text }
            }
            Content::Thinking { text: thinking, signature } => {
                BlockBody::Thinking { thinking, signature: signature.as_deref().unwrap_or_default() }
            }
            Content::RedactedThinking(data) => BlockBody::RedactedThinking { data },
            Content::ToolCall { id, name, arguments } => {
                has_calls = true;
                let input = serde_json::from_str::<&RawValue>(arguments).ok().filter(|raw| raw.get().starts_with('{'));
                let input = input.map_or(Input::Empty {}, Input::Raw);
                BlockBody::ToolUse { id: ids.give(id), name: context.function_name(name), input }
            }
            // No provider answers with these; what it does with others is its own affair.
            Content::Image { .. }
            | Content::Audio { .. }
            | Content::Document { .. }
            | Content::ToolResult { .. }
            | Content::Opaque(_) => continue,
        });
    }
    let message = Message {
        id: if answer.id.is_empty() { &context.fallback_id } else { &answer.id },
        r#type: "message",
        role: "assistant",
        model: if answer.model.is_empty() { &context.model } else { &answer.model },
        content,
        stop_reason: Some(stop_reason(answer.stop, has_calls, is_refusal)),
        stop_sequence: None,
        usage: answer.usage.map(UsageBody::from).unwrap_or_default(),
    };
    // Strings, numbers and raw JSON always serialize.
    serde_json::to_vec(&message).unwrap_or_default()
}
