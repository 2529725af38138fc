//! `optional_pre_call_checks`: LiteLLM's checks before a request, as a list of names.
//!
//! One has an effect, one is always on, those for stickiness point to ours.
//!
//! **Invariant:** a name that LiteLLM does not know is an error, as it is there.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::router_settings::setting;

/// `rpm` and `tpm` bind under every strategy.
const ENFORCE: &str = "enforce_model_rate_limits";
/// Budgets are always looked at.
const BUDGETS: &str = "router_budget_limiting";
/// Those that keep requests at a deployment.
const AFFINITY: &[&str] = &[
    "prompt_caching",
    "deployment_affinity",
    "session_affinity",
    "responses_api_deployment_check",
    "encrypted_content_affinity",
];
const OTHER: &str = "forward_client_headers_by_model_group";

/// Whether rate limits bind under every strategy.
pub(super) fn enforce_rate_limits(root: &Field<'_>, diagnostics: &mut Diagnostics) -> bool {
    let items = setting(root, "optional_pre_call_checks").map(|field| field.items(diagnostics)).unwrap_or_default();
    let mut enforced = false;
    for item in items {
        let Some(name) = item.text(diagnostics) else { continue };
        if name == ENFORCE {
            enforced = true;
        } else if AFFINITY.contains(&name) {
            let remedy = "`signalbox.affinity: true` keeps requests with the same beginning at one deployment";
            item.warning(diagnostics, format!("`{name}` has no effect here, only in LiteLLM"), remedy);
        } else if name == OTHER {
            item.warning(
                diagnostics,
                format!("`{name}` has no effect here, only in LiteLLM"),
                "leave it or take it out",
            );
        } else if name != BUDGETS {
            unknown(&item, name, diagnostics);
        }
    }
    enforced
}

fn unknown(item: &Field<'_>, name: &str, diagnostics: &mut Diagnostics) {
    let names = || [ENFORCE, BUDGETS, OTHER].into_iter().chain(AFFINITY.iter().copied());
    let remedy = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("write `{ENFORCE}`, or take it out"),
    };
    item.error(diagnostics, format!("unknown check {}", item.shown()), remedy);
}
