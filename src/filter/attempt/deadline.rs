//! What becomes of a try when nothing comes: no headers, no body, no first token, or silence in the middle of a stream.
//!
//! Until the headers come only Envoy's timer ends a try (see `exchange/timeouts.rs`), and what that leads to is selected shortly
//! before. From then on the filter keeps its own time, exact to a tick of the shell.
//!
//! **Invariant:** a stream that was let go and then falls silent is cut off, never ended: a client that reads to its end gets an
//! error. (An error event is sent only with bytes that come: outside of a callback for a body, the host takes some only of a stream of which
//! the last ones were held. Pings are sent so, [`Attempt::may_ping`].)

use super::super::http::ErrorReply;
use super::answer::{is_document, unreadable};
use super::verdict::{Edit, Verdict};
use super::{Attempt, MARGIN_MS, Phase, Way};
use crate::chat::{Failure, FailureClass};
use crate::config::model::StreamCommit;

/// How long the body of an error may hang before the error is judged by what there is of it, in milliseconds.
const ERROR_BODY_MS: u64 = 1_500;
/// How long the head of the last stream is held before it is let go without a token, in milliseconds: an error that comes at once still
/// gets a status of its own.
const LET_GO_MS: u64 = 2_000;
/// After an error event went to the client, its stream is cut off so much later, in milliseconds, where the provider does not end it.
const CUT_MS: u64 = 1_000;
/// So often, in milliseconds, a client hears something of a provider that is silent.
const PING_EVERY_MS: u64 = 10_000;
/// A stream that still pings gets its error event with a ping, if one comes within so many milliseconds.
const PING_MS: u64 = 30_000;

