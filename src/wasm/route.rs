//! The route filter: the listener's side of a request.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::host::{self, SharedData};
use super::worker;
use crate::filter::kept::{self, Kept};
use crate::filter::route::{self, Admission, RequestHead};
use crate::filter::{Api, Asked, Edit, FLIGHT_HEADER, PER_TRY_TIMEOUT_HEADER, Reply, Setup};

/// One request of a client.
pub struct RouteFilter {
    config: Rc<Setup>,
    /// What is asked, and how many bytes of its body have come, until that has ended.
    awaited: Option<(Api, usize)>,
    coming: Kept,
    flight: Option<u64>,
    instead: Option<Vec<u8>>,
}

impl RouteFilter {
    pub fn new(config: Rc<Setup>) -> Self {
        Self { config, awaited: None, coming: worker::with(|worker| worker.coming()), flight: None, instead: None }
    }

    fn depart(&mut self, api: Api, body: Vec<u8>) -> Result<(), Reply> {
        let config = &self.config;
        let header = |name: &str| host::header(MapType::HttpRequestHeaders, name).unwrap_or_default();
        let asked = Asked { api, body, header: &header };
        let flight = worker::with(|worker| worker.depart(&SharedData, config, asked))?;
        let flight = flight.borrow();
        if flight.per_try_ms != config.router.timeout_or_default_ms() {
            host::set_header(MapType::HttpRequestHeaders, PER_TRY_TIMEOUT_HEADER, Some(&flight.per_try_ms.to_string()));
        }
        host::choose_cluster(flight.next_cluster(), flight.id);
        host::set_header(MapType::HttpRequestHeaders, FLIGHT_HEADER, Some(&flight.id.to_string()));
        self.flight = Some(flight.id);
        let _ = hostcalls::call_foreign_function("clear_route_cache", None);
        Ok(())
    }
}

/// Answers at once. Nothing of the request goes on.
pub fn send(reply: &Reply) -> Action {
    let headers = reply.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let _ = hostcalls::send_http_response(u32::from(reply.status), headers, Some(&reply.body));
    Action::Pause
}

impl Context for RouteFilter {}

impl HttpContext for RouteFilter {
    fn on_http_request_headers(&mut self, _count: usize, ends: bool) -> Action {
        let header = |name| host::header(MapType::HttpRequestHeaders, name).unwrap_or_default();
        // A request with a body is taken for a POST, which it is in all but odd cases: one call less.
        let method = if ends { header(":method") } else { "POST".to_owned() };
        let path = header(":path");
        let head = RequestHead { method: &method, path: &path, ends };
        match worker::with(|worker| worker.admit(&self.config, head)) {
            Admission::Reply(reply) => send(&reply),
            Admission::Await(api) => {
                self.awaited = Some((api, 0));
                Action::Pause
            }
        }
    }

    fn on_http_request_body(&mut self, length: usize, ends: bool) -> Action {
        let Some((api, _)) = self.awaited else { return Action::Continue };
        let limit = self.config.signalbox.max_request_bytes;
        if length as u64 > limit {
            // Still awaited: Envoy may have prepared an answer of its own, which then goes out in place of this one.
            return send(&route::too_large(limit));
        }
        if !worker::with(|worker| worker.has_room(&self.config, &mut self.coming, length, ends)) {
            return send(&kept::refusal());
        }
        self.awaited = (!ends).then_some((api, length));
        if !ends {
            return Action::Pause;
        }
        let body = host::body(BufferType::HttpRequestBody, length);
        match self.depart(api, body) {
            Ok(()) => Action::Continue,
            Err(reply) => {
                let encoding = host::header(MapType::HttpRequestHeaders, "content-encoding");
                send(&route::compressed(encoding.as_deref()).unwrap_or(reply))
            }
        }
    }

    /// The end of a body that did not say so itself. Trailers are for nobody.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        host::replace_headers(MapType::HttpRequestTrailers, &Vec::new());
        self.on_http_request_body(self.awaited.map_or(0, |(_, length)| length), true)
    }

    fn on_http_response_headers(&mut self, _count: usize, ends: bool) -> Action {
        let status = || host::header(MapType::HttpResponseHeaders, ":status");
        let reply = match self.flight.and_then(|id| worker::with(|worker| worker.flight(id))) {
            // No attempt let this answer go: it is Envoy's own, in plain text.
            Some(flight) if !flight.borrow().is_answered() => {
                let timed_out = host::code_details().contains("timeout");
                let reply = flight.borrow_mut().abort(timed_out, host::now_ms());
                worker::record(&flight);
                reply
            }
            // Envoy's buffer was full before the filter was asked.
            None if self.awaited.take().is_some() && status().as_deref() == Some("413") => {
                route::too_large(self.config.signalbox.max_request_bytes)
            }
            _ => return Action::Continue,
        };
        if ends {
            // Envoy's answer has no body to replace.
            return send(&reply);
        }
        host::replace_headers(MapType::HttpResponseHeaders, &reply.all_headers());
        self.instead = Some(reply.body);
        Action::Continue
    }

    fn on_http_response_body(&mut self, length: usize, _ends: bool) -> Action {
        if let Some(body) = self.instead.as_mut() {
            host::edit_body(BufferType::HttpResponseBody, length, &Edit::Whole(std::mem::take(body)));
        }
        Action::Continue
    }
}

/// The client's stream is over. Not in `on_log` or `on_done`: a callback costs a call into the VM, and this one comes anyway.
impl Drop for RouteFilter {
    fn drop(&mut self) {
        let Some(id) = self.flight.take() else { return };
        let Some(flight) = worker::with(|worker| worker.flight(id)) else { return };
        if flight.borrow().is_open() {
            let reset = host::code_details().starts_with("upstream_reset_after");
            flight.borrow_mut().finish(reset);
        }
        worker::record(&flight);
        worker::with(|worker| worker.land(&SharedData, id));
    }
}
