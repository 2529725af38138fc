//! A tree to a [`RouterConfig`], and every error on the way.
//!
//! Five steps: look at every key ([`keys`]), keep those that mean something, put in the environment ([`environment`]) and the
//! credentials that entries name ([`credentials`]), then read section by section. A section that finds an error notes it and goes on, so that one run tells all.
//!
//! **Invariant:** a [`RouterConfig`] comes out only where no error was noted.

mod access;
mod aliases;
mod aws;
mod budgets;
mod clients;
mod complexity;
mod credentials;
mod defaults;
mod deployment;
mod edge;
mod elsewhere;
mod endpoint;
mod entra;
mod environment;
mod facts;
mod fallbacks;
mod field;
mod for_filter;
mod guards;
mod infer;
mod keys;
mod left_out;
mod model_list;
mod names;
mod origin;
mod policies;
mod pre_call;
mod profiles;
mod provider_name;
mod router_settings;
mod routers;
mod routing_groups;
mod sections;
mod shell;
mod signalbox;
mod strategy;
mod task;
mod twice;
mod wildcards;

use super::complexity::ComplexityConfig;
use super::diagnostic::{Diagnostics, Severity};
use super::model::{Access, RouterConfig};
use super::tree::Node;
use fallbacks::Names;
use field::Field;
pub(crate) use names::nearest;

/// This is the command line and not the filter, which compiles what was checked outside: what only a check or Envoy needs is no part of the
/// module.
const IS_OUTSIDE: bool = cfg!(feature = "cli");

/// A configuration that is right.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What the router works with.
    pub config: RouterConfig,
    /// Warnings and notes, in the order of the text.
    pub diagnostics: Diagnostics,
    /// The environment variables that fill texts (`os.environ/NAME`), each once. Those of keys are not read here.
    pub variables: Vec<String>,
    /// The tree that the filter compiles again: only keys that mean something, the environment put in, no secret.
    pub filter: Node,
}

/// Compiles the filter's own configuration, which [`compile`] made of the file: JSON, without secrets, the environment put in.
///
/// # Errors
/// The errors, in one line.
pub fn compile_json(json: &str) -> Result<RouterConfig, String> {
    let compiled = compile(&Node::from_json_text(json.as_bytes())?, &|_| None);
    compiled
        .map(|compiled| compiled.config)
        .map_err(|found| found.of(Severity::Error).map(|error| error.line("config")).collect::<Vec<_>>().join("; "))
}

/// A complexity router alone.
#[derive(Debug, Clone)]
pub struct OneComplexity {
    /// Its settings.
    pub config: ComplexityConfig,
    /// Where they stand, if that is under `signalbox.routers`.
    pub own: Option<String>,
    /// Warnings and notes.
    pub diagnostics: Diagnostics,
}

/// Reads a complexity router of a configuration, the one of that name or the first, and nothing else of it.
///
/// # Errors
/// Everything there is to say, with at least one error, in the order of the text.
pub fn complexity_router(root: &Node, name: Option<&str>) -> Result<OneComplexity, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let root = twice::settled(root, &mut diagnostics);
    let root = Field::root(&root);
    let (config, own) = routers::one_complexity(&root, name, &mut diagnostics);
    diagnostics.sort();
    if diagnostics.errors() == 0 { Ok(OneComplexity { config, own, diagnostics }) } else { Err(diagnostics) }
}

/// Compiles a configuration. `env` reads an environment variable.
///
/// # Errors
/// Everything there is to say, with at least one error, in the order of the text: warnings and notes stand beside the errors.
pub fn compile(written: &Node, env: &dyn Fn(&str) -> Option<String>) -> Result<Compiled, Diagnostics> {
    compile_with(written, env, true)
}

/// The same where the environment is not at hand: every variable counts as set to something that fits. What comes out is for
/// looking at, not for Envoy.
///
/// # Errors
/// As [`compile`].
pub fn without_environment(written: &Node) -> Result<Compiled, Diagnostics> {
    compile_with(written, &|_| None, false)
}

/// Compiles a tree with the last of the keys that stand twice in it.
fn compile_with(written: &Node, env: &dyn Fn(&str) -> Option<String>, is_read: bool) -> Result<Compiled, Diagnostics> {
    if !IS_OUTSIDE {
        return compile_some(written, env, is_read);
    }
    let mut twice = Diagnostics::default();
    let compiled = compile_some(&twice::settled(written, &mut twice), env, is_read);
    let with = |mut diagnostics: Diagnostics| {
        diagnostics.append(twice.clone());
        diagnostics.sort();
        diagnostics
    };
    match compiled {
        Ok(compiled) if twice.errors() == 0 => Ok(Compiled { diagnostics: with(compiled.diagnostics), ..compiled }),
        Ok(compiled) => Err(with(compiled.diagnostics)),
        Err(found) => Err(with(found)),
    }
}

