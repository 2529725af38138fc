//! Thinking in Anthropic's words, which more than one dialect's clients write: how the model shall think, and what it thought before.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::count::count;
use super::read::{Path, Unread, object, optional, text, wrong_value};
use crate::chat::{Content, Display, Thinking};

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
