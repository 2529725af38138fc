//! `signalbox envoy`: a configuration as Envoy's own.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use signalbox::config::compile::Compiled;
use signalbox::generate::{envoy, keys, yaml};

use super::configuration::{self, WRONG};
use super::{directory, stdout};

/// Arguments of `signalbox envoy`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the parts into this directory instead, as files that a running Envoy follows: run it again to change the configuration
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    directory: Option<PathBuf>,
    /// The path of the filter's module on the machine where Envoy runs [default: signalbox.wasm beside this program]
    #[arg(long, value_name = "PATH")]
    wasm: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let compiled = match configuration::load(&args.config) {
        Ok(compiled) => compiled,
        Err(code) => return code,
    };
    let wasm = module(args.wasm.as_deref());
    for variable in keys::variables(&compiled.config) {
        let users = variable.deployments.join(", ");
        let why = if variable.literal.is_some() {
            ": the key itself is in the configuration, and it is not written to this file"
        } else if variable.access.is_some() {
            ": its access keys, in the format of AWS' file of credentials (`[default]`, a line each); `signalbox up` makes it"
        } else {
            ""
        };
        eprintln!("note: Envoy needs the environment variable {} (for {users}){why}", variable.name);
    }
    for (name, client) in keys::of_clients(&compiled.config) {
        eprintln!("note: Envoy needs the environment variable {name} (the key of the client `{client}`)");
    }
    if let Some(folder) = &args.directory {
        let outcome = directory::write(&compiled, &args.config, &wasm, folder);
        return written(
            outcome.map(|_| ()).map_err(|problem| format!("{problem}; the previous configuration stays in force")),
        );
    }
    let text = bootstrap(&compiled, &args.config, &wasm);
    let Some(path) = &args.output else {
        return stdout::print(&text, ExitCode::SUCCESS);
    };
    written(std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display())))
}

fn written(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(WRONG)
        }
    }
}

/// The bootstrap as YAML, with a first line that names its source.
fn bootstrap(compiled: &Compiled, config: &Path, wasm: &Path) -> String {
    let yaml = yaml::write(&envoy::bootstrap(compiled, &wasm.display().to_string()));
    format!(
        "# Made by `signalbox envoy {}`: change that file, not this one. Envoy 1.39 or later.\n{yaml}",
        config.display()
    )
}

/// The path of the filter's module: the given one, else the one beside this program.
pub fn module(given: Option<&Path>) -> PathBuf {
    let beside = || std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("signalbox.wasm")));
    given.map(Path::to_owned).or_else(beside).unwrap_or_else(|| PathBuf::from("signalbox.wasm"))
}
