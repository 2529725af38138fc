//! The choices of an answer or of a chunk, and what makes one an answer.
//!
//! **Invariant:** a choice is an answer if it has a message (or, of a completion, a text) and if that says something or says why it
//! ended, or if thinking has used up all that it may say. An empty text that ended is one; a message that is `null` or missing is none.

use super::repair::no_arguments;
use super::scan::{Calls, ChunkFacts, kind};
use super::{stop_reason, usage};
use crate::chat::{StopReason, Usage};
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
    Ended(StopReason),
}

impl End {
    /// The end that a value says, and whether clients know the word.
    fn of(raw: &[u8]) -> (Self, bool) {
        let word = text(raw).trim_matches('"');
        match word {
            "stop" => (Self::Ended(StopReason::EndTurn), true),
            "length" | "tool_calls" | "function_call" | "content_filter" => (Self::Ended(stop_reason(word)), true),
            // Alibaba's spells it out.
            "null" => (Self::Open, raw == b"null"),
            _ if is_breakdown(word) => (Self::Broken, true),
            _ if ValueKind::of(raw).is_something() => (Self::Ended(stop_reason(word)), false),
            // Ollama's and SGLang's write an empty one until then.
            _ => (Self::Open, raw != b"\"\""),
        }
    }
}

/// One choice.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "what was seen, a flag each; any of them go together")]
struct Choice {
    awaited: Awaited,
    is_one: bool,
    /// It has a completion's text though a chat is awaited.
    is_text: bool,
    index: u32,
    has_index: bool,
    end: End,
    /// It carries an error of its own (`OpenRouter`).
    error: bool,
    /// It has a place for what is said.
    has_place: bool,
    /// Clients do not know the word by which it ended.
    odd: bool,
    /// What Moonshot's tell of tokens.
    usage: Option<Usage>,
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
        let reason = if let End::Ended(reason) = self.end { Some(reason) } else { None };
        facts.choices |= bit;
        if reason.is_some() {
            facts.finished |= bit;
        }
        facts.silent |= !self.has_place && self.end == End::Open;
        facts.broken |= self.error || self.end == End::Broken;
        facts.filtered |= reason == Some(StopReason::Refusal);
        facts.stopped |= reason == Some(StopReason::EndTurn);
        facts.ended_in_calls |= reason == Some(StopReason::ToolUse);
        facts.meaningful |= self.delta.meaningful || reason.is_some();
        facts.answer |= match reason {
            Some(StopReason::Refusal) => self.message.is_one,
            Some(StopReason::MaxTokens) if self.awaited == Awaited::Chat => !self.delta.is_one,
            _ => self.message.has_members && (self.message.meaningful || reason.is_some()),
        };
        facts.odd |= self.odd || !self.has_place || self.delta.odd || self.message.odd || self.message.loose;
        // Helpers of the SDKs add up deltas by it.
        facts.odd |= self.delta.is_one && !self.has_index;
        facts.usage = facts.usage.or(self.usage);
        facts.usage_apart |= self.usage.is_some();
        if self.message.calls != Calls::None {
            facts.calling |= bit;
        }
        if self.delta.calls != Calls::None {
            facts.calling |= bit;
            let is_alone = self.index == 0 && facts.calls == Calls::None;
            facts.calls = if is_alone { self.delta.calls } else { Calls::Other };
        }
    }
}

impl Choice {
    /// Walks over one of its members.
    fn member(&mut self, scan: &mut Scan<'_>, name: &[u8], look: bool) -> Option<()> {
        // Azure's end with a delta that is none.
        self.has_place |= matches!(name, b"message" | b"text") || name == b"delta" && scan.peek()? == b'{';
        match name {
            b"index" => {
                self.has_index = true;
                self.index = text(scan.value()?).trim_matches('"').parse().unwrap_or_default();
            }
            b"finish_reason" => {
                let (end, is_known) = End::of(scan.value()?);
                (self.end, self.odd) = (end, !is_known);
            }
            b"usage" => self.usage = usage::read(scan.value()?),
            b"error" => self.error |= kind(scan)?.is_something(),
            b"delta" => self.delta.walk(scan)?,
            b"message" if look => self.message.walk(scan)?,
            b"text" if look => {
                let raw = scan.value()?;
                let is_text = raw.starts_with(b"\"");
                if self.awaited != Awaited::Completion {
                    self.is_text = is_text;
                    return Some(());
                }
                let meaningful = ValueKind::of(raw).is_something();
                self.message = Said { is_one: is_text, has_members: is_text, meaningful, ..Said::default() };
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
    /// Clients do not find all of it.
    odd: bool,
    /// What it says of calls.
    calls: Calls,
    /// One of them lacks something that a whole call has.
    loose: bool,
}

impl Said {
    fn walk(&mut self, scan: &mut Scan<'_>) -> Option<()> {
        self.is_one |= scan.peek()? == b'{';
        scan.any_object(|scan, name| {
            self.has_members = true;
            match name {
                b"content" => {
                    let is_list = scan.peek()? == b'[';
                    let is_something = kind(scan)?.is_something();
                    self.odd |= is_list && is_something;
                    self.meaningful |= is_something;
                }
                b"tool_calls" if scan.peek()? == b'[' => scan.list(|scan| {
                    let (piece, is_whole) = call(scan)?;
                    self.loose |= !is_whole;
                    self.calls = if self.calls == Calls::None { piece } else { Calls::Other };
                    self.meaningful = true;
                    Some(())
                })?,
                b"reasoning" => {
                    let value = scan.value()?;
                    let is_something = ValueKind::of(value).is_something();
                    self.odd |= is_something && value.starts_with(b"\"");
                    self.meaningful |= is_something;
                }
                b"tool_calls" | b"function_call" | b"reasoning_content" | b"reasoning_details" | b"refusal"
                | b"audio" | b"images" => self.meaningful |= kind(scan)?.is_something(),
                _ => scan.skip()?,
            }
            Some(())
        })
    }
}

/// The id that Mistral's servers give to a call that has none.
const NO_ID: &[u8] = b"\"null\"";

/// A call, or a piece of one, and whether it is whole.
fn call(scan: &mut Scan<'_>) -> Option<(Calls, bool)> {
    let (mut number, mut begins, mut is_text) = (None, false, false);
    let (mut id, mut r#type, mut name, mut arguments, mut is_function) = (false, false, false, false, false);
    scan.any_object(|scan, member| {
        match member {
            b"index" => number = text(scan.value()?).parse().ok(),
            b"id" => {
                let value = scan.value()?;
                (begins, id) = (true, ValueKind::of(value).is_something() && value != NO_ID);
            }
            b"type" => r#type = kind(scan)?.is_something(),
            b"function" => {
                is_function = true;
                scan.any_object(|scan, member| {
                    match member {
                        b"arguments" => {
                            let value = scan.value()?;
                            is_text = value.starts_with(b"\"");
                            arguments = is_text && !no_arguments(value);
                        }
                        b"name" => (begins, name) = (true, kind(scan)?.is_something()),
                        _ => scan.skip()?,
                    }
                    Some(())
                })?;
            }
            _ => scan.skip()?,
        }
        Some(())
    })?;
    let piece = number.filter(|_| is_text && !begins).map_or(Calls::Other, Calls::Continues);
    Some((piece, id && r#type && (!is_function || name && arguments)))
}

/// A short value that needs no unescaping.
fn text(raw: &[u8]) -> &str {
    std::str::from_utf8(raw).unwrap_or_default()
}
