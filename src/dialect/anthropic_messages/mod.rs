//! Anthropic Messages (API version 2023-06-01).

pub mod client;
pub mod provider;
