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

/// The variable that a text is nothing but, as a shell writes it: `$NAME` or `${NAME}`.
pub(super) fn variable(text: &str) -> Option<&str> {
    let rest = text.trim().strip_prefix('$')?;
    let name = rest.strip_prefix('{').map_or(Some(rest), |rest| rest.strip_suffix('}'))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(fits);
    (is_name && self::name(text) == Some(name)).then_some(name)
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
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
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
    fn keys_are_not_taken_for_variables() {
        for text in ["sk-1234", "", "$abC9x/=", "$2b$10$abcdef", "gsk_${x", "envkey", "environment", "$"] {
            assert_eq!(remedy(text), None, "{text}");
        }
        assert!(within("https://${HOST}/v1") && within("https://{{ host }}/v1") && within("$BASE"));
        assert!(!within("https://h/v1") && !within("https://h/$batch"));
    }
}
