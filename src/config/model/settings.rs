//! What holds for all groups: `router_settings`, and the `signalbox:` key.

use serde::Deserialize;

use super::{AllowedFails, Budget, Edge, IdentitySource, Strategy, StrategyArgs};

/// `router_settings`, LiteLLM's names and defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct RouterSettings {
    /// `routing_strategy`, for groups without one of their own.
    pub strategy: &'static Strategy,
    /// `routing_strategy_args`.
    pub strategy_args: StrategyArgs,
    /// `num_retries`: 2.
    pub num_retries: u32,
    /// `max_fallbacks`: 5.
    pub max_fallbacks: u32,
    /// `allowed_fails`; unset: LiteLLM's default rules.
    pub allowed_fails: Option<u32>,
    /// `allowed_fails_policy`.
    pub allowed_fails_policy: Option<AllowedFails>,
    /// `provider_budget_config`: what may be spent at a provider, by its name.
    pub provider_budgets: Vec<(&'static str, Budget)>,
    /// `enable_pre_call_checks`: a prompt that is probably too long is not sent. Without it, only one that surely is.
    pub pre_call_checks: bool,
    /// `optional_pre_call_checks: [enforce_model_rate_limits]`: `rpm` and `tpm` bind under every strategy.
    pub enforce_rate_limits: bool,
    /// `enable_tag_filtering`.
    pub tag_filtering: bool,
    /// `tag_filtering_match_any`: one common tag suffices; else all of the request's are needed. `true`.
    pub tag_match_any: bool,
    /// `cooldown_time`, in milliseconds: 5,000.
    pub cooldown_ms: u64,
    /// `timeout`, in milliseconds; unset: [`super::Times`] says.
    pub timeout_ms: Option<u64>,
    /// `stream_timeout`, in milliseconds.
    pub stream_timeout_ms: Option<u64>,
    /// `disable_cooldowns`.
    pub disable_cooldowns: bool,
}

/// The `timeout` of what nothing else can be tried for, where none is set, in milliseconds: what OpenAI's SDKs wait. LiteLLM's
/// 6,000 s fit nobody.
const DEFAULT_TIMEOUT_MS: u64 = 600_000;

impl RouterSettings {
    /// How long an attempt may take where nothing else can be tried and no deployment says otherwise, in milliseconds.
    #[must_use]
    pub fn timeout_or_default_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS)
    }
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
    /// `answer_timeout`, in milliseconds: how long a whole answer may take where no `timeout` is given and another deployment can be
    /// tried: 60,000. Written 0: `None`, as long as where nothing else can be tried.
    pub answer_timeout_ms: Option<u64>,
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
    /// `max_wait`: a `retry-after` up to this is waited out with the client on the line, in milliseconds: 5,000.
    pub max_wait_ms: u64,
    /// `max_cooldown`: how far a cooldown grows with repeated failure, in milliseconds: 20,000. What a provider says in
    /// `retry-after` may be longer.
    pub max_cooldown_ms: u64,
    /// `stream_commit`: when the first byte of a stream goes to the client.
    pub stream_commit: StreamCommit,
    /// `stream_idle_timeout`: how long a stream may be silent once it began, in milliseconds: 30,000. Written 0: `None`.
    pub stream_idle_timeout_ms: Option<u64>,
    /// `stream_progress_timeout`: how long a stream may hold nothing but comments, pings and empty events once it began, in
    /// milliseconds: 300,000. Written 0: `None`.
    pub stream_progress_timeout_ms: Option<u64>,
    /// `stream_usage`: providers are asked for the usage of streams where a price, limit or strategy needs it: `true`.
    pub stream_usage: bool,
    /// `affinity`: requests with the same beginning go to the same deployment.
    pub affinity: Option<Affinity>,
    /// `health_check`: cooling deployments are asked on our own account.
    pub health_check: Option<HealthCheck>,
    /// `mock_testing`, or LiteLLM's `general_settings.dangerously_allow_mock_testing_request_params`: requests may rehearse
    /// failures.
    pub mock_testing: bool,
    /// `state_path`: a GET of this path answers what is known of each deployment, for `signalbox explain --state`. `None`: nothing does.
    pub state_path: Option<String>,
    /// `identity_from`: where a client's identity is looked for; the first that is there counts.
    pub identity_from: Vec<IdentitySource>,
    /// Which clients the gateway lets in, and how much of a request it keeps.
    pub edge: Edge,
    /// Of no file: it comes with the filter's own configuration.
    pub naming: Naming,
}

/// How things are named in an Envoy that runs more than this one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Naming {
    /// What the names of all clusters begin with.
    pub clusters: String,
    /// How statistics carry their labels.
    pub metrics: Labels,
    /// The variables of clients' keys that are in files, of which the filter hears by a cluster each.
    pub key_files: Vec<String>,
}

impl Naming {
    /// The cluster by which the filter hears of a key in a file. No deployment's id has a slash.
    #[must_use]
    pub fn key_cluster(&self, variable: &str) -> String {
        format!("{}signalbox-key/{variable}", self.clusters)
    }
}

/// How the name of a statistic carries its labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Labels {
    /// In words and dots, which the `stats_config` of the generated bootstrap takes apart.
    #[default]
    Words,
    /// As `LABEL=.=VALUE;.;`, which Istio's bootstrap takes apart for each of its `extraStatTags`.
    Istio,
}

/// When the first byte of a stream goes to the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StreamCommit {
    /// `first_token`: with the first meaningful event.
    #[default]
    FirstToken,
    /// `complete`: when the whole answer is there, so that a stream that breaks in the middle can move on.
    Complete,
}

/// `signalbox.affinity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Affinity {
    /// `min_prefix_tokens`: shorter beginnings are not worth it, providers do not cache them: 1,024.
    pub min_prefix_tokens: u64,
    /// `tenant_header`: requests with different values of this header share nothing.
    pub tenant_header: Option<String>,
}

/// `signalbox.health_check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// `interval`: how often a cooling deployment is asked, in milliseconds: 5,000.
    pub interval_ms: u64,
    /// `timeout`, in milliseconds: 5,000.
    pub timeout_ms: u64,
}