impl Attempt {
    /// When it wants to be woken, in Unix milliseconds; it may be woken sooner.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Head => self.may_time_out().then(|| self.before_envoy_ms()),
            Phase::Failing(..) => Some(self.hangs_ms()),
            Phase::Whole => Some(self.at_ms(self.answer_limit_ms()).min(self.before_envoy_ms())),
            Phase::Held(..) => Some(self.held_until_ms()),
            Phase::Flowing(..) => {
                let overdue_ms = self.overdue_ms().map(|overdue_ms| self.with_ping_ms(overdue_ms));
                let all = [self.parked_ms, self.silent_ms(), overdue_ms, self.ping_ms()];
                all.into_iter().flatten().min()
            }
            Phase::Cut => self.cut_ms.map(|cut_ms| cut_ms + CUT_MS),
            Phase::Passing => None,
        }
    }

    /// A moment came that it may have waited for. `None`: nothing changes for the answer
    /// ([`super::Flight::next_cluster`] may have). `body` reads what lies of it in Envoy's buffer.
    pub fn on_deadline(&mut self, now_ms: u64, body: &dyn Fn() -> Vec<u8>) -> Option<Verdict> {
        if self.parked_ms.take().is_some() {
            return self.unpark();
        }
        let due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        match &self.phase {
            Phase::Head if self.before_envoy_ms() <= now_ms => self.preselect_for_timeout(),
            Phase::Failing(status, headers) if self.hangs_ms() <= now_ms => {
                let failure = self.judged(*status, headers, &body());
                Some(self.gives_up(failure, now_ms))
            }
            Phase::Whole => {
                let limit_ms = self.answer_limit_ms();
                if self.at_ms(limit_ms) > now_ms {
                    return if self.before_envoy_ms() <= now_ms { self.preselect_for_timeout() } else { None };
                }
                let message = format!("no whole answer within {limit_ms} ms");
                Some(self.gives_up(Failure::local(FailureClass::Timeout, message), now_ms))
            }
            Phase::Held(..) => self.on_held(now_ms),
            Phase::Flowing(..) if due(self.silent_ms()) => Some(self.cut_off(stalled(self.idle_ms()))),
            Phase::Flowing(..) => {
                let overdue_ms = self.overdue_ms().filter(|overdue_ms| self.with_ping_ms(*overdue_ms) <= now_ms);
                match overdue_ms {
                    Some(_) => Some(self.cut_off(self.overdue())),
                    None => due(self.ping_ms()).then(|| self.ping(now_ms)).flatten(),
                }
            }
            Phase::Cut if due(self.cut_ms.map(|cut_ms| cut_ms + CUT_MS)) => {
                self.cut_ms = None;
                Some(Verdict::CutOff)
            }
            _ => None,
        }
    }

    fn on_held(&mut self, now_ms: u64) -> Option<Verdict> {
        let due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        if due(self.late_ms()) {
            return Some(self.gives_up(late(self.limits.leave_ms), now_ms));
        }
        if due(self.silent_ms()) {
            return Some(self.gives_up(stalled(self.idle_ms()), now_ms));
        }
        if self.is_begun_document() && self.hangs_ms() <= now_ms {
            return Some(
                self.gives_up(unreadable("a stream was asked for, a document came, and no end of it"), now_ms),
            );
        }
        if self.keeps_all() && due(self.overdue_ms()) {
            let failure = self.overdue();
            return Some(self.gives_up(failure, now_ms));
        }
        (self.let_go_ms() <= now_ms).then(|| self.let_go()).flatten()
    }

    fn held_until_ms(&self) -> u64 {
        let hangs_ms = self.is_begun_document().then(|| self.hangs_ms());
        let overdue_ms = self.overdue_ms().filter(|_| self.keeps_all());
        let all = [self.late_ms(), self.silent_ms(), hangs_ms, overdue_ms];
        all.into_iter().flatten().fold(self.let_go_ms(), u64::min)
    }

    /// So long after it was sent.
    fn at_ms(&self, limit_ms: u64) -> u64 {
        self.clock.sent_ms.saturating_add(limit_ms)
    }

    /// Whether Envoy's timer may strike, and would lead elsewhere than a lost connection.
    fn may_time_out(&self) -> bool {
        let Some(flight) = self.seen() else { return false };
        let is_short = flight.per_try_ms < self.limits.last_ms;
        flight.cursor().way_taken() == Way::Direct && (is_short || !flight.cursor().next_moves())
    }

    /// Just before Envoy's own timer, which would ask a silent deployment again, and cuts an answer that is still held.
    fn before_envoy_ms(&self) -> u64 {
        let Some(flight) = self.seen().filter(|flight| flight.cursor().way_taken() == Way::Direct) else {
            return u64::MAX;
        };
        self.clock.started_ms.saturating_add(flight.per_try_ms.saturating_sub(MARGIN_MS))
    }

    /// When the body of an error has hung for too long.
    fn hangs_ms(&self) -> u64 {
        self.clock.heard_ms.saturating_add(ERROR_BODY_MS).min(self.before_envoy_ms())
    }

    /// Whether such a failure would lead to another deployment.
    fn has_alternative(&self, failure: &Failure) -> bool {
        self.seen().is_some_and(|flight| flight.has_alternative(failure))
    }

    /// How long a whole answer may take.
    fn answer_limit_ms(&self) -> u64 {
        let silence = Failure::local(FailureClass::Timeout, String::new());
        let has_alternative = self.has_alternative(&silence);
        if has_alternative { self.limits.leave_ms } else { self.limits.last_ms }
    }

    /// When a held stream's first token is too late, where it is still awaited and there is somewhere else to go.
    fn late_ms(&self) -> Option<u64> {
        let limit_ms = self.limits.leave_ms;
        let is_awaited = self.clock.first_token_at_ms.is_none();
        let may_leave = is_awaited && self.has_alternative(&late(limit_ms));
        may_leave.then(|| self.at_ms(limit_ms).min(self.before_envoy_ms()))
    }

    /// When a stream has been silent for too long, once it began.
    fn silent_ms(&self) -> Option<u64> {
        self.clock.first_token_at_ms?;
        Some(self.clock.heard_ms + self.config.signalbox.stream_idle_timeout_ms?)
    }

    /// When a stream has come nowhere for too long, however much it pings: nothing but that since its last progress, or, before its first
    /// token, all the time that the last deployment has.
    fn overdue_ms(&self) -> Option<u64> {
        if self.clock.first_token_at_ms.is_none() {
            return Some(self.at_ms(self.limits.last_ms));
        }
        Some(self.clock.progress_ms + self.config.signalbox.stream_progress_timeout_ms?)
    }

    /// The same, if something came at this time.
    pub(super) fn is_overdue(&self) -> bool {
        self.overdue_ms().is_some_and(|overdue_ms| overdue_ms <= self.clock.heard_ms)
    }

    pub(super) fn overdue(&self) -> Failure {
        if self.clock.first_token_at_ms.is_none() {
            return Failure::local(FailureClass::Timeout, format!("no first token within {} ms", self.limits.last_ms));
        }
        let limit_ms = self.config.signalbox.stream_progress_timeout_ms.unwrap_or_default();
        Failure::local(FailureClass::Timeout, format!("the stream came no further for {limit_ms} ms"))
    }

    /// When a stream that pings would have pinged again.
    fn with_ping_ms(&self, overdue_ms: u64) -> u64 {
        let wait_ms = overdue_ms.saturating_sub(self.clock.sent_ms).min(PING_MS);
        overdue_ms.max(self.clock.heard_ms.saturating_add(wait_ms))
    }

    /// Whether its client shall hear something while its provider is silent. A comment it does not count.
    pub(super) fn may_ping(&self) -> bool {
        matches!(&self.phase, Phase::Flowing(stream, owed) if owed.is_empty() && !stream.facts().done)
            && !self.bridge.client().ping().starts_with(b":")
    }

    /// When it shall hear that.
    fn ping_ms(&self) -> Option<u64> {
        self.clock.first_token_at_ms.filter(|_| self.takes_bytes && self.may_ping())?;
        Some(self.clock.heard_ms.max(self.pinged_ms).saturating_add(PING_EVERY_MS))
    }

    /// Lets go what was held until now.
    fn unpark(&mut self) -> Option<Verdict> {
        let Phase::Flowing(_, owed) = &mut self.phase else { return None };
        let owed = std::mem::take(owed);
        self.takes_bytes = true;
        (!owed.is_empty()).then_some(Verdict::Continue(Edit::Append(owed)))
    }

    fn ping(&mut self, now_ms: u64) -> Option<Verdict> {
        self.pinged_ms = now_ms;
        let mut out = Vec::new();
        if let Phase::Flowing(stream, _) = &mut self.phase {
            stream.ping(&mut out);
        }
        (!out.is_empty()).then_some(Verdict::Continue(Edit::Append(out)))
    }

    /// When the last stream's head is let go without a token.
    fn let_go_ms(&self) -> u64 {
        if self.keeps_all() || self.is_begun_document() || self.late_ms().is_some() {
            return self.before_envoy_ms();
        }
        self.head_ms.saturating_add(LET_GO_MS).min(self.before_envoy_ms())
    }

    /// Whether a stream is held to its end.
    fn keeps_all(&self) -> bool {
        self.config.signalbox.stream_commit == StreamCommit::Complete
    }

    /// Whether it was sent without the relay.
    fn is_direct(&self) -> bool {
        self.seen().is_some_and(|flight| flight.cursor().way_taken() == Way::Direct)
    }

    /// Whether something lies here that is no stream, and not whole.
    fn is_begun_document(&self) -> bool {
        matches!(&self.phase, Phase::Held(None, held) if is_document(held) == Some(true))
    }

    /// Envoy's timer strikes next: selects where that leads.
    fn preselect_for_timeout(&self) -> Option<Verdict> {
        let mut flight = self.changed()?;
        let timeout = flight.lost(flight.per_try_ms);
        flight.select_next(&timeout);
        None
    }

    /// The try is over before anything was let go, and nothing of its answer will do: the flight moves on, or ends with an answer of
    /// our own, since there may be no body that could be replaced.
    pub(super) fn gives_up(&mut self, failure: Failure, now_ms: u64) -> Verdict {
        self.phase = Phase::Cut;
        self.kept.set(0);
        let Some(mut flight) = self.changed() else { return Verdict::CutOff };
        flight.fail(failure);
        if flight.has_next() {
            return Verdict::Retry;
        }
        flight.commit();
        let (error, cause) = flight.final_error();
        Verdict::Reply(flight.written(ErrorReply::failure(error, flight.error_headers(now_ms, cause))))
    }

    /// A committed stream ends without an end.
    fn cut_off(&mut self, failure: Failure) -> Verdict {
        self.phase = Phase::Cut;
        self.kept.set(0);
        self.fail(failure);
        Verdict::CutOff
    }

    pub(super) fn fail(&self, failure: Failure) {
        if let Some(mut flight) = self.changed() {
            flight.fail(failure);
        }
    }

    fn idle_ms(&self) -> u64 {
        self.config.signalbox.stream_idle_timeout_ms.unwrap_or_default()
    }

    /// Nothing else is left to try: the client gets what there is, and what comes.
    fn let_go(&mut self) -> Option<Verdict> {
        if self.is_begun_document() || (self.keeps_all() && self.is_direct()) {
            return self.preselect_for_timeout();
        }
        let Phase::Held(stream, held) = &mut self.phase else { return None };
        let held = std::mem::take(held);
        self.is_behind = stream.is_some() || !held.is_empty();
        let stream = stream.take().unwrap_or_else(|| self.bridge.stream(self.context()));
        self.phase = Phase::Flowing(stream, held);
        Some(self.commit(Edit::Keep))
    }
}

fn late(first_token_ms: u64) -> Failure {
    Failure::local(FailureClass::FirstToken, format!("no first token within {first_token_ms} ms"))
}

fn stalled(idle_ms: u64) -> Failure {
    Failure::local(FailureClass::Timeout, format!("the stream fell silent for {idle_ms} ms"))
}
