//! One counted attempt: from the decision to send it until its end.

use crate::chat::Failure;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The deployment served.
    Served,
    /// It did not.
    Failed(Failure),
    /// The client went away first, which says nothing about the deployment.
    Abandoned,
}

/// A counted attempt. It is given back exactly once, to `cancel` or `end`; until then it counts as in flight.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "an attempt that is never given back counts as on its way for ever"]
pub struct Reservation {
    /// The deployment's place in this worker's ledger, which outlives a change of configuration.
    pub(super) record: usize,
    /// Tokens that were reserved.
    pub(super) tokens: u64,
    /// When it began, Unix milliseconds.
    pub(super) began_ms: u64,
    /// It probes a half-open deployment, with a lease until then.
    pub(super) probes_until_ms: Option<u64>,
}

/// The result of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// How it ended.
    pub outcome: Outcome,
    /// Tokens that it used, if the provider reported them.
    pub tokens: Option<u64>,
    /// What it cost, in billionths of a US dollar.
    pub cost_nanos: u64,
    /// Seconds per output token of a whole answer, or seconds if the tokens are not known.
    pub latency: Option<f32>,
    /// Seconds until a stream's first token.
    pub first_token: Option<f32>,
}

impl AttemptRecord {
    /// An end without any figures.
    #[must_use]
    pub const fn with(outcome: Outcome) -> Self {
        Self { outcome, tokens: None, cost_nanos: 0, latency: None, first_token: None }
    }
}

/// A deployment is at a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitReached {
    /// Which limit is reached.
    pub limit: Limit,
    /// When there may be room again, Unix milliseconds; now, if that depends on requests in flight.
    pub until_ms: u64,
}

/// A limit of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// `rpm`.
    Requests,
    /// `tpm`.
    Tokens,
    /// `max_parallel_requests`.
    Parallel,
}

impl Limit {
    /// The key of the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "rpm",
            Self::Tokens => "tpm",
            Self::Parallel => "max_parallel_requests",
        }
    }
}
