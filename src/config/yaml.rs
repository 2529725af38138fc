//! YAML text to a tree with places, for the command line.
//!
//! It listens to the parser's events instead of taking its finished document, because only the events keep the place of every
//! key and of a key written twice. Plain scalars are read as PyYAML reads them (YAML 1.1: `yes` and `on` are true), since that
//! is what LiteLLM uses.
//!
//! **Invariant:** anchors, aliases and merge keys (`<<`) are resolved here; nothing after this knows of them. What comes out is bounded in
//! size and depth, whatever goes in: an alias counts with all that it stands for, before it is copied.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use super::diagnostic::Diagnostics;
use super::tree::{Key, Node, Place, Value};

/// How many values a text may hold, aliases and anchors counted with all that they stand for.
const MOST_VALUES: usize = 1_000_000;
/// A text counts as one more value for each so many bytes.
const BYTES_A_VALUE: usize = 64;
/// How deep lists and maps may be nested. The filter, which reads the same as JSON, takes a little more.
const DEEPEST: usize = 60;
/// So many errors are enough to tell.
const MOST_ERRORS: usize = 100;

/// Reads one YAML document. An empty text is null.
///
/// # Errors
/// A syntax error, or every key that stands twice in one map.
pub fn read(text: &str) -> Result<Node, Diagnostics> {
    read_up_to(text, MOST_VALUES)
}

/// Reads a file that this program wrote, which has no aliases and is as large as it had to be.
///
/// # Errors
/// As [`read`].
pub fn read_own(text: &str) -> Result<Node, Diagnostics> {
    read_up_to(text, usize::MAX)
}

fn read_up_to(text: &str, most: usize) -> Result<Node, Diagnostics> {
    let mut builder = Builder { left: most, ..Builder::default() };
    for event in Parser::new_from_str(text) {
        if builder.is_over || builder.diagnostics.len() >= MOST_ERRORS {
            break;
        }
        match event {
            Ok((event, span)) => builder.take(event, span),
            // Its lookahead reached its own bound before a bracket came to ours.
            Err(error) if error.info().contains("recursion limit") => {
                _ = builder.reach(usize::MAX, Some(place(error.marker())));
            }
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

/// A value that is complete, and what it takes.
#[derive(Clone)]
struct Part {
    node: Node,
    /// Values in it, itself included.
    values: usize,
    /// Levels of lists and maps in it, itself included.
    levels: usize,
}

/// A list or map that is still open.
struct Open {
    /// As far as it has come.
    part: Part,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<Key>,
    /// Where the keys of a map stand in it. A key that was merged and then written over stands there still, but not here.
    known: HashMap<String, usize>,
    /// Whether a merged key was written over.
    has_shadows: bool,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Part>,
    /// How many more values there may be.
    left: usize,
    /// Whether a bound was reached: nothing more is read.
    is_over: bool,
    diagnostics: Diagnostics,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) {
        let at = Some(place(&span.start));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let values = 1 + text.len() / BYTES_A_VALUE;
                if self.spend(values, at) {
                    let text_only = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                    let value = if text_only { Value::Str(text.into_owned()) } else { plain(&text) };
                    self.finish(Part { node: Node { value, place: at }, values, levels: 0 }, anchor);
                }
            }
            Event::SequenceStart(anchor, _) => self.begin(Value::Seq(Vec::new()), at, anchor),
            Event::MappingStart(anchor, _) => self.begin(Value::Map(Vec::new()), at, anchor),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    let (anchor, part) = (open.anchor, open.close());
                    self.finish(part, anchor);
                }
            }
            Event::Alias(anchor) => {
                let Some((values, levels)) = self.anchors.get(&anchor).map(|part| (part.values, part.levels)) else {
                    return self.stop(at, "this alias stands within what it names", "name what ended before it");
                };
                if self.spend(values, at)
                    && self.reach(self.open.len().saturating_add(levels), at)
                    && let Some(part) = self.anchors.get(&anchor).cloned()
                {
                    self.finish(Part { node: Node { place: at, ..part.node }, ..part }, 0);
                }
            }
            _ => {}
        }
    }

    /// Whether there may be so many values more.
    fn spend(&mut self, values: usize, at: Option<Place>) -> bool {
        match self.left.checked_sub(values) {
            Some(left) => self.left = left,
            None => self.stop(
                at,
                format!("up to here there are more than {MOST_VALUES} values, each alias (`*name`) counted with all that it stands for"),
                "write out what is needed in place of aliases of aliases",
            ),
        }
        !self.is_over
    }

    /// Whether there may be so many levels of lists and maps.
    fn reach(&mut self, levels: usize, at: Option<Place>) -> bool {
        if levels > DEEPEST {
            let problem = format!("lists and maps are nested more than {DEEPEST} deep here");
            self.stop(at, problem, "close the brackets, or mend the indentation, above");
        }
        !self.is_over
    }

    fn stop(&mut self, at: Option<Place>, problem: impl Into<String>, remedy: &str) {
        self.is_over = true;
        self.diagnostics.error(at, "", problem, remedy);
    }

    fn begin(&mut self, value: Value, place: Option<Place>, anchor: usize) {
        if self.spend(1, place) && self.reach(self.open.len() + 1, place) {
            let part = Part { node: Node { value, place }, values: 1, levels: 1 };
            self.open.push(Open { part, anchor, key: None, known: HashMap::new(), has_shadows: false });
        }
    }

    fn finish(&mut self, part: Part, anchor: usize) {
        if anchor > 0 && self.spend(part.values, part.node.place) {
            self.anchors.insert(anchor, part.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(part.node);
            return;
        };
        parent.part.values = parent.part.values.saturating_add(part.values);
        parent.part.levels = parent.part.levels.max(part.levels + 1);
        let twice = parent.take(part.node);
        if let Some((name, place, line)) = twice {
            let path = self.path_above();
            self.diagnostics.error(
                place,
                &format!("{path}{name}"),
                format!("`{name}` already stands in line {line} of the same map"),
                "keep one of them",
            );
        }
    }

    /// The way to the map that is open, ready for the key that was just read.
    fn path_above(&self) -> String {
        let step = |open: &Open| match (&open.part.node.value, &open.key) {
            (Value::Seq(items), _) => format!("[{}].", items.len()),
            (_, Some(key)) => format!("{}.", key.name),
            _ => String::new(),
        };
        let above = self.open.split_last().map_or(&[][..], |(_, above)| above);
        above.iter().map(step).collect::<String>().replace(".[", "[")
    }
}

