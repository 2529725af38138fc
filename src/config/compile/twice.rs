//! Keys that stand twice in one map: one of the two would not count, and nobody could say which was meant.
//!
//! Looked for in what is kept of a configuration, so that a section that nothing here reads may hold what it likes.
//!
//! **Invariant:** after this without an error, every name stands once in its map.

use std::collections::HashMap;

use super::field::below;
use crate::config::diagnostic::Diagnostics;
use crate::config::tree::{Node, Value};

/// So many are enough to tell.
const MOST: usize = 100;

/// Notes every key that stands in its map a second time.
pub(super) fn check(tree: &Node, diagnostics: &mut Diagnostics) {
    let mut left = MOST;
    walk(tree, "", &mut left, diagnostics);
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
                        diagnostics.error(key.place, &path, problem, "keep one of them");
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
