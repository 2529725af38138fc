//! `least-busy`: the fewest requests in flight, of all workers.
//!
//! Equals at random, where LiteLLM takes the first of the list: with it, an idle gateway sends everything to one deployment.

use super::{Random, RankContext, RankReason, Ranked, sort_by};

pub(super) fn rank(context: &RankContext<'_>, candidates: &mut [Ranked], random: &mut Random) {
    let in_flight = |it: &Ranked| context.inputs.view(it.deployment).in_flight;
    for candidate in &mut *candidates {
        candidate.reason = RankReason::InFlight(in_flight(candidate));
    }
    sort_by(candidates, random, in_flight);
}
