//! The attempt filter: the upstream's side, once for every try.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::host::{self, SharedData};
use super::route::send;
use super::worker;
use crate::filter::{Alarm, Alarms, Attempt, Edit, Flight, HeaderMap, RETRY_HEADER, SharedFlight, Verdict};
use crate::filter::{flight_of, relayed_flight, route};

thread_local! {
    static ALARMS: RefCell<Alarms> = RefCell::new(Alarms::default());
}

fn await_answer(id: u32, attempt: &Rc<RefCell<Attempt>>) {
    ALARMS.with_borrow_mut(|alarms| alarms.await_answer(id, attempt));
}

/// Wakes whoever is due.
pub fn wake(now_ms: u64) {
    for (context_id, Alarm { held_back, attempt, .. }) in ALARMS.with_borrow_mut(|alarms| alarms.due(now_ms)) {
        if hostcalls::set_effective_context(context_id).is_err() {
            continue;
        }
        if held_back {
            await_answer(context_id, &attempt);
            let _ = hostcalls::resume_http_request();
        } else {
            wake_attempt(context_id, &attempt, now_ms);
        }
    }
}

fn wake_attempt(context_id: u32, attempt: &Rc<RefCell<Attempt>>, now_ms: u64) {
    let body = || host::body(BufferType::HttpResponseBody, usize::MAX);
    let verdict = attempt.borrow_mut().on_deadline(now_ms, &body);
    worker::record(attempt.borrow().flight());
    let Some(verdict) = verdict else { return choose(attempt.borrow().flight()) };
    if carry_out(verdict, 0, attempt) == Action::Continue {
        let _ = hostcalls::resume_http_response();
    }
    await_answer(context_id, attempt);
}

/// One try of a request.
pub struct AttemptFilter {
    context_id: u32,
    /// A flight whose body Envoy has, what its client said, and the cluster: all waits for the body.
    awaits_body: Option<(SharedFlight, HeaderMap, Option<String>)>,
    attempt: Option<Rc<RefCell<Attempt>>>,
    body: Option<Edit>,
    has_buffer: bool,
}

impl AttemptFilter {
    pub fn new(context_id: u32) -> Self {
        Self { context_id, awaits_body: None, attempt: None, body: None, has_buffer: false }
    }

    /// Begins the attempt, while the head of the request is still held.
    fn begin(&mut self, flight: &SharedFlight, client: HeaderMap, cluster: Option<&str>) -> Action {
        let started = Attempt::start(flight, client, cluster, clock(flight));
        flight.borrow_mut().give_up_body();
        worker::record(flight);
        let (attempt, outgoing) = match started {
            Ok(started) => started,
            Err(reply) => return send(&reply),
        };
        host::replace_headers(MapType::HttpRequestHeaders, &outgoing.headers);
        if flight.borrow().preset_moves() {
            choose(flight);
        }
        self.body = Some(outgoing.body);
        let attempt = Rc::new(RefCell::new(attempt));
        self.attempt = Some(Rc::clone(&attempt));
        if outgoing.wait_ms > 0 {
            let until_ms = host::now_ms() + outgoing.wait_ms;
            ALARMS.with_borrow_mut(|alarms| alarms.hold_back(self.context_id, until_ms, attempt));
            return Action::Pause;
        }
        await_answer(self.context_id, &attempt);
        Action::Continue
    }

    /// Carries a verdict out. Without a `length` there is no body in Envoy's hands that could be replaced.
    fn judge(&self, verdict: Verdict, length: Option<usize>) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        let action = match (&verdict, length) {
            (Verdict::Pass(commit, Edit::Whole(body)), None) => send(&commit.reply(body)),
            _ => carry_out(verdict, length.unwrap_or_default(), attempt),
        };
        await_answer(self.context_id, attempt);
        attempt.borrow().flight().borrow().cost_logged().iter().for_each(|cost| host::log_cost(cost));
        worker::record(attempt.borrow().flight());
        action
    }
}

/// A clock as exact as decisions need it, since exactness costs a call.
fn clock(flight: &RefCell<Flight>) -> &'static dyn Fn() -> u64 {
    if flight.borrow().is_timed() { &host::now_ms } else { &worker::now_ms }
}

fn choose(flight: &RefCell<Flight>) {
    worker::record(flight);
    let mut flight = flight.borrow_mut();
    worker::with(|worker| worker.choose(&SharedData, &mut flight));
    host::choose_cluster(flight.next_cluster(), flight.id);
}

