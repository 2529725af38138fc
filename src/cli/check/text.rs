//! What a configuration means, for people: which clients may come in, what it needs, what holds for all groups, and each group with what is its
//! own. What is as by default is not said twice.
//!
//! **Invariant:** no key is shown, only the variable or file that holds it.

use std::fmt::Write;

use serde_json::Value;
use signalbox::config::model::{
    Budget, Client, Deployment, Key, ModelGroup, Proof, RetryPolicy, Router, RouterConfig, RouterKind, Strategy,
    StreamCommit, Target, is_pattern,
};
use signalbox::generate::keys::{self, Source};
use signalbox::provider::{Api, Call};

use super::effective::{self, Effective};
use super::{Found, Variable};

/// The whole summary.
pub fn summary(found: &Found) -> String {
    let config = &found.compiled.config;
    let spans = |index: usize, group: &ModelGroup| {
        group.deployments.iter().any(|own| config.deployments.get(*own).is_some_and(|own| own.group != index))
    };
    let (routing, models): (Vec<_>, Vec<_>) =
        config.groups.iter().enumerate().partition(|(index, group)| spans(*index, group));
    let mut counts = vec![count(models.len(), "model group")];
    if !routing.is_empty() {
        counts.push(count(routing.len(), "routing group"));
    }
    if !config.routers.is_empty() {
        counts.push(count(config.routers.len(), "router"));
    }
    let mut out = format!("{} and {}\n", counts.join(", "), count(config.deployments.len(), "deployment"));
    out += &for_all(config, &found.variables);
    let key_names = keys::names(config);
    for (index, group) in models {
        let _ = writeln!(out, "  {}{}{}", group.name, strategy(group), policy(config, group));
        for index in &group.deployments {
            let (Some(deployment), Some(key)) = (config.deployments.get(*index), key_names.get(*index)) else {
                continue;
            };
            let _ = writeln!(out, "    {}", describe(config, group, deployment, key.as_deref()));
        }
        out += &router_fallbacks(config, index);
    }
    for (index, group) in routing {
        let (strategy, policy) = (strategy(group), policy(config, group));
        let _ = writeln!(out, "  {}{strategy}{policy}\n    spans {}", group.name, members(config, group));
        out += &router_fallbacks(config, index);
    }
    config.routers.iter().for_each(|router| out += &router_lines(config, router));
    if !config.default_fallbacks.is_empty() {
        let _ = writeln!(out, "  any other group falls back to {}", chain(config, &config.default_fallbacks));
    }
    for alias in &config.aliases {
        let hidden = if alias.hidden { " (hidden)" } else { "" };
        let _ = writeln!(out, "  {} is another name for {}{hidden}", alias.name, chain(config, &[alias.group]));
    }
    for (provider, budget) in &config.router.provider_budgets {
        let _ = writeln!(out, "  at {provider}, {}", spend(*budget));
    }
    out
}

/// Which clients may come in, what is needed, and what holds for all groups unless they say otherwise.
fn for_all(config: &RouterConfig, variables: &[Variable]) -> String {
    let settings = &config.signalbox;
    let all = effective::of_all(config);
    let who = match (config.clients.is_empty(), is_loopback(&settings.listen)) {
        (false, _) => "where every client shows who it is",
        (true, true) => "loopback: every program on this machine may spend your money, no client is asked for a key",
        (true, false) => "NOT loopback: everything that reaches it may spend your money, no client is asked for a key",
    };
    let mut rows = vec![("listen", format!("{}, {who}", settings.listen))];
    rows.extend(config.clients.iter().map(|of| ("client", client(of))));
    if !variables.is_empty() {
        rows.push(("environment", variables.iter().map(variable).collect::<Vec<_>>().join(", ")));
    }
    rows.push(("retries", retries(config, all)));
    let or_none = |ms: Option<u64>| ms.map_or("none".to_owned(), seconds);
    let [first, last, connect] =
        [all.times.first_token_ms, all.times.last_ms, settings.connect_timeout_ms].map(seconds);
    let [idle, pings] = [settings.stream_idle_timeout_ms, settings.stream_progress_timeout_ms].map(or_none);
    let times = format!(
        "answer {}, first token {first}, {last} where nothing else is left; silence in a stream {idle}, nothing but pings {pings}; \
         connection {connect}",
        seconds(all.times.answer_ms)
    );
    rows.push(("timeouts", times));
    rows.push(("cooldown", cooldown(config, all)));
    let more = also(config);
    if !more.is_empty() {
        rows.push(("also", more.join(", ")));
    }
    let rows: String = rows.iter().map(|(name, text)| format!("  {name:<12} {text}\n")).collect();
    format!("\n{rows}\n")
}

