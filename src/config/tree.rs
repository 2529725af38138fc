//! The configuration as it was written: a small tree in which every node may know its place.
//!
//! YAML and JSON both become this tree, so that the command line (a YAML file, with places) and the filter (JSON, without)
//! compile the very same thing. It is no `serde_json::Value` because an error must name its line, and a key its own.
//!
//! **Invariant:** the order of keys is the order of the text.

use serde_json::Value as Json;

/// Where something stands in a text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it begins, where that is known.
    pub place: Option<Place>,
}

/// A key of a map and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key's text.
    pub name: String,
    /// Where it begins, where that is known.
    pub place: Option<Place>,
}

/// What a node can be.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing; the same as an absent key.
    Null,
    /// What a variable would have said that is not set. The compiler has told so, and says nothing more about it.
    Unset,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(String),
    /// A list.
    Seq(Vec<Node>),
    /// Keys and values.
    Map(Vec<(Key, Node)>),
}

impl Node {
    /// A node of unknown place.
    #[must_use]
    pub const fn new(value: Value) -> Self {
        Self { value, place: None }
    }

    /// Reads a JSON text.
    ///
    /// # Errors
    /// What is wrong with the text, in the parser's words.
    pub fn from_json_text(text: &[u8]) -> Result<Self, String> {
        super::json::read(text)
    }

    /// Takes over a JSON value.
    #[must_use]
    pub fn from_json(json: &Json) -> Self {
        Self::new(match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().unwrap_or(f64::MAX)),
            },
            Json::String(text) => Value::Str(text.clone()),
            Json::Array(items) => Value::Seq(items.iter().map(Self::from_json).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(name, json)| (Key { name: name.clone(), place: None }, Self::from_json(json)))
                    .collect(),
            ),
        })
    }

    /// The same as JSON, without places. A number that JSON cannot say (`.inf`) becomes `null`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match &self.value {
            Value::Null | Value::Unset => Json::Null,
            Value::Bool(flag) => Json::Bool(*flag),
            Value::Int(whole) => Json::from(*whole),
            Value::Float(number) => Json::from(*number),
            Value::Str(text) => Json::String(text.clone()),
            Value::Seq(items) => Json::Array(items.iter().map(Self::to_json).collect()),
            Value::Map(entries) => {
                Json::Object(entries.iter().map(|(key, node)| (key.name.clone(), node.to_json())).collect())
            }
        }
    }

    /// The value under a key of a map; `None` where it is no map, the key is absent, or its value is null.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else { return None };
        entries.iter().find(|(key, node)| key.name == name && node.value != Value::Null).map(|(_, node)| node)
    }

    /// What it is, for a sentence: "a list", "a number".
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self.value {
            Value::Null | Value::Unset => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Str(_) => "a text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}
