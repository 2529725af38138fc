//! `model_group_alias`: other names for groups.
//!
//! **Invariant:** an alias leads straight to a group, never to another alias.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::router_settings::setting;
use crate::config::model::{Alias, GroupIndex, ModelGroup, is_pattern};
use crate::config::tree::Value;

/// Reads the aliases: those of groups, and those of routers, with the router's number in place of the group's.
pub(super) fn read(
    root: &Field<'_>,
    groups: &[ModelGroup],
    routers: &[&str],
    diagnostics: &mut Diagnostics,
) -> (Vec<Alias>, Vec<Alias>) {
    let (mut of_groups, mut of_routers) = (Vec::new(), Vec::new());
    let entries = setting(root, "model_group_alias").map(|field| field.entries(diagnostics)).unwrap_or_default();
    let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
    for (name, field) in &entries {
        let Some((target, hidden)) = target(name, field, diagnostics) else { continue };
        let is_group = groups.iter().any(|group| target.node.value == Value::Str(group.name.clone()));
        let router = routers.iter().position(|router| target.node.value == Value::Str((*router).to_owned()));
        let router = router.filter(|_| !is_group);
        let name = (*name).to_owned();
        if let Some(group) = router {
            of_routers.push(Alias { name, group, hidden });
        } else if let Some(group) = group_index(&target, groups, &names, diagnostics) {
            of_groups.push(Alias { name, group, hidden });
        }
    }
    (of_groups, of_routers)
}

/// What an alias stands for, and whether it is hidden.
fn target<'a>(name: &str, field: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<(Field<'a>, bool)> {
    match &field.node.value {
        Value::Map(_) => {
            let Some(model) = field.at("model") else {
                field.error(
                    diagnostics,
                    format!("the alias `{name}` has no `model`"),
                    "write `model: ` and a group's name",
                );
                return None;
            };
            Some((model, field.at("hidden").and_then(|flag| flag.flag(diagnostics)).unwrap_or(false)))
        }
        Value::Seq(_) => {
            let problem =
                format!("an alias is another name for one group, so that `{name}` leads nowhere, in LiteLLM neither");
            let remedy = format!(
                "write the name of a group, and the others as its `fallbacks`, or give several entries the `model_name` `{name}`"
            );
            field.warning(diagnostics, problem, remedy);
            None
        }
        _ => Some((field.clone(), false)),
    }
}

/// The group that a field names.
fn group_index(
    field: &Field<'_>,
    groups: &[ModelGroup],
    names: &[&str],
    diagnostics: &mut Diagnostics,
) -> Option<GroupIndex> {
    let name = field.text(diagnostics)?;
    let found = groups.iter().position(|group| group.name == name);
    if found.is_none() && names.contains(&name) {
        field.error(diagnostics, format!("`{name}` is an alias itself"), "write the name of its group");
    } else if found.is_none() {
        no_group(field, name, groups, diagnostics);
    }
    found
}

/// Notes that no group has this name.
pub(super) fn no_group(field: &Field<'_>, name: &str, groups: &[ModelGroup], diagnostics: &mut Diagnostics) {
    let (problem, remedy) = unknown(name, groups);
    field.error(diagnostics, problem, remedy);
}

/// That no group has this name, and the nearest one. A wildcard is no name to write instead, unless one was meant.
pub(super) fn unknown(name: &str, groups: &[ModelGroup]) -> (String, String) {
    let problem = format!("no `model_name` is `{name}`");
    let names = || groups.iter().map(|group| group.name.as_str());
    let begins_so = |pattern: &str| pattern.split('*').next().is_some_and(|beginning| name.starts_with(beginning));
    let mut plain = names().filter(|known| !is_pattern(known) || is_pattern(name)).peekable();
    let remedy = if let Some(meant) = nearest(name, plain.clone()) {
        format!("did you mean `{meant}`?")
    } else if let Some(pattern) = names().find(|known| is_pattern(known) && begins_so(known)) {
        format!(
            "it cannot be filled into `{pattern}` here: write a `model_list` entry for the very model, and name that"
        )
    } else if plain.peek().is_none() {
        "write a `model_list` entry of that name first".to_owned()
    } else {
        let some: Vec<_> = plain.by_ref().take(8).map(|name| format!("`{name}`")).collect();
        format!("write one of {}{}", some.join(", "), if plain.peek().is_some() { ", …" } else { "" })
    };
    (problem, remedy)
}
