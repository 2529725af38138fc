//! `enable_tag_filtering`: which deployments of a group are for a request's tags.
//!
//! LiteLLM's rules, read in its `tag_based_routing.py`: `!tag` excludes, `&tag` requires, the others match by any
//! (`tag_filtering_match_any`) or all. A request without tags, or with none that the group knows, goes to the deployments tagged
//! `default`. Where nobody is tagged `default`, one without tags may go to all; one with unknown tags to nobody.
//!
//! The tags of a client hold for all of its requests: what a request adds narrows what they allow, if the group knows it, and never widens it.
//!
//! **Invariant:** a deployment that cools does not change what the tags mean, so no client gets past them by making a deployment fail.

use super::inputs::Requirements;
use crate::config::model::{DeploymentIndex, RouterConfig};

const DEFAULT: &str = "default";
/// What a tag excludes by, and requires by.
const MARKS: [char; 2] = ['!', '&'];

/// A request's tags before one group: what its client's ask, and what its own do.
pub(super) struct Tags<'a>(Vec<Rule<'a>>);

struct Rule<'a> {
    required: Vec<&'a str>,
    excluded: Vec<&'a str>,
    matched: Vec<&'a str>,
    match_any: bool,
    /// The group has a deployment tagged `default`.
    defaults: bool,
}

impl<'a> Tags<'a> {
    /// `None` where tags do not matter.
    pub(super) fn of(
        config: &RouterConfig,
        deployments: &[DeploymentIndex],
        requirements: &Requirements<'a>,
    ) -> Option<Self> {
        if !config.router.tag_filtering {
            return None;
        }
        let known = |tag: &str| deployments.iter().any(|&index| has(config, index, tag));
        let of_client = requirements.client_tags;
        let own = requirements.tags.iter().map(String::as_str);
        if of_client.is_empty() {
            return Some(Self(vec![Rule::of(config, own.collect(), &known)]));
        }
        let mut rules = vec![Rule::of(config, of_client.iter().map(String::as_str).collect(), &known)];
        let narrowing: Vec<&str> = own.filter(|tag| tag.starts_with(MARKS) || known(tag)).collect();
        rules.extend((!narrowing.is_empty()).then(|| Rule::of(config, narrowing, &known)));
        Some(Self(rules))
    }

    /// Whether a deployment is for them.
    pub(super) fn allow(&self, config: &RouterConfig, index: DeploymentIndex) -> bool {
        self.0.iter().all(|rule| rule.allows(config, index))
    }
}

impl<'a> Rule<'a> {
    fn of(config: &RouterConfig, asked: Vec<&'a str>, known: &dyn Fn(&str) -> bool) -> Self {
        let marked =
            |mark: char| asked.iter().filter_map(move |tag| tag.strip_prefix(mark)).filter(|tag| !tag.is_empty());
        let mut matched: Vec<&str> = asked.iter().copied().filter(|tag| !tag.starts_with(MARKS)).collect();
        if !matched.is_empty() && !matched.iter().any(|tag| known(tag)) && known(DEFAULT) {
            matched = vec![DEFAULT];
        }
        Self {
            required: marked('&').collect(),
            excluded: marked('!').collect(),
            matched,
            match_any: config.router.tag_match_any,
            defaults: known(DEFAULT),
        }
    }

    fn allows(&self, config: &RouterConfig, index: DeploymentIndex) -> bool {
        let has = |tag: &&str| has(config, index, tag);
        if self.excluded.iter().any(has) || !self.required.iter().all(has) {
            return false;
        }
        if !self.matched.is_empty() {
            return if self.match_any { self.matched.iter().any(has) } else { self.matched.iter().all(has) };
        }
        !self.required.is_empty() || !self.defaults || has(&DEFAULT)
    }
}

fn has(config: &RouterConfig, index: DeploymentIndex, tag: &str) -> bool {
    config.deployments.get(index).is_some_and(|deployment| deployment.tags.iter().any(|own| own == tag))
}
