//! LiteLLM's `config.yaml` to a configuration that cannot be wrong, in two stages: a tree with places
//! ([`tree`]) is compiled ([`compile`]) into the [`model`], and every mistake is reported at once, each with its place.

pub mod model;
