//! Tokens, as OpenAI and those compatible with it count them.
//!
//! **Invariant:** a usage that cannot be read is no usage, never an error: it is for accounting, not for the client.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::Usage;
use crate::dialect::count::{any_or_none, count};

#[derive(Deserialize)]
struct Counts {
    #[serde(default, deserialize_with = "count")]
    prompt_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    completion_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    total_tokens: Option<u64>,
    #[serde(default, deserialize_with = "any_or_none")]
    prompt_tokens_details: Option<Details>,
    #[serde(default, deserialize_with = "any_or_none")]
    completion_tokens_details: Option<Details>,
    /// DeepSeek.
    #[serde(default, deserialize_with = "count")]
    prompt_cache_hit_tokens: Option<u64>,
    /// Mistral.
    #[serde(default, deserialize_with = "count")]
    num_cached_tokens: Option<u64>,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(default, deserialize_with = "count")]
    cached_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    cache_write_tokens: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    reasoning_tokens: Option<u64>,
}

/// Groq's extension, where its streams put usage.
#[derive(Deserialize)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// The value of `usage`.
pub fn read(raw: &RawValue) -> Option<Usage> {
    let counts: Counts = serde_json::from_str(raw.get()).ok()?;
    if counts.prompt_tokens.is_none() && counts.completion_tokens.is_none() {
        return None;
    }
    let (prompt, completion) = (counts.prompt_tokens.unwrap_or(0), counts.completion_tokens.unwrap_or(0));
    let prompt_details = counts.prompt_tokens_details.unwrap_or_default();
    let reasoning = counts.completion_tokens_details.and_then(|details| details.reasoning_tokens).unwrap_or(0);
    // xAI counts reasoning beside the completion; its total tells.
    let beside = counts.total_tokens == prompt.checked_add(completion).and_then(|sum| sum.checked_add(reasoning));
    let cached = prompt_details.cached_tokens.or(counts.prompt_cache_hit_tokens).or(counts.num_cached_tokens);
    Some(Usage {
        prompt_tokens: prompt,
        completion_tokens: if beside { completion.saturating_add(reasoning) } else { completion },
        cached_tokens: cached.unwrap_or(0),
        cache_write_tokens: prompt_details.cache_write_tokens,
        reasoning_tokens: reasoning,
    })
}

/// The value of `x_groq`.
pub fn read_groq(raw: &RawValue) -> Option<Usage> {
    read(serde_json::from_str::<Groq<'_>>(raw.get()).ok()?.usage?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> Option<Usage> {
        read(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn each_providers_way_of_counting() {
        let full = r#"{"prompt_tokens":90,"completion_tokens":16,"total_tokens":106,"queue_time":0.5,
            "prompt_tokens_details":{"cached_tokens":64,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":9}}"#;
        let expected = Usage {
            prompt_tokens: 90,
            completion_tokens: 16,
            cached_tokens: 64,
            cache_write_tokens: Some(3),
            reasoning_tokens: 9,
        };
        assert_eq!(usage(full), Some(expected));
        let xai = r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#;
        assert_eq!(usage(xai).unwrap().completion_tokens, 103);
        assert_eq!(usage(r#"{"prompt_tokens":6,"prompt_cache_hit_tokens":4}"#).unwrap().cached_tokens, 4, "DeepSeek");
        assert_eq!(usage(r#"{"prompt_tokens":6,"num_cached_tokens":4}"#).unwrap().cached_tokens, 4, "Mistral");
        for none in ["{}", "[]", "3", r#"{"prompt_tokens":"many"}"#, r#"{"prompt_tokens":-1}"#] {
            assert_eq!(usage(none), None, "{none}");
        }
    }
}
