//! `usage-based-routing-v2`: the fewest tokens in the current minute, equals at random.
//!
//! A deployment without room for the request (`rpm`, `tpm`) was excluded before. LiteLLM loses one request of each minute there (`rpm + 1 >=
//! limit`); here a limit of ten is ten. The tokens of a request count when it ends, so while nothing has ended all are equal, and chance
//! spreads them.

use super::{Random, RankContext, RankReason, Ranked, sort_by};

pub(super) fn rank(context: &RankContext<'_>, candidates: &mut [Ranked], random: &mut Random) {
    let tokens = |it: &Ranked| context.inputs.tokens(it.deployment);
    for candidate in &mut *candidates {
        candidate.reason = RankReason::Tokens(tokens(candidate));
    }
    sort_by(candidates, random, tokens);
}
