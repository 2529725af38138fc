//! A tree to a [`RouterConfig`], and every mistake on the way.
//!
//! Four steps: look at every key ([`keys`]), keep those that mean something, put in the environment ([`environment`]), then
//! read section by section. A section that finds a mistake notes it and goes on, so that one run tells all.
//!
//! **Invariant:** a [`RouterConfig`] comes out only where no mistake was noted.

mod aliases;
mod budgets;
mod complexity;
mod deployment;
mod endpoint;
mod environment;
mod facts;
mod fallbacks;
mod field;
mod keys;
mod model_list;
mod names;
mod policies;
mod pre_call;
mod provider_name;
mod router_settings;
mod routers;
mod routing_groups;
mod sections;
mod signalbox;
mod strategy;
mod task;

use super::complexity::ComplexityConfig;
use super::model::RouterConfig;
use super::notice::Notice;
use super::tree::Node;
use fallbacks::Names;
use field::{Field, Notes};
pub(crate) use names::nearest;

/// A configuration that is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What the router works with.
    pub config: RouterConfig,
    /// What is not wrong, but probably not meant.
    pub warnings: Vec<Notice>,
    /// The tree that the filter compiles again: only keys that mean something, the environment put in, no secret.
    pub filter: Node,
}

/// Compiles the filter's own configuration, which [`compile`] made of the file: JSON, without secrets, the environment put in.
///
/// # Errors
/// The mistakes, in one line.
pub fn compile_json(json: &str) -> Result<RouterConfig, String> {
    let compiled = compile(&Node::from_json_text(json.as_bytes())?, &|_| None);
    compiled
        .map(|compiled| compiled.config)
        .map_err(|mistakes| mistakes.iter().map(|mistake| mistake.line("config", "")).collect::<Vec<_>>().join("; "))
}

/// A complexity router alone.
#[derive(Debug, Clone)]
pub struct OneComplexity {
    /// Its settings.
    pub config: ComplexityConfig,
    /// Where they stand, if that is under `signalbox.routers`.
    pub own: Option<String>,
    /// What is probably not meant.
    pub warnings: Vec<Notice>,
}

/// Reads a complexity router of a configuration, the one of that name or the first, and nothing else of it.
///
/// # Errors
/// Every mistake in it, in the order of the text; or that there is none.
pub fn complexity_router(root: &Node, name: Option<&str>) -> Result<OneComplexity, Vec<Notice>> {
    let root = Field::root(root);
    let mut notes = Notes::default();
    let (config, own) = routers::one_complexity(&root, name, &mut notes);
    notes.mistakes.sort_by_key(|notice| notice.place);
    notes.warnings.sort_by_key(|notice| notice.place);
    let warnings = notes.warnings;
    if notes.mistakes.is_empty() { Ok(OneComplexity { config, own, warnings }) } else { Err(notes.mistakes) }
}

/// Compiles a configuration. `env` reads an environment variable.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn compile(root: &Node, env: &dyn Fn(&str) -> Option<String>) -> Result<Compiled, Vec<Notice>> {
    let mut notes = Notes::default();
    keys::check(root, &mut notes);
    let mut tree = keys::keep_known(root);
    let env = environment::Environment { read: env, of_litellm: root.entry("environment_variables") };
    environment::put_in(&mut tree, &env, &mut notes);
    let root = Field::root(&tree);

    let router = router_settings::read(&root, &mut notes);
    let (mut groups, deployments) = model_list::read(&root, &mut notes);
    for group in &mut groups {
        (group.strategy, group.strategy_args) = (router.strategy, router.strategy_args);
    }
    routing_groups::read(&root, &mut groups, &deployments, &mut notes);
    let found = routers::find(&root, &mut notes);
    let router_names: Vec<&str> = found.iter().map(|router| router.name).collect();
    let (aliases, of_routers) = aliases::read(&root, &groups, &router_names, &mut notes);
    let with_budget: Vec<&str> = router.provider_budgets.iter().map(|(provider, _)| *provider).collect();
    let names = Names {
        groups: &groups,
        deployments: &deployments,
        aliases: &aliases,
        routers: &router_names,
        router_aliases: &of_routers,
        with_budget: &with_budget,
    };
    let mut routers = routers::read(&found, &names, &mut notes);
    let fallbacks = fallbacks::read(&root, &names, &mut notes);
    for (index, router) in routers.iter_mut().enumerate() {
        let own = of_routers.iter().filter(|alias| alias.group == index);
        router.aliases = own.map(|alias| (alias.name.clone(), alias.hidden)).collect();
        router.stand_ins = fallbacks.of_router(index);
    }
    let policies = policies::by_group(&root, &names, &mut notes);
    groups.iter_mut().zip(policies).for_each(|(group, policy)| group.retry_policy = policy);
    let signalbox = signalbox::read(&root, &mut notes);

    let (mut mistakes, mut warnings) = (notes.mistakes, notes.warnings);
    mistakes.sort_by_key(|notice| notice.place);
    warnings.sort_by_key(|notice| notice.place);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    let config = RouterConfig {
        groups,
        deployments,
        aliases,
        fallbacks: fallbacks.by_group,
        context_window_fallbacks: fallbacks.context_window,
        content_policy_fallbacks: fallbacks.content_policy,
        default_fallbacks: fallbacks.default,
        routers,
        router,
        signalbox,
    };
    Ok(Compiled { config, warnings, filter: keys::without_secrets(&tree) })
}
