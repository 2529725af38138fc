//! The filter: two roles as state machines over a [`Host`], in one VM per worker.
//!
//! The **route** role ([`RouteFilter`]) is the listener's side of a client's request: it plans the request and leaves a [`Flight`] behind. The
//! **attempt** role ([`AttemptFilter`]) is the upstream's side of one try of that flight: it rewrites the request for a deployment, judges
//! the answer, and says whether Envoy shall retry. What both know of each other, and all that outlives a request, is in the [`Worker`].
//!
//! # The contract
//!
//! **Who calls what.** The shell (`wasm`, or a scripted host in the tests) makes one call for each callback of the host:
//!
//! | callback | call |
//! |---|---|
//! | a root context is configured for a listener | [`configure`] |
//! | tick of a root context | [`on_tick`] |
//! | answer to a call of our own | [`on_call_answered`] |
//! | a context of a listener, of a cluster is made | [`RouteFilter::new`], [`AttemptFilter::new`] |
//! | any callback of such a context | its `on`([`Event`]), once |
//! | it is deleted | its `on`([`Event::Closed`]), last |
//!
//! An `on` asks the [`Host`] what it needs and returns [`Effects`]; the caller has them carried out in order, after `on` has returned, and
//! then does what their [`Flow`] says. The shell decides nothing.
//!
//! **In which order.** Of one request, where `R` is the route role's context and `A1`, `A2` are attempts:
//!
//! ```text
//! R  RequestHead > RequestBody... [> RequestTrailers]      plan; cluster and id into filter state; the route is chosen anew
//! A1    RequestHead > RequestBody... [> RequestTrailers]   begin; the head is held until the body's new length is known
//! A1    [Timer: a request that waited for its time goes on]
//! A1    ResponseHead > ResponseBody... [> ResponseTrailers], [Timer] in between
//! A1    Closed                                             when it is lost, to be retried, or over
//! A2    ...                                                Envoy reads filter state again, and makes the next attempt
//! R  ResponseHead > ResponseBody... [> ResponseTrailers]   an attempt's answer, or one of Envoy's own
//! A  Closed, R  Closed                                     in any order, at any time: the client may leave
//! ```
//!
//! **What may follow what.**
//! - No [`Event`] follows [`Event::Closed`]. Nothing else is certain to come: each event may be the last before it.
//! - `A1` begins in the same turn as the plan: no other event comes in between. If one does after all, `A1` finds its flight as `A2` does.
//! - `A(n)` is closed before `A(n+1)` reads filter state, so what a lost connection leads to is said there ([`Event::Closed`]). A lost
//!   connection has no other event; so where it would lead is also said when an attempt begins.
//! - A request's headers may be changed while its head is held: in [`Event::RequestHead`], and in the body's events after a
//!   [`Flow::Pause`] there. All attempts share one map, so each sets
//!   what is not so already (`http/headers.rs`). What of a client's headers goes to a provider, Envoy says (`generate`).
//! - An answer's headers may be changed until a [`Flow::Continue`] of its head, its body or a timer ([`Effect::ResumeResponse`]); its body
//!   while it comes, or while some of it is held. After that the answer is the client's: there is no retry, only [`Effect::ResetResponse`].
//! - [`Effect::Reply`] of an attempt goes through `R` to the client and is never retried.
//! - A timer wakes an attempt at a tick, in its own context ([`Host::enter`]), and never after it was closed.
//! - A VM may die with all its flights. Envoy keeps its requests and retries them in a fresh VM, whose attempts find no flight under
//!   their id: they answer 503. No other request is found there, because an id cannot be guessed (`exchange/flights.rs`).
//!
//! `tests/support/envoy.rs` is this contract as a program, and `tests/exchange.rs` runs the roles on it.
//!
//! **Invariant:** every attempt that began has exactly one [`AttemptResult`], also one that is reset.

mod attempt;
mod defaults;
mod exchange;
mod foreign;
mod host;
mod http;
mod kept;
mod metrics;
mod news;
pub mod plugin;
mod probe;
mod properties;
pub mod route;
mod said;
mod seat;
mod setup;
mod stamp;
mod timers;
mod worker;

pub use attempt::{Attempt, AttemptFilter, Commit, Edit, Outgoing, Verdict};
pub use exchange::{
    AttemptResult, Flight, Link, RELAY, RELAY_LIMIT_HEADER, RELAY_SAYS_HEADER, RELAY_TO_HEADER, Report, SharedFlight,
};
pub use host::{Buffer, Effect, Effects, Event, Flow, Host, Map};
pub use http::{Api, ErrorReply, HeaderChanges, HeaderMap, OutgoingHeaders, Reply, RequestHeaders};
pub use metrics::{Change, MetricUpdate};
pub use route::RouteFilter;
pub use seat::Asker;
pub use setup::Setup;
pub use worker::{Asked, Worker, configure, on_call_answered, on_tick};

/// The header, and its value, by which an attempt asks Envoy for a retry. Never leaves the gateway.
pub const RETRY_HEADER: (&str, &str) = ("x-signalbox-retry", "now");
/// Envoy's header for the time an attempt may take, read once when the request is first routed.
pub const PER_TRY_TIMEOUT_HEADER: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
