//! Writes a conversation in OpenAI's dialect: the body of `POST /v1/chat/completions`.
//!
//! A client of this dialect never comes here: its own bytes go. What differs between OpenAI's own API and those compatible with it is in
//! [`Habits`].
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each part of a conversation is in it, or refused, or named as dropped.

use serde_json::Value;
use serde_json::value::RawValue;

use super::messages::{self, Form};
use super::reasoning;
use super::wire::{Allowed, Body, Choice, Format, Function, Name, Named, Own, Schema, StreamOptions, Tool as ToolBody};
use crate::chat::{ApiError, Conversation, Effort, OutputFormat, Thinking, Tool, ToolChoice, Words};
use crate::dialect::names::Names;
use crate::dialect::tool_schema::{OPENAIS, of_tool};
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};
use crate::provider::Habits;

/// The longest `user`, in bytes.
pub const LONGEST_USER: usize = 64;
/// The most texts that may end an answer.
const MOST_STOPS: usize = 4;
/// The name of a schema that has none.
pub const SCHEMA: &str = "answer";

/// Members that no neutral form holds and that this dialect has.
const OWN: &[&str] = &[
    "n",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "modalities",
    "audio",
    "seed",
    "presence_penalty",
    "frequency_penalty",
];

/// The same, which OpenAI alone takes.
const OPENAIS_OWN: &[&str] =
    &["prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier"];
/// What a service tier may be at OpenAI.
pub const TIERS: [&str; 6] = ["\"auto\"", "\"default\"", "\"flex\"", "\"scale\"", "\"priority\"", "\"fast\""];

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
        include_usage,
        deprecated_functions: _,
        tool_forms: _,
        other,
        unread: _,
        words,
    } = conversation;
    let habits = target.provider.habits;
    let mut dropped = DroppedFields::new(target.drop_params);
    let mut own = [OWN, if habits.is_openai { OPENAIS_OWN } else { &[] }].concat();
    // `auto` has another meaning for clients of Messages, and asks for nothing.
    let is_tier =
        |(name, raw): &(_, &RawValue)| name == "service_tier" && raw.get() != "\"auto\"" && TIERS.contains(&raw.get());
    if habits.is_openai && other.iter().any(is_tier) {
        own.push("service_tier");
    }
    dropped.foreign(conversation, &own)?;
    let names = Names::of(conversation, &[]);
    let messages = messages::write(conversation, &names, Form::of(habits), &mut dropped)?;
    let (tools, choice) = offered(tools, conversation.choice(), &names, habits, &mut dropped)?;
    let has_tools = !tools.is_empty();
    for (name, is_some) in [("top_k", top_k.is_some()), ("cache_control", cache_control.is_some())] {
        if is_some {
            dropped.hint(name);
        }
    }
    let user = user.as_deref().filter(|user| !user.is_empty());
    if user.is_some_and(|user| user.len() > LONGEST_USER) {
        dropped.hint(words.user);
    }
    let stop = match stop.get(..MOST_STOPS) {
        Some(first) if habits.is_openai && stop.len() > MOST_STOPS => {
            dropped.hint(words.stop);
            first
        }
        _ => stop,
    };
    let body = Body {
        model: target.model,
        messages,
        tools,
        tool_choice: choice,
        parallel_tool_calls: parallel_tool_calls.filter(|_| has_tools),
        response_format: output.as_ref().map(format),
        max_completion_tokens: max_tokens.filter(|_| is_newer(habits)),
        max_tokens: max_tokens.filter(|_| !is_newer(habits)),
        temperature: *temperature,
        top_p: *top_p,
        stop,
        reasoning_effort: thought(*effort, *thinking, target, words.effort, &mut dropped),
        verbosity: verbosity.as_deref(),
        user: user.filter(|user| user.len() <= LONGEST_USER),
        stream: *stream,
        stream_options: (*stream && *include_usage).then_some(StreamOptions { include_usage: true }),
        own: Own::of(other, &own),
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let echo = Echo::of(conversation, &names);
    let (body, more) = super::fitted(&body, target).unwrap_or((body, Vec::new()));
    for name in more {
        dropped.hint(in_words(&name, words));
    }
    Ok(Encoded { body, dropped: dropped.into_names(conversation), echo })
}

