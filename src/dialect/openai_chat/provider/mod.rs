//! OpenAI's dialect as providers speak it. Clients speak it too, so an answer is read, and passed on as it came.
//!
//! **Invariant:** the provider's bytes reach the client unchanged, but for the faults that [`stream`](Stream) mends.

mod choice;
mod reasoning;
mod request;
mod scan;
mod stream;
mod usage;
mod walk;

use std::ops::Range;

pub use reasoning::suited;
pub use request::request;
pub use stream::Stream;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{Failure, FailureClass};
use crate::dialect::no_answer::{no_answer, not_text};
use crate::dialect::{Answer, AnswerContext};
use crate::failure;
use scan::ChunkFacts;

/// Reads a whole answer with a 2xx status, also one of `/v1/embeddings` or `/v1/completions`. The provider's bytes may pass.
///
/// # Errors
/// A [`Failure`] where it is an error in disguise, or not an answer at all.
pub fn answer(body: &[u8], context: &AnswerContext) -> Result<Answer, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| not_text())?;
    let Some(sight) = scan::read(text, true, context.awaited) else {
        return Err(no_answer(context.provider, body, "the provider's answer is not a JSON object"));
    };
    if let Some(failure) = failed(context.provider, &sight, body) {
        return Err(failure);
    }
    if sight.answer {
        return Ok(Answer { body: None, usage: sight.usage });
    }
    if sight.filtered {
        let message = "the provider's filter withheld the answer";
        return Err(failure::own(FailureClass::ContentPolicy, "content_filter", message));
    }
    Err(no_answer(context.provider, body, "the provider's answer holds no answer"))
}

/// The failure that an answer or a chunk is, if it is one.
fn failed(provider: &'static str, sight: &ChunkFacts, data: &[u8]) -> Option<Failure> {
    if sight.error {
        return Some(failure::in_band(provider, data));
    }
    sight.broken.then(|| broken(provider, data))
}

/// A choice that ended because the provider failed: its own error (`OpenRouter` has one), else ours.
fn broken(provider: &'static str, data: &[u8]) -> Failure {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        choices: Vec<Broken<'a>>,
    }
    #[derive(Deserialize)]
    struct Broken<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    let document: Option<Document<'_>> = serde_json::from_slice(data).ok();
    let error = document.and_then(|document| document.choices.into_iter().find_map(|choice| choice.error));
    let Some(error) = error else {
        return failure::own(FailureClass::Upstream, "provider_error", "the provider gave up within its answer");
    };
    failure::in_band(provider, [br#"{"error":"#, error.get().as_bytes(), b"}"].concat().as_slice())
}

/// A member after the model's: the wish for a last chunk that holds the usage.
const ASK_USAGE: &[u8] = br#","stream_options":{"include_usage":true}"#;

/// Starts reading a streamed answer.
#[must_use]
pub fn stream(context: AnswerContext) -> Stream {
    Stream::new(&context)
}

/// Replaces the model in a client's body: gives the end of the replaced prefix and the new prefix, which ends with the
/// model's JSON string, and, where `ask_usage`, with the wish for a stream's usage. What follows stays as it is. A span outside
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
