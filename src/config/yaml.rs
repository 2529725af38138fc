//! YAML text to a tree with places, for the command line.
//!
//! It listens to the parser's events instead of taking its finished document, because only the events keep the place of every
//! key and of a key written twice. LiteLLM uses PyYAML, so the parser is a port of libyaml, which takes and refuses what PyYAML does, and
//! [`scalar`] reads values as PyYAML does. (tests/judges/test_yaml.py holds it against PyYAML.)
//!
//! A key that is written twice stands twice in the tree: whether that matters depends on where it is, and is told by the compiler.
//!
//! **Invariant:** anchors, aliases and merge keys (`<<`) are resolved here; nothing after this knows of them. What comes out is bounded in
//! size and depth, whatever goes in: an alias counts with all that it stands for, before it is copied.

mod scalar;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use libyaml_safer::{Encoding, Event, EventData, Mark, Parser, ScalarStyle};

use super::diagnostic::Diagnostics;
use super::tree::{Key, Node, Place, Value};

/// How many values a text may hold, aliases and anchors counted with all that they stand for.
const MOST_VALUES: usize = 1_000_000;
/// A text counts as one more value for each so many bytes.
const BYTES_A_VALUE: usize = 64;
/// How deep lists and maps may be nested. The filter, which reads the same as JSON, takes a little more.
const DEEPEST: usize = 60;
/// What the tags of YAML itself begin with.
const YAMLS_OWN: &str = "tag:yaml.org,2002:";
/// So many errors are enough to tell.
const MOST_ERRORS: usize = 100;

