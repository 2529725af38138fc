//! YAML text to a tree with places, for the command line.
//!
//! It listens to the parser's events instead of taking its finished document, because only the events keep the place of every
//! key and of a key written twice. Plain scalars are read as PyYAML reads them (YAML 1.1: `yes` and `on` are true), since that
//! is what LiteLLM uses.
//!
//! **Invariant:** anchors, aliases and merge keys (`<<`) are resolved here; nobody after this knows of them.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::diagnostic::Diagnostics;
use super::tree::{Key, Node, Place, Value};

/// Reads one YAML document. An empty text is null.
///
/// # Errors
/// A syntax error, or every key that stands twice in one map.
pub fn read(text: &str) -> Result<Node, Diagnostics> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => {
                builder.diagnostics.error(
                    Some(place(error.marker())),
                    "",
                    format!("this is not YAML ({})", error.info()),
                    "mend the indentation or the quotes there or just above",
                );
                break;
            }
        }
    }
    if builder.diagnostics.is_empty() {
        Ok(builder.root.unwrap_or(Node::new(Value::Null)))
    } else {
        Err(builder.diagnostics)
    }
}

/// A list or map that is still open.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<Key>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    diagnostics: Diagnostics,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) {
        let at = Some(place(&span.start));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text_only = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                let value = if text_only { Value::Str(text.into_owned()) } else { plain(&text) };
                self.finish(Node { value, place: at }, anchor);
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Seq(Vec::new()), at, anchor),
            Event::MappingStart(anchor, _) => self.begin(Value::Map(Vec::new()), at, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { node, anchor, .. }) = self.open.pop() {
                    self.finish(node, anchor);
                }
            }
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned().unwrap_or(Node::new(Value::Null));
                self.finish(Node { place: at, ..node }, 0);
            }
            _ => {}
        }
    }

    fn begin(&mut self, value: Value, place: Option<Place>, anchor: usize) {
        self.open.push(Open { node: Node { value, place }, anchor, key: None });
    }

    fn finish(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let path = self.path();
        let Some(Open { node: parent, key, .. }) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        match (&mut parent.value, key.take()) {
            (Value::Map(entries), Some(key)) if key.name == "<<" => merge(entries, node),
            (Value::Map(entries), Some(key)) => entries.push((key, node)),
            (Value::Map(entries), None) => {
                let name = key_name(&node);
                // A merged key keeps no place of its own in this map and may be written over.
                entries.retain(|(known, _)| known.name != name || known.place.is_some());
                if let Some((first, _)) = entries.iter().find(|(known, _)| known.name == name) {
                    let line = first.place.map_or(0, |place| place.line);
                    self.diagnostics.error(
                        node.place,
                        &format!("{path}{name}"),
                        format!("`{name}` already stands in line {line} of the same map"),
                        "keep one of them",
                    );
                }
                *key = Some(Key { name, place: node.place });
            }
            (Value::Seq(items), _) => items.push(node),
            _ => {}
        }
    }

    /// The way to the list or map that is open, ready for a key.
    fn path(&self) -> String {
        let step = |open: &Open| match (&open.node.value, &open.key) {
            (Value::Seq(items), _) => format!("[{}].", items.len()),
            (_, Some(key)) => format!("{}.", key.name),
            _ => String::new(),
        };
        self.open.iter().map(step).collect::<String>().replace(".[", "[")
    }
}

/// Takes over the keys of a map, or of each map in a list, that are not there yet.
fn merge(entries: &mut Vec<(Key, Node)>, from: Node) {
    match from.value {
        Value::Map(more) => {
            for (key, node) in more {
                if !entries.iter().any(|(known, _)| known.name == key.name) {
                    entries.push((Key { place: None, ..key }, node));
                }
            }
        }
        Value::Seq(maps) => maps.into_iter().for_each(|map| merge(entries, map)),
        _ => {}
    }
}

fn key_name(node: &Node) -> String {
    match &node.value {
        Value::Str(text) => text.clone(),
        _ => node.to_json().to_string(),
    }
}

fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// What an unquoted scalar means.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Value::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => return Value::Float(f64::INFINITY),
        _ => {}
    }
    // Rust reads "inf", "nan" and "infinity" as numbers; YAML does not.
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E' | '_'));
    if numeric {
        let digits = text.replace('_', "");
        if let Ok(whole) = digits.parse() {
            return Value::Int(whole);
        }
        if let Ok(number) = digits.parse() {
            return Value::Float(number);
        }
    }
    Value::Str(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        read(text).unwrap().to_json().to_string()
    }

    #[test]
    fn scalars_are_read_as_litellm_reads_them() {
        assert_eq!(
            json("[1, '1', 1.5, yes, no, ~, 1_000, 1e3, -2, inf, 1.2.3, sk-1]"),
            r#"[1,"1",1.5,true,false,null,1000,1000.0,-2,"inf","1.2.3","sk-1"]"#
        );
        assert_eq!(json(""), "null");
    }

    #[test]
    fn anchors_aliases_and_merge_keys() {
        assert_eq!(
            json("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: *x"),
            r#"{"a":{"k":1,"l":2},"b":{"k":1,"l":3},"c":{"k":1,"l":2}}"#
        );
        assert_eq!(json("a: &x {k: 1}\nb: {l: 3, k: 4, <<: *x}"), r#"{"a":{"k":1},"b":{"l":3,"k":4}}"#);
    }

    #[test]
    fn a_key_written_twice_is_an_error_with_its_place() {
        let diagnostics = read("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n").unwrap_err();
        let places: Vec<_> =
            diagnostics.iter().map(|diagnostic| diagnostic.place.map(|p| (p.line, p.column))).collect();
        assert_eq!(places, [Some((4, 3)), Some((5, 1))]);
        assert_eq!(diagnostics[0].path, "b.c");
    }

    #[test]
    fn broken_yaml_names_its_place() {
        let diagnostics = read("a:\n  - b\n c: [\n").unwrap_err();
        assert_eq!(diagnostics.len(), 1);
        assert!(diagnostics[0].place.unwrap().line >= 3);
    }
}
