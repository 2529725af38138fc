//! The client's chat request: bytes to [`ChatRequest`], borrowed.
//!
//! Strict where a wrong guess would send something else than the client meant (messages, roles, tools, types of known
//! fields), tolerant elsewhere: unknown fields wait in `other` for the codec that knows whether it can say them.
//!
//! **Invariant:** never panics, never recurses with the input's depth, and reads nothing it does not name.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{
    ApiError, ChatRequest, Content, Message, Part, ReasoningEffort, ResponseFormat, Role, Tool, ToolChoice, ToolUse,
};
use crate::dialect::fields::{
    Left, Object, Place, array, boolean, breakpoint, mark, missing, number, object, optional, required, text,
    unsupported, whole, wrong_value,
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
    let left = &mut Left::default();
    let mut request = ChatRequest {
        messages: messages(take, left)?,
        parallel_tool_calls: top(take, "parallel_tool_calls", boolean)?,
        response_format: top(take, "response_format", |raw, place| response_format(raw, place, left))?,
        temperature: top(take, "temperature", number)?,
        top_p: top(take, "top_p", number)?,
        stop: top(take, "stop", stop)?.unwrap_or_default(),
        reasoning_effort: top(take, "reasoning_effort", effort)?,
        user: top(take, "user", text)?,
        stream: top(take, "stream", boolean)?.unwrap_or_default(),
        include_usage: top(take, "stream_options", |raw, place| include_usage(raw, place, left))?.unwrap_or_default(),
        ..ChatRequest::default()
    };
    let deprecated = top(take, "max_tokens", whole)?;
    request.max_tokens = top(take, "max_completion_tokens", whole)?.or(deprecated);
    let (tools_raw, choice_raw) = (take.take("tools"), take.take("tool_choice"));
    let mut foreign: Vec<(Cow<'_, str>, &RawValue)> = Vec::new();
    if let Some(raw) = tools_raw {
        let all = tools(raw, &mut request.tools, left)?;
        foreign.extend((!all).then_some((Cow::Borrowed("tools"), raw)));
    }
    if let Some(raw) = choice_raw {
        request.tool_choice = tool_choice(raw, left)?;
        foreign.extend(request.tool_choice.is_none().then_some((Cow::Borrowed("tool_choice"), raw)));
    }
    if tools_raw.is_none() {
        functions(&mut fields, &mut request, left)?;
    }
    request.other = fields.rest();
    request.other.append(&mut foreign);
    request.unknown = std::mem::take(left).into_names();
    Ok(request)
}

fn top<'a, T>(
    fields: &mut Object<'a>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Place<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, Place::top(name))).transpose()
}

fn messages<'a>(fields: &mut Object<'a>, left: &mut Left) -> Result<Vec<Message<'a>>, ApiError> {
    let place = Place::top("messages");
    let raw = fields.take("messages").ok_or_else(|| missing(place))?;
    let items = array(raw, place)?;
    if items.is_empty() {
        return Err(wrong_value(place, "[]", "a list of at least one message"));
    }
    items.into_iter().enumerate().map(|(index, raw)| message(raw, place.index(index), left)).collect()
}

fn message<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<Message<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let spoken = required(&mut fields, place, "role", text)?;
    let role = match spoken.as_ref() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        other => return Err(wrong_value(place.field("role"), other, ROLES)),
    };
    let cache_control = mark(&mut fields, place, left);
    let read = |raw, place: Place<'_>| content(raw, place, left);
    let mut content = optional(&mut fields, place, "content", read)?.unwrap_or(Content::None);
    if let Some(refusal) = optional(&mut fields, place, "refusal", text)? {
        match content {
            Content::None => content = Content::Parts(vec![Part::Refusal(refusal, None)]),
            _ => left.name(place.field("refusal")),
        }
    }
    let name = optional(&mut fields, place, "name", text)?;
    let mut tool_call_id = optional(&mut fields, place, "tool_call_id", text)?;
    if role == Role::Tool && tool_call_id.is_none() {
        // The deprecated `function` role answers by name; so does the call that `function_call` becomes below.
        tool_call_id = Some(name.clone().ok_or_else(|| missing(place.field("tool_call_id")))?);
    }
    let mut tool_calls =
        optional(&mut fields, place, "tool_calls", |raw, place| tool_calls(raw, place, left))?.unwrap_or_default();
    if let Some(mut call) = optional(&mut fields, place, "function_call", |raw, place| called(raw, place, left))? {
        call.id = call.name.clone();
        tool_calls.push(call);
    }
    let thinking_blocks = fields.take("thinking_blocks");
    if thinking_blocks.is_some() {
        // The same thoughts once more, as they are shown.
        fields.take("reasoning_content");
    }
    let is_error = if role == Role::Tool { optional(&mut fields, place, "is_error", boolean)? } else { None };
    left.rest(fields, place);
    Ok(Message { role, content, tool_calls, tool_call_id, name, thinking_blocks, cache_control, is_error })
}

