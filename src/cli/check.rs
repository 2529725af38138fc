//! `signalbox check`.

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::config::model::{
    Budget, Deployment, ModelGroup, Router, RouterConfig, RouterKind, StrategyName, Target,
};

use super::{configuration, stdout};

/// Arguments of `signalbox check`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    match configuration::load(&args.config) {
        Ok(compiled) => stdout::print(&summary(&compiled.config), ExitCode::SUCCESS),
        Err(code) => code,
    }
}

/// What the configuration says, a line a group. What is as by default is not said.
fn summary(config: &RouterConfig) -> String {
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
    for (index, group) in models {
        out += &format!("  {}{}\n", group.name, strategy(group));
        for deployment in group.deployments.iter().filter_map(|index| config.deployments.get(*index)) {
            out += &format!("    {}\n", describe(deployment));
        }
        out += &stand_ins(config, index);
    }
    for (index, group) in routing {
        out += &format!("  {}{}\n    spans {}\n", group.name, strategy(group), members(config, group));
        out += &stand_ins(config, index);
    }
    config.routers.iter().for_each(|router| out += &router_lines(config, router));
    if !config.default_fallbacks.is_empty() {
        out += &format!("  any other group falls back to {}\n", chain(config, &config.default_fallbacks));
    }
    for alias in &config.aliases {
        let hidden = if alias.hidden { " (hidden)" } else { "" };
        out += &format!("  {} is another name for {}{hidden}\n", alias.name, chain(config, &[alias.group]));
    }
    for (provider, budget) in &config.router.provider_budgets {
        out += &format!("  at {provider}, {}\n", spend(*budget));
    }
    out
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
    let shadow = if router.is_shadow() { ", in the shadow" } else { "" };
    let mut out = format!("  {} chooses by {how}{shadow}\n", router.name);
    for (class, groups) in choices {
        out += &format!("    {class}: {groups}\n");
    }
    out += &format!("    else: {}\n", of(&router.default));
    let stand_ins = &router.stand_ins;
    for (what, targets) in [
        ("falls back to", &stand_ins.general),
        ("too long a prompt goes to", &stand_ins.context_window),
        ("refused content goes to", &stand_ins.content_policy),
    ] {
        out += &targets.iter().map(|targets| format!("    {what} {}\n", chain(config, targets))).collect::<String>();
    }
    for (alias, hidden) in &router.aliases {
        out += &format!("  {alias} is another name for {}{}\n", router.name, if *hidden { " (hidden)" } else { "" });
    }
    out
}

fn strategy(group: &ModelGroup) -> String {
    match group.strategy {
        _ if !group.priorities.is_empty() => " (priority)".to_owned(),
        StrategyName::SimpleShuffle => String::new(),
        other => format!(" ({})", other.as_str()),
    }
}

fn describe(deployment: &Deployment) -> String {
    let scheme = if deployment.endpoint.tls { "https" } else { "http" };
    let (provider, model) = (deployment.provider.name, &deployment.model);
    let (authority, path) = (deployment.endpoint.authority(), &deployment.endpoint.path);
    let budget = deployment.budget.map(|budget| format!(", {}", spend(budget))).unwrap_or_default();
    let blocked = if deployment.blocked { ", blocked" } else { "" };
    format!("{}: {provider}/{model} at {scheme}://{authority}{path}{budget}{blocked}", deployment.id)
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
fn stand_ins(config: &RouterConfig, group: usize) -> String {
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

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
