//! What a message says, or a piece of it: a whole answer, and the deltas of a stream.
//!
//! Members are read one by one and leniently, because servers that call themselves compatible write them in many forms: a text may be a list of
//! parts, arguments an object, reasoning may have either of two names. The scan has told before that it is an answer.
//!
//! **Invariant:** half a pair of surrogates, which clients of this dialect read too, becomes U+FFFD instead of ending the answer.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::stop_reason;
use crate::chat::{Answer, Block, Content, Failure, Usage};
use crate::dialect::no_answer::unreadable;
use crate::dialect::read::{compact, loose_list, loose_string, loose_text};
use crate::dialect::{AnswerContext, ids};

/// A whole answer, or a chunk.
#[derive(Deserialize)]
pub struct Document<'a> {
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub choices: Option<&'a RawValue>,
}

/// One choice of it.
#[derive(Deserialize, Default)]
pub struct Choice<'a> {
    #[serde(borrow, default)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub finish_reason: Option<&'a RawValue>,
}

/// A message, or a delta.
#[derive(Deserialize, Default)]
pub struct Message<'a> {
    #[serde(borrow, default)]
    pub content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow, default)]
    function_call: Option<&'a RawValue>,
}

/// A call, or a piece of one.
#[derive(Deserialize, Default)]
pub struct Call<'a> {
    #[serde(borrow, default)]
    pub index: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub function: Option<&'a RawValue>,
}

/// The function that is called.
#[derive(Deserialize, Default)]
pub struct Function<'a> {
    #[serde(borrow, default)]
    pub name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub arguments: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Part<'a> {
    #[serde(borrow, default)]
    r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking: Option<&'a RawValue>,
}

/// A value of any form: one that is no object says nothing.
pub fn object<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// A text, empty where it is none.
pub fn text(raw: Option<&RawValue>) -> Cow<'_, str> {
    raw.and_then(loose_text).unwrap_or_default()
}

impl<'a> Document<'a> {
    /// Reads one.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The first choice: no other dialect has several.
    pub fn choice(&self) -> Option<Choice<'a>> {
        let choices = loose_list(self.choices?)?;
        let mut choices = choices.into_iter().map(|raw| object::<Choice<'a>>(Some(raw)));
        choices.find(|choice| choice.index.is_none_or(|index| matches!(index.get(), "0" | "null")))
    }
}

impl<'a> Choice<'a> {
    /// What it says.
    pub fn said(&self) -> Message<'a> {
        object(self.delta.or(self.message))
    }

    /// Why it ended, if it did.
    pub fn finish_reason(&self) -> Option<Cow<'a, str>> {
        // Alibaba's spells `null` out.
        self.finish_reason.and_then(loose_text).filter(|word| !word.is_empty() && word != "null")
    }
}

/// A piece of text or thinking.
pub enum Piece<'a> {
    Text(Cow<'a, str>),
    Thinking(Cow<'a, str>),
}

impl<'a> Message<'a> {
    /// The thinking beside the content.
    pub fn reasoning(&self) -> Cow<'a, str> {
        let first = text(self.reasoning_content);
        if first.is_empty() { text(self.reasoning) } else { first }
    }

    /// Why it is refused.
    pub fn refusal(&self) -> Cow<'a, str> {
        text(self.refusal)
    }

    /// The content, a text or (Mistral) parts. What is neither text nor thinking is passed over.
    pub fn pieces(&self) -> Vec<Piece<'a>> {
        let Some(raw) = self.content else { return Vec::new() };
        let Some(parts) = loose_list(raw) else { return vec![Piece::Text(text(Some(raw)))] };
        let mut pieces = Vec::new();
        for part in parts.into_iter().map(|raw| object::<Part<'_>>(Some(raw))) {
            match text(part.r#type).as_ref() {
                "text" => pieces.push(Piece::Text(text(part.text))),
                "thinking" => match part.thinking.and_then(loose_list) {
                    Some(within) => pieces.extend(
                        within.into_iter().map(|raw| Piece::Thinking(text(object::<Part<'_>>(Some(raw)).text))),
                    ),
                    None => pieces.push(Piece::Thinking(text(part.thinking))),
                },
                _ => {}
            }
        }
        pieces
    }

    /// The calls, with the deprecated one.
    pub fn calls(&self) -> Vec<Called<'a>> {
        let calls = self.tool_calls.and_then(loose_list).unwrap_or_default();
        let mut all: Vec<Called<'a>> = calls.into_iter().map(|raw| object::<Call<'a>>(Some(raw)).read()).collect();
        if let Some(raw) = self.function_call.filter(|raw| raw.get().starts_with('{')) {
            let called = Call { function: Some(raw), ..Call::default() }.read();
            // Some write an empty one beside the others.
            if !called.name.is_empty() || !called.arguments.is_empty() {
                all.push(called);
            }
        }
        all
    }
}

