//! `os.environ/NAME`: the environment put into the tree.
//!
//! LiteLLM walks the whole tree, and so does this, save for keys: they stay names, since Envoy reads them itself. LiteLLM takes a
//! missing variable for an absent key; here it is an error, because a router that silently loses its `api_base` would send
//! prompts somewhere else.
//!
//! **Invariant:** the value of an `api_key` is never read.

use super::field::{Diagnostics, Field, below};
use crate::config::tree::{Node, Value};

/// What a reference starts with.
pub(super) const PREFIX: &str = "os.environ/";

/// Keys whose value stays a reference.
const LEFT: &[&str] = &["api_key", "secret_files"];

/// Reads environment variables, and tells how to mend one that is not set.
pub(super) struct Environment<'a> {
    /// The environment.
    pub(super) read: &'a dyn Fn(&str) -> Option<String>,
    /// LiteLLM's `environment_variables`, which it would set itself.
    pub(super) of_litellm: Option<&'a Node>,
}

/// Replaces every reference in the tree.
pub(super) fn put_in(root: &mut Node, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    walk(root, "", env, diagnostics);
}

fn walk(node: &mut Node, path: &str, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    match &mut node.value {
        Value::Str(text) => {
            let Some(name) = text.strip_prefix(PREFIX).map(str::to_owned) else { return };
            match (env.read)(&name) {
                Some(value) => *text = value,
                None => {
                    let problem = format!("the environment variable `{name}` is not set");
                    let remedy = match env.of_litellm.and_then(|section| section.entry(&name)) {
                        Some(_) => {
                            "`environment_variables` has no effect here: set it outside, or write the value itself"
                        }
                        None => "set it, or write the value itself",
                    };
                    Field { node, path: path.to_owned() }.error(diagnostics, problem, remedy);
                    // Null reads as absent: nothing else shall complain about the reference.
                    node.value = Value::Null;
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
                if !LEFT.contains(&key.name.as_str()) {
                    walk(item, &below(path, &key.name), env, diagnostics);
                }
            }
        }
        _ => {}
    }
}
