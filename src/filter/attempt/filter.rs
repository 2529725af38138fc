//! The attempt filter's entry: what each event of one attempt's stream leads to. What an answer means is [`Attempt`]'s to say; here its
//! verdicts become effects.
//!
//! **Invariant:** nothing goes on to a deployment that was not rewritten for it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use super::super::exchange::RELAY_FLIGHT_HEADER;
use super::super::host::{self, Buffer, Effect, Effects, Event, Flow, Host, Map};
use super::super::http::ASTRAY;
use super::super::plugin::Whereabouts;
use super::super::properties;
use super::super::{Flight, RETRY_HEADER};
use super::super::{SharedFlight, Worker};
use super::Attempt;
use super::verdict::{Edit, Verdict};

/// What the log is told of such an attempt.
const WHY_ASTRAY: &str = "where another deployment was chosen: it was refused. Is `refresh_cluster_on_retry` in the route? It needs Envoy \
    1.39, and a control plane that knows it: Istio 1.31, Envoy Gateway 1.9";

/// One attempt of a request, as the host knows it. Its clones are the same one: a timer wakes it.
#[derive(Clone)]
pub struct AttemptFilter(Rc<RefCell<Context>>);

struct Context {
    /// The host's number for it.
    id: u32,
    /// Where Envoy sent it.
    whereabouts: Whereabouts,
    /// A flight whose body Envoy has, which waits for that.
    pending: Option<SharedFlight>,
    attempt: Option<Attempt>,
    /// What becomes of the request's body, which follows its head.
    body: Option<Edit>,
    /// The request waits for its time to be sent.
    is_delayed: bool,
    /// Something of the answer's body lies in the host's buffer.
    has_buffer: bool,
}

impl AttemptFilter {
    /// By the host's number for it, and the cluster that it is in.
    #[must_use]
    pub fn new(id: u32, whereabouts: Whereabouts) -> Self {
        let context =
            Context { id, whereabouts, pending: None, attempt: None, body: None, is_delayed: false, has_buffer: false };
        Self(Rc::new(RefCell::new(context)))
    }

    /// What an event leads to.
    pub fn on(&self, event: Event, worker: &mut Worker, host: &dyn Host) -> Effects {
        let Ok(mut context) = self.0.try_borrow_mut() else { return Effects::none() };
        let departing = worker.take_departing();
        match event {
            Event::RequestHead { .. } => context.request_head(departing, self, worker, host),
            Event::RequestBody { length, ends } => context.request_body(length, ends, self, worker, host),
            // The end of a body that did not say so itself.
            Event::RequestTrailers => context.request_body(u32::MAX as usize, true, self, worker, host),
            Event::ResponseHead { ends } => context.response_head(ends, self, worker, host),
            Event::ResponseBody { length, ends } => context.response_body(length, ends, self, worker, host),
            Event::ResponseTrailers => context.response_trailers(self, worker, host),
            Event::Timer => context.timer(self, worker, host),
            Event::Closed => context.closed(worker, host),
        }
    }

    /// When it wants to be woken, Unix milliseconds, as of now. `None`: never, or at the time that it gave.
    pub(in crate::filter) fn deadline_ms(&self) -> Option<u64> {
        let context = self.0.try_borrow().ok()?;
        context.attempt.as_ref().filter(|_| !context.is_delayed)?.deadline_ms()
    }
}

impl Context {
    /// The id of the cluster that Envoy took; empty until it is known, which is no cluster's.
    fn cluster(&self) -> &str {
        if let Whereabouts::In(cluster) = &self.whereabouts { cluster } else { "" }
    }

    fn request_head(
        &mut self,
        departing: Option<SharedFlight>,
        this: &AttemptFilter,
        worker: &mut Worker,
        host: &dyn Host,
    ) -> Effects {
        if let Whereabouts::Among(prefix) = &self.whereabouts {
            self.whereabouts = Whereabouts::In(properties::cluster(host, prefix).unwrap_or_default().into());
        }
        let departing = departing.filter(|flight| {
            flight.try_borrow().is_ok_and(|flight| flight.is_fresh() && flight.next_cluster() == self.cluster())
        });
        let selected = || properties::selected(host).and_then(|(_, id)| worker.flight_of_attempt(id));
        let Some(flight) = departing.or_else(selected) else { return self.relayed(worker, host) };
        if flight.try_borrow().is_ok_and(|flight| flight.is_with_envoy()) {
            self.pending = Some(flight);
            return Effects { flow: Flow::Pause, ..Effects::none() };
        }
        self.begin(&flight, this, worker, host)
    }

    /// What comes from the relay was rewritten before. Anything else that no flight is known for stays here: the VM that planned it is gone,
    /// or no route filter ran. Nothing may go on unrewritten, nor as another request.
    fn relayed(&self, worker: &Worker, host: &dyn Host) -> Effects {
        let id = host.header(Map::Request, RELAY_FLIGHT_HEADER).and_then(|id| id.parse().ok());
        let flight = id.and_then(|id| worker.flight(id));
        let is_own =
            flight.is_some_and(|flight| flight.try_borrow().is_ok_and(|flight| flight.is_relayed_to(self.cluster())));
        if is_own { Effects::none() } else { Effects::busy() }
    }

