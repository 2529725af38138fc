//! One room a wire format, and what joins them. No host, no configuration, no clock.
//!
//! A dialect has two faces. Its [`ClientFace`] is the side that clients speak to: a request in; an answer, a stream and errors out. Its
//! [`ProviderFace`] is the other side: a request out; an answer and a stream in. Between the two stands [`crate::chat`]. Where client and
//! provider speak the same dialect nothing is translated ([`bridge`]): the client's own bytes go, spliced, and the provider's own come back,
//! looked through by one scanner a dialect ([`verbatim`]). Otherwise one loop, written once, reads frames, turns them into events, learns
//! from those how the answer stands, and writes them for the client ([`translate`]). What went wrong is read in [`crate::failure`], for every
//! provider.
//!
//! **How to add a dialect.**
//!
//! | step | where |
//! |---|---|
//! | its name | [`crate::provider::Dialect`], and its arm in [`client_face`], [`provider_face`] or both |
//! | what it has no words for | [`unsupported::unsupported`]; `tests/unsupported.rs` holds it |
//! | how it is written to | a room `NAME/provider/`: a type that implements [`ProviderFace`]; `write` destructures a [`crate::chat::Conversation`] and gives each part that it cannot say to [`unsupported::DroppedFields`] |
//! | how its streams are read | in the same room, an [`EventReader`]: frames to [`crate::chat::Event`]s; another framing than server-sent events goes into [`framing`] |
//! | how clients speak it | a room `NAME/client/`: a type that implements [`ClientFace`]; it scans by [`scan`], whose [`scan::Wording`] has its names, reads by [`read`], so that no member vanishes, and writes events by an [`EventWriter`]; its [`Scanner`] looks through streams of its own dialect |
//! | its provider | one row in [`crate::provider::rows`] |
//! | that it works | cases in `tests/golden/CLIENT/`, a base request for `tests/nothing_vanishes.rs`, a judge in `tests/judges` |
//!
//! A new provider's dialect needs no line in any client's room, and the other way round.
//!
//! **Invariant:** what a client sent, at any depth, is in the provider's request, or refused, or named in [`Encoded::dropped`].

pub mod anthropic_messages;
pub mod bedrock_converse;
mod blocks;
pub mod body_defaults;
pub mod cohere;
pub(crate) mod count;
mod data_uri;
mod edit;
pub mod framing;
mod gathered;
pub mod gemini;
mod ids;
mod names;
pub(crate) mod no_answer;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
mod ordered;
pub mod passed;
pub mod read;
mod reader_scan;
pub mod request;
pub mod scan;
pub mod thinking;
mod tool_schema;
pub mod translate;
pub mod unsupported;
pub(crate) mod value_kind;
pub mod verbatim;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::chat::{
    self, ApiError, Conversation, Embeddings, EmbeddingsRequest, Event, Failure, FailureClass, ToolForm, Transcript,
    Usage, Utterance,
};
use crate::failure;
use crate::failure::{is_compressed, without_mark};
use crate::provider;
pub use crate::provider::Dialect;
use framing::Framing;
use framing::sse::{Cutter, Frame};
use names::Names;
use scan::BodyScan;
use verbatim::Scanner;

/// The side of a dialect that clients speak to.
pub trait ClientFace: Sync {
    /// What a router must know of a body before it knows where the request goes: one pass, nothing copied.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 where the body is not a JSON object, or names no model.
    fn scan<'a>(&self, body: &'a [u8]) -> Result<BodyScan<'a>, ApiError>;

    /// Reads a whole request.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names the place of what is wrong.
    fn read<'a>(&self, body: &'a [u8]) -> Result<Conversation<'a>, ApiError>;

    /// The conversation for classifiers: its turns from the newest one that is `enough` on, or all where none is. Of part of a
    /// conversation the tools are left out.
    fn transcript<'a>(
        &self,
        scan: &BodyScan<'a>,
        enough: Option<&mut dyn FnMut(&Utterance<'a>) -> bool>,
    ) -> Transcript<'a>;

    /// Writes a whole answer.
    fn answer(&self, answer: &chat::Answer<'_>, context: &AnswerContext) -> Vec<u8>;

    /// Starts writing a streamed answer.
    fn writer(&self, context: AnswerContext) -> Box<dyn EventWriter>;

    /// The body of an error.
    fn error(&self, error: &ApiError, request_id: Option<&str>) -> Vec<u8>;

    /// The event that ends a stream with an error.
    fn error_event(&self, error: &ApiError) -> Vec<u8>;

    /// What a stream shows while nothing is said. Only to be written between two events.
    fn ping(&self) -> &'static [u8];

    /// Looks through a whole answer of a provider of the same dialect, whose bytes may pass. Without its mark.
    ///
    /// # Errors
    /// A [`Failure`] where it is an error in disguise, or no answer.
    fn look_through(&self, body: &[u8], context: &AnswerContext) -> Result<Answer, Failure>;

    /// Starts looking through a streamed answer of a provider of the same dialect.
    fn scanner(&self, context: &AnswerContext) -> Box<dyn Scanner>;

    /// One of the models that may be asked, and who runs it.
    fn model(&self, id: &str, owner: &str) -> Value {
        openai_chat::client::models::one(id, owner)
    }

    /// All of them.
    fn models(&self, models: &[(&str, &str)]) -> Value {
        openai_chat::client::models::list(models)
    }

    /// A model's name without what the dialect's clients append to it for themselves.
    fn bare_model<'n>(&self, asked: &'n str) -> &'n str {
        asked
    }

    /// What stands in front of the id of an answer for which the provider gave none.
    fn id_prefix(&self) -> &'static str;

    /// The response header by which clients know a request, where the body of an error says the same.
    fn id_header(&self) -> Option<&'static str> {
        None
    }
}

