//! Converse as Bedrock speaks it: a request out, an answer or a stream in.
//!
//! Converse is Anthropic's Messages in other words: turns that alternate, the user first, results of calls in the user's turn, arguments that are
//! objects. So a request is made by the same rules (`anthropic_messages`) and then put into Converse's shapes, and a stream's frames are read as
//! the events that Anthropic would send. What is Bedrock's own has its file here.
//!
//! **Invariant:** the models' rules are data ([`family`]); no other file asks for a model's name.

mod answer;
mod embeddings;
mod events;
mod family;
mod messages;
mod wire;
mod write;

use crate::chat::{Answer, ApiError, Conversation, Embeddings, EmbeddingsRequest, Failure};
use crate::dialect::framing::{Framing, aws_event_stream};
use crate::dialect::{AnswerContext, Encoded, EventReader, ProviderFace, Target};

/// Converse at the provider.
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

    fn framing(&self) -> Box<dyn Framing> {
        Box::new(aws_event_stream::Cutter::default())
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}
