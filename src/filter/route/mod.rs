//! The route role: the listener's side of a request. It admits the request by its head, reads its body once, plans it, and answers in place
//! of Envoy where Envoy answers by itself.

mod admit;
mod claims;
mod clients;
mod expressible;
mod filter;
mod keys;
mod mock_failure;
mod model_router;
mod plan;

pub use super::http::refusal;
pub use admit::{Admission, HttpHead, admit, compressed, not_ready, too_large};
pub(super) use claims::PlanClaims;
pub(super) use clients::Properties;
pub(super) use clients::identify;
pub use clients::{check_asked, may_ask};
pub use expressible::Expressible;
pub use filter::RouteFilter;
pub(super) use keys::{ClientKeys, TIMEOUT_MS as KEY_TIMEOUT_MS, Variables};
pub use model_router::{TIER_HEADER, apply_params, route_model};
pub use plan::{PlanContext, consider, decide, decide_kept};
