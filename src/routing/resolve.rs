//! A public name becomes a model group, in LiteLLM's order (litellm 1.109, `router_python_core.py`): a deployment's id, an
//! alias, an exact group, a wildcard group, the catch-all `*`, a deployment's own model name, a default fallback.
//!
//! A wildcard is anchored at the start and, unlike LiteLLM's, at the end: `gpt-4*-mini` does not match `gpt-4o-mini-evil`. It stands for no step up
//! in a path.

use crate::config::model::{DeploymentIndex, GroupIndex, RouterConfig, is_pattern};

/// Which rule knew a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// It is a deployment's id.
    Id,
    /// It is an alias.
    Alias,
    /// It is a group's name.
    Name,
    /// A group's pattern matches it.
    Pattern,
    /// It is the provider's name for a deployment's model.
    Model,
    /// It is a router's name, which chose the group.
    Router,
    /// Nobody knows it, and the first of `default_fallbacks` takes those.
    DefaultFallback,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub group: GroupIndex,
    pub by: By,
    /// The name was a deployment's id: only that one serves.
    pub only: Option<DeploymentIndex>,
    /// What each `*` of the group's name stood for.
    pub captures: Vec<String>,
}

impl Resolved {
    pub(super) const fn group(group: GroupIndex, by: By) -> Self {
        Self { group, by, only: None, captures: Vec::new() }
    }
}

/// Finds the group a name means; `None` where no rule knows it.
pub(super) fn resolve(config: &RouterConfig, name: &str) -> Option<Resolved> {
    if let Some(index) = config.deployments.iter().position(|deployment| deployment.id == name) {
        let group = config.deployments.get(index)?.group;
        return Some(Resolved { only: Some(index), ..Resolved::group(group, By::Id) });
    }
    if let Some(alias) = config.aliases.iter().find(|alias| alias.name == name) {
        return Some(Resolved::group(alias.group, By::Alias));
    }
    if let Some(group) = config.groups.iter().position(|group| group.name == name && !is_pattern(&group.name)) {
        return Some(Resolved::group(group, By::Name));
    }
    wildcard(config, name)
        .or_else(|| {
            let by_model = config.deployments.iter().find(|deployment| deployment.model == name)?;
            Some(Resolved::group(by_model.group, By::Model))
        })
        .or_else(|| {
            let first = config.default_fallbacks.first();
            first.map(|&group| Resolved::group(group, By::DefaultFallback))
        })
}

/// The most specific wildcard group that matches: the longest pattern, then the one with more stars.
fn wildcard(config: &RouterConfig, name: &str) -> Option<Resolved> {
    let matching = config.groups.iter().enumerate().filter_map(|(index, group)| {
        let captures = is_pattern(&group.name).then(|| captures(&group.name, name)).flatten()?;
        // Some providers have the model in their path.
        if captures.iter().any(|taken| taken.split('/').any(|step| matches!(step, "." | ".."))) {
            return None;
        }
        Some((group.name.len(), captures.len(), index, captures))
    });
    let (_, _, group, captures) =
        matching.max_by_key(|(length, stars, index, _)| (*length, *stars, usize::MAX - index))?;
    Some(Resolved { captures, ..Resolved::group(group, By::Pattern) })
}

/// The group that a name means.
#[must_use]
pub fn group_of(config: &RouterConfig, name: &str) -> Option<GroupIndex> {
    resolve(config, name).map(|found| found.group)
}

/// Whether a name leads to a group by what the configuration does not give as a name to clients.
#[must_use]
pub fn is_chance(config: &RouterConfig, name: &str) -> bool {
    let found = resolve(config, name).filter(|_| config.router_named(name).is_none());
    found.is_some_and(|found| matches!(found.by, By::Id | By::Model | By::DefaultFallback))
}

/// Whether a name is a pattern's.
#[must_use]
pub fn fits(pattern: &str, name: &str) -> bool {
    captures(pattern, name).is_some()
}

/// What each `*` of a pattern stands for in a name, each as long as can be, as LiteLLM's `(.*)` takes it.
fn captures(pattern: &str, name: &str) -> Option<Vec<String>> {
    let Some((head, rest)) = pattern.split_once('*') else {
        return (pattern == name).then(Vec::new);
    };
    let tail = name.strip_prefix(head)?;
    let ends = (0..=tail.len()).rev().filter(|&end| tail.is_char_boundary(end));
    if !is_pattern(rest) {
        return Some(vec![tail.strip_suffix(rest)?.to_owned()]);
    }
    for end in ends {
        let (taken, left) = tail.split_at_checked(end)?;
        if let Some(more) = captures(rest, left) {
            return Some(std::iter::once(taken.to_owned()).chain(more).collect());
        }
    }
    None
}

/// The provider's name for the model: the stars of the deployment's model filled with what the group's stars stood for. More
/// stars than captures: the name that was asked for, as LiteLLM does.
pub(super) fn upstream_model(model: &str, captures: &[String], asked: &str) -> Option<String> {
    if !is_pattern(model) {
        return None;
    }
    if model.matches('*').count() > captures.len() {
        return Some(asked.to_owned());
    }
    let mut parts = model.split('*');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for (part, capture) in parts.zip(captures) {
        filled.push_str(capture);
        filled.push_str(part);
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_capture_greedily_and_fill_the_model() {
        let taken = captures("openai/*", "openai/gpt-zzz").unwrap();
        assert_eq!(taken, ["gpt-zzz"]);
        assert_eq!(upstream_model("*", &taken, "openai/gpt-zzz").unwrap(), "gpt-zzz");
        assert_eq!(upstream_model("ft:*:x", &taken, "a").unwrap(), "ft:gpt-zzz:x");
        assert_eq!(upstream_model("gpt-4o", &taken, "a"), None);
        assert_eq!(upstream_model("*-*", &taken, "asked").unwrap(), "asked");
        assert_eq!(captures("a*b*c", "a1b2b3c").unwrap(), ["1b2", "3"]);
        assert_eq!(captures("*", "é").unwrap(), ["é"]);
        assert_eq!(captures("a*c", "abd"), None);
    }
}
