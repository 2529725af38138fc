//! The shapes of a Messages request, as Anthropic's SDK types them (API version 2023-06-01).
//!
//! **Invariant:** this is the allow-list: what has no field here is never sent. Nothing is copied but what a text escapes.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub use crate::dialect::tool_schema::Object;

/// The body of `POST /v1/messages`.
#[derive(Serialize)]
pub struct Body<'r> {
    pub model: &'r str,
    pub max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'r>>,
    pub messages: Vec<Turn<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolBody<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Choice<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<OutputConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

/// One turn of the conversation.
#[derive(Serialize)]
pub struct Turn<'r> {
    pub role: Speaker,
    pub content: Vec<Block<'r>>,
}

/// The speaker of a turn.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    User,
    Assistant,
}

/// One block of a turn.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Block<'r> {
    Text {
        text: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'r RawValue>,
    },
    Image {
        source: Source<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'r RawValue>,
    },
    Document {
        source: Source<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'r RawValue>,
    },
    Thinking {
        thinking: &'r str,
        signature: &'r str,
    },
    RedactedThinking {
        data: &'r str,
    },
    ToolUse {
        id: String,
        name: &'r str,
        input: Object<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'r RawValue>,
    },
    ToolResult {
        tool_use_id: String,
        content: ResultContent<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        is_error: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'r RawValue>,
    },
}

impl<'r> Block<'r> {
    /// Where a cache mark stands; thinking has no such place.
    pub const fn mark(&mut self) -> Option<&mut Option<&'r RawValue>> {
        match self {
            Self::Text { cache_control, .. }
            | Self::Image { cache_control, .. }
            | Self::Document { cache_control, .. }
            | Self::ToolUse { cache_control, .. }
            | Self::ToolResult { cache_control, .. } => Some(cache_control),
            Self::Thinking { .. } | Self::RedactedThinking { .. } => None,
        }
    }
}

/// Where the bytes of an image or document are.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Source<'r> {
    Base64 { media_type: &'static str, data: &'r str },
    Text { media_type: &'static str, data: &'r str },
    Url { url: &'r str },
}

/// What a call gave.
#[derive(Serialize)]
#[serde(untagged)]
pub enum ResultContent<'r> {
    Text(&'r str),
    Blocks(Vec<Block<'r>>),
}

/// A function the model may call.
#[derive(Serialize)]
pub struct ToolBody<'r> {
    pub name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'r str>,
    pub input_schema: Object<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<&'r RawValue>,
}

/// How freely tools may be called.
#[derive(Serialize)]
pub struct Choice<'r> {
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_parallel_tool_use: Option<bool>,
}

/// Whether and how much the model thinks.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Thinking {
    Disabled,
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    Adaptive {
        display: &'static str,
    },
}

/// How much effort, and the shape of the answer.
#[derive(Serialize)]
pub struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
}

/// JSON by a schema.
#[derive(Serialize)]
pub struct Format {
    pub r#type: &'static str,
    pub schema: Value,
}

/// The end user.
#[derive(Serialize)]
pub struct Metadata<'r> {
    pub user_id: &'r str,
}