    /// Begins the attempt, while the head of the request is still held.
    fn begin(&mut self, flight: &SharedFlight, this: &AttemptFilter, worker: &mut Worker, host: &dyn Host) -> Effects {
        let mut effects = Effects::none();
        let is_timed = flight.try_borrow().is_ok_and(|flight| flight.is_timed());
        let started = Attempt::start(flight, Some(self.cluster()), &|| clock(is_timed, worker, host));
        if let Ok(mut flight) = flight.try_borrow_mut() {
            flight.give_up_body();
        }
        worker.report(host, flight, &mut effects);
        let (attempt, outgoing) = match started {
            Ok(started) => started,
            Err(reply) => {
                if reply.headers.iter().any(|(_, value)| value == ASTRAY) {
                    effects.push(Effect::Warn(format!("Envoy sent an attempt to `{}`, {WHY_ASTRAY}", self.cluster())));
                }
                effects.push(Effect::Reply(reply));
                effects.flow = Flow::Pause;
                return effects;
            }
        };
        let set = |(name, value): (&'static str, String)| {
            Effect::SetHeader(Map::Request, Cow::Borrowed(name), Some(value).filter(|value| !value.is_empty()))
        };
        effects.list.extend(outgoing.headers.into_iter().map(set));
        if flight.try_borrow().is_ok_and(|flight| flight.cursor().next_moves()) {
            lead_on(flight, worker, host, &mut effects);
        }
        self.body = Some(outgoing.body);
        let attempt = self.attempt.insert(attempt);
        if outgoing.wait_ms > 0 {
            self.is_delayed = true;
            worker.timers.delay(self.id, host.now_ms() + outgoing.wait_ms, this);
            effects.flow = Flow::Pause;
        } else {
            worker.timers.wait(self.id, attempt.deadline_ms(), this);
        }
        effects
    }

    fn request_body(
        &mut self,
        length: usize,
        ends: bool,
        this: &AttemptFilter,
        worker: &mut Worker,
        host: &dyn Host,
    ) -> Effects {
        let mut effects = Effects { flow: Flow::Pause, ..Effects::none() };
        if !ends {
            return effects;
        }
        if let Some(flight) = self.pending.take() {
            if let Ok(mut flight) = flight.try_borrow_mut() {
                flight.lend_body(host::body(host, Buffer::Request, length));
            }
            effects = self.begin(&flight, this, worker, host);
            if self.attempt.is_none() {
                return effects;
            }
        }
        if let Some(edit) = self.body.take() {
            effects.edit(Buffer::Request, length, edit);
        }
        // A request that waits for its time holds its body too, which would else take the headers along.
        effects.flow = if self.is_delayed { Flow::Pause } else { Flow::Continue };
        effects
    }

    fn response_head(&mut self, ends: bool, this: &AttemptFilter, worker: &mut Worker, host: &dyn Host) -> Effects {
        let Some(attempt) = &mut self.attempt else { return Effects::none() };
        let status = host::status(host, Map::Response);
        let headers = || host.headers(Map::Response);
        attempt.hear(clock(attempt.is_timed(), worker, host));
        let verdict = attempt.on_headers(status.unwrap_or(502), &headers, ends);
        worker.apply_rate_limits(host, attempt.flight(), &headers);
        self.judge(verdict, (!ends).then_some(0), this, worker, host)
    }

    fn response_body(
        &mut self,
        length: usize,
        ends: bool,
        this: &AttemptFilter,
        worker: &mut Worker,
        host: &dyn Host,
    ) -> Effects {
        let Some(attempt) = &mut self.attempt else { return Effects::none() };
        attempt.takes_bytes = self.has_buffer && !ends;
        attempt.parks = !self.has_buffer && !ends && attempt.may_ping();
        let verdict = if attempt.wants_body(length, ends) {
            let bytes = host::body(host, Buffer::Response, length);
            attempt.hear(clock(attempt.is_timed(), worker, host));
            attempt.on_body(&bytes, ends)
        } else if attempt.is_held() {
            // Nothing was read, so nothing has changed.
            self.has_buffer = true;
            return Effects { flow: Flow::Pause, ..Effects::none() };
        } else {
            attempt.unread()
        };
        let mut effects = self.judge(verdict, Some(length), this, worker, host);
        // Of what is held again and let go by a call, Envoy keeps the buffer, and takes bytes of ours there while nothing comes.
        let takes_bytes = effects.flow == Flow::Continue
            && self.attempt.as_ref().is_some_and(|attempt| attempt.takes_bytes && attempt.may_ping());
        if takes_bytes {
            effects.push(Effect::ResumeResponse);
            effects.flow = Flow::Pause;
        }
        self.has_buffer = effects.flow == Flow::Pause;
        effects
    }

