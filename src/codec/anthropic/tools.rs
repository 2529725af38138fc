//! Tools and how freely they may be called.
//!
//! Two tools are ours: one that takes the answer in the shape of a schema, for models that know no other way, and one that
//! stands in where the history has calls but the request no tools, which Anthropic refuses.
//!
//! **Invariant:** a choice is only sent with tools, and our stand-in can never be called.

use super::family::Family;
use super::schema;
use super::wire::{Choice, ToolBody};
use crate::chat::{ApiError, ChatRequest, ResponseFormat, Tool, ToolChoice};
use crate::codec::loss::Loss;

/// The tool whose input is the answer. LiteLLM's name, so that a conversation can move between the two.
pub const JSON_TOOL: &str = "json_tool_call";
const UNUSED_TOOL: &str = "unused_tool";

/// The tools and the choice among them.
///
/// # Errors
/// An [`ApiError`] of status 400 where a call is demanded that the model cannot be forced to.
pub fn tools<'r>(
    request: &'r ChatRequest<'_>,
    family: Family,
    has_calls: bool,
    loss: &mut Loss,
) -> Result<(Vec<ToolBody<'r>>, Option<Choice<'r>>), ApiError> {
    let mut tools: Vec<_> = request.tools.iter().map(tool).collect();
    let mut choice = None;
    if !tools.is_empty() {
        choice = request.tool_choice.as_ref().map(wanted);
        if choice.as_ref().is_some_and(is_forced) && !family.forced_tools {
            loss.semantic("tool_choice")?;
            choice = Some(plain("auto"));
        }
    }
    if let (false, Some(ResponseFormat::JsonSchema { schema, .. })) = (family.structured, &request.response_format) {
        choice = Some(match choice {
            // Either one of the client's tools or the answer, but no free text.
            Some(Choice { r#type: "auto" | "any", .. }) => plain("any"),
            Some(choice @ Choice { r#type: "tool", .. }) => choice,
            None if !tools.is_empty() => plain("any"),
            _ => Choice { name: Some(JSON_TOOL), ..plain("tool") },
        });
        let description = Some("Gives the answer in the shape that is asked for.");
        let input_schema = schema::of_tool(*schema);
        tools.push(ToolBody { name: JSON_TOOL, description, input_schema, cache_control: None });
    }
    if tools.is_empty() && has_calls {
        let (description, input_schema) = (Some("Not available."), schema::of_tool(None));
        tools.push(ToolBody { name: UNUSED_TOOL, description, input_schema, cache_control: None });
        choice = Some(plain("none"));
    }
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
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

fn wanted<'r>(choice: &'r ToolChoice<'_>) -> Choice<'r> {
    match choice {
        ToolChoice::Auto => plain("auto"),
        ToolChoice::None => plain("none"),
        ToolChoice::Required => plain("any"),
        ToolChoice::Named(name) => Choice { name: Some(name), ..plain("tool") },
    }
}

fn tool<'r>(tool: &'r Tool<'_>) -> ToolBody<'r> {
    ToolBody {
        name: &tool.name,
        description: tool.description.as_deref(),
        input_schema: schema::of_tool(tool.parameters),
        cache_control: tool.cache_control,
    }
}
