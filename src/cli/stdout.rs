//! What the subcommands print. The standard `print!` panics where the reader of a pipe has left, as `head` does.
//!
//! **Invariant:** whoever has seen enough is no failure; a text that could not be written is one.

use std::io::{ErrorKind, Result, Write};
use std::process::ExitCode;

/// Prints a text and gives `code`, or tells why it could not be printed.
pub fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match unless_left(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("signalbox: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The outcome of writing, where a reader who left is none.
///
/// # Errors
/// All others.
pub fn unless_left(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}
