//! How long a flight waits for an answer, with and without somewhere else to go.
//!
//! Envoy has one timer for all attempts of a request, whose time it reads once, and while it runs no filter can end an attempt that
//! has shown no head. So that time is the one after which silence is left for another deployment. An attempt that shall have longer
//! (nothing else is left to try, or a stream is held until it is whole) goes through the *relay*, a listener inside the same Envoy:
//! what is sent on from there has a time of its own ([`Way`]). An attempt that showed its head needs neither timer: the filter ends it
//! itself.
//!
//! **Invariant:** an attempt that is the last one is never cut off at the time after which another deployment would have been tried.

use super::Request;
use crate::chat::{Failure, FailureClass};
use crate::config::model::{Deployment, RouterConfig, StreamCommit};
use crate::routing::failover::{self, Next, Rules};
use crate::routing::{Place, Plan};

/// Time to let go before Envoy's own timer strikes, in milliseconds.
pub(in crate::filter) const MARGIN_MS: u64 = 300;
/// No request waits longer on its own word, in milliseconds: LiteLLM's longest default. Also for Envoy's timer where it is not needed.
const MAX_TIMEOUT_MS: u64 = 6_000_000;

/// How an attempt reaches its deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// By its cluster, under Envoy's timer for the request.
    #[default]
    Direct,
    /// By the relay, under a time of its own.
    Relay,
    /// By the relay, under a time of its own, although Envoy's timer is short: the relay's interim answer stops that timer, and with it
    /// all further retries.
    LastRelay,
}

/// The times of one attempt, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filter) struct Limits {
    /// Until another deployment is tried: to the end of a whole answer, to the first token of a stream.
    pub leave_ms: u64,
    /// The same where nothing else can be tried.
    pub last_ms: u64,
    /// It is the client that set the former, not the configuration.
    pub client_deadline: bool,
}

/// The times of one request, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filter) struct Times {
    /// Envoy's, for each attempt.
    pub per_try_ms: u64,
    /// The request's own `timeout`.
    pub own_timeout_ms: Option<u64>,
    /// The same, where the configuration would have waited longer.
    pub client_timeout_ms: Option<u64>,
}

/// The times of a request that was planned like this.
pub(in crate::filter) fn times(config: &RouterConfig, plan: &Plan, stream: bool, own_timeout_ms: Option<u64>) -> Times {
    let own_timeout_ms = own_timeout_ms.map(|own_ms| own_ms.clamp(1, MAX_TIMEOUT_MS));
    let configured_ms = configured_ms(config, plan, stream);
    let client_timeout_ms = own_timeout_ms.filter(|own_ms| *own_ms < configured_ms);
    // The filter sees to a stream's first token before Envoy does.
    let margin_ms = if stream { MARGIN_MS } else { 0 };
    let per_try_ms = match own_timeout_ms {
        _ if is_held_whole(config, stream) => MAX_TIMEOUT_MS,
        Some(own_ms) => own_ms + margin_ms,
        None => configured_ms,
    };
    Times { per_try_ms, own_timeout_ms, client_timeout_ms }
}

/// Whether a stream is held until it is complete: Envoy's timer would run for as long.
fn is_held_whole(config: &RouterConfig, stream: bool) -> bool {
    stream && config.signalbox.stream_commit == StreamCommit::Complete
}

/// What the configuration gives each attempt: the longest that any candidate but the last sets, or, where nothing else can be tried, the
/// longest of all.
fn configured_ms(config: &RouterConfig, plan: &Plan, stream: bool) -> u64 {
    let deployments = || plan.candidates().filter_map(|candidate| config.deployments.get(candidate.deployment));
    let first = Place { stage: 0, candidate: 0 };
    let silence = Failure::local(FailureClass::Timeout, String::new());
    let next = failover::next(plan, &[first], &silence, &Rules::of(&config.signalbox), 0);
    if !matches!(next, Next::Try(place, _) if place != first) {
        let longest_ms = deployments().map(|deployment| config.times(deployment).last_ms).max();
        return longest_ms.unwrap_or_else(|| config.router.timeout_or_default_ms());
    }
    let but_last = deployments().count().saturating_sub(1).max(1);
    let leave_ms = |deployment: &Deployment| {
        let times = config.times(deployment);
        // Envoy comes after the filter: its timer would ask the same deployment again.
        if stream { times.first_token_ms.saturating_add(MARGIN_MS) } else { times.answer_ms }
    };
    deployments().take(but_last).map(leave_ms).max().unwrap_or(MAX_TIMEOUT_MS)
}

impl Way {
    /// How the first attempt of a request goes.
    pub(in crate::filter) fn of_first(config: &RouterConfig, stream: bool) -> Self {
        if is_held_whole(config, stream) { Self::Relay } else { Self::Direct }
    }
}

impl Request {
    /// Whether its stream is held until it is complete.
    pub(super) fn is_held_whole(&self) -> bool {
        is_held_whole(&self.config, self.stream)
    }

    /// The times of an attempt at a deployment.
    pub(in crate::filter) fn limits(&self, deployment: &Deployment) -> Limits {
        let times = self.config.times(deployment);
        let configured_ms = if self.stream { times.first_token_ms } else { times.answer_ms };
        let client_deadline = self.client_timeout_ms.is_some_and(|own_ms| own_ms < configured_ms);
        // For a stream the client's own word only makes the wait for its first token shorter.
        let own_ms = self.own_timeout_ms.filter(|_| !self.stream || client_deadline);
        let leave_ms = own_ms.unwrap_or(configured_ms);
        Limits { leave_ms, last_ms: self.own_timeout_ms.unwrap_or(times.last_ms).max(leave_ms), client_deadline }
    }
}
