//! The shapes of a chat completions request, as OpenAI's SDK types them, and what messages have besides in the dialects that take after it
//! (Cohere's, Ollama's).
//!
//! **Invariant:** this is the allow-list: what has no field here is never sent. Nothing is copied but what a text escapes.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::dialect::tool_schema::Object;

/// The body of `POST /v1/chat/completions`.
#[derive(Serialize)]
pub struct Body<'r> {
    pub model: &'r str,
    pub messages: Vec<Message<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Choice<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Format<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub stop: &'r [Cow<'r, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verbosity: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'r str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    #[serde(flatten)]
    pub own: Own<'r>,
}

/// Members that no neutral form holds and that this dialect has, raw.
pub struct Own<'r>(pub Vec<(&'r str, &'r RawValue)>);

impl<'r> Own<'r> {
    /// Those of a request's other members that the dialect has.
    pub fn of(other: &'r [(Cow<'_, str>, &'r RawValue)], names: &[&str]) -> Self {
        let members = other.iter().map(|(name, raw)| (name.as_ref(), *raw));
        Self(members.filter(|(name, _)| names.contains(name)).collect())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }
}

impl Serialize for Own<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[derive(Serialize)]
pub struct StreamOptions {
    pub include_usage: bool,
}

/// One message.
#[derive(Serialize)]
pub struct Message<'r> {
    pub role: &'static str,
    #[serde(skip_serializing_if = "Said::is_absent")]
    pub content: Said<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<Cow<'r, str>>,
    /// Ollama's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking: Option<Cow<'r, str>>,
    /// Ollama's: base64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Cow<'r, str>>,
    /// Cohere's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_plan: Option<Cow<'r, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Ollama's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_name: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'r str>,
}

/// What a message says.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Said<'r> {
    Nothing(Option<()>),
    Text(Cow<'r, str>),
    Parts(Vec<Part<'r>>),
    /// Not even `null`.
    Absent,
}

impl<'r> Said<'r> {
    fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether it says nothing.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Nothing(_) | Self::Absent => true,
            Self::Text(text) => text.trim().is_empty(),
            Self::Parts(parts) => {
                parts.iter().all(|part| matches!(part, Part::Text { text } if text.trim().is_empty()))
            }
        }
    }

    /// The same as parts.
    pub fn into_parts(self) -> Vec<Part<'r>> {
        match self {
            Self::Nothing(_) | Self::Absent => Vec::new(),
            Self::Text(text) => vec![Part::Text { text }],
            Self::Parts(parts) => parts,
        }
    }

    /// Its texts as one.
    pub fn into_text(self) -> Option<Cow<'r, str>> {
        let texts = self.into_parts().into_iter().filter_map(|part| match part {
            Part::Text { text } => Some(text),
            _ => None,
        });
        texts.reduce(|before, text| Cow::Owned([before, text].join("\n")))
    }
}

/// One part of it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part<'r> {
    Text {
        text: Cow<'r, str>,
    },
    ImageUrl {
        image_url: Image<'r>,
    },
    InputAudio {
        input_audio: Audio<'r>,
    },
    File {
        file: File<'r>,
    },
    Refusal {
        refusal: &'r str,
    },
    /// Cohere's.
    Thinking {
        thinking: Cow<'r, str>,
    },
}

#[derive(Serialize)]
pub struct Image<'r> {
    pub url: Cow<'r, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<&'r str>,
}

#[derive(Serialize)]
pub struct Audio<'r> {
    pub data: &'r str,
    pub format: &'r str,
}

#[derive(Serialize)]
pub struct File<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filename: Option<&'r str>,
    pub file_data: Cow<'r, str>,
}

/// A call the model made.
#[derive(Serialize)]
pub struct Call<'r> {
    pub id: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub r#type: &'static str,
    pub function: Called<'r>,
}

#[derive(Serialize)]
pub struct Called<'r> {
    pub name: &'r str,
    pub arguments: Arguments<'r>,
}

/// Arguments, as a text or as the object that the text should hold.
pub enum Arguments<'r> {
    Text(&'r str),
    Object(&'r RawValue),
}

impl Arguments<'_> {
    /// Makes them an object. What is none cannot be sent as one, and says nothing then.
    pub fn as_object(&mut self) {
        if let Self::Text(text) = self {
            let read = serde_json::from_str::<&RawValue>(text).ok().filter(|raw| raw.get().starts_with('{'));
            if let Some(raw) = read.or_else(|| serde_json::from_str("{}").ok()) {
                *self = Self::Object(raw);
            }
        }
    }
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Object(raw) => raw.serialize(serializer),
        }
    }
}

/// A function the model may call.
#[derive(Serialize)]
pub struct Tool<'r> {
    pub r#type: &'static str,
    pub function: Function<'r>,
}

#[derive(Serialize)]
pub struct Function<'r> {
    pub name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Object<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// How freely tools may be called.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Choice<'r> {
    Plain(&'static str),
    Named(Named<'r>),
    Allowed { r#type: &'static str, allowed_tools: Allowed<'r> },
}

#[derive(Serialize)]
pub struct Named<'r> {
    pub r#type: &'static str,
    pub function: Name<'r>,
}

#[derive(Serialize)]
pub struct Name<'r> {
    pub name: &'r str,
}

#[derive(Serialize)]
pub struct Allowed<'r> {
    pub mode: &'static str,
    pub tools: Vec<Named<'r>>,
}

/// The shape of the answer.
#[derive(Serialize)]
pub struct Format<'r> {
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_schema: Option<Schema<'r>>,
}

#[derive(Serialize)]
pub struct Schema<'r> {
    pub name: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}
