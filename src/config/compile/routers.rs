//! Routers: the entries of `model_list` that LiteLLM marks with `auto_router/`, and `signalbox.routers`.
//!
//! They are found first, because aliases and fallbacks may name them, and read last, because their tiers name groups.
//!
//! **Invariant:** a router's name is nobody else's; whatever it can choose is a group, never another router.

use serde_json::{Map, Value as Json};

use super::aliases::no_group;
use super::fallbacks::Names;
use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::sections::{GAPS, MARK};
use super::{complexity, task};
use crate::config::complexity::{ClassifierType, ComplexityConfig, Tier, TierModel};
use crate::config::model::{ModelGroup, Router, RouterFallbacks, RouterKind, Target, is_pattern};
use crate::config::task::Task;
use crate::config::tree::Value;

const COMPLEXITY: &str = "auto_router/complexity_router";
const TASK: &str = "auto_router/task_router";

/// A router that was found and not read yet.
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    /// Where it is written.
    place: Field<'a>,
    /// Its settings.
    config: Option<Field<'a>>,
    /// `litellm_params` of a `model_list` entry.
    params: Option<Field<'a>>,
    /// The classifier where none is configured; `None`: it goes by tasks.
    classifier: Option<ClassifierType>,
}

/// Whether an entry of `model_list` is a router.
pub(super) fn is_router(entry: &Field<'_>) -> bool {
    let model = entry.at("litellm_params").and_then(|params| params.at("model"));
    matches!(model.map(|model| &model.node.value), Some(Value::Str(model)) if model.starts_with(MARK))
}

/// Finds all, in file order.
pub(super) fn find<'a>(root: &Field<'a>, diagnostics: &mut Diagnostics) -> Vec<Found<'a>> {
    let silent = &mut Diagnostics::default();
    let entries = root.at("model_list").map(|list| list.items(silent)).unwrap_or_default();
    let mut found: Vec<Found<'a>> =
        entries.iter().filter(|entry| is_router(entry)).filter_map(|entry| marked(entry, diagnostics)).collect();
    let own = root.at("signalbox").and_then(|section| section.at("routers"));
    for (name, field) in own.map(|own| own.entries(diagnostics)).unwrap_or_default() {
        let by_task = field.at("tasks").is_some();
        let classifier = (!by_task).then_some(ClassifierType::Signalbox);
        if !by_task && field.at("tiers").is_none() {
            let written = field.entries(&mut Diagnostics::default());
            let slip = written.iter().find_map(|(key, field)| Some((field, nearest(key, ["tiers", "tasks"])?)));
            let problem = format!("the router `{name}` has neither `tiers` nor `tasks`");
            let remedy =
                "write `tiers: {SIMPLE: group, COMPLEX: group}`, or `tasks: {}` for `model_info.supports` to say";
            match slip {
                Some((slip, meant)) => slip.error(diagnostics, problem, format!("did you mean `{meant}`?")),
                None => field.error(diagnostics, problem, remedy),
            }
            continue;
        }
        found.push(Found { name, place: field.clone(), config: Some(field), params: None, classifier });
    }
    found
}

fn marked<'a>(entry: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<Found<'a>> {
    let params = entry.at("litellm_params")?;
    let field = params.at("model")?;
    let Some(place) = entry.at("model_name") else {
        entry.error(diagnostics, "`model_name` is missing", "write the name that clients ask for");
        return None;
    };
    let (config, classifier) = match field.text(diagnostics)? {
        COMPLEXITY => ("complexity_router_config", Some(ClassifierType::Heuristic)),
        TASK => ("task_router_config", None),
        other => {
            let problem = format!("unknown automatic router `{other}`");
            match nearest(other, [COMPLEXITY, TASK]) {
                Some(meant) => field.error(diagnostics, problem, format!("did you mean `{meant}`?")),
                None => {
                    let remedy = format!("write `{COMPLEXITY}` or `{TASK}`, or take the entry out");
                    field.apart(diagnostics, problem, remedy);
                }
            }
            return None;
        }
    };
    let name = place.text(diagnostics)?;
    Some(Found { name, place, config: params.at(config), params: Some(params), classifier })
}

