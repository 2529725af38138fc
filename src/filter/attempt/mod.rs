//! The attempt role: one try of a flight at one deployment.
//!
//! It rewrites the request, holds the answer until it is known to be one, and only then lets it go: a whole answer until it is
//! read, a stream until its first meaningful event. Until then any failure moves the flight on, and the client sees nothing
//! of it. What is held of a stream is kept here, translated, and taken out of Envoy's buffer.
//!
//! **Invariant:** after [`Verdict::Pass`] the answer is committed: there is no [`Verdict::Retry`] any more.

mod answer;
mod budget;
mod deadline;
mod encode;
mod filter;
mod verdict;

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use super::exchange::{self, Clock, Limits, MARGIN_MS, Way};
use super::http::{
    ErrorReply, HeaderMap, OF_FAILURE, OF_REPLACED_BODY, Reply, astray, request_id, said_in_place_of_client,
};
use super::kept::Kept;
use super::route::not_ready;
use super::{Api, Flight, Link, said, stamp};
use crate::chat::{Failure, FailureClass, Fault, Usage};
use crate::config::model::RouterConfig;
use crate::dialect::{AnswerContext, AnswerStream, Bridge, Echo, bridge};
use crate::failure::{self, ErrorAnswer};
use crate::routing::Place;
use crate::routing::model_router::Decision;
use answer::unreadable;
use encode::encode;
pub use filter::AttemptFilter;
pub use verdict::{Commit, Edit, Outgoing, Verdict};

/// An error body longer than this is judged by its beginning, in bytes.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// A stream that shows nothing meaningful in so many bytes is let go.
const MAX_HELD_BYTES: usize = 1024 * 1024;

enum Phase {
    /// No headers yet.
    Head,
    /// The body of an error is awaited.
    Failing(u16, HeaderMap),
    /// A whole answer is awaited.
    Whole,
    /// A stream is held; what the client shall see of it so far. Without a stream: a document that came in its place, so far.
    Held(Option<Box<dyn AnswerStream>>, Vec<u8>),
    /// A committed stream.
    Flowing(Box<dyn AnswerStream>, Vec<u8>),
    /// The rest passes unread.
    Passing,
    /// The rest is left out.
    Cut,
}

/// One try.
pub struct Attempt {
    flight: Rc<RefCell<Flight>>,
    config: Rc<RouterConfig>,
    /// Whether the client waits for a stream.
    is_stream: bool,
    /// Whether exact times matter.
    is_timed: bool,
    /// Which attempt of the flight it is, from 1.
    number: usize,
    /// Where in the plan it was sent.
    place: Place,
    /// How its client and its deployment meet.
    bridge: Bridge,
    /// What is asked.
    api: Api,
    phase: Phase,
    /// Its times. The flight has a copy for as long as this attempt is open, since the flight ends attempts that are gone.
    clock: Clock,
    limits: Limits,
    /// What this try keeps of its answer.
    kept: Kept,
    /// What the answer must be told by.
    echo: Echo,
    /// When its head came, Unix milliseconds.
    head_ms: u64,
    /// When an error event went to the client, after which nothing more comes, Unix milliseconds.
    cut_ms: Option<u64>,
    /// Whether the next bytes of the stream wait for those behind them: see [`Self::waits_for_more`].
    is_behind: bool,
    /// Envoy takes bytes of ours between those that come: the last ones were held, and let go by a call.
    pub(super) takes_bytes: bool,
    /// What comes now shall be held until the next tick, so that Envoy takes bytes of ours from then on.
    pub(super) parks: bool,
    /// Since when it is, Unix milliseconds.
    parked_ms: Option<u64>,
    /// When its client was sent a ping, Unix milliseconds.
    pinged_ms: u64,
}

