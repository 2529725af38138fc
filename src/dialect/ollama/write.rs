//! Writes a conversation in Ollama's dialect: the body of `POST /api/chat`.
//!
//! Its messages are OpenAI's, but for what they say, which is one text with images beside it, and for arguments, which are an object.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{ApiError, Conversation, Effort, OutputFormat, Thinking};
use crate::dialect::data_uri::data_uri;
use crate::dialect::names::Names;
use crate::dialect::openai_chat::provider::messages::{self, Form, ThinkingAs};
use crate::dialect::openai_chat::provider::wire::{Choice, Message, Own, Part, Said, Tool};
use crate::dialect::openai_chat::provider::write::offered;
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};
use crate::provider::{Habits, OLLAMA_OPTIONS};

/// Members that no neutral form holds and that this dialect has.
const OWN: &[&str] = &["keep_alive", "truncate", "shift"];
/// Those that are options of the model, besides [`OLLAMA_OPTIONS`].
const OPTIONS: [&str; 3] = ["seed", "presence_penalty", "frequency_penalty"];
/// What the names of models say that think. Others refuse to be told how.
const THINKERS: &[&str] = &[
    "gpt-oss",
    "qwen3",
    "qwq",
    "deepseek-r1",
    "deepseek-v3.1",
    "deepseek-v3.2",
    "magistral",
    "cogito",
    "thinking",
    "reasoning",
    "smollm3",
    "glm-4.5",
    "glm-4.6",
    "glm-4.7",
    "glm-5",
    "kimi-k2",
    "minimax-m2",
    "nemotron",
    "exaone-deep",
    "gemma4",
];

/// What the names of those among them say that do not.
const NO_THINKERS: &[&str] = &["coder", "instruct", "embed"];

#[derive(Serialize)]
struct Body<'r> {
    model: &'r str,
    messages: Vec<Message<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    options: Options<'r>,
    /// Ollama streams unless it is told not to.
    stream: bool,
    #[serde(flatten)]
    own: Own<'r>,
}

#[derive(Serialize)]
struct Options<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'r [Cow<'r, str>],
    #[serde(flatten)]
    own: Own<'r>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Think {
    Whether(bool),
    Level(&'static str),
}

/// Those members that are options of the model.
pub(super) fn options<'r>(other: &'r [(Cow<'_, str>, &'r RawValue)]) -> Own<'r> {
    Own::of(other, &[OLLAMA_OPTIONS, &OPTIONS].concat())
}

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 for what the dialect cannot say, unless such is to be dropped.
pub fn write(conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    // Each part by its name: one that is added to a conversation must be thought of here.
    let Conversation {
        turns: _,
        tools,
        foreign_tools: _,
        tool_choice: _,
        parallel_tool_calls,
        output,
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        effort,
        thinking,
        verbosity,
        user,
        cache_control,
        stream,
        include_usage: _,
        deprecated_functions: _,
        tool_forms: _,
        other,
        unread: _,
        words,
    } = conversation;
    let mut dropped = DroppedFields::new(target.drop_params);
    dropped.foreign(conversation, &[OWN, OLLAMA_OPTIONS, &OPTIONS].concat())?;
    let names = Names::of(conversation, &[]);
    let form = Form { thinking: Some(ThinkingAs::Thinking), ..Form::PLAIN };
    let mut messages = messages::write(conversation, &names, form, &mut dropped)?;
    let mut called = BTreeMap::new();
    messages.iter_mut().for_each(|message| as_one_text(message, &mut called));
    let (mut offered, choice) = offered(tools, conversation.choice(), &names, Habits::COMMON, &mut dropped)?;
    match choice {
        Some(Choice::Plain("none")) => offered.clear(),
        Some(Choice::Plain("auto")) | None => {}
        Some(_) => dropped.semantic("tool_choice")?,
    }
    for tool in tools.iter().filter(|tool| tool.strict == Some(true)) {
        dropped.hint(&tool.place.name("strict"));
    }
    offered.iter_mut().for_each(|tool| tool.function.strict = None);
    for (is_there, name) in [
        (parallel_tool_calls.is_some_and(|several| !several && !offered.is_empty()), words.parallel_tool_calls),
        (verbosity.is_some(), words.verbosity),
        (user.is_some(), words.user),
        (cache_control.is_some(), "cache_control"),
    ] {
        if is_there {
            dropped.hint(name);
        }
    }
    let body = Body {
        model: target.model,
        messages,
        tools: offered,
        format: output.as_ref().and_then(|output| format(output, words.output, &mut dropped)),
        think: think(*effort, *thinking, target.model, words.effort, &mut dropped),
        options: Options {
            num_predict: *max_tokens,
            temperature: *temperature,
            top_p: *top_p,
            top_k: *top_k,
            stop,
            own: options(other),
        },
        stream: *stream,
        own: Own::of(other, OWN),
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.into_names(conversation), echo: Echo::of(conversation, &names) })
}

