//! Responses as clients speak it: the request in; the answer, the events and the errors out.
//!
//! **Invariant:** knows no provider: what comes out depends on [`crate::chat`] alone. What a provider of the same dialect sends is looked
//! through by that face.

mod answer;
mod error;
mod events;
mod input;
mod read;
mod sealed;
mod tools;
mod transcript;

pub(super) use events::failed;

use super::provider;
use crate::chat::{Answer, ApiError, Conversation, Failure, Transcript, Utterance};
use crate::dialect::openai_chat::client::error as of_openai;
use crate::dialect::scan::{BodyScan, Wording};
use crate::dialect::verbatim::Scanner;
use crate::dialect::{self, AnswerContext, ClientFace, EventWriter};

/// Clients of Responses.
pub struct Client;

impl ClientFace for Client {
    fn scan<'a>(&self, body: &'a [u8]) -> Result<BodyScan<'a>, ApiError> {
        BodyScan::read_as(body, Wording::Responses)
    }

    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, ApiError> {
        read::read(body)
    }

    fn transcript<'a>(
        &self,
        scan: &BodyScan<'a>,
        enough: Option<&mut dyn FnMut(&Utterance<'a>) -> bool>,
    ) -> Transcript<'a> {
        transcript::read(scan, enough)
    }

    fn answer(&self, answer: &Answer<'_>, context: &AnswerContext) -> Vec<u8> {
        answer::write(answer, context)
    }

    fn writer(&self, context: AnswerContext) -> Box<dyn EventWriter> {
        Box::new(events::ResponseWriter::new(context))
    }

    fn error(&self, error: &ApiError, _: Option<&str>) -> Vec<u8> {
        of_openai::body(error)
    }

    fn error_event(&self, error: &ApiError) -> Vec<u8> {
        events::failed(error, None, AnswerContext::default())
    }

    fn ping(&self) -> &'static [u8] {
        events::PING
    }

    fn look_through(&self, body: &[u8], context: &AnswerContext) -> Result<dialect::Answer, Failure> {
        provider::look_through(body, context).map(dialect::Answer::from)
    }

    fn scanner(&self, context: &AnswerContext) -> Box<dyn Scanner> {
        provider::scanner(context)
    }

    fn id_prefix(&self) -> &'static str {
        "resp_"
    }
}
