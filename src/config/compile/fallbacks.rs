//! `fallbacks`, `default_fallbacks`, `context_window_fallbacks` and `content_policy_fallbacks`: which groups stand in for a
//! group.
//!
//! An empty list is LiteLLM's default and the same as none: the older home is asked then, and a prompt that is too long follows
//! `fallbacks`.
//!
//! **Invariant:** a fallback names a group that exists, is not the failed group itself, and can be asked without a wildcard.

use super::aliases::{no_group, unknown};
use super::field::{Diagnostics, Field};
use super::router_settings::{homes, setting};
use crate::config::model::{Alias, Deployment, GroupIndex, ModelGroup, RouterFallbacks, is_pattern};
use crate::config::tree::Value;

/// For a group, those that stand in for it, in order.
type ByGroup = Vec<(GroupIndex, Vec<GroupIndex>)>;

/// What was read.
pub(super) struct Fallbacks {
    pub(super) by_group: ByGroup,
    pub(super) default: Vec<GroupIndex>,
    pub(super) context_window: Option<ByGroup>,
    pub(super) content_policy: Option<ByGroup>,
    /// The same three of routers, by their number.
    by_router: [ByGroup; 3],
}

/// One key: for a group, for a router, and for `*`.
#[derive(Default)]
struct List {
    by_group: ByGroup,
    by_router: ByGroup,
    any: Vec<GroupIndex>,
}

impl Fallbacks {
    /// What stands in for whatever a router chose.
    pub(super) fn of_router(&self, router: usize) -> RouterFallbacks {
        let of = |list: &ByGroup| list.iter().find(|(known, _)| *known == router).map(|(_, targets)| targets.clone());
        let [general, context_window, content_policy] = &self.by_router;
        RouterFallbacks { general: of(general), context_window: of(context_window), content_policy: of(content_policy) }
    }
}

/// What a name can mean in the settings.
pub(super) struct Names<'a> {
    pub(super) groups: &'a [ModelGroup],
    pub(super) deployments: &'a [Deployment],
    pub(super) aliases: &'a [Alias],
    pub(super) routers: &'a [&'a str],
    /// Other names of routers; `group` is the router's number.
    pub(super) router_aliases: &'a [Alias],
    /// Groups of which every deployment is left out.
    pub(super) gone: &'a [String],
    /// Providers that have a budget.
    pub(super) with_budget: &'a [&'static str],
}

/// Reads all four keys. `fallbacks: [{"*": […]}]` is LiteLLM's other way of writing `default_fallbacks`.
pub(super) fn read(root: &Field<'_>, names: &Names<'_>, diagnostics: &mut Diagnostics) -> Fallbacks {
    let List { by_group, by_router, any: mut default } = names.list(root, "fallbacks", diagnostics).unwrap_or_default();
    if let Some(field) = setting(root, "default_fallbacks") {
        default.extend(names.targets(&field, None, diagnostics));
    }
    let mut special = |key: &str| {
        let List { mut by_group, by_router, any } = names.list(root, key, diagnostics)?;
        // Those of `*` stand in for every group without an entry of its own.
        for group in 0..names.groups.len() {
            let others: Vec<_> = any.iter().copied().filter(|target| *target != group).collect();
            if !others.is_empty() && by_group.iter().all(|(known, _)| *known != group) {
                by_group.push((group, others));
            }
        }
        Some((by_group, by_router))
    };
    let (context_window, window_of_router) = special("context_window_fallbacks").unzip();
    let (content_policy, policy_of_router) = special("content_policy_fallbacks").unzip();
    let by_router = [by_router, window_of_router.unwrap_or_default(), policy_of_router.unwrap_or_default()];
    Fallbacks { by_group, default, context_window, content_policy, by_router }
}