/// A call, or a piece of one. What is not said is empty.
pub struct Called<'a> {
    pub index: Option<u64>,
    pub id: Cow<'a, str>,
    pub name: Cow<'a, str>,
    pub arguments: Cow<'a, str>,
}

impl<'a> Call<'a> {
    /// What it says.
    pub fn read(&self) -> Called<'a> {
        let function: Function<'a> = object(self.function);
        let arguments = match function.arguments {
            // Some write the object itself.
            Some(raw) if raw.get().starts_with(['{', '[']) => compact(raw.get()),
            arguments => text(arguments),
        };
        let index = self.index.and_then(|raw| raw.get().parse().ok());
        // Mistral's servers spell it out.
        let id = Some(text(self.id)).filter(|id| id != "null").unwrap_or_default();
        Called { index, id, name: text(function.name), arguments }
    }
}

/// The id of a call; one is made where its provider gives none.
pub fn given_or_made<'a>(id: Cow<'a, str>, context: &AnswerContext, number: usize) -> Cow<'a, str> {
    match id.is_empty() {
        true => Cow::Owned(ids::make(&[&context.fallback_id, &context.now_s.to_string(), &number.to_string()])),
        false => id,
    }
}

/// Reads a whole answer, of which the scan has told that it is one.
pub fn read<'a>(body: &'a str, usage: Option<Usage>, context: &AnswerContext) -> Result<Answer<'a>, Failure> {
    let none = || unreadable("the provider's answer cannot be read");
    let document = Document::read(body).ok_or_else(none)?;
    let choice = document.choice().unwrap_or_default();
    let message = choice.said();
    let mut blocks = Vec::new();
    let mut push = |is_empty: bool, content| {
        if !is_empty {
            blocks.push(Block::new(content));
        }
    };
    let reasoning = message.reasoning();
    push(reasoning.is_empty(), Content::Thinking { text: reasoning, signature: None });
    for piece in message.pieces() {
        match piece {
            Piece::Text(text) => push(text.is_empty(), Content::Text(text)),
            Piece::Thinking(text) => push(text.is_empty(), Content::Thinking { text, signature: None }),
        }
    }
    let refusal = message.refusal();
    push(refusal.is_empty(), Content::Refusal(refusal));
    for (number, Called { id, name, arguments, .. }) in message.calls().into_iter().enumerate() {
        let id = given_or_made(id, context, number);
        let arguments = if arguments.trim() == "null" { Cow::Borrowed("") } else { arguments };
        // Some quote them twice.
        let twice = if arguments.starts_with("\"{") { loose_string(arguments.as_bytes()) } else { None };
        let arguments = twice.map(|twice| Cow::Owned(twice.into_owned())).unwrap_or(arguments);
        push(false, Content::ToolCall { id, name, arguments });
    }
    let stop = choice.finish_reason().map(|word| stop_reason(&word));
    Ok(Answer { id: text(document.id), model: text(document.model), blocks, stop, usage, logprobs: None })
}
