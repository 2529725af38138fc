//! The relay: a listener inside the same Envoy that sends an attempt on to its deployment, under a time of its own.
//!
//! The attempt filter meets such an attempt twice. As itself it translates, judges and retries as ever, and names in headers where the
//! relay is to send it and how long that may take. As what the relay sends on it only takes those headers out again.
//!
//! **Invariant:** nothing goes on to a deployment that no open attempt of this worker sent there.

use std::borrow::Cow;

use super::super::http::{HeaderMap, OutgoingHeaders};
use super::{Flight, Way};
use crate::chat::{Failure, FailureClass};
use crate::config::model::Deployment;

/// The cluster, and the listener, of the relay.
pub const RELAY: &str = "signalbox-relay";
/// Which cluster the relay sends a request to.
pub const RELAY_TO_HEADER: &str = "x-signalbox-relay-to";
/// How long the relay waits for an answer's head, in milliseconds.
pub const RELAY_LIMIT_HEADER: &str = "x-signalbox-relay-limit";
/// Whose attempt it is that the relay sends on.
const RELAY_FLIGHT_HEADER: &str = "x-signalbox-relay-flight";
/// The relay's word for how its answer came about: Envoy's response code details.
pub const RELAY_SAYS_HEADER: &str = "x-signalbox-relay-says";
/// What it says of an answer that is its deployment's own.
const FROM_DEPLOYMENT: &str = "via_upstream";

/// What the relay needs to know of an attempt.
pub(in crate::filter) fn to_relay(flight: &Flight, deployment: &Deployment, way: Way) -> OutgoingHeaders {
    let mut headers: OutgoingHeaders = Vec::with_capacity(4);
    let mut set = |name: &'static str, value: Vec<u8>| headers.push((name.into(), value.into()));
    set(RELAY_TO_HEADER, deployment.id.clone().into_bytes());
    set(RELAY_LIMIT_HEADER, flight.relayed_ms(deployment).to_string().into_bytes());
    set(RELAY_FLIGHT_HEADER, flight.id.to_string().into_bytes());
    if way == Way::LastRelay {
        // The relay answers `100 Continue` at once, which Envoy keeps to itself, and which stops its timer.
        set("expect", b"100-continue".to_vec());
    }
    headers
}

/// The flight of a request that may come from the relay. It may also be the next attempt after one that took the relay, since attempts
/// share their headers: that one has its flight in filter state.
#[must_use]
pub(in crate::filter) fn relayed_flight(headers: &HeaderMap) -> Option<u64> {
    let (_, value) = headers.iter().find(|(name, _)| name == RELAY_FLIGHT_HEADER)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

impl Flight {
    /// The headers of what the relay sends on, without those that were for the relay. `None`: the attempt that is open did not send it.
    #[must_use]
    pub fn relayed(&self, headers: HeaderMap) -> Option<OutgoingHeaders> {
        let (_, deployment) = self.stage.open().and_then(|open| self.deployment(open.place))?;
        let (_, to) = headers.iter().find(|(name, _)| name == RELAY_TO_HEADER)?;
        if self.cursor.way_taken() == Way::Direct || *to != deployment.id.as_bytes() {
            return None;
        }
        let scheme: &'static [u8] = if deployment.endpoint.tls { b"https" } else { b"http" };
        let is_own = |name: &str| name.starts_with("x-signalbox-") || name.starts_with("x-forwarded-") || name == "via";
        let kept = headers.into_iter().filter(|(name, _)| !is_own(name));
        Some(
            kept.map(|(name, value)| {
                let value: Cow<'static, [u8]> = if name == ":scheme" { scheme.into() } else { value.into() };
                (name.into(), value)
            })
            .collect(),
        )
    }
}

/// The failure that an answer is which the relay gave itself; `None`: it is the deployment's own.
pub(in crate::filter) fn failure(headers: &HeaderMap, limit_ms: u64) -> Option<Failure> {
    let (_, says) = headers.iter().find(|(name, _)| name == RELAY_SAYS_HEADER)?;
    let says = String::from_utf8_lossy(says);
    if says == FROM_DEPLOYMENT {
        return None;
    }
    let could_not_connect = ["connection_failure", "connection_timeout", "no_healthy_upstream", "cluster_not_found"];
    Some(if could_not_connect.iter().any(|sign| says.contains(sign)) {
        Failure::local(FailureClass::Connect, "the connection could not be made")
    } else if says.contains("timeout") {
        Failure::local(FailureClass::Timeout, format!("no answer within {limit_ms} ms"))
    } else {
        Failure::local(FailureClass::Reset, "the connection failed or was lost before an answer")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_relay_says_itself_is_told_from_what_a_deployment_says() {
        let class = |says: &str| {
            let headers = vec![(RELAY_SAYS_HEADER.to_owned(), says.as_bytes().to_vec())];
            failure(&headers, 1).map(|failure| failure.class)
        };
        assert_eq!(class("via_upstream"), None);
        assert_eq!(failure(&HeaderMap::new(), 1), None);
        assert_eq!(class("upstream_per_try_timeout"), Some(FailureClass::Timeout));
        assert_eq!(class("upstream_reset_before_response_started{connection_timeout}"), Some(FailureClass::Connect));
        let refused = "upstream_reset_before_response_started{remote_connection_failure,delayed_connect_error:_111}";
        assert_eq!(class(refused), Some(FailureClass::Connect));
        assert_eq!(class("no_healthy_upstream"), Some(FailureClass::Connect));
        let lost = "upstream_reset_before_response_started{connection_termination}";
        assert_eq!(class(lost), Some(FailureClass::Reset));
    }
}