/// Whether only this machine reaches an address.
pub fn is_loopback(listen: &str) -> bool {
    listen.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().to_canonical().is_loopback())
}

fn variable(variable: &Variable) -> String {
    let is_unset = variable.is_set == Some(false);
    format!("{}{}", variable.name, if is_unset { " (not set)" } else { "" })
}

/// What a client may do, and how much of it.
fn client(of: &Client) -> String {
    let key = match &of.proof {
        Proof::Variable(name) => format!("key in {name}"),
        Proof::Hash(_) => "key by its hash".to_owned(),
        Proof::Identity(pattern) => format!("identity {pattern}"),
        Proof::Claims(claims) => {
            let claims: Vec<String> = claims.iter().map(|(name, pattern)| format!("{name}={pattern}")).collect();
            format!("token {}", if claims.is_empty() { "of any claims".to_owned() } else { claims.join(" ") })
        }
    };
    let models = if of.models.is_empty() { "every model".to_owned() } else { of.models.join(", ") };
    let mut more = vec![format!("{}: {models}", of.name), key];
    more.extend(of.budget.map(spend));
    more.extend(of.rpm.map(|rpm| format!("rpm {rpm}")));
    more.extend(of.tpm.map(|tpm| format!("tpm {tpm}")));
    more.extend(of.max_parallel.map(|most| format!("{most} at a time")));
    more.extend((!of.tags.is_empty()).then(|| format!("tags {}", of.tags.join(" "))));
    more.extend(of.tier.map(|tier| format!("up to {}", tier.as_str())));
    more.join(", ")
}

fn retries(config: &RouterConfig, all: Effective) -> String {
    let policy = common_policy(config).map(|policy| format!(" ({})", by_class(policy))).unwrap_or_default();
    let falls_back = !config.fallbacks.is_empty() || !config.default_fallbacks.is_empty();
    let groups = count_of(config.router.max_fallbacks, "fallback group");
    let then = if falls_back { format!(", then up to {groups}") } else { String::new() };
    format!("{} in a group{policy}{then}", all.retries)
}

fn cooldown(config: &RouterConfig, all: Effective) -> String {
    let Some(ms) = all.cooldown_ms else { return "none".to_owned() };
    let most = config.signalbox.max_cooldown_ms;
    let grows = if most > ms { format!(", up to {} where failures repeat", seconds(most)) } else { String::new() };
    let after = all.allowed_fails.map(|fails| format!(", {}", allowed(fails)));
    format!("{}{grows}{}", seconds(ms), after.unwrap_or_default())
}

fn allowed(fails: u32) -> String {
    format!("{} a minute allowed", count_of(fails, "failure"))
}

