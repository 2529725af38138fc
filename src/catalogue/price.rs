//! What a request costs.
//!
//! Cached and written tokens are part of the prompt ([`Usage`] counts as OpenAI does), so each prompt token is paid once: as read from
//! the cache, as written to it, or as plain input. Some providers charge the whole request more once its prompt is long.
//!
//! **Invariant:** a free price is 0; an unknown one is not a [`Price`].

use super::money::Usd;
use crate::chat::Usage;

/// What each token costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// A prompt token.
    pub input: Usd,
    /// A prompt token that the provider had in its cache.
    pub cached_input: Usd,
    /// A prompt token that the provider put into its cache.
    pub cache_write: Usd,
    /// A token of the answer, thinking included.
    pub output: Usd,
}

/// The prices of the whole request if its prompt is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongPrompts {
    /// The shortest prompt that they hold for, in tokens.
    pub from_tokens: u64,
    /// What each token costs then.
    pub rates: Rates,
}

/// What a model costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// What each token costs.
    pub rates: Rates,
    /// What it costs if the prompt is long, if that differs.
    pub long: Option<LongPrompts>,
}

/// A price as it is written down, parts of which may be missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Listed {
    /// A prompt token.
    pub input: Option<Usd>,
    /// A prompt token from the cache.
    pub cached_input: Option<Usd>,
    /// A prompt token put into the cache.
    pub cache_write: Option<Usd>,
    /// A token of the answer.
    pub output: Option<Usd>,
    /// The prices for long prompts, if they differ.
    pub long: Option<LongPrompts>,
}

impl Listed {
    /// What each token costs; `None` if neither input nor output has a price. If one has none, it is free (embeddings have no output),
    /// and cache tokens without a price of their own cost what input costs.
    #[must_use]
    pub fn rates(&self) -> Option<Rates> {
        let input = self.input.or(self.output.map(|_| Usd::ZERO))?;
        Some(Rates {
            input,
            cached_input: self.cached_input.unwrap_or(input),
            cache_write: self.cache_write.unwrap_or(input),
            output: self.output.unwrap_or_default(),
        })
    }

    /// The price; `None` if neither input nor output has one.
    #[must_use]
    pub fn price(&self) -> Option<Price> {
        self.rates().map(|rates| Price { rates, long: self.long })
    }

    /// These prices, completed from another list. A list with an input price does not get the other's cache prices, and a list with any
    /// price does not get the other's prices for long prompts, because those belong to the other's prices.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if self == Self::default() {
            return other;
        }
        let cache = if self.input.is_some() { Self::default() } else { other };
        Self {
            input: self.input.or(other.input),
            cached_input: self.cached_input.or(cache.cached_input),
            cache_write: self.cache_write.or(cache.cache_write),
            output: self.output.or(other.output),
            long: self.long,
        }
    }
}

/// What a request of this usage costs. Impossible counts (more cached than there were) are cut to the prompt.
#[must_use]
pub fn cost(usage: &Usage, price: &Price) -> Usd {
    let rates = match &price.long {
        Some(long) if usage.prompt_tokens >= long.from_tokens => &long.rates,
        _ => &price.rates,
    };
    let cached = usage.cached_tokens.min(usage.prompt_tokens);
    let rest = usage.prompt_tokens.saturating_sub(cached);
    let written = usage.cache_write_tokens.unwrap_or(0).min(rest);
    let plain = rest.saturating_sub(written);
    let prompt = rates.input.times(plain).plus(rates.cached_input.times(cached));
    prompt.plus(rates.cache_write.times(written)).plus(rates.output.times(usage.completion_tokens))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pico(pico: u64) -> Option<Usd> {
        Some(Usd::from_pico(pico))
    }

    const LISTED: Listed = Listed { input: None, cached_input: None, cache_write: None, output: None, long: None };

    fn usage(prompt: u64, cached: u64, written: u64, completion: u64) -> Usage {
        Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            cached_tokens: cached,
            cache_write_tokens: (written > 0).then_some(written),
            reasoning_tokens: completion,
        }
    }

    #[test]
    fn each_token_is_paid_once() {
        let full =
            Listed { input: pico(100), cached_input: pico(10), cache_write: pico(125), output: pico(1000), long: None };
        let price = full.price().unwrap();
        assert_eq!(cost(&usage(10, 0, 0, 2), &price).pico(), 3000);
        assert_eq!(cost(&usage(10, 4, 0, 2), &price).pico(), 600 + 40 + 2000);
        assert_eq!(cost(&usage(10, 4, 3, 0), &price).pico(), 300 + 40 + 375);
        assert_eq!(cost(&usage(10, 40, 30, 0), &price).pico(), 100, "no more is cached than there was");
        assert_eq!(cost(&Usage::default(), &price), Usd::ZERO);
        assert_eq!(cost(&usage(u64::MAX, 0, u64::MAX, u64::MAX), &price).pico(), u64::MAX);
    }

    #[test]
    fn cache_tokens_without_a_price_are_input() {
        let price = Listed { input: pico(100), output: pico(7), ..LISTED }.price().unwrap();
        assert_eq!(cost(&usage(10, 4, 3, 1), &price).pico(), 1007);
    }

    #[test]
    fn a_long_prompt_makes_the_whole_request_dearer() {
        let rates = Listed { input: pico(200), output: pico(20), ..LISTED }.rates().unwrap();
        let long = Some(LongPrompts { from_tokens: 11, rates });
        let price = Listed { input: pico(100), output: pico(10), long, ..LISTED }.price().unwrap();
        assert_eq!(cost(&usage(10, 0, 0, 1), &price).pico(), 1010);
        assert_eq!(cost(&usage(11, 0, 0, 1), &price).pico(), 2220);
        assert_eq!(cost(&usage(11, 11, 0, 1), &price).pico(), 2220, "cached tokens count for the length");
    }

    #[test]
    fn free_is_a_price_and_unknown_is_none() {
        assert_eq!(LISTED.price(), None);
        assert_eq!(Listed { cached_input: pico(3), ..LISTED }.price(), None);
        let free = Listed { input: pico(0), output: pico(0), ..LISTED }.price().unwrap();
        assert_eq!(cost(&usage(1000, 10, 10, 1000), &free), Usd::ZERO);
        assert_eq!(Listed { output: pico(3), ..LISTED }.price().unwrap().rates.input, Usd::ZERO);
    }

    #[test]
    fn an_input_price_brings_its_own_cache_prices() {
        let rates = Listed { input: pico(9), ..LISTED }.rates().unwrap();
        let long = Some(LongPrompts { from_tokens: 1, rates });
        let table =
            Listed { input: pico(100), cached_input: pico(10), cache_write: pico(125), output: pico(1000), long };
        assert_eq!(LISTED.or(table), table);
        let input = Listed { input: pico(0), ..LISTED }.or(table);
        assert_eq!(
            input,
            Listed { input: pico(0), output: pico(1000), ..LISTED },
            "free input is free from the cache too"
        );
        let output = Listed { output: pico(1), ..LISTED }.or(table);
        assert_eq!(output, Listed { output: pico(1), long: None, ..table });
    }
}