/// What a message says as one text, its images beside it, its calls' arguments as objects, and a result with its function's name.
fn as_one_text<'r>(message: &mut Message<'r>, called: &mut BTreeMap<String, &'r str>) {
    let mut texts: Vec<Cow<'r, str>> = Vec::new();
    for part in std::mem::replace(&mut message.content, Said::Absent).into_parts() {
        match part {
            Part::Text { text } => texts.push(text),
            Part::ImageUrl { image_url } => message.images.extend(base64_of(image_url.url)),
            _ => {}
        }
    }
    let only = if texts.len() == 1 { texts.pop() } else { None };
    message.content = Said::Text(only.unwrap_or_else(|| Cow::Owned(texts.join("\n"))));
    for call in &mut message.tool_calls {
        call.r#type = "";
        call.function.arguments.as_object();
        called.insert(call.id.clone(), call.function.name);
    }
    message.tool_name = message.tool_call_id.as_ref().and_then(|id| called.get(id)).copied();
}

/// The base64 of a `data:` URI; no other images come here.
fn base64_of(url: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match url {
        Cow::Borrowed(url) => data_uri(url).map(|(_, data)| Cow::Borrowed(data)),
        Cow::Owned(url) => data_uri(&url).map(|(_, data)| Cow::Owned(data.to_owned())),
    }
}

fn format<'r>(output: &OutputFormat<'r>, word: &str, dropped: &mut DroppedFields) -> Option<&'r RawValue> {
    let json = || serde_json::from_str("\"json\"").ok();
    match output {
        OutputFormat::Text => None,
        OutputFormat::JsonObject => json(),
        OutputFormat::JsonSchema { name: _, description, schema, strict: _ } => {
            if description.is_some() {
                dropped.hint(&format!("{word}.json_schema.description"));
            }
            schema.or_else(json)
        }
    }
}

/// How the model shall think, where it can. One family takes how much, the others whether.
fn think(
    effort: Option<Effort>,
    thinking: Option<Thinking>,
    model: &str,
    word: &str,
    dropped: &mut DroppedFields,
) -> Option<Think> {
    let name = model.to_ascii_lowercase();
    let wanted = match thinking {
        None => effort,
        Some(Thinking::Disabled) => Some(Effort::None),
        Some(Thinking::Enabled { budget_tokens, display }) => {
            if budget_tokens.is_some() {
                dropped.hint("thinking.budget_tokens");
            }
            if display.is_some() {
                dropped.hint("thinking.display");
            }
            Some(effort.unwrap_or(Effort::Medium))
        }
        Some(Thinking::Adaptive { display }) => {
            if display.is_some() {
                dropped.hint("thinking.display");
            }
            Some(effort.unwrap_or(Effort::Medium))
        }
    }?;
    let is_one = |names: &[&str]| names.iter().any(|known| name.contains(known));
    if !is_one(THINKERS) || is_one(NO_THINKERS) {
        if effort.is_some_and(|effort| effort != Effort::None) {
            dropped.hint(word);
        }
        if thinking.is_some_and(|thinking| thinking != Thinking::Disabled) {
            dropped.hint("thinking");
        }
        return None;
    }
    if !name.contains("gpt-oss") {
        return Some(Think::Whether(wanted != Effort::None));
    }
    Some(Think::Level(match wanted {
        // It cannot stop.
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::XHigh | Effort::Max => "high",
    }))
}
