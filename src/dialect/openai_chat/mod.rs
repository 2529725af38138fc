//! OpenAI chat completions, and everything compatible with it.

pub mod client;
pub mod provider;
