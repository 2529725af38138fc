//! As much of a JSON value as matters where answers are judged: whether it says anything.
//!
//! **Invariant:** looks at the value's text as it stands, so half an emoji or a number out of range, which clients read, is no fault.

use crate::json::Scan;

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
    pub fn of(raw: impl AsRef<[u8]>) -> Self {
        let raw = raw.as_ref();
        match raw {
            b"null" | b"false" | b"0" | b"\"\"" => Self::Nothing,
            b"\"error\"" => Self::Error,
            b"\"ping\"" | b"\"keepalive\"" | b"\"heartbeat\"" => Self::Ping,
            [b'[', inner @ .., b']'] | [b'{', inner @ .., b'}'] if inner.trim_ascii().is_empty() => Self::Nothing,
            _ => Self::Something,
        }
    }
}

/// Whether a `base_resp` tells of a failure, with which `MiniMax` says within a good status how it went: it has a code other than 0.
#[must_use]
pub fn is_failed(base_resp: impl AsRef<[u8]>) -> bool {
    let mut code: &[u8] = b"";
    let walked = Scan::new(base_resp.as_ref()).object(|scan, name| {
        let value = scan.value()?;
        if name == b"status_code" {
            code = if value == b"null" { b"" } else { value };
        }
        Some(())
    });
    let code = code.strip_prefix(b"\"").and_then(|code| code.strip_suffix(b"\"")).unwrap_or(code);
    walked.is_some() && !code.is_empty() && ValueKind::of(code).is_something()
}
