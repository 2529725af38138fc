//! AWS Bedrock's Converse API, of which there is a provider's face only: no client speaks it.

pub mod provider;
