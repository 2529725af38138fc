//! `signalbox check`: what a configuration means, and what is wrong with it.
//!
//! **Invariant:** stdout holds what the file means (with `--json`, everything), stderr the diagnostics. Exit code 0: it can be used; 2:
//! it cannot, or there is a warning and `--strict`.

mod effective;
mod environment;
mod json;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use signalbox::config::compile::Compiled;
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::model::MASTER;

use super::configuration::{self, WRONG};
use super::stdout;
use environment::Variable;

/// Arguments of `signalbox check`.
#[derive(clap::Args)]
pub struct Args {
    /// LiteLLM's config.yaml
    config: PathBuf,
    /// Print everything as one JSON document on stdout, for programs
    #[arg(long)]
    json: bool,
    /// Fail on warnings too, with exit code 2
    #[arg(long)]
    strict: bool,
    /// Do not read the environment: every variable counts as set, for a machine that has no keys
    #[arg(long)]
    no_env: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let (found, diagnostics) = match configuration::look(&args.config, !args.no_env) {
        Ok(Ok(compiled)) => {
            let variables = environment::needed(&compiled, !args.no_env);
            let mut diagnostics = compiled.diagnostics.clone();
            unset(&variables, &mut diagnostics);
            (Some(Found { compiled, variables }), diagnostics)
        }
        Ok(Err(diagnostics)) => (None, diagnostics),
        Err(problem) if args.json => {
            let mut diagnostics = Diagnostics::default();
            diagnostics.error(None, "", format!("cannot read this file: {problem}"), "look at the path");
            (None, diagnostics)
        }
        Err(problem) => return configuration::unreadable(&args.config, &problem),
    };
    let is_too_lax = args.strict && diagnostics.count(Severity::Warning) > 0;
    let code = if found.is_none() || is_too_lax { ExitCode::from(WRONG) } else { ExitCode::SUCCESS };
    if args.json {
        let document = json::document(&args.config, found.as_ref(), &diagnostics, code == ExitCode::SUCCESS);
        return stdout::print(&format!("{document:#}\n"), code);
    }
    let Some(found) = found else { return configuration::refused(&args.config, &diagnostics) };
    configuration::print(&args.config, &diagnostics);
    if is_too_lax {
        let counts = configuration::counts(&diagnostics);
        eprintln!("error: {counts} in {}, and --strict allows no warning", args.config.display());
    }
    stdout::print(&text::summary(&found), code)
}

/// A configuration that can be used.
pub struct Found {
    compiled: Compiled,
    variables: Vec<Variable>,
}

/// One warning for all keys of providers that are not set, and one for each of a client's. Any other variable that is not set is an
/// error already.
fn unset(variables: &[Variable], diagnostics: &mut Diagnostics) {
    let unset = || variables.iter().filter(|variable| variable.is_set == Some(false));
    for (variable, client) in unset()
        .flat_map(|variable| variable.key_of.iter().filter_map(move |of| Some((variable, of.strip_prefix("client/")?))))
    {
        let problem = format!("the environment variable `{}` is not set", variable.name);
        if client == MASTER {
            let problem = format!("{problem}, and without the master key the gateway does not start");
            diagnostics.warning(None, "general_settings.master_key", problem, "set it where Envoy starts");
        } else {
            let remedy = format!("set it where Envoy starts, or `{client}` is not let in");
            diagnostics.warning(None, "signalbox.clients", problem, remedy);
        }
    }
    let of_providers = |variable: &&Variable| variable.key_of.iter().any(|of| !of.starts_with("client/"));
    let unset: Vec<_> = unset().filter(of_providers).collect();
    let names = unset.iter().map(|variable| format!("`{}`", variable.name)).collect::<Vec<_>>().join(", ");
    let (is, it) = if unset.len() == 1 { ("variable {} is", "it") } else { ("variables {} are", "them") };
    if !unset.is_empty() {
        let problem = format!("the environment {} not set", is.replace("{}", &names));
        diagnostics.warning(
            None,
            "",
            problem,
            format!("set {it} where Envoy starts, or providers refuse the requests"),
        );
    }
}
