//! OpenAI's dialect as clients speak it.

pub mod error;
pub mod head;

use crate::chat::{ApiError, ChatRequest};
/// stub
pub fn decode(_body: &[u8]) -> Result<ChatRequest<'_>, ApiError> {
    Ok(ChatRequest::default())
}
