//! What Mistral wants otherwise of parts and tools: it refuses every member that it does not know, and has forms of its own for what is
//! attached.
//!
//! **Invariant:** what is left out and says something is named.

use serde_json::{Map, Value, json};

use super::habits::says_something;
use crate::dialect::unsupported::DroppedFields;

type Object = Map<String, Value>;

/// Leaves out of an object what is not in `known`, and names it by its place.
fn only(object: &mut Object, known: &[&str], place: &str, dropped: &mut DroppedFields) {
    object.retain(|name, value| {
        let is_known = known.contains(&name.as_str());
        if !is_known && says_something(value) {
            dropped.hint(&format!("{place}.{name}"));
        }
        is_known
    });
}

fn word<'v>(object: &'v Object, name: &str) -> &'v str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The parts of a message.
pub(super) fn parts(parts: &mut [Value], place: &str, dropped: &mut DroppedFields) {
    for (index, part) in parts.iter_mut().enumerate() {
        let Value::Object(part) = part else { continue };
        let place = format!("{place}.content[{index}]");
        let known: &[&str] = match word(part, "type") {
            "text" => &["type", "text"],
            "image_url" => &["type", "image_url"],
            "file" => {
                attached(part, &place, dropped);
                continue;
            }
            "input_audio" => {
                if let Some(Value::Object(audio)) = part.get_mut("input_audio") {
                    only(audio, &["data"], &format!("{place}.input_audio"), dropped);
                    let data = audio.shift_remove("data").unwrap_or_default();
                    part.insert("input_audio".to_owned(), data);
                }
                &["type", "input_audio"]
            }
            "refusal" => {
                let text = part.shift_remove("refusal").unwrap_or_default();
                part.insert("type".to_owned(), json!("text"));
                part.insert("text".to_owned(), text);
                &["type", "text"]
            }
            _ => continue,
        };
        only(part, known, &place, dropped);
        if let Some(Value::Object(image)) = part.get_mut("image_url") {
            only(image, &["url", "detail"], &format!("{place}.image_url"), dropped);
        }
    }
}

/// A file, which is a document by its URL, or what was sent to Mistral before.
fn attached(part: &mut Object, place: &str, dropped: &mut DroppedFields) {
    only(part, &["type", "file"], place, dropped);
    let Some(Value::Object(mut file)) = part.shift_remove("file") else { return };
    let data = file.shift_remove("file_data").or_else(|| {
        let id = file.get("file_id").and_then(Value::as_str);
        id.is_some_and(|id| id.starts_with("https://")).then(|| file.shift_remove("file_id")).flatten()
    });
    if let Some(data) = data {
        part.insert("type".to_owned(), json!("document_url"));
        part.insert("document_url".to_owned(), data);
        if let Some(name) = file.shift_remove("filename") {
            part.insert("document_name".to_owned(), name);
        }
    } else if let Some(id) = file.shift_remove("file_id") {
        part.insert("file_id".to_owned(), id);
    }
    only(&mut file, &[], &format!("{place}.file"), dropped);
}

/// The tools, and which of them may be called.
pub(super) fn tools(whole: &mut Object, dropped: &mut DroppedFields) {
    let allowed = allowed(whole);
    let Some(Value::Array(tools)) = whole.get_mut("tools") else { return };
    if let Some(allowed) = allowed {
        tools.retain(|tool| tool.pointer("/function/name").is_some_and(|name| allowed.contains(name)));
    }
    for (index, tool) in tools.iter_mut().enumerate() {
        let Value::Object(tool) = tool else { continue };
        if word(tool, "type") != "function" {
            continue;
        }
        let place = format!("tools[{index}]");
        only(tool, &["type", "function"], &place, dropped);
        if let Some(Value::Object(function)) = tool.get_mut("function") {
            let known = ["name", "description", "parameters", "strict"];
            only(function, &known, &format!("{place}.function"), dropped);
            let parameters = function.entry("parameters").or_insert(Value::Null);
            if parameters.is_null() {
                *parameters = json!({"type": "object", "properties": {}});
            }
        }
    }
    if tools.is_empty() {
        super::habits::no_tools(whole);
    } else if let Some(Value::Object(choice)) = whole.get_mut("tool_choice") {
        only(choice, &["type", "function"], "tool_choice", dropped);
        if let Some(Value::Object(function)) = choice.get_mut("function") {
            only(function, &["name"], "tool_choice.function", dropped);
        }
    }
}

/// The names of the tools that may be called, where a client says so: the others are not offered then.
fn allowed(whole: &mut Object) -> Option<Vec<Value>> {
    let choice =
        whole.get_mut("tool_choice").filter(|choice| choice.get("type").is_some_and(|kind| kind == "allowed_tools"))?;
    let of = choice.get_mut("allowed_tools").map(Value::take).unwrap_or_default();
    let is_required = of.get("mode").is_some_and(|mode| mode == "required");
    *choice = json!(if is_required { "any" } else { "auto" });
    let names = of.get("tools").and_then(Value::as_array).into_iter().flatten();
    Some(names.filter_map(|tool| tool.pointer("/function/name").or_else(|| tool.get("name")).cloned()).collect())
}
