//! A conversation in Converse: the body of `POST /model/MODEL/converse` and `converse-stream`. The model and whether it is a stream stand in
//! the path.
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each part of a conversation is in it, or refused, or named as dropped.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::answer::object;
use super::family::{self, Caches, Family, Reasoning, TopK};
use super::messages::{MEDIA, Writer, cache_point, odd_members, thin};
use super::wire::{
    Body, Choice, Effort, Format, Inference, JsonSchema, Kind, NovaReasoning, Output, Own, Raw, Schema, Structure,
    Tool, Tools,
};
use crate::chat::{self, ApiError, Conversation, Effort as Asked, OutputFormat, Thinking};
use crate::dialect::anthropic_messages::provider::family as messages_family;
use crate::dialect::anthropic_messages::provider::{
    JSON_ONLY, JSON_TOOL, UNUSED_TOOL, sampling, schema, too_deep, tools, turns, wire as messages,
};
use crate::dialect::names::Names;
use crate::dialect::read::{Object, loose_list, loose_text};
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{Echo, Encoded, Target};

/// Members at the top that Converse has after all.
const OWN: &[&str] = &[
    "guardrailConfig",
    "performanceConfig",
    "requestMetadata",
    "metadata",
    "service_tier",
    "serviceTier",
    "safety_identifier",
    "anthropic_beta",
    "additionalModelRequestFields",
];
/// The most entries that `requestMetadata` holds, and the longest of their names and values.
const MOST_ENTRIES: usize = 16;
const LONGEST_ENTRY: usize = 256;
/// Flags of Anthropic's that Converse takes; others are refused there. Source: LiteLLM 1.106.2's list of them.
const BETAS: &[&str] = &[
    "computer-use-2024-10-22",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "structured-outputs-2025-11-13",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
];

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 that names the member which Converse or the model cannot express, or which is broken.
pub fn write(conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    // Each part by its name: one that is added to a conversation must be thought of here, or where it is written.
    let Conversation {
        turns: _,
        tools: _,
        foreign_tools: _,
        tool_choice: _,
        parallel_tool_calls: _,
        output: _,
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
    name_marks(conversation, family, &mut dropped);
    let names = Names::of(conversation, &[JSON_TOOL, UNUSED_TOOL]);
    let mut talk = turns::write(conversation, &names, family.rules.prefill, &MEDIA, &mut dropped)?;
    let format = format(conversation, family, &mut talk, &mut dropped)?;
    let (bodies, choice) = tools(conversation, family, &names, talk.has_calls(), &mut dropped)?;
    let mut own = own(conversation, family, choice.as_ref(), &talk, &mut dropped);
    let inference_config = inference(conversation, target, family, &mut own, &mut dropped);
    for (is_there, name) in [(verbosity.is_some(), words.verbosity), (cache_control.is_some(), "cache_control")] {
        if is_there {
            dropped.hint(name);
        }
    }
    let request_metadata = metadata(conversation, user.as_deref(), &mut dropped);
    let guardrail_config = guardrail(conversation, &mut dropped);
    let service_tier = service_tier(conversation, &mut dropped);
    let mut writer = Writer { conversation, family, dropped: &mut dropped, names: BTreeSet::new(), apart: Vec::new() };
    let mut system = writer.system(talk.system);
    let mut all = writer.turns(talk.turns);
    let mut tool_config = tool_config(bodies, choice, &mut writer);
    thin(tool_config.as_mut(), &mut system, &mut all, &mut dropped);
    if !family.system
        && let Some(first) = all.first_mut()
    {
        system.append(&mut first.content);
        std::mem::swap(&mut first.content, &mut system);
    }
    own.give_way();
    let body = Body {
        system,
        messages: all,
        inference_config,
        tool_config,
        guardrail_config,
        additional_model_request_fields: own.says().then_some(own),
        request_metadata,
        performance_config: member(conversation, "performanceConfig"),
        service_tier: service_tier.as_deref().map(|r#type| Kind { r#type }),
        output_config: format,
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.into_names(conversation), echo: Echo::of(conversation, &names) })
}

/// The shape of the answer, for a model that takes one. Others are told, or get a tool that takes the answer ([`tools`]).
fn format<'r>(
    conversation: &'r Conversation<'_>,
    family: Family,
    talk: &mut turns::Conversation<'_>,
    dropped: &mut DroppedFields,
) -> Result<Option<Output<'r>>, ApiError> {
    match &conversation.output {
        Some(OutputFormat::JsonSchema { name, description, schema, strict: _ }) if family.rules.structured => {
            let schema = schema::of_answer(*schema).ok_or_else(too_deep)?.to_string();
            let name = Some(name.as_ref()).filter(|name| !name.is_empty());
            let structure = Structure { json_schema: JsonSchema { schema, name, description: description.as_deref() } };
            return Ok(Some(Output { text_format: Format { r#type: "json_schema", structure } }));
        }
        Some(OutputFormat::JsonSchema { description: Some(_), .. }) => {
            dropped.hint(&format!("{}.{}", conversation.words.output, conversation.words.schema_description));
        }
        Some(OutputFormat::JsonObject) => {
            talk.system.push(messages::Block::Text { text: JSON_ONLY, cache_control: None });
        }
        Some(OutputFormat::JsonSchema { .. } | OutputFormat::Text) | None => {}
    }
    Ok(None)
}

type Chosen<'r> = (Vec<messages::ToolBody<'r>>, Option<messages::Choice<'r>>);

/// The tools, and the choice among them as far as it can be said.
fn tools<'r>(
    conversation: &'r Conversation<'_>,
    family: Family,
    names: &'r Names<'_>,
    has_calls: bool,
    dropped: &mut DroppedFields,
) -> Result<Chosen<'r>, ApiError> {
    let Conversation { words, .. } = conversation;
    let (mut bodies, mut choice) = tools::write(conversation, family.rules, names, has_calls, dropped)?;
    let has_own = !conversation.tools.is_empty();
    // There is no word for "none". Where the history calls them, the tools must stand there.
    if has_own && choice.as_ref().is_some_and(|choice| choice.r#type == "none") {
        if has_calls { dropped.hint("tool_choice") } else { bodies.clear() }
    }
    // A family that cannot be made to call the tool that takes the answer may still call it.
    if !family.rules.forced_tools && choice.as_ref().is_some_and(tools::is_forced) {
        choice = None;
        dropped.hint(words.output);
    }
    // One that cannot be demanded by its name is the only one that is told of.
    if !family.named_tools
        && let Some(choice) = choice.as_mut().filter(|choice| choice.r#type == "tool")
    {
        choice.r#type = "any";
        let name = choice.name.take();
        bodies.retain(|tool| Some(tool.name) == name);
    }
    if family.bare_schemas {
        for body in &mut bodies {
            let gone = schema::bare(&mut body.input_schema);
            let tool = conversation.tools.iter().find(|tool| names.ours(&tool.name) == body.name);
            match tool.map(|tool| tool.place.name(words.parameters)) {
                Some(place) => gone.iter().for_each(|name| dropped.hint(&format!("{place}.{name}"))),
                // It is the one that takes the answer.
                None if !gone.is_empty() => dropped.hint(words.output),
                None => {}
            }
        }
    }
    if has_own && (conversation.parallel_tool_calls == Some(false) || conversation.deprecated_functions) {
        dropped.hint(words.parallel_tool_calls);
    }
    Ok((bodies, choice))
}

/// Limits and sampling; `top_k` goes to what is the family's own.
fn inference<'r>(
    conversation: &'r Conversation<'_>,
    target: Target<'_>,
    family: Family,
    own: &mut Own<'_>,
    dropped: &mut DroppedFields,
) -> Option<Inference<'r>> {
    let Conversation { max_tokens, temperature, top_p, top_k, stop, words, .. } = conversation;
    let top_k = sampling::top_k(*top_k, family.rules, own.thinking.as_ref(), dropped);
    match (family.top_k, top_k) {
        (TopK::Top, _) => own.top_k = top_k,
        (TopK::Nova, _) => own.inference = top_k.map(|top_k| super::wire::TopK { top_k }),
        (TopK::Nowhere, Some(_)) => dropped.hint("top_k"),
        (TopK::Nowhere, None) => {}
    }
    let (temperature, top_p) = sampling::sampling(*temperature, *top_p, family.rules, own.thinking.as_ref(), dropped);
    let max_tokens = match own.thinking {
        Some(messages::Thinking::Enabled { .. }) => {
            Some(sampling::max_tokens(*max_tokens, target.max_output_tokens, own.thinking.as_ref()))
        }
        _ => *max_tokens,
    };
    let stop_sequences = match family.blank_stops {
        true => {
            let kept: Vec<&str> = stop.iter().map(AsRef::as_ref).filter(|text: &&str| !text.is_empty()).collect();
            if kept.len() < stop.len() {
                dropped.hint(words.stop);
            }
            kept
        }
        false => sampling::stop_sequences(stop, words.stop, dropped),
    };
    let says = max_tokens.is_some() || temperature.is_some() || top_p.is_some() || !stop_sequences.is_empty();
    says.then_some(Inference {
        max_tokens,
        temperature,
        top_p: top_p.map(|top_p| top_p.clamp(0.0, 1.0)),
        stop_sequences,
    })
}

