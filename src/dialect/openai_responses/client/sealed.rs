//! The encrypted content of reasoning: where clients of this dialect carry what a provider wants back unread.
//!
//! **Invariant:** what is sealed here opens to the same thinking; what somebody else sealed opens to thinking that goes to nobody else.

use std::borrow::Cow;

use crate::chat::Content;
use crate::dialect::thinking::{carried, carry, is_carried};

/// Claude's signature, Claude's encrypted thinking, thinking that nobody signed.
const SIGNED: &str = "signed";
const REDACTED: &str = "redacted";
const UNSIGNED: &str = "unsigned";
/// Sealed by a provider of this dialect.
const FOREIGN: &str = "responses";

/// The encrypted content of thinking with this signature.
pub fn seal(signature: Option<&str>) -> Cow<'_, str> {
    match signature {
        Some(signature) if is_carried(signature) => Cow::Borrowed(signature),
        Some(signature) => Cow::Owned(carry(SIGNED, signature)),
        // Some clients hand back no reasoning that lacks it.
        None => Cow::Owned(carry(UNSIGNED, "")),
    }
}

/// The encrypted content of encrypted thinking.
pub fn seal_redacted(data: &str) -> Cow<'_, str> {
    if is_carried(data) { Cow::Borrowed(data) } else { Cow::Owned(carry(REDACTED, data)) }
}

/// The thinking of an item of reasoning.
pub fn open<'a>(text: Cow<'a, str>, sealed: Option<Cow<'a, str>>, id: &str) -> Content<'a> {
    let Some(sealed) = sealed.filter(|sealed| !sealed.is_empty()) else {
        return Content::Thinking { text, signature: None };
    };
    if let Some(data) = carried(&sealed, REDACTED) {
        return Content::RedactedThinking(Cow::Owned(data.to_owned()));
    }
    let signature = if carried(&sealed, UNSIGNED).is_some() {
        None
    } else if let Some(signature) = carried(&sealed, SIGNED) {
        Some(Cow::Owned(signature.to_owned()))
    } else if is_carried(&sealed) {
        Some(sealed)
    } else {
        Some(Cow::Owned(carry(FOREIGN, &[id, ".", &sealed].concat())))
    };
    Content::Thinking { text, signature }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(sealed: &str) -> Content<'_> {
        open("Hm".into(), Some(sealed.into()), "rs_1")
    }

    #[test]
    fn r22_what_is_sealed_opens_to_the_same() {
        for signature in [None, Some("EqoB+/=="), Some("sb1.openai.rs_1.gAAA")] {
            let sealed = seal(signature).into_owned();
            assert!(is_carried(&sealed));
            let Content::Thinking { text, signature: found } = opened(&sealed) else { panic!("{sealed}") };
            assert_eq!((text.as_ref(), found.as_deref()), ("Hm", signature));
        }
        let sealed = seal_redacted("EmwK").into_owned();
        assert!(matches!(opened(&sealed), Content::RedactedThinking(data) if data == "EmwK"));
    }

    #[test]
    fn what_another_sealed_is_never_taken_for_claudes() {
        let Content::Thinking { signature, .. } = opened("gAAAAABo") else { panic!() };
        assert!(is_carried(&signature.unwrap()));
    }
}
