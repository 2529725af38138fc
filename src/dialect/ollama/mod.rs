//! Ollama's own dialect: chats and embeddings.
//!
//! Its API compatible with OpenAI's carries less: no options of the model (`num_ctx`, without which long prompts are cut in silence), no
//! thinking that is switched on or off, no time for which a model stays loaded.
//!
//! **Invariant:** the body is built from an allow-list; each part of a conversation is in it, or refused, or named as dropped.

mod embeddings;
mod events;
mod write;

use crate::chat::{Answer, ApiError, Conversation, Embeddings, EmbeddingsRequest, Failure};
use crate::dialect::blocks;
use crate::dialect::framing::Framing;
use crate::dialect::framing::ndjson::Lines;
use crate::dialect::{AnswerContext, Encoded, EventReader, ProviderFace, Target};

/// Ollama's dialect at the provider.
pub struct Provider;

impl ProviderFace for Provider {
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        write::write(conversation, target)
    }

    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
        blocks::whole(context, body, |each| events::Reader::new(context).whole(body, each))
    }

    fn write_embeddings(&self, request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        embeddings::write(request, target)
    }

    fn embeddings<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
        embeddings::read(body, context)
    }

    fn framing(&self) -> Box<dyn Framing> {
        Box::new(Lines::default())
    }

    fn streams_documents(&self) -> bool {
        true
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}