/// What is switched on, or not as by default.
fn also(config: &RouterConfig) -> Vec<String> {
    let (router, settings) = (&config.router, &config.signalbox);
    let flags = [
        (settings.stream_commit == StreamCommit::Complete, "streams held until they are whole"),
        (router.pre_call_checks, "pre-call checks"),
        (router.enforce_rate_limits, "rate limits under every strategy"),
        (router.tag_filtering, "tag filtering"),
        (settings.affinity.is_some(), "affinity"),
        (settings.health_check.is_some(), "health checks"),
        (settings.fallback_on_bad_request, "fallbacks after a bad request"),
        (settings.mock_testing, "mock failures on request"),
    ];
    let mut more: Vec<String> =
        flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, what)| what.to_owned()).collect();
    let who = if config.clients.is_empty() { "every client" } else { "the master key" };
    more.extend(settings.state_path.as_ref().map(|path| format!("state for {who} at {path}")));
    more
}

/// A router: how it chooses, and what.
fn router_lines(config: &RouterConfig, router: &Router) -> String {
    let of = |targets: &[Target]| chain(config, &targets.iter().map(|target| target.group).collect::<Vec<_>>());
    let (how, choices): (_, Vec<(&str, String)>) = match &router.kind {
        RouterKind::Complexity(settings, tiers) => {
            let how = format!("complexity, classifier {}", settings.classifier_type.as_str());
            (how, tiers.iter().map(|(tier, targets)| (tier.as_str(), of(targets))).collect())
        }
        RouterKind::Task(_, tasks) => {
            ("task".to_owned(), tasks.iter().map(|(task, targets)| (task.name(), of(targets))).collect())
        }
    };
    let shadow = if router.is_shadow() { ", shadow mode" } else { "" };
    let mut out = format!("  {} chooses by {how}{shadow}\n", router.name);
    for (class, groups) in choices {
        let _ = writeln!(out, "    {class}: {groups}");
    }
    let _ = writeln!(out, "    else: {}", of(&router.default));
    let router_fallbacks = &router.router_fallbacks;
    for (what, targets) in [
        ("falls back to", &router_fallbacks.general),
        ("too long a prompt goes to", &router_fallbacks.context_window),
        ("refused content goes to", &router_fallbacks.content_policy),
    ] {
        out += &targets.iter().map(|targets| format!("    {what} {}\n", chain(config, targets))).collect::<String>();
    }
    for (alias, hidden) in &router.aliases {
        let hidden = if *hidden { " (hidden)" } else { "" };
        let _ = writeln!(out, "  {alias} is another name for {}{hidden}", router.name);
    }
    out
}

fn strategy(group: &ModelGroup) -> String {
    match group.strategy {
        _ if !group.priorities.is_empty() => " (priority)".to_owned(),
        usual if usual == <&Strategy>::default() => String::new(),
        other => format!(" ({})", other.name),
    }
}

/// The policy of most groups.
fn common_policy(config: &RouterConfig) -> Option<&RetryPolicy> {
    let policies = || config.groups.iter().filter_map(|group| group.retry_policy.as_ref());
    policies().max_by_key(|policy| policies().filter(|other| other == policy).count())
}

fn policy(config: &RouterConfig, group: &ModelGroup) -> String {
    match &group.retry_policy {
        Some(own) if common_policy(config) != Some(own) => format!(", retries: {}", by_class(own)),
        None if common_policy(config).is_some() => format!(", retries: {}", config.router.num_retries),
        _ => String::new(),
    }
}

/// `timeout 1, rate limit 4, else 2`.
fn by_class(policy: &RetryPolicy) -> String {
    let classes = [
        ("bad request", policy.bad_request),
        ("authentication", policy.authentication),
        ("timeout", policy.timeout),
        ("rate limit", policy.rate_limit),
        ("content policy", policy.content_policy),
        ("server error", policy.internal_server_error),
        ("unavailable", policy.service_unavailable),
        ("not found", policy.not_found),
        ("else", policy.default),
    ];
    let told = classes.iter().filter_map(|(class, retries)| Some(format!("{class} {}", (*retries)?)));
    told.collect::<Vec<_>>().join(", ")
}

