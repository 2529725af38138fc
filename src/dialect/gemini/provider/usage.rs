//! What Gemini counts, in OpenAI's terms.
//!
//! **Invariant:** the tokens that tools at the provider read are part of the prompt, and thinking is part of the answer, counted once.

use serde::Deserialize;

use crate::chat::Usage;
use crate::dialect::count::count;

/// `usageMetadata`. All of it is optional.
#[derive(Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Counts {
    #[serde(deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    total_token_count: Option<u64>,
}

impl From<Counts> for Usage {
    fn from(counts: Counts) -> Self {
        let of = Option::<u64>::unwrap_or_default;
        let prompt_tokens = of(counts.prompt_token_count).saturating_add(of(counts.tool_use_prompt_token_count));
        let thoughts = of(counts.thoughts_token_count);
        // Where what was said is not counted, it is the rest of the total.
        let rest = || of(counts.total_token_count).saturating_sub(prompt_tokens.saturating_add(thoughts));
        let said = counts.candidates_token_count.unwrap_or_else(rest);
        // Some backends count the thoughts among what was said; the total tells.
        let are_inside = said >= thoughts && counts.total_token_count == Some(prompt_tokens.saturating_add(said));
        Self {
            prompt_tokens,
            completion_tokens: if are_inside { said } else { said.saturating_add(thoughts) },
            cached_tokens: of(counts.cached_content_token_count),
            cache_write_tokens: None,
            reasoning_tokens: thoughts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G28, M25.
    #[test]
    fn g28_the_total_is_the_sum_of_four() {
        let of = |text: &str| Usage::from(serde_json::from_str::<Counts>(text).unwrap());
        let usage = of(r#"{"promptTokenCount":500,"toolUsePromptTokenCount":300,"cachedContentTokenCount":200,
            "candidatesTokenCount":120,"thoughtsTokenCount":10,"totalTokenCount":930}"#);
        assert_eq!((usage.prompt_tokens, usage.completion_tokens), (800, 130));
        assert_eq!((usage.cached_tokens, usage.reasoning_tokens), (200, 10));
        let inside =
            of(r#"{"promptTokenCount":5,"candidatesTokenCount":9,"thoughtsTokenCount":4,"totalTokenCount":14}"#);
        assert_eq!((inside.completion_tokens, inside.reasoning_tokens), (9, 4));
        let uncounted = of(r#"{"promptTokenCount":9,"thoughtsTokenCount":4,"totalTokenCount":73}"#);
        assert_eq!((uncounted.prompt_tokens, uncounted.completion_tokens, uncounted.reasoning_tokens), (9, 64, 4));
    }
}
