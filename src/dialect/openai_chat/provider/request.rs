//! Writes a neutral request in OpenAI's dialect.
//!
//! The router itself never needs this: a client's body goes to an OpenAI-compatible provider as it came, with the model
//! replaced. It serves `translate`, and clients of other dialects once there are any.
//!
//! **Invariant:** what has no place in this dialect is refused or named as dropped; marks for caches and thinking of other
//! providers, which change no answer, are left out silently.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::json;

use crate::chat::{
    ApiError, ChatRequest, Content, Message, Part, ReasoningEffort, ResponseFormat, Role, Tool, ToolChoice, ToolUse,
};
use crate::dialect::{Echo, Encoded, Target};

/// Encodes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 for a part of a message whose type has no neutral form, unless such are to be dropped.
pub fn request(request: &ChatRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    let mut dropped = request.unknown.clone();
    for (index, message) in request.messages.iter().enumerate() {
        let Content::Parts(parts) = &message.content else { continue };
        for part in parts {
            let Part::Other(kind) = part else { continue };
            if !target.drop_params {
                return Err(unsupported(index, kind));
            }
            dropped.push(format!("messages[{index}].content.{kind}"));
        }
    }
    let body = serde_json::to_vec(&Body { request, model: target.model }).map_err(|error| ApiError {
        status: 500,
        kind: "server_error",
        code: None,
        param: None,
        message: format!("the request cannot be written as JSON: {error}"),
    })?;
    Ok(Encoded { body, dropped, echo: Echo::default() })
}

fn unsupported(index: usize, kind: &str) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("unsupported_parameter".into()),
        param: Some(format!("messages[{index}].content")),
        message: format!("content parts of type '{kind}' cannot be translated"),
    }
}

struct Body<'a> {
    request: &'a ChatRequest<'a>,
    model: &'a str,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let r = self.request;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("messages", &r.messages.iter().map(Wire).collect::<Vec<_>>())?;
        // Where some of the tools are no functions, all of them stand raw in `other`.
        if !r.tools.is_empty() && r.other.iter().all(|(name, _)| name != "tools") {
            map.serialize_entry("tools", &r.tools.iter().map(Wire).collect::<Vec<_>>())?;
        }
        optional(&mut map, "tool_choice", r.tool_choice.as_ref().map(Wire))?;
        optional(&mut map, "parallel_tool_calls", r.parallel_tool_calls)?;
        optional(&mut map, "response_format", r.response_format.as_ref().map(Wire))?;
        optional(&mut map, "max_completion_tokens", r.max_tokens)?;
        optional(&mut map, "temperature", r.temperature)?;
        optional(&mut map, "top_p", r.top_p)?;
        optional(&mut map, "stop", Some(&r.stop).filter(|stop| !stop.is_empty()))?;
        optional(&mut map, "reasoning_effort", r.reasoning_effort.map(effort))?;
        optional(&mut map, "user", r.user.as_ref())?;
        optional(&mut map, "stream", r.stream.then_some(true))?;
        optional(&mut map, "stream_options", r.include_usage.then(|| json!({"include_usage": true})))?;
        for (name, raw) in &r.other {
            map.serialize_entry(name, raw)?;
        }
        map.end()
    }
}

/// A neutral thing as it stands on the wire.
struct Wire<'a, T>(&'a T);

impl Serialize for Wire<'_, Message<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", role(message.role))?;
        map.serialize_entry("content", &Wire(&message.content))?;
        if !message.tool_calls.is_empty() {
            map.serialize_entry("tool_calls", &message.tool_calls.iter().map(Wire).collect::<Vec<_>>())?;
        }
        optional(&mut map, "tool_call_id", message.tool_call_id.as_ref())?;
        optional(&mut map, "name", message.name.as_ref())?;
        map.end()
    }
}

impl Serialize for Wire<'_, Content<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Content::None => serializer.serialize_none(),
            Content::Text(text) => serializer.serialize_str(text),
            Content::Parts(parts) => {
                let mut list = serializer.serialize_seq(None)?;
                for part in parts.iter().filter(|part| !matches!(part, Part::Other(_))) {
                    list.serialize_element(&Wire(part))?;
                }
                list.end()
            }
        }
    }
}

impl Serialize for Wire<'_, Part<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let part = match self.0 {
            Part::Text(text, _) => json!({"type": "text", "text": text}),
            Part::Image(url, None, _) => json!({"type": "image_url", "image_url": {"url": url}}),
            Part::Image(url, Some(detail), _) => {
                json!({"type": "image_url", "image_url": {"url": url, "detail": detail}})
            }
            Part::File(data, None, _) => json!({"type": "file", "file": {"file_data": data}}),
            Part::File(data, Some(name), _) => json!({"type": "file", "file": {"file_data": data, "filename": name}}),
            Part::Refusal(text, _) => json!({"type": "refusal", "refusal": text}),
            Part::Other(kind) => json!({"type": kind}),
        };
        part.serialize(serializer)
    }
}

impl Serialize for Wire<'_, ToolUse<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ToolUse { id, name, arguments, .. } = self.0;
        let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        call.serialize(serializer)
    }
}

impl Serialize for Wire<'_, Tool<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("function", &Function(self.0))?;
        map.end()
    }
}

struct Function<'a>(&'a Tool<'a>);

impl Serialize for Function<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.0.name)?;
        optional(&mut map, "description", self.0.description.as_ref())?;
        optional(&mut map, "parameters", self.0.parameters)?;
        optional(&mut map, "strict", self.0.strict)?;
        map.end()
    }
}

impl Serialize for Wire<'_, ToolChoice<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ToolChoice::Auto => serializer.serialize_str("auto"),
            ToolChoice::None => serializer.serialize_str("none"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Allowed { required, names } => {
                let function = |name| json!({"type": "function", "function": {"name": name}});
                let tools: Vec<_> = names.iter().map(function).collect();
                let mode = if *required { "required" } else { "auto" };
                json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}).serialize(serializer)
            }
            ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}).serialize(serializer),
        }
    }
}

impl Serialize for Wire<'_, ResponseFormat<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.0 {
            ResponseFormat::Text => map.serialize_entry("type", "text")?,
            ResponseFormat::JsonObject => map.serialize_entry("type", "json_object")?,
            schema @ ResponseFormat::JsonSchema { .. } => {
                map.serialize_entry("type", "json_schema")?;
                map.serialize_entry("json_schema", &Schema(schema))?;
            }
        }
        map.end()
    }
}

struct Schema<'a>(&'a ResponseFormat<'a>);

impl Serialize for Schema<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let ResponseFormat::JsonSchema { name, schema, strict } = self.0 {
            map.serialize_entry("name", name)?;
            optional(&mut map, "schema", *schema)?;
            optional(&mut map, "strict", *strict)?;
        }
        map.end()
    }
}

fn optional<M: SerializeMap>(map: &mut M, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

const fn effort(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::None => "none",
        ReasoningEffort::Minimal => "minimal",
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
        ReasoningEffort::XHigh => "xhigh",
        ReasoningEffort::Max => "max",
    }
}
