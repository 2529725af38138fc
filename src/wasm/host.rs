//! Envoy as the roles' host: each question and each effect is one call.
//!
//! **Invariant:** only the `_bytes` calls of the SDK are used for headers: the others trap on odd bytes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};

use crate::filter::{Buffer, Change, Edit, Effect, HeaderMap, Host, Map, MetricUpdate, OutgoingHeaders, Reply};
use crate::state::{StateStore, Version};

thread_local! {
    /// The host's numbers for the statistics that were told before.
    static STATISTICS: RefCell<HashMap<String, u32>> = RefCell::new(HashMap::new());
}

/// The host that runs this module.
pub struct Envoy;

impl StateStore for Envoy {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        let (value, version) = hostcalls::get_shared_data(key).ok()?;
        Some((value?, version.unwrap_or_default()))
    }

    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        hostcalls::set_shared_data(key, Some(value), expected).is_ok()
    }
}

impl Host for Envoy {
    fn now_ms(&self) -> u64 {
        let now = hostcalls::get_current_time().ok().and_then(|now| now.duration_since(UNIX_EPOCH).ok());
        now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    fn header(&self, map: Map, name: &str) -> Option<String> {
        let bytes = hostcalls::get_map_value_bytes(map.into(), name).ok()??;
        String::from_utf8(bytes).ok()
    }

    fn headers(&self, map: Map) -> HeaderMap {
        hostcalls::get_map_bytes(map.into()).unwrap_or_default()
    }

    fn body(&self, buffer: Buffer, length: usize) -> Vec<u8> {
        hostcalls::get_buffer(buffer.into(), 0, length).ok().flatten().unwrap_or_default()
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        hostcalls::get_property(path.to_vec()).ok().flatten()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn enter(&self, context: u32) -> bool {
        hostcalls::set_effective_context(context).is_ok()
    }

    fn call(&self, cluster: &str, headers: &OutgoingHeaders, body: &[u8], timeout_ms: u64) -> Option<u32> {
        let text = |value| std::str::from_utf8(value).unwrap_or_default();
        let headers = headers.iter().map(|(name, value)| (&**name, text(value))).collect();
        hostcalls::dispatch_http_call(cluster, headers, Some(body), vec![], Duration::from_millis(timeout_ms)).ok()
    }

    fn carry_out(&self, effect: Effect) {
        let _ = match effect {
            Effect::SetHeaders(map, headers) => {
                let headers = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
                hostcalls::set_map_bytes(map.into(), headers)
            }
            Effect::SetHeader(map, name, value) => {
                hostcalls::set_map_value_bytes(map.into(), &name, value.as_deref().map(str::as_bytes))
            }
            Effect::EditBody(buffer, length, edit) => edit_body(buffer.into(), length, &edit),
            Effect::SetProperty(name, value) => hostcalls::set_property(vec![name], Some(value.as_bytes())),
            Effect::ClearRouteCache => hostcalls::call_foreign_function("clear_route_cache", None).map(drop),
            Effect::Reply(reply) => send(&reply),
            Effect::ResumeRequest => hostcalls::resume_http_request(),
            Effect::ResumeResponse => hostcalls::resume_http_response(),
            Effect::ResetResponse => hostcalls::reset_http_response(),
            Effect::Metric(update) => change(update),
            Effect::Log(line) => {
                log::info!("signalbox: {line}");
                Ok(())
            }
            Effect::Warn(line) => {
                log::warn!("signalbox: {line}");
                Ok(())
            }
        };
    }
}

type Outcome = Result<(), proxy_wasm::types::Status>;

fn edit_body(buffer: BufferType, length: usize, edit: &Edit) -> Outcome {
    match edit {
        Edit::Keep => Ok(()),
        Edit::Prefix(end, bytes) => hostcalls::set_buffer(buffer, 0, *end, bytes),
        Edit::Whole(bytes) => hostcalls::set_buffer(buffer, 0, length, bytes),
        // A start at or past the end appends.
        Edit::Append(bytes) => hostcalls::set_buffer(buffer, length, 0, bytes),
    }
}

fn send(reply: &Reply) -> Outcome {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    hostcalls::send_http_response(u32::from(reply.status), headers, Some(&reply.body))
}

/// The host knows its statistics by numbers, and makes one where there is none of a name.
fn change(MetricUpdate { name, change }: MetricUpdate) -> Outcome {
    let kind = if matches!(change, Change::Set(_)) { MetricType::Gauge } else { MetricType::Counter };
    let define = |name: &String| hostcalls::define_metric(kind, name).unwrap_or_default();
    let numbered = STATISTICS.try_with(|known| {
        let mut known = known.try_borrow_mut().ok()?;
        Some(*known.entry(name).or_insert_with_key(define))
    });
    let Ok(Some(number)) = numbered else { return Err(Status::InternalFailure) };
    match change {
        Change::Set(value) => hostcalls::record_metric(number, value),
        Change::Add(value) => hostcalls::increment_metric(number, i64::try_from(value).unwrap_or(i64::MAX)),
    }
}

impl From<Map> for MapType {
    fn from(map: Map) -> Self {
        match map {
            Map::Request => Self::HttpRequestHeaders,
            Map::RequestTrailers => Self::HttpRequestTrailers,
            Map::Response => Self::HttpResponseHeaders,
            Map::Call => Self::HttpCallResponseHeaders,
        }
    }
}

impl From<Buffer> for BufferType {
    fn from(buffer: Buffer) -> Self {
        match buffer {
            Buffer::Request => Self::HttpRequestBody,
            Buffer::Response => Self::HttpResponseBody,
            Buffer::Call => Self::HttpCallResponseBody,
        }
    }
}
