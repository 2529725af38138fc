//! As much of a JSON value as matters where answers are judged: whether it says anything.
//!
//! **Invariant:** looks at the value's text as it stands, so half an emoji or a number out of range, which clients read, is no fault.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What a value shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `null`, `false`, `0`, an empty text, list or object.
    Nothing,
    /// The text `error`.
    Error,
    /// The text `ping`, or another word for it.
    Ping,
    /// Anything else.
    Something,
}

impl ValueKind {
    /// Whether it says something.
    pub fn is_something(self) -> bool {
        self != Self::Nothing
    }

    /// What the text of a value shows.
    pub fn of(raw: &str) -> Self {
        match raw {
            "null" | "false" | "0" | r#""""# => Self::Nothing,
            r#""error""# => Self::Error,
            r#""ping""# | r#""keepalive""# | r#""heartbeat""# => Self::Ping,
            _ if inside(raw, '[', ']').or_else(|| inside(raw, '{', '}')).is_some_and(str::is_empty) => Self::Nothing,
            _ => Self::Something,
        }
    }
}

fn inside(raw: &str, open: char, close: char) -> Option<&str> {
    Some(raw.strip_prefix(open)?.strip_suffix(close)?.trim_ascii())
}

impl<'de> Deserialize<'de> for ValueKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

/// How `MiniMax` says within a good status how it went.
#[derive(Deserialize)]
struct BaseResp<'a> {
    #[serde(borrow, default)]
    status_code: Option<&'a RawValue>,
}

/// Whether a `base_resp` tells of a failure: it has a code other than 0.
#[must_use]
pub fn is_failed(base_resp: &RawValue) -> bool {
    let code = serde_json::from_str::<BaseResp<'_>>(base_resp.get()).ok().and_then(|said| said.status_code);
    code.map(|code| code.get().trim_matches('"'))
        .is_some_and(|code| !code.is_empty() && ValueKind::of(code).is_something())
}
