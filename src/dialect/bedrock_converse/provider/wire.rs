//! The shapes of a Converse request, as botocore 1.44.8's model of `bedrock-runtime` types them.
//!
//! **Invariant:** this is the allow-list: what has no field here is never sent. Nothing is copied but what a text escapes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::dialect::anthropic_messages::provider::wire::{Object, Thinking};

/// The body of `POST /model/MODEL/converse`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Body<'r> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub system: Vec<Block<'r>>,
    pub messages: Vec<Message<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inference_config: Option<Inference<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<Tools<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail_config: Option<Raw<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub additional_model_request_fields: Option<Own<'r>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub request_metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub performance_config: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Kind<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<Output<'r>>,
}

/// An object with some of its members, as they came.
pub type Raw<'r> = BTreeMap<String, &'r RawValue>;

/// One turn.
#[derive(Serialize)]
pub struct Message<'r> {
    pub role: &'static str,
    pub content: Vec<Block<'r>>,
}

/// One block: an object with one member, which says what it is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Block<'r> {
    Text(Cow<'r, str>),
    Image {
        format: &'static str,
        source: Source<'r>,
    },
    Document {
        format: &'static str,
        name: String,
        source: Source<'r>,
    },
    ReasoningContent(Reasoning<'r>),
    ToolUse {
        tool_use_id: String,
        name: &'r str,
        input: Object<'r>,
    },
    ToolResult {
        tool_use_id: String,
        content: Vec<Block<'r>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        status: Option<&'static str>,
    },
    CachePoint(CachePoint),
}

/// The bytes of an image or a document: base64, or a text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Source<'r> {
    Bytes(&'r str),
    Text(&'r str),
}

/// What the model thought.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reasoning<'r> {
    ReasoningText { text: &'r str, signature: &'r str },
    RedactedContent(&'r str),
}

/// What stands before it is cached.
#[derive(Serialize)]
pub struct CachePoint {
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<&'static str>,
}

/// Limits and sampling.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Inference<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'r str>,
}

/// The tools, and how freely they may be called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tools<'r> {
    pub tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Choice<'r>>,
}

/// One of them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Tool<'r> {
    ToolSpec {
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        input_schema: Schema<'r>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    CachePoint(CachePoint),
}

/// A tool's schema.
#[derive(Serialize)]
pub struct Schema<'r> {
    pub json: Object<'r>,
}

/// How freely tools may be called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Choice<'r> {
    Auto {},
    Any {},
    Tool { name: &'r str },
}

/// What only the model's family knows.
#[derive(Serialize, Default)]
pub struct Own<'r> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub anthropic_beta: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Thinking>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_config: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(rename = "inferenceConfig", skip_serializing_if = "Option::is_none")]
    pub inference: Option<TopK>,
    #[serde(rename = "reasoningConfig", skip_serializing_if = "Option::is_none")]
    pub reasoning_config: Option<NovaReasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Effort>,
    /// Members that the client wrote here itself.
    #[serde(flatten)]
    pub others: Raw<'r>,
}

/// How much effort.
#[derive(Serialize)]
pub struct Effort {
    pub effort: &'static str,
}

/// Nova's place for it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TopK {
    pub top_k: u64,
}

/// How Nova thinks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NovaReasoning {
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_reasoning_effort: Option<&'static str>,
}

/// A service tier.
#[derive(Serialize)]
pub struct Kind<'r> {
    pub r#type: &'r str,
}

/// The shape of the answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output<'r> {
    pub text_format: Format<'r>,
}

/// JSON by a schema.
#[derive(Serialize)]
pub struct Format<'r> {
    pub r#type: &'static str,
    pub structure: Structure<'r>,
}

/// Where the schema stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Structure<'r> {
    pub json_schema: JsonSchema<'r>,
}

/// The schema, as a text.
#[derive(Serialize)]
pub struct JsonSchema<'r> {
    pub schema: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'r str>,
}
