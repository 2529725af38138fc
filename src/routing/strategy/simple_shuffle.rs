//! `simple-shuffle`, LiteLLM's default: a weighted draw by `weight`, else `rpm`, else `tpm`, else evenly.
//!
//! The first of these that any candidate has decides; a candidate without it weighs nothing and is drawn only when no other is
//! left (LiteLLM: never, while another has it). Drawing again and again without putting back gives the whole ranking.

use super::super::list::to_front;
use super::{Random, RankContext, RankReason, Ranked};
use crate::config::model::{Deployment, RouterConfig};

pub(super) fn rank(context: &RankContext<'_>, candidates: &mut [Ranked], random: &mut Random) {
    let own = weights(context.config, candidates);
    let sum: f64 = own.iter().sum();
    for (candidate, weight) in candidates.iter_mut().zip(own) {
        candidate.reason = RankReason::Share(weight / sum);
    }
    let mut left = candidates;
    while left.len() > 1 {
        let drawn = draw(&weights(context.config, left), random);
        to_front(left, drawn);
        left = left.split_first_mut().map_or(&mut [], |(_, rest)| rest);
    }
}

/// What each candidate weighs.
pub(in crate::routing) fn weights(config: &RouterConfig, candidates: &[Ranked]) -> Vec<f64> {
    #[allow(clippy::cast_precision_loss)]
    let measures: [fn(&Deployment) -> Option<f64>; 3] =
        [|d| d.weight, |d| d.rpm.map(|rpm| rpm as f64), |d| d.tpm.map(|tpm| tpm as f64)];
    for measure in measures {
        let of = |it: &Ranked| config.deployments.get(it.deployment).and_then(measure).unwrap_or(0.0).max(0.0);
        let weights: Vec<f64> = candidates.iter().map(of).collect();
        if weights.iter().any(|weight| *weight > 0.0) {
            return weights;
        }
    }
    vec![1.0; candidates.len()]
}

/// Draws an index by weight.
fn draw(weights: &[f64], random: &mut Random) -> usize {
    let mut point = random.unit() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        if point < *weight {
            return index;
        }
        point -= weight;
    }
    // Rounding may leave a hair: the last one that weighs anything.
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0)
}
