//! The answer of one try: held until it is known to be one, then let go.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::verdict::{Edit, Verdict};
use super::{Attempt, MAX_ERROR_BYTES, MAX_HELD_BYTES, Phase};
use crate::chat::{Failure, FailureClass};
use crate::config::model::StreamCommit;
use crate::dialect::{Answer, AnswerStream, Bridge, Passed, passed};
use crate::failure::api_error;
use crate::failure::{BYTE_ORDER_MARK, is_compressed, without_mark};

impl Attempt {
    pub(super) fn whole(&mut self, bytes: &[u8], ends: bool) -> Verdict {
        if !ends {
            if let Bridge::Translated(..) = self.bridge {
                return self.failed(unreadable("the answer is larger than signalbox.max_response_bytes"));
            }
            self.phase = Phase::Passing;
            let verdict = self.commit(Edit::Keep);
            self.serve(None);
            return verdict;
        }
        let answer = match self.api.is_passed() {
            true => Ok(Answer { body: None, usage: passed::usage(bytes) }),
            false => self.bridge.answer(bytes, &self.context()),
        };
        match answer {
            Ok(answer) => {
                let mut verdict = self.commit(answer.body.map_or(Edit::Keep, Edit::Whole));
                self.serve(answer.usage);
                let cost = self.seen().and_then(|flight| flight.cost_text());
                if let (Verdict::Pass(commit, _), Some(cost)) = (&mut verdict, cost) {
                    commit.set.push(("x-signalbox-cost", cost));
                }
                verdict
            }
            Err(failure) => self.failed(failure),
        }
    }

    pub(super) fn held(
        &mut self,
        stream: Option<Box<dyn AnswerStream>>,
        held: Vec<u8>,
        bytes: &[u8],
        ends: bool,
    ) -> Verdict {
        let Some(stream) = stream else { return self.begun(held, bytes, ends) };
        self.streamed(stream, held, bytes, ends, false)
    }

    /// Something came where a stream is awaited: held until it is known to be one.
    fn begun(&mut self, held: Vec<u8>, bytes: &[u8], ends: bool) -> Verdict {
        let is_all = held.is_empty();
        let begun: Cow<'_, [u8]> = if is_all { bytes.into() } else { [&held, bytes].concat().into() };
        let may_grow = !ends && begun.len() < MAX_ERROR_BYTES;
        let is_document = if self.bridge.streams_documents() { Some(false) } else { is_document(&begun) };
        if may_grow && is_document.is_none_or(|is_one| is_one && is_begun_json(&begun)) {
            self.phase = Phase::Held(None, begun.into_owned());
            return Verdict::Hold;
        }
        if is_document == Some(true) {
            // Asked for a stream, answered with a document: an error in disguise, or nothing a stream's reader can use.
            let disguised = self.bridge.answer(&begun, &self.context()).err();
            return self.failed(disguised.unwrap_or_else(|| unreadable("a stream was asked for, a document came")));
        }
        self.streamed(self.bridge.stream(self.context()), Vec::new(), &begun, ends, is_all)
    }

    /// More of a stream that is held. `verbatim`: what lies in Envoy's buffer is all that came of it.
    fn streamed(
        &mut self,
        mut stream: Box<dyn AnswerStream>,
        mut held: Vec<u8>,
        bytes: &[u8],
        ends: bool,
        mut verbatim: bool,
    ) -> Verdict {
        if stream.push(bytes, &mut held) == Passed::Unchanged {
            held.extend_from_slice(bytes);
        } else {
            verbatim = false;
        }
        if ends && stream.facts().failure.is_none() {
            let before = held.len();
            stream.end(&mut held);
            verbatim &= held.len() == before;
        }
        if let Some(failure) = stream.facts().failure.clone() {
            return self.failed(failure);
        }
        self.hear_of(stream.as_ref());
        let over = ends || stream.facts().done;
        if !over && held.len() < self.max_held_bytes(stream.facts().meaningful) {
            self.phase = Phase::Held(Some(stream), held);
            return Verdict::Hold;
        }
        self.flow(stream, ends);
        self.commit(if verbatim { Edit::Keep } else { Edit::Whole(held) })
    }

