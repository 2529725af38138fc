//! What a deployment costs, takes and can do: the catalogue, and what its entry says otherwise.
//!
//! A price stands in `litellm_params` or in `model_info`, the first wins, as in LiteLLM. What the entry does not say comes from the
//! table, by `base_model` if there is one. A price of 0 is a price: LiteLLM takes it for none at all, and a free deployment for a dear one.
//!
//! **Invariant:** a value that cannot be used is noted, and leaves what the table says.

use super::field::{Diagnostics, Field};
use crate::catalogue::{Capability, Listed, ModelFacts, Usd, row_of};

/// Dollars a token above this are taken for dollars a million tokens: no model costs 10,000 USD for a million.
const MOST: Usd = Usd::from_pico(10_000_000_000);

/// Reads what an entry of `model_list` says of the model's facts. `model` is its name without the provider.
pub(super) fn read(
    entry: &Field<'_>,
    params: &Field<'_>,
    provider: &str,
    model: &str,
    diagnostics: &mut Diagnostics,
) -> ModelFacts {
    let info = entry.at("model_info");
    let in_info = |name: &str| info.as_ref().and_then(|info| info.at(name));
    let base = in_info("base_model").or_else(|| params.at("base_model"));
    let base = base.and_then(|field| field.text(diagnostics).map(|text| (field, text)));
    let row = row_of(provider, model, base.as_ref().map(|(_, text)| *text));
    if let Some((field, text)) = &base
        && row_of(provider, "", Some(text)).is_none()
    {
        let problem = format!("unknown model `{text}`, which has no effect");
        field.warning(diagnostics, problem, "write one that `signalbox models` lists");
    }

    let mut price = |name: &str| {
        let field = params.at(name).or_else(|| in_info(name))?;
        let price = field.price(diagnostics)?;
        if price > MOST {
            let problem = format!("{} USD a token is more than any model costs", field.shown());
            field.warning(diagnostics, problem, "write USD for one token: 0.0000025 is 2.50 for a million");
        }
        Some(price)
    };
    let written = Listed {
        input: price("input_cost_per_token"),
        cached_input: price("cache_read_input_token_cost"),
        cache_write: price("cache_creation_input_token_cost"),
        output: price("output_cost_per_token"),
        long: None,
    };
    let mut facts = ModelFacts {
        price: written.or(row.map(|row| row.listed()).unwrap_or_default()).price(),
        limits: row.map(|row| row.limits()).unwrap_or_default(),
        capabilities: row.map(|row| row.capabilities()).unwrap_or_default(),
    };

    let mut limit = |name: &str| in_info(name).and_then(|field| field.tokens(diagnostics));
    // Every one is read, so that all errors show at once. `max_tokens` is LiteLLM's older name for the longest answer.
    let (input, output, older) = (limit("max_input_tokens"), limit("max_output_tokens"), limit("max_tokens"));
    facts.limits.max_input_tokens = input.or(facts.limits.max_input_tokens);
    facts.limits.max_output_tokens = output.or(older).or(facts.limits.max_output_tokens);
    for one in Capability::ALL {
        if let Some(has) = in_info(one.key()).and_then(|field| field.flag(diagnostics)) {
            facts.capabilities = facts.capabilities.with(one, has);
        }
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Limits, facts};
    use crate::config::tree::Node;

    /// The facts of an entry for `openai/gpt-4o`, and what was noted.
    fn read_gpt(params: &str, info: &str) -> (ModelFacts, Vec<String>) {
        read_model("openai", "gpt-4o", params, info)
    }

    fn read_model(provider: &str, model: &str, params: &str, info: &str) -> (ModelFacts, Vec<String>) {
        let text = format!(r#"{{"litellm_params": {{{params}}}, "model_info": {{{info}}}}}"#);
        let node = Node::from_json_text(text.as_bytes()).unwrap();
        let (entry, mut diagnostics) = (Field::root(&node), Diagnostics::default());
        let facts = read(&entry, &entry.at("litellm_params").unwrap(), provider, model, &mut diagnostics);
        (facts, diagnostics.iter().map(|diagnostic| diagnostic.line("f")).collect())
    }

    fn pico(facts: &ModelFacts) -> [u64; 4] {
        let rates = facts.price.unwrap().rates;
        [rates.input, rates.cached_input, rates.cache_write, rates.output].map(Usd::pico)
    }

    #[test]
    fn the_table_fills_what_is_not_written() {
        let (table, diagnostics) = read_gpt("", "");
        assert_eq!((table, diagnostics), (facts("openai", "gpt-4o", None), Vec::new()));
        let [input, cached, write, _] = pico(&table);
        let (one, _) =
            read_gpt(r#""output_cost_per_token": 0.000001"#, r#""max_output_tokens": 7, "supports_vision": false"#);
        assert_eq!(pico(&one), [input, cached, write, 1_000_000]);
        let limits = Limits { max_output_tokens: Some(7), ..table.limits };
        assert_eq!((one.limits, one.capabilities), (limits, table.capabilities.with(Capability::Vision, false)));
    }

    #[test]
    fn a_price_may_stand_in_either_place_and_be_written_as_a_text() {
        let info = r#""input_cost_per_token": 0.5, "output_cost_per_token": "2e-6""#;
        let (both, diagnostics) =
            read_gpt(r#""input_cost_per_token": "1e-6", "cache_read_input_token_cost": 1e-7"#, info);
        assert_eq!(pico(&both), [1_000_000, 100_000, 1_000_000, 2_000_000]);
        assert_eq!(diagnostics, Vec::<String>::new(), "what does not count is not looked at");
    }

    #[test]
    fn zero_is_a_price_and_free_is_free() {
        let (free, _) = read_gpt(r#""input_cost_per_token": 0, "output_cost_per_token": 0"#, "");
        assert_eq!(pico(&free), [0; 4], "cached input too");
    }

    #[test]
    fn a_model_that_nobody_knows_has_what_is_written() {
        let (none, _) = read_model("hosted_vllm", "mine", "", "");
        assert_eq!(none, ModelFacts::default());
        let info = r#""max_input_tokens": 32768, "max_tokens": 4096, "supports_function_calling": true"#;
        let (some, _) = read_model("hosted_vllm", "mine", r#""input_cost_per_token": 1e-7"#, info);
        assert_eq!(pico(&some), [100_000, 100_000, 100_000, 0]);
        assert_eq!(some.limits, Limits { max_input_tokens: Some(32768), max_output_tokens: Some(4096) });
        assert_eq!(some.capabilities.has(Capability::Tools), Some(true));
        assert_eq!(some.capabilities.has(Capability::Vision), None);
    }

    #[test]
    fn a_base_model_names_another_row() {
        let gpt = facts("openai", "gpt-4o", None);
        assert_eq!(read_model("azure", "mine", "", r#""base_model": "azure/gpt-4o""#), (gpt, Vec::new()));
        assert_eq!(read_model("azure", "mine", r#""base_model": "gpt-4o""#, "").0, gpt);
        let (none, diagnostics) = read_model("azure", "mine", "", r#""base_model": "gpt-4oo""#);
        let said = "f: warning: model_info.base_model: unknown model `gpt-4oo`, which has no effect; \
                    write one that `signalbox models` lists";
        assert_eq!((none, diagnostics), (ModelFacts::default(), vec![said.to_owned()]));
    }

    #[test]
    fn errors_name_their_place_and_remedy_and_leave_the_table() {
        let params =
            r#""input_cost_per_token": -1, "output_cost_per_token": "cheap", "cache_read_input_token_cost": true"#;
        let info = r#""max_input_tokens": 0, "max_output_tokens": 1.5, "supports_vision": "maybe", "base_model": 4"#;
        let (facts, diagnostics) = read_gpt(params, info);
        assert_eq!(facts, crate::catalogue::facts("openai", "gpt-4o", None));
        let dollars = "expected USD for one token, from 0 up; write for example 0.0000025 for 2.50 a million";
        let tokens = "expected a whole number from 1 up; write for example 128000";
        let wanted = [
            "model_info.base_model: expected a text, found a number; put it in quotes or write a name".to_owned(),
            format!("litellm_params.input_cost_per_token: invalid price `-1`: {dollars}"),
            format!("litellm_params.cache_read_input_token_cost: invalid price `true`: {dollars}"),
            format!("litellm_params.output_cost_per_token: invalid price `cheap`: {dollars}"),
            format!("model_info.max_input_tokens: invalid number of tokens `0`: {tokens}"),
            format!("model_info.max_output_tokens: invalid number of tokens `1.5`: {tokens}"),
            "model_info.supports_vision: expected true or false, found `maybe`; write `true` or `false`".to_owned(),
        ];
        assert_eq!(diagnostics, wanted.map(|line| format!("f: error: {line}")));
    }

    #[test]
    fn dollars_a_million_tokens_are_warned_of() {
        let (_, diagnostics) = read_gpt(r#""input_cost_per_token": 2.5"#, "");
        let said = "f: warning: litellm_params.input_cost_per_token: `2.5` USD a token is more than any model costs; \
                    write USD for one token: 0.0000025 is 2.50 for a million";
        assert_eq!(diagnostics, [said]);
    }
}
