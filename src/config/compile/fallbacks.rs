//! `fallbacks` and `default_fallbacks`: which groups stand in for a group.
//!
//! **Invariant:** a fallback names a group that exists, is not the failed group itself, and can be asked without a wildcard.

use super::aliases::no_group;
use super::field::{Field, Notes};
use super::router_settings::setting;
use crate::config::model::{Alias, Deployment, GroupIndex, ModelGroup};
use crate::config::tree::Value;

/// What was read.
pub(super) struct Fallbacks {
    pub(super) by_group: Vec<(GroupIndex, Vec<GroupIndex>)>,
    pub(super) default: Vec<GroupIndex>,
}

struct Names<'a> {
    groups: &'a [ModelGroup],
    deployments: &'a [Deployment],
    aliases: &'a [Alias],
}

/// Reads both keys. `fallbacks: [{"*": […]}]` is LiteLLM's other way of writing `default_fallbacks`.
pub(super) fn read(
    root: &Field<'_>,
    groups: &[ModelGroup],
    deployments: &[Deployment],
    aliases: &[Alias],
    notes: &mut Notes,
) -> Fallbacks {
    let names = Names { groups, deployments, aliases };
    let mut found = Fallbacks { by_group: Vec::new(), default: Vec::new() };
    let items = setting(root, "fallbacks").map(|field| field.items(notes)).unwrap_or_default();
    for (from, targets) in items.iter().flat_map(|item| item.entries(notes)).collect::<Vec<_>>() {
        if from == "*" && names.group("*").is_none() {
            found.default.extend(names.targets(&targets, None, notes));
            continue;
        }
        let Some(group) = names.group(from) else {
            no_group(&targets, from, groups, notes);
            continue;
        };
        let chain = names.targets(&targets, Some(group), notes);
        if found.by_group.iter().any(|(known, _)| *known == group) {
            let problem = format!("`{from}` has fallbacks already");
            targets.mistake(notes, problem, "write all of them in one list, in order");
        } else {
            found.by_group.push((group, chain));
        }
    }
    if let Some(field) = setting(root, "default_fallbacks") {
        found.default.extend(names.targets(&field, None, notes));
    }
    found
}

impl Names<'_> {
    /// The group of that name or alias.
    fn group(&self, name: &str) -> Option<GroupIndex> {
        let by_name = self.groups.iter().position(|group| group.name == name);
        by_name.or_else(|| self.aliases.iter().find(|alias| alias.name == name).map(|alias| alias.group))
    }

    fn targets(&self, field: &Field<'_>, from: Option<GroupIndex>, notes: &mut Notes) -> Vec<GroupIndex> {
        if let Value::Str(name) = &field.node.value {
            field.mistake(notes, "fallbacks are a list", format!("write `[{name}]`"));
            return Vec::new();
        }
        let mut chain = Vec::new();
        for item in field.items(notes) {
            let Some(group) = self.target(&item, from, notes) else { continue };
            if chain.contains(&group) {
                item.mistake(notes, format!("{} stands in this list already", item.shown()), "take it out");
            } else {
                chain.push(group);
            }
        }
        chain
    }

    fn target(&self, item: &Field<'_>, from: Option<GroupIndex>, notes: &mut Notes) -> Option<GroupIndex> {
        if let Value::Map(_) = item.node.value {
            item.mistake(
                notes,
                "a fallback with parameters of its own is not supported yet",
                "write a group's name alone",
            );
            return None;
        }
        let name = item.text(notes)?;
        let Some(group) = self.group(name) else {
            no_group(item, name, self.groups, notes);
            return None;
        };
        if from == Some(group) {
            item.mistake(notes, format!("`{name}` falls back to itself"), "name another group, or take it out");
            return None;
        }
        let wild = |deployment: &&Deployment| deployment.group == group && deployment.model.contains('*');
        if self.deployments.iter().any(|deployment| wild(&deployment)) {
            let remedy = "write a `model_list` entry for the very model, and name that";
            item.mistake(notes, format!("`{name}` holds a `*`, which a fallback cannot fill"), remedy);
            return None;
        }
        Some(group)
    }
}
