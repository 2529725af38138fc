//! The route filter's entry: what each event of the client's stream leads to.
//!
//! **Invariant:** a client's stream has at most one flight, which lands when the stream is closed.

use std::rc::Rc;

use serde_json::json;

use super::super::host::{self, Buffer, Effect, Effects, Event, Flow, Host, Map};
use super::super::http::RequestHeaders;
use super::super::kept::{self, Kept};
use super::super::plugin::Known;
use super::super::properties;
use super::super::seat::Asker;
use super::super::worker::{Asked, Worker};
use super::super::{Api, Edit, ErrorReply, PER_TRY_TIMEOUT_HEADER, Reply, Setup};
use super::admit::{self, Admission, HttpHead};
use super::expressible::NO_SUCH_API;
use crate::dialect::client_face;
use crate::routing::estimate::Prompt;

/// One request of a client.
pub struct RouteFilter {
    setup: Rc<Setup>,
    /// What is asked, and how many bytes of its body have come, until that has ended.
    pending: Option<(Api, usize)>,
    /// What Envoy's route says of the request.
    known: Option<Rc<Known>>,
    /// What is known of the request's headers.
    headers: RequestHeaders,
    coming: Option<Kept>,
    flight: Option<u64>,
    /// Its client, where clients are known.
    client: Option<Asker>,
    /// The body that takes the place of the one of Envoy's own answer.
    replacement_body: Option<Vec<u8>>,
}

impl RouteFilter {
    /// Of a request that will be planned with this, and of which Envoy's route says this.
    #[must_use]
    pub fn new(setup: Rc<Setup>, known: Option<Rc<Known>>) -> Self {
        let headers = RequestHeaders::default();
        Self { setup, pending: None, known, headers, coming: None, flight: None, client: None, replacement_body: None }
    }

    /// What an event leads to.
    pub fn on(&mut self, event: Event, worker: &mut Worker, host: &dyn Host) -> Effects {
        worker.take_departing();
        match event {
            Event::RequestHead { ends } => self.request_head(ends, worker, host),
            Event::RequestBody { length, ends } => self.request_body(length, ends, worker, host),
            Event::RequestTrailers => {
                // The end of a body that did not say so itself. No provider gets trailers.
                let length = self.pending.map_or(0, |(_, length)| length);
                let Effects { list, flow } = self.request_body(length, true, worker, host);
                let trailers = Effect::SetHeaders(Map::RequestTrailers, Vec::new());
                Effects { list: std::iter::once(trailers).chain(list).collect(), flow }
            }
            Event::ResponseHead { ends } => self.response_head(ends, worker, host),
            Event::ResponseBody { length, .. } => {
                let mut effects = Effects::none();
                let body = self.replacement_body.as_mut().map(std::mem::take);
                body.into_iter().for_each(|body| effects.edit(Buffer::Response, length, Edit::Whole(body)));
                effects
            }
            Event::ResponseTrailers | Event::Timer => Effects::none(),
            Event::Closed => self.closed(worker, host),
        }
    }

    fn request_head(&mut self, ends: bool, worker: &mut Worker, host: &dyn Host) -> Effects {
        if let Some(known) = self.known.as_ref().filter(|_| !ends && self.setup.clients.is_empty()) {
            self.headers = RequestHeaders::of(Rc::clone(&known.path), known.api);
            self.pending = Some((known.api, 0));
            return Effects { flow: Flow::Pause, ..Effects::none() };
        }
        let header = |name: &str| host.header(Map::Request, name).unwrap_or_default();
        // A request with a body is taken for a POST, which it is in all but odd cases: one call less.
        let method = if ends { header(":method") } else { "POST".to_owned() };
        let path = self.known.as_ref().map_or_else(|| header(":path").into(), |known| Rc::clone(&known.path));
        // Only Anthropic's clients say a version. Without a body nothing is planned, and one call more costs nothing.
        let by = if ends && !header("anthropic-version").is_empty() { Api::Messages } else { Api::Chat };
        let mut head = HttpHead { method: &method, path: &path, ends, by, client: None };
        match worker.identify(&head, &header, &|path| host.property(path)) {
            Ok(asker) => self.client = asker,
            Err(error) => return refuse(error, head.api(), worker),
        }
        head.client = self.client.as_ref().and_then(Asker::client);
        match worker.admit(&self.setup, head) {
            Admission::Reply(reply) => Effects::reply(reply),
            Admission::Refuse(error, api) => refuse(error, api, worker),
            Admission::Await(api) => {
                self.headers = RequestHeaders::of(path, api);
                if ends {
                    self.headers.length = Some(0);
                    return self
                        .depart(api, Vec::new(), worker, host)
                        .unwrap_or_else(|error| refuse(error, api, worker));
                }
                self.pending = Some((api, 0));
                Effects { flow: Flow::Pause, ..Effects::none() }
            }
        }
    }

