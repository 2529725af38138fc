//! Rehearsals: LiteLLM's `mock_testing_*` in a request's body, by which somebody sees what the configuration makes of a failure before
//! it happens.
//!
//! The failure is told once, before anybody is asked, and what follows it is real. Three of them say that nobody of the model that was
//! asked for serves, so they lead where [`failover::beyond_asked`] says; the rate limit is that of the deployment that comes first. Health
//! and statistics learn nothing of it.
//!
//! **Invariant:** without leave of the configuration there is no rehearsal: anybody could send requests past the model it asks for.

use super::super::Flight;
use super::super::http::{Reply, invalid};
use crate::chat::{Failure, FailureClass};
use crate::config::model::Settings;
use crate::dialect::scan::MockFailure;

/// Refuses a rehearsal that the configuration does not allow.
///
/// # Errors
/// A 400 that says how to allow it.
pub(super) fn admit(rehearsal: Option<MockFailure>, settings: &Settings) -> Result<Option<MockFailure>, Reply> {
    let Some(refused) = rehearsal.filter(|_| !settings.mock_testing) else { return Ok(rehearsal) };
    let member = member(refused);
    let message = format!(
        "`{member}` is not allowed here. To allow rehearsals, set `signalbox: {{mock_testing: true}}` in the configuration of the gateway."
    );
    Err(Reply::error(&invalid(400, "mock_testing_not_allowed", Some(member), message)))
}

const fn member(rehearsal: MockFailure) -> &'static str {
    match rehearsal {
        MockFailure::Fallbacks => "mock_testing_fallbacks",
        MockFailure::ContextWindow => "mock_testing_context_fallbacks",
        MockFailure::ContentPolicy => "mock_testing_content_policy_fallbacks",
        MockFailure::RateLimit => "mock_testing_rate_limit_error",
    }
}

fn failure(rehearsal: MockFailure) -> Failure {
    let (class, status) = match rehearsal {
        MockFailure::Fallbacks => (FailureClass::Upstream, 500),
        MockFailure::ContextWindow => (FailureClass::ContextWindow, 400),
        MockFailure::ContentPolicy => (FailureClass::ContentPolicy, 400),
        MockFailure::RateLimit => (FailureClass::RateLimit, 429),
    };
    Failure { status, ..Failure::local(class, format!("a rehearsed failure (`{}`)", member(rehearsal))) }
}

/// Counts the first attempt as failed, and selects what follows.
///
/// # Errors
/// The mock failure, where nothing does.
pub(super) fn inject(mut flight: Flight, mock: MockFailure) -> Result<Flight, Reply> {
    if flight.mock(failure(mock), mock != MockFailure::RateLimit) {
        return Ok(flight);
    }
    let (error, cause) = flight.final_error();
    Err(Reply::failure(&error, flight.failure_headers(cause)))
}
