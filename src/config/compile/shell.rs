//! `${NAME}` and other ways in which shells, templates and programs name a variable. LiteLLM knows `os.environ/NAME` alone, and takes all
//! others for the value itself: a key that no provider knows, or a host that is none.
//!
//! **Invariant:** what is shown of a text is a variable's name, or nothing.

/// What to write instead of a text that names a variable in another way; `None`: it does not.
pub(super) fn remedy(text: &str) -> Option<String> {
    let name = name(text)?;
    let name = if name.is_empty() { "NAME" } else { name };
    Some(format!("write `os.environ/{name}`"))
}

/// The variable that a text is nothing but, as a shell writes it: `$NAME`, `${NAME}` or `${NAME:-DEFAULT}`.
pub(super) fn variable(text: &str) -> Option<&str> {
    let rest = text.trim().strip_prefix('$')?;
    let name = match rest.strip_prefix('{') {
        Some(rest) => with_default(rest.strip_suffix('}')?).0,
        None => rest,
    };
    (is_name(name) && self::name(text) == Some(name)).then_some(name)
}

/// What stands between braces: a variable, and what holds where it is not set.
fn with_default(inside: &str) -> (&str, Option<&str>) {
    let parts = inside.split_once(":-").or_else(|| inside.split_once('-'));
    parts.map_or((inside, None), |(name, default)| (name, Some(default)))
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(fits)
}

/// A text with what a shell fills in, and the names of the variables; `None`: it names none as a shell does, or one that has no value.
pub(super) fn filled<'a>(text: &'a str, read: &dyn Fn(&str) -> Option<String>) -> Option<(String, Vec<&'a str>)> {
    let value = |name: &str| read(name).filter(|value| !value.is_empty());
    let (mut filled, mut names, mut rest) = (String::new(), Vec::new(), text.trim());
    if let Some(name) = rest.strip_prefix('$').filter(|name| is_name(name)) {
        return Some((value(name)?, vec![name]));
    }
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, left) = after.split_once('}')?;
        let (name, default) = with_default(inside);
        filled += before;
        filled += &value(name).or_else(|| default.map(str::to_owned)).filter(|_| is_name(name))?;
        names.push(name);
        rest = left;
    }
    (!names.is_empty()).then(|| (filled + rest, names))
}

/// The variable that a text names in another way than LiteLLM's; empty where it cannot be told.
fn name(text: &str) -> Option<&str> {
    let text = text.trim();
    const BEFORE: &[&str] = &[
        "${",
        "$(",
        "$",
        "{{",
        "%env(",
        "env:",
        "ENV:",
        "env/",
        "environ/",
        "os.environ.",
        "os.environ[",
        "os.environ(",
        "os.getenv(",
        "os.env/",
        "OS.ENVIRON/",
        "os.environ:",
        "process.env.",
        "<%=",
    ];
    let before = BEFORE.iter().find(|before| text.starts_with(**before))?;
    let rest = text.strip_prefix(before)?.trim_start_matches([' ', '\'', '"', '(', '.', '$']);
    let rest = ["env.", "get(", "Values.", "getenv("].iter().find_map(|word| rest.strip_prefix(word)).unwrap_or(rest);
    let rest = rest.trim_start_matches([' ', '\'', '"', '(']);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    let is_name = is_name(name);
    match *before {
        // A dollar sign may begin a real key: only what is a variable and nothing else is taken for one.
        "$" if !is_name || !after.is_empty() || name.chars().any(|c| c.is_ascii_lowercase()) => None,
        "env/" | "environ/" | "env:" | "ENV:" if !is_name => None,
        _ => Some(if is_name { name } else { "" }),
    }
}

/// The variable that stands somewhere in a URL.
pub(super) fn within(text: &str) -> bool {
    ["${", "$(", "{{", "os.environ"].iter().any(|sign| text.contains(sign)) || name(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_ways_to_name_a_variable_are_known() {
        for text in [
            "${KEY}",
            "$KEY",
            "${KEY:-sk-1}",
            " ${KEY} ",
            "{{ KEY }}",
            "{{ env.KEY }}",
            "{{.Values.KEY}}",
            "$(KEY)",
            "os.environ['KEY']",
            "os.environ[\"KEY\"]",
            "os.environ.get('KEY')",
            "os.getenv(\"KEY\")",
            "os.environ.KEY",
            "environ/KEY",
            "os.env/KEY",
            "env:KEY",
            "process.env.KEY",
            "OS.ENVIRON/KEY",
        ] {
            assert_eq!(remedy(text).as_deref(), Some("write `os.environ/KEY`"), "{text}");
        }
        assert_eq!(remedy("${}").as_deref(), Some("write `os.environ/NAME`"));
    }

    #[test]
    fn what_a_shell_fills_in_is_filled_in() {
        let read = |name: &str| (name == "HOST").then(|| "h.test".to_owned());
        for (text, wanted) in [
            ("http://${HOST}:80/v1", Some("http://h.test:80/v1")),
            ("${HOST}", Some("h.test")),
            ("$HOST", Some("h.test")),
            ("http://${HOST}:${PORT:-8000}/${HOST}", Some("http://h.test:8000/h.test")),
            ("http://${NOBODY-other.test}", Some("http://other.test")),
            ("http://${HOST}/${PORT}", None),
            ("http://${HOST", None),
            ("http://${HO ST:-x}", None),
            ("http://h/$HOST", None),
            ("http://h", None),
        ] {
            assert_eq!(filled(text, &read).map(|(text, _)| text).as_deref(), wanted, "{text}");
        }
        assert_eq!(filled("${HOST}/${PORT:-1}", &read).unwrap().1, ["HOST", "PORT"]);
        assert_eq!(variable("${HOST:-x}"), Some("HOST"));
    }

    #[test]
    fn keys_are_not_taken_for_variables() {
        for text in ["sk-1234", "", "$abC9x/=", "$2b$10$abcdef", "gsk_${x", "envkey", "environment", "$"] {
            assert_eq!(remedy(text), None, "{text}");
        }
        assert!(within("https://${HOST}/v1") && within("https://{{ host }}/v1") && within("$BASE"));
        assert!(!within("https://h/v1") && !within("https://h/$batch"));
    }
}
