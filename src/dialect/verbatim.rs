//! The same dialect on both sides: the client's own bytes go, and the provider's own come back.
//!
//! Whole good frames pass without a copy. Only faults are rewritten, and which those are a dialect's [`Scanner`] says: a frame that clients
//! break on is left out or put right, an event that only says that the provider is there becomes one that clients know, an error becomes
//! an error of our shape and ends the stream, and what is missing at the end of a complete answer is added.
//!
//! **Invariant:** a stream that was cut off never looks complete, nor does one that holds no answer: it ends with an error event.

use std::ops::Range;

use super::framing::sse::{Cutter, Frame, twice};
use super::passed::Mark;
use super::{AnswerStream, ClientFace, Passed, StreamFacts, passed};
use crate::chat::{ApiError, Failure, FailureClass};
use crate::failure::{self, api_error};

/// Looks through the frames of one stream.
pub trait Scanner {
    /// What becomes of a frame.
    fn frame(&mut self, frame: &Frame<'_>) -> Fate;
    /// What becomes of what stands at the end without data: half a comment, or something that is no stream at all.
    fn scrap(&mut self, frame: &Frame<'_>) -> Option<Failure>;
    /// What the stream is, now that its bytes have ended.
    fn end(&mut self) -> Ending;
    /// What it has shown so far.
    fn facts(&self) -> &StreamFacts;
    /// The same, to be told of a failure.
    fn facts_mut(&mut self) -> &mut StreamFacts;
    /// How many bytes it keeps.
    fn kept(&self) -> usize {
        0
    }
    /// The event that ends the stream with an error, where it depends on what came before.
    fn failed(&self, _: &ApiError) -> Option<Vec<u8>> {
        None
    }
    /// A push begins: what moved the answer on is told anew.
    fn begin_push(&mut self);
    /// Whether the last push moved the answer on.
    fn progressed(&self) -> bool;
}

/// What becomes of a frame.
pub enum Fate {
    /// It passes.
    Pass,
    /// It is left out.
    LeaveOut,
    /// These bytes take its place.
    Replace(Vec<u8>),
    /// It says that the provider is there, in a way that clients may not understand.
    Ping,
    /// It ends the stream.
    Fail(Failure),
}

/// How a stream ended.
pub enum Ending {
    /// Well, and these bytes are still owed to the client.
    Owes(Vec<u8>),
    /// Too soon.
    Failed(Failure),
}

/// A streamed answer that passes.
pub struct Stream {
    cutter: Cutter,
    scanner: Box<dyn Scanner>,
    client: &'static dyn ClientFace,
    /// A failure of ours moved it on.
    failed: bool,
    /// What stands behind the id of its response.
    mark: Option<Mark>,
}

impl Stream {
    /// Starts reading.
    #[must_use]
    pub fn new(scanner: Box<dyn Scanner>, client: &'static dyn ClientFace) -> Self {
        Self { cutter: Cutter::default(), scanner, client, failed: false, mark: None }
    }
}

impl Stream {
    /// Puts a mark behind the id of its response.
    #[must_use]
    pub fn with_mark(self, mark: Option<Mark>) -> Self {
        Self { mark, ..self }
    }
}

/// The way out: as long as everything passes, the bytes that came are the output, and nothing is copied.
struct Way<'a> {
    /// The bytes that came.
    bytes: &'a [u8],
    /// How many of them, from their beginning, pass.
    passed: usize,
    /// The output is no longer the beginning of the bytes.
    rewriting: bool,
    out: &'a mut Vec<u8>,
}

impl Way<'_> {
    fn pass(&mut self, raw: &[u8]) {
        if self.rewriting {
            self.out.extend_from_slice(raw);
        } else {
            self.passed += raw.len();
        }
    }

    /// From here on, the output is what is appended to it.
    fn rewrite(&mut self) {
        if !self.rewriting {
            self.out.extend_from_slice(self.bytes.get(..self.passed).unwrap_or_default());
            self.rewriting = true;
        }
    }

    fn finish(mut self) -> Passed {
        if !self.rewriting && self.passed == self.bytes.len() {
            return Passed::Unchanged;
        }
        self.rewrite();
        Passed::Rewritten
    }
}

/// Lets a frame pass, leaves it out, or ends the stream with it. Whether it passed.
fn take(
    scanner: &mut dyn Scanner,
    client: &dyn ClientFace,
    mark: Option<Mark>,
    frame: &Frame<'_>,
    way: &mut Way<'_>,
) -> bool {
    let fate = if scanner.facts().failure.is_some() { Fate::LeaveOut } else { scanner.frame(frame) };
    match fate {
        Fate::Pass if says_nothing(frame) => {
            way.rewrite();
            return true;
        }
        Fate::Pass => {
            match mark.and_then(|mark| passed::marked_frame(frame, mark)).or_else(|| without_odd_lines(frame)) {
                Some(marked) => {
                    way.rewrite();
                    way.out.extend_from_slice(&marked);
                }
                None => way.pass(frame.raw),
            }
            return true;
        }
        Fate::LeaveOut => way.rewrite(),
        Fate::Replace(bytes) => {
            way.rewrite();
            way.out.extend_from_slice(&bytes);
        }
        Fate::Ping => {
            way.rewrite();
            way.out.extend_from_slice(client.ping());
        }
        Fate::Fail(failure) => {
            way.rewrite();
            fail(scanner, client, failure, way.out);
        }
    }
    false
}

