//! The attempt filter: the upstream's side, once for every try.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::route::send;
use super::{host, worker};
use crate::filter::{Attempt, Edit, FLIGHT_HEADER, Flight, HeaderMap, RETRY_HEADER, Verdict, route};

/// How exact deadlines are.
const TICK: Duration = Duration::from_millis(50);

thread_local! {
    static TICKING: Cell<bool> = const { Cell::new(false) };
    /// Contexts that want to be woken, by their id.
    static WAITING: RefCell<BTreeMap<u32, Waiting>> = const { RefCell::new(BTreeMap::new()) };
}

#[derive(Clone)]
enum Waiting {
    /// The request is held back until then.
    Request(u64, Rc<RefCell<Attempt>>),
    /// The attempt has a deadline.
    Answer(u64, Rc<RefCell<Attempt>>),
}

fn wait(context_id: u32, waiting: Option<Waiting>) {
    WAITING.with_borrow_mut(|all| {
        match waiting {
            Some(waiting) => all.insert(context_id, waiting),
            None => all.remove(&context_id),
        };
        if !all.is_empty() && !TICKING.replace(true) {
            let _ = hostcalls::set_tick_period(TICK);
        }
    });
}

/// Whether a request waits for its time: then its body must wait too, or it would take the headers along.
fn is_held_back(context_id: u32) -> bool {
    WAITING.with_borrow(|all| matches!(all.get(&context_id), Some(Waiting::Request(..))))
}

/// Wakes whoever is due.
pub fn wake(now_ms: u64) {
    let due: Vec<(u32, Waiting)> = WAITING.with_borrow_mut(|all| {
        if all.is_empty() && TICKING.replace(false) {
            let _ = hostcalls::set_tick_period(Duration::ZERO);
        }
        let is_due = |waiting: &Waiting| match waiting {
            Waiting::Request(at_ms, _) | Waiting::Answer(at_ms, _) => *at_ms <= now_ms,
        };
        let due: Vec<_> = all.iter().filter(|(_, waiting)| is_due(waiting)).map(|(id, w)| (*id, w.clone())).collect();
        for (id, _) in &due {
            all.remove(id);
        }
        due
    });
    for (context_id, waiting) in due {
        if hostcalls::set_effective_context(context_id).is_err() {
            continue;
        }
        match waiting {
            Waiting::Request(_, attempt) => {
                await_answer(context_id, &attempt);
                let _ = hostcalls::resume_http_request();
            }
            Waiting::Answer(_, attempt) => wake_attempt(&attempt),
        }
    }
}

/// Wakes an attempt at its deadline, if it has one.
fn await_answer(context_id: u32, attempt: &Rc<RefCell<Attempt>>) {
    let deadline = attempt.borrow().deadline();
    wait(context_id, deadline.map(|deadline| Waiting::Answer(deadline.at_ms, Rc::clone(attempt))));
}

fn wake_attempt(attempt: &Rc<RefCell<Attempt>>) {
    let verdict = attempt.borrow_mut().on_deadline();
    worker::record_endings(attempt.borrow().flight());
    match verdict {
        None => choose(attempt.borrow().flight()),
        Some(verdict) => {
            let _ = carry_out(verdict, 0, attempt);
            let _ = hostcalls::resume_http_response();
        }
    }
}

/// One try of a request.
pub struct AttemptFilter {
    context_id: u32,
    attempt: Option<Rc<RefCell<Attempt>>>,
    body: Option<Edit>,
}

impl AttemptFilter {
    pub const fn new(context_id: u32) -> Self {
        Self { context_id, attempt: None, body: None }
    }

    fn judge(&self, verdict: Verdict, length: usize) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        let action = carry_out(verdict, length, attempt);
        await_answer(self.context_id, attempt);
        worker::record_endings(attempt.borrow().flight());
        action
    }
}

