//! What a try keeps of its answer, and what becomes of it where the worker's budget is used up: it ends, and no deployment is blamed.

use super::super::kept::{self, overloaded};
use super::verdict::{Edit, Verdict};
use super::{Attempt, OF_REPLACED_BODY, Phase};

impl Attempt {
    /// Counts what is kept after a step. Where that is too much, what the step said is replaced by the try's end.
    pub(super) fn within_budget(&mut self, verdict: Verdict) -> Verdict {
        let kept = match &self.phase {
            Phase::Held(stream, held) => held.capacity() + stream.as_ref().map_or(0, |stream| stream.kept()),
            Phase::Flowing(stream, owed) => owed.capacity() + stream.kept(),
            _ => 0,
        };
        self.kept.set(kept);
        if kept == 0 || self.kept.is_within(self.config.signalbox.edge.max_buffered_bytes) {
            return verdict;
        }
        match verdict {
            // Of what is let go with this step, nothing is gone yet.
            Verdict::Hold | Verdict::Pass(..) => self.refused(),
            Verdict::Continue(edit) => {
                self.give_up();
                let event = self.bridge.client().error_event(&overloaded());
                Verdict::Continue(match edit {
                    Edit::Append(bytes) => Edit::Append([bytes, event].concat()),
                    Edit::Whole(bytes) => Edit::Whole([bytes, event].concat()),
                    Edit::Keep | Edit::Prefix(..) => Edit::Append(event),
                })
            }
            verdict @ (Verdict::Retry | Verdict::Reply(_) | Verdict::CutOff) => verdict,
        }
    }

    /// The client gets an error instead of what was held.
    fn refused(&mut self) -> Verdict {
        self.give_up();
        let Some(mut flight) = self.changed() else { return Verdict::CutOff };
        flight.stop();
        flight.commit();
        let mut error = kept::refusal();
        error.headers.extend(flight.answer_headers());
        Verdict::of_error(flight.written(error), OF_REPLACED_BODY)
    }

    /// Nothing more is read. That there was no room is not the deployment's fault.
    fn give_up(&mut self) {
        self.phase = Phase::Cut;
        self.kept.set(0);
        if let Some(mut flight) = self.changed() {
            flight.finish(false);
        }
    }
}
