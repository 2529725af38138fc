//! The neutral answer: whole, or as stream events.

use std::borrow::Cow;

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

/// Why an answer ended, in OpenAI's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model was done.
    Stop,
    /// A token limit.
    Length,
    /// It calls tools.
    ToolCalls,
    /// It was withheld.
    ContentFilter,
}

impl FinishReason {
    /// OpenAI's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
        }
    }
}

/// A call the model makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall<'a> {
    /// The call's id.
    pub id: Cow<'a, str>,
    /// The function's name.
    pub name: Cow<'a, str>,
    /// Its arguments, as a string of JSON.
    pub arguments: Cow<'a, str>,
}

/// One block of thinking with what the provider needs to take it back (LiteLLM's `thinking_blocks`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThinkingBlock<'a> {
    /// Readable thinking and its signature.
    Thinking(Cow<'a, str>, Cow<'a, str>),
    /// Encrypted thinking.
    Redacted(Cow<'a, str>),
}

/// One alternative of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice<'a> {
    /// The text, if any came.
    pub content: Option<Cow<'a, str>>,
    /// Readable thinking.
    pub reasoning: Option<Cow<'a, str>>,
    /// Thinking blocks to hand back in the next turn.
    pub thinking_blocks: Vec<ThinkingBlock<'a>>,
    /// Calls, in order.
    pub tool_calls: Vec<ToolCall<'a>>,
    /// Why the model refused, where it says so.
    pub refusal: Option<Cow<'a, str>>,
    /// Why it ended.
    pub finish: Option<FinishReason>,
}

/// A whole answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatResponse<'a> {
    /// The provider's id of the answer; empty where it gives none.
    pub id: Cow<'a, str>,
    /// The model as the provider names it; empty where it does not.
    pub model: Cow<'a, str>,
    /// The alternatives.
    pub choices: Vec<Choice<'a>>,
    /// Tokens used.
    pub usage: Option<Usage>,
}

/// One step of a streamed answer. Choice 0 is meant: no provider but OpenAI streams several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent<'a> {
    /// The answer begins: the provider's id and model, each empty where it gives none.
    Start {
        /// The answer's id.
        id: Cow<'a, str>,
        /// The model.
        model: Cow<'a, str>,
    },
    /// A piece of text.
    Text(Cow<'a, str>),
    /// A piece of thinking.
    Reasoning(Cow<'a, str>),
    /// A finished thinking block, to be handed back in the next turn.
    Thinking(ThinkingBlock<'a>),
    /// Why the model refuses, or a piece of it.
    Refusal(Cow<'a, str>),
    /// A call begins. Indices count calls from 0, not the provider's blocks.
    ToolStart {
        /// Which call.
        index: usize,
        /// Its id.
        id: Cow<'a, str>,
        /// The function's name.
        name: Cow<'a, str>,
    },
    /// A piece of a call's arguments.
    ToolArguments {
        /// Which call.
        index: usize,
        /// The piece.
        part: Cow<'a, str>,
    },
    /// The provider is still there, and says nothing.
    Ping,
    /// The answer is complete. Usage may still follow.
    Finish(FinishReason),
    /// Tokens used so far; the last one counts.
    Usage(Usage),
    /// The provider failed within the stream.
    Failed(super::Failure),
    /// The provider's terminal event: nothing follows.
    End,
}
