//! Gemini's dialect as providers speak it: a request out, an answer or a stream in.
//!
//! The model and whether a stream is wanted stand in the path. A conversation has two roles, results are paired with calls by name and order,
//! and newer models want the signatures of their thoughts back on the very part that they came with. A stream is a row of whole answers, each
//! with the parts that are new, and ends where the bytes do.
//!
//! **Invariant:** the model's rules are data ([`family`]); no other file asks for a model's name.

mod answer;
mod embeddings;
mod events;
mod family;
mod media;
mod schema;
mod thinking;
mod turns;
mod usage;
mod wire;
mod write;

use crate::chat::{Answer, ApiError, Conversation, Embeddings, EmbeddingsRequest, Failure};
use crate::dialect::{AnswerContext, Encoded, EventReader, ProviderFace, Target};

/// Gemini's dialect at the provider.
pub struct Provider;

impl ProviderFace for Provider {
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        write::write(conversation, target)
    }

    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
        answer::read(body, context)
    }

    fn write_embeddings(&self, request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        embeddings::write(request, target)
    }

    fn embeddings<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
        embeddings::read(body, context)
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}
