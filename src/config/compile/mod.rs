//! A tree to a [`RouterConfig`], and every mistake on the way.
//!
//! Four steps: look at every key ([`keys`]), keep those that mean something, put in the environment ([`environment`]), then
//! read section by section. A section that finds a mistake notes it and goes on, so that one run tells all.
//!
//! **Invariant:** a [`RouterConfig`] comes out only where no mistake was noted.

mod aliases;
mod deployment;
mod endpoint;
mod environment;
mod fallbacks;
mod field;
mod keys;
mod model_list;
mod names;
mod provider_name;
mod router_settings;
mod signalbox;
#[cfg_attr(not(test), expect(dead_code, reason = "the model list will ask for it"))]
mod task;

use super::model::RouterConfig;
use super::notice::Notice;
use super::tree::Node;
use field::{Field, Notes};

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

    let (groups, deployments) = model_list::read(&root, &mut notes);
    let aliases = aliases::read(&root, &groups, &mut notes);
    let fallbacks = fallbacks::read(&root, &groups, &deployments, &aliases, &mut notes);
    let router = router_settings::read(&root, &mut notes);
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
        default_fallbacks: fallbacks.default,
        router,
        signalbox,
    };
    Ok(Compiled { config, warnings, filter: keys::without_secrets(&tree) })
}
