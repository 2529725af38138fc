//! The two roles as state machines: data in, effects out, no host call.
//!
//! The **route** role ([`route`]) reads a request once, plans it, and leaves a [`Flight`] behind. The **attempt** role
//! ([`Attempt`]) runs once for each try of that flight: it rewrites the request for its deployment, judges the answer, and says
//! whether Envoy shall retry. What takes long to build waits in a [`Setup`]. The shell in `wasm` carries the effects out.
//!
//! **Invariant:** every attempt ends in exactly one ending ([`Flight::take_events`]), also one that is reset.

mod added;
mod alarms;
mod attempt;
mod brought;
mod choice;
pub mod choose;
mod decisions;
mod desk;
mod ending;
mod endpoint;
pub mod expressible;
mod final_error;
mod flight;
mod flights;
mod gauges;
mod headers;
pub mod kept;
mod link;
mod patience;
pub mod plugin;
pub mod probe;
mod refusal;
mod rehearsal;
mod relay;
mod reply;
pub mod route;
mod setup;
mod verdict;
mod worker;

pub use alarms::{Alarm, Alarms};
pub use attempt::Attempt;
pub use ending::{Ending, Event};
pub use endpoint::Api;
pub use flight::Flight;
pub use gauges::{Change, Told};
pub use headers::{HeaderMap, OutgoingHeaders, flight_of};
pub use link::Link;
pub use relay::{RELAY, RELAY_LIMIT_HEADER, RELAY_SAYS_HEADER, RELAY_TO_HEADER, relayed_flight};
pub use reply::Reply;
pub use setup::Setup;
pub use verdict::{Commit, Edit, Outgoing, Verdict};
pub use worker::{Asked, SharedFlight, Worker};

/// The header, and its value, by which an attempt asks Envoy for a retry. Never leaves the gateway.
pub const RETRY_HEADER: (&str, &str) = ("x-signalbox-retry", "now");
/// The header by which the route filter tells the first attempt its flight. Stripped from what clients send, and never sent on.
pub const FLIGHT_HEADER: &str = "x-signalbox-flight";
/// Envoy's header for the time an attempt may take, read once when the request is first routed.
pub const PER_TRY_TIMEOUT_HEADER: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
