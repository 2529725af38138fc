//! Strategies rank deployments; they never remove one. A new strategy is a file here and a line in [`rank`].

mod random;
mod simple_shuffle;

pub use random::Random;

use crate::config::model::{DeploymentIndex, RouterConfig};

/// Ranks deployments of one group and one order, best first.
pub(super) fn rank(
    config: &RouterConfig,
    candidates: Vec<DeploymentIndex>,
    random: &mut Random,
) -> Vec<DeploymentIndex> {
    match config.router.strategy {
        _ => simple_shuffle::rank(config, candidates, random),
    }
}
