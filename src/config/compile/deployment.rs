//! One entry of `model_list`: a deployment.
//!
//! **Invariant:** a literal key goes into [`Key::Literal`] and nowhere else, no notice shows it.

use super::environment::PREFIX;
use super::facts;
use super::field::{Field, Notes};
use super::names::nearest;
use super::{budgets, endpoint, policies, provider_name};
use crate::config::model::{Deployment, GroupIndex, Key};
use crate::config::task::Task;
use crate::config::tree::Value;
use crate::provider::Provider;

/// Reads an entry; its id is given by the caller. `None` where it lacks what it cannot do without.
pub(super) fn read(entry: &Field<'_>, group: GroupIndex, group_name: &str, notes: &mut Notes) -> Option<Deployment> {
    let Some(params) = entry.at("litellm_params") else {
        entry.mistake(notes, "`litellm_params` is missing", "write it with at least `model: provider/name`");
        return None;
    };
    let Value::Map(_) = params.node.value else {
        params.mistake(
            notes,
            format!("this is {}, not a map", params.node.kind()),
            "write `model: provider/name` below it",
        );
        return None;
    };
    let named = provider_name::read(&params, notes);
    if let Some((_, model)) = named
        && model.matches('*').count() > group_name.matches('*').count()
    {
        let problem = format!("nothing fills the `*` of `{model}`, since `{group_name}` has fewer");
        params.at("model").unwrap_or(params.clone()).mistake(notes, problem, "write the model's full name");
    }
    let (key, endpoint) = match named {
        Some((provider, _)) => (key(&params, provider, notes), endpoint::read(&params, provider, notes)),
        None => (None, None),
    };
    // Every value is read, also where the deployment is lost already, so that all its mistakes show at once.
    let model_info = entry.at("model_info").filter(|info| info.is_map(notes));
    let info = |name: &str| model_info.as_ref().and_then(|info| info.at(name));
    let limit = |name: &str| params.at(name).or_else(|| entry.at(name));
    let deployment = Deployment {
        id: String::new(),
        group,
        provider: named.map_or(crate::provider::PROVIDERS.first()?, |(provider, _)| provider),
        model: named.map(|(_, model)| model.to_owned()).unwrap_or_default(),
        endpoint: endpoint.clone().unwrap_or_else(endpoint::nowhere),
        key,
        weight: params.at("weight").and_then(|field| field.weight(notes)),
        rpm: limit("rpm").and_then(|field| field.count(notes)),
        tpm: limit("tpm").and_then(|field| field.count(notes)),
        order: params.at("order").and_then(|field| field.whole(notes, i64::MIN, i64::MAX)),
        timeout_ms: params.at("timeout").or_else(|| params.at("request_timeout")).and_then(|f| f.seconds(notes, false)),
        stream_timeout_ms: params.at("stream_timeout").and_then(|field| field.seconds(notes, false)),
        num_retries: params.at("num_retries").and_then(|field| field.few(notes)),
        cooldown_ms: info("cooldown_time")
            .or_else(|| params.at("cooldown_time"))
            .and_then(|field| field.seconds(notes, true)),
        allowed_fails: info("allowed_fails").and_then(|field| field.many(notes, 0)),
        allowed_fails_policy: info("allowed_fails_policy").and_then(|field| policies::allowed_fails(&field, notes)),
        max_parallel: params.at("max_parallel_requests").and_then(|field| field.many(notes, 1)),
        budget: budgets::deployment(&params, notes),
        tags: params.at("tags").map(|field| field.texts(notes)).unwrap_or_default(),
        region: params.at("region_name").and_then(|field| field.text(notes)).map(str::to_owned),
        blocked: info("blocked").and_then(|field| field.flag(notes)).unwrap_or(false),
        supports: info("supports").map(|field| supports(&field, notes)).unwrap_or_default(),
        drop_params: params.at("drop_params").and_then(|field| field.flag(notes)).unwrap_or(false),
        facts: named.map(|(of, model)| facts::read(entry, &params, of.name, model, notes)).unwrap_or_default(),
    };
    (named.is_some() && endpoint.is_some()).then_some(deployment)
}

/// The tasks it is good at: names of our own, so a name that no task could have is a slip.
fn supports(field: &Field<'_>, notes: &mut Notes) -> Vec<String> {
    let is_task = |name: &str| {
        let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
    };
    let mut found = Vec::new();
    for item in field.items(notes) {
        let Some(name) = item.text(notes) else { continue };
        if is_task(name) {
            known(name, &item, notes);
            found.push(name.to_owned());
            continue;
        }
        let fits = |c: char| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        let meant: String = name.trim().chars().map(fits).collect();
        let remedy = if is_task(&meant) { format!("write `{meant}`") } else { "write for example `math`".to_owned() };
        item.mistake(notes, format!("{} cannot name a task (only a-z 0-9 _)", item.shown()), remedy);
    }
    found
}

/// Notes a name that no router will ever ask for.
fn known(name: &str, item: &Field<'_>, notes: &mut Notes) {
    let names = Task::ALL.map(Task::name);
    if names.contains(&name) {
        return;
    }
    match nearest(name, names) {
        Some(meant) => item.mistake(notes, format!("there is no task `{name}`"), format!("did you mean `{meant}`?")),
        None => item.warning(
            notes,
            format!("there is no task `{name}`, so it has no effect"),
            format!("the tasks are {}", names.join(", ")),
        ),
    }
}

/// Where the key comes from. Without an `api_key` the provider's usual variable serves its usual host; another host gets no key
/// that was not meant for it.
fn key(params: &Field<'_>, provider: &Provider, notes: &mut Notes) -> Option<Key> {
    let Some(field) = params.at("api_key") else {
        let usual = params.at("api_base").is_none() && !provider.key_env.is_empty();
        return usual.then(|| Key::Env(provider.key_env.to_owned()));
    };
    let Value::Str(text) = &field.node.value else {
        field.mistake(notes, "an `api_key` is a text", "write `os.environ/NAME`, or the key in quotes");
        return None;
    };
    let Some(name) = text.strip_prefix(PREFIX) else {
        if text.chars().any(char::is_control) {
            field.mistake(notes, "the key holds a line break or another control character", "write it on one line");
        }
        return (!text.is_empty()).then(|| Key::Literal(text.clone()));
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(fits) || name.starts_with(|c: char| c.is_ascii_digit()) {
        field.mistake(notes, format!("`{name}` cannot name an environment variable"), "write `os.environ/NAME`");
        return None;
    }
    Some(Key::Env(name.to_owned()))
}
