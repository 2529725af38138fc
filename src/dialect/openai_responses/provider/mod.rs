//! Responses as providers speak it: a request out, an answer or a stream in.
//!
//! Nothing is stored there, so what a reasoning model thought comes along encrypted, and goes back with the next request.

mod answer;
mod events;
mod foreign;
mod input;
mod wire;
mod write;

use crate::chat::{Answer, ApiError, Conversation, Failure, Usage};
use crate::dialect::no_answer::not_text;
use crate::dialect::reader_scan::ReaderScan;
use crate::dialect::verbatim::Scanner;
use crate::dialect::{AnswerContext, Encoded, EventReader, ProviderFace, Target};

/// Responses at the provider.
pub struct Provider;

impl ProviderFace for Provider {
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        write::write(conversation, target)
    }

    fn suited(&self, body: &[u8], _: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        foreign::without(body)
    }

    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
        answer::read(body, context)
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}

pub use foreign::without_sealed;

/// Starts looking through a stream, for a client that speaks it too.
pub fn scanner(context: &AnswerContext) -> Box<dyn Scanner> {
    Box::new(ReaderScan::new(events::Reader::new(context)))
}

/// Looks through a whole answer with a 2xx status for its usage.
///
/// # Errors
/// A [`Failure`] where it is an error in disguise, or no response.
pub fn look_through(body: &[u8], context: &AnswerContext) -> Result<Option<Usage>, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| not_text())?;
    answer::look_through(text, context)
}