fn carry_out(verdict: Verdict, length: usize, attempt: &RefCell<Attempt>) -> Action {
    const BODY: BufferType = BufferType::HttpResponseBody;
    let action = if matches!(verdict, Verdict::Hold | Verdict::Reply(_) | Verdict::CutOff) {
        Action::Pause
    } else {
        Action::Continue
    };
    match verdict {
        Verdict::Hold if length > 0 && attempt.borrow().drains() => {
            host::edit_body(BODY, length, &Edit::Whole(Vec::new()));
        }
        Verdict::Hold => {}
        Verdict::Retry => {
            choose(attempt.borrow().flight());
            host::set_header(MapType::HttpResponseHeaders, RETRY_HEADER.0, Some(RETRY_HEADER.1));
        }
        Verdict::Pass(commit, edit) => {
            for (name, value) in commit.changes() {
                host::set_header(MapType::HttpResponseHeaders, name, value);
            }
            host::edit_body(BODY, length, &edit);
        }
        Verdict::Continue(edit) => host::edit_body(BODY, length, &edit),
        Verdict::Reply(reply) => _ = send(&reply),
        Verdict::CutOff => _ = hostcalls::reset_http_response(),
    }
    action
}

/// What comes from the relay was rewritten before.
fn pass_on(id: u64, headers: HeaderMap) -> Action {
    let flight = worker::with(|worker| worker.flight(id));
    let Some(headers) = flight.and_then(|flight| flight.borrow().relayed(headers)) else {
        return send(&route::not_ready());
    };
    host::replace_headers(MapType::HttpRequestHeaders, &headers);
    Action::Continue
}

impl Context for AttemptFilter {}

impl Drop for AttemptFilter {
    fn drop(&mut self) {
        ALARMS.with_borrow_mut(|alarms| alarms.forget(self.context_id));
        let Some(attempt) = self.attempt.take() else { return };
        if attempt.borrow().ends(&host::link, worker::now_ms()) {
            choose(attempt.borrow().flight());
        }
    }
}

impl HttpContext for AttemptFilter {
    fn on_http_request_headers(&mut self, _count: usize, _ends: bool) -> Action {
        let client = host::headers(MapType::HttpRequestHeaders);
        if let Some(id) = relayed_flight(&client).filter(|_| host::chosen().is_none()) {
            return pass_on(id, client);
        }
        let (cluster, id) = flight_of(&client).map_or_else(|| host::chosen().unzip(), |id| (None, Some(id)));
        let first = cluster.is_none();
        let Some(flight) = id.and_then(|id| worker::with(|worker| worker.flight_of_attempt(id, first))) else {
            // The VM that planned it is gone, or no route filter ran: nothing may go on unrewritten, nor as another request.
            return send(&route::not_ready());
        };
        if flight.borrow().is_with_envoy() {
            self.awaits_body = Some((flight, client, cluster));
            return Action::Pause;
        }
        self.begin(&flight, client, cluster.as_deref())
    }

    fn on_http_request_body(&mut self, length: usize, ends: bool) -> Action {
        if !ends {
            return Action::Pause;
        }
        if let Some((flight, client, cluster)) = self.awaits_body.take() {
            flight.borrow_mut().lend_body(host::body(BufferType::HttpRequestBody, length));
            self.begin(&flight, client, cluster.as_deref());
            if self.attempt.is_none() {
                return Action::Pause;
            }
        }
        if let Some(edit) = self.body.take() {
            host::edit_body(BufferType::HttpRequestBody, length, &edit);
        }
        // A request that waits for its time holds its body too, which would else take the headers along.
        if ALARMS.with_borrow(|alarms| alarms.holds_back(self.context_id)) { Action::Pause } else { Action::Continue }
    }

    /// The end of a body that did not say so itself.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        self.on_http_request_body(u32::MAX as usize, true)
    }

    fn on_http_response_headers(&mut self, _count: usize, ends: bool) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        let status = host::header(MapType::HttpResponseHeaders, ":status").and_then(|status| status.parse().ok());
        let headers = || host::headers(MapType::HttpResponseHeaders);
        attempt.borrow().hear(clock(attempt.borrow().flight())());
        let verdict = attempt.borrow_mut().on_headers(status.unwrap_or(502), &headers, ends);
        worker::with(|worker| worker.hear_limits(&SharedData, attempt.borrow().flight(), &headers));
        self.judge(verdict, (!ends).then_some(0))
    }

    fn on_http_response_body(&mut self, length: usize, ends: bool) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        let wanted = attempt.borrow().wants_body(length, ends);
        let verdict = if wanted {
            let bytes = host::body(BufferType::HttpResponseBody, length);
            attempt.borrow().hear(clock(attempt.borrow().flight())());
            attempt.borrow_mut().on_body(&bytes, ends)
        } else {
            attempt.borrow().unread()
        };
        let action = self.judge(verdict, Some(length));
        self.has_buffer = action == Action::Pause;
        action
    }

    /// The end of a body that did not say so itself. What lies in Envoy's buffer is all of it.
    fn on_http_response_trailers(&mut self, _count: usize) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        if self.has_buffer && attempt.borrow().is_held() {
            return self.on_http_response_body(u32::MAX as usize, true);
        }
        let verdict = attempt.borrow_mut().on_trailers();
        self.judge(verdict, None)
    }
}