/// Reads what was found. Aliases and fallbacks are added by the code that reads them.
pub(super) fn read(found: &[Found<'_>], names: &Names<'_>, diagnostics: &mut Diagnostics) -> Vec<Router> {
    let mut routers = Vec::new();
    for (index, one) in found.iter().enumerate() {
        check_name(one, found.iter().take(index), names, diagnostics);
        let reader = Reader { found: one, names, params: one.gaps(), before: diagnostics.errors() };
        let (kind, default) = match one.classifier {
            Some(classifier) => reader.complexity(classifier, diagnostics),
            None => reader.task(diagnostics),
        };
        let name = one.name.to_owned();
        routers.push(Router { name, aliases: Vec::new(), kind, default, router_fallbacks: RouterFallbacks::default() });
    }
    routers
}

/// Reads the settings of one complexity router, the one of that name or the first, and nothing else. Also where they stand, if that
/// is under `signalbox.routers`.
pub(super) fn one_complexity(
    root: &Field<'_>,
    name: Option<&str>,
    diagnostics: &mut Diagnostics,
) -> (ComplexityConfig, Option<String>) {
    let mut others = Diagnostics::default();
    let found = find(root, &mut others);
    let mut complexity = found.iter().filter_map(|one| Some((one, one.classifier?)));
    let named = complexity.clone().find(|(one, _)| name.is_none_or(|name| one.name == name));
    // An error in another router is no reason to refuse this one; where this one is missing, it may be the reason.
    if name.is_none() || named.is_none() {
        diagnostics.append(others);
    }
    if let Some((one, classifier)) = named {
        let own = one.params.is_none().then(|| one.place.path.clone());
        return (one.complexity(classifier, diagnostics), own);
    }
    let (problem, remedy) = match (name, complexity.next()) {
        (Some(name), Some((first, _))) => {
            let meant = nearest(name, complexity.map(|(one, _)| one.name).chain([first.name]));
            let remedy = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("the first one is `{}`", first.name),
            };
            (format!("it has no complexity router `{name}`"), remedy)
        }
        _ => ("it has no complexity router".to_owned(), format!("write `model: {COMPLEXITY}`")),
    };
    root.error(diagnostics, problem, remedy);
    (ComplexityConfig::default(), None)
}

fn check_name<'f>(
    one: &Found<'_>,
    mut before: impl Iterator<Item = &'f Found<'f>>,
    names: &Names<'_>,
    diagnostics: &mut Diagnostics,
) {
    let name = one.name;
    let taken = if before.any(|other| other.name == name) {
        "another router"
    } else if names.groups.iter().any(|group| group.name == name) {
        "a group"
    } else if names.aliases.iter().chain(names.router_aliases).any(|alias| alias.name == name) {
        "an alias"
    } else if names.deployments.iter().any(|deployment| deployment.id == name) {
        "a deployment's id"
    } else if name.is_empty() || is_pattern(name) {
        one.place.error(diagnostics, format!("`{name}` cannot name a router"), "write the name that clients ask for");
        return;
    } else {
        return;
    };
    one.place.error(diagnostics, format!("`{name}` is {taken} already"), "give the router a name of its own");
}

impl Found<'_> {
    /// The marker's own members for the request's body.
    fn gaps(&self) -> Map<String, Json> {
        let Some(params) = &self.params else { return Map::new() };
        GAPS.iter().filter_map(|name| Some(((*name).to_owned(), params.at(name)?.node.to_json()))).collect()
    }

    fn complexity(&self, classifier: ClassifierType, diagnostics: &mut Diagnostics) -> ComplexityConfig {
        let read = self.config.as_ref().map(|field| complexity::read(field, classifier, diagnostics));
        let mut config = read.unwrap_or_default();
        if let Some(field) = self.params.as_ref().and_then(|params| params.at("complexity_router_default_model")) {
            config.default_model = field.text(diagnostics).map(str::to_owned);
        }
        config
    }
}

struct Reader<'f, 'n> {
    found: &'f Found<'f>,
    names: &'f Names<'n>,
    params: Map<String, Json>,
    /// How many errors there were before this router.
    before: usize,
}

