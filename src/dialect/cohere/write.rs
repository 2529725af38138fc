//! Writes a conversation in Cohere's dialect: the body of `POST /v2/chat`.
//!
//! Its messages are OpenAI's, but for a model's turn that calls: what it says before is its plan, and no content.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{ApiError, Conversation, Effort, OutputFormat, Thinking};
use crate::dialect::names::Names;
use crate::dialect::openai_chat::provider::messages::{self, Form, ThinkingAs};
use crate::dialect::openai_chat::provider::wire::{Choice, Message, Own, Part, Said, Tool};
use crate::dialect::openai_chat::provider::write::offered;
use crate::dialect::tool_schema::of_tool;
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};
use crate::provider::Habits;

/// Members that no neutral form holds and that this dialect has.
const OWN: &[&str] = &[
    "seed",
    "frequency_penalty",
    "presence_penalty",
    "safety_mode",
    "citation_options",
    "documents",
    "priority",
    "raw_prompting",
];
/// The most texts that may end an answer.
const MOST_STOPS: usize = 5;
/// The bounds of what is sampled from.
const LEAST_SHARE: f64 = 0.01;
const MOST_SAMPLED: u64 = 500;

#[derive(Serialize)]
struct Body<'r> {
    model: &'r str,
    messages: Vec<Message<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict_tools: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop_sequences: &'r [Cow<'r, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Think>,
    stream: bool,
    #[serde(flatten)]
    own: Own<'r>,
}

#[derive(Serialize)]
struct Format<'r> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<&'r RawValue>,
}

#[derive(Serialize)]
struct Think {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_budget: Option<u64>,
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
    dropped.foreign(conversation, OWN)?;
    let names = Names::of(conversation, &[]);
    let form = Form { thinking: Some(ThinkingAs::Thinking), links: true, ..Form::PLAIN };
    let mut messages = messages::write(conversation, &names, form, &mut dropped)?;
    messages.iter_mut().for_each(as_plan);
    // Cohere refuses a turn without a word.
    messages.retain(|message| message.role == "tool" || !message.tool_calls.is_empty() || !message.content.is_blank());
    let (mut offered, choice) = offered(tools, conversation.choice(), &names, Habits::COMMON, &mut dropped)?;
    let tool_choice = chosen(choice, &mut offered);
    let strict_tools = !tools.is_empty() && tools.iter().all(|tool| tool.strict == Some(true));
    for tool in tools.iter().filter(|tool| tool.strict == Some(true) && !strict_tools) {
        dropped.hint(&tool.place.name("strict"));
    }
    for tool in &mut offered {
        tool.function.strict = None;
        tool.function.parameters.get_or_insert_with(|| of_tool(None, &[]));
    }
    for (is_there, name) in [
        (parallel_tool_calls.is_some_and(|several| !several && !offered.is_empty()), words.parallel_tool_calls),
        (verbosity.is_some(), words.verbosity),
        (user.is_some(), words.user),
        (cache_control.is_some(), "cache_control"),
        (stop.len() > MOST_STOPS, words.stop),
    ] {
        if is_there {
            dropped.hint(name);
        }
    }
    let mut response_format = None;
    if let Some(output) = output.as_ref().filter(|output| !matches!(output, OutputFormat::Text)) {
        // Cohere takes one or the other.
        if offered.is_empty() {
            response_format = Some(format(output, words.output, &mut dropped));
        } else {
            dropped.semantic(words.output)?;
        }
    }
    let body = Body {
        model: target.model,
        messages,
        tools: offered,
        strict_tools,
        tool_choice,
        response_format,
        max_tokens: *max_tokens,
        temperature: *temperature,
        // All of it is what Cohere does when it is told nothing; it refuses to be told.
        p: top_p.filter(|share| *share < 1.0).map(|share| share.max(LEAST_SHARE)),
        k: top_k.map(|most| most.min(MOST_SAMPLED)),
        stop_sequences: stop.get(..MOST_STOPS).unwrap_or(stop),
        thinking: think(*effort, *thinking, target.model, words.effort, &mut dropped),
        stream: *stream,
        own: Own::of(other, OWN),
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.into_names(conversation), echo: Echo::of(conversation, &names) })
}

/// What the model thought and said: before a call as its plan, else as its content.
fn as_plan(message: &mut Message<'_>) {
    let thought = message.thinking.take();
    if !message.tool_calls.is_empty() {
        let said = std::mem::replace(&mut message.content, Said::Absent).into_text();
        let plan: Vec<Cow<'_, str>> = thought.into_iter().chain(said).filter(|text| !text.is_empty()).collect();
        message.tool_plan = (!plan.is_empty()).then(|| plan.join("\n").into());
    } else if let Some(thinking) = thought {
        let mut parts = vec![Part::Thinking { thinking }];
        parts.extend(std::mem::replace(&mut message.content, Said::Absent).into_parts());
        message.content = Said::Parts(parts);
    }
}

/// How tools are chosen. One that is named is the only one that is told of.
fn chosen(choice: Option<Choice<'_>>, offered: &mut Vec<Tool<'_>>) -> Option<&'static str> {
    match choice? {
        Choice::Plain("none") => Some("NONE"),
        Choice::Plain("required") => Some("REQUIRED"),
        Choice::Named(named) => {
            offered.retain(|tool| tool.function.name == named.function.name);
            Some("REQUIRED")
        }
        Choice::Plain(_) | Choice::Allowed { .. } => None,
    }
}

fn format<'r>(output: &OutputFormat<'r>, word: &str, dropped: &mut DroppedFields) -> Format<'r> {
    let json_schema = match output {
        OutputFormat::JsonSchema { name: _, description, schema, strict: _ } => {
            if description.is_some() {
                dropped.hint(&format!("{word}.json_schema.description"));
            }
            *schema
        }
        OutputFormat::Text | OutputFormat::JsonObject => None,
    };
    Format { r#type: "json_object", json_schema }
}

/// How the model shall think, where it can.
fn think(
    effort: Option<Effort>,
    thinking: Option<Thinking>,
    model: &str,
    word: &str,
    dropped: &mut DroppedFields,
) -> Option<Think> {
    if !model.contains("reasoning") {
        if effort.is_some_and(|effort| effort != Effort::None) {
            dropped.hint(word);
        }
        if thinking.is_some_and(|thinking| thinking != Thinking::Disabled) {
            dropped.hint("thinking");
        }
        return None;
    }
    if let Some(Thinking::Enabled { display: Some(_), .. } | Thinking::Adaptive { display: Some(_) }) = thinking {
        dropped.hint("thinking.display");
    }
    let enabled = |token_budget| Some(Think { r#type: "enabled", token_budget });
    match (thinking, effort) {
        (Some(Thinking::Disabled), _) | (None, Some(Effort::None)) => {
            Some(Think { r#type: "disabled", token_budget: None })
        }
        (Some(Thinking::Enabled { budget_tokens: Some(budget), .. }), _) => enabled(Some(budget)),
        (_, Some(Effort::Minimal | Effort::Low)) => enabled(Some(1024)),
        (_, Some(Effort::Medium)) => enabled(Some(4096)),
        (Some(_), _) | (_, Some(_)) => enabled(None),
        (None, None) => None,
    }
}