/// The tools, each with its mark behind it.
fn tool_config<'r>(
    bodies: Vec<messages::ToolBody<'r>>,
    choice: Option<messages::Choice<'r>>,
    writer: &mut Writer<'_, '_, '_, '_>,
) -> Option<Tools<'r>> {
    let mut tools = Vec::with_capacity(bodies.len());
    for messages::ToolBody { name, description, input_schema: json, strict, cache_control } in bodies {
        let description = description.filter(|text| !text.trim().is_empty());
        tools.push(Tool::ToolSpec { name, description, input_schema: Schema { json }, strict });
        if let Some(mark) = cache_control.filter(|_| writer.family.caches == Caches::Tools) {
            tools.push(Tool::CachePoint(cache_point(mark)));
        }
    }
    let tool_choice = choice.and_then(|choice| match (choice.r#type, choice.name) {
        ("auto", _) => Some(Choice::Auto {}),
        ("any", _) => Some(Choice::Any {}),
        ("tool", Some(name)) => Some(Choice::Tool { name }),
        _ => None,
    });
    (!tools.is_empty()).then_some(Tools { tools, tool_choice })
}

/// What only the model's family knows.
fn own<'r>(
    conversation: &'r Conversation<'_>,
    family: Family,
    choice: Option<&messages::Choice<'_>>,
    talk: &turns::Conversation<'_>,
    dropped: &mut DroppedFields,
) -> Own<'r> {
    let Conversation { effort, thinking, words, .. } = conversation;
    let mut own = Own { anthropic_beta: betas(conversation, family, dropped), ..Own::default() };
    if let Some(fields) = member(conversation, "additionalModelRequestFields") {
        own.others = members(fields);
    }
    let asked = effort.or_else(|| thinking.map(by_thinking));
    let effort = |least: Asked, most: Asked| asked.map(|asked| asked.clamp(least, most).as_str());
    let is_off = asked == Some(Asked::None);
    match family.reasoning {
        Reasoning::Claude => {
            let rules = family.rules;
            let is_forced = choice.is_some_and(tools::is_forced);
            let unfit = is_forced || rules.thinking == messages_family::Thinking::Budget && talk.thoughts_are_lost();
            let (thinking, effort) =
                sampling::thinking(conversation.effort, *thinking, rules, unfit, words.effort, dropped);
            own.thinking = thinking;
            own.output_config = effort.map(|effort| Effort { effort });
        }
        Reasoning::Nova if is_off => {
            own.reasoning_config = Some(NovaReasoning { r#type: "disabled", max_reasoning_effort: None });
        }
        Reasoning::Nova => {
            own.reasoning_config = effort(Asked::Low, Asked::High)
                .map(|effort| NovaReasoning { r#type: "enabled", max_reasoning_effort: Some(effort) });
        }
        // It cannot be told not to think.
        Reasoning::Effort => own.reasoning_effort = effort(Asked::Low, Asked::High),
        Reasoning::Nested => {
            let effort = asked.map(|asked| if asked == Asked::Minimal { Asked::Low } else { asked });
            own.reasoning = effort.map(|effort| Effort { effort: effort.as_str() });
        }
        Reasoning::Untold => {
            for (is_there, name) in [(thinking.is_some(), "thinking"), (conversation.effort.is_some(), words.effort)] {
                if is_there && !is_off {
                    dropped.hint(name);
                }
            }
        }
    }
    own
}

impl Own<'_> {
    /// What the client wrote here itself stands in place of what was made of other members.
    fn give_way(&mut self) {
        let Self { others, .. } = self;
        if others.is_empty() {
            return;
        }
        let is = |name: &str| others.contains_key(name);
        self.anthropic_beta.retain(|_| !is("anthropic_beta"));
        self.thinking.take_if(|_| is("thinking"));
        self.output_config.take_if(|_| is("output_config"));
        self.top_k.take_if(|_| is("top_k"));
        self.inference.take_if(|_| is("inferenceConfig"));
        self.reasoning_config.take_if(|_| is("reasoningConfig"));
        self.reasoning_effort.take_if(|_| is("reasoning_effort"));
        self.reasoning.take_if(|_| is("reasoning"));
    }

    /// Whether anything is in it.
    fn says(&self) -> bool {
        !self.anthropic_beta.is_empty()
            || self.thinking.is_some()
            || self.output_config.is_some()
            || self.top_k.is_some()
            || self.inference.is_some()
            || self.reasoning_config.is_some()
            || self.reasoning_effort.is_some()
            || self.reasoning.is_some()
            || !self.others.is_empty()
    }
}

/// Anthropic's word for thinking as an effort.
fn by_thinking(thinking: Thinking) -> Asked {
    match thinking {
        Thinking::Disabled => Asked::None,
        Thinking::Adaptive { .. } => Asked::Medium,
        Thinking::Enabled { budget_tokens, .. } => match budget_tokens.unwrap_or_default() {
            4096.. => Asked::High,
            2048.. => Asked::Medium,
            _ => Asked::Low,
        },
    }
}

/// Anthropic's flags that Converse takes.
fn betas(conversation: &Conversation<'_>, family: Family, dropped: &mut DroppedFields) -> Vec<&'static str> {
    let Some(raw) = member(conversation, "anthropic_beta") else { return Vec::new() };
    let asked: Vec<Cow<'_, str>> = match loose_list(raw) {
        Some(flags) => flags.into_iter().filter_map(loose_text).collect(),
        None => loose_text(raw).into_iter().collect(),
    };
    let mut found = Vec::new();
    for flag in asked.iter().flat_map(|flags| flags.split(',')).map(str::trim).filter(|flag| !flag.is_empty()) {
        let known = BETAS.iter().find(|known| **known == flag).filter(|_| family.reasoning == Reasoning::Claude);
        match known {
            Some(known) => found.push(*known),
            None => dropped.hint(&format!("anthropic_beta.{flag}")),
        }
    }
    found
}

/// Names the marks that the family takes nowhere, and what Converse does not know of others.
fn name_marks(conversation: &Conversation<'_>, family: Family, dropped: &mut DroppedFields) {
    let mut mark = |mark: Option<&RawValue>, place: chat::Place, needs: Caches| {
        let Some(mark) = mark else { return };
        if family.caches < needs {
            return dropped.hint(&place.name("cache_control"));
        }
        for name in odd_members(mark) {
            dropped.hint(&place.name(&format!("cache_control.{name}")));
        }
    };
    for tool in &conversation.tools {
        mark(tool.cache_control, tool.place, Caches::Tools);
    }
    for turn in &conversation.turns {
        mark(turn.cache_control, turn.place, Caches::Messages);
        for block in &turn.blocks {
            mark(block.cache_control, block.place, Caches::Messages);
            if let chat::Content::ToolResult { blocks, .. } = &block.content {
                for block in blocks {
                    mark(block.cache_control, block.place, Caches::Messages);
                }
            }
        }
    }
}

/// What is said of a request beside it: the end user, and the client's own entries, as far as they fit.
fn metadata(
    conversation: &Conversation<'_>,
    user: Option<&str>,
    dropped: &mut DroppedFields,
) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in ["requestMetadata", "metadata"] {
        let Some(raw) = member(conversation, name) else { continue };
        let Some(fields) = object(raw.get()) else {
            dropped.hint(name);
            continue;
        };
        for (key, value) in fields.into_members() {
            match loose_text(value).filter(|text| fits(&key, text) && found.len() < MOST_ENTRIES) {
                Some(text) => drop(found.insert(key.into_owned(), text.into_owned())),
                None => dropped.hint(&format!("{name}.{key}")),
            }
        }
    }
    let safety = member(conversation, "safety_identifier").and_then(loose_text);
    let users = [(user, conversation.words.user), (safety.as_deref(), "safety_identifier")];
    for (value, name) in users {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        if fits("user", value) && found.len() < MOST_ENTRIES && !found.contains_key("user") {
            found.insert("user".to_owned(), value.to_owned());
        } else {
            dropped.hint(name);
        }
    }
    found
}

/// Whether an entry of `requestMetadata` is one: the service's own pattern.
fn fits(key: &str, value: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c);
    let fits = |text: &str| text.len() <= LONGEST_ENTRY && text.chars().all(plain);
    !key.is_empty() && fits(key) && fits(value)
}

