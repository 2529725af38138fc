//! One entry of `model_list`: a deployment.
//!
//! **Invariant:** a literal key goes into [`Key::Literal`] and nowhere else, no diagnostic shows it.

use super::facts;
use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::origin::Origins;
use super::{budgets, endpoint, policies, provider_name};
use crate::config::model::{Deployment, GroupIndex};
use crate::config::task::Task;
use crate::config::tree::Value;

/// Reads an entry; its id is given by the caller. `None` where it lacks what it cannot do without.
pub(super) fn read<'a>(
    entry: &Field<'a>,
    group: GroupIndex,
    group_name: &str,
    origins: &Origins<'a>,
    diagnostics: &mut Diagnostics,
) -> Option<Deployment> {
    let Some(params) = entry.at("litellm_params") else {
        entry.error(diagnostics, "`litellm_params` is missing", "write it with at least `model: provider/name`");
        return None;
    };
    let Value::Map(_) = params.node.value else {
        params.error(
            diagnostics,
            format!("this is {}, not a map", params.node.kind()),
            "write `model: provider/name` below it",
        );
        return None;
    };
    let named = provider_name::read(&params, diagnostics);
    if let Some((_, model)) = named
        && model.matches('*').count() > group_name.matches('*').count()
    {
        let problem = format!("nothing fills the `*` of `{model}`, since `{group_name}` has fewer");
        params.at("model").unwrap_or(params.clone()).error(diagnostics, problem, "write the model's full name");
    }
    let (endpoint, key) = match named {
        Some((provider, _)) => origins.of(&params, provider, diagnostics),
        None => (None, None),
    };
    // Every value is read, also where the deployment is lost already, so that all its errors show at once.
    let model_info = entry.at("model_info").filter(|info| info.is_map(diagnostics));
    let info = |name: &str| model_info.as_ref().and_then(|info| info.at(name));
    let limit = |name: &str| params.at(name).or_else(|| entry.at(name));
    let deployment = Deployment {
        id: String::new(),
        group,
        provider: named.map_or(crate::provider::PROVIDERS.first()?, |(provider, _)| provider),
        model: named.map(|(_, model)| model.to_owned()).unwrap_or_default(),
        endpoint: endpoint.clone().unwrap_or_else(endpoint::nowhere),
        key,
        weight: params.at("weight").and_then(|field| field.weight(diagnostics)),
        rpm: limit("rpm").and_then(|field| field.count(diagnostics)),
        tpm: limit("tpm").and_then(|field| field.count(diagnostics)),
        order: params.at("order").and_then(|field| field.whole(diagnostics, i64::MIN, i64::MAX)),
        timeout_ms: params
            .at("timeout")
            .or_else(|| params.at("request_timeout"))
            .and_then(|f| f.seconds(diagnostics, false)),
        stream_timeout_ms: params.at("stream_timeout").and_then(|field| field.seconds(diagnostics, false)),
        num_retries: params.at("num_retries").and_then(|field| field.few(diagnostics)),
        cooldown_ms: info("cooldown_time")
            .or_else(|| params.at("cooldown_time"))
            .and_then(|field| field.seconds(diagnostics, true)),
        allowed_fails: info("allowed_fails").and_then(|field| field.many(diagnostics, 0)),
        allowed_fails_policy: info("allowed_fails_policy")
            .and_then(|field| policies::allowed_fails(&field, diagnostics)),
        max_parallel: params.at("max_parallel_requests").and_then(|field| field.many(diagnostics, 1)),
        budget: budgets::deployment(&params, diagnostics),
        tags: params.at("tags").map(|field| field.texts(diagnostics)).unwrap_or_default(),
        region: params.at("region_name").and_then(|field| field.text(diagnostics)).map(str::to_owned),
        blocked: info("blocked").and_then(|field| field.flag(diagnostics)).unwrap_or(false),
        supports: info("supports").map(|field| supports(&field, diagnostics)).unwrap_or_default(),
        drop_params: params.at("drop_params").and_then(|field| field.flag(diagnostics)).unwrap_or(false),
        facts: named.map(|(of, model)| facts::read(entry, &params, of.name, model, diagnostics)).unwrap_or_default(),
    };
    (named.is_some() && endpoint.is_some()).then_some(deployment)
}

/// The tasks it is good at: names of our own, so a name that no task could have is a slip.
fn supports(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<String> {
    let is_task = |name: &str| {
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
    };
    let mut found = Vec::new();
    for item in field.items(diagnostics) {
        let Some(name) = item.text(diagnostics) else { continue };
        if is_task(name) {
            known(name, &item, diagnostics);
            found.push(name.to_owned());
            continue;
        }
        let fits = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let meant: String = name.trim().chars().map(fits).collect();
        let remedy = if is_task(&meant) { format!("write `{meant}`") } else { "write for example `math`".to_owned() };
        item.error(diagnostics, format!("{} cannot name a task (only a-z 0-9 _)", item.shown()), remedy);
    }
    found
}

/// Notes a name that no router will ever ask for.
fn known(name: &str, item: &Field<'_>, diagnostics: &mut Diagnostics) {
    let names = Task::ALL.map(Task::name);
    if names.contains(&name) {
        return;
    }
    match nearest(name, names) {
        Some(meant) => {
            item.error(diagnostics, format!("there is no task `{name}`"), format!("did you mean `{meant}`?"))
        }
        None => item.warning(
            diagnostics,
            format!("there is no task `{name}`, so it has no effect"),
            format!("the tasks are {}", names.join(", ")),
        ),
    }
}
