//! The document that an answer is, whole or at the beginning and the end of a stream, and the items that it consists of.
//!
//! **Invariant:** every key that OpenAI's SDK requires is there. Nothing is stored, and the document says so.

use serde::Serialize;

use super::sealed::{seal, seal_redacted};
use crate::chat::{Answer, Content, StopReason, TEXT_ARGUMENT, ToolForm, Usage};
use crate::dialect::AnswerContext;
use crate::dialect::ids::Given;
use crate::dialect::read::{loose_object, loose_text};

/// How much of a provider's id becomes part of ours: an item's may have 64 characters.
const KEPT: usize = 40;

/// A response.
#[derive(Serialize)]
pub struct Response<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: Option<Failed<'a>>,
    incomplete_details: Option<Incomplete>,
    instructions: Option<()>,
    metadata: Nothing,
    model: &'a str,
    output: &'a [Item],
    parallel_tool_calls: bool,
    previous_response_id: Option<()>,
    store: bool,
    temperature: Option<()>,
    tool_choice: &'static str,
    tools: [(); 0],
    top_p: Option<()>,
    usage: Option<UsageBody>,
}

#[derive(Serialize)]
struct Nothing {}

/// Why a response failed.
#[derive(Serialize)]
pub struct Failed<'a> {
    pub code: &'static str,
    pub message: &'a str,
}

#[derive(Serialize)]
struct Incomplete {
    reason: &'static str,
}

/// One item of the output.
#[derive(Serialize, Clone)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    Message {
        id: String,
        status: &'static str,
        role: &'static str,
        content: Vec<Part>,
    },
    Reasoning {
        id: String,
        summary: Vec<Part>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
    },
    FunctionCall {
        id: String,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        arguments: String,
        status: &'static str,
    },
    CustomToolCall {
        id: String,
        call_id: String,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<String>,
        input: String,
        status: &'static str,
    },
}

/// A part of a message or of a summary.
#[derive(Serialize, Clone)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    OutputText { text: String, annotations: [(); 0], logprobs: [(); 0] },
    Refusal { refusal: String },
    SummaryText { text: String },
}

/// Usage in Responses' shape.
#[derive(Serialize)]
pub struct UsageBody {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputDetails {
                cached_tokens: usage.cached_tokens,
                cache_write_tokens: usage.cache_write_tokens.unwrap_or_default(),
            },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning_tokens },
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        }
    }
}

pub const IN_PROGRESS: &str = "in_progress";
pub const COMPLETED: &str = "completed";
pub const INCOMPLETE: &str = "incomplete";
pub const FAILED: &str = "failed";

/// Why an answer is incomplete, if it is.
pub const fn incomplete(stop: Option<StopReason>) -> Option<&'static str> {
    match stop {
        Some(StopReason::MaxTokens | StopReason::ContextWindow) => Some("max_output_tokens"),
        Some(StopReason::Refusal) => Some("content_filter"),
        _ => None,
    }
}

/// The names of one answer's parts.
pub struct Ids {
    /// The response's.
    pub response: String,
    /// What all ids have in common.
    stem: String,
    calls: Given,
}

impl Ids {
    /// The ids of an answer that its provider calls so, or we do.
    pub fn of(theirs: &str, context: &AnswerContext) -> Self {
        let given = if theirs.is_empty() { &context.fallback_id } else { theirs };
        let own = given.strip_prefix("resp_").unwrap_or(given);
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let stem: String = own.chars().take(KEPT).map(plain).collect();
        Self { response: format!("resp_{stem}"), stem, calls: Given::default() }
    }

    /// The id of the item at an index.
    pub fn item(&self, kind: &str, index: usize) -> String {
        format!("{kind}_{}_{index}", self.stem)
    }

    /// The id of a call.
    pub fn call(&mut self, theirs: &str) -> String {
        self.calls.give(theirs)
    }
}

impl Item {
    /// A call that begins.
    pub fn call(ids: &mut Ids, index: usize, id: &str, name: &str, context: &AnswerContext) -> Self {
        let name = context.function_name(name);
        let call_id = ids.call(id);
        let (namespace, name, takes_text) = match context.echo.forms.get(name) {
            Some(ToolForm { namespace, name, takes_text }) => (namespace.clone(), name.clone(), *takes_text),
            None => (None, name.to_owned(), false),
        };
        if takes_text {
            let id = ids.item("ctc", index);
            return Self::CustomToolCall { id, call_id, name, namespace, input: String::new(), status: IN_PROGRESS };
        }
        let id = ids.item("fc", index);
        Self::FunctionCall { id, call_id, name, namespace, arguments: String::new(), status: IN_PROGRESS }
    }

    /// Thinking that begins.
    pub fn reasoning(ids: &Ids, index: usize) -> Self {
        Self::Reasoning { id: ids.item("rs", index), summary: Vec::new(), encrypted_content: None }
    }

