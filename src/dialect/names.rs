//! The names of functions, made to fit the strictest rule of all dialects (`^[a-zA-Z0-9_-]{1,64}$`).
//!
//! Clients name functions `files.read`, or longer than a provider allows: Anthropic takes 128 characters, OpenAI 64. Such get another name
//! on the way there, and the client's own on the way back ([`crate::dialect::Echo`]). The new name depends on the request and nothing else.
//!
//! **Invariant:** a name that fits stays, and no two functions get one name, nor one that a tool of our own has.

use std::collections::{BTreeMap, BTreeSet};

use crate::chat::{Conversation, ToolChoice};

/// The longest name, in characters.
const LONGEST: usize = 64;

/// The functions that are called otherwise: the client's name and ours.
#[derive(Default)]
pub struct Names<'r>(BTreeMap<&'r str, String>);

impl<'r> Names<'r> {
    /// Names all functions of a request: on offer, chosen, and called before. `own`: names that tools of the provider's dialect have.
    pub fn of(conversation: &'r Conversation<'_>, own: &[&str]) -> Self {
        Self::build(conversation, own, "")
    }

    /// The same, where a name must begin with a letter or `_`.
    pub fn of_letters(conversation: &'r Conversation<'_>) -> Self {
        Self::build(conversation, &[], "_")
    }

    /// `first`: what stands before a name that begins otherwise than with a letter.
    fn build(conversation: &'r Conversation<'_>, own: &[&str], first: &str) -> Self {
        let begins = |name: &str| first.is_empty() || name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let chosen = match &conversation.tool_choice {
            Some(ToolChoice::Named(name)) => Some(name.as_ref()),
            _ => None,
        };
        let offered = conversation.tools.iter().map(|tool| tool.name.as_ref());
        let mut taken = BTreeSet::new();
        taken.extend(own.iter().map(ToString::to_string));
        let fits = |name: &str| fits(name) && begins(name) && !own.contains(&name);
        let mut odd: Vec<&'r str> = Vec::new();
        for name in offered.chain(chosen).chain(conversation.called()) {
            if fits(name) {
                taken.insert(name.to_owned());
            } else {
                odd.push(name);
            }
        }
        let mut names = BTreeMap::new();
        let mut again: BTreeMap<String, u32> = BTreeMap::new();
        for name in odd {
            if names.contains_key(name) {
                continue;
            }
            let mut plain = fitted(name, LONGEST);
            if !begins(&plain) {
                plain = fitted(&[first, &plain].concat(), LONGEST);
            }
            let mut ours = plain.clone();
            while !taken.insert(ours.clone()) {
                let count = again.entry(plain.clone()).or_insert(1);
                *count = count.saturating_add(1);
                let end = format!("_{count}");
                ours = fitted(&plain, LONGEST.saturating_sub(end.len())) + &end;
            }
            names.insert(name, ours);
        }
        Self(names)
    }

    /// The name that the provider is told.
    pub fn ours<'n>(&'n self, name: &'n str) -> &'n str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// The client's names by ours.
    pub fn back(&self) -> BTreeMap<String, String> {
        let mut back = BTreeMap::new();
        back.extend(self.0.iter().map(|(theirs, ours)| (ours.clone(), (*theirs).to_owned())));
        back
    }
}

const fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

/// Whether a name may stay.
fn fits(name: &str) -> bool {
    !name.is_empty() && name.len() <= LONGEST && name.chars().all(is_plain)
}

fn fitted(name: &str, longest: usize) -> String {
    if name.is_empty() {
        return "function".to_owned();
    }
    name.chars().take(longest).map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Place, Tool};

    const JSON_TOOL: &str = "json_tool_call";

    #[test]
    fn c7_names_fit_and_stay_distinct() {
        let long = "x".repeat(70);
        let tools = ["a.b", "a_b", "a:b", "é", "", JSON_TOOL, "fine-1", &long, &format!("{long}y"), "a.b"];
        let tool = |name: &&str| Tool {
            name: (*name).to_owned().into(),
            description: None,
            parameters: None,
            strict: None,
            cache_control: None,
            place: Place::NOWHERE,
        };
        let request = Conversation { tools: tools.iter().map(tool).collect(), ..Conversation::default() };
        let names = Names::of(&request, &[JSON_TOOL]);
        let ours: Vec<&str> = tools.iter().map(|name| names.ours(name)).collect();
        let short = "x".repeat(64);
        let shorter = format!("{}_2", "x".repeat(62));
        let wanted =
            ["a_b_2", "a_b", "a_b_3", "_", "function", "json_tool_call_2", "fine-1", &short, &shorter, "a_b_2"];
        assert_eq!(ours, wanted);
        let back = names.back();
        assert_eq!(back.len(), 7);
        assert!(back.iter().all(|(ours, theirs)| names.ours(theirs) == ours && fits(ours) && ours != JSON_TOOL));
    }
}
