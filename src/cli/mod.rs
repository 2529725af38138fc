//! The subcommands, one a file: each has its `Args` and a `run` that returns the exit code. They do the I/O that the library
//! does not do.
//!
//! **Invariant:** a line on stderr that reports a problem begins with `error:` or `warning:`, after the place if there is one.

pub mod calibrate;
pub mod check;
pub mod envoy;
pub mod envoy_gateway;
pub mod explain;
pub mod image;
pub mod istio;
pub mod key;
pub mod models;
pub mod score;
pub mod sim;
pub mod translate;
pub mod up;

mod admin;
mod configuration;
mod directory;
mod mesh;
mod stdout;
