//! The two roles as state machines: events in, effects out.
//!
//! The **route** role ([`RouteFilter`]) reads a request once, plans it, and leaves a [`Flight`] behind. The **attempt** role
//! ([`AttemptFilter`]) runs once for each try of that flight: it rewrites the request for its deployment, judges the answer, and says
//! whether Envoy shall retry. What takes long to build waits in a [`Setup`]. The shell in `wasm` carries the effects out.
//!
//! **Invariant:** every attempt ends in exactly one ending ([`Flight::take_reports`]), also one that is reset.

mod attempt;
mod brought;
pub mod choose;
mod decisions;
mod desk;
mod exchange;
pub mod expressible;
mod flights;
mod gauges;
mod host;
mod http;
pub mod kept;
mod news;
pub mod plugin;
pub mod probe;
mod properties;
pub mod route;
mod setup;
mod timers;
mod verdict;
mod worker;

pub use attempt::{Attempt, AttemptFilter};
pub use exchange::{
    AttemptResult, Flight, Link, RELAY, RELAY_LIMIT_HEADER, RELAY_SAYS_HEADER, RELAY_TO_HEADER, Report,
};
pub use gauges::{Change, MetricUpdate};
pub use host::{Buffer, Effect, Effects, Event, Flow, Host, Map};
pub use http::{Api, HeaderMap, OutgoingHeaders, Reply};
pub use route::RouteFilter;
pub use setup::Setup;
pub use verdict::{Commit, Edit, Outgoing, Verdict};
pub use worker::{Asked, SharedFlight, Worker, configure, on_call_answered, on_tick};

/// The header, and its value, by which an attempt asks Envoy for a retry. Never leaves the gateway.
pub const RETRY_HEADER: (&str, &str) = ("x-signalbox-retry", "now");
/// The header by which the route filter tells the first attempt its flight. Stripped from what clients send, and never sent on.
pub const FLIGHT_HEADER: &str = "x-signalbox-flight";
/// Envoy's header for the time an attempt may take, read once when the request is first routed.
pub const PER_TRY_TIMEOUT_HEADER: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
