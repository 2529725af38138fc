//! Whether a refusal is of one member of the request's body, so that the same request would pass without it.
//!
//! Providers name it in `param`, as the place where a validator found fault (`body.stream_options: Extra inputs are not permitted`), or in
//! a sentence (`Unrecognized request argument supplied: stream_options`). A name that is also a word (`user`, `stop`) must stand in
//! quotes or as a place, beside a word of refusal.
//!
//! **Invariant:** a refusal that does not name the member is none of it.

use crate::chat::{Failure, FailureClass};

/// Words by which a member is refused rather than its value.
const REFUSED: &[&str] = &[
    "unrecognized",
    "unrecognised",
    "unknown",
    "unsupported",
    "not supported",
    "does not support",
    "doesn't support",
    "not permitted",
    "not allowed",
    "forbidden",
    "unexpected",
    "extra inputs",
    "additional properties",
    "no such",
    "not recognized",
    "not available",
];

/// Whether a failure is the refusal of a member of this name.
#[must_use]
pub fn refuses(failure: &Failure, member: &str) -> bool {
    if failure.class != FailureClass::BadRequest || !matches!(failure.status, 400 | 422) {
        return false;
    }
    let param = failure.param.as_deref().unwrap_or_default();
    let param = param.strip_prefix("body.").unwrap_or(param);
    if param.strip_prefix(member).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])) {
        return true;
    }
    let is_refused = || {
        let text = failure.message.to_lowercase();
        REFUSED.iter().any(|words| text.contains(words))
    };
    let is_name = member.contains('_');
    let mut places =
        failure.message.match_indices(member).filter(|(at, _)| stands_alone(&failure.message, *at, member));
    places.any(|(at, _)| is_name || is_marked(&failure.message, at, member)) && (is_name || is_refused())
}

/// Whether no letter of a longer name is beside it.
fn stands_alone(text: &str, at: usize, member: &str) -> bool {
    let is_part = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let bytes = text.as_bytes();
    !is_part(at.checked_sub(1).and_then(|before| bytes.get(before))) && !is_part(bytes.get(at + member.len()))
}

/// Whether it stands there as a name: in quotes, as a place, or as the last word after a colon.
fn is_marked(text: &str, at: usize, member: &str) -> bool {
    let (before, rest) = text.split_at_checked(at).unwrap_or((text, ""));
    let after = rest.get(member.len()..).unwrap_or_default();
    let quoted = before.ends_with(['\'', '"', '`']) && after.starts_with(['\'', '"', '`']);
    quoted || before.ends_with("body.") || (before.ends_with(": ") && after.trim_end_matches('.').is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{ErrorAnswer, classify};

    fn failure(status: u16, body: &str) -> Failure {
        classify(&ErrorAnswer { provider: "openai", status, header: &|_| None, body: body.as_bytes(), now_ms: 0 })
    }

    #[test]
    fn a_refusal_names_its_member() {
        for (status, body) in [
            (
                400,
                r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error","param":null,"code":null}}"#,
            ),
            (
                400,
                r#"{"error":{"message":"Unknown parameter: 'stream_options'.","type":"invalid_request_error","param":"stream_options","code":"unknown_parameter"}}"#,
            ),
            (400, r#"{"error":{"message":"This is not supported","param":"stream_options.include_usage"}}"#),
            (
                422,
                r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted","input":{"include_usage":true}}]},"type":"invalid_request_error","param":null,"code":null}"#,
            ),
            (
                422,
                r#"{"detail":[{"loc":["body","stream_options"],"msg":"extra fields not permitted","type":"value_error.extra"}]}"#,
            ),
            (400, "unknown field `stream_options`, expected one of `model`, `messages`"),
            (400, r#"{"message":"property 'stream_options' is unsupported"}"#),
            (400, r#"{"error":"json: unknown field \"stream_options\""}"#),
        ] {
            let failure = failure(status, body);
            assert!(refuses(&failure, "stream_options"), "{failure:?}");
            assert!(!refuses(&failure, "stream") && !refuses(&failure, "user") && !refuses(&failure, "options"));
        }
    }

    #[test]
    fn what_is_also_a_word_must_stand_as_a_name() {
        let says = |message: &str| failure(400, &serde_json::json!({"error": {"message": message}}).to_string());
        assert!(refuses(&says("Unrecognized request argument supplied: user"), "user"));
        assert!(refuses(&says("'user' is not supported by this model"), "user"));
        assert!(!refuses(&says("the user message is not supported here"), "user"));
        assert!(
            !refuses(&says("'user' must be a string"), "user"),
            "its value is refused, which is the configuration's"
        );
        assert!(!refuses(&says("stream_options2 is unknown"), "stream_options"));
        assert!(!refuses(&failure(500, r#"{"error":{"message":"stream_options"}}"#), "stream_options"));
        assert!(!refuses(&failure(401, r#"{"error":{"message":"stream_options"}}"#), "stream_options"));
    }
}
