//! Looks through a stream for a client that speaks the provider's dialect: its events are read as for any other client, and its bytes pass.
//!
//! **Invariant:** the client sees no event that it cannot read (some hosts of Claude add their own), and no end where none came.

use crate::chat::{ApiError, Event, Failure};
use crate::dialect::framing::sse::Frame;
use crate::dialect::verbatim::{Ending, Fate, Scanner};
use crate::dialect::{EventReader, StreamFacts};

/// A reader that tells whether a client could read an event as well.
pub trait KnowingReader: EventReader {
    /// Reads one event. Whether clients of the same dialect can read it.
    fn read(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) -> bool;
    /// The event that ends the stream with an error, where it depends on what came before.
    fn failed(&self, _: &ApiError) -> Option<Vec<u8>> {
        None
    }
}

/// A streamed answer that is looked through.
pub struct ReaderScan<R> {
    reader: R,
    facts: StreamFacts,
    progressed: bool,
}

impl<R: KnowingReader> ReaderScan<R> {
    /// Starts reading.
    #[must_use]
    pub fn new(reader: R) -> Self {
        Self { reader, facts: StreamFacts::default(), progressed: false }
    }
}

/// Learns from an event; the caller writes a failure.
fn learn(facts: &mut StreamFacts, progressed: &mut bool, failure: &mut Option<Failure>, event: Event<'_>) {
    *progressed |= facts.learn(&event);
    if let Event::Failed(why) = event {
        facts.failure = None;
        *failure = Some(why);
    }
}

impl<R: KnowingReader> Scanner for ReaderScan<R> {
    fn frame(&mut self, frame: &Frame<'_>) -> Fate {
        if self.facts.done {
            return Fate::Pass;
        }
        let Self { reader, facts, progressed } = self;
        let mut failure = None;
        let is_known = reader.read(frame, &mut |event| learn(facts, progressed, &mut failure, event));
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
            return Ending::Owes(Vec::new());
        }
        let Self { reader, facts, progressed } = self;
        let mut failure = None;
        reader.end(&mut |event| learn(facts, progressed, &mut failure, event));
        failure.map_or(Ending::Owes(Vec::new()), Ending::Failed)
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

    fn failed(&self, error: &ApiError) -> Option<Vec<u8>> {
        self.reader.failed(error)
    }

    fn begin_push(&mut self) {
        self.progressed = false;
    }

    fn progressed(&self) -> bool {
        self.progressed
    }
}
