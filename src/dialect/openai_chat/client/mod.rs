//! OpenAI's dialect as clients speak it: the request in; the answer, the chunks and the errors out.
//!
//! **Invariant:** knows no provider: what comes out depends on [`crate::chat`] alone. What a provider of the same dialect sends is looked
//! through by that face.

pub mod answer;
pub mod chunk;
pub mod completions;
pub mod embeddings;
pub mod error;
pub mod models;
pub mod read;
mod tools;
pub mod transcript;

use super::provider;
use crate::chat::{Answer, ApiError, Conversation, Failure, Transcript, Utterance};
use crate::dialect::scan::BodyScan;
use crate::dialect::verbatim::Scanner;
use crate::dialect::{self, AnswerContext, Awaited, ClientFace, EventWriter};

/// OpenAI's clients.
pub struct Client;

impl ClientFace for Client {
    fn scan<'a>(&self, body: &'a [u8]) -> Result<BodyScan<'a>, ApiError> {
        BodyScan::read(body)
    }

    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, ApiError> {
        read::read(body)
    }

    fn transcript<'a>(
        &self,
        scan: &BodyScan<'a>,
        enough: Option<&mut dyn FnMut(&Utterance<'a>) -> bool>,
    ) -> Transcript<'a> {
        match enough {
            Some(enough) => transcript::newest(scan, enough),
            None => transcript::whole(scan),
        }
    }

    fn answer(&self, answer: &Answer<'_>, context: &AnswerContext) -> Vec<u8> {
        match context.awaited {
            Awaited::Completion => completions::write(answer, context),
            Awaited::Chat | Awaited::Embeddings => answer::write(answer, context),
        }
    }

    fn writer(&self, context: AnswerContext) -> Box<dyn EventWriter> {
        match context.awaited {
            Awaited::Completion => Box::new(completions::Writer::new(context)),
            Awaited::Chat | Awaited::Embeddings => Box::new(chunk::ChunkWriter::new(context)),
        }
    }

    fn error(&self, error: &ApiError, _: Option<&str>) -> Vec<u8> {
        error::body(error)
    }

    fn error_event(&self, error: &ApiError) -> Vec<u8> {
        error::event(error)
    }

    fn ping(&self) -> &'static [u8] {
        chunk::PING
    }

    fn look_through(&self, body: &[u8], context: &AnswerContext) -> Result<dialect::Answer, Failure> {
        provider::look_through(body, context)
    }

    fn scanner(&self, context: &AnswerContext) -> Box<dyn Scanner> {
        Box::new(provider::StreamScan::new(context))
    }

    fn id_prefix(&self) -> &'static str {
        "chatcmpl-"
    }
}
