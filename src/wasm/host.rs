//! The host's services in this project's words: time, shared data, filter state, headers.

use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType};

use crate::filter::{Edit, HeaderMap, Link, OutgoingHeaders};
use crate::state::{StateStore, Version};

/// Filter state under this name is `wasm.signalbox.cluster` to Envoy: the cluster specifier matches its beginning.
const CLUSTER: &str = "signalbox.cluster";

/// Now, Unix milliseconds.
pub fn now_ms() -> u64 {
    let now = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
    now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
}

/// Envoy's shared data.
pub struct SharedData;

impl StateStore for SharedData {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let (value, version) = hostcalls::get_shared_data(key).ok()?;
        Some((value?, version.unwrap_or_default()))
    }

    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        hostcalls::set_shared_data(key, Some(value), expected).is_ok()
    }
}

/// The number of one of Envoy's statistics, made where there is none of that name.
pub fn statistic(name: &str, is_gauge: bool) -> u32 {
    hostcalls::define_metric(if is_gauge { MetricType::Gauge } else { MetricType::Counter }, name).unwrap_or_default()
}

/// Sets a gauge, or adds to a counter.
pub fn change(number: u32, is_gauge: bool, value: u64) {
    let add = || hostcalls::increment_metric(number, i64::try_from(value).unwrap_or(i64::MAX));
    let _ = if is_gauge { hostcalls::record_metric(number, value) } else { add() };
}

/// Asks a cluster on our own account. Returns the call's number.
pub fn call(cluster: &str, headers: &OutgoingHeaders, body: &[u8], timeout_ms: u64) -> Option<u32> {
    let text = |value| std::str::from_utf8(value).unwrap_or_default();
    let headers = headers.iter().map(|(name, value)| (&**name, text(value))).collect();
    hostcalls::dispatch_http_call(cluster, headers, Some(body), vec![], Duration::from_millis(timeout_ms)).ok()
}

/// Tells Envoy which cluster the next attempt takes, and that attempt which flight it belongs to.
pub fn choose_cluster(name: &str, flight: u64) {
    let _ = hostcalls::set_property(vec![CLUSTER], Some(format!("{name}/{flight}").as_bytes()));
}

/// What a request cost, in US dollars: `wasm.signalbox.cost` to the access log.
pub fn log_cost(cost: &str) {
    let _ = hostcalls::set_property(vec!["signalbox.cost"], Some(cost.as_bytes()));
}

/// The cluster and the flight of the request, as [`choose_cluster`] left them.
pub fn chosen() -> Option<(String, u64)> {
    let text = String::from_utf8(hostcalls::get_property(vec![CLUSTER]).ok()??).ok()?;
    let (cluster, flight) = text.rsplit_once('/')?;
    Some((cluster.to_owned(), flight.parse().ok()?))
}

/// What Envoy knows of an attempt's connection.
pub fn link() -> Link {
    let get = |name| hostcalls::get_property(vec!["upstream", name]).ok().flatten();
    let number = |name| get(name).and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
    Link {
        reason: String::from_utf8_lossy(&get("transport_failure_reason").unwrap_or_default()).into_owned(),
        is_made: get("local_address").is_some_and(|address| !address.is_empty()),
        ready_ns: number("cx_pool_ready_duration").unwrap_or(u64::MAX),
        hosts: number("num_endpoints").unwrap_or_default(),
    }
}

/// Envoy's own word for how the answer came about.
pub fn code_details() -> String {
    let bytes = hostcalls::get_property(vec!["response", "code_details"]).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One header, if it is there and is text.
pub fn header(map: MapType, name: &str) -> Option<String> {
    let bytes = hostcalls::get_map_value_bytes(map, name).ok()??;
    String::from_utf8(bytes).ok()
}

/// All headers.
pub fn headers(map: MapType) -> HeaderMap {
    hostcalls::get_map_bytes(map).unwrap_or_default()
}

/// Replaces all headers, in one call.
pub fn replace_headers(map: MapType, headers: &OutgoingHeaders) {
    let _ = hostcalls::set_map_bytes(map, headers.iter().map(|(name, value)| (&**name, &**value)).collect());
}

/// Sets one header, or removes it.
pub fn set_header(map: MapType, name: &str, value: Option<&str>) {
    let _ = hostcalls::set_map_value_bytes(map, name, value.map(str::as_bytes));
}

/// Reads a body from its beginning.
pub fn body(buffer: BufferType, length: usize) -> Vec<u8> {
    let read = || hostcalls::get_buffer(buffer, 0, length).ok()?;
    if length > 0 { read().unwrap_or_default() } else { Vec::new() }
}

/// Carries out an edit of a body of which `length` bytes lie in the host's buffer.
pub fn edit_body(buffer: BufferType, length: usize, edit: &Edit) {
    let _ = match edit {
        Edit::Keep => return,
        Edit::Prefix(end, bytes) => hostcalls::set_buffer(buffer, 0, *end, bytes),
        Edit::Whole(bytes) => hostcalls::set_buffer(buffer, 0, length, bytes),
        // A start at or past the end appends.
        Edit::Append(bytes) => hostcalls::set_buffer(buffer, length, 0, bytes),
    };
}
