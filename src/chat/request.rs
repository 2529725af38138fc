//! The neutral chat request, borrowed from the client's body.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// One chat request as every codec sees it. Fields the client did not send are `None` or empty.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest<'a> {
    /// The conversation, oldest first.
    pub messages: Vec<Message<'a>>,
    /// Functions the model may call.
    pub tools: Vec<Tool<'a>>,
    /// How freely it may call them.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls may come in one answer.
    pub parallel_tool_calls: Option<bool>,
    /// The shape the answer must have.
    pub response_format: Option<ResponseFormat<'a>>,
    /// Upper bound of the answer, in tokens (`max_completion_tokens`, else `max_tokens`).
    pub max_tokens: Option<u64>,
    /// Sampling temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// Texts that end the answer.
    pub stop: Vec<Cow<'a, str>>,
    /// How much the model should think.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// The end user, opaque.
    pub user: Option<Cow<'a, str>>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with a usage chunk (`stream_options.include_usage`).
    pub include_usage: bool,
    /// The functions came by their deprecated name (`functions`), so the client waits for a `function_call`.
    pub deprecated_functions: bool,
    /// Places below the top that no neutral form holds, such as `messages[3].content[0].foo`; the first few.
    pub unknown: Vec<String>,
    /// Top-level fields that have no neutral form, by name, with their raw value: each codec refuses, drops or names them by the
    /// classes of the providers' reference (semantic, hint, bookkeeping). JSON `null` is never in here.
    pub other: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// One message of the conversation.
#[derive(Debug, Clone)]
pub struct Message<'a> {
    /// Who speaks.
    pub role: Role,
    /// What is said; empty for an assistant turn that only calls tools.
    pub content: Content<'a>,
    /// Calls the assistant made.
    pub tool_calls: Vec<ToolUse<'a>>,
    /// Which call a `Role::Tool` message answers.
    pub tool_call_id: Option<Cow<'a, str>>,
    /// The speaker's or function's name.
    pub name: Option<Cow<'a, str>>,
    /// Thinking the client hands back (`thinking_blocks`, LiteLLM's name), raw.
    pub thinking_blocks: Option<&'a RawValue>,
    /// Cache mark of the whole message (`cache_control`), raw.
    pub cache_control: Option<&'a RawValue>,
    /// Of a result: the call failed (Anthropic's `is_error`).
    pub is_error: Option<bool>,
}

/// Who speaks. OpenAI's `developer` is `System`; its `function` is `Tool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions (`system`, `developer`).
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// The result of a call.
    Tool,
}

/// A message's content: nothing, a text, or parts.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// `null` or absent.
    None,
    /// A plain string.
    Text(Cow<'a, str>),
    /// Typed parts.
    Parts(Vec<Part<'a>>),
}

/// One part of a message. Each but the last holds, at its end, the cache mark that came with it, raw: Anthropic's `cache_control`, as
/// LiteLLM's clients send it, or what OpenAI's `prompt_cache_breakpoint` says in its words.
#[derive(Debug, Clone)]
pub enum Part<'a> {
    /// A text.
    Text(Cow<'a, str>, Option<&'a RawValue>),
    /// An image by URL or `data:` URI, and its `detail`.
    Image(Cow<'a, str>, Option<Cow<'a, str>>, Option<&'a RawValue>),
    /// A file as a `data:` URI or by URL (`file_data`), and its name.
    File(Cow<'a, str>, Option<Cow<'a, str>>, Option<&'a RawValue>),
    /// A refusal the assistant gave.
    Refusal(Cow<'a, str>, Option<&'a RawValue>),
    /// Anything else, by its `type`: what a dialect cannot say it must refuse by this name.
    Other(Cow<'a, str>),
}

/// A call the assistant made in an earlier turn.
#[derive(Debug, Clone)]
pub struct ToolUse<'a> {
    /// The call's id.
    pub id: Cow<'a, str>,
    /// The function's name.
    pub name: Cow<'a, str>,
    /// The arguments as OpenAI carries them: a string that should hold JSON but may be empty or broken.
    pub arguments: Cow<'a, str>,
    /// Cache mark (`cache_control`), raw.
    pub cache_control: Option<&'a RawValue>,
}

/// A function the model may call.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// The function's name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of its arguments, raw.
    pub parameters: Option<&'a RawValue>,
    /// OpenAI's `strict`.
    pub strict: Option<bool>,
    /// Cache mark (`cache_control`), raw.
    pub cache_control: Option<&'a RawValue>,
}

/// How freely tools may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// The model decides.
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
    /// This function.
    Named(Cow<'a, str>),
    /// None but these functions (`allowed_tools`).
    Allowed {
        /// At least one call.
        required: bool,
        /// The functions' names.
        names: Vec<Cow<'a, str>>,
    },
}

/// The shape the answer must have.
#[derive(Debug, Clone)]
pub enum ResponseFormat<'a> {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema: name, schema (raw), strict.
    JsonSchema {
        /// The schema's name.
        name: Cow<'a, str>,
        /// The JSON Schema, raw.
        schema: Option<&'a RawValue>,
        /// Whether the schema binds.
        strict: Option<bool>,
    },
}

/// How much the model should think, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReasoningEffort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// As much as it can.
    Max,
}
