//! What Anthropic counts and why it stopped, in OpenAI's terms.
//!
//! **Invariant:** cached tokens are part of the prompt, as OpenAI counts them; a later number replaces an earlier one.

use serde::Deserialize;

use crate::chat::{StopReason, Usage};
use crate::dialect::count::{any_or_none, count};

/// Usage as it stands in an answer, in `message_start` and in `message_delta`. All of it is optional.
#[derive(Debug, Default, Clone, Copy, Deserialize)]
pub struct Counts {
    #[serde(default, deserialize_with = "count")]
    input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_read_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    output_tokens: Option<u64>,
    #[serde(default, deserialize_with = "any_or_none")]
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
struct OutputDetails {
    #[serde(default, deserialize_with = "count")]
    thinking_tokens: Option<u64>,
}

impl Counts {
    /// Takes over each number that the newer counts name: a stream's are cumulative.
    pub fn update(&mut self, newer: Self) {
        self.input_tokens = newer.input_tokens.or(self.input_tokens);
        self.cache_read_input_tokens = newer.cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.cache_creation_input_tokens = newer.cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.output_tokens = newer.output_tokens.or(self.output_tokens);
        self.output_tokens_details = newer.output_tokens_details.or(self.output_tokens_details);
    }
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        let cached_tokens = counts.cache_read_input_tokens.unwrap_or_default();
        let written = counts.cache_creation_input_tokens;
        let prompt = [counts.input_tokens.unwrap_or_default(), cached_tokens, written.unwrap_or_default()];
        Self {
            prompt_tokens: prompt.into_iter().fold(0, u64::saturating_add),
            completion_tokens: counts.output_tokens.unwrap_or_default(),
            cached_tokens,
            cache_write_tokens: written,
            reasoning_tokens: counts
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .unwrap_or_default(),
        }
    }
}

/// Why the answer ended. An unknown reason is the end of a turn, so that clients never see a word that they do not know.
pub fn stop_reason(word: &str) -> StopReason {
    match word {
        "max_tokens" => StopReason::MaxTokens,
        "model_context_window_exceeded" => StopReason::ContextWindow,
        "tool_use" => StopReason::ToolUse,
        "refusal" => StopReason::Refusal,
        "stop_sequence" => StopReason::StopSequence,
        "pause_turn" => StopReason::Pause,
        _ => StopReason::EndTurn,
    }
}
