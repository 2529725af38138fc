//! OpenAI's Responses.

pub mod client;
pub mod provider;
