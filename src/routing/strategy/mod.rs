//! Strategies rank deployments; they never remove one. A new strategy is a row in [`crate::config::model::strategy`]; one that
//! goes by something new is a file here and a line in [`rank`] besides.
//!
//! A strategy gets a slice of one group's deployments of one `order`, gives each the figure it goes by, and puts the best first. It
//! ranks the rest with care as well: that is the order of the retries. What may not serve was taken out before.
//!
//! **Invariant:** equals are in random order: no strategy prefers what stands first in the file.

mod cost_based;
mod latency_based;
mod least_busy;
mod random;
mod simple_shuffle;
mod usage_based;

pub use random::Random;
pub(super) use random::mix;
use simple_shuffle::weights;

use super::PlanInputs;
use crate::config::model::strategy::{RanksBy, Strategy};
use crate::config::model::{DeploymentIndex, RouterConfig, StrategyArgs};
use crate::sort;

/// What ranked a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum RankReason {
    /// Nothing did: it is a last resort.
    #[default]
    None,
    /// The share of the draws that it gets, of all in its stage, 0 to 1.
    Share(f64),
    /// Requests on their way to it.
    InFlight(u32),
    /// Its seconds per output token.
    Latency(f64),
    /// Its seconds until the first token.
    FirstToken(f64),
    /// It has no sample yet, and is tried for that.
    Unmeasured,
    /// Pico-dollars for a prompt token and one of the answer; `None`: not known.
    Cost(Option<u64>),
    /// Tokens used in the current minute.
    Tokens(u64),
    /// The request's prefix belongs to it.
    Affinity,
}

/// A deployment on its way through a strategy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    pub deployment: DeploymentIndex,
    pub reason: RankReason,
}

/// What a strategy may look at.
pub(super) struct RankContext<'a> {
    pub config: &'a RouterConfig,
    pub inputs: &'a PlanInputs<'a>,
    pub args: StrategyArgs,
}

/// Ranks deployments of one group and one order, best first.
pub(super) fn rank(strategy: &Strategy, context: &RankContext<'_>, candidates: &mut [Ranked], random: &mut Random) {
    let rank = match strategy.ranks_by {
        RanksBy::Weight => simple_shuffle::rank,
        RanksBy::InFlight => least_busy::rank,
        RanksBy::Latency => latency_based::rank,
        RanksBy::Price => cost_based::rank,
        RanksBy::Tokens => usage_based::rank,
    };
    rank(context, candidates, random);
}

/// What each candidate weighs where requests are shared out by other means than the strategy's figure: as it draws, else evenly.
pub(super) fn shares(strategy: &Strategy, config: &RouterConfig, candidates: &[Ranked]) -> Vec<f64> {
    if strategy.draws_by_weight() { weights(config, candidates) } else { vec![1.0; candidates.len()] }
}

/// Sorts by a key, lowest first, equals at random.
fn sort_by<K: PartialOrd>(candidates: &mut [Ranked], random: &mut Random, key: impl Fn(&Ranked) -> K) {
    random.shuffle(candidates);
    sort::by(candidates, |one, other| key(one).partial_cmp(&key(other)).unwrap_or(std::cmp::Ordering::Equal));
}
