//! What becomes of a try when nothing comes: no headers, no first token, or silence in the middle of a stream.
//!
//! Envoy has one timer for all tries of a request and restarts none of them elsewhere once headers have come, so the filter keeps
//! its own, exact to a tick of the shell.
//!
//! **Invariant:** a stream that was let go and then falls silent is cut off, never ended: a client that reads to its end gets an
//! error. (An error event cannot be sent: outside of a callback for a body, the host takes no bytes.)

use super::super::verdict::{Edit, Verdict};
use super::answer::is_document;
use super::{Attempt, MARGIN_MS, Phase};
use crate::chat::{Failure, FailureClass};
use crate::codec;

impl Attempt {
    /// When it wants to be woken, in Unix milliseconds; it may be woken sooner.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            // Only where a lost connection would be tried again at the same place does a timeout lead elsewhere.
            _ if self.is_awaited() => (!self.flight.borrow().preset_moves()).then(|| self.before_envoy_ms()),
            Phase::Held(..) => {
                let all = [self.late_ms(), self.silent_ms()];
                Some(all.into_iter().flatten().fold(self.before_envoy_ms(), u64::min))
            }
            Phase::Flowing(..) => self.silent_ms(),
            _ => None,
        }
    }

    /// Whether nothing of the answer can be judged yet. Providers send a head at once and nothing after it, too.
    const fn is_awaited(&self) -> bool {
        matches!(self.phase, Phase::Head | Phase::Failing(..) | Phase::Whole)
    }

    /// Just before Envoy's own timer, which would ask a silent deployment again, and cuts a stream that is still held.
    fn before_envoy_ms(&self) -> u64 {
        self.started_ms + self.flight.borrow().per_try_ms.saturating_sub(MARGIN_MS)
    }

    /// When a held stream's first token is too late, where it is still awaited and there is somewhere else to go.
    fn late_ms(&self) -> Option<u64> {
        let limit_ms = self.first_token_ms?;
        let flight = self.flight.borrow();
        let awaited = flight.first_token_ms.is_none() && flight.has_alternative(&late(limit_ms));
        let late_ms = flight.sent_ms.saturating_add(limit_ms);
        drop(flight);
        awaited.then(|| late_ms.min(self.before_envoy_ms()))
    }

    /// When a stream has been silent for too long, once it began.
    fn silent_ms(&self) -> Option<u64> {
        let flight = self.flight.borrow();
        flight.first_token_ms?;
        Some(flight.heard_ms + flight.config.signalbox.stream_idle_timeout_ms?)
    }

    /// A moment came that it may have waited for. `None`: nothing changes for the answer
    /// ([`super::Flight::next_cluster`] may have).
    pub fn on_deadline(&mut self, now_ms: u64) -> Option<Verdict> {
        let due = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        match self.phase {
            Phase::Head | Phase::Failing(..) | Phase::Whole => self.fear_timeout(),
            Phase::Held(..) if due(self.late_ms()) => Some(self.failed(late(self.first_token_ms.unwrap_or_default()))),
            Phase::Held(..) if due(self.silent_ms()) => Some(self.failed(stalled(self.idle_ms()))),
            Phase::Held(..) if self.before_envoy_ms() <= now_ms => self.let_go(),
            Phase::Flowing(..) if due(self.silent_ms()) => {
                let failure = stalled(self.idle_ms());
                self.phase = Phase::Cut;
                self.flight.borrow_mut().fail(failure);
                Some(Verdict::CutOff)
            }
            _ => None,
        }
    }

    /// Envoy's timer strikes next: chooses where that leads.
    fn fear_timeout(&self) -> Option<Verdict> {
        let mut flight = self.flight.borrow_mut();
        let timeout = flight.lost(flight.per_try_ms);
        flight.choose(&timeout);
        None
    }

    fn idle_ms(&self) -> u64 {
        self.flight.borrow().config.signalbox.stream_idle_timeout_ms.unwrap_or_default()
    }

    /// Nothing else is left to try: the client gets what there is, and what comes.
    fn let_go(&mut self) -> Option<Verdict> {
        let Phase::Held(stream, held) = &mut self.phase else { return None };
        if stream.is_none() && is_document(held) == Some(true) {
            return self.fear_timeout();
        }
        let held = std::mem::take(held);
        let stream = stream.take().unwrap_or_else(|| codec::stream(self.dialect, self.context()));
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
