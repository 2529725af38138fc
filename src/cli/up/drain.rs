//! The end of an Envoy that serves: it takes no more connections, and what is on its way ends first.
//!
//! The listener is taken away as a new configuration would take it away: Envoy closes its port at once, and each connection after its
//! next answer. No request to the admin interface can do this, so that none has to be allowed.
//!
//! **Invariant:** it takes no longer than it was allowed to, and ends at once when it is told to.

use std::path::Path;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, sleep};

use super::child::end_of;
use crate::cli::admin::Stats;
use crate::cli::directory;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);
/// So many looks in a row must find nothing on its way: a connection may have been taken just before the port was closed.
const QUIET_LOOKS: u32 = 2;

/// Waits until nothing is on its way, for no longer than `limit`, nor than until `hurry` comes.
/// Returns whether there is an Envoy left to end.
pub async fn drain(
    envoy: &mut Child,
    admin: &str,
    place: &Path,
    limit: Duration,
    hurry: impl Future<Output = ()>,
) -> bool {
    let until = Instant::now() + limit;
    if let Err(problem) = directory::close(place) {
        eprintln!("signalbox: warning: {problem}; requests that are on their way are cut off");
        return true;
    }
    let (mut quiet, mut told, mut left) = (0, false, 0);
    tokio::pin!(hurry);
    while quiet < QUIET_LOOKS {
        // Where Envoy does not say (it may have no file left to open for who asks), there may be some.
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
                eprintln!("signalbox: Envoy {end}, before its requests ended");
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
        let s = if left == 1 { " is" } else { "s are" };
        eprintln!("signalbox: {left} request{s} cut off");
    }
    true
}

/// Whether the port is still open, and how many requests are on their way.
async fn look(admin: &str) -> Option<(bool, u64)> {
    let admin = admin.to_owned();
    let stats = tokio::task::spawn_blocking(move || Stats::ask(&admin)).await.ok()??;
    Some((stats.active_listeners() > 0, stats.requests()?))
}
