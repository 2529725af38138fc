//! Entries that are left out, each with what is wrong as a warning: those that nobody here could ask (no provider of that name, a
//! credential that is not in the file), while others can be; and with `ignore_invalid_deployments` all that have errors. LiteLLM's proxy
//! leaves out every entry that it cannot use, and says it in its log.
//!
//! **Invariant:** an entry is left out whole, and what stands elsewhere is never ignored.

use super::field::Field;
use crate::config::diagnostic::{Diagnostics, Severity};
use crate::config::tree::{Node, Value};

/// Whether the file asks for it.
pub(super) fn is_asked_for(written: &Node) -> bool {
    let wanted = written.entry("router_settings").and_then(|settings| settings.entry("ignore_invalid_deployments"));
    wanted.and_then(|wanted| Field::root(wanted).flag(&mut Diagnostics::default())).unwrap_or(false)
}

/// The tree without the entries that have errors, and these errors as warnings; `None`: there are none, or there are errors of another
/// kind.
pub(super) fn without_invalid(written: &Node, found: &Diagnostics) -> Option<(Node, Diagnostics)> {
    if !is_asked_for(written) && found.of(Severity::Error).any(|error| !error.is_apart) {
        return None;
    }
    let mut told = Diagnostics::default();
    let mut indices = Vec::new();
    for error in found.of(Severity::Error) {
        let Some(index) = index(&error.path) else { continue };
        indices.push(index);
        let remedy = format!("this deployment is left out until it is mended: {}", error.remedy);
        told.warning(error.place, &error.path, &error.problem, remedy);
    }
    let mut tree = written.clone();
    let Value::Map(sections) = &mut tree.value else { return None };
    let list = sections.iter_mut().find(|(key, _)| key.name == "model_list")?;
    let Value::Seq(entries) = &mut list.1.value else { return None };
    let invalid = entries.iter_mut().enumerate().filter(|(index, _)| indices.contains(index));
    let invalid = invalid.filter(|(_, entry)| entry.value != Value::Unset);
    let count = invalid.map(|(_, entry)| entry.value = Value::Unset).count();
    (count > 0).then_some((tree, told))
}

/// Which entry of `model_list` a path leads into.
fn index(path: &str) -> Option<usize> {
    path.strip_prefix("model_list[")?.split_once(']')?.0.parse().ok()
}

/// The names of groups that the file has and the tree no longer.
pub(super) fn gone(written: &Node, tree: &Node) -> Vec<String> {
    let names = |root: &Node| -> Vec<String> {
        let entries = match root.entry("model_list").map(|list| &list.value) {
            Some(Value::Seq(entries)) => entries.as_slice(),
            _ => &[],
        };
        let name = |entry: &Node| match &entry.entry("model_name")?.value {
            Value::Str(name) => Some(name.clone()),
            _ => None,
        };
        entries.iter().filter_map(name).collect()
    };
    let left = names(tree);
    names(written).into_iter().filter(|name| !left.contains(name)).collect()
}
