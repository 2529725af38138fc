//! `router_settings`, and the same settings in their older home `litellm_settings`.
//!
//! **Invariant:** where a setting stands in both, `router_settings` wins, as in LiteLLM.

use super::field::{Field, Notes};
use super::names::nearest;
use crate::config::model::{RouterSettings, StrategyArgs, StrategyName};
use crate::config::tree::Value;

/// LiteLLM's strategies that do not exist here yet.
const NOT_YET: &[&str] = &[
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
    "provider-budget-routing",
    "lar1",
];

/// A setting from its home, else from its older one.
pub(super) fn setting<'a>(root: &Field<'a>, name: &str) -> Option<Field<'a>> {
    let within = |section: &str, name: &str| root.at(section).and_then(|section| section.at(name));
    within("router_settings", name).or_else(|| within("litellm_settings", name))
}

/// Reads the settings that stand for themselves; aliases and fallbacks have files of their own.
pub(super) fn read(root: &Field<'_>, notes: &mut Notes) -> RouterSettings {
    for name in ["router_settings", "litellm_settings"] {
        if let Some(section) = root.at(name)
            && !matches!(section.node.value, Value::Map(_))
        {
            section.mistake(
                notes,
                format!("this is {}, not a map", section.node.kind()),
                "write `key: value` lines below it",
            );
        }
    }
    let older_timeout = root.at("litellm_settings").and_then(|section| section.at("request_timeout"));
    let seconds = |name: &str, zero: bool, notes: &mut Notes| setting(root, name).and_then(|f| f.seconds(notes, zero));
    RouterSettings {
        strategy: strategy(root, notes),
        strategy_args: StrategyArgs::default(),
        allowed_fails_policy: None,
        provider_budgets: Vec::new(),
        pre_call_checks: false,
        enforce_rate_limits: false,
        tag_filtering: false,
        tag_match_any: true,
        num_retries: setting(root, "num_retries").and_then(|field| field.few(notes)).unwrap_or(2),
        max_fallbacks: setting(root, "max_fallbacks").and_then(|field| field.few(notes)).unwrap_or(5),
        allowed_fails: setting(root, "allowed_fails")
            .and_then(|field| field.whole(notes, 0, i64::from(u32::MAX)))
            .and_then(|fails| u32::try_from(fails).ok()),
        cooldown_ms: seconds("cooldown_time", true, notes).unwrap_or(5_000),
        timeout_ms: setting(root, "timeout").or(older_timeout).and_then(|field| field.seconds(notes, false)),
        stream_timeout_ms: seconds("stream_timeout", false, notes),
        disable_cooldowns: setting(root, "disable_cooldowns").and_then(|field| field.flag(notes)).unwrap_or(false),
    }
}

fn strategy(root: &Field<'_>, notes: &mut Notes) -> StrategyName {
    let Some(field) = setting(root, "routing_strategy") else { return StrategyName::SimpleShuffle };
    match field.text(notes) {
        None | Some("simple-shuffle") => {}
        Some(name) if NOT_YET.contains(&name) => {
            field.mistake(notes, format!("the strategy `{name}` is not supported yet"), "write `simple-shuffle`");
        }
        Some(name) => {
            let meant = nearest(name, NOT_YET.iter().copied().chain(["simple-shuffle"])).unwrap_or("simple-shuffle");
            let remedy = if meant == "simple-shuffle" {
                "write `simple-shuffle`"
            } else {
                "write `simple-shuffle`, the only one so far"
            };
            field.mistake(notes, format!("there is no strategy `{name}`"), remedy);
        }
    }
    StrategyName::SimpleShuffle
}
