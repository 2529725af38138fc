//! A conversation in Gemini's dialect: the body of `generateContent`.
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each part of a conversation is in it, or refused, or named as dropped.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::family::{self, Family, Sampling};
use super::wire::{Body, Calling, Config, Function, ToolConfig, Tools};
use super::{schema, thinking, turns};
use crate::chat::{ApiError, Conversation, OutputFormat, Tool, ToolChoice, Words};
use crate::dialect::names::Names;
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};

/// The most texts that may end an answer.
const MOST_STOPS: usize = 5;

/// Members that no neutral form holds and that this dialect has; some are Google's own, by its name or by LiteLLM's.
const OWN: &[&str] = &[
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "safety_settings",
    "safetySettings",
    "cached_content",
    "cachedContent",
    "labels",
    MODALITIES,
];
/// What the answer is made of. One in sound is for a provider that has it.
const MODALITIES: &str = "modalities";

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 that names the member which Gemini cannot express, or which is broken.
pub fn write(conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    // Each part by its name: one that is added to a conversation must be thought of here.
    let Conversation {
        turns: _,
        tools,
        foreign_tools: _,
        tool_choice: _,
        parallel_tool_calls,
        output,
        max_tokens: _,
        temperature: _,
        top_p: _,
        top_k: _,
        stop: _,
        effort: _,
        thinking: _,
        verbosity,
        user,
        cache_control,
        stream: _,
        include_usage: _,
        deprecated_functions: _,
        tool_forms: _,
        other: _,
        unread: _,
        words,
    } = conversation;
    let family = family::of(target.model);
    let mut dropped = DroppedFields::new(target.drop_params);
    dropped.foreign(conversation, OWN)?;
    let modalities = own(conversation, &[MODALITIES]);
    if let Some(raw) = modalities.filter(|raw| raw.get().contains("\"audio\"")) {
        dropped.field(MODALITIES, raw)?;
    }
    let names = Names::of_letters(conversation);
    let turns::Talk { system, contents, resolution } = turns::write(conversation, &names, family, &mut dropped)?;
    let wants_json = matches!(output, Some(OutputFormat::JsonObject | OutputFormat::JsonSchema { .. }));
    let is_alone = wants_json && !family.format_with_tools;
    let choice = conversation.choice();
    // Functions that may not be called make room for the format.
    let (tools, tool_config) = if is_alone && !tools.is_empty() && choice == Some(&ToolChoice::None) {
        dropped.hint("tools");
        (Vec::new(), None)
    } else {
        offered(tools, choice, &names, &mut dropped)
    };
    if *parallel_tool_calls == Some(false) && !tools.is_empty() {
        dropped.hint(words.parallel_tool_calls);
    }
    let has_user = user.as_ref().is_some_and(|user| !user.is_empty());
    let unsaid =
        [(has_user, words.user), (cache_control.is_some(), "cache_control"), (verbosity.is_some(), words.verbosity)];
    for (_, name) in unsaid.iter().filter(|(is_there, _)| *is_there) {
        dropped.hint(name);
    }
    let mut config = config(conversation, family, &mut dropped);
    config.media_resolution = resolution;
    let draws = modalities.is_some_and(|raw| raw.get().contains("\"image\""));
    config.response_modalities = if draws { &["TEXT", "IMAGE"] } else { &[] };
    if is_alone && !tools.is_empty() {
        dropped.semantic(words.output)?;
    } else if let Some(output) = output {
        format(output, words, &mut config, &mut dropped)?;
    }
    config.says = says(&config);
    let body = Body {
        contents,
        system_instruction: system,
        tools: (!tools.is_empty()).then_some([Tools { function_declarations: tools }]),
        tool_config,
        generation_config: config,
        safety_settings: own(conversation, &["safety_settings", "safetySettings"]),
        cached_content: own(conversation, &["cached_content", "cachedContent"]),
        labels: own(conversation, &["labels"]),
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.into_names(conversation), echo: Echo::of(conversation, &names) })
}

/// A member that no neutral form holds, by one of its names.
fn own<'r>(conversation: &Conversation<'r>, names: &[&str]) -> Option<&'r RawValue> {
    conversation.other.iter().find(|(name, _)| names.contains(&name.as_ref())).map(|(_, raw)| *raw)
}

