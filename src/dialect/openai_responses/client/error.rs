//! The error shape that clients of Responses know: of an HTTP error OpenAI's own, within a stream a response that failed.
//!
//! Agents act on the code: one says that the prompt is too long, others that waiting helps.
//!
//! **Invariant:** a stream that failed ends with `response.failed`, never with a bare end.

use crate::chat::ApiError;

/// Codes that clients act on.
const CODES: [&str; 4] = ["context_length_exceeded", "insufficient_quota", "rate_limit_exceeded", "invalid_prompt"];

/// The code of a response that failed.
pub fn code(error: &ApiError) -> &'static str {
    let known = error.code.as_deref().and_then(|code| CODES.into_iter().find(|known| *known == code));
    match (known, error.code.as_deref()) {
        (Some(known), _) => known,
        (None, Some("content_policy_violation")) => "invalid_prompt",
        (None, _) if error.status == 429 => "rate_limit_exceeded",
        (None, _) => "server_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_r18_the_code_is_one_that_clients_know() {
        let of = |status, said: Option<&str>| {
            let (code_said, message) = (said.map(str::to_owned), "m".to_owned());
            code(&ApiError { status, kind: "k", code: code_said, param: None, message })
        };
        assert_eq!(of(400, Some("context_length_exceeded")), "context_length_exceeded");
        assert_eq!(of(429, Some("slow")), "rate_limit_exceeded");
        assert_eq!(of(502, Some("stream_truncated")), "server_error");
        assert_eq!(of(503, None), "server_error");
        assert_eq!(of(400, Some("content_policy_violation")), "invalid_prompt");
    }
}