/// A member that was left out of the body, in the client's words.
fn in_words<'n>(name: &'n str, words: &Words) -> &'n str {
    match name {
        "stop" => words.stop,
        "user" => words.user,
        "response_format" => words.output,
        "verbosity" => words.verbosity,
        "parallel_tool_calls" => words.parallel_tool_calls,
        name => name,
    }
}

/// Whether a limit goes by its newer name, whatever the model.
const fn is_newer(habits: Habits) -> bool {
    habits.is_openai && !habits.named_by_owner
}

/// The tools, and the choice among them.
pub fn offered<'r>(
    tools: &'r [Tool<'_>],
    choice: Option<&'r ToolChoice<'_>>,
    names: &'r Names<'_>,
    habits: Habits,
    dropped: &mut DroppedFields,
) -> Result<(Vec<ToolBody<'r>>, Option<Choice<'r>>), ApiError> {
    let mut offered = Vec::new();
    for tool in tools {
        let Tool { name, description, parameters, strict: _, cache_control, place } = tool;
        if cache_control.is_some() {
            dropped.hint(&place.of_item().name("cache_control"));
        }
        // Elsewhere than at OpenAI those that are not allowed are not told of.
        let is_allowed = match choice {
            Some(ToolChoice::Allowed { names, .. }) => habits.is_openai || names.contains(name),
            _ => true,
        };
        if is_allowed {
            let (name, description) = (names.ours(name), description.as_deref());
            let refused = if habits.is_openai { OPENAIS } else { &[] };
            let parameters = parameters.map(|raw| of_tool(Some(raw), refused));
            let function = Function { name, description, parameters, strict: bound(tool, habits.is_openai, dropped) };
            offered.push(ToolBody { r#type: "function", function });
        }
    }
    let named = |name: &'r str| Named { r#type: "function", function: Name { name: names.ours(name) } };
    let choice = match choice {
        None => None,
        Some(ToolChoice::Auto | ToolChoice::None) if offered.is_empty() => None,
        Some(ToolChoice::Allowed { required: false, .. }) if offered.is_empty() => None,
        // A call is demanded where there is nothing to call.
        Some(_) if offered.is_empty() => {
            dropped.semantic("tool_choice")?;
            None
        }
        Some(ToolChoice::Auto) => Some(Choice::Plain("auto")),
        Some(ToolChoice::None) => Some(Choice::Plain("none")),
        Some(ToolChoice::Required) => Some(Choice::Plain("required")),
        Some(ToolChoice::Named(name)) => Some(Choice::Named(named(name))),
        Some(ToolChoice::Allowed { required, names }) => {
            let mode = if *required { "required" } else { "auto" };
            Some(match habits.is_openai {
                true => {
                    let tools = names.iter().map(|name| named(name)).collect();
                    Choice::Allowed { r#type: "allowed_tools", allowed_tools: Allowed { mode, tools } }
                }
                false => Choice::Plain(mode),
            })
        }
    };
    Ok((offered, choice))
}

/// Whether a tool's arguments must follow its schema. OpenAI takes that of none that leaves anything open.
pub fn bound(tool: &Tool<'_>, is_openai: bool, dropped: &mut DroppedFields) -> Option<bool> {
    let strict = tool.strict?;
    if strict && is_openai && !tool.parameters.is_some_and(is_closed) {
        dropped.hint(&tool.place.name("strict"));
        return None;
    }
    Some(strict)
}

fn format<'r>(output: &'r OutputFormat<'_>) -> Format<'r> {
    let plain = |kind| Format { r#type: kind, json_schema: None };
    match output {
        OutputFormat::Text => plain("text"),
        OutputFormat::JsonObject => plain("json_object"),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            let name = if name.is_empty() { SCHEMA } else { name.as_ref() };
            let strict = strict.filter(|strict| !strict || schema.is_some_and(is_closed));
            let schema = Schema { name, description: description.as_deref(), schema: *schema, strict };
            Format { json_schema: Some(schema), ..plain("json_schema") }
        }
    }
}

/// Whether a schema can bind as OpenAI wants it: each object in it names all its members as required, and allows no others. One that binds
/// elsewhere without that is followed as well as the model can.
pub fn is_closed(schema: &RawValue) -> bool {
    fn check(schema: &Value) -> bool {
        let Value::Object(members) = schema else {
            return schema.as_array().is_none_or(|items| items.iter().all(check));
        };
        let is_object = members.contains_key("properties") || members.get("type").is_some_and(|kind| kind == "object");
        let names = |key: &str| members.get(key);
        let properties = names("properties").and_then(Value::as_object);
        let required = names("required").and_then(Value::as_array);
        let are_required = properties.is_none_or(|properties| {
            properties.keys().all(|name| required.is_some_and(|all| all.iter().any(|it| it == name)))
        });
        let is_shut = names("additionalProperties") == Some(&Value::Bool(false)) && are_required;
        (!is_object || is_shut)
            && properties.is_none_or(|all| all.values().all(check))
            && ["items", "anyOf", "allOf", "oneOf"].iter().all(|key| names(key).is_none_or(check))
            && ["$defs", "definitions"]
                .iter()
                .all(|key| names(key).and_then(Value::as_object).is_none_or(|all| all.values().all(check)))
    }
    // One that is nested too deeply to be read does not bind.
    serde_json::from_str(schema.get()).is_ok_and(|schema| check(&schema))
}

/// How much the model is told to think. Of OpenAI's own models those that do not think refuse to be told.
pub fn thought(
    effort: Option<Effort>,
    thinking: Option<Thinking>,
    target: Target<'_>,
    word: &str,
    dropped: &mut DroppedFields,
) -> Option<&'static str> {
    let (by_thinking, display) = match thinking {
        None => (None, None),
        Some(Thinking::Disabled) => (Some(Effort::None), None),
        Some(Thinking::Enabled { budget_tokens, display }) => (Some(by_budget(budget_tokens)), display),
        Some(Thinking::Adaptive { display }) => (None, display),
    };
    if display.is_some() {
        dropped.hint("thinking.display");
    }
    let wanted = match by_thinking {
        Some(Effort::None) => Some(Effort::None),
        other => effort.or(other),
    };
    let is_own = target.provider.habits.is_openai;
    match wanted {
        Some(Effort::None) if is_own && !reasoning::can_rest(target.model) => {
            // What does not think need not be told; what cannot stop cannot be.
            if reasoning::reasons(target.model) {
                dropped.hint(if thinking.is_some() { "thinking" } else { word });
            } else if effort.is_some_and(|effort| effort != Effort::None) {
                dropped.hint(word);
            }
            None
        }
        Some(Effort::None) if !is_own && effort.is_none() => {
            dropped.hint("thinking");
            None
        }
        Some(_) if is_own && !reasoning::reasons(target.model) => {
            if thinking.is_some() {
                dropped.hint("thinking");
            }
            if effort.is_some() {
                dropped.hint(word);
            }
            None
        }
        // Nobody else's word.
        Some(Effort::Max) => Some(Effort::XHigh.as_str()),
        Some(effort) => Some(effort.as_str()),
        None => {
            if matches!(thinking, Some(Thinking::Adaptive { .. })) && is_own && !reasoning::reasons(target.model) {
                dropped.hint("thinking");
            }
            None
        }
    }
}

/// LiteLLM's levels. They never fall where the budget grows.
const fn by_budget(tokens: Option<u64>) -> Effort {
    match tokens {
        Some(10_000..) => Effort::High,
        Some(5_000..) | None => Effort::Medium,
        Some(_) => Effort::Low,
    }
}
