//! A connection that could not be made, by the words that Envoy has for why.
//!
//! **Invariant:** what this machine lacks is never a provider's fault.

use crate::chat::{Failure, FailureClass};

/// What the reasons say where this machine has no more to give: open files (the first is Envoy's own word for that), ports of its own
/// towards one address, memory.
const OWN: [&str; 5] = [
    "socket creation failure",
    "Too many open files",
    "Cannot assign requested address",
    "No buffer space available",
    "Cannot allocate memory",
];
/// What a client is asked to wait until others have given back what they hold, in milliseconds.
const WAIT_MS: u64 = 1_000;

/// The failure of a connection that could not be made, for this reason of Envoy's (`upstream.transport_failure_reason`).
#[must_use]
pub fn no_connection(reason: &str) -> Failure {
    if !is_own_shortage(reason) {
        return Failure::local(FailureClass::Connect, "the connection could not be made");
    }
    let message = "the gateway can open no more connections now; its open files, ports or memory are used up";
    Failure { retry_after_ms: Some(WAIT_MS), ..Failure::local(FailureClass::Shortage, message) }
}

/// Whether Envoy complains of a lack of its own, in a reason or in the text that it sends itself.
#[must_use]
pub fn is_own_shortage(words: &str) -> bool {
    OWN.iter().any(|own| words.contains(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Fault;

    #[test]
    fn s14_what_this_machine_lacks_is_its_own_fault() {
        for reason in [
            "socket creation failure",
            "immediate connect error: Cannot assign requested address|remote address:10.0.0.1:443",
        ] {
            let failure = no_connection(reason);
            assert_eq!((failure.fault, failure.retry_after_ms), (Fault::Gateway, Some(1_000)), "{reason}");
        }
        for reason in [
            "delayed connect error: Connection refused",
            "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end",
            "immediate connect error: Network is unreachable",
        ] {
            let failure = no_connection(reason);
            assert_eq!((failure.fault, failure.retry_after_ms), (Fault::Network, None), "{reason}");
        }
    }
}
