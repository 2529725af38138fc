//! Tools and how freely they may be called.
//!
//! Two tools are ours: one that takes the answer in the shape of a schema, for models that know no other way, and one that
//! stands in where the history has calls but the request no tools, which Anthropic refuses.
//!
//! **Invariant:** a choice is only sent with tools, and our stand-in can never be called.

use std::borrow::Cow;

use super::family::Family;
use super::schema;
use super::wire::{Choice, Object, ToolBody};
use crate::chat::{ApiError, Conversation, OutputFormat, Tool, ToolChoice};
use crate::dialect::names::Names;
use crate::dialect::tool_schema::{CHOICES, of_tool};
use crate::dialect::unsupported::DroppedFields;

/// The tool whose input is the answer. LiteLLM's name, so that a conversation can move between the two.
pub const JSON_TOOL: &str = "json_tool_call";
/// Stands in where there are calls but no tools.
pub const UNUSED_TOOL: &str = "unused_tool";
/// Anthropic takes no more of strict tools.
const MOST_STRICT: usize = 20;

/// The tools and the choice among them.
///
/// # Errors
/// An [`ApiError`] of status 400 where a call is demanded that the model cannot be forced to.
pub fn write<'r>(
    conversation: &'r Conversation<'_>,
    family: Family,
    names: &'r Names<'_>,
    has_calls: bool,
    dropped: &mut DroppedFields,
) -> Result<(Vec<ToolBody<'r>>, Option<Choice<'r>>), ApiError> {
    let allowed = |name: &Cow<'_, str>| match conversation.choice() {
        Some(ToolChoice::Allowed { names, .. }) => names.contains(name),
        _ => true,
    };
    let mut strict = 0;
    let mut tools = Vec::new();
    for tool in conversation.tools.iter().filter(|tool| allowed(&tool.name)) {
        let mut body = written(tool, names);
        if tool.strict == Some(true) {
            match schema::of_answer(tool.parameters).filter(|_| family.structured && strict < MOST_STRICT) {
                Some(schema) => {
                    strict += 1;
                    (body.strict, body.input_schema) = (Some(true), Object::Typed(schema));
                }
                None => dropped.hint(&tool.place.name("strict")),
            }
        }
        tools.push(body);
    }
    let mut choice = None;
    let has_own = !tools.is_empty();
    if !has_own && matches!(conversation.choice(), Some(ToolChoice::Allowed { required: true, .. })) {
        dropped.semantic("tool_choice")?;
    }
    if !has_own && matches!(conversation.choice(), Some(ToolChoice::Required | ToolChoice::Named(_))) {
        dropped.hint("tool_choice");
    }
    if has_own {
        choice = conversation.choice().map(|choice| wanted(choice, names));
        if choice.as_ref().is_some_and(is_forced) && !family.forced_tools {
            dropped.semantic("tool_choice")?;
            choice = Some(plain("auto"));
        }
    }
    if let (false, Some(OutputFormat::JsonSchema { schema, .. })) = (family.structured, &conversation.output) {
        choice = Some(match choice {
            // Either one of the client's tools or the answer, but no free text.
            Some(Choice { r#type: "auto" | "any", .. }) => plain("any"),
            Some(choice @ Choice { r#type: "tool", .. }) => choice,
            None if !tools.is_empty() => plain("any"),
            _ => Choice { name: Some(JSON_TOOL), ..plain("tool") },
        });
        let description = Some("Gives the answer in the shape that is asked for.");
        let input_schema = of_tool(*schema, CHOICES);
        tools.push(ToolBody { name: JSON_TOOL, description, input_schema, strict: None, cache_control: None });
    }
    if tools.is_empty() && has_calls {
        let (description, input_schema) = (Some("Not available."), of_tool(None, CHOICES));
        tools.push(ToolBody { name: UNUSED_TOOL, description, input_schema, strict: None, cache_control: None });
        choice = Some(plain("none"));
    }
    // A client of the deprecated functions reads one call.
    let one_call = conversation.parallel_tool_calls == Some(false) || conversation.deprecated_functions;
    if one_call && has_own {
        // The flag lives in the choice, so there must be one.
        let choice = choice.get_or_insert(plain("auto"));
        choice.disable_parallel_tool_use = (choice.r#type != "none").then_some(true);
    }
    Ok((tools, choice))
}

/// Whether the choice demands a call.
pub fn is_forced(choice: &Choice<'_>) -> bool {
    matches!(choice.r#type, "any" | "tool")
}

const fn plain<'r>(kind: &'static str) -> Choice<'r> {
    Choice { r#type: kind, name: None, disable_parallel_tool_use: None }
}

fn wanted<'r>(choice: &'r ToolChoice<'_>, names: &'r Names<'_>) -> Choice<'r> {
    match choice {
        ToolChoice::Auto => plain("auto"),
        ToolChoice::None => plain("none"),
        ToolChoice::Required | ToolChoice::Allowed { required: true, .. } => plain("any"),
        ToolChoice::Allowed { .. } => plain("auto"),
        ToolChoice::Named(name) => Choice { name: Some(names.ours(name)), ..plain("tool") },
    }
}

fn written<'r>(tool: &'r Tool<'_>, names: &'r Names<'_>) -> ToolBody<'r> {
    let Tool { name, description, parameters, strict: _, cache_control, place: _ } = tool;
    ToolBody {
        name: names.ours(name),
        description: description.as_deref(),
        input_schema: of_tool(*parameters, CHOICES),
        strict: None,
        cache_control: *cache_control,
    }
}
