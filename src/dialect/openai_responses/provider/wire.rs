//! The shapes of a Responses request, as OpenAI's SDK types them.
//!
//! **Invariant:** this is the allow-list: what has no field here is never sent. Nothing is copied but what a text escapes.

use std::borrow::Cow;

use serde::Serialize;

use crate::dialect::openai_chat::provider::wire::Own;
use crate::dialect::tool_schema::Object;

/// The body of `POST /v1/responses`.
#[derive(Serialize)]
pub struct Body<'r> {
    pub model: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    pub input: Vec<Item<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Choice<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<Said<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<[&'static str; 1]>,
    pub store: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'r str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    #[serde(flatten)]
    pub own: Own<'r>,
}

/// One item of the input.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item<'r> {
    Message { role: &'static str, content: Vec<Part<'r>> },
    Reasoning { id: &'r str, summary: Vec<Part<'r>>, encrypted_content: &'r str },
    FunctionCall { call_id: String, name: &'r str, arguments: &'r str },
    FunctionCallOutput { call_id: String, output: Output<'r> },
}

/// What a call gave.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Output<'r> {
    Text(Cow<'r, str>),
    Parts(Vec<Part<'r>>),
}

/// One part of a message, of a result or of a summary.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part<'r> {
    InputText {
        text: Cow<'r, str>,
    },
    /// Azure and others demand the list.
    OutputText {
        text: &'r str,
        annotations: [(); 0],
    },
    SummaryText {
        text: &'r str,
    },
    Refusal {
        refusal: &'r str,
    },
    InputImage {
        image_url: Cow<'r, str>,
        detail: &'r str,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'r str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Cow<'r, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<Cow<'r, str>>,
    },
}

/// A function the model may call.
#[derive(Serialize)]
pub struct Tool<'r> {
    pub r#type: &'static str,
    pub name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'r str>,
    pub parameters: Object<'r>,
    /// Where it is absent, this dialect tries to be strict, unlike others.
    pub strict: bool,
}

/// How freely tools may be called.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Choice<'r> {
    Plain(&'static str),
    Named(Named<'r>),
    Allowed { r#type: &'static str, mode: &'static str, tools: Vec<Named<'r>> },
}

#[derive(Serialize)]
pub struct Named<'r> {
    pub r#type: &'static str,
    pub name: &'r str,
}

/// The shape of the answer, and how long-winded it is.
#[derive(Serialize)]
pub struct Said<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'r str>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Format<'r> {
    Text,
    JsonObject,
    JsonSchema {
        name: &'r str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'r str>,
        schema: Object<'r>,
        strict: bool,
    },
}

/// How the model thinks.
#[derive(Serialize)]
pub struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<&'static str>,
}
