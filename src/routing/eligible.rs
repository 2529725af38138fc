//! Which deployments of a group may serve now, in levels of `order`.
//!
//! As LiteLLM has it: with an `order` anywhere among them, those without one are left out; the lowest order serves and each
//! next one is a fallback of the same group.

use super::plan::Inputs;
use crate::config::model::{DeploymentIndex, RouterConfig};

/// The deployments that may serve, grouped by `order`, lowest first. Empty: none may.
pub(super) fn levels(
    config: &RouterConfig,
    deployments: &[DeploymentIndex],
    inputs: &Inputs<'_>,
    spare_cooling: bool,
) -> Vec<Vec<DeploymentIndex>> {
    let eligible: Vec<(DeploymentIndex, Option<i64>)> = deployments
        .iter()
        .filter_map(|&index| Some((index, config.deployments.get(index)?)))
        .filter(|(index, _)| (inputs.may_serve)(*index))
        .filter(|(index, _)| !spare_cooling || (inputs.cooling_until_ms)(*index) <= inputs.now_ms)
        .map(|(index, deployment)| (index, deployment.order))
        .collect();
    let mut orders: Vec<i64> = eligible.iter().filter_map(|(_, order)| *order).collect();
    if orders.is_empty() {
        return if eligible.is_empty() {
            Vec::new()
        } else {
            vec![eligible.into_iter().map(|(index, _)| index).collect()]
        };
    }
    orders.sort_unstable();
    orders.dedup();
    let level = |wanted: i64| {
        let of_level = eligible.iter().filter(|(_, order)| *order == Some(wanted));
        of_level.map(|(index, _)| *index).collect()
    };
    orders.into_iter().map(level).collect()
}