impl Names<'_> {
    /// A list of fallbacks. `None` where there is none, or an empty one.
    fn list(&self, root: &Field<'_>, key: &str, diagnostics: &mut Diagnostics) -> Option<List> {
        let mut list = List::default();
        let items = non_empty(root, key)?.items(diagnostics);
        for (from, targets) in items.iter().flat_map(|item| item.entries(diagnostics)).collect::<Vec<_>>() {
            if from == "*" && self.group("*").is_none() {
                list.any.extend(self.targets(&targets, None, diagnostics));
                continue;
            }
            let (router, group) = (self.router(from), self.group(from));
            let Some(index) = router.or(group) else {
                // A wildcard may serve that name, and then LiteLLM falls back.
                let may_serve = |group: &ModelGroup| {
                    is_pattern(&group.name) && from.starts_with(group.name.split('*').next().unwrap_or_default())
                };
                if self.groups.iter().any(may_serve) {
                    self.no_group(&targets, from, diagnostics);
                    continue;
                }
                // Nobody can ask for that name.
                let (problem, remedy) = unknown(from, self.groups);
                targets.warning(diagnostics, format!("{problem}, so that this fallback never serves"), remedy);
                if matches!(targets.node.value, Value::Seq(_)) {
                    self.targets(&targets, None, diagnostics);
                }
                continue;
            };
            let known = if router.is_some() { &mut list.by_router } else { &mut list.by_group };
            let chain = self.targets(&targets, group.filter(|_| router.is_none()), diagnostics);
            if known.iter().any(|(known, _)| *known == index) {
                let problem = format!("`{from}` has fallbacks already");
                targets.error(diagnostics, problem, "write all of them in one list, in order");
            } else {
                known.push((index, chain));
            }
        }
        Some(list)
    }

    /// The router of that name or alias, where no group has the name too: that is told of the router.
    pub(super) fn router(&self, name: &str) -> Option<usize> {
        if self.groups.iter().any(|group| group.name == name) {
            return None;
        }
        let by_name = self.routers.iter().position(|router| *router == name);
        by_name.or_else(|| self.router_aliases.iter().find(|alias| alias.name == name).map(|alias| alias.group))
    }

    /// Whether a group has models that a wildcard must fill.
    pub(super) fn is_wild(&self, group: GroupIndex) -> bool {
        let members = self.groups.get(group).map(|group| group.deployments.as_slice()).unwrap_or_default();
        members.iter().any(|index| self.deployments.get(*index).is_some_and(|found| is_pattern(&found.model)))
    }

    /// Notes that no group has this name.
    pub(super) fn no_group(&self, field: &Field<'_>, name: &str, diagnostics: &mut Diagnostics) {
        no_group(field, name, self.groups, diagnostics);
    }

    /// The group of that name or alias.
    pub(super) fn group(&self, name: &str) -> Option<GroupIndex> {
        let by_name = self.groups.iter().position(|group| group.name == name);
        by_name.or_else(|| self.aliases.iter().find(|alias| alias.name == name).map(|alias| alias.group))
    }

    fn targets(&self, field: &Field<'_>, from: Option<GroupIndex>, diagnostics: &mut Diagnostics) -> Vec<GroupIndex> {
        if let Value::Str(name) = &field.node.value {
            field.error(diagnostics, "fallbacks are a list", format!("write `[{name}]`"));
            return Vec::new();
        }
        let mut chain = Vec::new();
        for item in field.items(diagnostics) {
            let Some(group) = self.target(&item, from, diagnostics) else { continue };
            if chain.contains(&group) {
                item.warning(diagnostics, format!("{} stands in this list already", item.shown()), "take it out");
            } else {
                chain.push(group);
            }
        }
        chain
    }

    fn target(&self, item: &Field<'_>, from: Option<GroupIndex>, diagnostics: &mut Diagnostics) -> Option<GroupIndex> {
        // LiteLLM takes a request's parameters here; `model` alone is the same as the name.
        let alone = |entries: &[_]| entries.len() == 1;
        let item = &match &item.node.value {
            Value::Map(entries) => match item.at("model").filter(|_| alone(entries)) {
                Some(model) => model,
                None => {
                    let problem = "a fallback with parameters of its own is not supported yet";
                    item.error(diagnostics, problem, "write a group's name alone");
                    return None;
                }
            },
            _ => item.clone(),
        };
        let name = item.text(diagnostics)?;
        if self.router(name).is_some() {
            let problem = format!("`{name}` is a router, which nothing can fall back to");
            item.error(diagnostics, problem, "write the name of a group");
            return None;
        }
        let Some(group) = self.group(name) else {
            if self.gone.iter().any(|gone| gone == name) {
                let problem = format!("the deployments of `{name}` are left out, so that nothing falls back to it");
                item.warning(diagnostics, problem, "mend them, or take this out");
            } else {
                self.no_group(item, name, diagnostics);
            }
            return None;
        };
        if from == Some(group) {
            // LiteLLM passes over it.
            item.warning(diagnostics, format!("`{name}` falls back to itself, which is passed over"), "take it out");
            return None;
        }
        if self.is_wild(group) {
            let remedy = "write a `model_list` entry for the very model, and name that";
            item.error(diagnostics, format!("`{name}` holds a `*`, which a fallback cannot fill"), remedy);
            return None;
        }
        Some(group)
    }
}

/// A list from its home, else from its older one; an empty one counts as none.
fn non_empty<'a>(root: &Field<'a>, key: &str) -> Option<Field<'a>> {
    let filled = |field: &Field<'_>| !matches!(&field.node.value, Value::Seq(items) if items.is_empty());
    homes(root, key).into_iter().flatten().find(filled)
}
