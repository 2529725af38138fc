//! The client's chat request: bytes to [`ChatRequest`], borrowed.
//!
//! Strict where a wrong guess would send something else than the client meant (messages, roles, tools, types of known
//! fields), tolerant elsewhere: unknown fields wait in `other` for the codec that knows whether it can say them.
//!
//! **Invariant:** never panics, never recurses with the input's depth, and reads nothing it does not name.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::fields::{
    Object, Place, array, boolean, missing, number, object, optional, required, text, unsupported, whole, wrong_value,
};
use crate::chat::{
    ApiError, ChatRequest, Content, Message, Part, ReasoningEffort, ResponseFormat, Role, Tool, ToolChoice, ToolUse,
};

const EFFORTS: &str = "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', and 'max'";
const ROLES: &str = "'system', 'developer', 'user', 'assistant', 'tool', and 'function'";

/// Reads the body of `POST /v1/chat/completions`. Tools and tool choices that are no functions have no neutral form: the raw
/// `tools` or `tool_choice` is then in `other` as well.
///
/// # Errors
/// An [`ApiError`] of status 400 in OpenAI's words, with the field's place as `param`.
pub fn decode(body: &[u8]) -> Result<ChatRequest<'_>, ApiError> {
    let mut fields: Object<'_> = serde_json::from_slice(body).map_err(|error| ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: None,
        param: None,
        message: format!("We could not parse the JSON body of your request: {error}."),
    })?;
    fields.take("model");
    let take = &mut fields;
    let mut request = ChatRequest {
        messages: messages(take)?,
        parallel_tool_calls: top(take, "parallel_tool_calls", boolean)?,
        response_format: top(take, "response_format", response_format)?,
        temperature: top(take, "temperature", number)?,
        top_p: top(take, "top_p", number)?,
        stop: top(take, "stop", stop)?.unwrap_or_default(),
        reasoning_effort: top(take, "reasoning_effort", effort)?,
        user: top(take, "user", text)?,
        stream: top(take, "stream", boolean)?.unwrap_or_default(),
        include_usage: top(take, "stream_options", include_usage)?.unwrap_or_default(),
        ..ChatRequest::default()
    };
    let deprecated = top(take, "max_tokens", whole)?;
    request.max_tokens = top(take, "max_completion_tokens", whole)?.or(deprecated);
    let (tools_raw, choice_raw) = (take.take("tools"), take.take("tool_choice"));
    let mut foreign: Vec<(Cow<'_, str>, &RawValue)> = Vec::new();
    if let Some(raw) = tools_raw {
        let all = tools(raw, &mut request.tools)?;
        foreign.extend((!all).then_some((Cow::Borrowed("tools"), raw)));
    }
    if let Some(raw) = choice_raw {
        request.tool_choice = tool_choice(raw)?;
        foreign.extend(request.tool_choice.is_none().then_some((Cow::Borrowed("tool_choice"), raw)));
    }
    request.other = fields.rest();
    request.other.append(&mut foreign);
    Ok(request)
}

fn top<'a, T>(
    fields: &mut Object<'a>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Place<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, Place::top(name))).transpose()
}

fn messages<'a>(fields: &mut Object<'a>) -> Result<Vec<Message<'a>>, ApiError> {
    let place = Place::top("messages");
    let raw = fields.take("messages").ok_or_else(|| missing(place))?;
    let items = array(raw, place)?;
    if items.is_empty() {
        return Err(wrong_value(place, "[]", "a list of at least one message"));
    }
    items.into_iter().enumerate().map(|(index, raw)| message(raw, place.index(index))).collect()
}

fn message<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Message<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let spoken = required(&mut fields, place, "role", text)?;
    let role = match spoken.as_ref() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        other => return Err(wrong_value(place.field("role"), other, ROLES)),
    };
    let cache_control = fields.take("cache_control");
    let mut content = optional(&mut fields, place, "content", content)?.unwrap_or(Content::None);
    if let (Content::Text(words), Some(_)) = (&mut content, cache_control) {
        content = Content::Parts(vec![Part::Text(std::mem::take(words), cache_control)]);
    }
    if let (Content::None, Some(refusal)) = (&content, optional(&mut fields, place, "refusal", text)?) {
        content = Content::Parts(vec![Part::Refusal(refusal)]);
    }
    let name = optional(&mut fields, place, "name", text)?;
    let mut tool_call_id = optional(&mut fields, place, "tool_call_id", text)?;
    if role == Role::Tool && tool_call_id.is_none() {
        // The deprecated `function` role answers by name; so does the call that `function_call` becomes below.
        tool_call_id = Some(name.clone().ok_or_else(|| missing(place.field("tool_call_id")))?);
    }
    let mut tool_calls = optional(&mut fields, place, "tool_calls", tool_calls)?.unwrap_or_default();
    if let Some(mut call) = optional(&mut fields, place, "function_call", called)? {
        call.id = call.name.clone();
        tool_calls.push(call);
    }
    Ok(Message { role, content, tool_calls, tool_call_id, name, thinking_blocks: fields.take("thinking_blocks") })
}

fn content<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Content<'a>, ApiError> {
    if !raw.get().starts_with('[') {
        return text(raw, place).map(Content::Text);
    }
    let parts = array(raw, place)?.into_iter().enumerate().map(|(index, raw)| part(raw, place.index(index)));
    parts.collect::<Result<_, _>>().map(Content::Parts)
}

