//! `model_list`: the groups and their deployments.
//!
//! **Invariant:** ids are unique, made of `A-Za-z0-9._-` alone, and depend on the tree only, so that the command line and the
//! filter give the same ones.

use std::collections::HashSet;

use super::deployment;
use super::environment::Environment;
use super::field::{Diagnostics, Field};
use super::origin::Origins;
use super::router_settings::setting;
use super::routers::is_router;
use crate::config::model::{Deployment, ModelGroup};
use crate::config::tree::Value;

/// Cluster names that the generated configuration needs itself.
const RESERVED: [&str; 2] = ["signalbox-none", "signalbox-relay"];

/// Reads every entry. An entry with an error is left out, its group stays known.
pub(super) fn read<'a>(
    root: &Field<'a>,
    env: &Environment<'_>,
    diagnostics: &mut Diagnostics,
) -> (Vec<ModelGroup>, Vec<Deployment>) {
    let (mut groups, mut deployments) = (Vec::<ModelGroup>::new(), Vec::new());
    let Some(list) = root.at("model_list") else {
        root.error(diagnostics, "there is no `model_list`", "write one with at least one `- model_name:` entry");
        return (groups, deployments);
    };
    let entries = list.items(diagnostics);
    if entries.is_empty() && matches!(list.node.value, Value::Seq(_)) {
        list.error(diagnostics, "`model_list` is empty", "write at least one `- model_name:` entry");
    }
    let mut taken = HashSet::from(RESERVED.map(str::to_owned));
    let entries: Vec<_> = entries.into_iter().filter(|entry| !is_router(entry)).collect();
    let ids: Vec<_> = entries.iter().map(|entry| explicit_id(entry, &mut taken, diagnostics)).collect();
    let drop_params = root.at("litellm_settings").and_then(|settings| settings.at("drop_params"));
    let drop_params = drop_params.is_some_and(|flag| deployment::drop_params(&flag, diagnostics));
    let max_parallel = setting(root, "default_max_parallel_requests").and_then(|field| field.many(diagnostics, 1));

    let origins = Origins { root, env };
    for (entry, id) in entries.iter().zip(ids) {
        let Some(name) = group_name(entry, diagnostics) else { continue };
        let group = groups.iter().position(|group| group.name == name).unwrap_or_else(|| {
            groups.push(ModelGroup::named(name));
            groups.len() - 1
        });
        let Some(mut deployment) = deployment::read(entry, group, name, &origins, diagnostics) else { continue };
        deployment.drop_params |= drop_params;
        deployment.max_parallel = deployment.max_parallel.or(max_parallel);
        let Some(members) = groups.get_mut(group).map(|group| &mut group.deployments) else { continue };
        deployment.id = id.unwrap_or_else(|| free_id(name, members.len() + 1, &mut taken));
        members.push(deployments.len());
        deployments.push(deployment);
    }
    if !entries.is_empty() && entries.iter().all(|entry| entry.node.value == Value::Unset) {
        list.error(diagnostics, "every deployment is left out", "mend one, or write one for this environment");
    }
    (groups, deployments)
}

fn group_name<'a>(entry: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<&'a str> {
    let Value::Map(_) = entry.node.value else {
        let problem = format!("expected a deployment, found {}", entry.node.kind());
        entry.error(diagnostics, problem, "write `model_name:` and `litellm_params:` below it");
        return None;
    };
    let Some(name) = entry.at("model_name") else {
        entry.error(diagnostics, "`model_name` is missing", "write the name that clients ask for");
        return None;
    };
    name.text(diagnostics).filter(|text| {
        if text.is_empty() {
            name.error(diagnostics, "`model_name` is empty", "write the name that clients ask for");
        }
        !text.is_empty()
    })
}

/// `model_info.id`, where it may be the name of an Envoy cluster.
fn explicit_id(entry: &Field<'_>, taken: &mut HashSet<String>, diagnostics: &mut Diagnostics) -> Option<String> {
    let field = entry.at("model_info")?.at("id")?;
    let id = match &field.node.value {
        Value::Int(number) => number.to_string(),
        _ => field.text(diagnostics)?.to_owned(),
    };
    let safe = safe(&id);
    if id != safe || id.is_empty() {
        let remedy =
            if safe.is_empty() { "write a name or leave it out".to_owned() } else { format!("write `{safe}`") };
        field.error(diagnostics, format!("`{id}` cannot name an Envoy cluster (only A-Z a-z 0-9 . _ -)"), remedy);
        return None;
    }
    if !taken.insert(id.clone()) {
        let why = if RESERVED.contains(&id.as_str()) {
            "is kept for Signalbox itself"
        } else {
            "names another deployment already"
        };
        field.error(diagnostics, format!("the id `{id}` {why}"), "give each deployment its own");
        return None;
    }
    Some(id)
}

/// The first free of `name-n`, `name-n+1`, …
fn free_id(name: &str, from: usize, taken: &mut HashSet<String>) -> String {
    let stem = safe(&name.replace('*', "any"));
    let mut number = from;
    loop {
        let id = format!("{stem}-{number}");
        if taken.insert(id.clone()) {
            return id;
        }
        number += 1;
    }
}

fn safe(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    name.chars().map(|c| if fits(c) { c } else { '-' }).collect()
}
