//! `os.environ/NAME`: the environment put into the tree.
//!
//! LiteLLM walks the whole tree, and so does this, save for keys: they stay names, since Envoy reads them itself. LiteLLM takes a
//! missing variable for an absent key; here it is an error, because a router that silently loses its `api_base` would send
//! prompts somewhere else.
//!
//! **Invariant:** the value of a key is never read.

use super::field::{Diagnostics, Field, below};
use super::{IS_OUTSIDE, defaults, shell};
use crate::config::tree::{Node, Value};
use crate::provider::{self, Origin, Provider};

/// What a reference starts with.
pub(super) const PREFIX: &str = "os.environ/";

/// Keys whose value stays a reference.
const LEFT: &[&str] = &[
    "api_key",
    "secret_files",
    "environment_variables",
    "extra_headers",
    "headers",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_web_identity_token",
    "master_key",
    "clients",
    "azure_ad_token",
    "client_secret",
];

/// Whether a key's value stays a reference: those, and every key of `litellm_settings` that holds a provider's key.
fn is_left(name: &str) -> bool {
    LEFT.contains(&name) || provider::is_key_setting(name)
}

/// Variables that count besides those of providers.
const READ: &[&str] = &["LITELLM_ENVIRONMENT", "USE_LITELLM_PROXY"];
/// Variables by which Python's clients go through a proxy.
const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// Reads environment variables, and tells how to mend one that is not set.
pub(super) struct Environment<'a> {
    /// The environment.
    pub(super) read: &'a dyn Fn(&str) -> Option<String>,
    /// `environment_variables`, which LiteLLM sets itself: over what is set outside, and after it has resolved all references.
    pub(super) of_litellm: Option<&'a Node>,
    /// Whether it is at hand at all.
    pub(super) is_read: bool,
}

/// Where the value of a variable is.
pub(super) enum Held {
    /// In the environment.
    Outside,
    /// In the environment, by another name.
    Reference(String),
    /// In `environment_variables`.
    Literal(String),
}

impl Environment<'_> {
    /// Where a variable that a provider's client reads for itself has its value. An empty one counts as none.
    pub(super) fn held(&self, name: &str) -> Option<Held> {
        let is_set = |name: &str| (self.read)(name).is_some_and(|value| !value.is_empty());
        let Some(node) = self.of_litellm.and_then(|section| section.entry(name)) else {
            return is_set(name).then_some(Held::Outside);
        };
        let text = match &node.value {
            Value::Str(text) => text.clone(),
            Value::Int(_) | Value::Float(_) => node.to_json().to_string(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            _ => return None,
        };
        match text.strip_prefix(PREFIX) {
            Some(other) => is_set(other).then(|| Held::Reference(other.to_owned())),
            None => (!text.is_empty()).then_some(Held::Literal(text)),
        }
    }

    /// The value of such a variable. Never asked of a key.
    pub(super) fn value(&self, name: &str) -> Option<String> {
        match self.held(name)? {
            Held::Outside => (self.read)(name),
            Held::Reference(other) => (self.read)(&other),
            Held::Literal(text) => Some(text),
        }
    }

    /// Whether such a variable is set to what Python's programs take for yes.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "true" | "1"))
    }
}

/// Replaces every reference in the tree.
pub(super) fn put_in(root: &mut Node, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    walk(root, "", env, diagnostics);
}

