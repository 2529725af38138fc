//! The neutral answer: whole, or as the events of a stream.

use std::borrow::Cow;

use super::{Block, Failure};

/// Tokens a request used, by OpenAI's rules: cached is part of prompt, reasoning is part of completion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub prompt_tokens: u64,
    /// All output tokens, reasoning included.
    pub completion_tokens: u64,
    /// Input tokens read from the provider's cache.
    pub cached_tokens: u64,
    /// Input tokens written to the provider's cache, where the provider says so.
    pub cache_write_tokens: Option<u64>,
    /// Output tokens spent on thinking.
    pub reasoning_tokens: u64,
}

/// Why an answer ended, as the provider meant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The model was done.
    EndTurn,
    /// One of the request's texts that end an answer came.
    StopSequence,
    /// The request's limit of tokens.
    MaxTokens,
    /// The model's own window.
    ContextWindow,
    /// It calls tools.
    ToolUse,
    /// It refused, or its answer was withheld.
    Refusal,
    /// The provider paused a long turn, to be asked again.
    Pause,
}

/// A whole answer. Several at once pass between the same dialects only, and those do not come here.
#[derive(Debug, Clone, Default)]
pub struct Answer<'a> {
    /// The provider's id of the answer; empty where it gives none.
    pub id: Cow<'a, str>,
    /// The model as the provider names it; empty where it does not.
    pub model: Cow<'a, str>,
    /// What it says, in order.
    pub blocks: Vec<Block<'a>>,
    /// Why it ended, where the provider says so.
    pub stop: Option<StopReason>,
    /// Tokens used.
    pub usage: Option<Usage>,
    /// How likely its tokens were: OpenAI's list of them, as JSON.
    pub logprobs: Option<Cow<'a, str>>,
}

/// One step of a streamed answer.
///
/// Blocks are numbered from 0 in the order in which they begin. A block begins once, its pieces follow, it ends once; what comes for
/// several open blocks may take turns. Nothing follows [`Event::End`] or [`Event::Failed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// The answer begins: the provider's id and model, each empty where it gives none.
    Start {
        /// The answer's id.
        id: Cow<'a, str>,
        /// The model.
        model: Cow<'a, str>,
    },
    /// A block begins.
    BlockStart(usize, Begun<'a>),
    /// A piece of a block.
    Delta(usize, Delta<'a>),
    /// A block ends.
    BlockStop(usize),
    /// The answer moved on by what only the provider's dialect has.
    Opaque,
    /// The provider is still there, and says nothing.
    Ping,
    /// How likely the tokens of the text that follows were: OpenAI's list of them, as JSON.
    Logprobs(Cow<'a, str>),
    /// An event that cannot be read was left out.
    LeftOut,
    /// Why the answer ends; the first word counts. Usage may still follow.
    Stop(StopReason),
    /// Tokens used so far; the last one counts.
    Usage(Usage),
    /// The provider failed within the stream.
    Failed(Failure),
    /// The answer is complete.
    End,
}

/// A block that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun<'a> {
    /// A text.
    Text,
    /// Readable thinking.
    Thinking,
    /// Encrypted thinking, all of it.
    RedactedThinking(Cow<'a, str>),
    /// A call.
    ToolCall {
        /// Its id.
        id: Cow<'a, str>,
        /// The function's name.
        name: Cow<'a, str>,
    },
    /// Why the model refuses.
    Refusal,
    /// An image, all of it, as a `data:` URI.
    Image(Cow<'a, str>),
}

/// A piece of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delta<'a> {
    /// Of a text, or of a refusal.
    Text(Cow<'a, str>),
    /// Of thinking.
    Thinking(Cow<'a, str>),
    /// Of thinking's signature.
    Signature(Cow<'a, str>),
    /// Of a call's arguments.
    Arguments(Cow<'a, str>),
}

impl Delta<'_> {
    /// What it adds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) | Self::Thinking(text) | Self::Signature(text) | Self::Arguments(text) => text,
        }
    }
}