    fn request_body(&mut self, length: usize, ends: bool, worker: &mut Worker, host: &dyn Host) -> Effects {
        let Some((api, _)) = self.pending else { return Effects::none() };
        let limit = self.setup.signalbox.max_request_bytes;
        if length as u64 > limit {
            // Still pending: Envoy may have prepared an answer of its own, which then goes out in place of this one.
            return refuse(admit::too_large(limit), api, worker);
        }
        let coming = self.coming.get_or_insert_with(|| worker.coming());
        if !worker.has_room(&self.setup, coming, length, ends) {
            return refuse(kept::refusal(), api, worker);
        }
        self.pending = (!ends).then_some((api, length));
        if !ends {
            return Effects { flow: Flow::Pause, ..Effects::none() };
        }
        let body = host::body(host, Buffer::Request, length);
        self.headers.length = self.known.is_some().then_some(length);
        self.depart(api, body, worker, host).unwrap_or_else(|error| {
            // No deployment of the model counts: the gateway does, and nothing is asked.
            if api == Api::CountTokens && error.error.code.as_deref() == Some(NO_SUCH_API) {
                let body = host::body(host, Buffer::Request, length);
                return Effects::reply(Reply::json(&json!({"input_tokens": count_tokens(&body)})));
            }
            let encoding = host.header(Map::Request, "content-encoding");
            refuse(admit::compressed(encoding.as_deref()).unwrap_or(error), api, worker)
        })
    }

    fn depart(&mut self, api: Api, body: Vec<u8>, worker: &mut Worker, host: &dyn Host) -> Result<Effects, ErrorReply> {
        let header = |name: &str| host.header(Map::Request, name).unwrap_or_default();
        let shared =
            worker.depart(host, &self.setup, Asked { api, body, header: &header, client: self.client.as_ref() })?;
        let Ok(mut flight) = shared.try_borrow_mut() else { return Err(admit::not_ready()) };
        flight.know_headers(std::mem::take(&mut self.headers));
        let mut effects = Effects::none();
        // Of most requests Envoy's route knows it.
        if self.known.is_none() && !flight.is_form && !is_json(&header("content-type")) {
            effects.push(Effect::SetHeader(Map::Request, "content-type".into(), Some(JSON.to_owned())));
        }
        if flight.per_try_ms != self.setup.router.timeout_or_default_ms() {
            let per_try_ms = flight.per_try_ms.to_string();
            effects.push(Effect::SetHeader(Map::Request, PER_TRY_TIMEOUT_HEADER.into(), Some(per_try_ms)));
        }
        if self.setup.signalbox.access_log
            && let Some(client) = self.client.as_ref().and_then(Asker::client)
        {
            effects.push(properties::client(client.name.clone()));
        }
        // Where Envoy's route leads there anyway, saying so would cost two calls, and a retry elsewhere says so itself.
        if self.known.as_ref().is_none_or(|known| *known.cluster != *flight.next_cluster()) {
            effects.push(properties::next_cluster(&mut flight));
            effects.push(Effect::ClearRouteCache);
        }
        self.flight = Some(flight.id);
        worker.departing = Some(Rc::clone(&shared));
        Ok(effects)
    }

    fn response_head(&mut self, ends: bool, worker: &mut Worker, host: &dyn Host) -> Effects {
        let mut effects = Effects::none();
        let reply = match self.flight.and_then(|id| worker.flight(id)) {
            // No attempt let this answer go: it is Envoy's own, in plain text.
            Some(flight) if flight.try_borrow().is_ok_and(|flight| !flight.is_answered()) => {
                let timed_out = properties::code_details(host).contains("timeout");
                let aborted = flight.try_borrow_mut().map(|mut flight| flight.abort(timed_out, host.now_ms()));
                let Ok(reply) = aborted else { return effects };
                worker.report(host, &flight, &mut effects);
                reply
            }
            // Envoy's buffer was full before the filter was asked.
            None => match self.pending.take() {
                Some((api, _)) if host::status(host, Map::Response) == Some(413) => {
                    written(admit::too_large(self.setup.signalbox.max_request_bytes), api, worker)
                }
                _ => return effects,
            },
            Some(_) => return effects,
        };
        if ends {
            // Envoy's answer has no body to replace.
            effects.push(Effect::Reply(reply));
            effects.flow = Flow::Pause;
            return effects;
        }
        effects.push(Effect::SetHeaders(Map::Response, reply.all_headers()));
        self.replacement_body = Some(reply.body);
        effects
    }

    /// The client's stream is over.
    fn closed(&mut self, worker: &mut Worker, host: &dyn Host) -> Effects {
        let mut effects = Effects::none();
        let Some(id) = self.flight.take() else { return effects };
        let Some(flight) = worker.flight(id) else { return effects };
        if let Ok(mut flight) = flight.try_borrow_mut()
            && flight.is_open()
        {
            flight.finish(properties::code_details(host).starts_with("upstream_reset_after"));
        }
        worker.report(host, &flight, &mut effects);
        worker.land(host, id);
        effects
    }
}

/// The type of each body that is no form, whatever its client calls it.
const JSON: &str = "application/json";

fn is_json(content_type: &str) -> bool {
    content_type.get(..JSON.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(JSON))
}

/// Writes an error for a client of this API.
fn written(error: ErrorReply, api: Api, worker: &Worker) -> Reply {
    error.write(client_face(api.dialect()), worker.chance())
}

/// Answers with it.
fn refuse(error: ErrorReply, api: Api, worker: &Worker) -> Effects {
    Effects::reply(written(error, api, worker))
}

/// About how many tokens a request has, never none.
fn count_tokens(body: &[u8]) -> u64 {
    Prompt::of(body).estimate().probable.max(1)
}
