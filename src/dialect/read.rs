//! Reading a client's request one JSON value at a time: with its path for the error that the client gets, and with an account of every
//! member of every object.
//!
//! Not one derived struct for the whole request: serde would say a line and a column where a client wants
//! `messages[2].role`, and one wrong field in a part nobody reads would refuse the request. Values stay raw until they are
//! wanted, and raw values are scanned without recursion, so that deep nesting costs nothing.
//!
//! **Invariant:** every error names its path the way OpenAI does. The only door to an object's members is [`object`], which names each
//! member that nobody took ([`Unread`]): what a client sent is read, or named.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::chat::{ApiError, Block, Content, Member, Place, Turn};
use crate::json::{Scan, unescaped};

/// Where a value stands in the request: `messages[2].role`.
#[derive(Clone, Copy)]
pub enum Path<'p> {
    /// A place that a block keeps.
    Place(Place),
    /// A member at the top.
    Top(&'p str),
    /// A member below.
    Field(&'p Path<'p>, &'p str),
    /// An item below.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// A field of the object that stands here.
    pub const fn field(&'p self, name: &'p str) -> Self {
        Self::Field(self, name)
    }

    /// An element of the array that stands here.
    pub const fn index(&'p self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl From<Place> for Path<'_> {
    fn from(place: Place) -> Self {
        Self::Place(place)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(place) => place.fmt(f),
            Self::Top(name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A string, borrowed from the input where it holds no escape.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of one JSON object, in order, values raw.
pub struct Object<'a>(Vec<Field<'a>>);

/// A member: its name, and its value, raw.
pub type Field<'a> = (Cow<'a, str>, &'a RawValue);

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

    /// Whether a field is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, value)| key == name && value.get() != "null")
    }

    /// The names of all fields that were not taken, those of nulls among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_ref())
    }

    /// Takes a field out if it can be read; otherwise it stays, and is named.
    pub fn take_if<T>(&mut self, name: &str, read: impl FnOnce(&'a RawValue) -> Option<T>) -> Option<T> {
        let raw = self.take(name)?;
        let value = read(raw);
        if value.is_none() {
            self.0.push((Cow::Owned(name.to_owned()), raw));
        }
        value
    }

    /// Puts a field back that was taken and cannot be said.
    pub fn put(&mut self, name: &'static str, raw: &'a RawValue) {
        self.0.push((Cow::Borrowed(name), raw));
    }

    /// What was not taken is refused or named as a whole.
    pub fn cover(&mut self) {
        self.0.clear();
    }

    /// What was not taken, without nulls.
    pub fn into_members(mut self) -> Vec<Field<'a>> {
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
const MOST_UNREAD: usize = 64;

/// What nobody read: members that no neutral form holds, by their places.
#[derive(Default)]
pub struct Unread(Vec<String>);

impl Unread {
    /// Keeps a place.
    pub fn name(&mut self, path: Path<'_>) {
        if self.0.len() < MOST_UNREAD {
            self.0.push(path.to_string());
        }
    }

    /// Keeps what was not taken of an object, but for what says nothing.
    fn rest(&mut self, fields: Object<'_>, path: Path<'_>) {
        for (name, value) in fields.into_members() {
            if !matches!(value.get(), "[]" | "{}" | "\"\"") {
                self.name(path.field(&name));
            }
        }
    }

    /// The places, in order.
    pub fn into_names(self) -> Vec<String> {
        self.0
    }
}

/// Reads the object that stands here: `read` takes the members that it knows, and the others are named.
pub fn object<'a, T>(
    raw: &'a RawValue,
    path: Path<'_>,
    unread: &mut Unread,
    read: impl FnOnce(&mut Object<'a>, &mut Unread) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    let mut fields = parsed(raw, path, "an object")?;
    let value = read(&mut fields, unread)?;
    unread.rest(fields, path);
    Ok(value)
}

/// Reads a whole body: what nobody took of its top is given back.
pub fn body<'a, T>(
    body: &'a [u8],
    read: impl FnOnce(&mut Object<'a>) -> Result<T, ApiError>,
) -> Result<(T, Vec<Field<'a>>), ApiError> {
    let mut fields: Object<'_> = serde_json::from_slice(body).map_err(|error| ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: None,
        param: None,
        message: format!("We could not parse the JSON body of your request: {error}."),
    })?;
    let value = read(&mut fields)?;
    Ok((value, fields.into_members()))
}

/// Takes the cache mark out of an object (`cache_control`). What is no object is none.
pub fn mark<'a>(fields: &mut Object<'a>, within: Path<'_>, unread: &mut Unread) -> Option<&'a RawValue> {
    const NAME: &str = "cache_control";
    let mark = fields.take(NAME)?;
    let is_one = mark.get().starts_with('{');
    if !is_one {
        unread.name(within.field(NAME));
    }
    is_one.then_some(mark)
}

fn parsed<'a, T: Deserialize<'a>>(raw: &'a RawValue, path: Path<'_>, expected: &str) -> Result<T, ApiError> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(path, expected, raw))
}

/// An object that is carried raw.
pub fn raw_object<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<&'a RawValue, ApiError> {
    if raw.get().starts_with('{') { Ok(raw) } else { Err(wrong_type(path, "an object", raw)) }
}

/// The array that stands here.
pub fn array<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Vec<&'a RawValue>, ApiError> {
    parsed(raw, path, "an array")
}

/// The string that stands here.
pub fn text<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Cow<'a, str>, ApiError> {
    parsed::<Text<'a>>(raw, path, "a string").map(|text| text.0)
}

