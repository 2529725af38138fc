//! What a client says in headers to providers of its dialect alone, such as which of Anthropic's flags it wants.
//!
//! All attempts of a request share one map of headers, and each cluster takes out of it what its provider is not to hear (see `generate`). So
//! what a later candidate hears is kept, and said again there. A provider that knows only some flags, and refuses all others, is told
//! of those.
//!
//! **Invariant:** where all candidates hear the same and know all flags, nothing is asked of the host.

use super::exchange::Request;
use super::http::HeaderChanges;
use super::{Api, foreign::is_foreign};
use crate::config::model::{Deployment, RouterConfig};
use crate::dialect::unsupported::DroppedFields;
use crate::provider::Provider;
use crate::routing::Plan;

/// What is kept of a request's headers for the candidates of a plan.
pub(super) fn kept(
    config: &RouterConfig,
    api: Api,
    plan: &Plan,
    header: &dyn Fn(&str) -> String,
) -> Vec<(&'static str, String)> {
    let mut kept: Vec<(&'static str, String)> = Vec::new();
    let mut first: Option<&'static Provider> = None;
    let mut is_mixed = false;
    for deployment in plan.candidates().filter_map(|candidate| config.deployments.get(candidate.deployment)) {
        let provider = deployment.provider;
        is_mixed |= first.get_or_insert(provider).hears != provider.hears;
        if (!is_mixed && provider.habits.known_flags.is_empty()) || is_foreign(deployment, api.dialect()) {
            continue;
        }
        for name in provider.hears {
            if !kept.iter().any(|(known, _)| known == name) {
                kept.push((name, header(name)));
            }
        }
    }
    kept.retain(|(_, value)| !value.is_empty());
    kept
}

/// What an attempt says again of that, and the flags that its provider does not know.
pub(super) fn again(request: &Request, deployment: &Deployment, attempt: usize) -> (HeaderChanges, Vec<String>) {
    let known = deployment.provider.habits.known_flags;
    let mut unknown = DroppedFields::new(true);
    let mut changes = Vec::new();
    let is_as_it_came = attempt <= 1 && known.is_empty();
    if !is_as_it_came && !request.is_foreign(deployment) {
        for (name, value) in request.said.iter().filter(|(name, _)| deployment.provider.hears.contains(name)) {
            let is_known = |flag: &&str| {
                let is_known = known.is_empty() || known.contains(flag);
                if !is_known && !flag.is_empty() {
                    unknown.hint(&format!("anthropic_beta.{flag}"));
                }
                is_known
            };
            let flags: Vec<&str> = value.split(',').map(str::trim).filter(is_known).collect();
            changes.push((*name, flags.join(",")));
        }
    }
    (changes, unknown.names())
}
