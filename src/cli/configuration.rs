//! Reads and compiles a configuration file, and prints its diagnostics: in the same way for every command.
//!
//! **Invariant:** errors, warnings and notes go to stderr as `file:line:column: error: path: problem; remedy`, in the order of the
//! text, repetitions once. Nothing else of a file's content goes there.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use signalbox::config::compile::{self, Compiled, OneComplexity, compile};
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::tree::{Key, Node, Value};
use signalbox::config::yaml;

/// The exit code for a configuration, or arguments, that are wrong.
pub const WRONG: u8 = 2;
/// The largest configuration, in bytes. A thousand deployments take half a mebibyte.
const MOST_BYTES: u64 = 16 << 20;

/// The compiled configuration of a file. Its diagnostics are printed.
///
/// # Errors
/// The exit code, after everything was printed.
pub fn load(path: &Path) -> Result<Compiled, ExitCode> {
    let compiled = read(path, |root| compile(root, &|name| std::env::var(name).ok()))?;
    print(path, &compiled.diagnostics);
    Ok(compiled)
}

/// The same for where clients come in at an address of another's, whatever the file says of it.
///
/// # Errors
/// As [`load`].
pub fn load_for(path: &Path, listen: &str) -> Result<Compiled, ExitCode> {
    let compiled = read(path, |root| compile(&listening(root, listen), &|name| std::env::var(name).ok()))?;
    print(path, &compiled.diagnostics);
    Ok(compiled)
}

fn listening(root: &Node, listen: &str) -> Node {
    let mut root = root.clone();
    if let Value::Map(entries) = &mut root.value {
        let key = |name: &str| Key { name: name.to_owned(), place: None };
        let listen = || (key("listen"), Node::new(Value::Str(listen.to_owned())));
        match entries.iter_mut().find(|(key, _)| key.name == "signalbox") {
            Some((_, Node { value: Value::Map(settings), .. })) => {
                settings.retain(|(key, _)| key.name != "listen");
                settings.push(listen());
            }
            Some((_, settings)) if settings.value == Value::Null => settings.value = Value::Map(vec![listen()]),
            Some(_) => {}
            None => entries.push((key("signalbox"), Node::new(Value::Map(vec![listen()])))),
        }
    }
    root
}

/// The same without printing. With `is_read` false, every variable of the environment counts as set.
///
/// # Errors
/// Why the file could not be read; within, the diagnostics of a file that cannot be used.
pub fn look(path: &Path, is_read: bool) -> Result<Result<Compiled, Diagnostics>, String> {
    let compile = |root: Node| match is_read {
        true => compile(&root, &|name| std::env::var(name).ok()),
        false => compile::without_environment(&root),
    };
    text(path).map(|text| yaml::read(&text).and_then(compile))
}

/// The complexity router of this name in a file, or the first one. The diagnostics are printed.
///
/// # Errors
/// The exit code, after everything was printed.
pub fn complexity_router(path: &Path, name: Option<&str>) -> Result<OneComplexity, ExitCode> {
    let found = read(path, |root| compile::complexity_router(root, name))?;
    print(path, &found.diagnostics);
    Ok(found)
}

fn read<T>(path: &Path, compile: impl FnOnce(&Node) -> Result<T, Diagnostics>) -> Result<T, ExitCode> {
    let text = text(path).map_err(|problem| unreadable(path, &problem))?;
    yaml::read(&text).and_then(|root| compile(&root)).map_err(|found| refused(path, &found))
}

/// Reports why a file cannot be read.
pub fn unreadable(path: &Path, problem: &str) -> ExitCode {
    eprintln!("error: cannot read {}: {problem}", path.display());
    ExitCode::from(WRONG)
}

/// Reports what is wrong with a file that cannot be used.
pub fn refused(path: &Path, found: &Diagnostics) -> ExitCode {
    print(path, found);
    eprintln!("error: {} in {}", counts(found), path.display());
    ExitCode::from(WRONG)
}

/// The text of a file, which may be a pipe without an end.
fn text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("it is larger than {} MiB; is it the right file?", MOST_BYTES >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        format!("line {line} is not UTF-8; save the file in that encoding")
    })
}

/// Prints diagnostics.
pub fn print(path: &Path, found: &Diagnostics) {
    found.lines(&path.display().to_string()).iter().for_each(|line| eprintln!("{line}"));
}

/// How many there are of each severity: `6 errors, 2 warnings`.
pub fn counts(found: &Diagnostics) -> String {
    let count = |severity: Severity| {
        let number = found.count(severity);
        let s = if number == 1 { "" } else { "s" };
        (number > 0).then(|| format!("{number} {}{s}", severity.as_str()))
    };
    let counts = [Severity::Error, Severity::Warning, Severity::Note].into_iter().filter_map(count);
    counts.collect::<Vec<_>>().join(", ")
}