/// Sampling, limits and thinking.
fn config<'r>(conversation: &'r Conversation<'_>, family: Family, dropped: &mut DroppedFields) -> Config<'r> {
    let mut takes = |name: &'static str, most: Sampling| {
        if family.sampling > most {
            dropped.hint(name);
        }
        family.sampling <= most
    };
    let mut penalty = |name| own(conversation, &[name]).filter(|_| takes(name, Sampling::WithPenalties));
    let (presence_penalty, frequency_penalty) = (penalty("presence_penalty"), penalty("frequency_penalty"));
    let temperature = conversation.temperature.filter(|_| takes("temperature", Sampling::Plain));
    let top_p = conversation.top_p.filter(|_| takes("top_p", Sampling::Plain));
    let top_k = conversation.top_k.filter(|_| takes("top_k", Sampling::Plain));
    // Google counts a seed in 32 bits, and refuses a longer one.
    let seed = own(conversation, &["seed"]);
    let fitting = seed.filter(|raw| raw.get().parse::<i32>().is_ok());
    if seed.is_some() && fitting.is_none() {
        dropped.hint("seed");
    }
    let response_logprobs = own(conversation, &["logprobs"]).is_some_and(|raw| raw.get() == "true");
    let words = conversation.words;
    Config {
        temperature,
        top_p,
        top_k,
        max_output_tokens: conversation.max_tokens,
        stop_sequences: stops(&conversation.stop, words.stop, dropped),
        seed: fitting,
        presence_penalty,
        frequency_penalty,
        response_logprobs,
        logprobs: own(conversation, &["top_logprobs"]).filter(|raw| response_logprobs && raw.get() != "0"),
        thinking_config: thinking::write(conversation.effort, conversation.thinking, family, words.effort, dropped),
        ..Config::default()
    }
}

const fn says(config: &Config<'_>) -> bool {
    config.temperature.is_some()
        || config.top_p.is_some()
        || config.top_k.is_some()
        || config.max_output_tokens.is_some()
        || !config.stop_sequences.is_empty()
        || config.seed.is_some()
        || config.presence_penalty.is_some()
        || config.frequency_penalty.is_some()
        || config.response_logprobs
        || config.response_mime_type.is_some()
        || config.media_resolution.is_some()
        || !config.response_modalities.is_empty()
        || config.thinking_config.is_some()
}

/// The texts that end the answer: not blank, and no more than are taken.
fn stops<'r>(stop: &'r [Cow<'_, str>], name: &str, dropped: &mut DroppedFields) -> Vec<&'r str> {
    let kept: Vec<&str> =
        stop.iter().map(AsRef::as_ref).filter(|text: &&str| !text.is_empty()).take(MOST_STOPS).collect();
    if kept.len() < stop.len() {
        dropped.hint(name);
    }
    kept
}

/// The shape of the answer.
fn format<'r>(
    output: &OutputFormat<'r>,
    words: &Words,
    config: &mut Config<'r>,
    dropped: &mut DroppedFields,
) -> Result<(), ApiError> {
    let name = words.output;
    match output {
        OutputFormat::Text => return Ok(()),
        OutputFormat::JsonObject => {}
        OutputFormat::JsonSchema { name: _, description, schema, strict: _ } => {
            if description.is_some() {
                dropped.hint(&format!("{name}.{}", words.schema_description));
            }
            let fitted = |raw: &&RawValue| schema::of_answer(raw).ok_or_else(|| too_deep(name));
            config.response_json_schema = schema.as_ref().map(fitted).transpose()?;
        }
    }
    config.response_mime_type = Some("application/json");
    Ok(())
}

/// The functions, and the choice among them.
fn offered<'r>(
    tools: &'r [Tool<'_>],
    choice: Option<&'r ToolChoice<'_>>,
    names: &'r Names<'_>,
    dropped: &mut DroppedFields,
) -> (Vec<Function<'r>>, Option<ToolConfig<'r>>) {
    let mut offered = Vec::new();
    for tool in tools {
        let Tool { name, description, parameters, strict, cache_control, place } = tool;
        // What is said of a function beside it, where there is such a place.
        let tool = || place.of_item();
        if cache_control.is_some() {
            dropped.hint(&tool().name("cache_control"));
        }
        if *strict == Some(true) {
            dropped.hint(&place.name("strict"));
        }
        // A choice among some that may also be none can only be said by not telling of the others.
        if matches!(choice, Some(ToolChoice::Allowed { names, .. }) if !names.contains(name)) {
            continue;
        }
        let (name, description) = (names.ours(name), description.as_deref());
        if offered.iter().any(|other: &Function<'_>| other.name == name) {
            // Declared twice, it is refused with all others.
            dropped.hint(&tool().to_string());
            continue;
        }
        let parameters_json_schema = parameters.map(schema::of_arguments);
        offered.push(Function { name, description, parameters_json_schema });
    }
    let (mode, allowed_function_names) = match choice {
        None => return (offered, None),
        Some(choice) if offered.is_empty() => {
            if !matches!(choice, ToolChoice::Auto | ToolChoice::None | ToolChoice::Allowed { required: false, .. }) {
                dropped.hint("tool_choice");
            }
            return (offered, None);
        }
        Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => ("AUTO", Vec::new()),
        Some(ToolChoice::None) => ("NONE", Vec::new()),
        Some(ToolChoice::Required | ToolChoice::Allowed { .. }) => ("ANY", Vec::new()),
        Some(ToolChoice::Named(name)) => ("ANY", vec![names.ours(name)]),
    };
    (offered, Some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names } }))
}

fn too_deep(name: &str) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("invalid_value".to_owned()),
        param: Some(name.to_owned()),
        message: "The schema is nested too deeply.".to_owned(),
    }
}
