//! The choices of an answer or of a chunk, and what makes one an answer.
//!
//! **Invariant:** a choice is an answer if it has a message (or, of a completion, a text) and if that says something or says why it
//! ended. An empty text that ended is one; a message that is `null` or missing is none.

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, SeqAccess};
use serde_json::value::RawValue;

use super::scan::ChunkFacts;
use super::walk::{Look, Walk, skip};
use crate::dialect::Awaited;
use crate::dialect::no_answer::is_breakdown;
use crate::dialect::value_kind::ValueKind;

/// The list of choices.
pub struct Choices<'s> {
    pub facts: &'s mut ChunkFacts,
    pub look: bool,
    pub awaited: Awaited,
}

impl Look for Choices<'_> {
    type Name = IgnoredAny;

    fn member<'de, A: MapAccess<'de>>(&mut self, _: IgnoredAny, members: &mut A) -> Result<(), A::Error> {
        skip(members)
    }

    fn item<'de, A: SeqAccess<'de>>(&mut self, items: &mut A) -> Result<bool, A::Error> {
        let mut choice = Choice { look: self.look, awaited: self.awaited, ..Choice::default() };
        let is_one = items.next_element_seed(Walk(&mut choice))?.is_some();
        if choice.is_one && !choice.is_of_another_api() {
            choice.add_to(self.facts);
        }
        Ok(is_one)
    }
}

/// Why a choice ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// The provider failed.
    Broken,
    /// Its filter withheld the answer.
    Filtered,
    Other,
}

impl End {
    fn of(raw: &str) -> Self {
        let word = raw.trim_matches('"');
        match word {
            // Alibaba's spells it out.
            "null" => Self::Open,
            "content_filter" => Self::Filtered,
            _ if is_breakdown(word) => Self::Broken,
            _ if ValueKind::of(raw).is_something() => Self::Other,
            _ => Self::Open,
        }
    }
}

/// One choice.
#[derive(Default)]
pub struct Choice {
    look: bool,
    awaited: Awaited,
    is_one: bool,
    /// It has a completion's text though a chat is awaited.
    is_text: bool,
    index: u32,
    end: End,
    /// It carries an error of its own (`OpenRouter`).
    error: bool,
    delta: Said,
    /// Its message, or, where a completion is awaited, its text.
    message: Said,
}

impl Choice {
    /// Whether it is no part of a chat: a client would find nothing in it.
    fn is_of_another_api(&self) -> bool {
        let is_completion = self.is_text && !self.delta.is_one && !self.message.is_one;
        is_completion || self.awaited == Awaited::Embeddings
    }

    /// Adds what it shows to the facts of the whole.
    fn add_to(&self, facts: &mut ChunkFacts) {
        let bit = 1_u128.checked_shl(self.index).unwrap_or(0);
        let ended = matches!(self.end, End::Filtered | End::Other);
        facts.choices |= bit;
        if ended {
            facts.finished |= bit;
        }
        facts.broken |= self.error || self.end == End::Broken;
        facts.filtered |= self.end == End::Filtered;
        facts.meaningful |= self.delta.meaningful || ended;
        facts.answer |= match self.end {
            End::Filtered => self.message.is_one,
            _ => self.message.has_members && (self.message.meaningful || ended),
        };
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
pub enum ChoiceName {
    Index,
    Delta,
    Message,
    Text,
    FinishReason,
    Error,
    #[serde(other)]
    Other,
}

impl Look for Choice {
    type Name = ChoiceName;

    fn object(&mut self) {
        self.is_one = true;
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, name: ChoiceName, members: &mut A) -> Result<(), A::Error> {
        match name {
            ChoiceName::Index => {
                let raw = members.next_value::<&RawValue>()?.get();
                self.index = raw.trim_matches('"').parse().unwrap_or_default();
            }
            ChoiceName::FinishReason => self.end = End::of(members.next_value::<&RawValue>()?.get()),
            ChoiceName::Error => self.error |= members.next_value::<ValueKind>()?.is_something(),
            ChoiceName::Delta if self.look => members.next_value_seed(Walk(&mut self.delta))?,
            ChoiceName::Message if self.look => members.next_value_seed(Walk(&mut self.message))?,
            ChoiceName::Text if self.look => {
                let raw = members.next_value::<&RawValue>()?.get();
                let is_text = raw.starts_with('"');
                if self.awaited != Awaited::Completion {
                    self.is_text = is_text;
                    return Ok(());
                }
                let meaningful = ValueKind::of(raw).is_something();
                self.message = Said { is_one: is_text, has_members: is_text, meaningful };
                self.delta.meaningful |= meaningful;
            }
            _ => skip(members)?,
        }
        Ok(())
    }
}

/// A delta or a message.
#[derive(Default)]
struct Said {
    /// It is an object.
    is_one: bool,
    has_members: bool,
    /// It holds something that a caller waits for.
    meaningful: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum SaidName {
    Content,
    ToolCalls,
    FunctionCall,
    ReasoningContent,
    Reasoning,
    ReasoningDetails,
    Refusal,
    Audio,
    Images,
    #[serde(other)]
    Other,
}

impl Look for Said {
    type Name = SaidName;

    fn object(&mut self) {
        self.is_one = true;
    }

    fn member<'de, A: MapAccess<'de>>(&mut self, name: SaidName, members: &mut A) -> Result<(), A::Error> {
        self.has_members = true;
        match name {
            SaidName::Other => skip(members)?,
            _ => self.meaningful |= members.next_value::<ValueKind>()?.is_something(),
        }
        Ok(())
    }
}