/// The side of a dialect that providers speak.
pub trait ProviderFace: Sync {
    /// Writes a request.
    ///
    /// # Errors
    /// An [`ApiError`] of status 400 that names the member which the dialect cannot say.
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError>;

    /// A request of a client of the same dialect without what this provider refuses, and the names of what was left out; `None`: nothing
    /// is.
    fn suited(&self, body: &[u8], target: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        let _ = (body, target);
        None
    }

    /// The same of a request in which no call has an id ([`scan::BodyScan::ids`]).
    fn suited_without_ids(&self, body: &[u8], target: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        self.suited(body, target)
    }

    /// The place of what this provider cannot take of a client's request of the same dialect, though the request is nothing without it.
    fn refused(&self, body: &[u8], provider: &provider::Provider) -> Option<String> {
        let _ = (body, provider);
        None
    }

    /// Whether a request can be written.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn check(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<(), ApiError> {
        self.write(conversation, target).map(drop)
    }

    /// Reads a whole answer with a 2xx status.
    ///
    /// # Errors
    /// A [`Failure`] where it is an error in disguise, or no answer.
    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<chat::Answer<'a>, Failure>;

    /// Writes a request for embeddings. A dialect that has some says so here, in [`Self::embeddings`], and by a path in its providers' rows.
    ///
    /// # Errors
    /// As [`Self::write`].
    fn write_embeddings(&self, request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        let _ = request;
        Err(request::no_embeddings(target))
    }

    /// Reads an answer with embeddings and a 2xx status. The caller counts the vectors.
    ///
    /// # Errors
    /// As [`Self::answer`].
    fn embeddings<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
        Err(no_answer::no_answer(context.provider, body.as_bytes(), "the provider's answer holds no embeddings"))
    }

    /// What its streams are cut by.
    fn framing(&self) -> Box<dyn Framing> {
        Box::new(Cutter::default())
    }

    /// Whether a stream begins as a document does, so that its first byte tells nothing.
    fn streams_documents(&self) -> bool {
        false
    }

    /// Starts reading a streamed answer.
    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader>;
}

/// Reads the frames of one streamed answer.
///
/// **Invariant:** the events keep the order that [`Event`] promises, however the provider's came; the last one is [`Event::End`] or
/// [`Event::Failed`], and none follows it.
pub trait EventReader {
    /// What a frame means.
    fn frame(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>));
    /// What the last frame means, whose blank line may be missing.
    fn last(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) {
        self.frame(frame, each);
    }
    /// The bytes ended, and the last frame was handed over.
    fn end(&mut self, each: &mut dyn FnMut(Event<'_>));
    /// How many bytes it keeps for later.
    fn kept(&self) -> usize;
}

/// Writes the events of one streamed answer.
///
/// **Invariant:** after the end or an error nothing more is written, whatever comes.
pub trait EventWriter {
    /// Appends what the client sees of an event.
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>);
    /// How many bytes it keeps for later.
    fn kept(&self) -> usize;
}

/// What a request needs besides its content when it is written for a provider.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The provider that will be asked.
    pub provider: &'static provider::Provider,
    /// The model as the provider names it.
    pub model: &'a str,
    /// Leave out what the provider cannot express instead of refusing it (LiteLLM's `drop_params`).
    pub drop_params: bool,
    /// The longest answer that the model gives, in tokens, where that is known: what a dialect that demands a limit is told if the client
    /// names none.
    pub max_output_tokens: Option<u64>,
}