impl Attempt {
    /// Begins the next try of a flight: what was selected is what is tried now. `cluster` is the one that Envoy took, where that is
    /// known.
    ///
    /// # Errors
    /// The reply to the client where Envoy took another cluster than was selected, or the request cannot be said in the provider's dialect.
    pub fn start(
        flight: &Rc<RefCell<Flight>>,
        cluster: Option<&str>,
        now_ms: &dyn Fn() -> u64,
    ) -> Result<(Self, Outgoing), Reply> {
        let Ok(mut this) = flight.try_borrow_mut() else {
            return Err(not_ready().write_for_anyone());
        };
        // The first try follows the decision at once.
        let now_ms = if this.is_untried() && !this.is_timed() { this.started_ms } else { now_ms() };
        let (next, way) = this.taken(cluster);
        this.lose(now_ms);
        let Some((place, wait_ms)) = next else {
            // Another deployment's key would follow this filter.
            let is_astray = this.has_next();
            return Err(if is_astray { this.refuse(astray(), now_ms) } else { this.abort(false, now_ms) });
        };
        let Some(limits) = this.deployment(place).map(|(_, deployment)| this.limits(deployment)) else {
            return Err(this.abort(false, now_ms));
        };
        let clock = Clock::start(now_ms, wait_ms);
        let number = this.begin(place, way, clock, limits.client_deadline);
        this.select_next(&Failure::local(FailureClass::Reset, ""));
        let translated = this.take_translated(place);
        let Some((candidate, deployment)) = this.deployment(place) else {
            return Err(this.abort(false, now_ms));
        };
        let model = candidate.model.as_ref().unwrap_or(&deployment.model);
        let (body, length, apart) = match encode(&this, deployment, model, translated) {
            Ok(encoded) => encoded,
            Err(mut error) => {
                error.headers.extend(this.decision.iter().flat_map(Decision::headers));
                this.finish(false);
                return Err(this.written(error));
            }
        };
        let client = this.api.dialect();
        let bridge = bridge(client, deployment.speaks(client));
        let relayed = if way == Way::Direct { Vec::new() } else { exchange::to_relay(&this, deployment, way) };
        let provider = this.is_foreign(deployment).then_some(deployment.provider);
        let (said_again, unknown_flags) = said::again(&this, deployment, number);
        let mut headers = this.header_changes(place, length, way);
        headers.extend(relayed);
        headers.extend(provider.into_iter().flat_map(said_in_place_of_client));
        headers.extend(said_again);
        this.dropped = apart.dropped;
        this.dropped.extend(unknown_flags);
        let attempt = Self {
            flight: Rc::clone(flight),
            config: Rc::clone(&this.config),
            is_stream: this.stream,
            is_timed: this.is_timed(),
            number,
            place,
            bridge,
            api: this.api,
            phase: Phase::Head,
            clock,
            limits,
            kept: this.body.kept_part(),
            echo: apart.echo,
            head_ms: now_ms,
            cut_ms: None,
            is_behind: false,
            takes_bytes: false,
            parks: false,
            parked_ms: None,
            pinged_ms: 0,
        };
        Ok((attempt, Outgoing { headers, body, wait_ms }))
    }

    /// Envoy is done with it. Returns whether that came before any answer was let go and Envoy must be told to go elsewhere than it was:
    /// because no connection could be made, or since the request cannot be said where a lost connection would lead.
    /// `link` is what Envoy knows of its connection; asked for only where the filter does not know better.
    pub fn ends(&self, link: &dyn Fn() -> Link, now_ms: u64) -> bool {
        let Some(mut flight) = self.changed() else { return false };
        let is_unanswered = self.is_held() || matches!(self.phase, Phase::Head);
        if !flight.is_open_as(self.number) || !is_unanswered {
            return false;
        }
        let leads_on = matches!(self.phase, Phase::Head) && flight.let_go_of(&link(), now_ms);
        leads_on || flight.make_sure()
    }

    /// The flight it is a try of.
    #[must_use]
    pub const fn flight(&self) -> &Rc<RefCell<Flight>> {
        &self.flight
    }