    /// The end of a body that did not say so itself. What lies in the host's buffer is all of it.
    fn response_trailers(&mut self, this: &AttemptFilter, worker: &mut Worker, host: &dyn Host) -> Effects {
        let Some(attempt) = &mut self.attempt else { return Effects::none() };
        if self.has_buffer && (attempt.is_held() || attempt.is_parked()) {
            return self.response_body(u32::MAX as usize, true, this, worker, host);
        }
        let verdict = attempt.on_trailers();
        self.judge(verdict, None, this, worker, host)
    }

    /// Makes effects of a verdict. Without a `length` there is no body in the host's hands that could be replaced.
    fn judge(
        &self,
        verdict: Verdict,
        length: Option<usize>,
        this: &AttemptFilter,
        worker: &mut Worker,
        host: &dyn Host,
    ) -> Effects {
        let Some(attempt) = &self.attempt else { return Effects::none() };
        let mut effects = match (&verdict, length) {
            (Verdict::Pass(commit, Edit::Whole(body)), None) => Effects::reply(commit.reply(body)),
            _ => effects_of(verdict, length.unwrap_or_default(), attempt, worker, host),
        };
        worker.timers.wait(self.id, attempt.deadline_ms(), this);
        let cost = attempt.flight().try_borrow().ok().and_then(|flight| flight.cost_for_log());
        effects.list.extend(cost.map(properties::cost));
        worker.report(host, attempt.flight(), &mut effects);
        effects
    }

    fn timer(&mut self, this: &AttemptFilter, worker: &mut Worker, host: &dyn Host) -> Effects {
        let mut effects = Effects::none();
        let Some(attempt) = &mut self.attempt else { return effects };
        if std::mem::take(&mut self.is_delayed) {
            worker.timers.wait(self.id, attempt.deadline_ms(), this);
            effects.push(Effect::ResumeRequest);
            return effects;
        }
        let body = || host::body(host, Buffer::Response, usize::MAX);
        let verdict = attempt.on_deadline(worker.now_ms(), &body);
        worker.report(host, attempt.flight(), &mut effects);
        let Some(verdict) = verdict else {
            lead_on(attempt.flight(), worker, host, &mut effects);
            return effects;
        };
        let more = effects_of(verdict, 0, attempt, worker, host);
        effects.list.extend(more.list);
        if more.flow == Flow::Continue {
            effects.push(Effect::ResumeResponse);
        }
        worker.timers.wait(self.id, attempt.deadline_ms(), this);
        effects
    }

    fn closed(&mut self, worker: &mut Worker, host: &dyn Host) -> Effects {
        let mut effects = Effects::none();
        worker.timers.forget(self.id);
        let Some(attempt) = self.attempt.take() else { return effects };
        let is_untold = |flight: &RefCell<Flight>| {
            flight.try_borrow().is_ok_and(|flight| !flight.is_selected && !flight.is_answered())
        };
        if attempt.ends(&|| properties::link(host), worker.now_ms()) || is_untold(attempt.flight()) {
            lead_on(attempt.flight(), worker, host, &mut effects);
        }
        effects
    }
}

/// A clock as exact as decisions need it, since exactness costs a call.
fn clock(is_timed: bool, worker: &Worker, host: &dyn Host) -> u64 {
    if is_timed { host.now_ms() } else { worker.now_ms() }
}

/// Leads a flight past deployments that it should not go to, and tells the host where it goes next.
fn lead_on(flight: &RefCell<Flight>, worker: &mut Worker, host: &dyn Host, effects: &mut Effects) {
    worker.report(host, flight, effects);
    let Ok(mut flight) = flight.try_borrow_mut() else { return };
    worker.lead_past_limits(host, &mut flight);
    effects.push(properties::next_cluster(&mut flight));
}

fn effects_of(verdict: Verdict, length: usize, attempt: &Attempt, worker: &mut Worker, host: &dyn Host) -> Effects {
    const BODY: Buffer = Buffer::Response;
    let set = |name, value| Effect::SetHeader(Map::Response, Cow::Borrowed(name), value);
    let mut effects = Effects::none();
    if matches!(verdict, Verdict::Hold | Verdict::Reply(_) | Verdict::CutOff) {
        effects.flow = Flow::Pause;
    }
    match verdict {
        Verdict::Hold if length > 0 && attempt.drains() => effects.edit(BODY, length, Edit::Whole(Vec::new())),
        Verdict::Hold => {}
        Verdict::Retry => {
            lead_on(attempt.flight(), worker, host, &mut effects);
            effects.push(set(RETRY_HEADER.0, Some(RETRY_HEADER.1.to_owned())));
        }
        Verdict::Pass(commit, edit) => {
            effects.list.extend(commit.remove.iter().map(|name| set(name, None)));
            effects.list.extend(commit.set.into_iter().map(|(name, value)| set(name, Some(value))));
            effects.edit(BODY, length, edit);
        }
        Verdict::Continue(edit) => effects.edit(BODY, length, edit),
        Verdict::Reply(reply) => effects.push(Effect::Reply(reply)),
        Verdict::CutOff => effects.push(Effect::ResetResponse),
    }
    effects
}
