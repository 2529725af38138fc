//! Whether Envoy serves.
//!
//! **Invariant:** it counts as serving only after its listener has taken a connection.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use crate::cli::admin::{self, Stats};

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// After this long, `up` says what it waits for.
const LONG: Duration = Duration::from_secs(10);
/// How long a connection to this machine may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How often a listener is tried that was opened just now.
const LOOKS: u32 = 40;
/// How long a program may take to print its version.
const VERSION: Duration = Duration::from_secs(3);
/// The oldest version that can be used.
const OLDEST: (u32, u32) = (1, 39);

enum State {
    Serves,
    Waits(&'static str),
    Never(String),
}

/// Waits until Envoy takes connections at `listen`.
///
/// # Errors
/// Why it never will.
pub async fn wait(admin: String, listen: String) -> Result<(), String> {
    let (started, mut told) = (Instant::now(), false);
    loop {
        let (admin, listen) = (admin.clone(), listen.clone());
        let state = tokio::task::spawn_blocking(move || look(&admin, &listen)).await;
        match state.map_err(|error| error.to_string())? {
            State::Serves => return Ok(()),
            State::Never(problem) => return Err(problem),
            State::Waits(what) if started.elapsed() > LONG && !told => {
                told = true;
                eprintln!("signalbox: still waiting: {what}");
            }
            State::Waits(_) => {}
        }
        sleep(PAUSE).await;
    }
}

fn look(admin: &str, listen: &str) -> State {
    match admin::get(admin, "/ready").as_deref().map(str::trim) {
        Some("LIVE") => {}
        Some(_) => return State::Waits("Envoy looks up the names of its clusters; does DNS answer?"),
        None => return State::Waits("Envoy's admin interface does not answer"),
    }
    let stats = Stats::ask(admin).unwrap_or_default();
    if stats.clusters().refused > 0 {
        return State::Never("Envoy refuses its clusters; its log says why".to_owned());
    }
    if stats.listeners().refused > 0 {
        let why = admin::refusal(admin).unwrap_or_else(|| "its log says why".to_owned());
        return State::Never(format!("Envoy refuses its listener: {why}"));
    }
    if stats.active_listeners() > 0 && connects(listen) {
        State::Serves
    } else {
        State::Waits("Envoy is up, and its listener takes no connection from here")
    }
}

fn connects(listen: &str) -> bool {
    listen.parse().is_ok_and(|address: SocketAddr| TcpStream::connect_timeout(&address, CONNECT).is_ok())
}

/// Whether a listener that was opened just now takes connections.
pub fn takes_connections(listen: &str) -> bool {
    (0..LOOKS).any(|look| {
        if look > 0 {
            std::thread::sleep(PAUSE);
        }
        connects(listen)
    })
}

/// The likely reason why a program ended before it served.
pub async fn explain_start(program: &Path) -> String {
    let mut command = Command::new(program);
    command.arg("--version").kill_on_drop(true).stdin(std::process::Stdio::null());
    let said = timeout(VERSION, command.output()).await.ok().and_then(Result::ok);
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match version(&said) {
        None => format!("{} does not seem to be Envoy; name one with --envoy", program.display()),
        Some((major, minor)) if (major, minor) < OLDEST => {
            format!("it is version {major}.{minor}, and {}.{} or later is needed", OLDEST.0, OLDEST.1)
        }
        Some(_) => "its log above says why".to_owned(),
    }
}

/// `envoy  version: 3b4b…/1.40.0/Clean/RELEASE/BoringSSL`
fn version(said: &str) -> Option<(u32, u32)> {
    let (_, version) = said.split_once("version: ")?;
    let mut numbers = version.split('/').nth(1)?.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn an_envoy_says_its_version() {
        let said = "\n/x/envoy  version: 0a1b/1.40.0/Clean/RELEASE/BoringSSL\n\n";
        assert_eq!((version(said), version("true (GNU coreutils) 9.1"), version("")), (Some((1, 40)), None, None));
    }
}
