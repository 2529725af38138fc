//! JSON to YAML that people can read.
//!
//! Block style throughout, a text of several lines as a literal block, quotes only where a plain text would mean something else. A map may
//! carry a remark under the key [`REMARK`], which stands above it as a comment.
//! Written here because it is smaller than a dependency, and its output is golden.
//!
//! **Invariant:** reading what is written gives the same value back, without its remarks.

use serde_json::Value;

/// The key of a remark, the first of its map. Nothing that is made here has such a key otherwise.
pub const REMARK: &str = "#";

/// Writes one document.
#[must_use]
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    block(value, 0, &mut out);
    out
}

/// Writes the lines of a map or list at an indentation; a scalar on the line that was begun.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    margin(indent, out);
                }
                if let (REMARK, Some(remark)) = (key.as_str(), value.as_str()) {
                    comment(remark, indent, out);
                    continue;
                }
                out.push_str(&scalar(key));
                out.push(':');
                under_key(value, indent, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    margin(indent, out);
                }
                out.push_str("- ");
                block(item, indent + 2, out);
            }
        }
        _ => {
            out.push_str(&line(value, indent));
            out.push('\n');
        }
    }
}

/// The lines of a remark. The first one has its margin.
fn comment(remark: &str, indent: usize, out: &mut String) {
    for (index, line) in remark.lines().enumerate() {
        if index > 0 {
            margin(indent, out);
        }
        out.push_str("# ");
        out.push_str(line);
        out.push('\n');
    }
}

/// A value without its remarks.
#[must_use]
pub fn without_remarks(value: &Value) -> Value {
    match value {
        Value::Object(entries) => {
            let entries = entries.iter().filter(|(key, _)| *key != REMARK);
            Value::Object(entries.map(|(key, value)| (key.clone(), without_remarks(value))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_remarks).collect()),
        _ => value.clone(),
    }
}

/// What stands behind `key:`.
fn under_key(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            out.push('\n');
            margin(indent + 2, out);
            block(value, indent + 2, out);
        }
        // Lists stand below their key without more indentation, as Envoy's own examples have them.
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            margin(indent, out);
            block(value, indent, out);
        }
        _ => {
            out.push(' ');
            out.push_str(&line(value, indent + 2));
            out.push('\n');
        }
    }
}

fn margin(indent: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', indent));
}

/// A scalar, or an empty map or list.
fn line(value: &Value, indent: usize) -> String {
    match value {
        Value::String(text) if is_block(text) => {
            let mut out = "|-".to_owned();
            for line in text.split('\n') {
                out.push('\n');
                if !line.is_empty() {
                    margin(indent, &mut out);
                }
                out.push_str(line);
            }
            out
        }
        Value::String(text) => scalar(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        _ => value.to_string(),
    }
}

/// Whether a text may be a literal block: several lines, no odd beginning or end, nothing that must be escaped.
fn is_block(text: &str) -> bool {
    text.contains('\n')
        && !text.starts_with([' ', '\n', '\t'])
        && !text.ends_with('\n')
        && !text.chars().any(|c| c != '\n' && c.is_control())
}

fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '_')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(|c| c.is_ascii_graphic() || c == ' ')
        && !text.contains(['{', '}', '[', ']', ','])
        && !means_something_else(text);
    // JSON's escapes are YAML's too.
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

fn means_something_else(text: &str) -> bool {
    matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n" | "nan" | "inf" | "infinity"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_reads_well() {
        let value = json!({"a": {"b": [1, {"c": "x", "d": []}, [2, 3]]}, "e": "yes", "f": "l1\n  l2\n\nl3", "g": "10", "@type": "t.c/x"});
        let text = "a:\n  b:\n  - 1\n  - c: x\n    d: []\n  - - 2\n    - 3\ne: \"yes\"\nf: |-\n  l1\n    l2\n\n  l3\ng: \"10\"\n\"@type\": t.c/x\n";
        assert_eq!(write(&value), text);
    }

    #[test]
    fn remarks_are_comments() {
        let value = json!({"#": "All.", "a": [{"#": "One\nof two.", "b": 1}, {"b": {"#": "Deep.", "c": 2}}]});
        let text = "# All.\na:\n- # One\n  # of two.\n  b: 1\n- b:\n    # Deep.\n    c: 2\n";
        assert_eq!(write(&value), text);
        assert_eq!(without_remarks(&value), json!({"a": [{"b": 1}, {"b": {"c": 2}}]}));
        #[cfg(feature = "cli")]
        assert_eq!(crate::config::yaml::read(text).unwrap().to_json(), without_remarks(&value));
    }

    #[cfg(feature = "cli")]
    #[test]
    fn it_reads_back_the_same() {
        let odd = [
            "", " a", "a ", "a: b", "a #b", "- a", "#", "@", "~", "1e3", "0x1", "no", "é", "a\tb", "\nx", "x\n", "*x",
            "a,b", "x:",
        ];
        let value = json!({"texts": odd, "map": {"": {}, "k k": [[], [[]], {}], "n": -1.5, "t": true, "z": "ab\ncd"}});
        assert_eq!(crate::config::yaml::read(&write(&value)).unwrap().to_json(), value);
    }
}
