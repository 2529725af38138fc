//! Writes a conversation as a Responses request: the body of `POST /v1/responses`.
//!
//! A client of this dialect never comes here: its own bytes go.
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each part of a conversation is in it, or refused, or named as dropped.

use serde_json::value::RawValue;

use super::input;
use super::wire::{Body, Choice, Format, Named, Reasoning, Said, Tool as ToolBody};
use crate::chat::{ApiError, Conversation, Display, OutputFormat, Thinking, Tool, ToolChoice};
use crate::dialect::names::Names;
use crate::dialect::openai_chat::provider::reasoning::reasons;
use crate::dialect::openai_chat::provider::wire::Own;
use crate::dialect::openai_chat::provider::write::{LONGEST_USER, SCHEMA, TIERS, bound, is_closed, thought};
use crate::dialect::tool_schema::{OPENAIS, Object, of_tool};
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};

/// The least limit that the API takes, in tokens.
const LEAST_OUTPUT: u64 = 16;

/// Members that no neutral form holds and that this dialect has.
const OWN: &[&str] = &[
    "metadata",
    "service_tier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
    "safety_identifier",
];

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
    let is_stored = other.iter().any(|(name, raw)| name == "store" && raw.get() == "true");
    let is_own = |(name, raw): &(&str, &RawValue)| match *name {
        "store" => matches!(raw.get(), "true" | "false"),
        "service_tier" => TIERS.contains(&raw.get()),
        name => OWN.contains(&name),
    };
    let own: Vec<(&str, &RawValue)> = other.iter().map(|(name, raw)| (name.as_ref(), *raw)).filter(is_own).collect();
    let taken: Vec<&str> = own.iter().map(|(name, _)| *name).collect();
    dropped.foreign(conversation, &taken)?;
    if !stop.is_empty() {
        dropped.semantic(words.stop)?;
    }
    for (name, is_some) in [("top_k", top_k.is_some()), ("cache_control", cache_control.is_some())] {
        if is_some {
            dropped.hint(name);
        }
    }
    let names = Names::of(conversation, &[]);
    let (instructions, input) = input::write(conversation, &names, target.provider.name, &mut dropped)?;
    let (tools, tool_choice) = offered(tools, conversation.choice(), &names, &mut dropped)?;
    let user = user.as_deref().filter(|user| !user.is_empty());
    if user.is_some_and(|user| user.len() > LONGEST_USER) {
        dropped.hint(words.user);
    }
    let effort = thought(*effort, *thinking, target, words.effort, &mut dropped);
    // Its thoughts are wanted in sight.
    let is_shown = match thinking {
        Some(Thinking::Enabled { display, .. } | Thinking::Adaptive { display }) => *display != Some(Display::Omitted),
        Some(Thinking::Disabled) | None => false,
    };
    let thinks = reasons(target.model) || effort.is_some_and(|effort| effort != "none");
    let summary = (is_shown && thinks).then_some("auto");
    let reasoning = (effort.is_some() || summary.is_some()).then_some(Reasoning { effort, summary });
    let format = output.as_ref().map(format);
    let verbosity = verbosity.as_deref();
    let body = Body {
        model: target.model,
        instructions,
        input,
        parallel_tool_calls: parallel_tool_calls.filter(|_| !tools.is_empty()),
        tools,
        tool_choice,
        text: (format.is_some() || verbosity.is_some()).then_some(Said { format, verbosity }),
        max_output_tokens: max_tokens.map(|tokens| tokens.max(LEAST_OUTPUT)),
        temperature: sampled(*temperature, "temperature", thinks, &mut dropped),
        top_p: sampled(*top_p, "top_p", thinks, &mut dropped),
        reasoning,
        include: thinks.then_some(["reasoning.encrypted_content"]),
        store: is_stored,
        user: user.filter(|user| user.len() <= LONGEST_USER),
        stream: *stream,
        own: Own(own.into_iter().filter(|(name, _)| *name != "store").collect()),
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.into_names(conversation), echo: Echo::of(conversation, &names) })
}

/// A parameter of sampling. Models that think refuse it, also where it says what they do anyway.
fn sampled(value: Option<f64>, name: &str, thinks: bool, dropped: &mut DroppedFields) -> Option<f64> {
    let value = value.filter(|value| !thinks || (*value - 1.0).abs() > f64::EPSILON)?;
    if thinks && dropped.drops() {
        dropped.hint(name);
        return None;
    }
    Some(value)
}

/// The tools, and the choice among them.
fn offered<'r>(
    tools: &'r [Tool<'_>],
    choice: Option<&'r ToolChoice<'_>>,
    names: &'r Names<'_>,
    dropped: &mut DroppedFields,
) -> Result<(Vec<ToolBody<'r>>, Option<Choice<'r>>), ApiError> {
    let mut offered = Vec::with_capacity(tools.len());
    for tool in tools {
        let Tool { name, description, parameters, strict: _, cache_control, place } = tool;
        if cache_control.is_some() {
            dropped.hint(&place.name("cache_control"));
        }
        offered.push(ToolBody {
            r#type: "function",
            name: names.ours(name),
            description: description.as_deref(),
            parameters: of_tool(*parameters, OPENAIS),
            strict: bound(tool, true, dropped).unwrap_or_default(),
        });
    }
    let named = |name: &'r str| Named { r#type: "function", name: names.ours(name) };
    let choice = match choice {
        None => None,
        Some(ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. })
            if offered.is_empty() =>
        {
            None
        }
        // A call is demanded where there is nothing to call.
        Some(_) if offered.is_empty() => {
            dropped.semantic("tool_choice")?;
            None
        }
        Some(ToolChoice::Auto) => Some(Choice::Plain("auto")),
        Some(ToolChoice::None) => Some(Choice::Plain("none")),
        Some(ToolChoice::Required) => Some(Choice::Plain("required")),
        Some(ToolChoice::Named(name)) => Some(Choice::Named(named(name))),
        Some(ToolChoice::Allowed { required, names }) => Some(Choice::Allowed {
            r#type: "allowed_tools",
            mode: if *required { "required" } else { "auto" },
            tools: names.iter().map(|name| named(name)).collect(),
        }),
    };
    Ok((offered, choice))
}

fn format<'r>(output: &'r OutputFormat<'_>) -> Format<'r> {
    match output {
        OutputFormat::Text => Format::Text,
        OutputFormat::JsonObject => Format::JsonObject,
        OutputFormat::JsonSchema { name, description, schema: raw, strict } => Format::JsonSchema {
            name: if name.is_empty() { SCHEMA } else { name.as_ref() },
            description: description.as_deref(),
            schema: raw.map_or_else(|| of_tool(None, &[]), Object::Raw),
            strict: *strict == Some(true) && raw.is_some_and(is_closed),
        },
    }
}