fn content<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<Content<'a>, ApiError> {
    if !raw.get().starts_with('[') {
        return text(raw, place).map(Content::Text);
    }
    let parts = array(raw, place)?.into_iter().enumerate().map(|(index, raw)| part(raw, place.index(index), left));
    parts.collect::<Result<_, _>>().map(Content::Parts)
}

fn part<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<Part<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let kind = required(&mut fields, place, "type", text)?;
    // OpenAI's mark has no choices but the one.
    let mark = mark(&mut fields, place, left).or(breakpoint(&mut fields));
    let part = match kind.as_ref() {
        "text" => Part::Text(required(&mut fields, place, "text", text)?, mark),
        "refusal" => Part::Refusal(required(&mut fields, place, "refusal", text)?, mark),
        "image_url" => {
            let (url, detail) = required(&mut fields, place, "image_url", |raw, place| image(raw, place, left))?;
            Part::Image(url, detail, mark)
        }
        "file" => match required(&mut fields, place, "file", |raw, place| file(raw, place, left))? {
            (Some(data), name) => Part::File(data, name, mark),
            // A file by id lives at another provider.
            (None, _) => Part::Other(kind),
        },
        // What is lost with it has no name of its own.
        _ => return Ok(Part::Other(kind)),
    };
    left.rest(fields, place);
    Ok(part)
}

fn image<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<Image<'a>, ApiError> {
    if raw.get().starts_with('"') {
        return Ok((text(raw, place)?, None));
    }
    let mut fields = object(raw, place)?;
    let url = required(&mut fields, place, "url", text)?;
    let detail = optional(&mut fields, place, "detail", text)?;
    left.rest(fields, place);
    Ok((url, detail))
}

type Image<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);
type File<'a> = (Option<Cow<'a, str>>, Option<Cow<'a, str>>);

fn file<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<File<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let mut data = optional(&mut fields, place, "file_data", text)?;
    let id = optional(&mut fields, place, "file_id", text)?;
    match id {
        None => {}
        // LiteLLM's clients write a URL here.
        Some(url) if data.is_none() && url.starts_with("http") => data = Some(url),
        Some(_) if data.is_some() => left.name(place.field("file_id")),
        Some(_) => {}
    }
    let name = optional(&mut fields, place, "filename", text)?;
    if data.is_some() {
        left.rest(fields, place);
    }
    Ok((data, name))
}

fn tool_calls<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<Vec<ToolUse<'a>>, ApiError> {
    let calls = array(raw, place)?.into_iter().enumerate().map(|(index, raw)| tool_call(raw, place.index(index), left));
    calls.collect()
}

fn tool_call<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<ToolUse<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    if optional(&mut fields, place, "type", text)?.is_some_and(|kind| kind != "function") {
        return Err(unsupported(place.field("type")));
    }
    let id = required(&mut fields, place, "id", text)?;
    let call = required(&mut fields, place, "function", |raw, place| called(raw, place, left))?;
    let cache_control = mark(&mut fields, place, left);
    // A number that clients keep from a stream; the order says it.
    fields.take("index");
    left.rest(fields, place);
    Ok(ToolUse { id, cache_control, ..call })
}

fn called<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<ToolUse<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let name = required(&mut fields, place, "name", text)?;
    let arguments = match fields.take("arguments") {
        // Some clients replay the arguments as the object they parsed.
        Some(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw.get()),
        Some(raw) => text(raw, place.field("arguments"))?,
        None => Cow::Borrowed(""),
    };
    left.rest(fields, place);
    Ok(ToolUse { id: Cow::Borrowed(""), name, arguments, cache_control: None })
}

/// Reads the functions among the tools; false where there are other tools too.
fn tools<'a>(raw: &'a RawValue, functions: &mut Vec<Tool<'a>>, left: &mut Left) -> Result<bool, ApiError> {
    let mut all = true;
    let list = Place::top("tools");
    for (index, raw) in array(raw, list)?.into_iter().enumerate() {
        let place = list.index(index);
        let mut fields = object(raw, place)?;
        if optional(&mut fields, place, "type", text)?.is_some_and(|kind| kind != "function") {
            all = false;
            continue;
        }
        let cache_control = mark(&mut fields, place, left);
        let mut tool = required(&mut fields, place, "function", |raw, place| function(raw, place, left))?;
        tool.cache_control = cache_control.or(tool.cache_control);
        left.rest(fields, place);
        functions.push(tool);
    }
    Ok(all)
}

