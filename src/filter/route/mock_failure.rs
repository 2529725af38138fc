//! Mock failures: LiteLLM's `mock_testing_*` in a request's body show what the configuration makes of a failure before it happens.
//!
//! The mock failure is injected before the first attempt; the failover after it is real. Three of them say that no deployment of the asked
//! model serves, so they lead where [`beyond_asked`](crate::routing::failover::beyond_asked) says; the rate limit is that of the
//! deployment that comes first. Health and statistics learn nothing of it.
//!
//! **Invariant:** a mock failure needs the configuration's leave: else any client could send its requests past the model that it asks for.

use super::super::Flight;
use super::super::http::{ErrorReply, invalid};
use crate::chat::{Failure, FailureClass};
use crate::config::model::Settings;
use crate::dialect::scan::MockFailure;

/// Refuses a mock failure that the configuration does not allow.
///
/// # Errors
/// A 400 that says how to allow it.
pub(super) fn admit(mock: Option<MockFailure>, settings: &Settings) -> Result<Option<MockFailure>, ErrorReply> {
    let Some(refused) = mock.filter(|_| !settings.mock_testing) else { return Ok(mock) };
    let member = member(refused);
    let message = format!(
        "`{member}` is not allowed here. To allow rehearsals, set `signalbox: {{mock_testing: true}}` in the configuration of the gateway."
    );
    Err(invalid(400, "mock_testing_not_allowed", Some(member), message).into())
}

const fn member(mock: MockFailure) -> &'static str {
    match mock {
        MockFailure::Fallbacks => "mock_testing_fallbacks",
        MockFailure::ContextWindow => "mock_testing_context_fallbacks",
        MockFailure::ContentPolicy => "mock_testing_content_policy_fallbacks",
        MockFailure::RateLimit => "mock_testing_rate_limit_error",
    }
}

fn failure(mock: MockFailure) -> Failure {
    let (class, status) = match mock {
        MockFailure::Fallbacks => (FailureClass::Upstream, 500),
        MockFailure::ContextWindow => (FailureClass::ContextWindow, 400),
        MockFailure::ContentPolicy => (FailureClass::ContentPolicy, 400),
        MockFailure::RateLimit => (FailureClass::RateLimit, 429),
    };
    Failure { status, ..Failure::local(class, format!("a rehearsed failure (`{}`)", member(mock))) }
}

/// Counts the first attempt as failed, and selects what follows.
///
/// # Errors
/// The mock failure, where nothing does.
pub(super) fn inject(mut flight: Flight, mock: MockFailure) -> Result<Flight, ErrorReply> {
    if flight.mock(failure(mock), mock != MockFailure::RateLimit) {
        return Ok(flight);
    }
    let (error, cause) = flight.final_error();
    Err(ErrorReply::failure(error, flight.failure_headers(cause)))
}
