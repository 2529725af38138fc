//! What the configuration says of one deployment's books: the rules of its health, the limits that bind, and which figures are
//! kept at all.
//!
//! Only what a decision will read is shared between workers. A group that is shuffled needs health and nothing else, so that its
//! requests leave shared data alone.

use super::{Allowed, CooldownRules};
use crate::config::model::{Budget, DeploymentIndex, RouterConfig, StrategyName, is_pattern};

/// What is kept for one deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// The deployment's id.
    pub id: String,
    /// What cools it.
    pub rules: CooldownRules,
    /// Requests a minute, where they bind.
    pub rpm: Option<u64>,
    /// Tokens a minute, where they bind.
    pub tpm: Option<u64>,
    /// Requests at a time.
    pub max_parallel: Option<u32>,
    /// Its load is shared between workers.
    pub load: bool,
    /// Its latencies are.
    pub latency: bool,
    /// What may be spent on it: keys in shared data, and how much.
    pub budgets: Vec<(String, Budget)>,
}

impl Account {
    /// Whether a limit binds, so that requests are counted before they are sent, exactly and across workers.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.rpm.is_some() || self.tpm.is_some() || self.max_parallel.is_some()
    }

    /// Whether there is anything to share besides health.
    pub(super) fn has_books(&self) -> bool {
        self.load || self.latency || !self.budgets.is_empty()
    }
}

/// The accounts of a configuration, by deployment index.
#[must_use]
pub fn accounts(config: &RouterConfig) -> Vec<Account> {
    (0..config.deployments.len()).filter_map(|index| account(config, index)).collect()
}

fn account(config: &RouterConfig, index: DeploymentIndex) -> Option<Account> {
    use StrategyName::{CostBased, LatencyBased, LeastBusy, UsageBased};
    let deployment = config.deployments.get(index)?;
    let router = &config.router;
    let groups = || config.groups.iter().filter(|group| group.deployments.contains(&index));
    let ranked_by = |strategies: &[StrategyName]| groups().any(|group| strategies.contains(&group.strategy));
    // These skip who is over its limit, in LiteLLM too; the others take limits for weights.
    let binding = router.enforce_rate_limits || ranked_by(&[UsageBased, LatencyBased, CostBased]);
    let mut account = Account {
        id: deployment.id.clone(),
        rules: CooldownRules {
            never: router.disable_cooldowns || groups().any(|group| is_pattern(&group.name)),
            own: Allowed {
                fails: deployment.allowed_fails,
                policy: deployment.allowed_fails_policy.unwrap_or_default(),
            },
            router: Allowed { fails: router.allowed_fails, policy: router.allowed_fails_policy.unwrap_or_default() },
            own_cooldown_ms: deployment.cooldown_ms,
            cooldown_ms: router.cooldown_ms,
            max_cooldown_ms: config.signalbox.max_cooldown_ms,
        },
        rpm: deployment.rpm.filter(|_| binding),
        tpm: deployment.tpm.filter(|_| binding),
        max_parallel: deployment.max_parallel,
        load: ranked_by(&[LeastBusy, UsageBased]),
        latency: ranked_by(&[LatencyBased]),
        budgets: deployment
            .budget
            .map(|budget| (format!("spend/deployment/{}", deployment.id), budget))
            .into_iter()
            .collect(),
    };
    let name = deployment.provider.name;
    let of_provider = router.provider_budgets.iter().find(|(provider, _)| *provider == name);
    account.budgets.extend(of_provider.map(|(_, budget)| (format!("spend/provider/{name}"), *budget)));
    account.load |= account.is_exact();
    Some(account)
}
