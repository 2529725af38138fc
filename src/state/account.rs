//! What the configuration says of the figures of one deployment, or of one client: the rules of its health, the limits that bind, and which figures are
//! kept at all.
//!
//! Figures that no decision reads are not shared between workers: latencies only if a strategy ranks by them, spend only if there is a
//! budget. Load always is, because metrics show it and every strategy skips a deployment that has reached its `rpm` or `tpm`.

use super::{Allowed, CooldownRules};
use crate::config::model::{Budget, Client, DeploymentIndex, RouterConfig, is_pattern};

/// What is kept for one deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// The deployment's id.
    pub id: String,
    /// What starts a cooldown.
    pub rules: CooldownRules,
    /// Requests a minute, if the limit binds.
    pub rpm: Option<u64>,
    /// Tokens a minute, if the limit binds.
    pub tpm: Option<u64>,
    /// Requests at a time.
    pub max_parallel: Option<u32>,
    /// Whether its latencies are kept.
    pub latency: bool,
    /// It serves many models, each with limits of its own, so the limits that an answer reports do not hold for all of them.
    pub is_wild: bool,
    /// Its budgets: their keys in shared data, and their amounts.
    pub budgets: Vec<(String, Budget)>,
}

impl Account {
    /// Whether a limit binds, so that requests are counted before they are sent, exactly and across workers.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        self.rpm.is_some() || self.tpm.is_some() || self.max_parallel.is_some()
    }
}

/// The accounts of a configuration: of its deployments, and behind them of its clients, which have no health.
#[must_use]
pub fn accounts(config: &RouterConfig) -> Vec<Account> {
    let deployments = (0..config.deployments.len()).filter_map(|index| account(config, index));
    deployments.chain(config.clients.iter().map(of_client)).collect()
}

fn of_client(client: &Client) -> Account {
    let id = client.account();
    Account {
        rpm: client.rpm,
        tpm: client.tpm,
        max_parallel: client.max_parallel,
        budgets: client.budget.map(|budget| (format!("spend/{id}"), budget)).into_iter().collect(),
        id,
        ..Account::default()
    }
}

fn account(config: &RouterConfig, index: DeploymentIndex) -> Option<Account> {
    let deployment = config.deployments.get(index)?;
    let router = &config.router;
    let groups = || config.groups.iter().filter(|group| group.deployments.contains(&index));
    // Some strategies skip a deployment over its limit, in LiteLLM too; the others take limits for weights.
    let binding = router.enforce_rate_limits || groups().any(|group| group.strategy.limits_bind);
    let is_wild = groups().any(|group| is_pattern(&group.name));
    let mut account = Account {
        id: deployment.id.clone(),
        rules: CooldownRules {
            never: router.disable_cooldowns || is_wild,
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
        latency: groups().any(|group| group.strategy.is_timed),
        is_wild,
        budgets: deployment
            .budget
            .map(|budget| (format!("spend/deployment/{}", deployment.id), budget))
            .into_iter()
            .collect(),
    };
    let name = deployment.provider.name;
    let of_provider = router.provider_budgets.iter().find(|(provider, _)| *provider == name);
    account.budgets.extend(of_provider.map(|(_, budget)| (format!("spend/provider/{name}"), *budget)));
    Some(account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;
    use crate::config::model::strategy;

    fn of(router: &str, deployments: &[(&str, &str)]) -> Vec<Account> {
        accounts(&config(router, deployments))
    }

    fn config(router: &str, deployments: &[(&str, &str)]) -> RouterConfig {
        let deployments: Vec<String> = deployments
            .iter()
            .map(|(name, more)| {
                format!(r#"{{"model_name":"{name}","litellm_params":{{"model":"openai/{name}","api_key":"os.environ/K"{more}}}}}"#)
            })
            .collect();
        let json = format!(r#"{{"model_list":[{}],"router_settings":{{{router}}}}}"#, deployments.join(","));
        compile_json(&json).unwrap()
    }

    #[test]
    fn a_shuffled_group_takes_limits_for_weights() {
        let all = of("", &[("m", r#","rpm":5,"tpm":6"#), ("m", "")]);
        assert!(all.iter().all(|account| !account.latency && !account.is_exact()));
        assert_eq!((all[0].id.as_str(), all[0].rpm, all[0].rules.never), ("m-1", None, false));
        assert_eq!((all[0].rules.cooldown_ms, all[0].rules.max_cooldown_ms), (5_000, 20_000));
    }

    #[test]
    fn limits_bind_where_a_strategy_or_a_setting_says_so() {
        let mut config = config("", &[("m", r#","rpm":5"#), ("n", r#","tpm":6"#)]);
        let wanted =
            |config: &RouterConfig| accounts(config).iter().map(|a| (a.is_exact(), a.latency)).collect::<Vec<_>>();
        const NOTHING: (bool, bool) = (false, false);
        for (strategy, first) in [
            (&strategy::SIMPLE_SHUFFLE, NOTHING),
            (&strategy::LEAST_BUSY, NOTHING),
            (&strategy::LATENCY_BASED, (true, true)),
            (&strategy::COST_BASED, (true, false)),
            (&strategy::USAGE_BASED, (true, false)),
        ] {
            config.groups[0].strategy = strategy;
            assert_eq!(wanted(&config), [first, NOTHING], "{strategy:?}");
        }
        config.groups[0].strategy = &strategy::SIMPLE_SHUFFLE;
        config.deployments[0].max_parallel = Some(3);
        assert_eq!(wanted(&config), [(true, false), NOTHING]);
        assert_eq!(accounts(&config)[0].rpm, None, "a weight");
        config.router.enforce_rate_limits = true;
        assert_eq!(
            accounts(&config).iter().map(|a| (a.rpm, a.tpm)).collect::<Vec<_>>(),
            [(Some(5), None), (None, Some(6))]
        );
    }

    #[test]
    fn a_provider_s_budget_is_one_for_all_of_its_deployments() {
        let mut config = config("", &[("m", ""), ("n", "")]);
        let budget = Budget { max_nanos: 5, period_ms: 1_000 };
        config.deployments[1].budget = Some(budget);
        config.router.provider_budgets = vec![("openai", budget), ("anthropic", budget)];
        let keys: Vec<Vec<String>> =
            accounts(&config).into_iter().map(|a| a.budgets.into_iter().map(|(key, _)| key).collect()).collect();
        assert_eq!(keys, [vec!["spend/provider/openai"], vec!["spend/deployment/n-1", "spend/provider/openai"]]);
    }

    #[test]
    fn wildcards_and_disabled_cooldowns_never_cool() {
        let wild = &of("", &[("*", "")])[0];
        assert!(wild.rules.never && wild.is_wild);
        let off = of(r#""disable_cooldowns":true,"allowed_fails":2"#, &[("m", r#","cooldown_time":9"#)]);
        let rules = off[0].rules;
        assert!(!off[0].is_wild);
        assert_eq!((rules.never, rules.router.fails, rules.own_cooldown_ms), (true, Some(2), Some(9_000)));
    }
}
