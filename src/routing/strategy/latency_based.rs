//! `latency-based-routing`: the fastest, by the mean of its latest seconds per output token; for streams by their time to the first
//! token (mean, or `ttft_percentile`), where there are such samples. Samples older than `ttl` do not count, a deployment without samples is tried
//! first, and `lowest_latency_buffer` widens the circle of those that are as good as the best; chance decides among them.
//!
//! LiteLLM sends everything to one winner until its mean has risen, and everything to a new deployment until its first answer has
//! ended. Here what is in flight counts. [`CROWD`] requests more than the idlest one has weigh as much as being twice as slow: far less
//! than in linkerd's peak EWMA, since a provider is not one server that queues. A deployment without a sample is preferred by one request,
//! then as good as the best. Of the circle, two are drawn, and the less busy one is taken. With nothing in flight, all this is
//! LiteLLM's choice.

use super::super::list::to_front;
use super::{Random, RankContext, RankReason, Ranked, sort_by};
use crate::sort;
use crate::state::Samples;

/// So many requests more in flight weigh as much as being twice as slow.
const CROWD: f64 = 10.0;

pub(super) fn rank(context: &RankContext<'_>, candidates: &mut [Ranked], random: &mut Random) {
    for candidate in &mut *candidates {
        candidate.reason = reason(context, candidate);
    }
    let seconds = |it: &Ranked| match it.reason {
        RankReason::Latency(seconds) | RankReason::FirstToken(seconds) => Some(seconds),
        _ => None,
    };
    let in_flight = |it: &Ranked| context.inputs.view(it.deployment).in_flight;
    let best = candidates.iter().filter_map(seconds).min_by(f64::total_cmp).unwrap_or_default();
    let idlest = candidates.iter().map(in_flight).min().unwrap_or_default();
    let expected = |it: &Ranked| {
        let crowd = f64::from(in_flight(it) - idlest) / CROWD;
        match seconds(it) {
            None if in_flight(it) == 0 => 0.0,
            measured => measured.unwrap_or(best) * (1.0 + crowd),
        }
    };
    sort_by(candidates, random, expected);
    let Some(lowest) = candidates.first().map(expected) else { return };
    let circle = candidates.partition_point(|it| expected(it) <= lowest * (1.0 + context.args.buffer));
    let (one, other) = (random.below(circle), random.below(circle));
    let busy = |index: usize| candidates.get(index).map(in_flight);
    let taken = if busy(other) < busy(one) { other } else { one };
    to_front(candidates, taken);
}

fn reason(context: &RankContext<'_>, candidate: &Ranked) -> RankReason {
    let view = context.inputs.view(candidate.deployment);
    let fresh = |samples: &Samples| samples.newest_ms.saturating_add(context.args.ttl_ms) > context.inputs.now_ms;
    let latest = |samples: &Samples| {
        let values = if fresh(samples) { samples.values() } else { &[] };
        let most = usize::try_from(context.args.samples).unwrap_or(usize::MAX).max(1);
        values.iter().skip(values.len().saturating_sub(most)).map(|value| f64::from(*value)).collect::<Vec<f64>>()
    };
    if context.inputs.requirements.stream
        && let samples = latest(&view.first_token)
        && !samples.is_empty()
    {
        let percentile = context.args.ttft_percentile.and_then(|share| percentile(samples.clone(), share));
        return RankReason::FirstToken(percentile.unwrap_or_else(|| mean(&samples)));
    }
    let samples = latest(&view.latency);
    if samples.is_empty() { RankReason::Unmeasured } else { RankReason::Latency(mean(&samples)) }
}

#[allow(clippy::cast_precision_loss, reason = "there are ten at the most")]
fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

/// The smallest sample that so large a share of all does not exceed.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ten at the most"
)]
fn percentile(mut samples: Vec<f64>, share: f64) -> Option<f64> {
    sort::by(&mut samples, f64::total_cmp);
    let rank = (share.clamp(0.0, 1.0) * samples.len() as f64).ceil() as usize;
    samples.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let of = |share| percentile(vec![3.0, 1.0, 2.0, 4.0], share).unwrap();
        assert_eq!([of(0.01), of(0.25), of(0.5), of(0.9), of(1.0), of(7.0)], [1.0, 1.0, 2.0, 4.0, 4.0, 4.0]);
        assert_eq!(percentile(Vec::new(), 0.5), None);
    }
}
