//! How far a flight has come.
//!
//! ```text
//! Planned --begin--> Trying --commit--> Committed
//!    ^                 |                   |
//!    +------ end ------+                  end
//!    |                                     v
//!    +-------------- commit ------------> Done
//! ```
//!
//! **Invariant:** a [`Try`] becomes one [`AttemptResult`], by value: an attempt that began has one result, whichever way it ends.

use super::result::AttemptResult;
use crate::catalogue::Usd;
use crate::chat::Usage;
use crate::config::model::DeploymentIndex;
use crate::routing::Place;
use crate::state::{Outcome, Reservation};

/// The stages of a flight.
#[derive(Debug, Default)]
pub enum Stage {
    /// No attempt runs. The first one, or the next, is yet to begin.
    #[default]
    Planned,
    /// An attempt runs, and nothing of its answer has gone to the client.
    Trying(Try),
    /// An attempt's answer is going to the client.
    Committed(Try),
    /// The client has its answer, good or bad, or is gone. No attempt follows.
    Done,
}

/// The open attempt.
#[derive(Debug)]
pub struct Try {
    /// Which attempt of the flight it is, from 1.
    pub number: usize,
    /// Where in the plan it was sent.
    pub place: Place,
    /// The deployment there.
    pub deployment: DeploymentIndex,
    /// Its times, as of the last event.
    pub clock: Clock,
    /// The tokens that its stream has told of so far.
    pub usage_so_far: Option<Usage>,
    /// It is the client that does not wait longer for the first token, not the configuration.
    pub client_deadline: bool,
    /// Its reservation; nothing until its beginning was recorded.
    pub reservation: Option<Reservation>,
}

/// The times of an attempt, Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clock {
    /// When it began.
    pub started_ms: u64,
    /// When it was sent: later, where it was held back first.
    pub sent_ms: u64,
    /// When something was heard of it last.
    pub heard_ms: u64,
    /// When its stream last moved on.
    pub progress_ms: u64,
    /// When its first token came; only for streams.
    pub first_token_at_ms: Option<u64>,
}

impl Clock {
    /// An attempt begins now, and is sent after so many milliseconds.
    pub(in crate::filter) const fn start(now_ms: u64, wait_ms: u64) -> Self {
        let sent_ms = now_ms.saturating_add(wait_ms);
        Self { started_ms: now_ms, sent_ms, heard_ms: now_ms, progress_ms: now_ms, first_token_at_ms: None }
    }
}

impl Stage {
    /// The open attempt.
    pub(super) const fn open(&self) -> Option<&Try> {
        match self {
            Self::Trying(open) | Self::Committed(open) => Some(open),
            Self::Planned | Self::Done => None,
        }
    }

    /// The same, to be changed.
    pub(super) const fn open_mut(&mut self) -> Option<&mut Try> {
        match self {
            Self::Trying(open) | Self::Committed(open) => Some(open),
            Self::Planned | Self::Done => None,
        }
    }

    /// Whether an answer, good or bad, went to the client.
    pub(super) const fn is_answered(&self) -> bool {
        matches!(self, Self::Committed(_) | Self::Done)
    }

    /// An answer goes to the client: the open attempt's, or, where none is open, an error.
    pub(super) fn commit(&mut self) {
        *self = match std::mem::take(self) {
            Self::Trying(open) | Self::Committed(open) => Self::Committed(open),
            Self::Planned | Self::Done => Self::Done,
        };
    }

    /// The open attempt has ended.
    pub(super) fn end(&mut self) -> Option<Try> {
        let (next, open) = match std::mem::take(self) {
            Self::Trying(open) => (Self::Planned, Some(open)),
            Self::Committed(open) => (Self::Done, Some(open)),
            stage @ (Self::Planned | Self::Done) => (stage, None),
        };
        *self = next;
        open
    }
}

impl Try {
    /// What came of it.
    pub(super) fn result(self, outcome: Outcome, usage: Option<Usage>, cost: Option<Usd>) -> AttemptResult {
        let Clock { sent_ms, heard_ms, first_token_at_ms, .. } = self.clock;
        let since_sent = |at_ms: u64| at_ms.saturating_sub(sent_ms);
        AttemptResult {
            deployment: self.deployment,
            outcome,
            cost,
            usage,
            took_ms: since_sent(heard_ms),
            first_token_ms: first_token_at_ms.map(since_sent),
            reservation: self.reservation,
        }
    }
}
