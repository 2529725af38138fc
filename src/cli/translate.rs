//! `signalbox translate`.

use std::process::ExitCode;

/// Arguments of `signalbox translate`.
#[derive(clap::Args)]
pub struct Args {}

/// Runs it.
pub fn run(_args: &Args) -> ExitCode {
    ExitCode::FAILURE
}
