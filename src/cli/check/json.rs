//! The output of `signalbox check` as one JSON document, for programs.
//!
//! Times are in seconds, money in US dollars; a missing value is `null`. Members may be added; none changes its meaning.
//!
//! **Invariant:** it holds no key, only the name of the variable that has it.

use std::path::Path;

use serde_json::{Value, json};
use signalbox::config::diagnostic::{Diagnostics, Group, Severity};
use signalbox::config::model::{
    Defaults, Deployment, Key, ModelGroup, RetryPolicy, Router, RouterConfig, RouterKind, StreamCommit, Token,
    is_pattern,
};
use signalbox::generate::keys::{self, Source};

use super::effective::{self, Effective};
use super::text::{base_url, chat_url, full_name, is_loopback};
use super::{Found, Variable};

/// The document.
pub fn document(file: &Path, found: Option<&Found>, diagnostics: &Diagnostics, is_ok: bool) -> Value {
    json!({
        "file": file.display().to_string(),
        "ok": is_ok,
        "errors": diagnostics.count(Severity::Error),
        "warnings": diagnostics.count(Severity::Warning),
        "notes": diagnostics.count(Severity::Note),
        "diagnostics": diagnostics.groups().iter().map(diagnostic).collect::<Vec<_>>(),
        "summary": found.map(summary),
    })
}

/// One kind of diagnostic: its first place, and how many there are where.
fn diagnostic(group: &Group<'_>) -> Value {
    let all = std::iter::once(&group.first).chain(&group.others);
    let places: Vec<Value> = all
        .map(|one| json!({"line": one.place.map(|at| at.line), "column": one.place.map(|at| at.column), "path": one.path}))
        .collect();
    let first = group.first;
    json!({
        "severity": first.severity.as_str(),
        "line": first.place.map(|place| place.line),
        "column": first.place.map(|place| place.column),
        "path": first.path,
        "problem": first.problem,
        "remedy": first.remedy,
        "count": group.count(),
        "places": places,
    })
}

fn summary(found: &Found) -> Value {
    let config = &found.compiled.config;
    let settings = &config.signalbox;
    let names = keys::names(config);
    let deployments = config.deployments.iter().zip(names).map(|(own, key)| deployment(config, own, key.as_deref()));
    json!({
        "listen": {
            "address": settings.listen,
            "loopback": is_loopback(&settings.listen),
            "client_keys": false,
        },
        "admin": settings.admin,
        "environment": found.variables.iter().map(variable).collect::<Vec<_>>(),
        "defaults": defaults(config),
        "groups": config.groups.iter().enumerate().map(|(index, of)| group(config, index, of)).collect::<Vec<_>>(),
        "deployments": deployments.collect::<Vec<_>>(),
        "routers": config.routers.iter().map(|of| router(config, of)).collect::<Vec<_>>(),
        "default_fallbacks": group_names(config, &config.default_fallbacks),
        "aliases": config.aliases.iter().map(|alias| {
            json!({"name": alias.name, "group": group_names(config, &[alias.group]).first(), "hidden": alias.hidden})
        }).collect::<Vec<_>>(),
        "provider_budgets": config.router.provider_budgets.iter().map(|(provider, budget)| {
            json!({"provider": provider, "max_budget": dollars(budget.max_nanos), "period": seconds(budget.period_ms)})
        }).collect::<Vec<_>>(),
    })
}

fn variable(variable: &Variable) -> Value {
    json!({"name": variable.name, "set": variable.is_set, "key_of": variable.key_of})
}

