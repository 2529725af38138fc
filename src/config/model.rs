//! The configuration as the router uses it: names resolved, defaults filled in, nothing left that could be wrong.
//!
//! **Invariant:** every index points into its vector; every group has at least one deployment; every fallback names a group.

use crate::provider::Provider;

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
    /// `default_fallbacks`: for every group without an entry of its own.
    pub default_fallbacks: Vec<GroupIndex>,
    /// `router_settings`, with defaults.
    pub router: RouterSettings,
    /// The `signalbox:` key, with defaults.
    pub signalbox: Settings,
}

/// A public model name and the deployments that serve it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelGroup {
    /// `model_name`, as clients ask for it. May hold `*`.
    pub name: String,
    /// Its deployments, in file order.
    pub deployments: Vec<DeploymentIndex>,
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

/// One place that can serve a model: one Envoy cluster of the same name.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// `model_info.id`, else made from the group's name and a number: the Envoy cluster's name.
    pub id: String,
    /// The group it belongs to.
    pub group: GroupIndex,
    /// Who runs the API.
    pub provider: &'static Provider,
    /// The model as the provider names it (`litellm_params.model` without the provider). May hold `*`, filled from the
    /// wildcard of the group's name.
    pub model: String,
    /// Where the API lives.
    pub endpoint: Endpoint,
    /// Where its key comes from. Never the key itself, except where the file holds it literally.
    pub key: Option<Key>,
    /// `weight` for simple-shuffle.
    pub weight: Option<f64>,
    /// `rpm`, requests per minute.
    pub rpm: Option<u64>,
    /// `tpm`, tokens per minute.
    pub tpm: Option<u64>,
    /// `order`: lower first; with one set anywhere among the candidates, those without are left out.
    pub order: Option<i64>,
    /// `timeout`, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// `stream_timeout`, in milliseconds: the first-token deadline.
    pub stream_timeout_ms: Option<u64>,
    /// `num_retries` when this deployment failed first.
    pub num_retries: Option<u32>,
    /// `cooldown_time`, in milliseconds.
    pub cooldown_ms: Option<u64>,
    /// `drop_params`.
    pub drop_params: bool,
}

/// A base URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `https`.
    pub tls: bool,
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path below which the API lives, without a trailing slash; may be empty.
    pub path: String,
}

impl Endpoint {
    /// The `host` header: the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
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

/// Where a key comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// `os.environ/NAME`.
    Env(String),
    /// It stands in the file itself. Only the command line ever sees this; the filter's configuration never holds it.
    Literal(String),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "Env({name})"),
            Self::Literal(_) => f.write_str("Literal(…)"),
        }
    }
}

/// `router_settings`, LiteLLM's names and defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterSettings {
    /// `routing_strategy`.
    pub strategy: StrategyName,
    /// `num_retries`: 2.
    pub num_retries: u32,
    /// `max_fallbacks`: 5.
    pub max_fallbacks: u32,
    /// `allowed_fails`; unset: LiteLLM's default rules.
    pub allowed_fails: Option<u32>,
    /// `cooldown_time`, in milliseconds: 5,000.
    pub cooldown_ms: u64,
    /// `timeout`, in milliseconds; unset: 6,000 s.
    pub timeout_ms: Option<u64>,
    /// `stream_timeout`, in milliseconds.
    pub stream_timeout_ms: Option<u64>,
    /// `disable_cooldowns`.
    pub disable_cooldowns: bool,
}

/// LiteLLM's `timeout` where none is set, in milliseconds.
const DEFAULT_TIMEOUT_MS: u64 = 6_000_000;

impl RouterSettings {
    /// How long an attempt may take until its headers come, where no deployment says otherwise, in milliseconds.
    #[must_use]
    pub fn per_try_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)
    }
}

/// `routing_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StrategyName {
    /// `simple-shuffle`.
    SimpleShuffle,
}

/// The `signalbox:` key: what only Signalbox has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `listen`: `127.0.0.1:10000`.
    pub listen: String,
    /// `admin`: Envoy's admin address, on loopback: `127.0.0.1:9901`.
    pub admin: String,
    /// `first_token_timeout`, in milliseconds: the deadline where no `stream_timeout` is given: 10,000. Written 0: `None`, no
    /// deadline.
    pub first_token_timeout_ms: Option<u64>,
    /// `connect_timeout`, in milliseconds: 5,000.
    pub connect_timeout_ms: u64,
    /// `ca_file`: the certificates that providers are checked against.
    pub ca_file: String,
    /// `max_request_bytes`: larger requests get a 413.
    pub max_request_bytes: u64,
    /// `max_response_bytes`: how much of a whole answer is held to check it; larger ones pass unchecked.
    pub max_response_bytes: u64,
    /// `secret_files`: for an `os.environ/NAME`, the file that holds it instead.
    pub secret_files: Vec<(String, String)>,
    /// `access_log`: Envoy prints a line for each request. `signalbox up` always does.
    pub access_log: bool,
    /// `fallback_on_bad_request`: LiteLLM's way of trying fallback groups after a 400, 413 or 422 too.
    pub fallback_on_bad_request: bool,
}
