//! The shapes of a `generateContent` request, as Google's SDK types them (google-genai 3.4.0).
//!
//! **Invariant:** this is the allow-list: what has no field here is never sent. Nothing is copied but what a text escapes.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The body.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Body<'r> {
    pub contents: Vec<Content<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_instruction: Option<Content<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<[Tools<'r>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_config: Option<ToolConfig<'r>>,
    #[serde(skip_serializing_if = "Config::is_empty")]
    pub generation_config: Config<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_settings: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_content: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<&'r RawValue>,
}

/// One turn, or the instructions, which have no role.
#[derive(Serialize)]
pub struct Content<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    pub parts: Vec<Part<'r>>,
}

/// One part of a turn. It holds one thing, and a signature where the model made one.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Part<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline_data: Option<Blob<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_data: Option<File<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_call: Option<Call<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function_response: Option<Response<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thought_signature: Option<&'r str>,
}

/// Bytes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Blob<'r> {
    pub mime_type: Cow<'r, str>,
    pub data: &'r str,
}

/// Bytes by their URI.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<&'static str>,
    pub file_uri: &'r str,
}

/// A call.
#[derive(Serialize)]
pub struct Call<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'r str>,
    pub name: &'r str,
    pub args: &'r RawValue,
}

/// What came of a call.
#[derive(Serialize)]
pub struct Response<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'r str>,
    pub name: &'r str,
    pub response: Result<'r>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part<'r>>,
}

/// An object: the tool's own, or one around what it said.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Result<'r> {
    Object(&'r RawValue),
    Output { output: Cow<'r, str> },
    Error { error: Cow<'r, str> },
}

/// The functions on offer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tools<'r> {
    pub function_declarations: Vec<Function<'r>>,
}

/// A function the model may call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Function<'r> {
    pub name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters_json_schema: Option<Cow<'r, RawValue>>,
}

/// How freely functions may be called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolConfig<'r> {
    pub function_calling_config: Calling<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calling<'r> {
    pub mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allowed_function_names: Vec<&'r str>,
}

/// Sampling, limits, thinking and the shape of the answer.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Config<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub response_logprobs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_json_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub media_resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub response_modalities: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_config: Option<Thinking>,
    /// Whether anything above is said.
    #[serde(skip)]
    pub says: bool,
}

impl Config<'_> {
    const fn is_empty(&self) -> bool {
        !self.says
    }
}

/// How the model thinks: a budget or a level, never both.
#[derive(Serialize, Default, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Thinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_budget: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub include_thoughts: bool,
}
