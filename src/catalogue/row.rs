//! One model, packed: the filter carries every row, so a row is 40 bytes and its name.
//!
//! **Invariant:** [`NO`] means unknown, and never leaves this file.

use super::capability::Capabilities;
use super::money::Usd;
use super::price::{Listed, LongPrompts};
use super::table::PROVIDERS;

/// Not known.
pub(super) const NO: u32 = u32::MAX;

/// One model at one provider.
#[derive(Debug)]
pub struct Row {
    /// The model, without region, version and date if these change nothing.
    pub model: &'static str,
    rates: [u32; 4],
    long: Option<&'static [u32; 5]>,
    limits: [u32; 2],
    provider: u8,
    capabilities: [u8; 2],
}

/// How many tokens a model takes and gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The longest prompt. If prompt and answer share one window, this is that window.
    pub max_input_tokens: Option<u64>,
    /// The longest answer.
    pub max_output_tokens: Option<u64>,
}

/// A row as the generated table writes it: prices in pico-dollars a token (input, cached input, cache write, output), the same for
/// long prompts behind the number of tokens from which they count, the most input and output tokens, capabilities known and
/// known to be missing.
pub(super) const fn row(
    provider: u8,
    model: &'static str,
    rates: [u32; 4],
    long: Option<&'static [u32; 5]>,
    limits: [u32; 2],
    capabilities: [u8; 2],
) -> Row {
    Row { model, rates, long, limits, provider, capabilities }
}

fn known(number: u32) -> Option<u64> {
    (number != NO).then_some(u64::from(number))
}

fn listed([input, cached_input, cache_write, output]: [u32; 4]) -> Listed {
    let rate = |number| known(number).map(Usd::from_pico);
    Listed {
        input: rate(input),
        cached_input: rate(cached_input),
        cache_write: rate(cache_write),
        output: rate(output),
        long: None,
    }
}

impl Row {
    /// The provider, by the name before the `/` in `litellm_params.model`.
    #[must_use]
    pub fn provider(&self) -> &'static str {
        PROVIDERS.get(usize::from(self.provider)).copied().unwrap_or_default()
    }

    /// Its prices, as far as they are known.
    #[must_use]
    pub fn listed(&self) -> Listed {
        let long = self.long.and_then(|&[from, input, cached, write, output]| {
            let rates = listed([input, cached, write, output]).rates()?;
            Some(LongPrompts { from_tokens: u64::from(from), rates })
        });
        Listed { long, ..listed(self.rates) }
    }

    /// Its limits, as far as they are known.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let [input, output] = self.limits;
        Limits { max_input_tokens: known(input), max_output_tokens: known(output) }
    }

    /// What it can do, as far as that is known.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        Capabilities::from_bits(self.capabilities)
    }
}