impl Reader<'_, '_> {
    fn complexity(&self, classifier: ClassifierType, diagnostics: &mut Diagnostics) -> (RouterKind, Vec<Target>) {
        let config = self.found.complexity(classifier, diagnostics);
        let written = self.found.config.as_ref().and_then(|config| config.at("tiers"));
        let mut tiers: Vec<(Tier, Vec<Target>)> = Vec::new();
        let lost = written.is_none() && !self.has_litellms_groups(&config, diagnostics);
        for (tier, models) in config.tiers.iter().filter(|_| !lost) {
            let place = written.as_ref().and_then(|tiers| tiers.at(tier.as_str()));
            let place = place.unwrap_or_else(|| self.found.place.clone());
            tiers
                .push((*tier, models.iter().filter_map(|model| self.tier_model(model, &place, diagnostics)).collect()));
        }
        let of = |wanted: Tier| tiers.iter().find(|(tier, models)| *tier == wanted && !models.is_empty());
        let default = match self.default_model(config.default_model.as_deref(), diagnostics) {
            Some(default) => default,
            None => of(Tier::Medium).or_else(|| of(Tier::Simple)).map(|(_, models)| models.clone()).unwrap_or_default(),
        };
        if default.is_empty() && diagnostics.errors() == self.before {
            let problem = "nothing serves where no tier is chosen";
            self.found.place.error(diagnostics, problem, "name a group as `default_model`, or a tier MEDIUM or SIMPLE");
        }
        if self.found.params.is_none() && config.default_model.is_none() {
            fill(&mut tiers);
        }
        if config.budget_lowering.is_some() {
            self.check_budgets(&tiers, &default, diagnostics);
        }
        (RouterKind::Complexity(Box::new(config), tiers), default)
    }

    /// A tier gives way where all of its deployments have spent their budgets; the easiest one has nowhere to go.
    fn check_budgets(&self, tiers: &[(Tier, Vec<Target>)], default: &[Target], diagnostics: &mut Diagnostics) {
        let has_budget = |index: &usize| {
            let found = self.names.deployments.get(*index);
            found.is_some_and(|of| of.budget.is_some() || self.names.with_budget.contains(&of.provider.name))
        };
        let group = |target: &Target| self.names.groups.get(target.group);
        let ends = |target: &Target| group(target).is_some_and(|group| group.deployments.iter().all(has_budget));
        let of = |tier: Tier| tiers.iter().find(|(known, targets)| *known == tier && !targets.is_empty());
        let mut harder = Tier::ALL.into_iter().skip_while(|tier| of(*tier).is_none()).skip(1);
        let gives_way = |tier: Tier| of(tier).map_or(default, |(_, targets)| targets.as_slice()).iter().all(ends);
        let field = self.found.config.as_ref().and_then(|config| config.at("budget_lowering"));
        if let (false, Some(field)) = (harder.any(gives_way), field) {
            let problem = "of no tier above the easiest all deployments have a budget, so that none is ever lowered";
            let remedy = "write `max_budget` and `budget_duration` at them, or `provider_budget_config`";
            field.warning(diagnostics, problem, remedy);
        }
    }

    /// Without `tiers` LiteLLM's own hold: whether their groups are there.
    fn has_litellms_groups(&self, config: &ComplexityConfig, diagnostics: &mut Diagnostics) -> bool {
        let models = config.tiers.iter().flat_map(|(_, models)| models).map(|model| model.group.as_str());
        let mut missing: Vec<&str> = models.filter(|name| self.names.group(name).is_none()).collect();
        missing.dedup();
        if !missing.is_empty() {
            let problem = format!("it has no `tiers`, and LiteLLM's own need the groups {}", missing.join(", "));
            self.found.place.error(diagnostics, problem, "write `tiers: {SIMPLE: group, COMPLEX: group}`");
        }
        missing.is_empty()
    }