/// What holds for every group that says nothing else.
fn defaults(config: &RouterConfig) -> Value {
    let settings = &config.signalbox;
    let mut all = settled(config, effective::of_all(config));
    let more = json!({
        "max_fallbacks": config.router.max_fallbacks,
        "connect_timeout": seconds(settings.connect_timeout_ms),
        "max_cooldown": seconds(settings.max_cooldown_ms),
        "max_wait": seconds(settings.max_wait_ms),
        "stream_commit": if settings.stream_commit == StreamCommit::Complete { "complete" } else { "first_token" },
        "max_request_bytes": settings.max_request_bytes,
        "max_response_bytes": settings.max_response_bytes,
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
        all.extend(more);
    }
    all
}

fn settled(config: &RouterConfig, own: Effective) -> Value {
    json!({
        "num_retries": own.retries,
        "timeout": seconds(own.times.last_ms),
        "answer_timeout": seconds(own.times.answer_ms),
        "first_token_timeout": seconds(own.times.first_token_ms),
        "stream_idle_timeout": config.signalbox.stream_idle_timeout_ms.map(seconds),
        "stream_progress_timeout": config.signalbox.stream_progress_timeout_ms.map(seconds),
        "cooldown_time": own.cooldown_ms.map(seconds),
        "allowed_fails": own.allowed_fails,
    })
}

fn deployment(config: &RouterConfig, own: &Deployment, key: Option<&str>) -> Value {
    let group = config.groups.get(own.group);
    let secret_file = key.and_then(|name| match keys::source(config, name) {
        Source::Environment => None,
        Source::File(path) | Source::Watched(path) => Some(path),
    });
    json!({
        "id": own.id,
        "group": group.map(|group| &group.name),
        "provider": own.provider.name,
        "model": own.model,
        "base_url": base_url(own),
        "chat_url": chat_url(own),
        "key_header": own.credential.header().0,
        "key_variable": key,
        "key_in_configuration": matches!(own.key, Some(Key::Literal(_))),
        "secret_file": secret_file,
        "tokens_of": own.token.as_ref().map(Token::giver),
        "settings": settled(config, effective::of(config, own)),
        "weight": own.weight,
        "share": group.and_then(|group| effective::share(config, group, own)),
        "order": own.order,
        "rpm": own.rpm,
        "tpm": own.tpm,
        "max_parallel_requests": own.max_parallel,
        "budget": own.budget.map(|it| json!({"max_budget": dollars(it.max_nanos), "period": seconds(it.period_ms)})),
        "tags": own.tags,
        "region": own.region,
        "blocked": own.blocked,
        "sends": sends(own),
    })
}

/// What its requests have besides what clients say. Of headers, only the names.
fn sends(own: &Deployment) -> Value {
    let none = Defaults::default();
    let defaults = own.defaults.as_deref().unwrap_or(&none);
    json!({
        "model": (!is_pattern(&own.model)).then(|| full_name(own)),
        "parameters": defaults.members,
        "extra_body": defaults.extra_body,
        "headers": own.headers.iter().map(|header| &header.name).collect::<Vec<_>>(),
        "never": defaults.dropped.iter().chain(&defaults.dropped_inside).collect::<Vec<_>>(),
    })
}

fn group(config: &RouterConfig, index: usize, group: &ModelGroup) -> Value {
    let of = |list: Option<&Vec<(usize, Vec<usize>)>>| {
        let own = list.into_iter().flatten().find(|(from, _)| *from == index);
        own.map(|(_, targets)| group_names(config, targets))
    };
    let id = |index: &usize| config.deployments.get(*index).map(|deployment| deployment.id.as_str());
    json!({
        "name": group.name,
        "strategy": if group.priorities.is_empty() { group.strategy.name } else { "priority" },
        "deployments": group.deployments.iter().map(id).collect::<Vec<_>>(),
        "retry_policy": group.retry_policy.as_ref().map(policy),
        "fallbacks": of(Some(&config.fallbacks)),
        "context_window_fallbacks": of(config.context_window_fallbacks.as_ref()),
        "content_policy_fallbacks": of(config.content_policy_fallbacks.as_ref()),
    })
}

fn policy(policy: &RetryPolicy) -> Value {
    json!({
        "BadRequestErrorRetries": policy.bad_request,
        "AuthenticationErrorRetries": policy.authentication,
        "TimeoutErrorRetries": policy.timeout,
        "RateLimitErrorRetries": policy.rate_limit,
        "ContentPolicyViolationErrorRetries": policy.content_policy,
        "InternalServerErrorRetries": policy.internal_server_error,
        "ServiceUnavailableErrorRetries": policy.service_unavailable,
        "NotFoundErrorRetries": policy.not_found,
        "DefaultRetries": policy.default,
    })
}

fn router(config: &RouterConfig, router: &Router) -> Value {
    let of = |targets: &[signalbox::config::model::Target]| {
        group_names(config, &targets.iter().map(|target| target.group).collect::<Vec<_>>())
    };
    let (kind, choices): (_, Vec<(&str, Vec<&str>)>) = match &router.kind {
        RouterKind::Complexity(_, tiers) => {
            ("complexity", tiers.iter().map(|(tier, targets)| (tier.as_str(), of(targets))).collect())
        }
        RouterKind::Task(_, tasks) => {
            ("task", tasks.iter().map(|(task, targets)| (task.name(), of(targets))).collect())
        }
    };
    let choices: serde_json::Map<String, Value> =
        choices.into_iter().map(|(class, groups)| (class.to_owned(), json!(groups))).collect();
    json!({
        "name": router.name,
        "kind": kind,
        "shadow": router.is_shadow(),
        "choices": choices,
        "default": of(&router.default),
        "aliases": router.aliases.iter().map(|(name, _)| name).collect::<Vec<_>>(),
    })
}

fn group_names<'a>(config: &'a RouterConfig, groups: &[usize]) -> Vec<&'a str> {
    groups.iter().filter_map(|index| config.groups.get(*index)).map(|group| group.name.as_str()).collect()
}

fn seconds(ms: u64) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "times below 2^53 ms")]
    if ms.is_multiple_of(1000) { json!(ms / 1000) } else { json!(ms as f64 / 1000.0) }
}

fn dollars(nanos: u64) -> Value {
    #[allow(clippy::cast_precision_loss, reason = "a figure for people and budgets below 2^53 nanodollars")]
    if nanos.is_multiple_of(1_000_000_000) { json!(nanos / 1_000_000_000) } else { json!(nanos as f64 / 1e9) }
}
