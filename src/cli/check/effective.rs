//! The values in force for a deployment after every default is filled in: its own, else the router's, else Signalbox's.
//!
//! **Invariant:** the figures are those that the filter uses.

use signalbox::config::model::{Deployment, ModelGroup, RouterConfig, Times};

/// The values of a deployment, or of one without any of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// Attempts after the first, in its group.
    pub retries: u32,
    /// How long an attempt may take.
    pub times: Times,
    /// The first cooldown after a failure, in milliseconds. `None`: never.
    pub cooldown_ms: Option<u64>,
    /// How many failures in a minute start no cooldown; `None`: the default rules.
    pub allowed_fails: Option<u32>,
}

/// The values of a deployment.
pub fn of(config: &RouterConfig, deployment: &Deployment) -> Effective {
    let all = of_all(config);
    let cooldown_ms = deployment.cooldown_ms.map_or(all.cooldown_ms, |own| Some(own).filter(|own| *own > 0));
    Effective {
        retries: deployment.num_retries.unwrap_or(all.retries),
        times: config.times(deployment),
        cooldown_ms: cooldown_ms.filter(|_| !config.router.disable_cooldowns),
        allowed_fails: deployment.allowed_fails.or(all.allowed_fails),
    }
}

/// The values of a deployment without any of its own.
pub fn of_all(config: &RouterConfig) -> Effective {
    let router = &config.router;
    Effective {
        retries: router.num_retries,
        times: config.default_times(),
        cooldown_ms: Some(router.cooldown_ms).filter(|ms| *ms > 0 && !router.disable_cooldowns),
        allowed_fails: router.allowed_fails,
    }
}

/// The share of its group's requests that a deployment is drawn for, where that is drawn and not even: by `weight`, else `rpm`, else
/// `tpm`, among those of the lowest `order`.
pub fn share(config: &RouterConfig, group: &ModelGroup, deployment: &Deployment) -> Option<f64> {
    if !group.strategy.draws_by_weight() || !group.priorities.is_empty() {
        return None;
    }
    let members = || group.deployments.iter().filter_map(|index| config.deployments.get(*index));
    let order = members().filter_map(|member| member.order).min();
    let drawn: Vec<&Deployment> =
        members().filter(|member| !member.blocked && (order.is_none() || member.order == order)).collect();
    if !drawn.iter().any(|member| member.id == deployment.id) {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "a share for people")]
    let measures: [fn(&Deployment) -> Option<f64>; 3] =
        [|d| d.weight, |d| d.rpm.map(|rpm| rpm as f64), |d| d.tpm.map(|tpm| tpm as f64)];
    let measure =
        measures.into_iter().find(|measure| drawn.iter().any(|it| measure(it).is_some_and(|own| own > 0.0)))?;
    let weighs = |it: &Deployment| measure(it).unwrap_or(0.0).max(0.0);
    let sum: f64 = drawn.iter().map(|it| weighs(it)).sum();
    let is_even = drawn.iter().all(|it| (weighs(it) - weighs(deployment)).abs() < f64::EPSILON);
    (!is_even).then(|| weighs(deployment) / sum)
}
