//! `retry_policy`, `model_group_retry_policy` and `allowed_fails_policy`: numbers by class of failure.
//!
//! **Invariant:** a policy names a group that exists, and a group has one policy.

use super::fallbacks::Names;
use super::field::{Diagnostics, Field};
use super::router_settings::setting;
use crate::config::model::{AllowedFails, GroupIndex, RetryPolicy};

/// A policy for each group: its own, else the router's.
pub(super) fn by_group(root: &Field<'_>, names: &Names<'_>, diagnostics: &mut Diagnostics) -> Vec<Option<RetryPolicy>> {
    let common = setting(root, "retry_policy").and_then(|field| retries(&field, diagnostics));
    let mut own: Vec<(GroupIndex, Option<RetryPolicy>)> = Vec::new();
    let entries = setting(root, "model_group_retry_policy").map(|field| field.entries(diagnostics)).unwrap_or_default();
    for (name, field) in entries {
        let policy = retries(&field, diagnostics);
        let Some(group) = names.group(name) else {
            names.no_group(&field, name, diagnostics);
            continue;
        };
        if own.iter().any(|(known, _)| *known == group) {
            field.error(
                diagnostics,
                format!("the group of `{name}` has a policy already"),
                "write one, under one name",
            );
        }
        own.push((group, policy));
    }
    let policy = |group| own.iter().find(|(known, _)| *known == group).map_or(common, |(_, policy)| *policy);
    (0..names.groups.len()).map(policy).collect()
}

fn retries(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<RetryPolicy> {
    if !field.is_map(diagnostics) {
        return None;
    }
    let mut at = |name: &str| field.at(name).and_then(|field| field.few(diagnostics));
    Some(RetryPolicy {
        bad_request: at("BadRequestErrorRetries"),
        authentication: at("AuthenticationErrorRetries"),
        timeout: at("TimeoutErrorRetries"),
        rate_limit: at("RateLimitErrorRetries"),
        content_policy: at("ContentPolicyViolationErrorRetries"),
        internal_server_error: at("InternalServerErrorRetries"),
        service_unavailable: at("ServiceUnavailableErrorRetries"),
        not_found: at("NotFoundErrorRetries"),
        default: at("DefaultRetries"),
    })
}

/// How many failures of each class are let pass.
pub(super) fn allowed_fails(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<AllowedFails> {
    if !field.is_map(diagnostics) {
        return None;
    }
    let mut at = |name: &str| field.at(name).and_then(|field| field.many(diagnostics, 0));
    Some(AllowedFails {
        bad_request: at("BadRequestErrorAllowedFails"),
        authentication: at("AuthenticationErrorAllowedFails"),
        timeout: at("TimeoutErrorAllowedFails"),
        rate_limit: at("RateLimitErrorAllowedFails"),
        content_policy: at("ContentPolicyViolationErrorAllowedFails"),
        internal_server_error: at("InternalServerErrorAllowedFails"),
        service_unavailable: at("ServiceUnavailableErrorAllowedFails"),
        bad_gateway: at("BadGatewayErrorAllowedFails"),
        not_found: at("NotFoundErrorAllowedFails"),
    })
}
