//! stub
use crate::chat::ApiError;
/// stub
#[must_use]
pub fn body(e: &ApiError) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({"error":{"message":e.message,"type":e.kind,"param":e.param,"code":e.code}}))
        .unwrap_or_default()
}
/// stub
#[must_use]
pub fn event(error: &ApiError) -> Vec<u8> {
    [b"data: ".as_slice(), &body(error), b"\n\n"].concat()
}
