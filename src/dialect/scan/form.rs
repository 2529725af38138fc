//! The top of a body that is a form (`multipart/form-data`), as files are sent: its model is a field.
//!
//! **Invariant:** a form that names the model twice is refused, because the provider could read the other one. So is one that another reader
//! could part in another way, because that would find another model in it.

use memchr::memmem;

use super::members::CLIENT_SIDE;
use super::{BodyScan, invalid, no_model, not_for_clients, unreadable};
use crate::chat::ApiError;

/// What parts its fields, by its `content-type`; `None`: it is no form, or readers could take something else for its boundary.
#[must_use]
pub fn boundary(content_type: &str) -> Option<&str> {
    const NAME: &str = "boundary";
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let parameters = parameters.split(';').filter_map(|parameter| parameter.trim().split_at_checked(NAME.len()));
    let mut found = parameters.filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
    let (Some((_, value)), None) = (found.next(), found.next()) else { return None };
    let value = value.strip_prefix('=')?.trim_matches('"');
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte));
    (is_plain && !value.is_empty()).then_some(value)
}

/// Reads it.
///
/// # Errors
/// An [`ApiError`] of status 400 where it is no such form, or names no model, or two, or what LiteLLM's clients would choose a host by.
pub fn read<'a>(body: &'a [u8], boundary: &str) -> Result<BodyScan<'a>, ApiError> {
    let broken = || unreadable("the request body is not a form that every reader reads alike");
    let (mut models, mut found) = (0, None);
    for field in fields(body, boundary).ok_or_else(broken)? {
        for name in names(field.head).ok_or_else(broken)? {
            if let Some(name) = CLIENT_SIDE.iter().find(|known| **known == name) {
                return Err(not_for_clients(name));
            }
            // Some providers read names in any case.
            models += u32::from(name.eq_ignore_ascii_case("model"));
            found = if name == "model" { Some(field) } else { found };
        }
    }
    if models > 1 {
        return Err(invalid("the form names `model` more than once", "model", None));
    }
    let Field { start, value, .. } = found.ok_or_else(no_model)?;
    let model = std::str::from_utf8(value).map_err(|_| unreadable("the form's `model` is not valid UTF-8"))?;
    if model.is_empty() {
        return Err(no_model());
    }
    let mut scan = BodyScan::read(br#"{"model":"-"}"#)?;
    scan.model = model.into();
    scan.model_span = start..start + value.len();
    Ok(scan)
}

/// One field.
#[derive(Clone, Copy)]
struct Field<'b> {
    head: &'b [u8],
    value: &'b [u8],
    /// Where its value begins in the body.
    start: usize,
}

/// The fields of a form. `None`: another reader could part it in another way, because the boundary stands in the middle of a line, or a field
/// has no head, or the form no end.
fn fields<'b>(body: &'b [u8], boundary: &str) -> Option<Vec<Field<'b>>> {
    let delimiter = ["--", boundary].concat();
    let mut places = memmem::find_iter(body, &delimiter);
    let first = places.next().filter(|first| matches!(body.get(..*first), Some(b"" | b"\r\n")))?;
    let (mut from, mut fields) = (first + delimiter.len(), Vec::new());
    for place in places {
        let field = body.get(from..place)?.strip_suffix(b"\r\n").filter(|field| field.starts_with(b"\r\n"))?;
        let head = memmem::find(field, b"\r\n\r\n")?;
        fields.push(Field { head: field.get(2..head)?, value: field.get(head + 4..)?, start: from + head + 4 });
        from = place + delimiter.len();
    }
    body.get(from..)?.strip_prefix(b"--")?.iter().all(u8::is_ascii_whitespace).then_some(fields)
}

/// The names that a field's head gives it. `None`: readers could find another one there.
fn names(head: &[u8]) -> Option<Vec<String>> {
    let head = String::from_utf8_lossy(head);
    let mut names = Vec::new();
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':')?;
        if line.starts_with([' ', '\t']) || line.contains(['\r', '\n']) {
            return None;
        }
        if !name.trim().eq_ignore_ascii_case("content-disposition") {
            continue;
        }
        let mut is_quoted = false;
        let parts = |c: char| {
            is_quoted ^= c == '"';
            c == ';' && !is_quoted
        };
        for (name, value) in value.split(parts).filter_map(|parameter| parameter.split_once('=')) {
            let name = name.trim();
            // A name in another encoding, and quotes within quotes.
            if name.eq_ignore_ascii_case("name*") || value.contains("\\\"") {
                return None;
            }
            if name.eq_ignore_ascii_case("name") {
                names.push(value.trim().trim_matches('"').trim().to_owned());
            }
        }
    }
    Some(names)
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

    #[test]
    fn a_form_that_readers_could_read_in_two_ways_is_refused() {
        let field =
            |head: &str, value: &str| format!("--B\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n");
        let cheap = field("name=\"model\"", "cheap");
        let other = |head: &str| field(head, "smart");
        assert_eq!(&*read(format!("\r\n{cheap}--B--\r\n").as_bytes(), "B").unwrap().model, "cheap");
        let odd_heads = [
            "NAME=\"model\"",
            "name = model",
            "name=\"Model\"",
            "name*=utf-8''model",
            "name=\"x\"; name=model",
            "filename=\"a\\\"; name=\"model\"",
            "x=\"--B\"; name=\"model\"",
        ];
        let mut forms: Vec<String> = odd_heads.iter().map(|head| [cheap.clone(), other(head)].concat()).collect();
        let smart = other("name=\"model\"");
        forms.extend([
            [&cheap, &*smart.replace("\r\n", "\n")].concat(),
            [&smart.replace("\r\n", "\n"), &*cheap].concat(),
            [&cheap, &*smart.replace("; name", ";\r\n name")].concat(),
            [&cheap, "--B--\r\n", &*smart].concat(),
            [&cheap, "--B \r\n", smart.trim_start_matches("--B\r\n")].concat(),
            ["preamble\r\n", &*cheap].concat(),
            [&cheap, "--B\r\n\r\nno head\r\n"].concat(),
            [&cheap, &*field("name=\"api_base\"", "http://elsewhere")].concat(),
        ]);
        for form in forms {
            assert!(read(format!("{form}--B--\r\n").as_bytes(), "B").is_err(), "{form}");
        }
        for form in [cheap.clone(), format!("{cheap}--B"), format!("{cheap}--B--\r\n{smart}--B--")] {
            assert!(read(form.as_bytes(), "B").is_err(), "{form}");
        }
        let kinds = [
            "boundary=A; boundary=B",
            "boundary =A; boundary=B",
            "boundary=A; boundary*=B",
            "boundary=\"a\\b\"",
            "boundary=",
        ];
        for kind in kinds {
            assert_eq!(boundary(&format!("multipart/form-data; {kind}")), None, "{kind}");
        }
    }
}
