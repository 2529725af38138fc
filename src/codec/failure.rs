//! (being written)
use crate::chat::{ApiError, Failure, FailureClass};
/// stub
pub fn classify(status: u16, _header: &dyn Fn(&str) -> Option<String>, _body: &[u8]) -> Failure {
    Failure {
        class: FailureClass::Upstream,
        status,
        message: String::new(),
        code: None,
        param: None,
        retry_after_ms: None,
    }
}
/// stub
pub fn api_error(_f: &Failure) -> ApiError {
    ApiError { status: 502, kind: "upstream_error", code: None, param: None, message: String::new() }
}
/// stub
pub fn own(class: FailureClass, code: &str, message: &str) -> Failure {
    Failure { class, status: 0, message: message.into(), code: Some(code.into()), param: None, retry_after_ms: None }
}
