//! One request on its way, with all its attempts: a **flight**, from the route filter's plan until the client's stream ends.
//!
//! It waits in the VM's memory under an id in filter state, and each attempt of the request finds it there. It has four parts, each with one
//! place where it changes:
//!
//! | part | what it is | changes in |
//! |---|---|---|
//! | [`Request`] | facts that never change after planning | nowhere |
//! | [`Body`] | the client's body, which every attempt starts from | [`body`] |
//! | [`Cursor`] | the plan, what was tried, what failed, what follows | [`cursor`] |
//! | [`Stage`] | how far it has come; the open attempt's times, usage and reservation | [`stage`] |
//!
//! What joins them is here and in the files beside: [`next_attempt`], [`connection`], [`added`], [`answer_headers`], [`relay`]. How long anything may take is in
//! [`timeouts`], and the flights of a worker in [`flights`].
//!
//! **Invariant:** after an answer went to the client no attempt follows.

mod added;
mod answer_headers;
mod body;
mod connection;
mod cursor;
mod flights;
mod next_attempt;
mod relay;
mod request;
mod result;
mod stage;
mod timeouts;

use std::ops::Deref;
use std::rc::Rc;

pub(super) use added::{Refused, USAGE};
pub(super) use body::Body;
pub use connection::Link;
pub use cursor::Cursor;
pub(super) use flights::Flights;
pub use flights::SharedFlight;
pub(super) use relay::failure as relay_failure;
pub use relay::{RELAY, RELAY_LIMIT_HEADER, RELAY_SAYS_HEADER, RELAY_TO_HEADER};
pub(super) use relay::{RELAY_FLIGHT_HEADER, to_relay};
pub use request::Request;
pub use result::{AttemptResult, Report};
pub use stage::Clock;
use stage::{Stage, Try};
pub use timeouts::Way;
pub(super) use timeouts::{Limits, MARGIN_MS, Times, times};

use super::Api;
use super::http::{ErrorReply, HeaderChanges, Reply, RequestHeaders};
use super::seat::Seat;
use crate::catalogue::{Usd, cost, facts};
use crate::chat::{ApiError, Failure, FailureClass, Usage};
use crate::config::model::{Deployment, DeploymentIndex};
use crate::dialect::Encoded;
use crate::provider::Call;
use crate::routing::{Candidate, Place};
use crate::state::{Outcome, Reservation};

/// One request on its way. Its facts can be read as if they were its own ([`Request`]).
#[derive(Debug)]
pub struct Flight {
    /// Its name among this worker's flights; given when it departs.
    pub id: u64,
    /// Envoy was told its next cluster and its id, by which an attempt finds it.
    pub(super) is_selected: bool,
    request: Request,
    pub(super) body: Body,
    cursor: Cursor,
    stage: Stage,
    /// What the next attempt has reserved already.
    reserved: Option<Reservation>,
    /// The request in the dialect of a place where it goes next.
    translated: Option<(Place, Encoded)>,
    /// The client's fields that the latest attempt left out, because its provider cannot express them.
    pub(super) dropped: Vec<String>,
    /// What the request's headers say in Envoy's hands.
    headers: RequestHeaders,
    /// The deployment that cannot open the reasoning which the client hands back, by its id.
    pub(super) cannot_open: Option<String>,
    /// What deployments are known to refuse of what the gateway adds.
    refused: Rc<Refused>,
    /// What the state is yet to learn.
    reports: Vec<Report>,
    /// What it takes of its client's limits, where clients are known.
    pub(super) seat: Option<Seat>,
}

impl Deref for Flight {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}

impl Flight {
    /// A flight of a request that was planned like this. `translated`: the request in the dialect of the plan's first candidate.
    pub(super) fn new(request: Request, body: Vec<u8>, cursor: Cursor, translated: Option<Encoded>) -> Self {
        Self {
            id: 0,
            is_selected: false,
            request,
            body: Body::new(body),
            translated: translated.zip(cursor.next()).map(|(encoded, (place, _))| (place, encoded)),
            cursor,
            stage: Stage::Planned,
            reserved: None,
            dropped: Vec::new(),
            headers: RequestHeaders::default(),
            cannot_open: None,
            refused: Rc::default(),
            reports: Vec::with_capacity(2),
            seat: None,
        }
    }

    // --- Looking

