//! `signalbox key`: a key for a client, and its hash.
//!
//! **Invariant:** the key is printed and kept nowhere.

use std::io::Read;
use std::process::ExitCode;

use signalbox::sha256::{hex, sha256};

use super::stdout;

/// Arguments of `signalbox key`.
#[derive(clap::Args)]
pub struct Args {
    /// Hash the key on stdin instead of making one
    #[arg(long)]
    hash: bool,
}

/// Runs it.
pub fn run(args: &Args) -> ExitCode {
    let key = if args.hash { given() } else { made() };
    let key = match key {
        Ok(key) => key,
        Err(problem) => {
            eprintln!("error: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let hash = hex(&sha256(key.as_bytes()));
    if args.hash {
        return stdout::print(&format!("sha256:{hash}\n"), ExitCode::SUCCESS);
    }
    let code = stdout::print(&format!("{key}\nsha256:{hash}\n"), ExitCode::SUCCESS);
    eprintln!(
        "note: the first line is for the client, and is shown only now; write the second into the configuration:\n\
         signalbox:\n  clients:\n  - {{name: NAME, key: \"sha256:{hash}\"}}"
    );
    code
}

/// A key of 256 random bits.
fn made() -> Result<String, String> {
    let mut bytes = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| format!("cannot read /dev/urandom: {error}"))?;
    Ok(format!("sk-{}", hex(&bytes)))
}

/// What stands on stdin, without the end of its line.
fn given() -> Result<String, String> {
    let mut key = String::new();
    std::io::stdin().read_to_string(&mut key).map_err(|error| format!("cannot read stdin: {error}"))?;
    match key.trim() {
        "" => Err("there is no key on stdin; write for example `printf %s \"$KEY\" | signalbox key --hash`".to_owned()),
        key => Ok(key.to_owned()),
    }
}
