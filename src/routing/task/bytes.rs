//! What single bytes are to the readers of a text: one look into a table instead of a row of comparisons, which counts where
//! there are no vectors (WebAssembly).
//!
//! **Invariant:** the classes are those of the functions that the table is made from.

/// Letters and digits of ASCII, and `_`.
pub(super) const WORD: u8 = 1;
/// Symbols of programming.
pub(super) const SYMBOL: u8 = 2;
/// An operator, or the first byte of a character of mathematics.
pub(super) const SIGN: u8 = 4;
/// Blanks of ASCII that are no space.
pub(super) const ODD_BLANK: u8 = 8;

static CLASSES: [u8; 256] = classes();

/// Whether a byte is of a class.
#[inline(always)]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASSES.get(usize::from(byte)).is_some_and(|classes| classes & class != 0)
}

// Evaluated by the compiler alone: what would panic does not build.
#[allow(clippy::indexing_slicing)]
const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            classes[at] |= WORD;
        }
        if matches!(byte, b'{' | b'}' | b'(' | b')' | b'[' | b']' | b'=' | b';' | b'<' | b'>' | b'_') {
            classes[at] |= SYMBOL;
        }
        if matches!(byte, b'^' | b'+' | b'*' | b'=' | b'-' | b'/' | 0xC2 | 0xC3 | 0xCE | 0xCF | 0xE2) {
            classes[at] |= SIGN;
        }
        if byte.is_ascii_whitespace() && byte != b' ' {
            classes[at] |= ODD_BLANK;
        }
        at += 1;
    }
    classes
}