    /// Where it stands in its plan.
    #[must_use]
    pub const fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// The client's body; nothing where Envoy alone has it, save while an attempt begins.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.body.bytes()
    }

    /// Whether the body names the model like this.
    pub(super) fn names(&self, model: &str) -> bool {
        let named = self.body().get(self.model_span.clone());
        named.and_then(|raw| raw.strip_prefix(b"\"")?.strip_suffix(b"\"")) == Some(model.as_bytes())
    }

    /// The candidate at a place, and its deployment.
    pub(super) fn deployment(&self, place: Place) -> Option<(&Candidate, &Deployment)> {
        self.cursor.deployment(&self.request, place)
    }

    /// The cluster that Envoy takes next; empty where nothing may be tried, which matches no cluster.
    #[must_use]
    pub fn next_cluster(&self) -> &str {
        self.cursor.next_cluster(&self.request)
    }

    /// Whether an attempt has not ended yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.stage.open().is_some()
    }

    /// Whether this attempt has not ended yet.
    pub(super) fn is_open_as(&self, number: usize) -> bool {
        self.stage.open().is_some_and(|open| open.number == number)
    }

    /// Whether an attempt's answer, or our own error, went to the client.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.stage.is_answered()
    }

    /// Whether nothing was tried, be it as a mock failure.
    pub(super) fn is_untried(&self) -> bool {
        self.cursor.tried().is_empty()
    }

    /// Whether no attempt has begun.
    pub(super) const fn is_fresh(&self) -> bool {
        self.cursor.begun() == 0
    }

    /// The deployment of the open attempt, and its reservation.
    pub(super) fn open_reservation(&self) -> Option<(DeploymentIndex, &Reservation)> {
        let open = self.stage.open()?;
        Some((open.deployment, open.reservation.as_ref()?))
    }

    /// Whether the time it takes decides where others go.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        let group = self.config.groups.get(self.cursor.plan().asked);
        group.is_some_and(|group| group.strategy.is_timed)
    }

    /// What so many tokens cost at a place, where the price is known.
    fn cost(&self, place: Place, usage: &Usage) -> Option<Usd> {
        let (candidate, deployment) = self.deployment(place)?;
        let wild = |model: &String| facts(deployment.provider.name, model, None).price;
        let price = candidate.model.as_ref().map_or(deployment.facts.price, wild)?;
        Some(cost(usage, &price))
    }

    /// Whether the client gets the usage of a stream: it asked for it, or it asked for nothing and the deployment's parameters do.
    pub(super) fn shows_usage(&self, deployment: &Deployment) -> bool {
        let brings = || deployment.defaults.as_ref().is_some_and(|defaults| defaults.include_usage());
        self.include_usage || !self.stream_options && brings()
    }

    /// Whether a provider of OpenAI's dialect is asked for the usage of a stream on the gateway's own account.
    pub(super) fn asks_usage(&self, deployment: &Deployment) -> bool {
        let is_wanted = self.stream && !self.shows_usage(deployment) && self.api != Api::Embeddings;
        // Azure refuses the wish beside sources of its own.
        let is_refused = || {
            deployment.provider.habits.named_by_owner
                && memchr::memmem::find(self.body(), b"\"data_sources\"").is_some()
        };
        is_wanted && self.config.needs_usage(deployment) && !is_refused() && !self.refused.has(deployment, USAGE)
    }

    // --- Dealing with the state

    /// This goes to the provider in place of the body that it was planned by.
    pub(super) fn take_body(&mut self, bytes: Vec<u8>) {
        self.body = Body::new(bytes);
    }

    /// What is known of the headers that its client sent.
    pub(super) fn know_headers(&mut self, headers: RequestHeaders) {
        self.headers = headers;
    }

    /// It departs: the reservation of its first attempt, and what deployments are known to refuse.
    pub(super) fn depart(&mut self, reserved: Option<Reservation>, refused: &Rc<Refused>) {
        self.reserved = reserved;
        self.refused = Rc::clone(refused);
    }

    /// What happened since the last call, for the state to record.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// The open attempt's deployment, where nothing is held for it yet.
    pub(super) fn unreserved(&self) -> Option<DeploymentIndex> {
        self.stage.open().filter(|open| open.reservation.is_none()).map(|open| open.deployment)
    }

    /// The open attempt holds this from now on.
    pub(super) fn hold(&mut self, reservation: Reservation) {
        if let Some(open) = self.stage.open_mut() {
            open.reservation = Some(reservation);
        }
    }

    /// Whether the next attempt is certain, and nothing is held for it yet.
    pub(super) const fn wants_reservation(&self) -> bool {
        self.stage.open().is_none() && self.reserved.is_none()
    }

    /// The next attempt holds this from now on.
    pub(super) fn reserve(&mut self, reservation: Reservation) {
        self.reserved = Some(reservation);
    }

    /// What is still held when the flight lands.
    pub(super) fn take_reserved(&mut self) -> Option<Reservation> {
        self.reserved.take().or_else(|| self.stage.open_mut()?.reservation.take())
    }

    // --- Attempts

    /// What an attempt at this place, with a body of this length, changes of the request's headers.
    pub(super) fn header_changes(&mut self, place: Place, length: usize, way: Way) -> HeaderChanges {
        let Some((candidate, deployment)) = self.cursor.deployment(&self.request, place) else { return Vec::new() };
        let (api, stream) = (self.request.api, self.request.stream);
        let model = candidate.model.as_ref().unwrap_or(&deployment.model);
        let (api, dialect) = (api.neutral(), deployment.speaks(api.dialect()));
        let call = Call { api, dialect, model: &(deployment.provider.full_name)(api, model), stream };
        let is_verbatim = dialect == self.request.api.dialect();
        if !self.request.config.signalbox.naming.clusters.is_empty() {
            self.headers.came_by_another_s_listener();
        }
        self.headers.changes(deployment, call, length, is_verbatim, way == Way::Direct)
    }

    /// The next attempt begins at this place. Returns its number.
    pub(super) fn begin(&mut self, place: Place, way: Way, clock: Clock, client_deadline: bool) -> usize {
        let number = self.cursor.begin(place, way);
        let candidate = self.cursor.plan().candidate(place);
        if let Some(deployment) = candidate.map(|candidate| candidate.deployment) {
            let reservation = self.reserved.take();
            let usage_so_far = None;
            self.stage =
                Stage::Trying(Try { number, place, deployment, clock, usage_so_far, client_deadline, reservation });
        }
        number
    }

    /// Something was heard of an attempt. (It may not be the open one any more.)
    pub(super) fn hear(&mut self, number: usize, clock: Clock) {
        if let Some(open) = self.stage.open_mut().filter(|open| open.number == number) {
            open.clock = clock;
        }
    }

    /// An attempt's stream has told of its usage so far.
    pub(super) fn hear_usage(&mut self, number: usize, usage: Option<Usage>) {
        if let Some(open) = self.stage.open_mut().filter(|open| open.number == number) {
            open.usage_so_far = usage;
        }
    }

    /// An answer goes to the client: the open attempt's, or an error. Nothing follows, so the body is not needed.
    pub(super) fn commit(&mut self) {
        self.stage.commit();
        self.body.drop_bytes();
    }

    /// The open attempt failed: notes the failure and selects what follows.
    pub(super) fn fail(&mut self, failure: Failure) {
        // After an answer went to the client nothing follows.
        let may_follow = matches!(self.stage, Stage::Trying(_));
        self.note(&failure);
        if may_follow {
            self.select_next(&failure);
        }
    }

    /// The open attempt failed, and what follows is selected already, or nothing does.
    fn note(&mut self, failure: &Failure) {
        let Some(open) = self.stage.open() else { return };
        let is_clients = self.is_clients(open, failure);
        self.cursor.fail(&self.request, open.place, failure.clone());
        self.end(if is_clients { Outcome::Abandoned } else { Outcome::Failed(failure.clone()) }, None);
    }

    /// Whether a failure is that the client would not wait for as long as the configuration would have: it says nothing of the
    /// deployment.
    fn is_clients(&self, open: &Try, failure: &Failure) -> bool {
        match failure.class {
            // A stream that began and then stalled was not too slow for its client alone.
            FailureClass::Timeout if open.clock.first_token_at_ms.is_some() => false,
            FailureClass::Timeout => self.client_timeout_ms.is_some() && failure.status == 0 && !self.is_answered(),
            FailureClass::FirstToken => open.client_deadline,
            _ => false,
        }
    }

    /// The open attempt served.
    pub(super) fn serve(&mut self, usage: Option<Usage>) {
        self.end(Outcome::Served, usage);
    }

    /// The open attempt has its result.
    fn end(&mut self, outcome: Outcome, usage: Option<Usage>) {
        let Some(ended) = self.stage.end() else { return };
        let cost = usage.and_then(|usage| self.cost(ended.place, &usage));
        self.reports.push(Report::Ended(ended.result(outcome, usage, cost)));
    }

    /// An attempt that is still open although another begins brought no answer.
    pub(super) fn lose(&mut self, now_ms: u64) {
        let Some(open) = self.stage.open() else { return };
        let failure = self.lost(now_ms.saturating_sub(open.clock.started_ms));
        self.note(&failure);
    }

    /// Envoy answered by itself: no host, no retry left, a timeout. Returns the error the client gets instead.
    pub fn abort(&mut self, timed_out: bool, now_ms: u64) -> Reply {
        if let Some(open) = self.stage.open() {
            let elapsed_ms = now_ms.saturating_sub(open.clock.started_ms);
            let failure = self.lost(if timed_out { self.per_try_ms } else { elapsed_ms });
            self.note(&failure);
        }
        self.commit();
        let (error, failure) = self.final_error();
        self.written(ErrorReply::failure(error, self.error_headers(now_ms, failure)))
    }

    /// The request goes no further, for a reason of the gateway's. Returns the error the client gets.
    pub(super) fn refuse(&mut self, error: ApiError, now_ms: u64) -> Reply {
        self.commit();
        self.written(ErrorReply::failure(error, self.error_headers(now_ms, None)))
    }

    /// An error, written for its client.
    pub(super) fn written(&self, error: ErrorReply) -> Reply {
        error.write(self.client(), self.cursor.chance())
    }

    /// The client's stream is over. An attempt that is still open was abandoned by the client, or, where `reset`, lost by the
    /// provider in mid-answer. What an abandoned stream told of its tokens counts: a provider bills a prompt that it has read.
    pub fn finish(&mut self, reset: bool) {
        if reset {
            self.note(&Failure::local(FailureClass::Reset, "the connection was lost in mid-answer"));
        }
        let usage = self.stage.open().and_then(|open| open.usage_so_far);
        self.end(Outcome::Abandoned, usage);
        self.stage = Stage::Done;
    }
}