/// A request in the provider's dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The JSON body.
    pub body: Vec<u8>,
    /// Names of the client's members that were left out, for a notice.
    pub dropped: Vec<String>,
    /// What the answer must be told by.
    pub echo: Echo,
}

/// What of a request stands in its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Echo {
    /// The client's name of each function that had to be called otherwise, by the name that the provider knows.
    pub names: BTreeMap<String, String>,
    /// The client waits for the deprecated `function_call`.
    pub function_call: bool,
    /// The functions that the client writes in a form of its own, by its names.
    pub forms: BTreeMap<String, ToolForm>,
    /// What the client awaits of embeddings.
    pub vectors: Option<Vectors>,
}

impl Echo {
    /// What the answer to a conversation must be told by, whose functions have these names.
    fn of(conversation: &Conversation<'_>, names: &Names<'_>) -> Self {
        Self {
            names: names.back(),
            function_call: conversation.deprecated_functions,
            forms: conversation.tool_forms.clone(),
            vectors: None,
        }
    }
}

/// What a client awaits of embeddings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vectors {
    /// How many; 0: any number.
    pub count: usize,
    /// As base64 of little-endian 32-bit floats.
    pub base64: bool,
}

/// What the client waits for, which an answer must be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Awaited {
    /// A chat's messages or deltas.
    #[default]
    Chat,
    /// A completion's text.
    Completion,
    /// Embeddings.
    Embeddings,
}

/// What an answer needs from its request when it is read and written.
#[derive(Debug, Clone, Default)]
pub struct AnswerContext {
    /// The name of the provider that answers.
    pub provider: &'static str,
    /// What the client waits for.
    pub awaited: Awaited,
    /// The model to name where the provider does not echo one.
    pub model: String,
    /// Unix time in seconds, for `created`.
    pub now_s: u64,
    /// An id to use where the provider gives none, for example `chatcmpl-…`.
    pub fallback_id: String,
    /// Whether the client asked for a usage chunk at the end of a stream.
    pub include_usage: bool,
    /// The gateway asked for that chunk on its own account: the client shall not see it.
    pub hide_usage: bool,
    /// Whether a stream hands back signed thinking blocks (`thinking_blocks`), which a client needs that asked for thinking and
    /// goes on with calls. A whole answer always does.
    pub thinking_blocks: bool,
    /// What stands behind the id of an answer that passes: its provider keeps it, and the gateway must know whose it is.
    pub mark: Option<passed::Mark>,
    /// An answer that passes may say `stop` although it calls a tool: OpenAI's own do where one had to be called.
    pub may_stop_with_calls: bool,
    /// What it echoes of the request.
    pub echo: Echo,
}

impl From<Option<Usage>> for Answer {
    fn from(usage: Option<Usage>) -> Self {
        Self { body: None, usage }
    }
}

impl AnswerContext {
    /// A function's name as the client knows it.
    #[must_use]
    pub fn function_name<'n>(&'n self, name: &'n str) -> &'n str {
        self.echo.names.get(name).map_or(name, String::as_str)
    }
}

/// A whole answer, ready for the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The body in the client's dialect; `None`: the provider's own bytes may pass as they are.
    pub body: Option<Vec<u8>>,
    /// Tokens used, where the provider says so.
    pub usage: Option<Usage>,
}

/// What a stream has shown so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFacts {
    /// Something a caller waits for has come: text, thinking, a call, or the end. The answer may be committed.
    pub meaningful: bool,
    /// The provider's terminal event (or, for OpenAI's dialect, a finish reason) has come: an end of bytes is a good end.
    pub complete: bool,
    /// The last word has come: nothing that follows counts. Clients leave then, without waiting for the end of the bytes.
    pub done: bool,
    /// The provider failed within the stream. Nothing that comes after it counts.
    pub failure: Option<Failure>,
    /// Tokens used, the latest word.
    pub usage: Option<Usage>,
    /// Events that were not JSON, left out.
    pub dropped_events: u32,
}

/// Whether the bytes that were pushed may pass as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// Forward the very bytes; nothing was added to the output.
    Unchanged,
    /// Forward what was added to the output instead.
    Rewritten,
}

