//! What an error body says, whatever wrote it: an `error` object, string or list, a flat object, a list of objects, a document within a
//! string, text, XML, a web page.
//!
//! A document tree is built here, unlike anywhere else: errors are rare and small, and their shapes too many for types.
//!
//! **Invariant:** reads any bytes; a body that is nested too deep for the parser counts as text; what quotes the request is not read.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{is_compressed, phrases, redact, retry_after, time, without_mark};

/// How much of a body's text is searched, in bytes.
const LOOK: usize = 16 << 10;
/// How deep documents within strings are read.
const NESTED: u8 = 3;
/// The longest code.
const CODE: usize = 100;

/// Members that quote the request, name it, or lead elsewhere.
const QUOTES: &[&str] = &[
    "input",
    "inputs",
    "failed_generation",
    "prompt",
    "messages",
    "request",
    "request_body",
    "request_id",
    "requestId",
    "requestID",
    "RequestId",
    "req_id",
    "id",
    "user_id",
    "model",
    "model_name",
    "provider_name",
    "param",
    "params",
    "loc",
    "ctx",
    "url",
    "doc_url",
    "documentation_url",
    "help",
    "links",
    "trace",
    "traceback",
    "stack",
    "trace_id",
    "timestamp",
    "value",
    "object",
    "metric",
    "domain",
    "service",
    "headers",
];
/// Members that hold a code, a type or the name of an exception.
const CODES: &[&str] = &[
    "code",
    "Code",
    "type",
    "status",
    "reason",
    "error",
    "error_code",
    "errorCode",
    "error_type",
    "errorType",
    "err_code",
    "error_name",
    "errcode",
    "name",
    "__type",
    "quotaId",
    "title",
    "kind",
    "detail",
    "category",
];
/// Members that hold a number of the provider's own.
const NUMBERS: &[&str] = &["code", "status_code", "error_code", "errcode", "err_code"];

/// What an error body says.
#[derive(Debug, Default)]
pub struct Said {
    /// The provider's message as it came; empty where there is none.
    message: String,
    /// Codes, types, statuses and exception names: letters and digits, lower case, in the order they came.
    pub codes: Vec<String>,
    /// Numbers that are codes.
    pub numbers: Vec<u64>,
    /// The provider's own code, else its type.
    pub code: Option<String>,
    /// The parameter it complains about.
    pub param: Option<String>,
    /// An HTTP status of an error, where the body names one.
    pub status: Option<u16>,
    /// Everything it says, as [`phrases::sentences`].
    pub sentences: Vec<String>,
    /// A moderator flagged the input.
    pub flagged: bool,
    /// How long it asks to wait, in milliseconds.
    pub wait_ms: Option<u64>,
    /// It is a web page.
    pub is_page: bool,
    /// It has MiniMax's shape.
    pub is_base_response: bool,
}

impl Said {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Self {
        let mut said = Self::default();
        if is_compressed(body) {
            return said;
        }
        let body = without_mark(body);
        let mut text = String::new();
        if let Ok(tree) = serde_json::from_slice::<Value>(body) {
            said.gather(&tree, &mut text, NESTED);
            said.name(&tree);
        } else {
            let raw = String::from_utf8_lossy(body.get(..LOOK).unwrap_or(body));
            said.is_page = is_page(&raw);
            said.message = raw.trim().to_owned();
            if !said.is_page {
                said.text(&without_tags(&raw), &mut text, NESTED);
            }
        }
        said.sentences = text.lines().flat_map(phrases::sentences).collect();
        said.wait_ms = said.wait_ms.or_else(|| said.sentences.iter().find_map(|text| retry_after::said_ms(text)));
        said
    }