fn part<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Part<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let kind = required(&mut fields, place, "type", text)?;
    Ok(match kind.as_ref() {
        "text" => Part::Text(required(&mut fields, place, "text", text)?, fields.take("cache_control")),
        "refusal" => Part::Refusal(required(&mut fields, place, "refusal", text)?),
        "image_url" => required(&mut fields, place, "image_url", image)?,
        "file" => match required(&mut fields, place, "file", file)? {
            (Some(data), name) => Part::File(data, name),
            // A file by id lives at another provider.
            (None, _) => Part::Other(kind),
        },
        _ => Part::Other(kind),
    })
}

fn image<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Part<'a>, ApiError> {
    if raw.get().starts_with('"') {
        return Ok(Part::Image(text(raw, place)?, None));
    }
    let mut fields = object(raw, place)?;
    let url = required(&mut fields, place, "url", text)?;
    Ok(Part::Image(url, optional(&mut fields, place, "detail", text)?))
}

type File<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn file<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<File<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let data = optional(&mut fields, place, "file_data", text)?;
    Ok((data, optional(&mut fields, place, "filename", text)?))
}

fn tool_calls<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Vec<ToolUse<'a>>, ApiError> {
    let calls = array(raw, place)?.into_iter().enumerate().map(|(index, raw)| tool_call(raw, place.index(index)));
    calls.collect()
}

fn tool_call<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<ToolUse<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    if optional(&mut fields, place, "type", text)?.is_some_and(|kind| kind != "function") {
        return Err(unsupported(place.field("type")));
    }
    let id = required(&mut fields, place, "id", text)?;
    let call = required(&mut fields, place, "function", called)?;
    Ok(ToolUse { id, ..call })
}

fn called<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<ToolUse<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let name = required(&mut fields, place, "name", text)?;
    let arguments = match fields.take("arguments") {
        // Some clients replay the arguments as the object they parsed.
        Some(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw.get()),
        Some(raw) => text(raw, place.field("arguments"))?,
        None => Cow::Borrowed(""),
    };
    Ok(ToolUse { id: Cow::Borrowed(""), name, arguments })
}

/// Reads the functions among the tools; false where there are other tools too.
fn tools<'a>(raw: &'a RawValue, functions: &mut Vec<Tool<'a>>) -> Result<bool, ApiError> {
    let mut all = true;
    let list = Place::top("tools");
    for (index, raw) in array(raw, list)?.into_iter().enumerate() {
        let place = list.index(index);
        let mut fields = object(raw, place)?;
        if optional(&mut fields, place, "type", text)?.is_some_and(|kind| kind != "function") {
            all = false;
            continue;
        }
        let cache_control = fields.take("cache_control");
        let mut tool = required(&mut fields, place, "function", function)?;
        tool.cache_control = cache_control.or(tool.cache_control);
        functions.push(tool);
    }
    Ok(all)
}

fn function<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Tool<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let parameters = fields.take("parameters");
    if let Some(raw) = parameters {
        object(raw, place.field("parameters"))?;
    }
    Ok(Tool {
        name: required(&mut fields, place, "name", text)?,
        description: optional(&mut fields, place, "description", text)?,
        parameters,
        strict: optional(&mut fields, place, "strict", boolean)?,
        cache_control: fields.take("cache_control"),
    })
}

/// Reads a tool choice; `None` where it is one for other tools than functions.
fn tool_choice(raw: &RawValue) -> Result<Option<ToolChoice<'_>>, ApiError> {
    let place = Place::top("tool_choice");
    if raw.get().starts_with('"') {
        return match text(raw, place)?.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(wrong_value(place, other, "'none', 'auto', and 'required'")),
        };
    }
    let mut fields = object(raw, place)?;
    if optional(&mut fields, place, "type", text)?.is_some_and(|kind| kind != "function") {
        return Ok(None);
    }
    let mut function = required(&mut fields, place, "function", object)?;
    required(&mut function, place.field("function"), "name", text).map(|name| Some(ToolChoice::Named(name)))
}

fn response_format<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<ResponseFormat<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let kind = required(&mut fields, place, "type", text)?;
    match kind.as_ref() {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => {
            let within = place.field("json_schema");
            let mut fields = required(&mut fields, place, "json_schema", object)?;
            let schema = fields.take("schema");
            if let Some(raw) = schema {
                object(raw, within.field("schema"))?;
            }
            let name = optional(&mut fields, within, "name", text)?.unwrap_or_default();
            Ok(ResponseFormat::JsonSchema { name, schema, strict: optional(&mut fields, within, "strict", boolean)? })
        }
        other => Err(wrong_value(place.field("type"), other, "'text', 'json_object', and 'json_schema'")),
    }
}

fn stop<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    if !raw.get().starts_with('[') {
        return Ok(vec![text(raw, place)?]);
    }
    array(raw, place)?.into_iter().enumerate().map(|(index, raw)| text(raw, place.index(index))).collect()
}

fn effort(raw: &RawValue, place: Place<'_>) -> Result<ReasoningEffort, ApiError> {
    Ok(match text(raw, place)?.as_ref() {
        "none" => ReasoningEffort::None,
        "minimal" => ReasoningEffort::Minimal,
        "low" => ReasoningEffort::Low,
        "medium" => ReasoningEffort::Medium,
        "high" => ReasoningEffort::High,
        "xhigh" => ReasoningEffort::XHigh,
        "max" => ReasoningEffort::Max,
        other => return Err(wrong_value(place, other, EFFORTS)),
    })
}

fn include_usage(raw: &RawValue, place: Place<'_>) -> Result<bool, ApiError> {
    let mut fields = object(raw, place)?;
    Ok(optional(&mut fields, place, "include_usage", boolean)?.unwrap_or_default())
}
