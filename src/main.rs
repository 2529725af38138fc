//! The command line: arguments and exit codes, nothing else. Each subcommand lives in a file of `cli/`.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg_attr(not(test), deny(clippy::too_many_lines, clippy::cognitive_complexity, clippy::struct_excessive_bools))]

/// Prints on stderr. The standard library's macro panics when stderr is closed: `up` would then cut its requests because `tee` ended
/// first on a Ctrl-C.
macro_rules! eprint {
    ($($text:tt)*) => {
        _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!($($text)*))
    };
}

/// The same with a line break.
macro_rules! eprintln {
    ($($text:tt)*) => {
        eprint!("{}\n", format_args!($($text)*))
    };
}

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An LLM router that lives inside Envoy.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a configuration: what it means, and every error and warning with its place; exit code 0, or 2 if it cannot be used
    Check(cli::check::Args),
    /// Write a complete Envoy bootstrap for a configuration
    Envoy(cli::envoy::Args),
    /// Write the filter's module as an image, for Istio, Envoy Gateway and Kubernetes
    Image(cli::image::Args),
    /// Write what loads a configuration into Istio: gateways, sidecars or a waypoint
    Istio(cli::istio::Args),
    /// Write what loads a configuration into Envoy Gateway
    EnvoyGateway(cli::envoy_gateway::Args),
    /// Run Envoy in the foreground with a configuration, and print a line per request
    Up(cli::up::Args),
    /// Make a key for a client, and its hash for the configuration
    Key(cli::key::Args),
    /// Explain where a request would go, and why, without sending it
    Explain(cli::explain::Args),
    /// Translate between a client's dialect and a provider's, from stdin to stdout
    Translate(cli::translate::Args),
    /// List prices, limits and capabilities of models, and what a request would cost
    Models(cli::models::Args),
    /// Score prompts and conversations: JSON lines on stdin, tiers and reasons on stdout
    Score(cli::score::Args),
    /// Find the boundaries that send given shares of your own prompts to each tier
    Calibrate(cli::calibrate::Args),
    /// Simulate providers, with faults on demand
    Sim(cli::sim::Args),
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Check(args) => cli::check::run(&args),
        Command::Envoy(args) => cli::envoy::run(&args),
        Command::Image(args) => cli::image::run(&args),
        Command::Istio(args) => cli::istio::run(&args),
        Command::EnvoyGateway(args) => cli::envoy_gateway::run(&args),
        Command::Up(args) => cli::up::run(&args),
        Command::Key(args) => cli::key::run(&args),
        Command::Explain(args) => cli::explain::run(&args),
        Command::Translate(args) => cli::translate::run(&args),
        Command::Models(args) => cli::models::run(&args),
        Command::Score(args) => cli::score::run(&args),
        Command::Calibrate(args) => cli::calibrate::run(&args),
        Command::Sim(args) => cli::sim::run(&args),
    }
}