impl Open {
    /// Takes a value in: an item, a key, or the value of the key before. A key that is there already comes back, with its place and the
    /// line of the first.
    fn take(&mut self, node: Node) -> Option<(String, Option<Place>, usize)> {
        match (&mut self.part.node.value, self.key.take()) {
            (Value::Map(entries), Some(key)) if key.name == "<<" => merge(entries, &mut self.known, node),
            (Value::Map(entries), Some(key)) => {
                self.known.entry(key.name.clone()).or_insert(entries.len());
                entries.push((key, node));
            }
            (Value::Map(entries), None) => {
                let (name, place) = (key_name(&node), node.place);
                self.key = Some(Key { name: name.clone(), place });
                let (first, _) = self.known.get(&name).and_then(|known| entries.get(*known))?;
                if let Some(first) = first.place {
                    return Some((name, place, first.line));
                }
                // A merged key has no place of its own in this map and may be written over.
                self.known.remove(&name);
                self.has_shadows = true;
            }
            (Value::Seq(items), _) => items.push(node),
            _ => {}
        }
        None
    }

    /// The list or map as it is at its end.
    fn close(mut self) -> Part {
        if let (Value::Map(entries), true) = (&mut self.part.node.value, self.has_shadows) {
            let mut number = 0..;
            let known = &self.known;
            entries.retain(|(key, _)| known.get(&key.name).copied() == number.next());
        }
        self.part
    }
}

