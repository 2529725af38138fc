//! The failures of answers with a good status that are none, for every dialect.
//!
//! **Invariant:** the words of half an answer decide nothing: they are the model's.

use serde::de::IgnoredAny;

use crate::chat::{Failure, FailureClass};
use crate::failure;

/// The code of an answer that is none.
pub const CODE: &str = "unreadable_answer";

/// The failure that a good status without an answer is. Its class is what the body says in words, else `Upstream`.
pub fn no_answer(provider: &'static str, body: &[u8], what: &str) -> Failure {
    let none = failure::own(FailureClass::Upstream, CODE, what);
    if !has_words(body) {
        return none;
    }
    let mut said = failure::in_band(provider, body);
    // A document without a sentence is told as it stands, which helps nobody.
    if said.message.starts_with(['{', '[']) {
        said.message.clear();
    }
    match (said.class, said.message.as_str()) {
        (FailureClass::Upstream, "") => none,
        (FailureClass::Upstream, words) => Failure { message: format!("{what}: {words}"), ..none },
        _ => said,
    }
}

/// The failure of a stream whose bytes ended too soon, with what its last event of no known kind has to say about that.
pub fn truncated(provider: &'static str, odd: &[u8], what: &str) -> Failure {
    let failure = no_answer(provider, odd, what);
    let code = failure.code.filter(|code| code != CODE).or_else(|| Some("stream_truncated".to_owned()));
    Failure { code, ..failure }
}

/// Whether a body may say what went wrong. Half a document may be half an answer, whose words are the model's.
fn has_words(body: &[u8]) -> bool {
    const LONG: usize = 1024;
    let body = body.trim_ascii();
    match body.first() {
        Some(b'{' | b'[') => serde_json::from_slice::<IgnoredAny>(body).is_ok(),
        // A web page is judged by its first byte where a stream is awaited.
        Some(b'<') => false,
        _ => {
            !body.is_empty()
                && body.len() < LONG
                && ![b"data:".as_slice(), b"event:"].iter().any(|field| body.starts_with(field))
        }
    }
}

/// The failure of an answer that cannot be read.
pub fn unreadable(message: &str) -> Failure {
    failure::own(FailureClass::Upstream, CODE, message)
}

/// The failure that bytes are which are no text.
pub fn not_text() -> Failure {
    failure::own(FailureClass::Upstream, "invalid_utf8", "the provider sent bytes that are not UTF-8")
}

/// A reason without what Google says behind it: `content_filter: PROHIBITED_CONTENT`.
pub fn without_detail(reason: &str) -> &str {
    reason.split_once(':').map_or(reason, |(word, _)| word)
}

/// Whether a reason for which an answer ended means that the provider failed: `OpenRouter`'s and Mistral's `error`, `DeepSeek`'s,
/// `Zhipu`'s, Google's for a call that it could not read, and what inference servers say when they drop a request.
pub fn is_breakdown(reason: &str) -> bool {
    const WORDS: [&str; 6] =
        ["error", "insufficient_system_resource", "network_error", "abort", "aborted", "function_call_filter"];
    let reason = without_detail(reason);
    WORDS.iter().any(|word| reason.eq_ignore_ascii_case(word))
}
