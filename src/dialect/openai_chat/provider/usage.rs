//! Tokens, as OpenAI and those compatible with it count them, in chat completions and in Responses.
//!
//! **Invariant:** a usage that cannot be read is no usage, never an error: it is for accounting, not for the client.

use crate::chat::Usage;
use crate::dialect::count::count_of;
use crate::json::Scan;

#[derive(Default)]
struct Counts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Details,
    completion_tokens_details: Details,
    /// Responses, and gateways that write both.
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Option<u64>,
    /// Mistral.
    num_cached_tokens: Option<u64>,
}

#[derive(Default)]
struct Details {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl Counts {
    fn member(&mut self, scan: &mut Scan<'_>, name: &[u8]) -> Option<()> {
        let known = match name {
            b"prompt_tokens" => &mut self.prompt_tokens,
            b"completion_tokens" => &mut self.completion_tokens,
            b"total_tokens" => &mut self.total_tokens,
            b"input_tokens" => &mut self.input_tokens,
            b"output_tokens" => &mut self.output_tokens,
            b"prompt_cache_hit_tokens" => &mut self.prompt_cache_hit_tokens,
            b"num_cached_tokens" => &mut self.num_cached_tokens,
            b"prompt_tokens_details" | b"input_tokens_details" => {
                return scan.any_object(|scan, name| self.prompt_tokens_details.member(scan, name));
            }
            b"completion_tokens_details" | b"output_tokens_details" => {
                return scan.any_object(|scan, name| self.completion_tokens_details.member(scan, name));
            }
            _ => return scan.skip(),
        };
        *known = count_of(scan.value()?);
        Some(())
    }
}

impl Details {
    fn member(&mut self, scan: &mut Scan<'_>, name: &[u8]) -> Option<()> {
        let known = match name {
            b"cached_tokens" => &mut self.cached_tokens,
            b"cache_write_tokens" => &mut self.cache_write_tokens,
            b"reasoning_tokens" => &mut self.reasoning_tokens,
            _ => return scan.skip(),
        };
        *known = count_of(scan.value()?);
        Some(())
    }
}

/// The value of `usage`.
pub fn read(raw: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    Scan::new(raw).object(|scan, name| counts.member(scan, name))?;
    let (prompt, completion) =
        (counts.prompt_tokens.or(counts.input_tokens), counts.completion_tokens.or(counts.output_tokens));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let (prompt, completion) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    let prompt_details = counts.prompt_tokens_details;
    let reasoning = counts.completion_tokens_details.reasoning_tokens.unwrap_or(0);
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

/// The value of `x_groq`, Groq's extension, where its streams put usage.
pub fn read_groq(raw: &[u8]) -> Option<Usage> {
    let mut usage = None;
    Scan::new(raw).any_object(|scan, name| {
        let value = scan.value()?;
        if name == b"usage" {
            usage = read(value);
        }
        Some(())
    })?;
    usage
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(text: &str) -> Option<Usage> {
        read(text.as_bytes())
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
