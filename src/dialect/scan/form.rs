//! The top of a body that is a form (`multipart/form-data`), as files are sent: its model is a field.
//!
//! **Invariant:** a form that names the model twice is refused, because the provider could read the other one.

use memchr::memmem;

use super::{BodyScan, invalid, no_model, unreadable};
use crate::chat::ApiError;

/// What parts its fields, by its `content-type`; `None`: it is no form.
#[must_use]
pub fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let named =
        |parameter: &'_ str| parameter.trim().get(..9).is_some_and(|name| name.eq_ignore_ascii_case("boundary="));
    let found = parameters.split(';').find(|parameter| named(parameter))?;
    let value = found.split_once('=')?.1.trim().trim_matches('"');
    (!value.is_empty()).then_some(value)
}

/// Reads it.
///
/// # Errors
/// An [`ApiError`] of status 400 where it is no such form, or names no model, or two.
pub fn read<'a>(body: &'a [u8], boundary: &str) -> Result<BodyScan<'a>, ApiError> {
    let delimiter = ["--", boundary].concat();
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut found = None;
    let mut starts = finder.find_iter(body).map(|at| at + delimiter.len()).peekable();
    while let Some(start) = starts.next() {
        // What ends the last field ends the form.
        let Some(next) = starts.peek() else { break };
        let end = next - delimiter.len();
        let field = body.get(start..end).unwrap_or_default();
        let Some(head) = memmem::find(field, b"\r\n\r\n") else { continue };
        if !is_model(field.get(..head).unwrap_or_default()) {
            continue;
        }
        let value = field.get(head + 4..).unwrap_or_default();
        let value = value.strip_suffix(b"\r\n").unwrap_or(value);
        if found.replace((start + head + 4, value)).is_some() {
            return Err(invalid("the form names `model` more than once", "model", None));
        }
    }
    let (start, value) = found.ok_or_else(no_model)?;
    let model = std::str::from_utf8(value).map_err(|_| unreadable("the form's `model` is not valid UTF-8"))?;
    if model.is_empty() {
        return Err(no_model());
    }
    let mut scan = BodyScan::read(br#"{"model":"-"}"#)?;
    scan.model = model.into();
    scan.model_span = start..start + value.len();
    Ok(scan)
}

/// Whether a field's head says that it is the model.
fn is_model(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let mut parameters = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    });
    parameters.any(|value| value.split(';').any(|it| matches!(it.trim(), "name=\"model\"" | "name=model")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_model_is_a_field() {
        let kind = "multipart/form-data; boundary=\"x y\"; charset=utf-8";
        assert_eq!(
            (boundary(kind), boundary("application/json"), boundary("multipart/mixed; boundary=a")),
            (Some("x y"), None, None)
        );
        let field =
            |name: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n");
        let file = field("name=\"file\"; filename=\"name=model\"", "\u{0}model\r\n\r\n");
        let form = |fields: &[String]| format!("{}--B--\r\n", fields.concat()).into_bytes();
        let body = form(&[file.clone(), field("name=\"model\"", "whisper-1"), field("name=\"language\"", "en")]);
        let scan = read(&body, "B").unwrap();
        assert_eq!(
            (&*scan.model, &body[scan.model_span.clone()], scan.stream),
            ("whisper-1", &b"whisper-1"[..], false)
        );
        assert_eq!(read(&form(std::slice::from_ref(&file)), "B").unwrap_err().param.as_deref(), Some("model"));
        let twice = form(&[field("name=model", "a"), field("name=\"model\"", "b")]);
        assert!(read(&twice, "B").unwrap_err().message.contains("more than once"));
        assert!(read(b"", "B").is_err() && read(b"--B", "B").is_err() && read(b"--B--B--B", "B").is_err());
    }
}
