//! The fallback groups of a group, in the order LiteLLM's nested calls reach them: each target's own fallbacks come before its
//! next sibling, no group twice, and no deeper than `max_fallbacks`.

use crate::config::model::{GroupIndex, RouterConfig};

/// The groups to try, the asked one first.
pub(super) fn chain(config: &RouterConfig, asked: GroupIndex) -> Vec<GroupIndex> {
    let mut chain = vec![asked];
    descend(config, asked, 0, &mut chain);
    chain
}

fn descend(config: &RouterConfig, from: GroupIndex, depth: u32, chain: &mut Vec<GroupIndex>) {
    if depth >= config.router.max_fallbacks {
        return;
    }
    let own = config.fallbacks.iter().find(|(group, _)| *group == from).map(|(_, targets)| targets);
    for &target in own.unwrap_or(&config.default_fallbacks) {
        if !chain.contains(&target) {
            chain.push(target);
            descend(config, target, depth + 1, chain);
        }
    }
}
