//! `signalbox up`.

use std::process::ExitCode;

/// Arguments of `signalbox up`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
