//! What a client gets when nobody served its request: the first real cause, what was tried, and whether trying again helps.
//!
//! **Invariant:** a wait is a number of ours; what a provider wrote never passes.

use super::Flight;
use super::reply::{ERROR_HEADER, no_retry};
use crate::chat::{ApiError, Failure};
use crate::failure::api_error;

/// From how long a wait on an SDK is not to try again by itself, in milliseconds: it would hold its caller for as long, and no SDK waits
/// for longer.
pub(super) const LONG_WAIT_MS: u64 = 60_000;

/// Whether the same request would fail again, or would have to wait for too long.
fn is_pointless(failure: &Failure) -> bool {
    failure.is_lasting() || failure.retry_after_ms.is_some_and(|wait_ms| wait_ms >= LONG_WAIT_MS)
}

impl Flight {
    /// The error the client gets when all is lost: the first real cause, and what was tried.
    pub(super) fn final_error(&self) -> (ApiError, Option<&Failure>) {
        let Some((_, first)) = self.causes.first() else {
            let message = "No provider could be reached.".to_owned();
            return (ApiError { status: 503, kind: "upstream_error", code: None, param: None, message }, None);
        };
        let mut error = api_error(first);
        if self.causes.len() > 1 {
            let tried: Vec<String> = self
                .causes
                .iter()
                .filter_map(|(place, failure)| {
                    let (_, deployment) = self.deployment(*place)?;
                    Some(format!("{}: {}", deployment.id, failure.class.as_str()))
                })
                .collect();
            error.message = format!("{} (tried {})", error.message, tried.join(", "));
        }
        (error, Some(first))
    }

    /// What an error's headers say of its cause. The client's SDK is told not to try again where that was done here, or is pointless:
    /// else it may, by the status.
    pub(super) fn of_failure(&self, failure: Option<&Failure>) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(failure) = failure {
            headers.push((ERROR_HEADER, failure.class.as_str().to_owned()));
            headers.extend(failure.retry_after_ms.map(|wait_ms| ("retry-after", wait_ms.div_ceil(1000).to_string())));
        }
        if self.causes.len() > 1 || failure.is_some_and(is_pointless) {
            headers.push(no_retry());
        }
        headers
    }
}
