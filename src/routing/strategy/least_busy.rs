//! `least-busy`: the fewest requests in flight, of all workers.
//!
//! Equals at random, where LiteLLM takes the first of the list: with it, an idle gateway sends everything to one deployment.

use super::{Figure, Random, Ranked, Scene, sort_by};

pub(super) fn rank(scene: &Scene<'_>, candidates: &mut [Ranked], random: &mut Random) {
    let in_flight = |it: &Ranked| scene.inputs.view(it.deployment).in_flight;
    for candidate in &mut *candidates {
        candidate.figure = Figure::InFlight(in_flight(candidate));
    }
    sort_by(candidates, random, in_flight);
}
