//! What can go wrong at a provider, as data, and the one error shape that clients see.

/// Why a provider did not serve a request. Retry, fallback and cooldown are decided by this class alone
/// (`routing::failover` holds the table).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureClass {
    /// No connection: refused, DNS, TLS.
    Connect,
    /// No connection, because the gateway itself has no more open files, ports or memory.
    Shortage,
    /// The connection was lost before an answer.
    Reset,
    /// No answer in time: no headers within `timeout`, or the provider's own 408 or 504.
    Timeout,
    /// Headers came, the first token did not come in time.
    FirstToken,
    /// 429 and its kin: too many requests or tokens for now.
    RateLimit,
    /// The money or the day's quota is used up.
    Quota,
    /// 503, 529, 498: the provider has no room.
    Overloaded,
    /// 5xx, a broken stream, an answer that cannot be read.
    Upstream,
    /// 401: our credentials are wrong.
    Auth,
    /// 403: our credentials may not do this.
    Permission,
    /// The model or deployment does not exist there.
    NotFound,
    /// The prompt is longer than the model's window.
    ContextWindow,
    /// The provider refuses the content.
    ContentPolicy,
    /// Any other 4xx: the request itself is at fault.
    BadRequest,
}

/// Whose fault a failure is. It says what suffers from it: what is a request's fault says nothing of the deployment, and what is the
/// account's will meet every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The client's own: no provider takes such a request.
    Client,
    /// The request's: this deployment does not take it, another may.
    Request,
    /// The model's: it is unknown there, or no more.
    Model,
    /// The account's: its money, its credentials, its rights.
    Account,
    /// The deployment's: it has no room, or fails.
    Deployment,
    /// The network's, between here and there.
    Network,
    /// The gateway's own: it lacks what another connection takes. It says nothing of the deployment either.
    Gateway,
}

impl Fault {
    /// Whether the request is at fault, so that the failure says nothing of the deployment: it never cools one.
    #[must_use]
    pub const fn is_of_request(self) -> bool {
        matches!(self, Self::Client | Self::Request)
    }
}

impl FailureClass {
    /// Whose fault it is, where no word says otherwise.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Shortage => Fault::Gateway,
            Self::Connect | Self::Reset => Fault::Network,
            Self::Timeout | Self::FirstToken | Self::RateLimit | Self::Overloaded | Self::Upstream => Fault::Deployment,
            Self::Quota | Self::Auth | Self::Permission => Fault::Account,
            Self::NotFound => Fault::Model,
            Self::ContextWindow | Self::ContentPolicy | Self::BadRequest => Fault::Request,
        }
    }

    /// The class as it stands in headers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Shortage => "gateway_overloaded",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::FirstToken => "first_token",
            Self::RateLimit => "rate_limit",
            Self::Quota => "quota",
            Self::Overloaded => "overloaded",
            Self::Upstream => "upstream",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::NotFound => "not_found",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::BadRequest => "bad_request",
        }
    }
}

/// What a model cannot do, as its provider says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Calling tools.
    Tools,
    /// Reading images.
    Images,
    /// Being told whether to think.
    Thinking,
    /// Anything else.
    Other,
}

/// One failure of one provider: data, not an `Err`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What kind it is.
    pub class: FailureClass,
    /// Whose fault it is.
    pub fault: Fault,
    /// What the model lacks, where that is why.
    pub lack: Option<Lack>,
    /// The name of the provider that said so; empty where none did.
    pub provider: &'static str,
    /// The provider's HTTP status, 0 where there was none.
    pub status: u16,
    /// The provider's own message, cut to a sane length, free of credentials.
    pub message: String,
    /// The provider's own error code or type, if it gave one.
    pub code: Option<String>,
    /// The parameter the provider complains about, if it named one.
    pub param: Option<String>,
    /// How long the provider asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Failure {
    /// Whether it is a refusal of the request that no word explains: another provider may take it.
    #[must_use]
    pub fn is_unexplained(&self) -> bool {
        self.class == FailureClass::BadRequest && self.fault == Fault::Request
    }

    /// Whether the same request meets the same failure again, however soon it comes: then no client need try.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        !matches!(self.fault, Fault::Deployment | Fault::Network | Fault::Gateway)
    }

    /// A failure that no provider named: the connection or our own reading of the answer says so.
    #[must_use]
    pub fn local(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            fault: class.fault(),
            lack: None,
            provider: "",
            status: 0,
            message: message.into(),
            code: None,
            param: None,
            retry_after_ms: None,
        }
    }
}

/// An error in OpenAI's shape, as the client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.code`.
    pub code: Option<String>,
    /// `error.param`.
    pub param: Option<String>,
    /// `error.message`.
    pub message: String,
}
