//! The keys of `complexity_router_config`: which mean something here, which only in LiteLLM, and which are slips of the pen.
//!
//! **Invariant:** a key that would change the tier, and cannot here, is an error: it would otherwise be a silent surprise.

use super::super::field::{Diagnostics, Field, below};
use super::super::names::nearest;
use crate::config::tree::{Key, Value};

const KNOWN: &[&str] = &[
    "tiers",
    "tier_boundaries",
    "token_thresholds",
    "dimension_weights",
    "code_keywords",
    "reasoning_keywords",
    "technical_keywords",
    "custom_technical_keywords",
    "simple_keywords",
    "keyword_tier_rules",
    "reasoning_override_min_score",
    "default_model",
    "escalation_keywords",
    "plan_mode_min_tier",
    "plan_mode_patterns",
    "route_housekeeping_to_cheapest_tier",
    "housekeeping_patterns",
    "reminder_markers",
    "max_tokens_from_tier_model",
    "enable_context_window_escalation",
    "context_window_escalation_buffer",
    "session_affinity",
    "return_raw_model_name",
    "classifier_type",
    "shadow",
    "budget_lowering",
    "allow_client_tier",
];

/// Keys of LiteLLM's that change the tier in a way that does not exist here: an error unless they are off.
const NOT_HERE: &[&str] = &[
    "custom_dimensions",
    "enable_non_reasoning_tier",
    "tier_definitions",
    "fallback_tier",
    "semantic_keyword_matching",
    "stall_escalation_enabled",
    "adaptive",
    "modality_routing",
    "plugins",
];

/// Keys of LiteLLM's that have no effect here. `x_*` stands for all that begin so.
const IGNORED: &[&str] = &[
    "classifier_*",
    "capability_classifier_config",
    "opensource_classifier_config",
    "jev_classifier_config",
    "llm_v2_config",
    "local_heuristic",
    "heuristic_first_max_tier",
    "hybrid_boundary_margin",
    "heuristic_v2_*",
    "classification_*",
    "tier_labels",
    "tier_model_configs",
    "adaptive_*",
    "tier_distance_penalty",
    "stall_escalation_*",
    "context_compaction",
    "modality_*",
    "embedding_model",
    "match_threshold",
    "cache_aware_routing*",
    "session_affinity_ttl_seconds",
    "deployment_affinity",
];

/// Looks at every key.
pub(super) fn check(field: &Field<'_>, diagnostics: &mut Diagnostics) {
    let Value::Map(entries) = &field.node.value else { return };
    for (Key { name, place }, value) in entries.iter().filter(|(key, _)| !KNOWN.contains(&key.name.as_str())) {
        let path = below(&field.path, name);
        let place = place.or(value.place);
        let is_off = match &value.value {
            Value::Null | Value::Bool(false) => true,
            Value::Seq(items) => items.is_empty(),
            _ => false,
        };
        let ignored = IGNORED.iter().any(|known| match known.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == known,
        });
        if NOT_HERE.contains(&name.as_str()) {
            if !is_off {
                diagnostics.error(place, &path, format!("`{name}` is not supported here"), "take it out");
            }
        } else if let Some(meant) = nearest(name, KNOWN.iter().copied()) {
            diagnostics.error(place, &path, format!("unknown key `{name}`"), format!("did you mean `{meant}`?"));
        } else if ignored {
            let problem = format!("`{name}` has no effect here, only in LiteLLM");
            diagnostics.warning(place, &path, problem, "leave it or take it out");
        } else {
            let problem = format!("unknown key `{name}`, which has no effect");
            diagnostics.warning(place, &path, problem, "look for a slip, or take it out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_in_the_manual() {
        let manual = include_str!("../../../../docs/configuration.md");
        let beside = include_str!("../../../../docs/litellm.md");
        for key in KNOWN {
            let told = format!("`{key}`");
            assert!(manual.contains(&told) || beside.contains(&told), "the manual does not tell of {told}");
        }
    }
}
