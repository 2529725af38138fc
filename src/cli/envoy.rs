//! `signalbox envoy`.

use std::process::ExitCode;

/// Arguments of `signalbox envoy`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
