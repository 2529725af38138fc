//! Thinking in Anthropic's words, which more than one dialect's clients write: how the model shall think, and what it thought before.
//!
//! What a model thought, its provider wants back in a form that it alone reads, and clients carry that unread: as a signature, as redacted
//! thinking, as encrypted content. A signature without a mark is Claude's, wherever that runs. What another provider made is marked with who made it
//! ([`carry`]), so that it goes back there ([`carried`]) and to nobody else ([`is_carried`]).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::count::count;
use super::read::{Path, Unread, object, optional, text, wrong_value};
use crate::chat::{Content, Display, Thinking};

/// How a text begins that carries what a provider made. No signature of Claude's does: it is base64, which has no dot.
const MARK: &str = "sb1.";

/// What only `maker` reads, as text that a client carries.
pub fn carry(maker: &str, payload: &str) -> String {
    [MARK, maker, ".", payload].concat()
}

/// What `maker` made, if this carries it.
pub fn carried<'c>(text: &'c str, maker: &str) -> Option<&'c str> {
    text.strip_prefix(MARK)?.strip_prefix(maker)?.strip_prefix('.')
}

/// Whether a signature carries what another provider than Claude's made.
pub fn is_carried(signature: &str) -> bool {
    signature.starts_with(MARK)
}

/// The value of `thinking`; `None` where it is none that is known.
pub fn read(raw: &RawValue, unread: &mut Unread) -> Option<Thinking> {
    let path = Path::Top("thinking");
    let known = object(raw, path, unread, |fields, unread| {
        let kind = optional(fields, path, "type", text)?.unwrap_or_default();
        let budget_tokens = fields.take_if("budget_tokens", |raw| count(raw).ok().flatten());
        let word = |raw| match optional_text(raw).as_deref() {
            Some("summarized") => Some(Display::Summarized),
            Some("omitted") => Some(Display::Omitted),
            _ => None,
        };
        let display = fields.take_if("display", word);
        let thinking = match kind.as_ref() {
            "disabled" => Thinking::Disabled,
            "enabled" => Thinking::Enabled { budget_tokens, display },
            "adaptive" => Thinking::Adaptive { display },
            other => {
                fields.cover();
                return Err(wrong_value(path.field("type"), other, "'enabled', 'adaptive', and 'disabled'"));
            }
        };
        if budget_tokens.is_some() && !matches!(thinking, Thinking::Enabled { .. }) {
            unread.name(path.field("budget_tokens"));
        }
        if display.is_some() && thinking == Thinking::Disabled {
            unread.name(path.field("display"));
        }
        Ok(thinking)
    });
    known.ok()
}

/// What a signature of Google's signs: the part of an answer that it came with, and must go back on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signs {
    /// The call that follows.
    Call,
    /// The text before.
    Text,
    /// The thinking itself.
    Thought,
}

impl Signs {
    const ALL: [Self; 3] = [Self::Call, Self::Text, Self::Thought];

    /// Who made it, and what of the answer it signs.
    const fn maker(self) -> &'static str {
        match self {
            Self::Call => "gemini-call",
            Self::Text => "gemini-text",
            Self::Thought => "gemini-thought",
        }
    }
}

/// A signature of Google's, as text that a client carries.
pub fn google(signs: Signs, signature: &str) -> String {
    carry(signs.maker(), signature)
}

/// What such a text holds; `None`: another made it.
pub fn of_google(text: &str) -> Option<(Signs, &str)> {
    Signs::ALL.into_iter().find_map(|signs| Some((signs, carried(text, signs.maker())?)))
}

/// A block that carries what Google signed beside it, which clients of other dialects keep in a place of their own.
pub fn of_signature<'a>(signs: Signs, signature: &str) -> Content<'a> {
    Content::Thinking { text: Cow::Borrowed(""), signature: Some(Cow::Owned(google(signs, signature))) }
}

fn optional_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(raw.get()).ok().map(|text| text.0)
}

/// A block of thinking that is handed back; `None` where it is none that is known.
pub fn block<'a>(raw: &'a RawValue, path: Path<'_>, unread: &mut Unread) -> Option<Content<'a>> {
    let known = object(raw, path, unread, |fields, _| {
        let content = match optional(fields, path, "type", text)?.as_deref() {
            Some("thinking") => Some(Content::Thinking {
                text: optional(fields, path, "thinking", text)?.unwrap_or_default(),
                signature: optional(fields, path, "signature", text)?,
            }),
            Some("redacted_thinking") => optional(fields, path, "data", text)?.map(Content::RedactedThinking),
            _ => None,
        };
        if content.is_none() {
            fields.cover();
        }
        // A number that clients keep from a stream; the order says it.
        fields.take("index");
        Ok(content)
    });
    known.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_made_goes_to_nobody_else() {
        let text = carry("openai", "rs_1.gAAA+/=");
        assert_eq!(
            (carried(&text, "openai"), carried(&text, "open"), is_carried(&text)),
            (Some("rs_1.gAAA+/="), None, true)
        );
        assert!(!is_carried("EqoBCkgIAR+/==") && carried("EqoB", "openai").is_none());
    }
}