/// Whether a frame names an event, an id or a time to wait and has no data: some clients take its blank line for an event and break on it.
fn says_nothing(frame: &Frame<'_>) -> bool {
    match &frame.data {
        Some(data) => data.is_empty(),
        None => !frame.is_comment() && !frame.raw.trim_ascii().is_empty(),
    }
}

/// A frame without its `id:` and `retry:` lines, by which a client would ask for the rest of a stream that cannot be gone on with, and with
/// data that names itself once; `None`: it is so.
fn without_odd_lines(frame: &Frame<'_>) -> Option<Vec<u8>> {
    let said = frame.event.len() + frame.data.as_ref().map_or(0, |data| data.len());
    // `event: `, `data: `, and three ends of lines.
    let most = if frame.event.is_empty() { 6 + 4 } else { 7 + 6 + 6 };
    if frame.raw.len() <= said + most {
        return None;
    }
    let (mut kept, mut changed) = (Vec::with_capacity(frame.raw.len()), false);
    for line in frame.raw.split_inclusive(|byte| *byte == b'\n') {
        let rest = line.strip_prefix(b"data:").map(<[u8]>::trim_ascii_start).filter(|rest| twice(rest).is_some());
        let is_odd = line.starts_with(b"id:") || line.starts_with(b"retry:");
        changed |= is_odd || rest.is_some();
        if !is_odd {
            kept.extend_from_slice(rest.unwrap_or(line));
        }
    }
    changed.then_some(kept)
}

/// Ends the stream with an error event.
fn fail(scanner: &mut dyn Scanner, client: &dyn ClientFace, failure: Failure, out: &mut Vec<u8>) {
    let error = api_error(&failure);
    out.extend_from_slice(&scanner.failed(&error).unwrap_or_else(|| client.error_event(&error)));
    scanner.facts_mut().failure = Some(failure);
}

impl AnswerStream for Stream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let Self { cutter, scanner, client, failed, mark } = self;
        let scanner = scanner.as_mut();
        scanner.begin_push();
        *failed = false;
        if scanner.facts().failure.is_some() {
            return Passed::Rewritten;
        }
        let mut way = Way { bytes, passed: 0, rewriting: !cutter.is_empty(), out };
        let cut = cutter.push(bytes, |frame| _ = take(scanner, *client, *mark, &frame, &mut way));
        if cut.is_err() && scanner.facts().failure.is_none() {
            way.rewrite();
            let message = "the provider sent an event that is too long to be read";
            fail(scanner, *client, failure::own(FailureClass::Upstream, "event_too_long", message), way.out);
        }
        *failed = scanner.facts().failure.is_some();
        way.finish()
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.client.ping());
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Self { cutter, scanner, client, failed, mark } = self;
        let scanner = scanner.as_mut();
        let was_failed = scanner.facts().failure.is_some();
        scanner.begin_push();
        cutter.end(|frame| {
            let mut way = Way { bytes: &[], passed: 0, rewriting: true, out };
            if frame.data.is_some() {
                if take(scanner, *client, *mark, &frame, &mut way) {
                    // Its blank line may be missing.
                    out.extend_from_slice(b"\n\n");
                }
            } else if scanner.facts().failure.is_none()
                && let Some(failure) = scanner.scrap(&frame)
            {
                fail(scanner, *client, failure, out);
            }
        });
        if scanner.facts().failure.is_none() {
            match scanner.end() {
                Ending::Owes(bytes) => out.extend_from_slice(&bytes),
                Ending::Failed(failure) => fail(scanner, *client, failure, out),
            }
        }
        *failed = !was_failed && scanner.facts().failure.is_some();
    }

    fn facts(&self) -> &StreamFacts {
        self.scanner.facts()
    }

    fn kept(&self) -> usize {
        self.cutter.kept() + self.scanner.kept()
    }

    fn progressed(&self) -> bool {
        self.failed || self.scanner.progressed()
    }
}

/// A member after the model's: it asks for a last chunk that holds the usage.
const ASK_USAGE: &[u8] = br#","stream_options":{"include_usage":true}"#;

/// Replaces the model in a client's body: gives the end of the replaced prefix and the new prefix, which ends with the
/// model's JSON string, and, where `ask_usage`, with OpenAI's member that asks for a stream's usage. What follows stays as it is. A span outside
/// of the body replaces nothing.
#[must_use]
pub fn splice(body: &[u8], model_span: Range<usize>, model: &str, ask_usage: bool) -> (usize, Vec<u8>) {
    let Some(before) = body.get(..model_span.start).filter(|_| model_span.end <= body.len()) else {
        return (0, Vec::new());
    };
    let mut prefix = Vec::with_capacity(before.len() + model.len() + 2 + ASK_USAGE.len());
    prefix.extend_from_slice(before);
    // A string cannot fail to serialise, nor memory to take it.
    serde_json::to_writer(&mut prefix, model).ok();
    if ask_usage {
        prefix.extend_from_slice(ASK_USAGE);
    }
    (model_span.end, prefix)
}
