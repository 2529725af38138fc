//! One deployment: where it is, what it may take, what it is for.

use super::{AllowedFails, Budget, Defaults, ExtraHeader, GroupIndex};
use crate::catalogue::ModelFacts;
use crate::provider::{Api, Credential, Dialect, Provider};

/// One place that can serve a model: one Envoy cluster of the same name.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// `model_info.id`, else made from the group's name and a number: the Envoy cluster's name.
    pub id: String,
    /// The group it belongs to.
    pub group: GroupIndex,
    /// The provider that runs the API.
    pub provider: &'static Provider,
    /// What is spoken there: its provider's dialect, or the one of its model.
    pub dialect: Dialect,
    /// What a probe asks of it, by what its model is for; `None`: nothing that costs as little as a word.
    pub probed: Option<Api>,
    /// The model as the provider names it (`litellm_params.model` without the provider). May hold `*`, filled from the
    /// wildcard of the group's name.
    pub model: String,
    /// Where the API lives.
    pub endpoint: Endpoint,
    /// Where its key comes from. Never the key itself, except where the file holds it literally.
    pub key: Option<Key>,
    /// How its key travels.
    pub credential: Credential,
    /// The tokens that stand for a key. Where they are of Entra ID, [`Self::key`] is the secret by which Envoy gets them.
    pub token: Option<Token>,
    /// How Envoy signs its requests, in place of a key.
    pub signing: Option<Signing>,
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
    /// `model_info.allowed_fails`.
    pub allowed_fails: Option<u32>,
    /// `model_info.allowed_fails_policy`.
    pub allowed_fails_policy: Option<AllowedFails>,
    /// `max_parallel_requests`: no more at a time.
    pub max_parallel: Option<u32>,
    /// `max_budget` with `budget_duration`.
    pub budget: Option<Budget>,
    /// `tags`, for `enable_tag_filtering`.
    pub tags: Vec<String>,
    /// `region_name`, for `allowed_model_region`.
    pub region: Option<String>,
    /// `model_info.blocked`: paused, asked for nothing.
    pub blocked: bool,
    /// `model_info.supports`: the tasks it is good at, for task routing.
    pub supports: Vec<String>,
    /// `drop_params`.
    pub drop_params: bool,
    /// What it brings to the body of a request; `None`: nothing.
    pub defaults: Option<Box<Defaults>>,
    /// What it brings to the headers. Envoy adds them, so the filter's configuration has none.
    pub headers: Vec<ExtraHeader>,
    /// The model as its maker names it, where the entry says so.
    pub base_model: Option<String>,
    /// What is known of the model: its price, limits and capabilities.
    pub facts: ModelFacts,
}

impl Deployment {
    /// What a request of a client's dialect is sent in: in that, where it is spoken there too; else it is translated.
    #[must_use]
    pub fn speaks(&self, client: Dialect) -> Dialect {
        if self.dialect == self.provider.dialect { self.provider.speaks(client) } else { self.dialect }
    }

    /// Whether OpenAI's own software answers there, and not a server that calls itself compatible.
    #[must_use]
    pub fn is_openais_own(&self) -> bool {
        let Provider { habits, api_base, .. } = self.provider;
        habits.is_openai && (api_base.is_empty() || api_base.contains(self.endpoint.host.as_str()))
    }

    /// The Envoy cluster by which the gateway asks on its own account (`signalbox.health_check`); no id has a slash.
    #[must_use]
    pub fn probe_cluster(&self) -> String {
        format!("{}/probe", self.id)
    }
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
    /// What stands behind the `?` of every request: a version of the API. Mostly empty.
    pub query: String,
}

impl Endpoint {
    /// The target of a request to a path below the base URL.
    #[must_use]
    pub fn target(&self, below: &str) -> String {
        let Self { path, query, .. } = self;
        let sign = match (query.is_empty(), below.contains('?')) {
            (true, _) => "",
            (false, false) => "?",
            (false, true) => "&",
        };
        [path, below, sign, query].concat()
    }

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

/// Tokens that Envoy fetches and renews itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Of a client of Entra ID, whose secret is the deployment's key.
    Entra {
        /// Who gives them: the URL of the tenant's tokens.
        endpoint: Endpoint,
        /// The client's id.
        client: String,
        /// What they are for.
        scope: String,
    },
    /// Of the service account of the machine, by Google's metadata server.
    Google {
        /// That server: a name, or an address with a port.
        metadata_host: String,
    },
}

impl Token {
    /// The host that gives them.
    #[must_use]
    pub fn giver(&self) -> &str {
        match self {
            Self::Entra { endpoint, .. } => &endpoint.host,
            Self::Google { metadata_host } => metadata_host,
        }
    }
}

/// How requests are signed for AWS (signature version 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// The service.
    pub service: &'static str,
    /// The region.
    pub region: String,
    /// Whose credentials sign.
    pub credentials: AwsCredentials,
    /// The role that these take before.
    pub role: Option<Role>,
}

/// Whose credentials sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsCredentials {
    /// What Envoy finds: variables, files, the machine's or container's role.
    Chain,
    /// A profile of the file of credentials.
    Profile(String),
    /// Access keys.
    Keys {
        /// `aws_access_key_id`.
        id: Key,
        /// `aws_secret_access_key`.
        secret: Key,
        /// `aws_session_token`.
        token: Option<Key>,
    },
    /// A token of another identity provider: a variable, or the path of a file.
    WebIdentity(Key),
}

/// A role of IAM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// The name of the session.
    pub session: Option<String>,
    /// What the role's owner asks for.
    pub external_id: Option<String>,
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
