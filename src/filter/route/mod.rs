//! The route role: the listener's side of a request. It admits the request by its head, reads its body once, plans it, and answers in place
//! of Envoy where Envoy answers by itself.

mod filter;
mod mock_failure;
mod plan;

pub use filter::RouteFilter;
pub use plan::*;
