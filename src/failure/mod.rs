//! What went wrong at a provider: its status, headers and body in any provider's shape, read into one [`Failure`]; and the
//! error that the client gets for it.
//!
//! One reader serves every provider, because proxies, clouds and aggregators send each other's shapes: which provider was
//! asked says little about who wrote the body. A class is found by what was said (codes, then wordings), and by the status
//! only where nothing was: providers put full contexts into 400, 413 and 422, and rate limits into 413 and 200.
//!
//! **Invariant:** any bytes give a failure; nothing that looks like a key and nothing of unbounded length gets into it.

mod bytes;
mod client_error;
mod error_body;
pub mod limits;
mod phrases;
mod redact;
mod retry_after;
mod time;

pub use bytes::{BYTE_ORDER_MARK, is_compressed, without_mark};
pub use client_error::api_error;

use crate::chat::{Failure, FailureClass};
use error_body::Said;

/// What a provider sent in place of an answer, and what is known about it.
#[derive(Clone, Copy)]
pub struct ErrorAnswer<'a> {
    /// The provider's name; empty where it is not known.
    pub provider: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Looks a header up by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The body, or the event, as it came.
    pub body: &'a [u8],
    /// Now, Unix milliseconds, by which dates are measured; 0: not known, then the answer's own `date` must do.
    pub now_ms: u64,
}

/// Reads a failure from an answer. Also for an error that came inside a 2xx answer: then the class and the status are those which
/// the error itself names, and `Upstream` where it names none.
#[must_use]
pub fn classify(answer: &ErrorAnswer<'_>) -> Failure {
    let ErrorAnswer { provider, status, header, body, now_ms: _ } = *answer;
    let mut said = Said::read(body);
    if let Some(name) = header("x-amzn-errortype") {
        said.add_amazon(&name);
    }
    let status = if status < 400 { said.status.unwrap_or(status) } else { status };
    let class = class(status, &said);
    Failure {
        class,
        fault: class.fault(),
        provider,
        status,
        message: said.message(),
        code: said.code.as_deref().map(redact::name),
        param: said.param.as_deref().map(redact::name),
        retry_after_ms: retry_after::retry_after_ms(header, said.retry_ms, class),
    }
}

/// Reads the failure of an error that came inside a good answer, or as an event of a stream.
#[must_use]
pub fn in_band(provider: &'static str, body: &[u8]) -> Failure {
    classify(&ErrorAnswer { provider, status: 200, header: &|_| None, body, now_ms: 0 })
}

/// A failure that we see ourselves, where the provider said nothing: its class, and a sentence.
#[must_use]
pub fn own(class: FailureClass, code: &str, message: &str) -> Failure {
    Failure { code: Some(code.to_owned()), ..Failure::local(class, message) }
}

fn class(status: u16, said: &Said) -> FailureClass {
    if status != 429 && (said.flagged || phrases::found(phrases::POLICY, &said.text)) {
        return FailureClass::ContentPolicy;
    }
    if status == 402 || phrases::found(phrases::QUOTA, &said.text) {
        return FailureClass::Quota;
    }
    let by_word = said.words.iter().find_map(|word| by_word(word));
    // "Too many tokens", "request too large": of a minute, not of a context.
    if status == 429 || by_word == Some(FailureClass::RateLimit) {
        return by_word.unwrap_or(FailureClass::RateLimit);
    }
    let too_long_a_field = said.words.iter().any(|word| word == "string_above_max_length");
    if !too_long_a_field && phrases::found(phrases::CONTEXT, &said.text) {
        return FailureClass::ContextWindow;
    }
    by_word.or_else(|| by_wording(status, said)).unwrap_or_else(|| by_status(status))
}

/// Codes, types and exception names that mean the same whatever the status: lower case, `_` for `-`.
fn by_word(word: &str) -> Option<FailureClass> {
    Some(match word {
        "rate_limit_exceeded" | "rate_limit_error" | "resource_exhausted" | "throttlingexception" => {
            FailureClass::RateLimit
        }
        "billing_error" | "servicequotaexceededexception" => FailureClass::Quota,
        "request_too_large" => FailureClass::ContextWindow,
        "content_filter" => FailureClass::ContentPolicy,
        "model_not_found" | "deploymentnotfound" | "not_found" | "not_found_error" | "resourcenotfoundexception" => {
            FailureClass::NotFound
        }
        "invalid_api_key"
        | "api_key_invalid"
        | "authentication_error"
        | "unauthenticated"
        | "unrecognizedclientexception"
        | "invalidsignatureexception"
        | "incompletesignatureexception"
        | "missingauthenticationtokenexception"
        | "expiredtokenexception" => FailureClass::Auth,
        "permission_error" | "permission_denied" | "accessdeniedexception" => FailureClass::Permission,
        "overloaded_error"
        | "overloaded"
        | "unavailable"
        | "service_unavailable"
        | "capacity_exceeded"
        | "serviceunavailableexception"
        | "modelnotreadyexception" => FailureClass::Overloaded,
        "timeout_error" | "deadline_exceeded" | "modeltimeoutexception" => FailureClass::Timeout,
        "modelerrorexception" | "modelstreamerrorexception" | "internalserverexception" => FailureClass::Upstream,
        _ => return None,
    })
}

/// What only the message gives away: keys and models that are refused with a 400, and errors without any status.
fn by_wording(status: u16, said: &Said) -> Option<FailureClass> {
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| said.text.contains(phrase));
    let is = |name: &str| said.words.iter().any(|word| word == name);
    match status {
        400 if has(&["api key not valid", "incorrect api key", "invalid api key"]) => Some(FailureClass::Auth),
        400 if has(&["model identifier is invalid"]) => Some(FailureClass::NotFound),
        400.. => None,
        _ if has(&["overloaded", "server busy"]) => Some(FailureClass::Overloaded),
        _ if has(&["rate limit", "rate-limit", "too many requests"]) => Some(FailureClass::RateLimit),
        _ if has(&["timed out"]) => Some(FailureClass::Timeout),
        _ if is("invalid_request_error") || is("badrequesterror") || is("invalid_argument") => {
            Some(FailureClass::BadRequest)
        }
        _ => None,
    }
}

const fn by_status(status: u16) -> FailureClass {
    match status {
        401 => FailureClass::Auth,
        402 => FailureClass::Quota,
        403 => FailureClass::Permission,
        404 => FailureClass::NotFound,
        408 | 504 => FailureClass::Timeout,
        413 => FailureClass::ContextWindow,
        424 => FailureClass::Upstream,
        429 => FailureClass::RateLimit,
        498 | 503 | 529 => FailureClass::Overloaded,
        400..=499 => FailureClass::BadRequest,
        _ => FailureClass::Upstream,
    }
}