/// A deployment: what it is, where, with which key, and what is its own.
fn describe(config: &RouterConfig, group: &ModelGroup, deployment: &Deployment, key: Option<&str>) -> String {
    let (provider, model) = (deployment.provider.name, &deployment.model);
    let mut parts = vec![format!("{}: {provider}/{model} at {}", deployment.id, base_url(deployment))];
    parts.push(match (key, &deployment.key) {
        (name, _) if let Some(token) = &deployment.token => {
            let secret = name.map(|name| format!(" by the secret {name}")).unwrap_or_default();
            format!("tokens of {}{secret}", token.giver())
        }
        (None, _) => match &deployment.signing {
            Some(signing) => format!("signed for {}", signing.region),
            None => "no key".to_owned(),
        },
        (Some(name), Some(Key::Env(_))) => match keys::source(config, name) {
            Source::Environment => format!("key {name}"),
            Source::File(path) | Source::Watched(path) => format!("key {name} in {path}"),
        },
        (Some(_), _) => "key in this file".to_owned(),
    });
    let (all, own) = (effective::of_all(config), effective::of(config, deployment));
    parts.extend(deployment.weight.map(|weight| format!("weight {weight}")));
    parts
        .extend(effective::share(config, group, deployment).map(|share| format!("{:.0} % of requests", share * 100.0)));
    parts.extend(deployment.order.map(|order| format!("order {order}")));
    let limit = |what: &str, limit: Option<u64>| limit.map(|limit| format!("{limit} {what} a minute"));
    parts.extend(limit("requests", deployment.rpm));
    parts.extend(limit("tokens", deployment.tpm));
    parts.extend(deployment.max_parallel.map(|most| format!("{most} at a time")));
    parts.extend(deployment.budget.map(spend));
    if own.retries != all.retries {
        parts.push(format!("{} {}", own.retries, if own.retries == 1 { "retry" } else { "retries" }));
    }
    if own.times.last_ms != all.times.last_ms {
        parts.push(format!("timeout {}", seconds(own.times.last_ms)));
    }
    if own.times.first_token_ms != all.times.first_token_ms {
        parts.push(format!("first token {}", seconds(own.times.first_token_ms)));
    }
    if own.cooldown_ms != all.cooldown_ms {
        parts.push(own.cooldown_ms.map_or("no cooldown".to_owned(), |ms| format!("cooldown {}", seconds(ms))));
    }
    if own.allowed_fails != all.allowed_fails {
        parts.extend(own.allowed_fails.map(allowed));
    }
    if !deployment.tags.is_empty() {
        parts.push(format!("tags {}", deployment.tags.join(" ")));
    }
    parts.extend(deployment.region.as_ref().map(|region| format!("region {region}")));
    parts.extend(deployment.blocked.then(|| "blocked".to_owned()));
    parts.extend(sends(deployment));
    parts.join(", ")
}

/// The model as chat requests name it: the provider's own name for what the file writes short.
pub fn full_name(deployment: &Deployment) -> String {
    (deployment.provider.full_name)(Api::Chat, &deployment.model).into_owned()
}

