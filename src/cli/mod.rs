//! The subcommands, one a file: each has its `Args` and a `run` that returns the exit code. They do the I/O that the library
//! never does.

pub mod check;
pub mod envoy;
pub mod score;
pub mod sim;
pub mod translate;
pub mod up;

mod configuration;
