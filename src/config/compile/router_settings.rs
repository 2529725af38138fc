//! `router_settings`, and the same settings in their older home `litellm_settings`.
//!
//! **Invariant:** where a setting stands in both, `router_settings` wins, as in LiteLLM.

use super::field::{Diagnostics, Field};
use super::{budgets, policies, pre_call, strategy};
use crate::config::model::RouterSettings;

/// A setting from its home, else from its older one.
pub(super) fn setting<'a>(root: &Field<'a>, name: &str) -> Option<Field<'a>> {
    homes(root, name).into_iter().flatten().next()
}

/// Where a setting may stand, its home first.
pub(super) fn homes<'a>(root: &Field<'a>, name: &str) -> [Option<Field<'a>>; 2] {
    ["router_settings", "litellm_settings"].map(|section| root.at(section)?.at(name))
}

/// Reads the settings that stand for themselves; what names groups has files of its own.
pub(super) fn read(root: &Field<'_>, diagnostics: &mut Diagnostics) -> RouterSettings {
    for section in ["router_settings", "litellm_settings"].into_iter().filter_map(|name| root.at(name)) {
        section.is_map(diagnostics);
    }
    let older_timeout = root.at("litellm_settings").and_then(|section| section.at("request_timeout"));
    let seconds = |name: &str, zero: bool, diagnostics: &mut Diagnostics| {
        setting(root, name).and_then(|f| f.seconds(diagnostics, zero))
    };
    let flag =
        |name: &str, diagnostics: &mut Diagnostics| setting(root, name).and_then(|field| field.flag(diagnostics));
    let strategy =
        setting(root, "routing_strategy").and_then(|field| strategy::name(&field, diagnostics)).unwrap_or_default();
    RouterSettings {
        strategy,
        strategy_args: strategy::args(setting(root, "routing_strategy_args"), strategy, diagnostics),
        allowed_fails_policy: setting(root, "allowed_fails_policy")
            .and_then(|field| policies::allowed_fails(&field, diagnostics)),
        provider_budgets: budgets::providers(root, diagnostics),
        pre_call_checks: flag("enable_pre_call_checks", diagnostics).unwrap_or(false),
        enforce_rate_limits: pre_call::enforce_rate_limits(root, diagnostics),
        tag_filtering: flag("enable_tag_filtering", diagnostics).unwrap_or(false),
        tag_match_any: flag("tag_filtering_match_any", diagnostics).unwrap_or(true),
        num_retries: setting(root, "num_retries").and_then(|field| field.few(diagnostics)).unwrap_or(2),
        max_fallbacks: setting(root, "max_fallbacks").and_then(|field| field.few(diagnostics)).unwrap_or(5),
        allowed_fails: setting(root, "allowed_fails").and_then(|field| field.many(diagnostics, 0)),
        cooldown_ms: seconds("cooldown_time", true, diagnostics).unwrap_or(5_000),
        timeout_ms: setting(root, "timeout").or(older_timeout).and_then(|field| field.seconds(diagnostics, false)),
        stream_timeout_ms: seconds("stream_timeout", false, diagnostics),
        disable_cooldowns: flag("disable_cooldowns", diagnostics).unwrap_or(false),
    }
}
