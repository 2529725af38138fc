//! Which keys mean something here, which only to LiteLLM, and which are slips of the pen.
//!
//! LiteLLM ignores what it does not know, and a misspelt `rpm` is then a silent surprise. Here a key that is nearly one of ours is
//! an error, one that only LiteLLM knows is a warning, and so is one that nobody knows.
//!
//! **Invariant:** what no section lists as known is in no compiled configuration, and so never in the filter's.

use super::field::{Diagnostics, Field, below};
use super::guards;
use super::names::nearest;
use super::sections::{self, Others, ROOT, Section, Shape};
use crate::config::diagnostic::Severity;
use crate::config::tree::{Key, Node, Place, Value};

/// Looks at every key of every section.
pub(super) fn check(root: &Node, diagnostics: &mut Diagnostics) {
    let root = Field::root(root);
    ROOT.check(&root, diagnostics);
    if let Some(include) = root.at("include") {
        let remedy = "bring what stands in them into this file";
        include.error(diagnostics, "Signalbox reads one file, and none of those that `include` names", remedy);
    }
}

impl Section {
    fn check(&self, field: &Field<'_>, diagnostics: &mut Diagnostics) {
        let Value::Map(entries) = &field.node.value else { return };
        if self.others != Others::Silent {
            let elsewhere = |name: &str| self.knows(name) || guards::speaks_of(&field.path, name);
            for (Key { name, place }, value) in entries.iter().filter(|(key, _)| !elsewhere(&key.name)) {
                self.unknown(field, name, place.or(value.place), diagnostics);
            }
        }
        for (name, shape, section) in self.inside {
            let Some(inner) = field.at(name) else { continue };
            match shape {
                Shape::One | Shape::Marked(_) => section.fitting(*shape, inner.node).check(&inner, diagnostics),
                // What has the wrong shape is reported where it is read.
                Shape::Each if matches!(inner.node.value, Value::Seq(_)) => {
                    inner.items(&mut Diagnostics::default()).iter().for_each(|item| section.check(item, diagnostics));
                }
                Shape::Each => {
                    let entries = inner.entries(&mut Diagnostics::default());
                    entries.iter().for_each(|(_, entry)| section.check(entry, diagnostics));
                }
            }
        }
    }

    fn unknown(&self, field: &Field<'_>, name: &str, place: Option<Place>, diagnostics: &mut Diagnostics) {
        let path = below(&field.path, name);
        if name == "ssl_verify" {
            let problem = "this has no effect: Envoy always checks the certificate of a provider at `https://`";
            diagnostics.warning(
                place,
                &path,
                problem,
                "name the authority that signed it in `signalbox.ca_file`, or take it out",
            );
        } else if self.ignores(name) {
            let problem = format!("`{name}` has no effect here, only in LiteLLM");
            let severity = if sections::is_footnote(name) { Severity::Note } else { Severity::Warning };
            diagnostics.add(severity, place, &path, problem, "leave it or take it out");
        } else if self.others == Others::ElseRouter && sections::is_router_setting(name) {
            let problem = format!("`{name}` has no effect here, in LiteLLM neither");
            diagnostics.warning(place, &path, problem, "move it to `router_settings`");
        } else if field.path.ends_with("litellm_params") && sections::is_router_setting(name) {
            let problem = format!("`{name}` of a deployment has no effect here");
            diagnostics.warning(place, &path, problem, "write it in `router_settings`, for the whole group");
        } else if let Some(meant) = nearest(name, self.words()) {
            diagnostics.error(place, &path, format!("unknown key `{name}`"), format!("did you mean `{meant}`?"));
        } else if self.others == Others::Error {
            let problem = format!("unknown key `{name}` of `{}`", field.path);
            let words: Vec<_> = self.words().collect();
            diagnostics.error(place, &path, problem, format!("its keys are {}", words.join(", ")));
        } else {
            let problem = format!("unknown key `{name}`, which has no effect");
            // LiteLLM passes it on: there it may mean something.
            let is_params = field.path.ends_with("litellm_params");
            let remedy = if is_params {
                "look for a slip, take it out, or write it below `extra_body` for the provider"
            } else {
                "look for a slip, or take it out"
            };
            diagnostics.warning(place, &path, problem, remedy);
        }
    }

    /// A node with nothing but the keys that mean something. What is no map stays, for its section to complain about.
    fn keep(&self, node: &Node) -> Node {
        let Value::Map(entries) = &node.value else {
            return if self.others == Others::Silent { Node { value: Value::Null, ..*node } } else { node.clone() };
        };
        let kept = entries.iter().filter(|(key, _)| self.knows(&key.name)).map(|(key, node)| {
            let inside = self.inside.iter().find(|(name, ..)| *name == key.name);
            let node = match (inside, &node.value) {
                (None, _) => node.clone(),
                (Some((_, shape @ (Shape::One | Shape::Marked(_)), section)), _) => {
                    section.fitting(*shape, node).keep(node)
                }
                (Some((_, Shape::Each, section)), Value::Seq(items)) => {
                    Node { value: Value::Seq(items.iter().map(|item| section.keep(item)).collect()), ..*node }
                }
                (Some((_, Shape::Each, section)), Value::Map(entries)) => {
                    let kept = entries.iter().map(|(key, node)| (key.clone(), section.keep(node)));
                    Node { value: Value::Map(kept.collect()), ..*node }
                }
                (Some((_, Shape::Each, _)), _) => node.clone(),
            };
            (key.clone(), node)
        });
        Node { value: Value::Map(kept.collect()), ..*node }
    }
}

/// The tree with nothing but the keys that mean something.
pub(super) fn keep_known(root: &Node) -> Node {
    ROOT.keep(root)
}
