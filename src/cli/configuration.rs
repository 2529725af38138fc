//! Reads and compiles a configuration file, and prints what there is to say about it.
//!
//! **Invariant:** errors and warnings go to stderr as `file:line:column: path: problem; remedy`, nothing else of a file's
//! content does.

use std::path::Path;
use std::process::ExitCode;

use signalbox::config::compile::{self, Compiled, OneComplexity, compile};
use signalbox::config::diagnostic::Diagnostic;
use signalbox::config::tree::Node;
use signalbox::config::yaml;

/// What `signalbox` exits with when the configuration, or what was asked for, is wrong.
pub const WRONG: u8 = 2;

/// The compiled configuration of a file. Its warnings are printed.
///
/// # Errors
/// The exit code, after everything was printed.
pub fn load(path: &Path) -> Result<Compiled, ExitCode> {
    let compiled = read(path, |root| compile(root, &|name| std::env::var(name).ok()))?;
    print(path, "warning: ", &compiled.warnings);
    Ok(compiled)
}

/// The complexity router of this name in a file, or the first one. Its warnings are printed.
///
/// # Errors
/// The exit code, after everything was printed.
pub fn complexity_router(path: &Path, name: Option<&str>) -> Result<OneComplexity, ExitCode> {
    let found = read(path, |root| compile::complexity_router(root, name))?;
    print(path, "warning: ", &found.warnings);
    Ok(found)
}

fn read<T>(path: &Path, compile: impl FnOnce(&Node) -> Result<T, Vec<Diagnostic>>) -> Result<T, ExitCode> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        eprintln!("signalbox: cannot read {}: {error}", path.display());
        ExitCode::from(WRONG)
    })?;
    yaml::read(&text).and_then(|root| compile(&root)).map_err(|errors| {
        print(path, "", &errors);
        let s = if errors.len() == 1 { "" } else { "s" };
        eprintln!("signalbox: {} error{s} in {}", errors.len(), path.display());
        ExitCode::from(WRONG)
    })
}

fn print(path: &Path, level: &str, diagnostics: &[Diagnostic]) {
    let file = path.display().to_string();
    diagnostics.iter().for_each(|diagnostic| eprintln!("{}", diagnostic.line(&file, level)));
}
