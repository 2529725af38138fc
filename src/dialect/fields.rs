//! Reading one JSON value at a time, with its place for the error that a client gets.
//!
//! Not one derived struct for the whole request: serde would say a line and a column where a client wants
//! `messages[2].role`, and one wrong field in a part nobody reads would refuse the request. Values stay raw until they are
//! wanted, and raw values are scanned without recursion, so that deep nesting costs nothing.
//!
//! **Invariant:** every error names its place the way OpenAI does.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::chat::ApiError;

/// Where a value stands in the request: `messages[2].role`.
#[derive(Clone, Copy)]
pub struct Place<'p> {
    parent: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Field(&'p str),
    Index(usize),
}

impl<'p> Place<'p> {
    /// A top-level field.
    pub const fn top(name: &'p str) -> Self {
        Self { parent: None, step: Step::Field(name) }
    }

    /// A field of the object that stands here.
    pub const fn field(&'p self, name: &'p str) -> Self {
        Self { parent: Some(self), step: Step::Field(name) }
    }

    /// An element of the array that stands here.
    pub const fn index(&'p self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
        }
        match self.step {
            Step::Field(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Field(name) => write!(f, "{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A string, borrowed from the input where it holds no escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of one JSON object, in order, values raw.
pub struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Object<'a> {
    /// Takes a field out. `null` counts as absent; of a repeated name the last counts.
    pub fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        let mut found = None;
        self.0.retain(|(key, value)| {
            let hit = key == name;
            if hit {
                found = Some(*value);
            }
            !hit
        });
        found.filter(|value| value.get() != "null")
    }

    /// What was not taken, without nulls.
    pub fn rest(mut self) -> Vec<(Cow<'a, str>, &'a RawValue)> {
        self.0.retain(|(_, value)| value.get() != "null");
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((Text(key), value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    fields.push((key, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// How many places are kept: they are named in a header.
const MOST_LEFT: usize = 32;

/// What nothing reads: members that no neutral form holds, by their places.
#[derive(Default)]
pub struct Left(Vec<String>);

impl Left {
    /// Keeps a place.
    pub fn name(&mut self, place: Place<'_>) {
        if self.0.len() < MOST_LEFT {
            self.0.push(place.to_string());
        }
    }

    /// Keeps what was not taken of an object, but for what says nothing.
    pub fn rest(&mut self, fields: Object<'_>, place: Place<'_>) {
        for (name, value) in fields.rest() {
            if !matches!(value.get(), "[]" | "{}" | "\"\"") {
                self.name(place.field(&name));
            }
        }
    }

    /// The places, in order.
    pub fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// Takes the cache mark out of an object (`cache_control`). What is no object is none.
pub fn mark<'a>(fields: &mut Object<'a>, within: Place<'_>, left: &mut Left) -> Option<&'a RawValue> {
    const NAME: &str = "cache_control";
    let mark = fields.take(NAME)?;
    let is_one = mark.get().starts_with('{');
    if !is_one {
        left.name(within.field(NAME));
    }
    is_one.then_some(mark)
}

/// Takes OpenAI's cache mark out of a part (`prompt_cache_breakpoint`), which has but one form, and gives Anthropic's.
pub fn breakpoint(fields: &mut Object<'_>) -> Option<&'static RawValue> {
    fields.take("prompt_cache_breakpoint")?;
    serde_json::from_str(r#"{"type":"ephemeral"}"#).ok()
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, place: Place<'_>, expected: &str) -> Result<T, ApiError> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(place, expected, raw))
}

/// The object that stands here.
pub fn object<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Object<'a>, ApiError> {
    read(raw, place, "an object")
}

/// The array that stands here.
pub fn array<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Vec<&'a RawValue>, ApiError> {
    read(raw, place, "an array")
}

/// The string that stands here.
pub fn text<'a>(raw: &'a RawValue, place: Place<'_>) -> Result<Cow<'a, str>, ApiError> {
    read::<Text<'a>>(raw, place, "a string").map(|text| text.0)
}

/// The boolean that stands here.
pub fn boolean(raw: &RawValue, place: Place<'_>) -> Result<bool, ApiError> {
    read(raw, place, "a boolean")
}

/// The number that stands here.
pub fn number(raw: &RawValue, place: Place<'_>) -> Result<f64, ApiError> {
    read(raw, place, "a number")
}

/// The whole number, not below zero, that stands here.
pub fn whole(raw: &RawValue, place: Place<'_>) -> Result<u64, ApiError> {
    read(raw, place, "a non-negative integer")
}

/// Reads a field if it is there.
pub fn optional<'a, T>(
    fields: &mut Object<'a>,
    within: Place<'_>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Place<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, within.field(name))).transpose()
}

/// Reads a field that must be there.
pub fn required<'a, T>(
    fields: &mut Object<'a>,
    within: Place<'_>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Place<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    optional(fields, within, name, read)?.ok_or_else(|| missing(within.field(name)))
}

fn refusal(place: Place<'_>, code: &str, message: String) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some(code.to_owned()),
        param: Some(place.to_string()),
        message,
    }
}

/// The error for a field that must be there and is not.
pub fn missing(place: Place<'_>) -> ApiError {
    refusal(place, "missing_required_parameter", format!("Missing required parameter: '{place}'."))
}

/// The error for a value outside of the known ones.
pub fn wrong_value(place: Place<'_>, value: &str, known: &str) -> ApiError {
    let value: String = value.chars().take(64).collect();
    refusal(place, "invalid_value", format!("Invalid value: '{value}' for '{place}'. Supported values are: {known}."))
}

/// The error for what no neutral form can hold.
pub fn unsupported(place: Place<'_>) -> ApiError {
    refusal(place, "unsupported_parameter", format!("'{place}' is not supported here."))
}

fn wrong_type(place: Place<'_>, expected: &str, raw: &RawValue) -> ApiError {
    let got = match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    refusal(place, "invalid_type", format!("Invalid type for '{place}': expected {expected}, but got {got} instead."))
}
