//! Tokens, as OpenAI and those compatible with it count them, in chat completions and in Responses.
//!
//! **Invariant:** a usage that cannot be read is no usage, never an error: it is for accounting, not for the client.

use crate::chat::Usage;
use crate::dialect::count::count_of;
use crate::dialect::edit;
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
    /// Mistral, and Moonshot by another name.
    num_cached_tokens: Option<u64>,
    /// One of the three that clients add up is no plain number.
    odd: bool,
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
            b"num_cached_tokens" | b"cached_tokens" => &mut self.num_cached_tokens,
            b"prompt_tokens_details" | b"input_tokens_details" => {
                return scan.any_object(|scan, name| self.prompt_tokens_details.member(scan, name));
            }
            b"completion_tokens_details" | b"output_tokens_details" => {
                return scan.any_object(|scan, name| self.completion_tokens_details.member(scan, name));
            }
            _ => return scan.skip(),
        };
        let value = scan.value()?;
        *known = count_of(value);
        self.odd |= known.is_some() && !value.iter().all(u8::is_ascii_digit);
        Some(())
    }

    /// Those of the prompt and of the completion, and whether clients read them otherwise.
    fn sums(&self) -> Option<(u64, u64, bool)> {
        let prompt = self.prompt_tokens.or(self.input_tokens);
        let completion = self.completion_tokens.or(self.output_tokens);
        if prompt.is_none() && completion.is_none() {
            return None;
        }
        let is_whole = self.prompt_tokens.and(self.completion_tokens).and(self.total_tokens).is_some();
        let prompt = prompt.unwrap_or(0);
        let rest = || self.total_tokens.map_or(0, |total| total.saturating_sub(prompt));
        let completion = completion.unwrap_or_else(rest);
        let reasoning = self.completion_tokens_details.reasoning_tokens.unwrap_or(0);
        // xAI counts reasoning beside the completion; its total tells.
        let beside = self.total_tokens == prompt.checked_add(completion).and_then(|sum| sum.checked_add(reasoning));
        let is_beside = beside && reasoning > 0;
        let completion = if is_beside { completion.saturating_add(reasoning) } else { completion };
        Some((prompt, completion, self.odd || !is_whole || is_beside))
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
    measured(raw).map(|(usage, _)| usage)
}

/// The same, and whether clients read something else there, or nothing.
pub fn measured(raw: &[u8]) -> Option<(Usage, bool)> {
    let mut counts = Counts::default();
    Scan::new(raw).object(|scan, name| counts.member(scan, name))?;
    let (prompt_tokens, completion_tokens, is_odd) = counts.sums()?;
    let details = counts.prompt_tokens_details;
    let cached = details.cached_tokens.or(counts.prompt_cache_hit_tokens).or(counts.num_cached_tokens);
    let usage = Usage {
        prompt_tokens,
        completion_tokens,
        cached_tokens: cached.unwrap_or(0),
        cache_write_tokens: details.cache_write_tokens,
        reasoning_tokens: counts.completion_tokens_details.reasoning_tokens.unwrap_or(0),
    };
    Some((usage, is_odd))
}

/// A usage with the three numbers that clients read, and all else of it.
pub fn mended(raw: &[u8]) -> Option<Vec<u8>> {
    let (usage, is_odd) = measured(raw)?;
    if !is_odd {
        return None;
    }
    let total = usage.prompt_tokens.saturating_add(usage.completion_tokens);
    let mut counted = [
        ("prompt_tokens", Some(usage.prompt_tokens)),
        ("completion_tokens", Some(usage.completion_tokens)),
        ("total_tokens", Some(total)),
    ];
    let mut out = edit::object(raw, &mut |out, name, value| {
        let count = counted.iter_mut().find(|(known, _)| *known == name).and_then(|(_, count)| count.take());
        match count {
            Some(count) => out.put(name, count.to_string().as_bytes()),
            None => out.put(name, value),
        }
    })?;
    for (name, count) in counted {
        count.into_iter().for_each(|count| out.put(name, count.to_string().as_bytes()));
    }
    Some(out.end())
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

    /// K58, K59, G48.
    #[test]
    fn k58_clients_read_three_numbers() {
        let mended = |text: &str| mended(text.as_bytes()).map(|usage| String::from_utf8(usage).unwrap());
        for (usage, wanted) in [
            (
                r#"{"prompt_tokens":11,"total_tokens":11}"#,
                r#"{"prompt_tokens":11,"total_tokens":11,"completion_tokens":0}"#,
            ),
            (
                r#"{"prompt_tokens":11,"completion_tokens":null,"total_tokens":null}"#,
                r#"{"prompt_tokens":11,"completion_tokens":0,"total_tokens":11}"#,
            ),
            (
                r#"{"input_tokens":11,"output_tokens":2}"#,
                r#"{"input_tokens":11,"output_tokens":2,"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}"#,
            ),
            (
                r#"{"prompt_tokens":9,"total_tokens":73}"#,
                r#"{"prompt_tokens":9,"total_tokens":73,"completion_tokens":64}"#,
            ),
            (
                r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":399,"completion_tokens_details":{"reasoning_tokens":386}}"#,
                r#"{"prompt_tokens":12,"completion_tokens":387,"total_tokens":399,"completion_tokens_details":{"reasoning_tokens":386}}"#,
            ),
            (
                r#"{"prompt_tokens":"3","completion_tokens":2.0,"total_tokens":5}"#,
                r#"{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}"#,
            ),
        ] {
            assert_eq!(mended(usage).as_deref(), Some(wanted));
        }
        for fine in [
            r#"{"prompt_tokens":500,"completion_tokens":500,"total_tokens":1000,"completion_tokens_details":{"reasoning_tokens":200}}"#,
            r#"{"prompt_tokens":1,"completion_tokens":0,"total_tokens":1,"completion_tokens_details":{"reasoning_tokens":0}}"#,
            "null",
            "{}",
        ] {
            assert_eq!(mended(fine), None, "{fine}");
        }
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