/// Takes over the keys of a map, or of each map in a list, that are not there yet.
fn merge(entries: &mut Vec<(Key, Node)>, known: &mut HashMap<String, usize>, from: Node) {
    match from.value {
        Value::Map(more) => {
            for (key, node) in more {
                known.entry(key.name.clone()).or_insert_with(|| {
                    entries.push((Key { place: None, ..key }, node));
                    entries.len() - 1
                });
            }
        }
        Value::Seq(maps) => maps.into_iter().for_each(|map| merge(entries, known, map)),
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

    fn refusal(text: &str) -> (String, (usize, usize)) {
        let errors = read(text).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        let error = &errors[0];
        (error.problem.clone(), error.place.map(|place| (place.line, place.column)).unwrap())
    }

    /// S14: eleven lines that stand for 9^11 values.
    #[test]
    fn s14_aliases_of_aliases_are_counted_before_they_are_copied() {
        let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (before, name) in ('a'..='j').zip('b'..='k') {
            bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "));
        }
        assert_eq!(bomb.lines().count(), 11);
        let (problem, place) = refusal(&bomb);
        assert!(problem.contains("more than 1000000 values"), "{problem}");
        assert_eq!(place.0, 6, "where it grows too large");
        // A long text has no lists in it, and takes as much.
        let (problem, place) = refusal(&format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), ["*a"; 99].join(",")));
        assert!(problem.contains("more than 1000000 values"), "{problem}");
        assert_eq!(place.0, 2);
        // Merge keys, and anchors around anchors.
        let maps = format!("a: &a {{k: {{l: 1}}}}\nb: [{}]", vec!["{<<: *a}"; 300_000].join(","));
        assert!(refusal(&maps).0.contains("values"));
        // What configurations do is far from it.
        let fair =
            format!("a: &a {{{}}}\nb: [{}]", "timeout: 1, rpm: 2, tags: [x, y]", vec!["{<<: *a}"; 10_000].join(","));
        assert!(read(&fair).is_ok());
        assert!(read_up_to("[1, 2]", 2).is_err() && read_up_to("[1, 2]", 3).is_ok() && read_own("[1, 2]").is_ok());
    }

    #[test]
    fn s14_depth_is_bounded_through_aliases_too() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        let dashes = |levels: usize| format!("{}1", "- ".repeat(levels));
        let maps = |levels: usize| format!("{}1{}", "{a: ".repeat(levels), "}".repeat(levels));
        for text in [nested, dashes, maps] {
            assert!(read(&text(DEEPEST)).is_ok());
            assert!(refusal(&text(DEEPEST + 1)).0.contains("nested more than 60 deep"), "{}", text(DEEPEST + 1));
            assert!(refusal(&text(100_000)).0.contains("nested more than 60 deep"));
        }
        assert!(refusal(&"? ".repeat(100_000)).0.contains("nested"));
        let twice = |levels: usize| format!("a: &a {}\nb: {}*a{}", nested(30), "[".repeat(levels), "]".repeat(levels));
        assert!(read(&twice(DEEPEST - 31)).is_ok());
        let (problem, place) = refusal(&twice(DEEPEST - 30));
        assert!(problem.contains("nested") && place.0 == 2, "{problem}");
        // What is read here, the filter can read too.
        let json = read(&nested(DEEPEST)).unwrap().to_json().to_string();
        assert!(Node::from_json_text(format!("{{\"config\": {{\"a\": {json}}}}}").as_bytes()).is_ok());
    }

    #[test]
    fn s14_an_alias_within_what_it_names_is_an_error() {
        assert_eq!(refusal("a: &a [1, *a]").1, (1, 11));
    }

    #[test]
    fn s14_what_is_many_takes_no_longer_than_it_is_long() {
        let started = std::time::Instant::now();
        let keys: String = (0..100_000).map(|number| format!("k{number}: 1\n")).collect();
        assert!(read(&keys).is_ok());
        assert_eq!(read(&"k: 1\n".repeat(100_000)).unwrap_err().len(), MOST_ERRORS);
        let merged: String = (0..30_000).map(|number| format!("k{number}: 1,")).collect();
        let text = format!("a: &a {{{merged}}}\nb: {{<<: [{}], {merged}}}", ["*a"; 5].join(","));
        let Value::Map(entries) = read(&text).unwrap().value else { panic!() };
        let Value::Map(b) = &entries[1].1.value else { panic!() };
        assert!(b.len() == 30_000 && b.iter().all(|(key, _)| key.place.is_some()));
        // A quadratic reader takes minutes.
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}