    /// How much of a stream is held: until something meaningful has come, or, where that is wished, all of it.
    fn max_held_bytes(&self, meaningful: bool) -> usize {
        match self.config.signalbox.stream_commit {
            StreamCommit::FirstToken if meaningful => 0,
            StreamCommit::FirstToken => MAX_HELD_BYTES,
            StreamCommit::Complete => self.max_whole_bytes(),
        }
    }

    pub(super) fn flowing(
        &mut self,
        mut stream: Box<dyn AnswerStream>,
        mut out: Vec<u8>,
        bytes: &[u8],
        ends: bool,
    ) -> Verdict {
        let owed = out.len();
        let unchanged = stream.push(bytes, &mut out) == Passed::Unchanged;
        if unchanged && owed > 0 {
            out.extend_from_slice(bytes);
        }
        let keep = unchanged && owed == 0;
        if ends && stream.facts().failure.is_none() {
            stream.end(&mut out);
        }
        self.hear_of(stream.as_ref());
        let mut failure = stream.facts().failure.clone();
        if self.waits_for_more(ends || failure.is_some()) {
            if keep {
                out.extend_from_slice(bytes);
            }
            self.phase = Phase::Flowing(stream, out);
            return Verdict::Continue(Edit::Whole(Vec::new()));
        }
        self.parked_ms = None;
        if std::mem::take(&mut self.parks) && failure.is_none() && !stream.facts().done {
            if keep {
                out.extend_from_slice(bytes);
            }
            self.parked_ms = Some(self.clock.heard_ms);
            self.phase = Phase::Flowing(stream, out);
            return Verdict::Hold;
        }
        if failure.is_none() && !ends && !stream.facts().done && self.is_overdue() {
            let overdue = self.overdue();
            out.extend_from_slice(&self.bridge.client().error_event(&api_error(&overdue)));
            failure = Some(overdue);
        }
        let edit = match (keep, out.is_empty()) {
            (true, true) => Edit::Keep,
            (true, false) => Edit::Append(out),
            (false, _) => Edit::Whole(out),
        };
        if let Some(failure) = failure {
            self.fail(failure);
            self.cut_ms = (!ends).then_some(self.clock.heard_ms);
            self.phase = Phase::Cut;
        } else {
            self.flow(stream, ends);
        }
        Verdict::Continue(edit)
    }

    /// Whether what came now goes out with what comes next. Envoy 1.39 loses the first bytes that are let through after a timer resumed an
    /// answer of which some had been held: it has put them behind what it held, which nothing resumes any more. Taken out of there they are
    /// not lost, and the bytes behind them take their usual way. (Envoy 1.40 loses nothing.)
    fn waits_for_more(&mut self, is_over: bool) -> bool {
        std::mem::take(&mut self.is_behind) && !is_over
    }

    /// What follows of a committed stream. It has served with its last word already: clients leave then, some before its bytes end.
    fn flow(&mut self, stream: Box<dyn AnswerStream>, ends: bool) {
        if ends || stream.facts().done {
            self.serve(stream.facts().usage);
        }
        self.phase = if ends { Phase::Passing } else { Phase::Flowing(stream, Vec::new()) };
    }
}

pub(super) fn unreadable(what: &str) -> Failure {
    Failure::local(FailureClass::Upstream, what)
}

/// Whether more bytes may make JSON of these, which are none yet.
fn is_begun_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(without_mark(bytes)).is_err_and(|error| error.is_eof())
}

/// Whether something begins like a document, which no stream of events does. `None`: too little has come.
pub(super) fn is_document(begun: &[u8]) -> Option<bool> {
    if is_compressed(begun) {
        return Some(true);
    }
    if BYTE_ORDER_MARK.starts_with(begun) || begun == b"\x1F" {
        return None;
    }
    let first = without_mark(begun).trim_ascii_start().first()?;
    Some(matches!(first, b'{' | b'[' | b'<'))
}
