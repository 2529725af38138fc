//! HTTP as clients and providers see it: paths, headers, and the answers that the filter gives itself.

mod headers;
mod paths;
mod refusal;
mod reply;

pub use headers::{HeaderChanges, HeaderMap, OutgoingHeaders, RequestHeaders};
pub(super) use headers::{OF_FAILURE, OF_REPLACED_BODY, of_probe, said_in_place_of_client};
pub use paths::Api;
pub(super) use paths::{Asked, asked};
pub use refusal::refusal;
pub(super) use refusal::{ASTRAY, LONG_WAIT_MS, astray, limited};
pub(super) use reply::{ERROR_HEADER, invalid, models, no_retry, one_model, request_id, unknown_model};
pub use reply::{ErrorReply, Reply};