/// Reads one YAML document. An empty text is null.
///
/// # Errors
/// A syntax error, or what no configuration can be.
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
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder { left: most, ..Builder::default() };
    let known = |c: &char| {
        matches!(c, '\t' | '\n' | '\r' | '\u{85}') || !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    if let Some(at) = text.find(|c| !known(&c)) {
        let above = text.get(..at).unwrap_or_default();
        let (line, start) = (above.matches('\n').count() + 1, above.rfind('\n').map_or(0, |at| at + 1));
        let column = above.get(start..).unwrap_or_default().chars().count() + 1;
        builder.not_yaml(Some(Place { line, column }), "a control character");
        return Err(builder.diagnostics);
    }
    // The parser wants a line break at the end. A block that ends there without one has none, as in PyYAML.
    let whole = if text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    let end = if whole.len() == text.len() { u64::MAX } else { whole.len() as u64 };
    if text.contains(['!', '%']) {
        builder.parse_with_tags(&whole, end);
    } else {
        builder.parse(&whole, end);
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
    anchor: Option<String>,
    /// The key whose value comes next.
    key: Option<Key>,
    /// Where the keys of a map stand in it. A key that was merged and then written over stands there still, but not here.
    known: HashMap<String, usize>,
    /// Where merged keys stand that were written over.
    shadows: Vec<usize>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<String, Part>,
    /// How many more values there may be.
    left: usize,
    /// Whether a bound was reached: nothing more is read.
    is_over: bool,
    diagnostics: Diagnostics,
}

impl Builder {
    /// The parser panics at some tags that are none (`[!,]`). Configurations have no tags, so nobody pays for this.
    fn parse_with_tags(&mut self, text: &str, end: u64) {
        let hook = take_hook();
        set_hook(Box::new(|_| {}));
        let parsed = catch_unwind(AssertUnwindSafe(|| self.parse(text, end)));
        set_hook(hook);
        if parsed.is_err() {
            self.not_yaml(None, "a tag, `!` and a name, that is none");
        }
    }

    fn parse(&mut self, text: &str, end: u64) {
        let mut bytes = text.as_bytes();
        let mut parser = Parser::new();
        parser.set_input_string(&mut bytes);
        parser.set_encoding(Encoding::Utf8);
        while !self.is_over && self.diagnostics.len() < MOST_ERRORS {
            match parser.parse() {
                Ok(Event { data: EventData::StreamEnd, .. }) => break,
                Ok(event) => self.take(event, end),
                Err(error) => {
                    self.not_yaml(error.problem_mark().map(|mark| place(&mark)), error.problem());
                    break;
                }
            }
        }
    }

    fn not_yaml(&mut self, place: Option<Place>, why: &str) {
        let remedy = "mend the indentation or the quotes there or just above";
        self.diagnostics.error(place, "", format!("this is not YAML ({why})"), remedy);
    }

    fn take(&mut self, event: Event, end: u64) {
        let at = Some(place(&event.start_mark));
        match event.data {
            EventData::DocumentStart { .. } if self.root.is_some() => {
                let problem = "a second document begins here, which LiteLLM refuses, and which would be passed over";
                self.stop(at, problem, "take the `---` out, or put what follows into a file of its own");
            }
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if is_block && event.end_mark.index >= end && value.ends_with('\n') {
                    value.pop();
                }
                let values = 1 + value.len() / BYTES_A_VALUE;
                if self.spend(values, at) {
                    let value = self.scalar(value, tag.as_deref(), style == ScalarStyle::Plain, at);
                    self.finish(Part { node: Node { value, place: at }, values, levels: 0 }, anchor);
                }
            }
            EventData::SequenceStart { anchor, tag, .. } => {
                self.known_tag(tag.as_deref(), &["seq"], at);
                self.begin(Value::Seq(Vec::new()), at, anchor);
            }
            EventData::MappingStart { anchor, tag, .. } => {
                self.known_tag(tag.as_deref(), &["map"], at);
                self.begin(Value::Map(Vec::new()), at, anchor);
            }
            EventData::SequenceEnd | EventData::MappingEnd => {
                if let Some(mut open) = self.open.pop() {
                    let (anchor, part) = (open.anchor.take(), open.close());
                    self.finish(part, anchor);
                }
            }
            EventData::Alias { anchor } => {
                let Some((values, levels)) = self.anchors.get(&anchor).map(|part| (part.values, part.levels)) else {
                    let problem = format!("no `&{anchor}` ends before this alias");
                    return self.stop(at, problem, "write the name of a value that stands above it");
                };
                if self.spend(values, at)
                    && self.reach(self.open.len().saturating_add(levels), at)
                    && let Some(part) = self.anchors.get(&anchor).cloned()
                {
                    self.finish(Part { node: Node { place: at, ..part.node }, ..part }, None);
                }
            }
            _ => {}
        }
    }

    fn scalar(&mut self, text: String, tag: Option<&str>, is_plain: bool, at: Option<Place>) -> Value {
        match tag {
            None if is_plain => scalar::plain(&text),
            None | Some("!") => Value::Str(text),
            Some(tag) => {
                let found = tag.strip_prefix(YAMLS_OWN).and_then(|tag| scalar::tagged(&text, tag));
                if found.is_none() {
                    self.known_tag(Some(tag), &[], at);
                }
                found.unwrap_or(Value::Null)
            }
        }
    }

    /// Notes a tag that means nothing to LiteLLM.
    fn known_tag(&mut self, tag: Option<&str>, known: &[&str], at: Option<Place>) {
        let Some(tag) = tag.filter(|tag| *tag != "!") else { return };
        if tag.strip_prefix(YAMLS_OWN).is_none_or(|tag| !known.contains(&tag)) {
            let shown = tag.replace(YAMLS_OWN, "!!");
            let problem = format!("the tag `{shown}` means nothing here, and LiteLLM refuses it");
            self.diagnostics.error(at, "", problem, "write the value itself, or `os.environ/NAME`");
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

    fn begin(&mut self, value: Value, place: Option<Place>, anchor: Option<String>) {
        if self.spend(1, place) && self.reach(self.open.len() + 1, place) {
            let part = Part { node: Node { value, place }, values: 1, levels: 1 };
            self.open.push(Open { part, anchor, key: None, known: HashMap::new(), shadows: Vec::new() });
        }
    }

    fn finish(&mut self, part: Part, anchor: Option<String>) {
        if let Some(anchor) = anchor
            && self.spend(part.values, part.node.place)
        {
            self.anchors.insert(anchor, part.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root.get_or_insert(part.node);
            return;
        };
        parent.part.values = parent.part.values.saturating_add(part.values);
        parent.part.levels = parent.part.levels.max(part.levels + 1);
        if parent.awaits_key() && part.levels > 0 {
            let at = part.node.place;
            return self.stop(
                at,
                "a list or map cannot be a key",
                "put quotes around a text that begins with `{` or `[`",
            );
        }
        parent.take(part.node);
    }
}

impl Open {
    /// Whether what comes next is a key.
    const fn awaits_key(&self) -> bool {
        matches!(self.part.node.value, Value::Map(_)) && self.key.is_none()
    }

    /// Takes a value in: an item, a key, or the value of the key before.
    fn take(&mut self, node: Node) {
        match (&mut self.part.node.value, self.key.take()) {
            (Value::Map(entries), Some(key)) if key.name == "<<" => merge(entries, &mut self.known, node),
            (Value::Map(entries), Some(key)) => {
                self.known.entry(key.name.clone()).or_insert(entries.len());
                entries.push((key, node));
            }
            (Value::Map(entries), None) => {
                let (name, place) = (key_name(&node), node.place);
                let merged = self
                    .known
                    .get(&name)
                    .copied()
                    .filter(|at| entries.get(*at).is_some_and(|(key, _)| key.place.is_none()));
                // A merged key has no place of its own in this map and may be written over.
                if let Some(at) = merged {
                    self.known.remove(&name);
                    self.shadows.push(at);
                }
                self.key = Some(Key { name, place });
            }
            (Value::Seq(items), _) => items.push(node),
            _ => {}
        }
    }

    /// The list or map as it is at its end.
    fn close(mut self) -> Part {
        crate::sort::by(&mut self.shadows, Ord::cmp);
        if let (Value::Map(entries), false) = (&mut self.part.node.value, self.shadows.is_empty()) {
            let mut number = 0..;
            let shadows = &self.shadows;
            entries.retain(|_| number.next().is_none_or(|number| shadows.binary_search(&number).is_err()));
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

fn place(mark: &Mark) -> Place {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).saturating_add(1);
    Place { line: number(mark.line), column: number(mark.column) }
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
            json("[1, '1', 1.5, yes, no, ~, 1_000, 1.5e+3, -2, inf, 1.2.3, sk-1]"),
            r#"[1,"1",1.5,true,false,null,1000,1500.0,-2,"inf","1.2.3","sk-1"]"#
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
    fn a_key_written_twice_stands_twice_with_its_places() {
        let Value::Map(entries) = read("a: 1\nb: 2\na: 3\n").unwrap().value else { panic!() };
        let places: Vec<_> = entries.iter().map(|(key, _)| key.place.map(|p| (p.line, p.column)).unwrap()).collect();
        assert_eq!(places, [(1, 1), (2, 1), (3, 1)]);
    }

    /// 06: PyYAML knows no indentation within brackets and quotes.
    #[test]
    fn case_06_brackets_and_quotes_may_end_anywhere() {
        for (text, wanted) in [
            ("r:\n  f: [\n    {a: b}\n  ]\n", r#"{"r":{"f":[{"a":"b"}]}}"#),
            ("r:\n  f: {\n  a: 1\n  }\ns: 2", r#"{"r":{"f":{"a":1}},"s":2}"#),
            ("r:\n  f: [\na,\nb\n]\n", r#"{"r":{"f":["a","b"]}}"#),
            ("a: [1\n,2]", r#"{"a":[1,2]}"#),
            ("- a: 'x\n  y'", r#"[{"a":"x y"}]"#),
            ("a: {\r\n  b: 1\r\n}\r\n", r#"{"a":{"b":1}}"#),
            ("a: [x]#c", r#"{"a":["x"]}"#),
        ] {
            assert_eq!(json(text), wanted, "{text}");
        }
    }

    /// 11: PyYAML, and so LiteLLM, refuses a second document.
    #[test]
    fn case_11_a_second_document_is_an_error() {
        assert_eq!(refusal("a: 1\n---\nb: 2\n").1, (2, 1));
        assert_eq!(refusal("a: 1\n...\n---\nb: 2\n").1, (3, 1));
        assert_eq!(refusal("a: 1\n---\n").1, (2, 1));
        for text in ["---\na: 1\n", "---\na: 1\n...\n", "%YAML 1.1\n---\na: 1\n...\n# end\n", "\u{feff}---\na: 1"] {
            assert_eq!(json(text), r#"{"a":1}"#, "{text}");
        }
    }

    #[test]
    fn tags_and_what_is_no_yaml_are_told_with_their_place() {
        assert_eq!(json("a: !!str 1\nb: !!int '3'\nc: ! x\nd: !!float 1"), r#"{"a":"1","b":3,"c":"x","d":1.0}"#);
        assert_eq!(refusal("a: !ENV ${KEY}").1, (1, 4));
        assert_eq!(refusal("a: !!python/object:os.system x").1, (1, 4));
        assert!(refusal_of("a: [!,]").contains("a tag"));
        assert_eq!(refusal("a: 1\nb: \u{1}x").1, (2, 4));
        assert_eq!(refusal("a: 1\nb: {{ KEY }}").1, (2, 5), "what a template would have filled in");
        assert_eq!(json("a: |\n  x"), r#"{"a":"x"}"#);
        assert_eq!(json("a: |\n  x\n"), r#"{"a":"x\n"}"#);
        assert_eq!(json("a: 'x'\nb: [1, 2]"), r#"{"a":"x","b":[1,2]}"#);
    }

    fn refusal_of(text: &str) -> String {
        read(text).unwrap_err()[0].problem.clone()
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
        assert!(read(&"k: 1\n".repeat(100_000)).is_ok());
        let merged: String = (0..30_000).map(|number| format!("k{number}: 1,")).collect();
        let text = format!("a: &a {{{merged}}}\nb: {{<<: [{}], {merged}}}", ["*a"; 5].join(","));
        let Value::Map(entries) = read(&text).unwrap().value else { panic!() };
        let Value::Map(b) = &entries[1].1.value else { panic!() };
        assert!(b.len() == 30_000 && b.iter().all(|(key, _)| key.place.is_some()));
        // A quadratic reader takes minutes.
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }
}
