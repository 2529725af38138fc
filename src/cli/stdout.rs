//! What the subcommands print. The standard `print!` panics when the reader of a pipe has closed it, as `head` does.
//!
//! **Invariant:** a closed pipe is success; every other write error is a failure.

use std::io::{ErrorKind, Result, Write};
use std::process::ExitCode;

/// Prints a text and returns `code`, or reports why the text could not be printed.
pub fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = std::io::stdout().lock();
    match unless_closed(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())) {
        Ok(()) => code,
        Err(error) => {
            eprintln!("error: cannot write: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The outcome of a write, with a closed pipe as success.
///
/// # Errors
/// Every other write error.
pub fn unless_closed(outcome: Result<()>) -> Result<()> {
    outcome.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}