fn function<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<Tool<'a>, ApiError> {
    let mut fields = object(raw, place)?;
    let parameters = fields.take("parameters");
    if let Some(raw) = parameters {
        object(raw, place.field("parameters"))?;
    }
    let tool = Tool {
        name: required(&mut fields, place, "name", text)?,
        description: optional(&mut fields, place, "description", text)?,
        parameters,
        strict: optional(&mut fields, place, "strict", boolean)?,
        cache_control: mark(&mut fields, place, left),
    };
    left.rest(fields, place);
    Ok(tool)
}

/// Reads the deprecated names of tools and of the choice among them.
fn functions<'a>(fields: &mut Object<'a>, request: &mut ChatRequest<'a>, left: &mut Left) -> Result<(), ApiError> {
    let list = Place::top("functions");
    let Some(raw) = fields.take("functions") else { return Ok(()) };
    for (index, raw) in array(raw, list)?.into_iter().enumerate() {
        request.tools.push(function(raw, list.index(index), left)?);
    }
    request.deprecated_functions = !request.tools.is_empty();
    let place = Place::top("function_call");
    let Some(raw) = fields.take("function_call") else { return Ok(()) };
    if raw.get().starts_with('"') {
        request.tool_choice = Some(match text(raw, place)?.as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            other => return Err(wrong_value(place, other, "'none', 'auto', and a function's name")),
        });
        return Ok(());
    }
    let mut function = object(raw, place)?;
    request.tool_choice = Some(ToolChoice::Named(required(&mut function, place, "name", text)?));
    left.rest(function, place);
    Ok(())
}

/// Reads a tool choice; `None` where it is one for other tools than functions.
fn tool_choice<'a>(raw: &'a RawValue, left: &mut Left) -> Result<Option<ToolChoice<'a>>, ApiError> {
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
    match optional(&mut fields, place, "type", text)?.as_deref() {
        None | Some("function") => {}
        Some("allowed_tools") => return allowed_tools(&mut fields, place).map(Some),
        Some(_) => return Ok(None),
    }
    let mut function = required(&mut fields, place, "function", object)?;
    let name = required(&mut function, place.field("function"), "name", text)?;
    left.rest(function, place.field("function"));
    left.rest(fields, place);
    Ok(Some(ToolChoice::Named(name)))
}

/// Reads which tools are allowed; those that are no functions have no neutral form, and are none of the request's functions either.
fn allowed_tools<'a>(fields: &mut Object<'a>, place: Place<'_>) -> Result<ToolChoice<'a>, ApiError> {
    let within = place.field("allowed_tools");
    let mut fields = required(fields, place, "allowed_tools", object)?;
    let required_call = match required(&mut fields, within, "mode", text)?.as_ref() {
        "auto" => false,
        "required" => true,
        other => return Err(wrong_value(within.field("mode"), other, "'auto', and 'required'")),
    };
    let list = within.field("tools");
    let mut names = Vec::new();
    for (index, raw) in required(&mut fields, within, "tools", array)?.into_iter().enumerate() {
        let place = list.index(index);
        let mut fields = object(raw, place)?;
        if optional(&mut fields, place, "type", text)?.is_none_or(|kind| kind == "function") {
            // The name stands in `function`, or, as some write it, beside the type.
            let mut function = optional(&mut fields, place, "function", object)?.unwrap_or(fields);
            names.push(required(&mut function, place, "name", text)?);
        }
    }
    Ok(ToolChoice::Allowed { required: required_call, names })
}

fn response_format<'a>(raw: &'a RawValue, place: Place<'_>, left: &mut Left) -> Result<ResponseFormat<'a>, ApiError> {
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
            let strict = optional(&mut fields, within, "strict", boolean)?;
            left.rest(fields, within);
            Ok(ResponseFormat::JsonSchema { name, schema, strict })
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

fn include_usage(raw: &RawValue, place: Place<'_>, left: &mut Left) -> Result<bool, ApiError> {
    let mut fields = object(raw, place)?;
    let include = optional(&mut fields, place, "include_usage", boolean)?.unwrap_or_default();
    // It pads the chunks of one provider.
    fields.take("include_obfuscation");
    left.rest(fields, place);
    Ok(include)
}