    /// The flight, to look at. `None` while something else changes it, which no event of the host leads to.
    fn seen(&self) -> Option<Ref<'_, Flight>> {
        self.flight.try_borrow().ok()
    }

    /// The flight, to be changed. `None` while something else looks at it, which no event of the host leads to.
    fn changed(&self) -> Option<RefMut<'_, Flight>> {
        self.flight.try_borrow_mut().ok()
    }

    /// Whether exact times matter to it.
    pub(super) const fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// Bytes came, at this Unix time in milliseconds.
    pub fn hear(&mut self, now_ms: u64) {
        self.clock.heard_ms = now_ms;
        if let Some(mut flight) = self.changed() {
            flight.hear(self.number, self.clock);
        }
    }

    /// More of a stream came: notes its first token, whether it moved on, and the tokens that it has told of.
    fn hear_of(&mut self, stream: &dyn AnswerStream) {
        if stream.facts().meaningful {
            self.clock.first_token_at_ms.get_or_insert(self.clock.heard_ms);
        }
        if stream.progressed() {
            self.clock.progress_ms = self.clock.heard_ms;
        }
        let Some(mut flight) = self.changed() else { return };
        flight.hear(self.number, self.clock);
        flight.hear_usage(self.number, stream.facts().usage);
    }

    /// The attempt served.
    fn serve(&self, usage: Option<Usage>) {
        if let Some(mut flight) = self.changed() {
            flight.serve(usage);
        }
    }

    /// What the answer needs to know of its request. Made when it is read; where answers pass as they are, next to nothing.
    fn context(&self) -> AnswerContext {
        let Some(flight) = self.seen() else { return AnswerContext::default() };
        let place = flight.deployment(self.place);
        let provider = place.map_or("", |(_, deployment)| deployment.provider.name);
        if let Bridge::Verbatim(_) = self.bridge {
            let hide_usage = place.is_some_and(|(_, deployment)| flight.asks_usage(deployment));
            let awaited = flight.api.awaited();
            let mark = place.zip(flight.marks).map(|((_, deployment), seed)| stamp::mark(seed, deployment));
            return AnswerContext {
                provider,
                hide_usage,
                awaited,
                mark,
                now_s: self.clock.started_ms / 1000,
                include_usage: place.is_some_and(|(_, deployment)| flight.shows_usage(deployment)),
                may_stop_with_calls: place.is_some_and(|(_, deployment)| deployment.is_openais_own()),
                ..AnswerContext::default()
            };
        }
        let model = place.map(|(candidate, deployment)| candidate.model.as_ref().unwrap_or(&deployment.model));
        let prefix = self.bridge.client().id_prefix();
        AnswerContext {
            provider,
            awaited: flight.api.awaited(),
            model: model.cloned().unwrap_or_default(),
            now_s: self.clock.started_ms / 1000,
            fallback_id: format!("{prefix}{:x}{:x}", self.clock.started_ms, flight.cursor().chance()),
            include_usage: place.is_some_and(|(_, deployment)| flight.shows_usage(deployment)),
            hide_usage: false,
            thinking_blocks: true,
            mark: None,
            may_stop_with_calls: false,
            echo: self.echo.clone(),
        }
    }

    /// The head of the answer came. `headers` reads all of it; only a failure needs that.
    pub fn on_headers(&mut self, status: u16, headers: &dyn Fn() -> HeaderMap, ends: bool) -> Verdict {
        self.head_ms = self.clock.heard_ms;
        if !(200..300).contains(&status) {
            let headers = headers();
            let relayed_ms = self.relayed_ms();
            if let Some(failure) = relayed_ms.and_then(|limit_ms| exchange::relay_failure(&headers, limit_ms)) {
                return self.gives_up(failure, self.head_ms);
            }
            self.phase = Phase::Failing(status, headers);
            return if ends { self.on_body(b"", true) } else { Verdict::Hold };
        }
        if self.api.is_passed() && (ends || !is_json(&headers())) {
            self.phase = Phase::Passing;
            let verdict = self.commit(Edit::Keep);
            self.serve(None);
            return verdict;
        }
        if ends {
            return self.failed(unreadable("the answer is empty"));
        }
        self.phase = if self.is_stream { Phase::Held(None, Vec::new()) } else { Phase::Whole };
        Verdict::Hold
    }

    /// How long the relay may take for its head, where it was asked by that.
    fn relayed_ms(&self) -> Option<u64> {
        let flight = self.seen().filter(|flight| flight.cursor().way_taken() != Way::Direct)?;
        let (_, deployment) = flight.deployment(self.place).unzip();
        Some(deployment.map_or(0, |deployment| flight.relayed_ms(deployment)))
    }

    /// Whether the shell shall hand over the body now, given how much of it lies in Envoy's buffer. A stream always; a body that
    /// is read as a whole only at its end, or when it has grown too large to wait.
    #[must_use]
    pub fn wants_body(&self, buffered: usize, ends: bool) -> bool {
        match self.phase {
            Phase::Whole => ends || buffered >= self.max_whole_bytes(),
            Phase::Failing(..) => ends || buffered >= MAX_ERROR_BYTES,
            Phase::Held(..) | Phase::Flowing(..) => true,
            Phase::Head | Phase::Passing | Phase::Cut => false,
        }
    }

    fn max_whole_bytes(&self) -> usize {
        usize::try_from(self.config.signalbox.max_response_bytes).unwrap_or(usize::MAX)
    }

    /// What the shell does with a body that is not wanted: wait for more of it, let it pass, or leave it out.
    #[must_use]
    pub const fn unread(&self) -> Verdict {
        match self.phase {
            Phase::Cut => Verdict::Continue(Edit::Whole(Vec::new())),
            Phase::Passing => Verdict::Continue(Edit::Keep),
            _ => Verdict::Hold,
        }
    }

    /// Whether [`Verdict::Hold`] means that the bytes were taken in and leave Envoy's buffer.
    #[must_use]
    pub const fn drains(&self) -> bool {
        matches!(self.phase, Phase::Held(..) | Phase::Flowing(..))
    }

    /// Whether some of a stream that flows is held until the next tick.
    #[must_use]
    pub const fn is_parked(&self) -> bool {
        self.parked_ms.is_some()
    }

    /// Whether nothing of the answer's body was let go yet, nor the attempt given up.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Failing(..) | Phase::Whole | Phase::Held(..))
    }

    /// The body came, as far as [`Self::wants_body`] asked for it.
    pub fn on_body(&mut self, bytes: &[u8], ends: bool) -> Verdict {
        let verdict = match std::mem::replace(&mut self.phase, Phase::Cut) {
            Phase::Failing(status, headers) => {
                let failure = self.judged(status, &headers, bytes);
                self.failed(failure)
            }
            Phase::Whole => self.whole(bytes, ends),
            Phase::Held(stream, held) => self.held(stream, held, bytes, ends),
            Phase::Flowing(stream, owed) => self.flowing(stream, owed, bytes, ends),
            phase @ (Phase::Head | Phase::Passing | Phase::Cut) => {
                self.phase = phase;
                self.unread()
            }
        };
        self.within_budget(verdict)
    }

    /// What an error answer says, as far as it has come.
    fn judged(&self, status: u16, headers: &HeaderMap, body: &[u8]) -> Failure {
        let header = |name: &str| {
            let (_, value) = headers.iter().find(|(found, _)| found == name)?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        let flight = self.seen();
        let asked = flight.as_ref().and_then(|flight| flight.deployment(self.place));
        let provider = asked.map_or("", |(_, deployment)| deployment.provider.name);
        let mut failure =
            failure::classify(&ErrorAnswer { provider, status, header: &header, body, now_ms: self.clock.heard_ms });
        if self.api.is_passed() && matches!(status, 404 | 405 | 501) {
            // It is not the model that is missing, which serves chats.
            failure.fault = Fault::Request;
            if self.api == Api::Kept {
                failure.class = FailureClass::BadRequest;
            }
        }
        failure
    }

    /// Trailers ended the answer, and nothing of its body lies in Envoy's buffer: now the host takes no bytes of ours. A stream whose end
    /// is missing, or whose beginning is still owed to the client, is cut off.
    pub fn on_trailers(&mut self) -> Verdict {
        let is_owed = match &self.phase {
            Phase::Flowing(_, owed) => !owed.is_empty(),
            _ if self.is_held() => return self.on_body(b"", true),
            _ => return Verdict::Continue(Edit::Keep),
        };
        let _ = self.on_body(b"", true);
        if is_owed || matches!(self.phase, Phase::Cut) { Verdict::CutOff } else { Verdict::Continue(Edit::Keep) }
    }

    fn commit(&mut self, edit: Edit) -> Verdict {
        let Some(mut flight) = self.changed() else { return Verdict::CutOff };
        flight.commit();
        let mut set = flight.answer_headers();
        if let Bridge::Translated(client, _) = self.bridge {
            set.extend(request_id(client, flight.cursor().chance()));
        }
        let mut remove: &[&str] = &[];
        if flight.stream {
            remove = OF_REPLACED_BODY;
            set.push(("content-type", "text/event-stream; charset=utf-8".to_owned()));
            set.push(("cache-control", "no-cache".to_owned()));
        } else if let Edit::Whole(body) = &edit {
            remove = OF_REPLACED_BODY;
            set.push(("content-type", "application/json".to_owned()));
            set.push(("content-length", body.len().to_string()));
        }
        Verdict::Pass(Commit { set, remove }, edit)
    }

    /// The try failed before anything was let go: the flight moves on, or the client gets the first cause.
    fn failed(&mut self, failure: Failure) -> Verdict {
        self.phase = Phase::Cut;
        let Some(mut flight) = self.changed() else { return Verdict::CutOff };
        if flight.resend(&failure) {
            return Verdict::Retry;
        }
        flight.fail(failure);
        if flight.has_next() {
            return Verdict::Retry;
        }
        flight.commit();
        let (error, cause) = flight.final_error();
        let headers = [flight.answer_headers(), flight.failure_headers(cause)].concat();
        Verdict::of_error(flight.written(ErrorReply::failure(error, headers)), OF_FAILURE)
    }
}

/// Whether an answer says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    headers.iter().any(|(name, value)| name == "content-type" && value.starts_with(b"application/json"))
}
