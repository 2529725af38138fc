//! Cohere's own dialect, version 2: chats and embeddings.
//!
//! Its API compatible with OpenAI's carries less: no plan behind a call, no thinking that is switched or bounded, no safety mode, no priority,
//! no citations' options, and it counts nothing that was cached.
//!
//! **Invariant:** the body is built from an allow-list; each part of a conversation is in it, or refused, or named as dropped.

pub mod embeddings;
mod events;
mod write;

use crate::chat::{Answer, ApiError, Conversation, Embeddings, EmbeddingsRequest, Failure};
use crate::dialect::blocks;
use crate::dialect::{AnswerContext, Encoded, EventReader, ProviderFace, Target};

/// Cohere's dialect at the provider.
pub struct Provider;

impl ProviderFace for Provider {
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        write::write(conversation, target)
    }

    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
        blocks::whole(context, body, |each| events::Reader::new(context).whole(body, each))
    }

    fn write_embeddings(&self, request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        embeddings::write(request, target, Some(target.model))
    }

    fn embeddings<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
        embeddings::read(body, context)
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}
