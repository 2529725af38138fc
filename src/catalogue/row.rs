//! One model, packed: the filter carries every row, so a row is 48 bytes and its names.
//!
//! **Invariant:** [`NO`] stands for what is not known, and never leaves this file.

use super::capability::Capabilities;
use super::money::Usd;
use super::price::{Listed, LongPrompts};

/// Not known.
pub(super) const NO: u32 = u32::MAX;

/// What is known of one model at one provider.
#[derive(Debug)]
pub struct Row {
    /// The provider, by the name that stands before the `/` in `litellm_params.model`.
    pub provider: &'static str,
    /// The model, without region, version and date where these change nothing.
    pub model: &'static str,
    rates: [u32; 4],
    long: &'static [u32],
    limits: [u32; 2],
    capabilities: [u8; 2],
}

/// How many tokens a model takes and gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// The longest prompt. Where prompt and answer share one window, this is that window.
    pub max_input_tokens: Option<u64>,
    /// The longest answer.
    pub max_output_tokens: Option<u64>,
}

/// A row as the generated table writes it: prices in pico-dollars a token (input, cached input, cache write, output), the same for
/// long prompts behind the number of tokens from which they count, the most input and output tokens, capabilities known and
/// known to be missing.
pub(super) const fn row(
    provider: &'static str,
    model: &'static str,
    rates: [u32; 4],
    long: &'static [u32],
    limits: [u32; 2],
    capabilities: [u8; 2],
) -> Row {
    Row { provider, model, rates, long, limits, capabilities }
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
    /// Its prices, as far as they are known.
    #[must_use]
    pub fn listed(&self) -> Listed {
        let long = match *self.long {
            [from, input, cached, write, output] => {
                let rates = listed([input, cached, write, output]).rates();
                rates.map(|rates| LongPrompts { from_tokens: u64::from(from), rates })
            }
            _ => None,
        };
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