/// A streamed answer on its way to the client: the provider's bytes in, the client's bytes out.
///
/// **Invariant:** any cut of the same bytes gives the same facts and the same output.
pub trait AnswerStream {
    /// Takes the next bytes and appends what the client shall see to `out`.
    fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Passed;
    /// The provider's bytes ended. Appends what is still owed to the client: the last chunks of a complete answer, or, where
    /// the answer is not complete, an error event in the client's dialect (and sets `failure`).
    fn end(&mut self, out: &mut Vec<u8>);
    /// Appends what says nothing, between two events, while the provider is silent.
    fn ping(&mut self, out: &mut Vec<u8>);
    /// What it has shown so far.
    fn facts(&self) -> &StreamFacts;
    /// How many bytes it keeps for later: the beginning of an event, and what is told in one piece at its end.
    fn kept(&self) -> usize;
    /// Whether the last bytes moved the answer on: text, thinking, a call, a refusal, audio, a finish reason, new usage, an error or
    /// the end. Comments, pings and empty deltas do not: a provider may send those for ever. It speaks of one push (or the end), so
    /// unlike all else it depends on where the bytes were cut.
    fn progressed(&self) -> bool;
}

/// The client's side of a dialect.
#[must_use]
pub fn client_face(dialect: Dialect) -> &'static dyn ClientFace {
    match dialect {
        // No client speaks the others.
        Dialect::OpenAi | Dialect::Bedrock | Dialect::Gemini | Dialect::Cohere | Dialect::Ollama => {
            &openai_chat::client::Client
        }
        Dialect::Anthropic => &anthropic_messages::client::Client,
        Dialect::Responses => &openai_responses::client::Client,
    }
}

/// The provider's side of a dialect.
#[must_use]
pub fn provider_face(dialect: Dialect) -> &'static dyn ProviderFace {
    match dialect {
        Dialect::OpenAi => &openai_chat::provider::Provider,
        Dialect::Anthropic => &anthropic_messages::provider::Provider,
        Dialect::Responses => &openai_responses::provider::Provider,
        Dialect::Bedrock => &bedrock_converse::provider::Provider,
        Dialect::Gemini => &gemini::provider::Provider,
        Dialect::Cohere => &cohere::Provider,
        Dialect::Ollama => &ollama::Provider,
    }
}

/// How a client's dialect and a provider's meet.
#[derive(Clone, Copy)]
pub enum Bridge {
    /// They are the same: the bytes pass.
    Verbatim(&'static dyn ClientFace),
    /// They meet in [`crate::chat`].
    Translated(&'static dyn ClientFace, &'static dyn ProviderFace),
}

/// How a client's dialect and a provider's meet.
#[must_use]
pub fn bridge(client: Dialect, provider: Dialect) -> Bridge {
    match client == provider {
        true => Bridge::Verbatim(client_face(client)),
        false => Bridge::Translated(client_face(client), provider_face(provider)),
    }
}

impl Bridge {
    /// Reads a whole answer with a 2xx status and writes it for the client.
    ///
    /// # Errors
    /// A [`Failure`] where the body is an error in disguise, or cannot be read.
    pub fn answer(&self, body: &[u8], context: &AnswerContext) -> Result<Answer, Failure> {
        if is_compressed(body) {
            let message = "the provider's answer is compressed, which was not asked for";
            return Err(failure::own(FailureClass::Upstream, "unreadable_answer", message));
        }
        let body = without_mark(body);
        match self {
            Self::Verbatim(client) => {
                let mut answer = client.look_through(body, context)?;
                if let Some(mark) = context.mark {
                    answer.body = passed::marked(answer.body.as_deref().unwrap_or(body), mark).or(answer.body);
                }
                Ok(answer)
            }
            Self::Translated(client, provider) => translate::answer(*client, *provider, body, context),
        }
    }

    /// Starts reading a streamed answer.
    #[must_use]
    pub fn stream(&self, context: AnswerContext) -> Box<dyn AnswerStream> {
        match self {
            Self::Verbatim(client) => {
                Box::new(verbatim::Stream::new(client.scanner(&context), *client).with_mark(context.mark))
            }
            Self::Translated(client, provider) => Box::new(translate::Stream::new(*client, *provider, context)),
        }
    }

    /// Whether a stream begins as a document does, so that its first byte tells nothing.
    #[must_use]
    pub fn streams_documents(&self) -> bool {
        matches!(self, Self::Translated(_, provider) if provider.streams_documents())
    }

    /// The client's side.
    #[must_use]
    pub const fn client(&self) -> &'static dyn ClientFace {
        match self {
            Self::Verbatim(client) | Self::Translated(client, _) => *client,
        }
    }
}
