//! The choices of an answer or of a chunk, and what makes one an answer.
//!
//! **Invariant:** a choice is an answer if it has a message (or, of a completion, a text) and if that says something or says why it
//! ended. An empty text that ended is one; a message that is `null` or missing is none.

use super::scan::{ChunkFacts, kind};
use crate::dialect::Awaited;
use crate::dialect::no_answer::is_breakdown;
use crate::dialect::value_kind::ValueKind;
use crate::json::Scan;

/// Walks over one item of the list of choices, and adds what it shows to the facts of the whole.
pub fn choice(scan: &mut Scan<'_>, facts: &mut ChunkFacts, look: bool, awaited: Awaited) -> Option<()> {
    let mut choice = Choice { awaited, is_one: scan.peek()? == b'{', ..Choice::default() };
    scan.any_object(|scan, name| choice.member(scan, name, look))?;
    if choice.is_one && !choice.is_of_another_api() {
        choice.add_to(facts);
    }
    Some(())
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
    fn of(raw: &[u8]) -> Self {
        let word = text(raw).trim_matches('"');
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
struct Choice {
    awaited: Awaited,
    is_one: bool,
    /// It has a completion's text though a chat is awaited.
    is_text: bool,
    index: u32,
    end: End,
    /// It carries an error of its own (`OpenRouter`).
    error: bool,
    /// It has a place for what is said.
    has_place: bool,
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
        facts.silent |= !self.has_place && self.end == End::Open;
        facts.broken |= self.error || self.end == End::Broken;
        facts.filtered |= self.end == End::Filtered;
        facts.meaningful |= self.delta.meaningful || ended;
        facts.answer |= match self.end {
            End::Filtered => self.message.is_one,
            _ => self.message.has_members && (self.message.meaningful || ended),
        };
    }
}

impl Choice {
    /// Walks over one of its members.
    fn member(&mut self, scan: &mut Scan<'_>, name: &[u8], look: bool) -> Option<()> {
        self.has_place |= matches!(name, b"delta" | b"message" | b"text");
        match name {
            b"index" => self.index = text(scan.value()?).trim_matches('"').parse().unwrap_or_default(),
            b"finish_reason" => self.end = End::of(scan.value()?),
            b"error" => self.error |= kind(scan)?.is_something(),
            b"delta" if look => self.delta.walk(scan)?,
            b"message" if look => self.message.walk(scan)?,
            b"text" if look => {
                let raw = scan.value()?;
                let is_text = raw.starts_with(b"\"");
                if self.awaited != Awaited::Completion {
                    self.is_text = is_text;
                    return Some(());
                }
                let meaningful = ValueKind::of(raw).is_something();
                self.message = Said { is_one: is_text, has_members: is_text, meaningful };
                self.delta.meaningful |= meaningful;
            }
            _ => scan.skip()?,
        }
        Some(())
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

impl Said {
    fn walk(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        self.is_one |= scan.peek()? == b'{';
        scan.any_object(|scan, name| {
            self.has_members = true;
            match name {
                b"content" | b"tool_calls" | b"function_call" | b"reasoning_content" | b"reasoning"
                | b"reasoning_details" | b"refusal" | b"audio" | b"images" => {
                    self.meaningful |= kind(scan)?.is_something();
                    Some(())
                }
                _ => scan.skip(),
            }
        })
    }
}

/// A short value that needs no unescaping.
fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}
