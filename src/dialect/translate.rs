//! An answer of one dialect for a client of another: frames, events, facts, the client's bytes.
//!
//! **Invariant:** nothing that follows the end or an error counts. Whatever two dialects meet here, what a caller waits for is the same.

use super::framing::{Broken, Framing};
use super::no_answer::{not_text, unreadable};
use super::{
    Answer, AnswerContext, AnswerStream, Awaited, ClientFace, EventReader, EventWriter, Passed, ProviderFace,
    StreamFacts, openai_chat,
};
use crate::chat::{Begun, Delta, Embeddings, Event, Failure, FailureClass};
use crate::failure;

/// Reads a whole answer and writes it for the client.
///
/// # Errors
/// A [`Failure`] where it is an error in disguise, or no answer.
pub fn answer(
    client: &dyn ClientFace,
    provider: &dyn ProviderFace,
    body: &[u8],
    context: &AnswerContext,
) -> Result<Answer, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| not_text())?;
    if context.awaited == Awaited::Embeddings {
        return embeddings(provider.embeddings(text, context)?, context);
    }
    let answer = provider.answer(text, context)?;
    Ok(Answer { body: Some(client.answer(&answer, context)), usage: answer.usage })
}

/// Writes embeddings, of which there is one for each input: with fewer, a client would take one text's for another's.
fn embeddings(embeddings: Embeddings<'_>, context: &AnswerContext) -> Result<Answer, Failure> {
    let (came, awaited) = (embeddings.vectors.len(), context.echo.vectors.unwrap_or_default());
    let is_whole = if awaited.count == 0 { came > 0 } else { came == awaited.count };
    if !is_whole || embeddings.vectors.iter().any(Vec::is_empty) {
        let message = format!("the provider sent {came} embeddings for {} inputs, or an empty one", awaited.count);
        return Err(unreadable(&message));
    }
    let body = openai_chat::client::embeddings::write(&embeddings, context);
    Ok(Answer { body: Some(body), usage: embeddings.usage })
}

/// A streamed answer on its way.
pub struct Stream {
    frames: Box<dyn Framing>,
    reader: Box<dyn EventReader>,
    course: Course,
}

/// What events do.
struct Course {
    writer: Box<dyn EventWriter>,
    facts: StreamFacts,
    /// An event since the last push began moved the answer on.
    progressed: bool,
}

impl Stream {
    /// Starts reading.
    #[must_use]
    pub fn new(client: &dyn ClientFace, provider: &dyn ProviderFace, context: AnswerContext) -> Self {
        let reader = provider.events(&context);
        let course = Course { writer: client.writer(context), facts: StreamFacts::default(), progressed: false };
        Self { frames: provider.framing(), reader, course }
    }
}

impl StreamFacts {
    /// Nothing that follows counts.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.done || self.failure.is_some()
    }

    /// Learns from an event. Returns whether it moved the answer on.
    pub(crate) fn learn(&mut self, event: &Event<'_>) -> bool {
        let (meaningful, progressed) = match event {
            Event::Start { .. } | Event::BlockStop(_) | Event::Ping => (false, false),
            Event::BlockStart(_, Begun::Text | Begun::Refusal) => (false, false),
            Event::Logprobs(_) => (false, false),
            Event::BlockStart(_, Begun::Thinking) | Event::Opaque => (false, true),
            Event::BlockStart(_, Begun::ToolCall { .. } | Begun::RedactedThinking(_) | Begun::Image(_))
            | Event::Stop(_) => (true, true),
            Event::Delta(_, Delta::Arguments(part)) => (false, !part.is_empty()),
            Event::Delta(_, delta) => (!delta.as_str().is_empty(), !delta.as_str().is_empty()),
            Event::LeftOut => {
                self.dropped_events = self.dropped_events.saturating_add(1);
                (false, false)
            }
            // Some repeat what was used in every event, also in empty ones.
            Event::Usage(usage) => (false, self.usage.replace(*usage) != Some(*usage)),
            Event::Failed(failure) => {
                self.failure = Some(failure.clone());
                (false, true)
            }
            Event::End => {
                (self.complete, self.done) = (true, true);
                (true, true)
            }
        };
        self.meaningful |= meaningful;
        progressed
    }
}

impl Course {
    fn take(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if !self.facts.is_over() {
            self.progressed |= self.facts.learn(&event);
            self.writer.write(event, out);
        }
    }

    fn broken(&mut self, cut: Result<(), Broken>, out: &mut Vec<u8>) {
        let (code, message) = match cut {
            Ok(()) => return,
            Err(Broken::Overlong) => ("event_too_long", "an event of the stream is too long"),
            Err(Broken::Damaged) => ("damaged_event", "an event of the stream came damaged"),
        };
        self.take(Event::Failed(failure::own(FailureClass::Upstream, code, message)), out);
    }
}

impl AnswerStream for Stream {
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let Self { frames, reader, course } = self;
        course.progressed = false;
        if course.facts.is_over() {
            return Passed::Rewritten;
        }
        let cut = frames.push(bytes, &mut |frame| {
            if !course.facts.is_over() {
                reader.frame(&frame, &mut |event| course.take(event, out));
            }
        });
        course.broken(cut, out);
        Passed::Rewritten
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        self.course.take(Event::Ping, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let Self { frames, reader, course } = self;
        course.progressed = false;
        let cut = frames.end(&mut |frame| {
            if !course.facts.is_over() {
                reader.last(&frame, &mut |event| course.take(event, out));
            }
        });
        course.broken(cut, out);
        if !course.facts.is_over() {
            reader.end(&mut |event| course.take(event, out));
        }
    }

    fn facts(&self) -> &StreamFacts {
        &self.course.facts
    }

    fn kept(&self) -> usize {
        self.frames.kept() + self.reader.kept() + self.course.writer.kept()
    }

    fn progressed(&self) -> bool {
        self.course.progressed
    }
}
