//! The error shape that Anthropic's clients know, as a body and as a stream event.
//!
//! Its agents act on the type, which goes with the status, and on the first words: a prompt that is too long makes them shorten it. The
//! dialect has no member for the parameter, so the message begins with it, as Anthropic's own do.
//!
//! **Invariant:** a stream's error is an event by the name of `error`: clients raise on that, not on the data.

use serde::Serialize;

use crate::chat::ApiError;

#[derive(Serialize)]
struct Envelope<'a> {
    r#type: &'static str,
    error: Inner<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Inner<'a> {
    r#type: &'static str,
    message: &'a str,
}

/// The type that goes with a status.
const fn kind(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        408 | 504 => "timeout_error",
        // A conflict passes, as what is broken at the provider does.
        409 => "api_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The message, with what clients look for in front.
fn message(error: &ApiError) -> String {
    const TOO_LONG: &str = "prompt is too long";
    if error.code.as_deref() == Some("context_length_exceeded") {
        if let Some(message) = of_limit(&error.message) {
            return message;
        }
        let is_said = error.message.to_ascii_lowercase().starts_with(TOO_LONG);
        return if is_said { error.message.clone() } else { format!("{TOO_LONG}: {}", error.message) };
    }
    let Some(param) = &error.param else { return error.message.clone() };
    // `tools[0].name` is `tools.0.name` here.
    let place = param.replace('[', ".").replace(']', "");
    if error.message.starts_with(&place) { error.message.clone() } else { format!("{place}: {}", error.message) }
}

/// What agents lower `max_tokens` by, where the prompt alone would fit: a provider's message names the window, the prompt and the limit of
/// the answer, in an order of its own.
fn of_limit(message: &str) -> Option<String> {
    let mut rest = message;
    let (mut window, mut prompt, mut others) = (None, None, Vec::new());
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at_checked(start)?;
        let length = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (digits, after) = from.split_at_checked(length)?;
        let number: u64 = digits.parse().ok()?;
        let follows = after.get(..18).unwrap_or(after);
        let is_prompt = ["input", "messages", "prompt"].iter().any(|word| follows.contains(word));
        if before.trim_end().ends_with("context length is") {
            window = window.or(Some(number));
        } else if is_prompt {
            prompt = prompt.or(Some(number));
        } else {
            others.push(number);
        }
        rest = after;
    }
    let (window, prompt) = (window?, prompt?);
    let fits = |answer: &&u64| prompt < window && **answer < window && prompt + **answer > window;
    let answer = others.iter().find(fits)?;
    Some(format!("input length and `max_tokens` exceed context limit: {prompt} + {answer} > {window}"))
}

/// The body of an error answer.
#[must_use]
pub fn body(error: &ApiError, request_id: Option<&str>) -> Vec<u8> {
    let message = message(error);
    let inner = Inner { r#type: kind(error.status), message: &message };
    // Strings alone cannot fail to serialise.
    serde_json::to_vec(&Envelope { r#type: "error", error: inner, request_id }).unwrap_or_default()
}

/// The stream event that carries an error.
#[must_use]
pub fn event(error: &ApiError) -> Vec<u8> {
    [b"event: error\ndata: ".as_slice(), &body(error, None), b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, code: Option<&str>, param: Option<&str>, message: &str) -> String {
        let error = ApiError {
            status,
            kind: "k",
            code: code.map(str::to_owned),
            param: param.map(str::to_owned),
            message: message.into(),
        };
        String::from_utf8(body(&error, Some("r"))).unwrap()
    }

    /// P6, P8.
    #[test]
    fn p6_the_type_goes_with_the_status() {
        let kinds = [
            (400, "invalid_request_error"),
            (404, "not_found_error"),
            (409, "api_error"),
            (413, "request_too_large"),
            (415, "invalid_request_error"),
            (429, "rate_limit_error"),
            (500, "api_error"),
            (502, "api_error"),
            (503, "overloaded_error"),
            (504, "timeout_error"),
            (529, "overloaded_error"),
        ];
        for (status, kind) in kinds {
            let wanted = format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"m"}},"request_id":"r"}}"#);
            assert_eq!(said(status, None, None, "m"), wanted, "{status}");
        }
    }

    /// P7, M8.
    #[test]
    fn p7_what_clients_look_for_stands_in_front() {
        let long = Some("context_length_exceeded");
        assert!(
            said(400, long, Some("messages"), "300 tokens > 200").contains(r#""prompt is too long: 300 tokens > 200""#)
        );
        assert!(said(400, long, None, "Prompt is too long: 3 > 2").contains(r#""Prompt is too long: 3 > 2""#));
        assert!(said(400, None, Some("tools[0].name"), "No.").contains(r#""tools.0.name: No.""#));
        for message in [
            "This model's maximum context length is 262144 tokens. However, you requested 262462 tokens (230462 in the messages, 32000 in the completion). Please reduce the length.",
            "'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 262144 tokens and your request has 230462 input tokens (32000 > 262144 - 230462).",
            "This model's maximum context length is 262144 tokens. However, you requested 32000 output tokens and your prompt contains at least 230462 input tokens",
        ] {
            let wanted = r#""input length and `max_tokens` exceed context limit: 230462 + 32000 > 262144""#;
            assert!(said(400, long, None, message).contains(wanted), "{message}");
        }
        let alone = "This model's maximum context length is 8192 tokens. However, you requested 9100 tokens (9000 in the messages, 100 in the completion).";
        assert!(said(400, long, None, alone).contains(r#""prompt is too long: This model's"#));
    }
}
