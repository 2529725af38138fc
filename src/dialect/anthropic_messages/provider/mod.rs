//! Anthropic's dialect as providers speak it: a request out, an answer or a stream in.
//!
//! The dialect differs from OpenAI's in more than names: instructions stand outside the conversation, results of calls are the
//! user's words, turns alternate, arguments are objects, and each generation of models refuses other parameters. Each of
//! these has its file; [`wire`] is the allow-list of what may be sent.
//!
//! **Invariant:** the model's rules are data ([`family`]); no other file asks for a model's name.

mod answer;
mod events;
pub(in crate::dialect) mod family;
mod frame;
pub(in crate::dialect) mod media;
pub(in crate::dialect) mod sampling;
pub(in crate::dialect) mod schema;
pub(in crate::dialect) mod tools;
pub(in crate::dialect) mod turns;
mod unsigned;
mod usage;
pub(in crate::dialect) mod wire;
mod write;

pub(in crate::dialect) use answer::gave_up;
pub(in crate::dialect) use events::Reader;
pub(in crate::dialect) use frame::Piece;
pub(in crate::dialect) use tools::{JSON_TOOL, UNUSED_TOOL};
pub(in crate::dialect) use usage::stop_reason;
pub(in crate::dialect) use write::{JSON_ONLY, too_deep};

use crate::chat::{Answer, ApiError, Conversation, Failure, Usage};
use crate::dialect::ids;
use crate::dialect::no_answer::not_text;
use crate::dialect::reader_scan::ReaderScan;
use crate::dialect::verbatim::Scanner;
use crate::dialect::{AnswerContext, Encoded, EventReader, ProviderFace, Target};
use crate::provider::Provider as Row;

/// Anthropic's dialect at the provider.
pub struct Provider;

impl ProviderFace for Provider {
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        write::write(conversation, target)
    }

    fn suited(&self, body: &[u8], _: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        let Some(plain) = ids::without_signatures(body) else { return unsigned::without(body) };
        Some(unsigned::without(&plain).unwrap_or((plain, Vec::new())))
    }

    fn suited_without_ids(&self, body: &[u8], _: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        unsigned::without(body)
    }

    fn refused(&self, body: &[u8], provider: &Row) -> Option<String> {
        if media::of(provider).by_url { None } else { media::by_url(body) }
    }

    fn check(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<(), ApiError> {
        write::check(conversation, target)
    }

    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
        answer::read(body, context)
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}

/// Starts looking through a stream, for a client that speaks it too.
pub fn scanner(context: &AnswerContext) -> Box<dyn Scanner> {
    Box::new(ReaderScan::new(events::Reader::new(context)))
}

/// Looks through a whole answer with a 2xx status for its usage.
///
/// # Errors
/// A [`Failure`] where it is an error in disguise, or no message.
pub fn look_through(body: &[u8], context: &AnswerContext) -> Result<Option<Usage>, Failure> {
    let text = std::str::from_utf8(body).map_err(|_| not_text())?;
    answer::read(text, context).map(|answer| answer.usage)
}