    /// The message, the code and the parameter that the client may get to see.
    fn name(&mut self, tree: &Value) {
        let root = tree.get(0).unwrap_or(tree);
        let error = root.get("error").filter(|error| error.is_object()).unwrap_or(root);
        self.message = message(root).unwrap_or_else(|| root.to_string());
        if let Some(raw) = error.pointer("/metadata/raw").and_then(Value::as_str) {
            self.message = format!("{}: {raw}", self.message);
        }
        let named = |key: &str| match error.get(key).or_else(|| root.get(key)) {
            Some(Value::String(name)) if !name.is_empty() => Some(name.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        self.code = named("code").or_else(|| named("type")).or_else(|| named("status")).or_else(|| named("__type"));
        self.param = named("param");
    }

    /// Adds the exception name of the header `x-amzn-errortype`: `Name`, `Name:url` or `namespace#Name`.
    pub fn add_amazon(&mut self, header: &str) {
        let name = exception(header);
        self.codes = std::iter::once(squashed(name)).chain(std::mem::take(&mut self.codes)).collect();
        self.code.get_or_insert_with(|| name.to_owned());
    }

    /// The message, fit for a client.
    pub fn message(&self) -> String {
        if self.is_page || is_page(&self.message) || self.message.trim_start().starts_with("<?xml") {
            return "the provider answered with a web page instead of an API error".into();
        }
        redact::message(&self.message)
    }

    /// Whether a code says that the request is at fault.
    pub fn is_request_error(&self) -> bool {
        let parts = ["invalidrequest", "badrequest", "invalidargument", "invalidparameter", "validation"];
        self.codes.iter().any(|code| parts.iter().any(|part| code.contains(part)))
    }

    /// Walks the tree: text to search, codes to look up, a status, a delay. Leaves out what quotes the request.
    fn gather(&mut self, value: &Value, text: &mut String, nested: u8) {
        match value {
            Value::String(string) => self.text(string, text, nested),
            Value::Array(items) => items.iter().for_each(|item| self.gather(item, text, nested)),
            Value::Object(members) => self.gather_members(members, text, nested),
            _ => {}
        }
    }

    fn gather_members(&mut self, members: &Map<String, Value>, text: &mut String, nested: u8) {
        for (key, value) in members {
            let key = key.as_str();
            match key {
                "flagged_input" => self.flagged = true,
                "metadata" if value.get("reasons").is_some() => self.flagged = true,
                "base_resp" => self.is_base_response = true,
                _ => {}
            }
            if QUOTES.contains(&key) {
                continue;
            }
            self.wait_ms = wait_ms(key, value).or(self.wait_ms);
            if matches!(key, "code" | "status" | "status_code" | "statusCode" | "raw_status_code" | "error_code") {
                self.status = self.status.or_else(|| status(value));
            }
            if NUMBERS.contains(&key) {
                self.numbers.extend(number(value));
            }
            if CODES.contains(&key)
                && let Some(code) = value.as_str().filter(|code| is_code(code))
            {
                self.codes.push(squashed(exception(code)));
            }
            self.gather(value, text, nested);
        }
    }

    /// A text: a document within it, or words.
    fn text(&mut self, string: &str, text: &mut String, nested: u8) {
        if text.len() >= LOOK {
            return;
        }
        let string = redact::cut(string, LOOK);
        let begin = string.find(['{', '[']).filter(|_| nested > 0);
        let document = begin.and_then(|begin| {
            let (before, document) = string.split_at_checked(begin)?;
            let mut values = serde_json::Deserializer::from_str(document).into_iter::<Value>();
            let value =
                values.next()?.ok().filter(|value| value.is_object() || value.get(0).is_some_and(Value::is_object))?;
            Some((before, value))
        });
        let words = document.as_ref().map_or(string, |(before, _)| before);
        self.codes
            .extend(words.split_whitespace().filter(|word| is_exception(word)).map(|word| squashed(exception(word))));
        text.push_str(words);
        text.push('\n');
        if let Some((_, value)) = document {
            self.gather(&value, text, nested - 1);
        }
    }
}

/// A delay, where a member gives one.
fn wait_ms(key: &str, value: &Value) -> Option<u64> {
    let scaled = |scale: f64| match value {
        Value::String(text) => time::scaled(text, scale),
        other => time::scaled(&other.to_string(), scale),
    };
    let key = squashed(key);
    match key.as_str() {
        "retrydelay" => value.as_str().and_then(time::duration_ms),
        "retryafterms" => scaled(1.0),
        "retryafter" | "retryafterseconds" | "estimatedtime" | "retryin" => {
            scaled(1000.0).or_else(|| time::duration_ms(value.as_str()?))
        }
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A status of 400 to 599, as a number or in a string.
fn status(value: &Value) -> Option<u16> {
    let status = u16::try_from(number(value)?).ok()?;
    (400..600).contains(&status).then_some(status)
}

/// One word: no sentence.
fn is_code(text: &str) -> bool {
    text.len() <= CODE && !text.trim().contains(char::is_whitespace) && !text.is_empty()
}

/// A word in a text that is a code: an exception's name, or words tied together before a colon.
fn is_exception(word: &str) -> bool {
    let name = word.trim_end_matches([':', ',', '.', ')', ']']);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.len() <= CODE;
    is_name && (name.ends_with("Exception") || name.ends_with("Error") || (word.ends_with(':') && name.contains('_')))
}

/// An exception's name without the namespace before it and the URL behind it.
fn exception(text: &str) -> &str {
    let name = text.split(':').next().unwrap_or(text);
    name.rsplit('#').next().unwrap_or(name).trim()
}

fn squashed(word: &str) -> String {
    let letters = redact::cut(word, CODE).chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

fn is_page(text: &str) -> bool {
    let begin = redact::cut(text, LOOK).to_lowercase();
    ["<html", "<!doctype html", "<head>", "<body", "<title>"].iter().any(|tag| begin.contains(tag))
}

/// The text of an XML document; any other text as it is.
fn without_tags(text: &str) -> Cow<'_, str> {
    if !text.trim_start().starts_with('<') {
        return text.into();
    }
    let mut inside = false;
    let plain = text.chars().map(|c| {
        inside = c == '<' || (inside && c != '>');
        if inside || c == '>' { '\n' } else { c }
    });
    plain.collect::<String>().into()
}

/// The sentence meant for people, wherever it stands.
fn message(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(items) => items.iter().find_map(message),
        Value::Object(members) => {
            let inner = members.get("error").filter(|error| error.is_object()).and_then(message);
            let keys = [
                "message",
                "Message",
                "error",
                "detail",
                "msg",
                "errors",
                "error_msg",
                "error_description",
                "status_msg",
            ];
            let within = ["base_resp", "response", "Output", "output", "fault", "Error"];
            let mut found = inner.or_else(|| keys.iter().find_map(|key| members.get(*key).and_then(message)));
            found = found.or_else(|| within.iter().find_map(|key| members.get(*key).and_then(message)));
            let found = found?;
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
