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
mod routing_groups;
mod sections;
mod signalbox;
mod strategy;
#[cfg_attr(not(test), expect(dead_code, reason = "the model list will ask for it"))]
mod task;

use super::complexity::ComplexityConfig;
use super::model::RouterConfig;
use super::notice::Notice;
use super::tree::{Node, Value};
use fallbacks::Names;
use field::{Field, Notes};
pub(crate) use names::nearest;

/// What stands for a provider's model where the complexity router chooses one.
const COMPLEXITY_ROUTER: &str = "auto_router/complexity_router";

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

/// Reads the complexity router of a configuration, the first where there are several, and nothing else of it.
///
/// # Errors
/// Every mistake in it, in the order of the text; or that there is none.
pub fn complexity_router(root: &Node) -> Result<(ComplexityConfig, Vec<Notice>), Vec<Notice>> {
    let root = Field::root(root);
    let mut notes = Notes::default();
    let entries = root.at("model_list").map(|list| list.items(&mut notes)).unwrap_or_default();
    let params = entries.iter().filter_map(|entry| entry.at("litellm_params")).find(|params| {
        let model = params.at("model").map(|model| &model.node.value);
        matches!(model, Some(Value::Str(model)) if model == COMPLEXITY_ROUTER)
    });
    let mut config = ComplexityConfig::default();
    match &params {
        None => root.mistake(&mut notes, "it has no complexity router", format!("write `model: {COMPLEXITY_ROUTER}`")),
        Some(params) => {
            if let Some(field) = params.at("complexity_router_config") {
                config = complexity::read(&field, &mut notes);
            }
            if let Some(field) = params.at("complexity_router_default_model") {
                config.default_model = field.text(&mut notes).map(str::to_owned);
            }
        }
    }
    notes.mistakes.sort_by_key(|notice| notice.place);
    notes.warnings.sort_by_key(|notice| notice.place);
    if notes.mistakes.is_empty() { Ok((config, notes.warnings)) } else { Err(notes.mistakes) }
}

/// Compiles a configuration. `env` reads an environment variable.
///
/// # Errors
/// Every mistake, in the order of the text.
pub fn compile(root: &Node, env: &dyn Fn(&str) -> Option<String>) -> Result<Compiled, Vec<Notice>> {
    let mut notes = Notes::default();
    keys::check(root, &mut notes);
    let mut tree = keys::keep_known(root);
    environment::put_in(&mut tree, env, &mut notes);
    let root = Field::root(&tree);

    let router = router_settings::read(&root, &mut notes);
    let (mut groups, deployments) = model_list::read(&root, &mut notes);
    for group in &mut groups {
        (group.strategy, group.strategy_args) = (router.strategy, router.strategy_args);
    }
    routing_groups::read(&root, &mut groups, &deployments, &mut notes);
    let aliases = aliases::read(&root, &groups, &mut notes);
    let names = Names { groups: &groups, deployments: &deployments, aliases: &aliases };
    let fallbacks = fallbacks::read(&root, &names, &mut notes);
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
        router,
        signalbox,
    };
    Ok(Compiled { config, warnings, filter: keys::without_secrets(&tree) })
}
