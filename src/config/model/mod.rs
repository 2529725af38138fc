//! The configuration as the router uses it: names resolved, defaults filled in, nothing left that could be wrong.
//!
//! **Invariant:** every index points into its vector; every group has at least one deployment; every fallback names a group.

mod access;
mod client;
mod defaults;
mod deployment;
mod edge;
mod policy;
mod router;
mod settings;
pub mod strategy;
mod times;

pub use access::{Access, IdentitySource, Jwks, Jwt};
pub use client::{Client, MASTER, Proof};
pub use defaults::{Defaults, ExtraHeader, HeaderValue};
pub use deployment::{AwsCredentials, Deployment, Endpoint, Key, Role, Signing, Token};
pub use edge::Edge;
pub use policy::{AllowedFails, Budget, RetryPolicy, StrategyArgs};
pub use router::{Router, RouterFallbacks, RouterKind, Target};
pub use settings::{Affinity, HealthCheck, Labels, Naming, RouterSettings, Settings, StreamCommit};
pub use strategy::Strategy;
pub use times::Times;

/// Index into [`RouterConfig::groups`].
pub type GroupIndex = usize;
/// Index into [`RouterConfig::deployments`].
pub type DeploymentIndex = usize;

/// Everything the router knows from its configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterConfig {
    /// The model groups, in file order.
    pub groups: Vec<ModelGroup>,
    /// All deployments, in file order.
    pub deployments: Vec<Deployment>,
    /// `model_group_alias`: alias to group, in file order.
    pub aliases: Vec<Alias>,
    /// `fallbacks`: for a group, the groups to try after it, in order. One entry a group.
    pub fallbacks: Vec<(GroupIndex, Vec<GroupIndex>)>,
    /// `context_window_fallbacks`: where a prompt too long for a group goes. `None`: not configured, `fallbacks` serve.
    pub context_window_fallbacks: Option<Vec<(GroupIndex, Vec<GroupIndex>)>>,
    /// `content_policy_fallbacks`: where refused content may go; nowhere without an entry.
    pub content_policy_fallbacks: Option<Vec<(GroupIndex, Vec<GroupIndex>)>>,
    /// `default_fallbacks`: for every group without an entry of its own.
    pub default_fallbacks: Vec<GroupIndex>,
    /// Names that stand for a choice among groups, in file order.
    pub routers: Vec<Router>,
    /// `router_settings`, with defaults.
    pub router: RouterSettings,
    /// The `signalbox:` key, with defaults.
    pub signalbox: Settings,
    /// Who may come in; nobody is named: everybody.
    pub clients: Vec<Client>,
    /// What Envoy checks of them.
    pub access: Access,
}

impl RouterConfig {
    /// The name of a cluster in this Envoy.
    #[must_use]
    pub fn cluster(&self, id: &str) -> String {
        format!("{}{id}", self.signalbox.naming.clusters)
    }

    /// Whether a group, alias or router has this very name.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        let mut names = self.groups.iter().map(|group| &group.name).chain(self.aliases.iter().map(|alias| &alias.name));
        names.any(|known| known == name) || self.router_named(name).is_some()
    }

    /// The router of a name. No group, deployment or alias has the same.
    #[must_use]
    pub fn router_named(&self, name: &str) -> Option<usize> {
        self.routers.iter().position(|router| router.is_named(name))
    }

    /// Whether anything depends on how many tokens a deployment uses, so that a stream is worth being asked.
    #[must_use]
    pub fn needs_usage(&self, deployment: &Deployment) -> bool {
        let by_tokens = self.groups.get(deployment.group).is_some_and(|group| group.strategy.counts_tokens);
        let budgets = deployment.budget.is_some()
            || self.router.provider_budgets.iter().any(|(provider, _)| *provider == deployment.provider.name);
        // What a wildcard is asked for may have a price.
        let priced = deployment.facts.price.is_some() || is_pattern(&deployment.model);
        let has_use = by_tokens || budgets || deployment.tpm.is_some() || priced;
        self.signalbox.stream_usage && has_use
    }
}

/// A public model name and the deployments that serve it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelGroup {
    /// `model_name`, as clients ask for it. May hold `*`.
    pub name: String,
    /// Its deployments, in file order.
    pub deployments: Vec<DeploymentIndex>,
    /// `routing_groups` with the strategy `priority`: the `order` that holds for a deployment within this group.
    pub priorities: Vec<(DeploymentIndex, i64)>,
    /// The strategy by which one of them is chosen.
    pub strategy: &'static Strategy,
    /// `routing_strategy_args` for it.
    pub strategy_args: StrategyArgs,
    /// `model_group_retry_policy`, else `retry_policy`.
    pub retry_policy: Option<RetryPolicy>,
}

impl ModelGroup {
    /// A group without deployments yet.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            deployments: Vec::new(),
            priorities: Vec::new(),
            strategy: <&Strategy>::default(),
            strategy_args: StrategyArgs::default(),
            retry_policy: None,
        }
    }
}

/// Another name for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// What clients ask for.
    pub name: String,
    /// The group they get.
    pub group: GroupIndex,
    /// Not listed in `/v1/models`.
    pub hidden: bool,
}

/// Whether a group's or a model's name is a pattern, to be filled from what was asked.
#[must_use]
pub fn is_pattern(name: &str) -> bool {
    name.contains('*')
}

/// A name as it may stand in a header: names come from a file and may hold anything. Cut to 200 characters.
#[must_use]
pub fn header_text(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(200).collect()
}
