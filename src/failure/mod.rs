//! What went wrong at a provider: its status, headers and body in any provider's shape, read into one [`Failure`]; and the
//! error that the client gets for it.
//!
//! One reader serves every provider, because proxies, clouds and aggregators send each other's shapes: which provider was
//! asked says little about the software that wrote the body. A class is found by what was said (codes, then wordings), and by the status
//! only where nothing was: providers put full contexts into 400, 413 and 422, and rate limits into 413 and 200.
//!
//! **Invariant:** any bytes give a failure; nothing that looks like a key and nothing of unbounded length gets into it.

mod bytes;
mod client_error;
mod connection;
mod error_body;
mod judge;
pub mod limits;
mod phrases;
mod redact;
mod refused_member;
mod retry_after;
mod time;
mod vendor;
mod words;

pub use bytes::{BYTE_ORDER_MARK, is_compressed, without_mark};
pub use client_error::api_error;
pub use connection::{is_own_shortage, no_connection};
pub use refused_member::refuses;

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
    let ErrorAnswer { provider, status, header, body, now_ms } = *answer;
    let mut said = Said::read(body);
    if let Some(name) = header("x-amzn-errortype") {
        said.add_amazon(&name);
    }
    let status = if status < 400 { said.status.unwrap_or(status) } else { status };
    // Proxies put another's refusal into a status of their own.
    let named = said.status.filter(|named| matches!(named, 401..=404 | 408 | 413 | 429 | 503 | 504 | 529));
    let meant = named.filter(|_| matches!(status, 400 | 500 | 502)).unwrap_or(status);
    let (class, fault, lack) = judge::judge(answer, meant, &said);
    Failure {
        class,
        fault,
        lack,
        provider,
        status,
        message: said.message(),
        code: said.code.as_deref().map(redact::name),
        param: said.param.as_deref().map(redact::name),
        retry_after_ms: retry_after::retry_after_ms(header, said.wait_ms, class, now_ms),
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
