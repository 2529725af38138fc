//! A conversation as classifiers see it: who said what, and little else.
//!
//! Classifiers read words. What a turn carries besides (calls, images, files) is only counted, so that reading a long
//! conversation borrows from the client's body instead of building a tree of it.

use std::borrow::Cow;

/// What a classifier may look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript<'a> {
    /// What was said, oldest first.
    pub turns: Vec<Utterance<'a>>,
    /// The names of the tools on offer.
    pub tools: Vec<Cow<'a, str>>,
    /// Upper bound of the answer, in tokens.
    pub max_tokens: Option<u64>,
    /// The answer must be JSON.
    pub structured: bool,
}

/// One turn of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utterance<'a> {
    /// The speaker.
    pub role: Role,
    /// The text, text parts joined by one space. Empty where the turn only calls tools.
    pub text: Cow<'a, str>,
    /// How many parts are no text (images, sound, files).
    pub attachments: u32,
    /// How many tools it calls.
    pub calls: u32,
}

/// Who speaks, in OpenAI's words. Its `developer` is `System`; its `function` is `Tool`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Instructions (`system`, `developer`).
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// The result of a call.
    Tool,
}