/// The messages of a body, at least one.
pub fn messages<'a>(
    fields: &mut Object<'a>,
    unread: &mut Unread,
    message: impl Fn(&'a RawValue, usize, &mut Unread) -> Result<Turn<'a>, ApiError>,
) -> Result<Vec<Turn<'a>>, ApiError> {
    let path = Path::Top("messages");
    let raw = fields.take("messages").ok_or_else(|| missing(path))?;
    let items = array(raw, path)?;
    if items.is_empty() {
        return Err(wrong_value(path, "[]", "a list of at least one message"));
    }
    items.into_iter().enumerate().map(|(index, raw)| message(raw, index, unread)).collect()
}

/// The `content` of what stands at a place: a text, or a list of parts.
pub fn content<'a>(
    raw: &'a RawValue,
    place: Place,
    unread: &mut Unread,
    part: impl Fn(&'a RawValue, Place, &mut Unread) -> Result<Block<'a>, ApiError>,
) -> Result<Vec<Block<'a>>, ApiError> {
    let path = Path::from(place);
    let path = path.field("content");
    if !raw.get().starts_with('[') {
        let said = Content::Text(text(raw, path)?);
        return Ok(vec![Block::unmarked(said, place.below(Member::Content))]);
    }
    let parts = array(raw, path)?.into_iter().enumerate();
    parts.map(|(index, raw)| part(raw, place.at(Member::Content, index), unread)).collect()
}

/// The boolean that stands here.
pub fn boolean(raw: &RawValue, path: Path<'_>) -> Result<bool, ApiError> {
    parsed(raw, path, "a boolean")
}

/// The number that stands here.
pub fn number(raw: &RawValue, path: Path<'_>) -> Result<f64, ApiError> {
    parsed(raw, path, "a number")
}

/// The whole number, not below zero, that stands here.
pub fn whole(raw: &RawValue, path: Path<'_>) -> Result<u64, ApiError> {
    parsed(raw, path, "a non-negative integer")
}

/// Reads a field if it is there.
pub fn optional<'a, T>(
    fields: &mut Object<'a>,
    within: Path<'_>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
) -> Result<Option<T>, ApiError> {
    fields.take(name).map(|raw| read(raw, within.field(name))).transpose()
}

/// Reads a field that must be there.
pub fn required<'a, T>(
    fields: &mut Object<'a>,
    within: Path<'_>,
    name: &str,
    read: impl FnOnce(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
) -> Result<T, ApiError> {
    optional(fields, within, name, read)?.ok_or_else(|| missing(within.field(name)))
}

fn refusal(path: Path<'_>, code: &str, message: String) -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some(code.to_owned()),
        param: Some(path.to_string()),
        message,
    }
}

/// The error for a field that must be there and is not.
pub fn missing(path: Path<'_>) -> ApiError {
    refusal(path, "missing_required_parameter", format!("Missing required parameter: '{path}'."))
}

/// The error for a value outside of the known ones.
pub fn wrong_value(path: Path<'_>, value: &str, known: &str) -> ApiError {
    let value: String = value.chars().take(64).collect();
    refusal(path, "invalid_value", format!("Invalid value: '{value}' for '{path}'. Supported values are: {known}."))
}

/// The error for what no neutral form can hold.
pub fn unsupported(path: Path<'_>) -> ApiError {
    refusal(path, "unsupported_parameter", format!("'{path}' is not supported here."))
}

fn wrong_type(path: Path<'_>, expected: &str, raw: &RawValue) -> ApiError {
    let got = match raw.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    };
    refusal(path, "invalid_type", format!("Invalid type for '{path}': expected {expected}, but got {got} instead."))
}

/// An object's members; none where it is no object.
pub fn loose_object(raw: &[u8]) -> Option<Object<'_>> {
    serde_json::from_slice(raw).ok()
}

/// A list's items; none where it is no list.
pub fn loose_items(raw: &[u8]) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    Scan::new(raw).list(|scan| {
        items.push(scan.value()?);
        Some(())
    })?;
    Some(items)
}

/// The same of a value that was read.
pub fn loose_list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    let raw = raw.get();
    if raw.starts_with('[') { serde_json::from_str(raw).ok() } else { None }
}

/// Vectors, as providers write them; none where it is no list of such.
pub fn vectors(raw: &RawValue) -> Option<Vec<Vec<f32>>> {
    serde_json::from_str(raw.get()).ok()
}

/// A string, borrowed where it has no escapes; half of a surrogate pair becomes U+FFFD. None where it is no string.
pub fn loose_string(raw: &[u8]) -> Option<Cow<'_, str>> {
    let lossy =
        || serde_json::from_slice::<Bytes>(raw).ok().map(|Bytes(bytes)| String::from_utf8_lossy(&bytes).into_owned());
    unescaped(raw.strip_prefix(b"\"")?.strip_suffix(b"\"")?).or_else(|| lossy().map(Cow::Owned))
}

/// The same of a value that was read.
pub fn loose_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    loose_string(raw.get().as_bytes())
}

/// A string's bytes, which need not be UTF-8.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Take;
        impl Visitor<'_> for Take {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Take)
    }
}

/// JSON without the whitespace between its tokens: clients see the same arguments however the provider lays out its answer.
pub fn compact(json: &str) -> Cow<'_, str> {
    let (mut quoted, mut escaped) = (false, false);
    let within = |c: &char| {
        let kept = quoted || !c.is_ascii_whitespace();
        quoted ^= *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        kept
    };
    let tokens: String = json.chars().filter(within).collect();
    if tokens.len() == json.len() { Cow::Borrowed(json) } else { Cow::Owned(tokens) }
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn only_whitespace_between_tokens_goes() {
        assert_eq!(
            compact(r#"{"a": "b c \" , d", "e":"\\" , "f": [1, 2]}"#),
            r#"{"a":"b c \" , d","e":"\\","f":[1,2]}"#
        );
    }
}