/// What a deployment's requests have besides what clients say. Long values are only named, and so are headers, whose values may be secret.
fn sends(deployment: &Deployment) -> Option<String> {
    const SHORT: usize = 40;
    let said = |(name, value): (&String, &Value)| {
        let value = value.to_string();
        if value.len() <= SHORT { format!("{name} {value}") } else { name.clone() }
    };
    let mut parts = Vec::new();
    if full_name(deployment) != deployment.model && !is_pattern(&deployment.model) {
        parts.push(format!("sent as {}", full_name(deployment)));
    }
    let defaults = deployment.defaults.as_deref();
    let members: Vec<String> = defaults.iter().flat_map(|defaults| &defaults.members).map(said).collect();
    let extra: Vec<String> = defaults.iter().flat_map(|defaults| &defaults.extra_body).map(said).collect();
    let headers: Vec<&str> = deployment.headers.iter().map(|header| header.name.as_str()).collect();
    if !members.is_empty() {
        parts.push(format!("sends {} where the client does not", members.join(" ")));
    }
    if !extra.is_empty() {
        parts.push(format!("always sends {}", extra.join(" ")));
    }
    if !headers.is_empty() {
        parts.push(format!("adds header{} {}", if headers.len() == 1 { "" } else { "s" }, headers.join(" ")));
    }
    let never: Vec<&str> =
        defaults.iter().flat_map(|it| it.dropped.iter().chain(&it.dropped_inside)).map(String::as_str).collect();
    if !never.is_empty() {
        parts.push(format!("never sends {}", never.join(" ")));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Where a deployment's chat requests go; what stands for them where it has none.
pub fn chat_url(deployment: &Deployment) -> String {
    let Deployment { provider, endpoint, .. } = deployment;
    let model = full_name(deployment);
    let of = |api| (provider.path)(Call { api, dialect: deployment.dialect, model: &model, stream: false });
    let path = [Api::Chat, Api::Completions, Api::Embeddings].into_iter().find_map(of).unwrap_or_default();
    format!("{}://{}{}", if endpoint.tls { "https" } else { "http" }, endpoint.authority(), endpoint.target(&path))
}

/// Where a deployment's API is.
pub fn base_url(deployment: &Deployment) -> String {
    let scheme = if deployment.endpoint.tls { "https" } else { "http" };
    format!("{scheme}://{}{}", deployment.endpoint.authority(), deployment.endpoint.target(""))
}

/// A routing group's deployments; with priorities, in their order.
fn members(config: &RouterConfig, group: &ModelGroup) -> String {
    let id = |index: &usize| config.deployments.get(*index).map_or("", |deployment| deployment.id.as_str());
    if group.priorities.is_empty() {
        return group.deployments.iter().map(id).collect::<Vec<_>>().join(", ");
    }
    let mut ranked = group.priorities.clone();
    ranked.sort_by_key(|(_, priority)| *priority);
    ranked.iter().map(|(index, priority)| format!("{priority}. {}", id(index))).collect::<Vec<_>>().join(", ")
}

/// Where a group's requests go when it fails.
fn router_fallbacks(config: &RouterConfig, group: usize) -> String {
    let lists = [
        ("falls back to", Some(&config.fallbacks)),
        ("too long a prompt goes to", config.context_window_fallbacks.as_ref()),
        ("refused content goes to", config.content_policy_fallbacks.as_ref()),
    ];
    let mut out = String::new();
    for (what, list) in lists {
        let targets = list.into_iter().flatten().find(|(from, _)| *from == group);
        out += &targets.map(|(_, targets)| format!("    {what} {}\n", chain(config, targets))).unwrap_or_default();
    }
    out
}

fn chain(config: &RouterConfig, groups: &[usize]) -> String {
    let name = |index: &usize| config.groups.get(*index).map_or("", |group| group.name.as_str());
    groups.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// A budget in words: `at most $100 in 1 day`.
fn spend(budget: Budget) -> String {
    let seconds = budget.period_ms / 1000;
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit)).unwrap_or((1, "second"));
    let (dollars, rest) = (budget.max_nanos / 1_000_000_000, budget.max_nanos % 1_000_000_000);
    let cents = if rest == 0 { String::new() } else { format!(".{rest:09}").trim_end_matches('0').to_owned() };
    let time = usize::try_from(seconds / unit).unwrap_or(usize::MAX);
    format!("at most ${dollars}{cents} in {}", count(time, name))
}

/// Milliseconds in words: `0.5 s`, `60 s`, `100 min`.
fn seconds(ms: u64) -> String {
    match ms {
        _ if ms >= 600_000 && ms.is_multiple_of(60_000) => format!("{} min", ms / 60_000),
        _ if ms.is_multiple_of(1000) => format!("{} s", ms / 1000),
        _ => format!("{}.{} s", ms / 1000, format!("{:03}", ms % 1000).trim_end_matches('0')),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn count_of(number: u32, what: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), what)
}