    fn tier_model(&self, model: &TierModel, place: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Target> {
        let mut target = self.target(&model.group, &naming(place, &model.group), diagnostics)?;
        // The tier's own word is the nearer one.
        if let Json::Object(own) = &model.params {
            target.params.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        Some(target)
    }

    fn task(&self, diagnostics: &mut Diagnostics) -> (RouterKind, Vec<Target>) {
        let config = self.found.config.as_ref().map(|field| task::read(field, diagnostics)).unwrap_or_default();
        let written = self.found.config.as_ref().and_then(|config| config.at("tasks"));
        let mut tasks: Vec<(Task, Vec<Target>)> = Vec::new();
        for (task, groups) in &config.tasks {
            let place = written.as_ref().and_then(|tasks| tasks.at(task.name()));
            let place = place.unwrap_or_else(|| self.found.place.clone());
            let target = |group: &String| self.target(group, &naming(&place, group), diagnostics);
            tasks.push((*task, groups.iter().filter_map(target).collect()));
        }
        let supporting = self.supporting();
        if tasks.is_empty() {
            if supporting.is_empty() && diagnostics.errors() == self.before {
                let problem = "no task has a group";
                let remedy = "write `tasks`, or `model_info.supports` at the deployments";
                self.found.place.error(diagnostics, problem, remedy);
            }
            tasks = supporting;
        }
        let general = tasks.iter().find(|(task, _)| *task == Task::General).map(|(_, targets)| targets.clone());
        let default = self.default_model(config.default_model.as_deref(), diagnostics).or(general).unwrap_or_default();
        if default.is_empty() && diagnostics.errors() == self.before {
            let problem = "nothing serves a request of another task";
            self.found.place.error(diagnostics, problem, "name a group as `default_model`, or for the task `general`");
        }
        (RouterKind::Task(config, tasks), default)
    }

    /// The groups of each task by what their deployments support.
    fn supporting(&self) -> Vec<(Task, Vec<Target>)> {
        let supports = |group: &ModelGroup, task: Task| {
            let mut deployments = group.deployments.iter().filter_map(|index| self.names.deployments.get(*index));
            !is_pattern(&group.name) && deployments.any(|of| of.supports.iter().any(|name| name == task.name()))
        };
        let targets = |task: Task| {
            let groups = self.names.groups.iter().enumerate().filter(|(_, group)| supports(group, task));
            groups.map(|(group, _)| Target { group, params: self.params.clone() }).collect::<Vec<_>>()
        };
        Task::ALL.map(|task| (task, targets(task))).into_iter().filter(|(_, targets)| !targets.is_empty()).collect()
    }

    fn default_model(&self, name: Option<&str>, diagnostics: &mut Diagnostics) -> Option<Vec<Target>> {
        let name = name?;
        let param = self.found.params.as_ref().and_then(|params| params.at("complexity_router_default_model"));
        let field = param.or_else(|| self.found.config.as_ref()?.at("default_model"));
        let field = field.unwrap_or_else(|| self.found.place.clone());
        Some(self.target(name, &field, diagnostics).into_iter().collect())
    }

    fn target(&self, name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Target> {
        if self.names.router(name).is_some() {
            let problem = format!("`{name}` is a router, and a router chooses among groups");
            field.error(diagnostics, problem, "write the name of a group");
            return None;
        }
        let Some(group) = self.names.group(name) else {
            no_group(field, name, self.names.groups, diagnostics);
            return None;
        };
        if self.names.is_wild(group) {
            let remedy = "write a `model_list` entry for the very model, and name that";
            field.error(diagnostics, format!("`{name}` holds a `*`, which a router cannot fill"), remedy);
            return None;
        }
        Some(Target { group, params: self.params.clone() })
    }
}

/// A tier that nobody wrote has the groups of the next harder one, else of the hardest: a harder request is not to go to a weaker
/// model. (In LiteLLM it goes to the default, and so it does in what is written for LiteLLM.)
fn fill(tiers: &mut Vec<(Tier, Vec<Target>)>) {
    tiers.retain(|(_, targets)| !targets.is_empty());
    let of = |wanted: Tier| tiers.iter().find(|(tier, _)| *tier >= wanted).or_else(|| tiers.last());
    let filled = Tier::ALL.into_iter().filter_map(|tier| Some((tier, of(tier)?.1.clone()))).collect();
    *tiers = filled;
}

/// Where a name stands within a tier: a text, an item of a list, or a `model_name`.
fn naming<'a>(field: &Field<'a>, name: &str) -> Field<'a> {
    let items = match &field.node.value {
        Value::Seq(_) => field.items(&mut Diagnostics::default()),
        _ => vec![field.clone()],
    };
    let says = |field: &Field<'_>| matches!(&field.node.value, Value::Str(text) if text == name);
    let named = items.into_iter().map(|item| item.at("model_name").unwrap_or(item)).find(says);
    named.unwrap_or_else(|| field.clone())
}
