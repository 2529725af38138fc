//! One dialect a room, bytes to [`crate::chat`] and back. No host, no configuration, no clock.
//!
//! A codec has three parts: it encodes a neutral request ([`request`]), reads a whole answer ([`answer`]), and reads a stream
//! ([`AnswerStream`]). What went wrong is read in [`crate::failure`], for every provider. What clients speak lives in [`client`].

pub mod anthropic_messages;
pub mod body_defaults;
pub(crate) mod count;
pub(crate) mod fields;
pub mod framing;
pub mod loss;
pub(crate) mod no_answer;
pub mod openai_chat;
pub mod scan;
pub mod unsupported;
pub(crate) mod value_kind;

use std::collections::BTreeMap;

use anthropic_messages::provider as anthropic;
use openai_chat::provider as openai;

use crate::chat::{ApiError, ChatRequest, Failure, FailureClass, Usage};
use crate::failure;
use crate::failure::{is_compressed, without_mark};
use crate::provider::Dialect;

/// What a request needs besides its content when it is encoded for a provider.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
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
    /// Names of the client's fields that were left out, for a notice.
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

/// What an answer needs from its request when it is translated for the client.
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
    /// What it echoes of the request.
    pub echo: Echo,
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
    /// What it has shown so far.
    fn facts(&self) -> &StreamFacts;
    /// How many bytes it keeps for later: the beginning of an event, and what is told in one piece at its end.
    fn kept(&self) -> usize;
    /// Whether the last bytes moved the answer on: text, thinking, a call, a refusal, audio, a finish reason, new usage, an error or
    /// the end. Comments, pings and empty deltas do not: a provider may send those for ever. It speaks of one push (or the end), so
    /// unlike all else it depends on where the bytes were cut.
    fn progressed(&self) -> bool;
}

/// Encodes a request for a provider's dialect.
///
/// # Errors
/// An [`ApiError`] of status 400 that names the field which the dialect cannot express.
pub fn request(dialect: Dialect, request: &ChatRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    match dialect {
        Dialect::OpenAi => openai::request(request, target),
        Dialect::Anthropic => anthropic::request(request, target),
    }
}

/// Whether a provider's dialect can say a request: [`request`] without its writing.
///
/// # Errors
/// As [`request`].
pub fn check(dialect: Dialect, request: &ChatRequest<'_>, target: Target<'_>) -> Result<(), ApiError> {
    match dialect {
        Dialect::OpenAi => openai::request(request, target).map(|_| ()),
        Dialect::Anthropic => anthropic::check(request, target),
    }
}

/// Translates a whole answer with a 2xx status for the client.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or cannot be read.
pub fn answer(dialect: Dialect, body: &[u8], context: &AnswerContext) -> Result<Answer, Failure> {
    if is_compressed(body) {
        let message = "the provider's answer is compressed, which was not asked for";
        return Err(failure::own(FailureClass::Upstream, "unreadable_answer", message));
    }
    let body = without_mark(body);
    match dialect {
        Dialect::OpenAi => openai::answer(body, context),
        Dialect::Anthropic => anthropic::answer(body, context),
    }
}

/// Starts reading a streamed answer.
#[must_use]
pub fn stream(dialect: Dialect, context: AnswerContext) -> Box<dyn AnswerStream> {
    match dialect {
        Dialect::OpenAi => Box::new(openai::stream(context)),
        Dialect::Anthropic => Box::new(anthropic::stream(context)),
    }
}
