//! Looks through a stream of Anthropic's dialect, for a client that speaks it too: its events are read as for any other client, and its bytes
//! pass.
//!
//! **Invariant:** the client sees no event that the dialect does not have (some hosts of Claude add their own), and no end where none came.

use super::events::Reader;
use crate::chat::{Event, Failure};
use crate::dialect::framing::sse::Frame;
use crate::dialect::verbatim::{Ending, Fate, Scanner};
use crate::dialect::{AnswerContext, EventReader, StreamFacts};

/// A streamed answer that is looked through.
pub struct StreamScan {
    reader: Reader,
    facts: StreamFacts,
    progressed: bool,
}

impl StreamScan {
    /// Starts reading.
    #[must_use]
    pub fn new(context: &AnswerContext) -> Self {
        Self { reader: Reader::new(context), facts: StreamFacts::default(), progressed: false }
    }

    /// Learns from an event; the caller writes a failure.
    fn learn(facts: &mut StreamFacts, progressed: &mut bool, failure: &mut Option<Failure>, event: Event<'_>) {
        *progressed |= facts.learn(&event);
        if let Event::Failed(why) = event {
            facts.failure = None;
            *failure = Some(why);
        }
    }
}

impl Scanner for StreamScan {
    fn frame(&mut self, frame: &Frame<'_>) -> Fate {
        if self.facts.done {
            return Fate::Pass;
        }
        let Self { reader, facts, progressed } = self;
        let mut failure = None;
        let is_known = reader.read(frame, &mut |event| Self::learn(facts, progressed, &mut failure, event));
        match failure {
            Some(failure) => Fate::Fail(failure),
            None if is_known => Fate::Pass,
            None => Fate::LeaveOut,
        }
    }

    fn scrap(&mut self, _: &Frame<'_>) -> Option<Failure> {
        None
    }

    fn end(&mut self) -> Ending {
        if self.facts.done {
            return Ending::Owes(b"");
        }
        let Self { reader, facts, progressed } = self;
        let mut failure = None;
        reader.end(&mut |event| Self::learn(facts, progressed, &mut failure, event));
        failure.map_or(Ending::Owes(b""), Ending::Failed)
    }

    fn facts(&self) -> &StreamFacts {
        &self.facts
    }

    fn facts_mut(&mut self) -> &mut StreamFacts {
        &mut self.facts
    }

    fn kept(&self) -> usize {
        self.reader.kept()
    }

    fn begin_push(&mut self) {
        self.progressed = false;
    }

    fn progressed(&self) -> bool {
        self.progressed
    }
}
