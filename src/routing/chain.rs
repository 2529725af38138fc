//! The groups that stand in for a group, in the order LiteLLM's nested calls reach them: each target's own fallbacks come before its
//! next sibling, no group twice, and no deeper than `max_fallbacks`.
//!
//! The request's own `fallbacks` come before the configured ones of the group that was asked for. What a prompt that is too long, or
//! content that was refused, leads to is a chain of its own. A model that is too small for a prompt leads to a larger one, and from
//! there on as that one's own `fallbacks` say. Refused content goes only where it was told to go.
//!
//! What a router chose has its own fallbacks, else the router's ([`RouterFallbacks`]).

use super::Purpose;
use super::resolve::{By, Resolved, resolve};
use crate::config::model::{GroupIndex, RouterConfig, RouterFallbacks};

/// One group of a chain, and the name by which it is asked.
#[derive(Debug)]
pub(super) struct Link<'a> {
    pub resolved: Resolved,
    pub name: &'a str,
}

/// The groups to try, the asked one first.
pub(super) fn chain<'a>(
    config: &'a RouterConfig,
    asked: Resolved,
    name: &'a str,
    own: &'a [String],
    router_fallbacks: Option<&'a RouterFallbacks>,
) -> Vec<Link<'a>> {
    let group = asked.group;
    let mut chain = vec![Link { resolved: asked, name }];
    for name in own {
        let Some(resolved) = resolve(config, name) else { continue };
        let group = resolved.group;
        if config.router.max_fallbacks > 0 && !contains(&chain, group) {
            chain.push(Link { resolved, name });
            descend(config, group, 1, &mut chain);
        }
    }
    let of_router = router_fallbacks.and_then(|router_fallbacks| router_fallbacks.general.as_deref());
    let targets = own_fallbacks(config, group).or(of_router).unwrap_or(&config.default_fallbacks);
    follow(config, targets, 0, &mut chain);
    chain
}

fn contains(chain: &[Link<'_>], group: GroupIndex) -> bool {
    chain.iter().any(|link| link.resolved.group == group)
}

fn own_fallbacks(config: &RouterConfig, of: GroupIndex) -> Option<&[GroupIndex]> {
    config.fallbacks.iter().find(|(group, _)| *group == of).map(|(_, targets)| targets.as_slice())
}

fn descend<'a>(config: &'a RouterConfig, from: GroupIndex, depth: u32, chain: &mut Vec<Link<'a>>) {
    follow(config, own_fallbacks(config, from).unwrap_or(&config.default_fallbacks), depth, chain);
}

fn follow<'a>(config: &'a RouterConfig, targets: &[GroupIndex], depth: u32, chain: &mut Vec<Link<'a>>) {
    if depth >= config.router.max_fallbacks {
        return;
    }
    for &target in targets {
        if !contains(chain, target) {
            chain.push(link(config, target));
            descend(config, target, depth + 1, chain);
        }
    }
}

fn link(config: &RouterConfig, group: GroupIndex) -> Link<'_> {
    let name = config.groups.get(group).map_or("", |group| group.name.as_str());
    Link { resolved: Resolved::group(group, By::Name), name }
}

/// The groups for one purpose after a group. Empty where none are configured for it. `router_fallbacks`: those of the router that chose it.
pub(super) fn special<'a>(
    config: &'a RouterConfig,
    from: GroupIndex,
    purpose: Purpose,
    router_fallbacks: Option<&'a RouterFallbacks>,
) -> Vec<Link<'a>> {
    let (lists, of_router) = match purpose {
        Purpose::General => (None, None),
        Purpose::ContextWindow => {
            (config.context_window_fallbacks.as_ref(), router_fallbacks.and_then(|it| it.context_window.as_ref()))
        }
        Purpose::ContentPolicy => {
            (config.content_policy_fallbacks.as_ref(), router_fallbacks.and_then(|it| it.content_policy.as_ref()))
        }
    };
    let own = lists.and_then(|lists| lists.iter().find(|(group, _)| *group == from)).map(|(_, targets)| targets);
    let mut chain: Vec<Link<'_>> = Vec::new();
    for &target in own.or(of_router).map_or(&[][..], Vec::as_slice) {
        if config.router.max_fallbacks == 0 || target == from || contains(&chain, target) {
            continue;
        }
        chain.push(link(config, target));
        if purpose == Purpose::ContextWindow {
            descend(config, target, 1, &mut chain);
        }
    }
    chain.retain(|link| link.resolved.group != from);
    chain
}
