//! `routing_groups`: some model groups under one strategy, and under one more name.
//!
//! As in LiteLLM 1.106 (`router_utils/routing_groups.py`): a model group belongs to at most one of them and is routed by its
//! strategy when it is called by its own name; the `group_name` can be called too, and spans all deployments of its models,
//! unless a model or an alias of that name shadows it. `priority` is different: it does not claim its models, and only tries them
//! in order when the `group_name` is called.
//!
//! **Invariant:** a routing group becomes one more [`ModelGroup`], after those of the `model_list`, and spans nothing that a
//! name without a `*` could not fill.

use super::aliases::no_group;
use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::router_settings::setting;
use super::strategy;
use crate::config::model::{Deployment, DeploymentIndex, GroupIndex, ModelGroup, Strategy, StrategyArgs, is_pattern};
use crate::config::tree::Value;

const PRIORITY: &str = "priority";
/// LiteLLM's largest priority, 2^53 - 1.
const LAST_PRIORITY: i64 = 9_007_199_254_740_991;

struct Reader<'a> {
    models: &'a mut [ModelGroup],
    deployments: &'a [Deployment],
    aliases: Vec<&'a str>,
    /// Which routing group a model belongs to.
    owners: Vec<(GroupIndex, &'a str)>,
    taken: Vec<&'a str>,
}

/// Gives the groups their routing group's strategy, and adds the routing groups to them.
pub(super) fn read(
    root: &Field<'_>,
    groups: &mut Vec<ModelGroup>,
    deployments: &[Deployment],
    diagnostics: &mut Diagnostics,
) {
    let Some(field) = setting(root, "routing_groups") else { return };
    let aliases = setting(root, "model_group_alias").map(|field| field.entries(&mut Diagnostics::default()));
    let aliases = aliases.unwrap_or_default().into_iter().map(|(name, _)| name).collect();
    let items = field.items(diagnostics);
    let mut reader = Reader { models: groups, deployments, aliases, owners: Vec::new(), taken: Vec::new() };
    let added: Vec<_> = items.iter().filter_map(|item| reader.group(item, diagnostics)).collect();
    groups.extend(added);
}

