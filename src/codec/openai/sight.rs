//! What the router sees of an answer, or of one chunk of it, in one pass over its JSON.
//!
//! This is the hottest path of the product: every token of every stream comes by. So nothing is built, nothing copied: the
//! parser walks the document, and a few names on three levels are looked at. Deltas are looked into only until something
//! meaningful has come.
//!
//! **Invariant:** `Ok` means that all of it is one valid JSON object. A known name with a value of an unknown form is no fault:
//! then nothing is seen, and the bytes pass.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::usage;
use crate::chat::Usage;

/// What an answer or a chunk shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// It is an error: it has a top-level `error`, or calls itself one.
    pub error: bool,
    /// It has at least one of the members by which answers are known.
    pub answer: bool,
    /// A delta holds something a caller waits for. Only looked for where asked.
    pub meaningful: bool,
    /// A choice ended because the provider failed.
    pub broken: bool,
    /// The choices it speaks of, a bit for each index below 128.
    pub choices: u128,
    /// Those of them that ended.
    pub finished: u128,
    /// Tokens used.
    pub usage: Option<Usage>,
    /// It has an empty `id`.
    pub no_id: bool,
    /// It has `prompt_filter_results` (Azure).
    pub prompt_filter: bool,
}

/// Reads one document; into its deltas only where `look`. Nothing is seen where the bytes are not a JSON object in UTF-8.
pub fn read(bytes: &[u8], look: bool) -> Option<Sight> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut sight = Sight::default();
    let mut parser = serde_json::Deserializer::from_str(text);
    match (Top { sight: &mut sight, look }).deserialize(&mut parser).and_then(|()| parser.end()) {
        Ok(()) => Some(sight),
        Err(error) if error.is_data() => {
            serde_json::from_str::<IgnoredAny>(text).ok()?;
            text.trim_start().starts_with('{').then(Sight::default)
        }
        // Half an emoji (a lone surrogate) or a number out of range: nothing for a closer look, but clients read on.
        Err(_) if look => read(bytes, false).map(|sight| Sight { meaningful: true, ..sight }),
        Err(_) => None,
    }
}

/// As much of a value as matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Glimpse {
    /// `null`, `false`, `0`, an empty text, list or object.
    Nothing,
    /// The text `error`.
    Error,
    /// DeepSeek's finish reason when it gave up.
    GaveUp,
    Something,
}

impl Glimpse {
    const fn of(something: bool) -> Self {
        if something { Self::Something } else { Self::Nothing }
    }

    fn is_something(self) -> bool {
        self != Self::Nothing
    }
}

impl<'de> Deserialize<'de> for Glimpse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Look)
    }
}

struct Look;

impl<'de> Visitor<'de> for Look {
    type Value = Glimpse;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Glimpse, E> {
        Ok(Glimpse::Nothing)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Glimpse, E> {
        Ok(Glimpse::of(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Glimpse, E> {
        Ok(Glimpse::of(value != 0))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Glimpse, E> {
        Ok(Glimpse::Something)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Glimpse, E> {
        Ok(Glimpse::Something)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Glimpse, E> {
        Ok(match value {
            "" => Glimpse::Nothing,
            "error" => Glimpse::Error,
            "insufficient_system_resource" => Glimpse::GaveUp,
            _ => Glimpse::Something,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Glimpse, A::Error> {
        let mut any = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            any = true;
        }
        Ok(Glimpse::of(any))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Glimpse, A::Error> {
        let mut any = false;
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            any = true;
        }
        Ok(Glimpse::of(any))
    }
}

/// The document itself.
struct Top<'s> {
    sight: &'s mut Sight,
    look: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TopName {
    Id,
    Type,
    Object,
    Choices,
    Data,
    Output,
    Usage,
    Error,
    XGroq,
    PromptFilterResults,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Top<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { sight, look } = self;
        while let Some(name) = members.next_key()? {
            match name {
                TopName::Id => sight.no_id = !members.next_value::<Glimpse>()?.is_something(),
                TopName::Type => sight.error |= members.next_value::<Glimpse>()? == Glimpse::Error,
                TopName::Object => {
                    sight.answer = true;
                    sight.error |= members.next_value::<Glimpse>()? == Glimpse::Error;
                }
                TopName::Choices => {
                    sight.answer = true;
                    members.next_value_seed(Choices { sight, look })?;
                }
                TopName::Data | TopName::Output => {
                    sight.answer = true;
                    members.next_value::<IgnoredAny>()?;
                }
                TopName::Usage => sight.usage = members.next_value::<Option<&RawValue>>()?.and_then(usage::read),
                TopName::Error => sight.error |= members.next_value::<Glimpse>()?.is_something(),
                TopName::XGroq => {
                    let groq = members.next_value::<Option<&RawValue>>()?.and_then(usage::read_groq);
                    sight.usage = sight.usage.or(groq);
                }
                TopName::PromptFilterResults => sight.prompt_filter = members.next_value::<Glimpse>()?.is_something(),
                TopName::Other => _ = members.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// The list of choices.
struct Choices<'s> {
    sight: &'s mut Sight,
    look: bool,
}

impl<'de> DeserializeSeed<'de> for Choices<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Choices<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { sight, look } = self;
        while items.next_element_seed(Choice { sight, look })?.is_some() {}
        Ok(())
    }
}

/// One choice.
struct Choice<'s> {
    sight: &'s mut Sight,
    look: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ChoiceName {
    Index,
    Delta,
    Text,
    FinishReason,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Choice<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Choice<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a choice")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { sight, look } = self;
        let (mut index, mut finish) = (0_u32, Glimpse::Nothing);
        while let Some(name) = members.next_key()? {
            match name {
                ChoiceName::Index => index = members.next_value::<Option<u32>>()?.unwrap_or_default(),
                ChoiceName::FinishReason => finish = members.next_value()?,
                ChoiceName::Delta if look => sight.meaningful |= members.next_value::<Delta>()?.meaningful,
                ChoiceName::Text if look => sight.meaningful |= members.next_value::<Glimpse>()?.is_something(),
                ChoiceName::Delta | ChoiceName::Text | ChoiceName::Other => _ = members.next_value::<IgnoredAny>()?,
            }
        }
        let bit = 1_u128.checked_shl(index).unwrap_or(0);
        sight.choices |= bit;
        match finish {
            Glimpse::Nothing => {}
            Glimpse::Error | Glimpse::GaveUp => sight.broken = true,
            Glimpse::Something => {
                sight.meaningful = true;
                sight.finished |= bit;
            }
        }
        Ok(())
    }
}

/// A delta.
struct Delta {
    meaningful: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum DeltaName {
    Content,
    ToolCalls,
    FunctionCall,
    ReasoningContent,
    Reasoning,
    ReasoningDetails,
    Refusal,
    Audio,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Delta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DeltaWalk)
    }
}

struct DeltaWalk;

impl<'de> Visitor<'de> for DeltaWalk {
    type Value = Delta;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a delta")
    }

    fn visit_unit<E: Error>(self) -> Result<Delta, E> {
        Ok(Delta { meaningful: false })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Delta, A::Error> {
        let mut meaningful = false;
        while let Some(name) = members.next_key()? {
            match name {
                DeltaName::Other => _ = members.next_value::<IgnoredAny>()?,
                _ => meaningful |= members.next_value::<Glimpse>()?.is_something(),
            }
        }
        Ok(Delta { meaningful })
    }
}
