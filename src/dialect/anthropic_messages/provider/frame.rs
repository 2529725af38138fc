//! The events of a stream, as much of them as is read.
//!
//! **Invariant:** an event of a kind that did not exist when this was written is no error: what is in it stays raw until its type
//! is known.

use std::borrow::Cow;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Raw until the type says what is in it: an event of a kind that did not exist when this was written must not be an error.
#[derive(Deserialize)]
pub struct Event<'a> {
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub base_resp: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
pub struct Start<'a> {
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub model: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub usage: Option<&'a RawValue>,
}

/// A text, and an empty one for `null`, with which some compatible servers fill what they do not say, and for what is no text at
/// all. An error only for a text that cannot be read.
pub fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    if !raw.starts_with('"') {
        return Ok(Cow::Borrowed(""));
    }
    serde_json::from_str::<Text<'_>>(raw).map(|text| text.0).map_err(D::Error::custom)
}

/// A block that begins, a piece of one, or the end of the message.
#[derive(Deserialize, Default)]
pub struct Piece<'a> {
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub r#type: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub id: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub name: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub text: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub thinking: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub signature: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub data: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub partial_json: Cow<'a, str>,
    /// Of a call, where all of it comes at once.
    #[serde(borrow, default)]
    pub input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub stop_reason: Option<Cow<'a, str>>,
    /// Why the model refused, at the end.
    #[serde(borrow, default)]
    pub stop_details: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub struct Kind<'a> {
    #[serde(borrow, default, deserialize_with = "text_or_none")]
    pub r#type: Cow<'a, str>,
}

impl Kind<'_> {
    /// Whether a block or a piece of this kind is the client's business. What calls itself nothing stands in `message_delta`.
    pub fn is_known(&self) -> bool {
        const KNOWN: [&str; 9] = [
            "",
            "text",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "text_delta",
            "thinking_delta",
            "signature_delta",
            "input_json_delta",
        ];
        KNOWN.contains(&self.r#type.as_ref())
    }
}
