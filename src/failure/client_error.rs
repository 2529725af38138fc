//! The error that a client gets when no provider served it.
//!
//! Status and code are those for which OpenAI's SDKs raise the fitting exception. What is the gateway's fault (its key, its
//! provider) is never a 401 or 403: the client's own key is in order.

use crate::chat::{ApiError, Failure, FailureClass};

/// The client's error for a failure.
#[must_use]
pub fn api_error(failure: &Failure) -> ApiError {
    use FailureClass as Class;
    const REQUEST: &str = "invalid_request_error";
    let own = |name: &str| Some(name.to_owned());
    let theirs = |otherwise: &str| failure.code.clone().or_else(|| own(otherwise));
    let class = failure.class;
    let (status, kind, code) = match class {
        Class::ContextWindow => (400, REQUEST, own("context_length_exceeded")),
        Class::ContentPolicy => (400, REQUEST, own("content_policy_violation")),
        Class::NotFound => (404, REQUEST, own("model_not_found")),
        Class::RateLimit => (429, "rate_limit_error", own("rate_limit_exceeded")),
        Class::Quota => (429, "insufficient_quota", own("insufficient_quota")),
        Class::Overloaded => (503, "overloaded_error", own("overloaded")),
        Class::Timeout | Class::FirstToken => (504, "timeout_error", own(class.as_str())),
        // A conflict passes: SDKs know it, and try again.
        Class::Upstream if failure.status == 409 => (409, "upstream_error", theirs("conflict")),
        Class::Upstream => (502, "upstream_error", theirs("upstream")),
        Class::Shortage => (503, "overloaded_error", own(class.as_str())),
        Class::Connect | Class::Reset => (502, "upstream_error", own(class.as_str())),
        Class::Auth => (502, "upstream_error", own("provider_auth")),
        Class::Permission => (502, "upstream_error", own("provider_permission")),
        Class::BadRequest => {
            let status = if (400..500).contains(&failure.status) { failure.status } else { 400 };
            // Where a provider gave no code, `code` holds its type, which `type` says already.
            (status, REQUEST, failure.code.clone().filter(|code| code != REQUEST))
        }
    };
    // What is said about our credentials, their parameter's name included, is for the log.
    let param = failure.param.clone().filter(|_| !is_about_credentials(class));
    ApiError { status, kind, code, param, message: message(failure) }
}

const fn is_about_credentials(class: FailureClass) -> bool {
    matches!(class, FailureClass::Auth | FailureClass::Permission)
}

/// The provider's words, or ours where it had none. About our credentials ours alone: providers quote them, in more shapes than can be
/// masked.
fn message(failure: &Failure) -> String {
    let ours = match failure.class {
        FailureClass::Connect => "the provider could not be reached",
        FailureClass::Shortage => "the gateway can open no more connections now",
        FailureClass::Reset => "the provider closed the connection before it answered",
        FailureClass::Timeout => "the provider did not answer in time",
        FailureClass::FirstToken => "the provider began its answer, but its first token did not come in time",
        FailureClass::RateLimit => "the provider's rate limit is reached",
        FailureClass::Quota => "the quota at the provider is used up",
        FailureClass::Overloaded => "the provider is overloaded",
        FailureClass::Upstream => "the provider failed",
        FailureClass::Auth => "the provider refused the gateway's credentials",
        FailureClass::Permission => "the provider does not allow this with the gateway's credentials",
        FailureClass::NotFound => "the provider does not know the model",
        FailureClass::ContextWindow => "the prompt is longer than the model's context window",
        FailureClass::ContentPolicy => "the provider refused the content",
        FailureClass::BadRequest => "the provider refused the request",
    };
    if is_about_credentials(failure.class) {
        let status = if failure.status == 0 { String::new() } else { format!(" (status {})", failure.status) };
        let provider =
            if failure.provider.is_empty() { "the provider".into() } else { format!("`{}`", failure.provider) };
        return format!("{}{status}", ours.replacen("the provider", &provider, 1));
    }
    if failure.message.is_empty() { ours.into() } else { failure.message.clone() }
}