impl<'a> Reader<'a> {
    /// One routing group, also with an error in it, so that a reference to it is not reported as unknown; `None` where it
    /// cannot be called.
    fn group(&mut self, item: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<ModelGroup> {
        if !item.is_map(diagnostics) {
            return None;
        }
        let written = item.at("routing_strategy");
        let priority = matches!(&written, Some(field) if field.node.value == Value::Str(PRIORITY.to_owned()));
        let name = self.name(item, priority, diagnostics);
        let models = self.members(item, diagnostics);
        if written.is_none() {
            item.error(diagnostics, "`routing_strategy` is missing", "write the strategy of this group");
        }
        let mut group = ModelGroup::named(name.unwrap_or_default());
        group.deployments = self.deployments_of(&models);
        if priority {
            group.priorities = self.priorities(item, &models, diagnostics);
            if let Some(args) = item.at("routing_strategy_args").filter(is_filled) {
                args.error(
                    diagnostics,
                    "`priority` takes no arguments",
                    "take them out; `model_priorities` says it all",
                );
            }
        } else {
            let chosen = written.and_then(|field| strategy::name(&field, diagnostics)).unwrap_or_default();
            let args = strategy::args(item.at("routing_strategy_args"), chosen, diagnostics);
            (group.strategy, group.strategy_args) = (chosen, args);
            self.claim(&models, item, chosen, args, diagnostics);
            if let Some(field) = item.at("model_priorities").filter(is_filled) {
                let remedy = format!("write `routing_strategy: {PRIORITY}`, or take them out");
                field.error(diagnostics, format!("priorities are for the strategy `{PRIORITY}`"), remedy);
            }
        }
        name.is_some().then_some(group)
    }

    /// The name it can be called by.
    fn name(&mut self, item: &Field<'a>, priority: bool, diagnostics: &mut Diagnostics) -> Option<&'a str> {
        let Some(field) = item.at("group_name") else {
            item.error(diagnostics, "`group_name` is missing", "write a name of its own for this group");
            return None;
        };
        let name = field.text(diagnostics)?;
        let remedy = "write another name";
        if name.is_empty() || name == "default" {
            field.error(diagnostics, format!("a group cannot be called `{name}`"), remedy);
        } else if is_pattern(name) {
            field.error(
                diagnostics,
                format!("`{name}` holds a `*`, which means nothing here"),
                "write a name without it",
            );
        } else if self.taken.contains(&name) {
            field.error(diagnostics, format!("there is a routing group `{name}` already"), remedy);
        } else {
            self.taken.push(name);
            let is_alias = self.aliases.contains(&name);
            if !is_alias && !self.models.iter().any(|group| group.name == name) {
                return Some(name);
            }
            let problem = format!("`{name}` is {} too", if is_alias { "an alias" } else { "a `model_name`" });
            if priority {
                field.error(diagnostics, problem, remedy);
            } else {
                let problem = format!("{problem}, which is what clients get; the strategy still holds for the models");
                field.warning(diagnostics, problem, "write another name to make the group callable");
            }
        }
        None
    }

    /// The groups it is made of.
    fn members(&self, item: &Field<'a>, diagnostics: &mut Diagnostics) -> Vec<(GroupIndex, Field<'a>)> {
        let Some(field) = item.at("models") else {
            item.error(diagnostics, "`models` is missing", "write a list of `model_name`s");
            return Vec::new();
        };
        let items = field.items(diagnostics);
        if items.is_empty() && matches!(field.node.value, Value::Seq(_)) {
            field.error(diagnostics, "`models` is empty", "write a list of `model_name`s");
        }
        let mut found = Vec::<(GroupIndex, Field<'a>)>::new();
        for item in items {
            let Some(name) = item.text(diagnostics) else { continue };
            let Some(group) = self.models.iter().position(|group| group.name == name) else {
                if self.aliases.contains(&name) {
                    item.error(diagnostics, format!("`{name}` is an alias"), "write the name of its group");
                } else {
                    no_group(&item, name, self.models, diagnostics);
                }
                continue;
            };
            let wild = |deployment: &Deployment| deployment.group == group && is_pattern(&deployment.model);
            if found.iter().any(|(known, _)| *known == group) {
                item.error(diagnostics, format!("`{name}` stands in this list already"), "take it out");
            } else if self.deployments.iter().any(wild) {
                let remedy = "write a `model_list` entry for the very model, and name that";
                item.error(diagnostics, format!("`{name}` holds a `*`, which a group's name cannot fill"), remedy);
            } else {
                found.push((group, item));
            }
        }
        found
    }

    fn deployments_of(&self, models: &[(GroupIndex, Field<'_>)]) -> Vec<DeploymentIndex> {
        let members = models.iter().filter_map(|(group, _)| self.models.get(*group));
        members.flat_map(|group| group.deployments.iter().copied()).collect()
    }

    /// The members are routed by this group's strategy from now on.
    fn claim(
        &mut self,
        models: &[(GroupIndex, Field<'a>)],
        item: &Field<'a>,
        strategy: &'static Strategy,
        args: StrategyArgs,
        diagnostics: &mut Diagnostics,
    ) {
        let own = match item.at("group_name").map(|field| &field.node.value) {
            Some(Value::Str(name)) => name.as_str(),
            _ => "",
        };
        for (index, field) in models {
            if let Some((_, owner)) = self.owners.iter().find(|(known, _)| known == index) {
                let problem = format!("{} belongs to the routing group `{owner}` already", field.shown());
                field.error(diagnostics, problem, "leave it in one of them");
                continue;
            }
            self.owners.push((*index, own));
            if let Some(group) = self.models.get_mut(*index) {
                (group.strategy, group.strategy_args) = (strategy, args);
            }
        }
    }

    /// `model_priorities`: exactly one for each member.
    fn priorities(
        &self,
        item: &Field<'_>,
        models: &[(GroupIndex, Field<'_>)],
        diagnostics: &mut Diagnostics,
    ) -> Vec<(DeploymentIndex, i64)> {
        let Some(field) = item.at("model_priorities") else {
            item.error(
                diagnostics,
                "`model_priorities` is missing",
                "write `model: 1` for the first, `model: 2` after it",
            );
            return Vec::new();
        };
        let member =
            |name: &str| models.iter().filter_map(|(index, _)| self.models.get(*index)).find(|g| g.name == name);
        let mut found = Vec::new();
        let entries = field.entries(diagnostics);
        for (name, entry) in &entries {
            let priority = entry.whole(diagnostics, 1, LAST_PRIORITY);
            if let Some(group) = member(name) {
                found.extend(group.deployments.iter().filter_map(|deployment| Some((*deployment, priority?))));
            } else {
                let names =
                    models.iter().filter_map(|(index, _)| self.models.get(*index)).map(|group| group.name.as_str());
                let remedy = match nearest(name, names) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "take it out, or add it to `models`".to_owned(),
                };
                entry.error(diagnostics, format!("`{name}` is not among `models`"), remedy);
            }
        }
        for (_, model) in models {
            let named = |(name, _): &(&str, Field<'_>)| model.node.value == Value::Str((*name).to_owned());
            if matches!(field.node.value, Value::Map(_)) && !entries.iter().any(named) {
                field.error(
                    diagnostics,
                    format!("{} has no priority", model.shown()),
                    "give each of `models` one, from 1 up",
                );
            }
        }
        found
    }
}

/// An empty map says nothing.
fn is_filled(field: &Field<'_>) -> bool {
    !matches!(&field.node.value, Value::Map(entries) if entries.is_empty())
}
