//! (being written)
use crate::chat::{ApiError, ChatRequest};
/// stub
pub fn decode(_body: &[u8]) -> Result<ChatRequest<'_>, ApiError> {
    Ok(ChatRequest::default())
}
