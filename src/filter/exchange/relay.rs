//! The relay: a listener inside the same Envoy that sends an attempt on to its deployment, under a time of its own.
//!
//! The attempt filter meets such an attempt twice. As itself it translates, judges and retries as ever, and names in headers where the
//! relay is to send it and how long that may take. As what the relay sends on it only asks whether it is one of its own: Envoy takes
//! those headers out with all others that are not for a provider.
//!
//! **Invariant:** nothing goes on to a deployment that no open attempt of this worker sent there.

use super::super::http::{HeaderChanges, HeaderMap};
use super::{Flight, Way};
use crate::chat::{Failure, FailureClass};
use crate::config::model::Deployment;

/// The cluster, and the listener, of the relay.
pub const RELAY: &str = "signalbox-relay";
/// Which cluster the relay sends a request to.
pub const RELAY_TO_HEADER: &str = "x-signalbox-relay-to";
/// How long the relay waits for an answer's head, in milliseconds.
pub const RELAY_LIMIT_HEADER: &str = "x-signalbox-relay-limit";
/// The attempt that the relay sends on.
pub(in crate::filter) const RELAY_FLIGHT_HEADER: &str = "x-signalbox-relay-flight";
/// The relay's word for how its answer came about: Envoy's response code details.
pub const RELAY_SAYS_HEADER: &str = "x-signalbox-relay-says";
/// What it says of an answer that is its deployment's own.
const FROM_DEPLOYMENT: &str = "via_upstream";

/// What the relay needs to know of an attempt.
pub(in crate::filter) fn to_relay(flight: &Flight, deployment: &Deployment, way: Way) -> HeaderChanges {
    let mut headers = vec![
        (RELAY_TO_HEADER, flight.config.cluster(&deployment.id)),
        (RELAY_LIMIT_HEADER, flight.relayed_ms(deployment).to_string()),
        (RELAY_FLIGHT_HEADER, flight.id.to_string()),
    ];
    if way == Way::LastRelay {
        // The relay answers `100 Continue` at once, which Envoy keeps to itself, and which stops its timer.
        headers.push(("expect", "100-continue".to_owned()));
    }
    headers
}

impl Flight {
    /// Whether the relay may send an attempt of it on to a cluster: the one that is open took the relay to get there.
    #[must_use]
    pub fn is_relayed_to(&self, cluster: &str) -> bool {
        let open = self.stage.open().and_then(|open| self.deployment(open.place));
        self.cursor.way_taken() != Way::Direct && open.is_some_and(|(_, deployment)| deployment.id == cluster)
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
