//! How an attempt ended that Envoy let go of before any answer: without a connection, or with one that was dead when it was taken.
//!
//! A name may have several addresses, each a host of its cluster: while one of them was not tried, nothing is known of the deployment. And
//! a provider closes connections that idle: a request that meets such a one is lost through no deployment's fault. In both cases the same
//! deployment is asked again at once, and neither a retry nor health is spent.
//!
//! **Invariant:** what Envoy knows of a connection is asked for only where the filter does not know better: it costs four calls.

use std::net::IpAddr;

use super::{Flight, Way};
use crate::chat::Fault;
use crate::config::model::Deployment;
use crate::failure;
use crate::state::Outcome;

/// A connection that was ready within so many nanoseconds was there before. Measured to a provider on the same machine: one that was there
/// 8,000 to 47,000, a new one from 61,000 on.
const REUSED_NS: u64 = 50_000;
/// Up to here the first such loss is in doubt, because a busy machine may have been slow; in doubt the deployment is asked once more.
const IN_DOUBT_NS: u64 = 100_000;
/// A connection that was dead when it was taken is lost at once, in milliseconds.
const AT_ONCE_MS: u64 = 500;
/// How exact the time is by which a connection's own timeout is told, in milliseconds.
const INEXACT_MS: u64 = 150;

/// What Envoy knows of an attempt's connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Link {
    /// Why there is none: "Connection refused", what TLS complains of, or what is missing here. Empty for one that timed out.
    pub reason: String,
    /// There was one.
    pub is_made: bool,
    /// In how many nanoseconds it was ready.
    pub ready_ns: u64,
    /// How many hosts the cluster has, the one that refuses included.
    pub hosts: u64,
}

impl Flight {
    /// Envoy let go of the open attempt without any answer. Returns whether that says where the flight goes next.
    pub(in crate::filter) fn let_go_of(&mut self, link: &Link, now_ms: u64) -> bool {
        let Some(open) = self.stage.open() else { return false };
        let (place, clock) = (open.place, open.clock);
        let Some((_, deployment)) = self.deployment(place) else { return false };
        if self.cursor.way_taken() != Way::Direct {
            return false;
        }
        let hosts = hosts(deployment, link);
        if link.is_made {
            let is_at_once = now_ms.saturating_sub(clock.sent_ms) < AT_ONCE_MS;
            let most_ns = if self.cursor.was_asked_again() { REUSED_NS } else { IN_DOUBT_NS };
            return link.ready_ns < most_ns && is_at_once && self.again();
        }
        let waited_ms = now_ms.saturating_sub(clock.started_ms).saturating_add(INEXACT_MS);
        if link.reason.is_empty() && waited_ms < self.config.signalbox.connect_timeout_ms {
            // The client left, or Envoy's timer struck.
            return false;
        }
        let failure = failure::no_connection(&link.reason);
        let unreached = self.cursor.unreached();
        if failure.fault == Fault::Gateway || unreached >= hosts || !self.again() {
            self.fail(failure);
        }
        true
    }

    /// Asks the same deployment again, as if it had not been asked. Returns whether that may be.
    pub(super) fn again(&mut self) -> bool {
        let Some(place) = self.stage.open().map(|open| open.place) else { return false };
        let may_be = self.cursor.again(place);
        if may_be {
            self.end(Outcome::Abandoned, None);
        }
        may_be
    }
}

/// How many hosts of a deployment may be tried. A cluster by name has one more, which refuses.
fn hosts(deployment: &Deployment, link: &Link) -> u64 {
    let by_address = deployment.endpoint.host.parse::<IpAddr>().is_ok();
    if by_address { 1 } else { link.hosts.saturating_sub(1) }
}
