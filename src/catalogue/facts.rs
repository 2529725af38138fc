//! What a deployment costs, takes and can do.

use super::capability::Capabilities;
use super::find::lookup;
use super::price::Price;
use super::row::{Limits, Row};

/// What is known of a deployment's model: by the table, by its configuration, or by both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelFacts {
    /// What it costs, if that is known.
    pub price: Option<Price>,
    /// How many tokens it takes and gives.
    pub limits: Limits,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// The row of a deployment: that of its `base_model` if there is one and it is known, else that of its model.
///
/// A `base_model` may be any row's name: at the deployment's provider, behind another provider's
/// name (`anthropic/claude-…`), or a maker's bare one.
#[must_use]
pub fn row_of(provider: &str, model: &str, base_model: Option<&str>) -> Option<&'static Row> {
    let named = base_model.and_then(|base| {
        let elsewhere = || base.split_once('/').and_then(|(other, name)| lookup(other, name));
        lookup(provider, base).or_else(elsewhere).or_else(|| lookup("openai", base))
    });
    named.or_else(|| lookup(provider, model))
}

/// What the table knows of a deployment.
#[must_use]
pub fn facts(provider: &str, model: &str, base_model: Option<&str>) -> ModelFacts {
    row_of(provider, model, base_model).map_or_else(ModelFacts::default, |row| ModelFacts {
        price: row.listed().price(),
        limits: row.limits(),
        capabilities: row.capabilities(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Capability, Usd};

    #[test]
    fn the_table_says_what_a_model_costs_takes_and_can() {
        let gpt = facts("openai", "gpt-4o", None);
        let rates = gpt.price.unwrap().rates;
        assert_eq!((rates.input, rates.output), (Usd::from_pico(2_500_000), Usd::from_pico(10_000_000)));
        assert_eq!((rates.cached_input, rates.cache_write), (Usd::from_pico(1_250_000), rates.input));
        assert_eq!(gpt.limits, Limits { max_input_tokens: Some(128_000), max_output_tokens: Some(16_384) });
        assert_eq!(gpt.capabilities.has(Capability::Vision), Some(true));
        assert_eq!(facts("openai", "gpt-3.5-turbo", None).capabilities.has(Capability::Vision), Some(false));
        assert_eq!(gpt.capabilities.has(Capability::Reasoning), None);
        assert_eq!(facts("featherless_ai", "any", None), ModelFacts::default());
    }

    #[test]
    fn long_prompts_have_prices_of_their_own() {
        let long = |provider, model| facts(provider, model, None).price.unwrap().long.unwrap();
        assert_eq!(long("gemini", "gemini-2.5-pro").from_tokens, 200_001);
        assert_eq!(long("gemini", "gemini-2.5-pro").rates.input, Usd::from_pico(2_500_000));
        assert_eq!(long("xai", "grok-4.6").from_tokens, 200_000, "xAI counts the threshold itself");
    }

    #[test]
    fn a_base_model_says_whose_facts_are_meant() {
        let row = |provider, model, base| row_of(provider, model, Some(base)).map(|row| row.model);
        assert_eq!(row("azure", "my-deployment", "azure/gpt-4o"), Some("gpt-4o"));
        assert_eq!(row("azure", "my-deployment", "gpt-4o-2024-08-06"), Some("gpt-4o"));
        assert_eq!(row("hosted_vllm", "mine", "anthropic/claude-opus-5"), Some("claude-opus-5"));
        assert_eq!(row("hosted_vllm", "mine", "gpt-4o"), Some("gpt-4o"));
        assert_eq!(row("together_ai", "mine", "openai/gpt-oss-120b"), Some("openai/gpt-oss-120b"));
        assert_eq!(row("openai", "gpt-4o", "no-such"), Some("gpt-4o"), "the model's own, then");
        assert_eq!(row("azure", "mine", "no-such"), None);
    }
}
