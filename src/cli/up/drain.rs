//! The end of an Envoy that serves: it takes no more connections, and finishes the requests in flight first.
//!
//! The listener is removed as a new configuration would remove it: Envoy closes its port at once, and each connection after its next
//! answer. The admin interface is not needed for this, so that it may forbid every change.
//!
//! **Invariant:** it takes no longer than its limit, and ends at once on a second signal.

use std::path::Path;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::child::end_of;
use crate::cli::admin::Stats;
use crate::cli::directory;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);
/// This many answers in a row must show no request in flight: a connection may have been taken just before the port was closed.
const QUIET_LOOKS: u32 = 2;

/// Waits until no request is in flight, until `limit` is over, or until `hurry` comes.
/// Returns whether Envoy still runs.
pub async fn drain(
    envoy: &mut Child,
    admin: &str,
    place: &Path,
    limit: Duration,
    hurry: impl Future<Output = ()>,
) -> bool {
    let until = Instant::now() + limit;
    if let Err(problem) = directory::close(place) {
        eprintln!("warning: {problem}; the requests in flight are cut off");
        return true;
    }
    let (mut quiet, mut told, mut left) = (0, false, 0);
    tokio::pin!(hurry);
    while quiet < QUIET_LOOKS {
        // Without an answer (Envoy may have no file left to open for this connection) there may be some.
        let (is_open, requests) = look(admin).await.unwrap_or((true, left));
        left = requests;
        if requests > 0 && !told {
            told = true;
            let s = if requests == 1 { "" } else { "s" };
            eprintln!(
                "signalbox: finishing {requests} request{s}, for up to {} s; a second signal ends at once",
                limit.as_secs()
            );
        }
        quiet = if is_open || requests > 0 { 0 } else { quiet + 1 };
        tokio::select! {
            status = envoy.wait() => {
                let end = status.map_or_else(|error| error.to_string(), end_of);
                eprintln!("error: Envoy {end}, before its requests ended");
                return false;
            }
            () = &mut hurry => break,
            () = sleep(PAUSE) => {}
        }
        if Instant::now() >= until {
            break;
        }
    }
    if quiet < QUIET_LOOKS && left > 0 {
        let s = if left == 1 { " was" } else { "s were" };
        eprintln!("warning: {left} request{s} cut off");
    }
    true
}

/// Whether the port is still open, and how many requests are in flight.
async fn look(admin: &str) -> Option<(bool, u64)> {
    let admin = admin.to_owned();
    let stats = tokio::task::spawn_blocking(move || Stats::ask(&admin)).await.ok()??;
    Some((stats.active_listeners() > 0, stats.requests()?))
}
