//! `retry_policy` and `model_group_retry_policy`: how often a failure of a class is retried within its group, in place of `num_retries`.
//!
//! LiteLLM names classes by Python exceptions. Ours fall under the exception that its OpenAI path raises for them, except that a prompt
//! too long is not retried by `BadRequestErrorRetries`: it does not grow shorter.

use crate::chat::{Failure, FailureClass};
use crate::config::model::RetryPolicy;

/// How often a failure like this is retried; `None` where the policy does not say.
pub(super) fn of_class(policy: &RetryPolicy, failure: &Failure) -> Option<u32> {
    use FailureClass as C;
    let own = match failure.class {
        C::Connect | C::Shortage | C::Reset | C::Upstream => policy.internal_server_error,
        C::Timeout | C::FirstToken => policy.timeout,
        // It is as large the next time.
        C::RateLimit if failure.fault.is_of_request() => return None,
        C::RateLimit => policy.rate_limit,
        C::Quota if failure.status == 429 => policy.rate_limit,
        C::Overloaded => policy.service_unavailable,
        C::Auth => policy.authentication,
        C::NotFound => policy.not_found,
        C::ContentPolicy => policy.content_policy.or(policy.bad_request),
        C::BadRequest => policy.bad_request,
        C::Quota | C::Permission => None,
        C::ContextWindow => return None,
    };
    own.or(policy.default)
}
