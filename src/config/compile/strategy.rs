//! `routing_strategy` and `routing_strategy_args`, of the router and of a routing group.
//!
//! **Invariant:** arguments that a strategy has no use for are told of, never taken in silence.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use crate::config::model::strategy::STRATEGIES;
use crate::config::model::{Strategy, StrategyArgs};

/// Reads a strategy's name.
pub(super) fn name(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<&'static Strategy> {
    let text = field.text(diagnostics)?;
    if let Some(strategy) = STRATEGIES.into_iter().find(|strategy| strategy.name == text) {
        return Some(strategy);
    }
    if let Some(strategy) = STRATEGIES.into_iter().find(|strategy| strategy.former_name == Some(text)) {
        let problem = format!("`{text}` is deprecated, and means `{}` here", strategy.name);
        field.warning(diagnostics, problem, format!("write `{}`", strategy.name));
        return Some(strategy);
    }
    if let Some(strategy) = STRATEGIES.into_iter().find(|strategy| strategy.name == text.replace('_', "-")) {
        let problem = format!("`{text}` is taken for `{}`, and refused by LiteLLM", strategy.name);
        field.warning(diagnostics, problem, format!("write `{}`", strategy.name));
        return Some(strategy);
    }
    let names = || STRATEGIES.iter().map(|strategy| strategy.name);
    let one_of = || format!("write one of {}", names().collect::<Vec<_>>().join(", "));
    let (problem, remedy) = match text {
        "provider-budget-routing" => (
            format!("`{text}` is not a strategy: budgets hold under every one"),
            "take it out, and leave `provider_budget_config`".to_owned(),
        ),
        "lar1" => (format!("`{text}`, LiteLLM's learned router, is not supported"), one_of()),
        "priority" => (format!("`{text}` is a strategy of `routing_groups` alone"), format!("{} here", one_of())),
        _ => match nearest(text, names()) {
            Some(meant) => (format!("unknown strategy `{text}`"), format!("did you mean `{meant}`?")),
            None => (format!("unknown strategy {}", field.shown()), one_of()),
        },
    };
    field.error(diagnostics, problem, remedy);
    None
}

/// Reads the arguments for a strategy.
pub(super) fn args(field: Option<Field<'_>>, strategy: &Strategy, diagnostics: &mut Diagnostics) -> StrategyArgs {
    let defaults = StrategyArgs::default();
    let Some(field) = field.filter(|field| field.is_map(diagnostics)) else { return defaults };
    if !strategy.takes_args && !field.entries(diagnostics).is_empty() {
        let takes: Vec<_> = STRATEGIES.iter().filter(|it| it.takes_args).map(|it| format!("`{}`", it.name)).collect();
        let problem = format!("`{}` takes no arguments here, only {} does", strategy.name, takes.join(", "));
        field.warning(diagnostics, problem, "leave them or take them out");
    }
    let at = |name: &str| field.at(name);
    StrategyArgs {
        ttl_ms: at("ttl").and_then(|ttl| ttl.seconds(diagnostics, false)).unwrap_or(defaults.ttl_ms),
        buffer: at("lowest_latency_buffer")
            .and_then(|buffer| buffer.real(diagnostics, |share| share >= 0.0, "a share from 0 up", "0.2"))
            .unwrap_or(defaults.buffer),
        samples: at("max_latency_list_size")
            .and_then(|size| size.whole(diagnostics, 1, 10))
            .and_then(|size| u32::try_from(size).ok())
            .unwrap_or(defaults.samples),
        ttft_percentile: at("ttft_percentile").and_then(|percentile| {
            percentile.real(diagnostics, |share| share > 0.0 && share <= 1.0, "a share above 0, up to 1", "0.95")
        }),
    }
}
