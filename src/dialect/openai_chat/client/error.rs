//! The error shape that OpenAI's clients know, as a body and as a stream event.
//!
//! **Invariant:** `type`, `param` and `code` are always there, `null` where unknown: strict clients look for them.

use serde::Serialize;

use crate::chat::ApiError;

#[derive(Serialize)]
struct Envelope<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The body of an error answer: `{"error":{"message","type","param","code"}}`.
#[must_use]
pub fn body(error: &ApiError) -> Vec<u8> {
    let ApiError { kind, code, param, message, .. } = error;
    let inner = Inner { message, r#type: kind, param: param.as_deref(), code: code.as_deref() };
    // Strings alone cannot fail to serialise.
    serde_json::to_vec(&Envelope { error: inner }).unwrap_or_default()
}

/// The stream event that carries an error: a `data:` line with [`body`], and a blank line. The official SDKs raise on it.
#[must_use]
pub fn event(error: &ApiError) -> Vec<u8> {
    [b"data: ".as_slice(), &body(error), b"\n\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_there_and_text_is_escaped() {
        let mut error =
            ApiError { status: 400, kind: "k", code: None, param: Some("p".into()), message: "\"a\"\nb".into() };
        assert_eq!(body(&error), br#"{"error":{"message":"\"a\"\nb","type":"k","param":"p","code":null}}"#);
        error.code = Some("c".into());
        let event = String::from_utf8(event(&error)).unwrap();
        assert_eq!(
            event,
            "data: {\"error\":{\"message\":\"\\\"a\\\"\\nb\",\"type\":\"k\",\"param\":\"p\",\"code\":\"c\"}}\n\n"
        );
    }
}
