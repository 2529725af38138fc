//! The tools of a client's request, and the choice among them, also by their deprecated names.

use serde_json::value::RawValue;

use crate::chat::{ApiError, Conversation, ForeignTool, Member, Place, Tool, ToolChoice};
use crate::dialect::read::{
    Object, Path, Unread, array, boolean, mark, object, optional, raw_object, required, text, wrong_value,
};

/// Reads the tools. Those that are no functions are the list's own: the client named no place of them that a provider knows.
pub(super) fn offered<'a>(raw: &'a RawValue, into: &mut Conversation<'a>, unread: &mut Unread) -> Result<(), ApiError> {
    let list = Path::Top("tools");
    for (index, raw) in array(raw, list)?.into_iter().enumerate() {
        let place = Place::item(Member::Tools, index);
        let path = Path::from(place);
        let function = object(raw, path, unread, |fields, unread| {
            if optional(fields, path, "type", text)?.is_some_and(|kind| kind != "function") {
                fields.cover();
                return Ok(None);
            }
            let cache_control = mark(fields, path, unread);
            let within = place.below(Member::Function);
            let mut tool = required(fields, path, "function", |raw, _| function(raw, within, unread))?;
            if cache_control.is_some() && tool.cache_control.is_some() {
                unread.name(Path::from(within).field("cache_control"));
            }
            tool.cache_control = cache_control.or(tool.cache_control);
            Ok(Some(tool))
        })?;
        match function {
            Some(tool) => into.tools.push(tool),
            None => into.foreign_tools.push(ForeignTool {
                name: None,
                is_optional: false,
                place: Place::top(Member::Tools),
            }),
        }
    }
    Ok(())
}

fn function<'a>(raw: &'a RawValue, place: Place, unread: &mut Unread) -> Result<Tool<'a>, ApiError> {
    let path = Path::from(place);
    object(raw, path, unread, |fields, unread| {
        Ok(Tool {
            parameters: optional(fields, path, "parameters", raw_object)?,
            name: required(fields, path, "name", text)?,
            description: optional(fields, path, "description", text)?,
            strict: optional(fields, path, "strict", boolean)?,
            cache_control: mark(fields, path, unread),
            place,
        })
    })
}

/// Reads the deprecated names of tools and of the choice among them.
pub(super) fn functions<'a>(
    fields: &mut Object<'a>,
    into: &mut Conversation<'a>,
    unread: &mut Unread,
) -> Result<(), ApiError> {
    let list = Path::Top("functions");
    let Some(raw) = fields.take("functions") else { return Ok(()) };
    for (index, raw) in array(raw, list)?.into_iter().enumerate() {
        into.tools.push(function(raw, Place::item(Member::Functions, index), unread)?);
    }
    into.deprecated_functions = !into.tools.is_empty();
    let path = Path::Top("function_call");
    let Some(raw) = fields.take("function_call") else { return Ok(()) };
    if raw.get().starts_with('"') {
        into.tool_choice = Some(match text(raw, path)?.as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            other => return Err(wrong_value(path, other, "'none', 'auto', and a function's name")),
        });
        return Ok(());
    }
    let name = object(raw, path, unread, |fields, _| required(fields, path, "name", text))?;
    into.tool_choice = Some(ToolChoice::Named(name));
    Ok(())
}

/// Reads a tool choice; `None` where it is one for other tools than functions.
pub(super) fn tool_choice<'a>(raw: &'a RawValue, unread: &mut Unread) -> Result<Option<ToolChoice<'a>>, ApiError> {
    let path = Path::Top("tool_choice");
    if raw.get().starts_with('"') {
        return match text(raw, path)?.as_ref() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            other => Err(wrong_value(path, other, "'none', 'auto', and 'required'")),
        };
    }
    object(raw, path, unread, |fields, unread| match optional(fields, path, "type", text)?.as_deref() {
        None | Some("function") => {
            let name = |raw, path: Path<'_>| object(raw, path, unread, |it, _| required(it, path, "name", text));
            Ok(Some(ToolChoice::Named(required(fields, path, "function", name)?)))
        }
        Some("allowed_tools") => required(fields, path, "allowed_tools", |raw, path| allowed_tools(raw, path, unread)),
        Some(_) => {
            fields.cover();
            Ok(None)
        }
    })
}

/// Reads which tools are allowed; those that are no functions have no neutral form, and are none of the request's functions either.
fn allowed_tools<'a>(
    raw: &'a RawValue,
    path: Path<'_>,
    unread: &mut Unread,
) -> Result<Option<ToolChoice<'a>>, ApiError> {
    object(raw, path, unread, |fields, unread| {
        let required_call = match required(fields, path, "mode", text)?.as_ref() {
            "auto" => false,
            "required" => true,
            other => return Err(wrong_value(path.field("mode"), other, "'auto', and 'required'")),
        };
        let list = path.field("tools");
        let mut names = Vec::new();
        for (index, raw) in required(fields, path, "tools", array)?.into_iter().enumerate() {
            let path = list.index(index);
            let name = object(raw, path, unread, |fields, unread| {
                if optional(fields, path, "type", text)?.is_some_and(|kind| kind != "function") {
                    unread.name(path);
                    fields.cover();
                    return Ok(None);
                }
                // The name stands in `function`, or, as some write it, beside the type.
                match fields.take("function") {
                    Some(raw) => {
                        let path = path.field("function");
                        object(raw, path, unread, |it, _| required(it, path, "name", text)).map(Some)
                    }
                    None => required(fields, path, "name", text).map(Some),
                }
            })?;
            names.extend(name);
        }
        Ok(ToolChoice::allowed(required_call, names))
    })
}