fn walk(node: &mut Node, path: &str, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    match &mut node.value {
        Value::Str(text) => {
            let is_base = path.ends_with(".api_base") || path.ends_with(".base_url");
            let is_secret = |name: &&str| defaults::looks_secret(name, true);
            if is_base
                && IS_OUTSIDE
                && let Some((url, names)) = shell::filled(text, env.read)
                && !names.iter().any(is_secret)
            {
                let name = names.first().copied().unwrap_or_default();
                let problem =
                    format!("the variable `{name}` is read here, where LiteLLM takes this text itself for the URL");
                let remedy = match shell::variable(text) {
                    Some(name) => format!("write `{PREFIX}{name}`"),
                    None => format!("write `{PREFIX}NAME` alone, with the whole URL in that variable"),
                };
                Field { node, path: path.to_owned() }.warning(diagnostics, problem, remedy);
                node.value = Value::Str(url);
                return;
            }
            let Some(name) = text.strip_prefix(PREFIX).map(str::to_owned) else { return };
            match (env.read)(&name) {
                Some(value) if value.is_empty() && (path.ends_with(".api_base") || path.ends_with(".base_url")) => {
                    let problem = format!("the environment variable `{name}` is empty, and names no host");
                    let remedy = "set it to the URL, or take this out where the provider's own host is meant";
                    Field { node, path: path.to_owned() }.error(diagnostics, problem, remedy);
                    node.value = Value::Unset;
                }
                Some(value) => *text = value,
                None => {
                    let problem = format!("the environment variable `{name}` is not set");
                    let remedy = match env.of_litellm.and_then(|section| section.entry(&name)) {
                        Some(_) => {
                            "LiteLLM sets `environment_variables` after it has read references: set it outside, or write the value itself"
                        }
                        None => "set it, or write the value itself",
                    };
                    Field { node, path: path.to_owned() }.error(diagnostics, problem, remedy);
                    // Nothing else shall complain about it.
                    node.value = Value::Unset;
                }
            }
        }
        Value::Seq(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), env, diagnostics);
            }
        }
        Value::Map(entries) => {
            for (key, item) in entries {
                if !is_left(&key.name) {
                    walk(item, &below(path, &key.name), env, diagnostics);
                }
            }
        }
        _ => {}
    }
}

/// Notes what of `environment_variables` nothing here reads.
pub(super) fn told(root: &Field<'_>, diagnostics: &mut Diagnostics) {
    let Some(section) = root.at("environment_variables") else { return };
    if !section.is_map(diagnostics) {
        return;
    }
    let origins = || provider::all().flat_map(Provider::origins);
    let is_read = |name: &str| {
        READ.contains(&name) || origins().any(|origin| matches!(origin, Origin::Env(known) if *known == name))
    };
    let (proxies, others): (Vec<_>, Vec<_>) = section
        .entries(diagnostics)
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !is_read(name))
        .partition(|name| PROXIES.contains(&name.to_ascii_uppercase().as_str()));
    let shown = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if !proxies.is_empty() {
        let problem = format!("{} has no effect here: Envoy connects to the providers itself", shown(&proxies));
        section.warning(
            diagnostics,
            problem,
            "let the network lead the way, or name the proxy's own API as `api_base`",
        );
    }
    if !others.is_empty() {
        let problem = format!("nothing here reads {}", shown(&others));
        section.note(diagnostics, problem, "leave it or take it out");
    }
}

/// The variables that the tree refers to, each once, in the order of the text. Keys are not among them.
pub(super) fn references(root: &Node) -> Vec<String> {
    let mut found = Vec::new();
    each(&mut root.clone(), "", &mut |_, name| {
        if !found.contains(&name) {
            found.push(name);
        }
        None
    });
    found
}

/// Puts in a stand-in for each variable, as if it were set to something that fits: `--no-env`.
pub(super) fn assume(root: &mut Node) {
    each(root, "", &mut |key, name| {
        Some(match key {
            "api_base" | "base_url" => Value::Str(format!("http://{name}")),
            "model" => Value::Str(format!("openai/{name}")),
            "model_name" => Value::Str(name),
            _ => Value::Null,
        })
    });
}

/// Goes through all references with the key that they stand under. What comes back takes the place.
fn each(node: &mut Node, key: &str, seen: &mut dyn FnMut(&str, String) -> Option<Value>) {
    match &mut node.value {
        Value::Str(text) => {
            let names = match text.strip_prefix(PREFIX) {
                Some(name) => vec![name],
                None if matches!(key, "api_base" | "base_url") => {
                    // All of them, as if each had a value.
                    shell::filled(text, &|_| Some("-".to_owned())).map_or(Vec::new(), |(_, names)| names)
                }
                None => return,
            };
            for name in names.into_iter().map(str::to_owned).collect::<Vec<_>>() {
                if let Some(value) = seen(key, name) {
                    node.value = value;
                }
            }
        }
        Value::Seq(items) => items.iter_mut().for_each(|item| each(item, key, seen)),
        Value::Map(entries) => {
            for (key, item) in entries.iter_mut().filter(|(key, _)| !is_left(&key.name)) {
                each(item, &key.name, seen);
            }
        }
        _ => {}
    }
}
