//! Which headers cross the gateway, either way: allow-lists.
//!
//! A client says more than a provider has to know: its credentials, its address, what is internal. A provider's site says more than its
//! answer: HSTS, CORS, redirects, challenges, the name of the account. Envoy's filter removes by names that match, and its regular
//! expressions cannot say "all but", so each list is turned into the expression of all other names. Each name costs a match, so the lists stand
//! in the clusters, where an answer comes in, before anything of ours is added to it.
//!
//! **Invariant:** what is not on a list is removed, whatever a client or a provider thinks of next, and so is whatever is said in our name or
//! Envoy's.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::model::Deployment;

/// What a client may say to each provider, beside what that provider hears and what `signalbox.forward_headers` names.
const TO_PROVIDER: &[&str] = &["content-length", "content-type", "user-agent", "accept", "traceparent", "tracestate"];
/// What is said to each provider, whatever its client says.
const SAID: &[(&str, &str)] = &[("accept-encoding", "identity")];
/// And where the client says nothing. (What it says is JSON's, or the filter lets it say: it is seen to where a request arrives.)
const USUAL: (&str, &str) = ("content-type", "application/json");
/// Whole names that reach a client.
const NAMES: &[&str] = &[
    "content-type",
    "content-length",
    "content-encoding",
    "cache-control",
    "allow",
    "retry-after",
    "request-id",
    "x-request-id",
    "openai-processing-ms",
    "openai-version",
];
/// Whole names that the attempt filter reads. The route takes them out behind it.
pub(super) const READ_ONLY: &[&str] = &["date", "retry-after-ms", "x-amzn-errortype"];
/// Beginnings of names that reach a client: what is left of the provider's limits.
const BEGINNINGS: &[&str] =
    &["x-ratelimit-", "anthropic-ratelimit-", "ratelimit-", "x-ratelimitbysize-", "ratelimitbysize-"];

/// The size that Envoy lets a regular expression have is 100 unless it is told otherwise, which suits expressions that users write.
pub(super) fn runtime() -> Value {
    let limits = json!({"re2.max_program_size.error_level": 4000, "re2.max_program_size.warn_level": 4000});
    json!({"layers": [{"name": "signalbox", "static_layer": limits}]})
}

/// What becomes of a request's headers on their way to a deployment.
pub(super) fn to_provider(deployment: &Deployment, forwarded: &[String]) -> Vec<Value> {
    let provider = deployment.provider;
    let heard = TO_PROVIDER.iter().chain(provider.hears).copied();
    let names: Vec<&str> = heard.chain(forwarded.iter().map(String::as_str)).collect();
    let said = SAID.iter().chain(provider.headers).map(|(name, value)| {
        if provider.hears.contains(name) { unless_said(name, value) } else { overwrite(name, value) }
    });
    [remove(&all_but(&names, &[])), unless_said(USUAL.0, USUAL.1)].into_iter().chain(said).collect()
}

/// Removes from an answer's headers what is not a provider's to say.
pub(super) fn remove_from_answer() -> Value {
    let names: Vec<&str> = NAMES.iter().chain(READ_ONLY).copied().collect();
    remove(&all_but(&names, BEGINNINGS))
}

/// Removes all trailers, none of which is on any list.
pub(super) fn remove_all() -> Value {
    remove(".+")
}

/// Sets a header, in place of one of the same name.
pub(super) fn overwrite(key: &str, value: &str) -> Value {
    set(key, value, "OVERWRITE_IF_EXISTS_OR_ADD")
}

/// Sets a header where there is none of the same name.
fn unless_said(key: &str, value: &str) -> Value {
    set(key, value, "ADD_IF_ABSENT")
}

fn set(key: &str, value: &str, action: &str) -> Value {
    // A percent sign begins a command of Envoy's formatter.
    let value = value.replace('%', "%%");
    json!({"append": {"header": {"key": key, "value": value}, "append_action": action}})
}

fn remove(regex: &str) -> Value {
    json!({"remove_on_match": {"key_matcher": {"safe_regex": {"regex": regex}}}})
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
    if letter.is_ascii_alphanumeric() || letter == '_' { letter.to_string() } else { format!("\\{letter}") }
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