/// The flight of a request: the first attempt finds it in the headers, which it reads anyway; the later ones, whose headers the
/// first one replaced, in filter state, which costs more.
fn flight_of(headers: &HeaderMap) -> Option<u64> {
    let (_, value) = headers.iter().find(|(name, _)| name == FLIGHT_HEADER)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn choose(flight: &RefCell<Flight>) {
    let flight = flight.borrow();
    host::choose_cluster(flight.next_cluster(), flight.id);
}

fn carry_out(verdict: Verdict, length: usize, attempt: &RefCell<Attempt>) -> Action {
    const BODY: BufferType = BufferType::HttpResponseBody;
    match verdict {
        Verdict::Hold => {
            if length > 0 && attempt.borrow().drains() {
                host::edit_body(BODY, length, &Edit::Whole(Vec::new()));
            }
            return Action::Pause;
        }
        Verdict::Retry => {
            choose(attempt.borrow().flight());
            let (name, value) = RETRY_HEADER;
            host::set_header(MapType::HttpResponseHeaders, name, value);
        }
        Verdict::Pass(commit, edit) => {
            for name in commit.remove {
                host::remove_header(MapType::HttpResponseHeaders, name);
            }
            for (name, value) in &commit.set {
                host::set_header(MapType::HttpResponseHeaders, name, value);
            }
            host::edit_body(BODY, length, &edit);
        }
        Verdict::Continue(edit) => host::edit_body(BODY, length, &edit),
    }
    Action::Continue
}

impl Context for AttemptFilter {
    fn on_done(&mut self) -> bool {
        wait(self.context_id, None);
        true
    }
}

impl HttpContext for AttemptFilter {
    fn on_http_request_headers(&mut self, _count: usize, _ends: bool) -> Action {
        let client = host::headers(MapType::HttpRequestHeaders);
        let Some(flight) = flight_of(&client).or_else(host::chosen_flight).and_then(worker::flight) else {
            // The VM that planned it is gone, or no route filter ran: nothing may go on unrewritten.
            return send(&route::not_ready());
        };
        let started = Attempt::start(&flight, client, &host::now_ms);
        worker::record_endings(&flight);
        let (attempt, outgoing) = match started {
            Ok(started) => started,
            Err(reply) => return send(&reply),
        };
        host::replace_headers(MapType::HttpRequestHeaders, &outgoing.headers);
        if flight.borrow().preset_moves() {
            choose(&flight);
        }
        self.body = Some(outgoing.body);
        let attempt = Rc::new(RefCell::new(attempt));
        self.attempt = Some(Rc::clone(&attempt));
        if outgoing.wait_ms > 0 {
            wait(self.context_id, Some(Waiting::Request(host::now_ms() + outgoing.wait_ms, attempt)));
            return Action::Pause;
        }
        await_answer(self.context_id, &attempt);
        Action::Continue
    }

    fn on_http_request_body(&mut self, length: usize, ends: bool) -> Action {
        if !ends {
            return Action::Pause;
        }
        if let Some(edit) = self.body.take() {
            host::edit_body(BufferType::HttpRequestBody, length, &edit);
        }
        if is_held_back(self.context_id) { Action::Pause } else { Action::Continue }
    }

    fn on_http_response_headers(&mut self, _count: usize, ends: bool) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        let status = host::header(MapType::HttpResponseHeaders, ":status").and_then(|status| status.parse().ok());
        let headers = || host::headers(MapType::HttpResponseHeaders);
        let verdict = attempt.borrow_mut().on_headers(status.unwrap_or(502), &headers, ends);
        self.judge(verdict, 0)
    }

    fn on_http_response_body(&mut self, length: usize, ends: bool) -> Action {
        let Some(attempt) = &self.attempt else { return Action::Continue };
        let wanted = attempt.borrow().wants_body(length, ends);
        let verdict = if wanted {
            let bytes = host::body(BufferType::HttpResponseBody, length);
            attempt.borrow_mut().on_body(&bytes, ends)
        } else {
            attempt.borrow().unread()
        };
        self.judge(verdict, length)
    }
}
