//! What an error body says, whoever wrote it: an `error` object, string or list, a flat object, a list of objects, text, HTML.
//!
//! A document tree is built here, unlike anywhere else: errors are rare and small, and their shapes too many for types.
//!
//! **Invariant:** reads any bytes; a body that is nested too deep for the parser counts as text.

use serde_json::{Map, Value};

use super::{is_compressed, phrases, redact, time, without_mark};

/// How much of a body's text is searched, in bytes.
const LOOK: usize = 64 << 10;

/// What an error body says.
#[derive(Debug, Default)]
pub struct Said {
    /// The provider's message as it came; empty where there is none.
    message: String,
    /// Codes, types, statuses and exception names, normalised for lookup, in the order they came.
    pub words: Vec<String>,
    /// The provider's own code, else its type.
    pub code: Option<String>,
    /// The parameter it complains about.
    pub param: Option<String>,
    /// An HTTP status of an error, where the body names one.
    pub status: Option<u16>,
    /// Everything it says, in [`phrases::plain`] form.
    pub text: String,
    /// A moderator flagged the input.
    pub flagged: bool,
    /// How long it asks to wait, in milliseconds.
    pub retry_ms: Option<u64>,
}

impl Said {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Self {
        let mut said = Self::default();
        if is_compressed(body) {
            return said;
        }
        let body = without_mark(body);
        let Ok(tree) = serde_json::from_slice::<Value>(body) else {
            let text = String::from_utf8_lossy(body.get(..LOOK).unwrap_or(body));
            said.message = text.trim().to_owned();
            said.text = phrases::plain(&text);
            return said;
        };
        let mut text = String::new();
        said.gather(&tree, &mut text);
        said.text = phrases::plain(&text);
        let root = tree.get(0).unwrap_or(&tree);
        let error = root.get("error").filter(|error| error.is_object()).unwrap_or(root);
        said.message = message(root).unwrap_or_else(|| root.to_string());
        if let Some(raw) = error.pointer("/metadata/raw").and_then(Value::as_str) {
            said.message = format!("{}: {raw}", said.message);
        }
        let named = |key: &str| match error.get(key).or_else(|| root.get(key)) {
            Some(Value::String(name)) if !name.is_empty() => Some(name.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        said.code = named("code").or_else(|| named("type")).or_else(|| named("status")).or_else(|| named("__type"));
        said.param = named("param");
        said
    }

    /// Adds the exception name of the header `x-amzn-errortype`: `Name`, `Name:url` or `namespace#Name`.
    pub fn add_amazon(&mut self, header: &str) {
        let name = exception(header);
        self.words.insert(0, normal(name));
        self.code.get_or_insert_with(|| name.to_owned());
    }

    /// The message, fit for a client.
    pub fn message(&self) -> String {
        let html = |text: &str| ["<html", "<!doctype", "<?xml"].iter().any(|tag| text.contains(tag));
        if html(&redact::cut(&self.message, LOOK).to_lowercase()) {
            return "the provider answered with a web page instead of an API error".into();
        }
        redact::message(&self.message)
    }

    /// Walks the tree: text to search, words to look up, a status, a delay. Leaves out what quotes the request.
    fn gather(&mut self, value: &Value, text: &mut String) {
        match value {
            Value::String(string) if text.len() < LOOK => {
                text.push_str(redact::cut(string, LOOK));
                text.push('\n');
            }
            Value::Array(items) => items.iter().for_each(|item| self.gather(item, text)),
            Value::Object(members) => self.gather_members(members, text),
            _ => {}
        }
    }

    fn gather_members(&mut self, members: &Map<String, Value>, text: &mut String) {
        for (key, value) in members {
            match key.as_str() {
                "input" | "failed_generation" => continue,
                "flagged_input" => {
                    self.flagged = true;
                    continue;
                }
                "retryDelay" => self.retry_ms = value.as_str().and_then(time::duration_ms).or(self.retry_ms),
                "metadata" if value.get("reasons").is_some() => self.flagged = true,
                "code" | "status" | "status_code" | "statusCode" | "raw_status_code" => {
                    self.status = self.status.or_else(|| status(value));
                }
                _ => {}
            }
            if matches!(key.as_str(), "code" | "type" | "status" | "reason" | "error_code" | "__type")
                && let Some(word) = value.as_str()
            {
                self.words.push(normal(exception(word)));
            }
            self.gather(value, text);
        }
    }
}

/// A status of 400 to 599, as a number or in a string.
fn status(value: &Value) -> Option<u16> {
    let status = match value {
        Value::String(digits) => digits.parse().ok()?,
        other => u16::try_from(other.as_u64()?).ok()?,
    };
    (400..600).contains(&status).then_some(status)
}

/// An exception's name without the namespace before it and the URL behind it.
fn exception(text: &str) -> &str {
    let name = text.split(':').next().unwrap_or(text);
    name.rsplit('#').next().unwrap_or(name).trim()
}

fn normal(word: &str) -> String {
    redact::cut(word, 100).to_ascii_lowercase().replace('-', "_")
}

/// The sentence meant for people, wherever it stands.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) => items.iter().find_map(message),
        Value::Object(members) => {
            let inner = members.get("error").filter(|error| error.is_object()).and_then(message);
            let keys = ["message", "Message", "error", "detail", "msg", "errors"];
            let found = inner.or_else(|| keys.iter().find_map(|key| members.get(*key).and_then(message)))?;
            let place = members.get("loc").and_then(Value::as_array).map(|steps| place(steps));
            Some(place.map_or_else(|| found.clone(), |place| format!("{place}: {found}")))
        }
        _ => None,
    }
}

/// Where in the request a validator found fault: `body.stream_options`.
fn place(steps: &[Value]) -> String {
    let steps = steps.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
    steps.collect::<Vec<_>>().join(".")
}
