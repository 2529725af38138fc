//! `cost-based-routing`: the lowest price of a prompt token and a token of the answer together, equals at random.
//!
//! A deployment without a known price comes last. LiteLLM takes 10 USD a token for it, which is the same among those with a known price, and
//! a tie that the first of the list wins where nobody's is, as with every `openai/` name; it takes a price of 0 for none.

use super::{Random, RankContext, RankReason, Ranked, sort_by};
use crate::routing::facts;

pub(super) fn rank(context: &RankContext<'_>, candidates: &mut [Ranked], random: &mut Random) {
    let price = |it: &Ranked| context.config.deployments.get(it.deployment).and_then(facts::price);
    for candidate in &mut *candidates {
        candidate.reason = RankReason::Cost(price(candidate));
    }
    sort_by(candidates, random, |it| price(it).unwrap_or(u64::MAX));
}
