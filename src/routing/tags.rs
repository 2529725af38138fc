//! `enable_tag_filtering`: which deployments of a group are for a request's tags.
//!
//! LiteLLM's rules, read in its `tag_based_routing.py`: `!tag` excludes, `&tag` requires, the others match by any
//! (`tag_filtering_match_any`) or all. A request without tags, or with none that the group knows, goes to the deployments tagged
//! `default`. Where nobody is tagged `default`, one without tags may go to all; one with unknown tags to nobody.
//!
//! **Invariant:** a deployment that cools does not change what the tags mean, so no client gets past them by making a deployment fail.

use crate::config::model::{DeploymentIndex, RouterConfig};

const DEFAULT: &str = "default";

/// A request's tags before one group.
pub(super) struct Tags<'a> {
    required: Vec<&'a str>,
    excluded: Vec<&'a str>,
    matched: Vec<&'a str>,
    match_any: bool,
    /// The group has a deployment tagged `default`.
    defaults: bool,
}

impl<'a> Tags<'a> {
    /// `None` where tags do not matter.
    pub(super) fn of(config: &RouterConfig, deployments: &[DeploymentIndex], asked: &'a [String]) -> Option<Self> {
        if !config.router.tag_filtering {
            return None;
        }
        let marked =
            |mark: char| asked.iter().filter_map(move |tag| tag.strip_prefix(mark)).filter(|tag| !tag.is_empty());
        let plain = asked.iter().map(String::as_str).filter(|tag| !tag.starts_with(['!', '&']));
        let known = |tag: &str| deployments.iter().any(|&index| has(config, index, tag));
        let mut matched: Vec<&str> = plain.collect();
        if !matched.is_empty() && !matched.iter().any(|tag| known(tag)) && known(DEFAULT) {
            matched = vec![DEFAULT];
        }
        Some(Self {
            required: marked('&').collect(),
            excluded: marked('!').collect(),
            matched,
            match_any: config.router.tag_match_any,
            defaults: known(DEFAULT),
        })
    }

    /// Whether a deployment is for them.
    pub(super) fn allow(&self, config: &RouterConfig, index: DeploymentIndex) -> bool {
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
