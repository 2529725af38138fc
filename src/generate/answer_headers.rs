//! What of an answer's headers reaches a client: an allow-list.
//!
//! A provider's site says more than its answer: HSTS, CORS, redirects, challenges, the name of the account. Envoy's filter removes by
//! names that match, and its regular expressions cannot say "all but", so the list is turned into the expression of all other names.
//!
//! **Invariant:** what is not on the list is removed, whatever a provider thinks of next.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The filter's name in the listener, by which a route leaves it out.
pub(super) const FILTER: &str = "envoy.filters.http.header_mutation";

/// Whole names.
const NAMES: &[&str] = &[
    "content-type",
    "content-length",
    "content-encoding",
    "cache-control",
    "allow",
    "retry-after",
    "x-should-retry",
    "server-timing",
    "request-id",
    "x-request-id",
    "openai-processing-ms",
    "openai-version",
];
/// Beginnings of names: our own words, and what is left of the provider's limits.
const BEGINNINGS: &[&str] = &["x-signalbox-", "x-ratelimit-", "anthropic-ratelimit-"];

/// The size that Envoy lets a regular expression have is 100 unless it is told otherwise, which suits expressions that users write.
pub(super) fn runtime() -> Value {
    let limits = json!({"re2.max_program_size.error_level": 4000, "re2.max_program_size.warn_level": 4000});
    json!({"layers": [{"name": "signalbox", "static_layer": limits}]})
}

/// The filter, for the listener: it stands behind the route filter, so that an answer meets it first.
pub(super) fn filter() -> Value {
    let regex = json!({"safe_regex": {"regex": all_but(NAMES, BEGINNINGS)}});
    json!({
        "name": FILTER,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {
                "response_mutations": [{"remove_on_match": {"key_matcher": regex}}],
                "response_trailers_mutations": [{"remove_on_match": {"key_matcher": regex}}],
            },
        },
    })
}

/// A letter tree of the names.
#[derive(Default)]
struct Tree {
    below: BTreeMap<char, Tree>,
    /// A name ends here.
    ends: bool,
    /// Whatever follows is allowed.
    open: bool,
}

impl Tree {
    fn add(&mut self, name: &str) -> &mut Self {
        name.chars().fold(self, |tree, letter| tree.below.entry(letter).or_default())
    }

    /// What may follow here in a name that is not on the list; `None`: nothing.
    fn others(&self) -> Option<String> {
        if self.open {
            return None;
        }
        let known: String = self.below.keys().map(|letter| escaped(*letter)).collect();
        let mut ways = vec![if known.is_empty() { ".+".to_owned() } else { format!("[^{known}].*") }];
        ways.extend(
            self.below.iter().filter_map(|(letter, tree)| Some(format!("{}{}", escaped(*letter), tree.others()?))),
        );
        let ways = ways.join("|");
        Some(if self.ends { format!("({ways})") } else { format!("({ways})?") })
    }
}

fn escaped(letter: char) -> String {
    if letter.is_ascii_alphanumeric() { letter.to_string() } else { format!("\\{letter}") }
}

/// The expression of all names but these, and but those that begin so. `:status` and its kin are no names.
fn all_but(names: &[&str], beginnings: &[&str]) -> String {
    let mut tree = Tree::default();
    for name in names {
        tree.add(name).ends = true;
    }
    for beginning in beginnings.iter().chain(&[":"]) {
        tree.add(beginning).open = true;
    }
    tree.others().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_some_names() {
        assert_eq!(all_but(&["a"], &[]), r"([^\:a].*|a(.+))?");
        assert_eq!(all_but(&["ab", "a"], &["c-"]), r"([^\:ac].*|a([^b].*|b(.+))|c([^\-].*)?)?");
    }
}
