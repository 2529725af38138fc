//! Wildcards that are written out before anything is read: an entry for any model of any provider, and models that only a wildcard serves and
//! a fallback names.
//!
//! A group has its own provider and its own fallbacks, so each of these becomes a group of its own, where LiteLLM looks at every request anew.
//!
//! **Invariant:** entries are added at the end, so that the places of those that the file has stay what they are.

use super::environment::Environment;
use super::field::{Diagnostics, Field};
use super::infer::FAMILIES;
use crate::config::tree::{Key, Node, Value};
use crate::provider;

/// The keys that name groups.
const FALLBACKS: &[&str] = &["fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks"];

/// Writes them out.
pub(super) fn write_out(root: &mut Node, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    let named = named_in_fallbacks(root);
    let aliases = aliases(root);
    let Value::Map(sections) = &mut root.value else { return };
    let list = sections.iter_mut().find(|(key, _)| key.name == "model_list");
    let Some((_, Node { value: Value::Seq(entries), .. })) = list else { return };
    let mut more = Vec::new();
    for (index, entry) in entries.iter_mut().enumerate() {
        if text(entry, "model_name") != Some("*") || !is_for_any_provider(entry) {
            continue;
        }
        let mut all = any_provider(env).map(|(name, model)| with_names(entry, &name, &model));
        if let Some(first) = all.next() {
            more.extend(all);
            let path = format!("model_list[{index}].litellm_params.model");
            let known: Vec<_> = more.iter().filter_map(|entry| text(entry, "model_name")).collect();
            let problem = format!(
                "LiteLLM finds the provider of `*` in each request; here it stands for {}",
                known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            );
            let remedy = "write an entry for each provider: `model_name: anthropic/*` with `model: anthropic/*`";
            Field { node: entry, path }.warning(diagnostics, problem, remedy);
            *entry = first;
        }
    }
    entries.append(&mut more);
    let mut filled = Vec::new();
    for name in named {
        let is_known = |entry: &Node| text(entry, "model_name") == Some(&name);
        if entries.iter().any(is_known) || aliases.contains(&name) {
            continue;
        }
        let fits = |entry: &&Node| text(entry, "model_name").is_some_and(|pattern| captured(pattern, &name).is_some());
        let longest =
            entries.iter().filter(fits).filter_map(|entry| text(entry, "model_name")).max_by_key(|it| it.len());
        let of_pattern = |entry: &&Node| longest.is_some() && text(entry, "model_name") == longest;
        filled.extend(entries.iter().filter(of_pattern).filter_map(|entry| {
            let star = captured(longest?, &name)?;
            let model = text(entry.entry("litellm_params")?, "model")?.replacen('*', star, 1);
            Some(with_names(entry, &name, &model))
        }));
    }
    entries.extend(filled);
}

fn text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    match &node.entry(key)?.value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// What the only `*` of a pattern stands for in a name.
fn captured<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    let (head, tail) = pattern.split_once('*').filter(|(_, tail)| !tail.contains('*'))?;
    name.strip_prefix(head)?.strip_suffix(tail)
}

/// Whether an entry's model is `*` alone, at no host of its own.
fn is_for_any_provider(entry: &Node) -> bool {
    let Some(params) = entry.entry("litellm_params") else { return false };
    let settles = ["custom_llm_provider", "api_base", "base_url"];
    text(params, "model") == Some("*") && settles.iter().all(|key| params.entry(key).is_none())
}

/// The names by which LiteLLM knows a provider, and the models that they stand for: those of the best known families, and the prefix of each
/// provider whose key is set.
fn any_provider(env: &Environment<'_>) -> impl Iterator<Item = (String, String)> {
    let families = FAMILIES.iter().map(|(prefix, provider)| (format!("{prefix}*"), format!("{provider}/{prefix}*")));
    let has_key =
        |provider: &&provider::Provider| provider.usual_key_variable().is_some_and(|name| env.held(name).is_some());
    let of_family = |provider: &&provider::Provider| FAMILIES.iter().any(|(_, name)| *name == provider.name);
    let keyed = provider::all().filter(move |provider| of_family(provider) || env.is_read && has_key(provider));
    let prefixes: Vec<_> = keyed.map(|provider| format!("{}/*", provider.name)).collect();
    families.chain(prefixes.into_iter().map(|name| (name.clone(), name)))
}

/// The same entry under other names, without an id that it cannot share.
fn with_names(entry: &Node, name: &str, model: &str) -> Node {
    let mut entry = entry.clone();
    let Value::Map(members) = &mut entry.value else { return entry };
    for (key, node) in members {
        match (key.name.as_str(), &mut node.value) {
            ("model_name", value) => *value = Value::Str(name.to_owned()),
            ("litellm_params", Value::Map(params)) => {
                let model_of = |(key, _): &&mut (Key, Node)| key.name == "model";
                if let Some((_, node)) = params.iter_mut().find(model_of) {
                    node.value = Value::Str(model.to_owned());
                }
            }
            ("model_info", Value::Map(info)) => info.retain(|(key, _)| key.name != "id"),
            _ => {}
        }
    }
    entry
}

/// The groups that fallbacks name, each once.
fn named_in_fallbacks(root: &Node) -> Vec<String> {
    let mut names = Vec::new();
    let sections = ["router_settings", "litellm_settings"].iter().filter_map(|section| root.entry(section));
    for list in sections.flat_map(|section| FALLBACKS.iter().filter_map(|key| section.entry(key))) {
        collect(list, &mut names);
    }
    names
}

fn collect(node: &Node, names: &mut Vec<String>) {
    let mut add = |name: &str| {
        if !name.contains('*') && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    match &node.value {
        Value::Str(name) => add(name),
        Value::Seq(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Map(entries) => {
            for (key, below) in entries {
                // A target with parameters of its own names its group by `model`.
                match &below.value {
                    Value::Seq(_) => {
                        collect(&Node::new(Value::Str(key.name.clone())), names);
                        collect(below, names);
                    }
                    Value::Str(_) if key.name == "model" => collect(below, names),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn aliases(root: &Node) -> Vec<String> {
    let of = |section: &str| Some(root.entry(section)?.entry("model_group_alias")?.value.clone());
    let sections = ["router_settings", "litellm_settings"];
    let maps = sections.iter().filter_map(|section| match of(section)? {
        Value::Map(entries) => Some(entries),
        _ => None,
    });
    maps.flatten().map(|(key, _)| key.name).collect()
}