/// The guardrail. Only a stream has a mode of processing.
fn guardrail<'r>(conversation: &'r Conversation<'_>, dropped: &mut DroppedFields) -> Option<Raw<'r>> {
    const KNOWN: &[&str] = &["guardrailIdentifier", "guardrailVersion", "trace"];
    const MODE: &str = "streamProcessingMode";
    let raw = member(conversation, "guardrailConfig")?;
    let mut found = members(raw);
    found.retain(|name, _| {
        let is_known = KNOWN.contains(&name.as_str());
        if !is_known && name != MODE {
            dropped.hint(&format!("guardrailConfig.{name}"));
        }
        is_known || (name == MODE && conversation.stream)
    });
    if found.is_empty() {
        dropped.hint("guardrailConfig");
    }
    (!found.is_empty()).then_some(found)
}

/// The tier, by OpenAI's word for it or by Bedrock's.
fn service_tier<'r>(conversation: &'r Conversation<'_>, dropped: &mut DroppedFields) -> Option<Cow<'r, str>> {
    let own = member(conversation, "serviceTier").and_then(|raw| loose_text(object(raw.get())?.take("type")?));
    let name = if own.is_some() { "serviceTier" } else { "service_tier" };
    let tier = own.or_else(|| member(conversation, "service_tier").and_then(loose_text))?;
    match tier.as_ref() {
        "default" | "flex" | "priority" | "reserved" => Some(tier),
        "auto" => None,
        _ => {
            dropped.hint(name);
            None
        }
    }
}

/// A member at the top that no neutral form holds.
fn member<'r>(conversation: &'r Conversation<'_>, name: &str) -> Option<&'r RawValue> {
    conversation.other.iter().find(|(known, _)| known == name).map(|(_, raw)| *raw)
}

/// An object's members by name.
fn members(raw: &RawValue) -> Raw<'_> {
    let fields = object(raw.get()).map(Object::into_members).unwrap_or_default();
    fields.into_iter().map(|(name, value)| (name.into_owned(), value)).collect()
}
