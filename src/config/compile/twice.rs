//! Keys that stand twice in one map. In LiteLLM's sections the last one counts, as there, with a warning; in our own nobody could say which was
//! meant.
//!
//! Told of what is kept of a configuration, so that a section that nothing here reads may hold what it likes.
//!
//! **Invariant:** after this every name stands once in its map.

use std::collections::HashMap;

use super::field::below;
use super::keys;
use crate::config::diagnostic::Diagnostics;
use crate::config::tree::{Node, Value};

/// So many are enough to tell.
const MOST: usize = 100;

/// The tree with the last of such keys alone, each of them told.
pub(super) fn settled(written: &Node, diagnostics: &mut Diagnostics) -> Node {
    let mut left = MOST;
    walk(&keys::keep_known(written), "", &mut left, diagnostics);
    let mut tree = written.clone();
    if left < MOST {
        keep_last(&mut tree);
    }
    tree
}

fn keep_last(node: &mut Node) {
    match &mut node.value {
        Value::Seq(items) => items.iter_mut().for_each(keep_last),
        Value::Map(entries) => {
            let last: HashMap<String, usize> =
                entries.iter().enumerate().map(|(index, (key, _))| (key.name.clone(), index)).collect();
            let mut index = 0;
            entries.retain(|(key, _)| {
                index += 1;
                last.get(&key.name) == Some(&(index - 1))
            });
            entries.iter_mut().for_each(|(_, value)| keep_last(value));
        }
        _ => {}
    }
}

fn walk(node: &Node, path: &str, left: &mut usize, diagnostics: &mut Diagnostics) {
    match &node.value {
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, &format!("{path}[{index}]"), left, diagnostics);
            }
        }
        Value::Map(entries) => {
            let mut lines: HashMap<&str, usize> = HashMap::with_capacity(entries.len());
            for (key, value) in entries {
                let path = below(path, &key.name);
                let line = key.place.map_or(0, |place| place.line);
                if let Some(first) = lines.get(key.name.as_str()) {
                    if *left > 0 {
                        *left -= 1;
                        let problem = format!("`{}` already stands in line {first} of the same map", key.name);
                        if path.starts_with("signalbox.") {
                            diagnostics.error(key.place, &path, problem, "keep one of them");
                        } else {
                            let problem = format!("{problem}, and this one alone counts, as in LiteLLM");
                            diagnostics.warning(key.place, &path, problem, "keep one of them");
                        }
                    }
                } else {
                    lines.insert(&key.name, line);
                }
                walk(value, &path, left, diagnostics);
            }
        }
        _ => {}
    }
}