/// Compiles a tree, and a second time without the entries that are left out for their errors.
fn compile_some(written: &Node, env: &dyn Fn(&str) -> Option<String>, is_read: bool) -> Result<Compiled, Diagnostics> {
    let found = match compile_all(written, written, env, is_read) {
        Ok(compiled) => return Ok(compiled),
        Err(found) => found,
    };
    let Some((tree, told)) = left_out::without_invalid(written, &found) else { return Err(found) };
    let with = |mut diagnostics: Diagnostics| {
        diagnostics.append(told);
        diagnostics.sort();
        diagnostics
    };
    match compile_all(&tree, written, env, is_read) {
        Ok(compiled) => Ok(Compiled { diagnostics: with(compiled.diagnostics), ..compiled }),
        Err(_) if !left_out::is_asked_for(written) => Err(found),
        Err(found) => Err(with(found)),
    }
}

/// The tree with nothing but the keys that mean something, and in its entries what the environment, credentials and the router say of
/// them; and the variables that it names.
fn prepared(written: &Node, env: &environment::Environment<'_>, diagnostics: &mut Diagnostics) -> (Node, Vec<String>) {
    keys::check(written, diagnostics);
    let mut tree = keys::keep_known(written);
    if IS_OUTSIDE {
        clients::put_in_master_key(&mut tree, env, diagnostics);
        access::put_in_jwt(&mut tree, env);
    }
    let variables = environment::references(&tree);
    if !env.is_read {
        environment::assume(&mut tree);
    }
    environment::put_in(&mut tree, env, diagnostics);
    elsewhere::leave_out(&mut tree, env, diagnostics);
    credentials::put_in(&mut tree, diagnostics);
    defaults::put_in(&mut tree, diagnostics);
    if IS_OUTSIDE {
        profiles::put_in(&mut tree, diagnostics);
    }
    wildcards::write_out(&mut tree, env, diagnostics);
    (tree, variables)
}

/// Compiles a tree. `whole` is that tree with the entries that were left out of it.
fn compile_all(
    written: &Node,
    whole: &Node,
    env: &dyn Fn(&str) -> Option<String>,
    is_read: bool,
) -> Result<Compiled, Diagnostics> {
    let mut diagnostics = Diagnostics::default();
    let env = environment::Environment { read: env, of_litellm: written.entry("environment_variables"), is_read };
    let (tree, variables) = prepared(written, &env, &mut diagnostics);
    let root = Field::root(&tree);

    elsewhere::check(&root, &env, &mut diagnostics);
    environment::told(&root, &mut diagnostics);
    let router = router_settings::read(&root, &mut diagnostics);
    let (mut groups, deployments) = model_list::read(&root, &env, &mut diagnostics);
    for group in &mut groups {
        (group.strategy, group.strategy_args) = (router.strategy, router.strategy_args);
    }
    routing_groups::read(&root, &mut groups, &deployments, &mut diagnostics);
    let found = routers::find(&root, &mut diagnostics);
    let router_names: Vec<&str> = found.iter().map(|router| router.name).collect();
    let (aliases, of_routers) = aliases::read(&root, &groups, &router_names, &mut diagnostics);
    let with_budget: Vec<&str> = router.provider_budgets.iter().map(|(provider, _)| *provider).collect();
    let gone = left_out::gone(whole, &tree);
    let names = Names {
        gone: &gone,
        groups: &groups,
        deployments: &deployments,
        aliases: &aliases,
        routers: &router_names,
        router_aliases: &of_routers,
        with_budget: &with_budget,
    };
    let mut routers = routers::read(&found, &names, &mut diagnostics);
    let fallbacks = fallbacks::read(&root, &names, &mut diagnostics);
    for (index, router) in routers.iter_mut().enumerate() {
        let own = of_routers.iter().filter(|alias| alias.group == index);
        router.aliases = own.map(|alias| (alias.name.clone(), alias.hidden)).collect();
        router.router_fallbacks = fallbacks.of_router(index);
    }
    let policies = policies::by_group(&root, &names, &mut diagnostics);
    groups.iter_mut().zip(policies).for_each(|(group, policy)| group.retry_policy = policy);
    let signalbox = signalbox::read(&root, &mut diagnostics);
    let clients = clients::read(&root, &mut diagnostics);
    let access = if IS_OUTSIDE { access::read(&root, &mut diagnostics) } else { Access::default() };
    guards::check(written, &signalbox.listen, access.jwt.is_some(), &mut diagnostics);
    let filter = for_filter::of(&tree, &deployments, &gone);
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
        clients,
        access,
    };
    if IS_OUTSIDE {
        clients::check(&root, &config, &mut diagnostics);
    }
    diagnostics.sort();
    if diagnostics.errors() > 0 {
        return Err(diagnostics);
    }
    Ok(Compiled { config, diagnostics, variables, filter })
}
