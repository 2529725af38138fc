//! LiteLLM's `config.yaml` to a configuration that cannot be wrong, in two stages: a tree with places
//! ([`tree`]) is compiled ([`compile`]) into the [`model`], and every error is reported at once, each with its place.
//!
//! The command line reads YAML; the filter reads JSON that [`crate::generate`] made from the same tree, so both
//! compile the same configuration with the same code.
//!
//! **Invariant:** no file, environment or clock is read here; the environment comes as a function.

pub mod compile;
pub mod complexity;
pub mod diagnostic;
pub mod json;
pub mod model;
pub mod task;
pub mod tree;
#[cfg(feature = "cli")]
pub mod yaml;
