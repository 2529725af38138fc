//! What is read from the properties of a stream, and written to them.

use super::host::{Effect, Host};
use super::{Flight, Link};

/// Filter state under this name is `wasm.signalbox.cluster` to Envoy: the cluster specifier matches its beginning.
const CLUSTER: &str = "signalbox.cluster";
/// What a request cost, in US dollars: `wasm.signalbox.cost` to the access log.
const COST: &str = "signalbox.cost";

/// Which client asks: `wasm.signalbox.client` to the access log.
const CLIENT: &str = "signalbox.client";

/// Tells Envoy which cluster the next attempt takes, and that attempt which flight it belongs to.
pub(super) fn next_cluster(flight: &mut Flight) -> Effect {
    flight.is_selected = true;
    Effect::SetProperty(CLUSTER, format!("{}/{}", flight.next_cluster(), flight.id))
}

/// The cluster and the flight of the request, as [`next_cluster`] left them.
pub(super) fn selected(host: &dyn Host) -> Option<(String, u64)> {
    let text = String::from_utf8(host.property(&[CLUSTER])?).ok()?;
    let (cluster, flight) = text.rsplit_once('/')?;
    Some((cluster.to_owned(), flight.parse().ok()?))
}

/// The id of the cluster that Envoy took for an attempt, which its name has behind this prefix. `None`: it is none of ours.
pub(super) fn cluster(host: &dyn Host, prefix: &str) -> Option<String> {
    let name = String::from_utf8(host.property(&["xds", "cluster_name"])?).ok()?;
    name.strip_prefix(prefix).map(str::to_owned)
}

/// Tells the access log what a request cost.
pub(super) const fn cost(cost: String) -> Effect {
    Effect::SetProperty(COST, cost)
}

/// Tells the access log who asks.
pub(super) const fn client(name: String) -> Effect {
    Effect::SetProperty(CLIENT, name)
}

/// What Envoy knows of an attempt's connection.
pub(super) fn link(host: &dyn Host) -> Link {
    let get = |name| host.property(&["upstream", name]);
    let number = |name| get(name).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    Link {
        reason: String::from_utf8_lossy(&get("transport_failure_reason").unwrap_or_default()).into_owned(),
        is_made: get("local_address").is_some_and(|address| !address.is_empty()),
        ready_ns: number("cx_pool_ready_duration").unwrap_or(u64::MAX),
        hosts: number("num_endpoints").unwrap_or_default(),
    }
}

/// Envoy's own word for how the answer came about.
pub(super) fn code_details(host: &dyn Host) -> String {
    String::from_utf8_lossy(&host.property(&["response", "code_details"]).unwrap_or_default()).into_owned()
}
