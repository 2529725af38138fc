//! What the bytes of a body begin with, whatever they hold.
//!
//! **Invariant:** looks at the first bytes only.

/// What some put before a document in UTF-8, though it means nothing there.
pub const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A document without the byte order mark before it.
#[must_use]
pub fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(BYTE_ORDER_MARK).unwrap_or(document)
}

/// Whether a body is compressed by gzip, which no provider is asked for.
#[must_use]
pub fn is_compressed(body: &[u8]) -> bool {
    body.starts_with(b"\x1F\x8B")
}