    /// A message that begins.
    pub fn message(ids: &Ids, index: usize) -> Self {
        let id = ids.item("msg", index);
        Self::Message { id, status: IN_PROGRESS, role: "assistant", content: Vec::new() }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Message { id, .. }
            | Self::Reasoning { id, .. }
            | Self::FunctionCall { id, .. }
            | Self::CustomToolCall { id, .. } => id,
        }
    }

    /// It ends so.
    pub fn end(&mut self, with: &'static str) {
        match self {
            Self::Message { status, .. } | Self::FunctionCall { status, .. } | Self::CustomToolCall { status, .. } => {
                *status = with;
            }
            Self::Reasoning { .. } => {}
        }
    }

    /// Gives a call its arguments.
    pub fn argue(&mut self, whole: &str) {
        match self {
            // A call without arguments must end as JSON all the same.
            Self::FunctionCall { arguments, .. } if whole.trim().is_empty() => "{}".clone_into(arguments),
            Self::FunctionCall { arguments, .. } => whole.clone_into(arguments),
            Self::CustomToolCall { input, .. } => *input = text_argument(whole),
            Self::Message { .. } | Self::Reasoning { .. } => {}
        }
    }
}

/// The text that is the only argument; of arguments that are none such, all of them.
fn text_argument(arguments: &str) -> String {
    let text = loose_object(arguments.as_bytes()).and_then(|mut it| it.take(TEXT_ARGUMENT).and_then(loose_text));
    text.map_or_else(|| arguments.to_owned(), std::borrow::Cow::into_owned)
}

impl Part {
    pub fn text(text: String) -> Self {
        Self::OutputText { text, annotations: [], logprobs: [] }
    }
}

/// The document of a response.
pub fn response<'a>(
    ids: &'a Ids,
    model: &'a str,
    status: &'static str,
    output: &'a [Item],
    context: &'a AnswerContext,
) -> Response<'a> {
    Response {
        id: &ids.response,
        object: "response",
        created_at: context.now_s,
        status,
        background: false,
        error: None,
        incomplete_details: None,
        instructions: None,
        metadata: Nothing {},
        model: if model.is_empty() { &context.model } else { model },
        output,
        parallel_tool_calls: true,
        previous_response_id: None,
        store: false,
        temperature: None,
        tool_choice: "auto",
        tools: [],
        top_p: None,
        usage: None,
    }
}

impl<'a> Response<'a> {
    /// Its end, by why it stopped.
    pub fn ended(mut self, stop: Option<StopReason>, usage: Option<Usage>) -> Self {
        if let Some(reason) = incomplete(stop) {
            self.status = INCOMPLETE;
            self.incomplete_details = Some(Incomplete { reason });
        }
        // Clients look for it.
        self.usage = Some(usage.unwrap_or_default().into());
        self
    }

    /// Its end by a failure.
    pub fn failed(mut self, error: Failed<'a>, usage: Option<Usage>) -> Self {
        self.error = Some(error);
        self.usage = usage.map(UsageBody::from);
        self
    }
}

/// Writes a whole answer, with the context's id and model where the provider gave none.
#[must_use]
pub fn write(answer: &Answer<'_>, context: &AnswerContext) -> Vec<u8> {
    let mut ids = Ids::of(&answer.id, context);
    let mut items: Vec<Item> = Vec::with_capacity(answer.blocks.len());
    let status = if incomplete(answer.stop).is_some() { INCOMPLETE } else { COMPLETED };
    for block in &answer.blocks {
        let index = items.len();
        let part = match &block.content {
            Content::Text(text) => Part::text(text.clone().into_owned()),
            Content::Refusal(refusal) => Part::Refusal { refusal: refusal.clone().into_owned() },
            Content::Thinking { text, signature } => {
                let text = text.clone().into_owned();
                let summary = if text.is_empty() { Vec::new() } else { vec![Part::SummaryText { text }] };
                let encrypted_content = Some(seal(signature.as_deref()).into_owned());
                items.push(Item::Reasoning { id: ids.item("rs", index), summary, encrypted_content });
                continue;
            }
            Content::RedactedThinking(data) => {
                let encrypted_content = Some(seal_redacted(data).into_owned());
                items.push(Item::Reasoning { id: ids.item("rs", index), summary: Vec::new(), encrypted_content });
                continue;
            }
            Content::ToolCall { id, name, arguments } => {
                let mut call = Item::call(&mut ids, index, id, name, context);
                call.argue(arguments);
                call.end(COMPLETED);
                items.push(call);
                continue;
            }
            // No provider answers with these; what it does with others is its own affair.
            Content::Image { .. }
            | Content::Audio { .. }
            | Content::Document { .. }
            | Content::ToolResult { .. }
            | Content::Opaque(_) => continue,
        };
        match items.last_mut() {
            Some(Item::Message { content, .. }) => content.push(part),
            _ => {
                let mut message = Item::message(&ids, index);
                if let Item::Message { content, .. } = &mut message {
                    content.push(part);
                }
                message.end(COMPLETED);
                items.push(message);
            }
        }
    }
    if let Some(last) = items.last_mut() {
        last.end(status);
    }
    let response = response(&ids, &answer.model, COMPLETED, &items, context).ended(answer.stop, answer.usage);
    // Strings and numbers always serialize.
    serde_json::to_vec(&response).unwrap_or_default()
}
