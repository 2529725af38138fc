//! How long a prompt is, without a tokenizer: every provider has its own, and one of them weighs more than this whole filter.
//!
//! Two numbers: what it has surely at the least, and what it has probably. The first may refuse a request on its own, the second only
//! where the configuration asks for checks before sending. Nothing is counted where the body's length alone says that it fits.
//!
//! **Invariant:** what is carried as base64 (images, sound, files) is no text and not counted as such.

use std::cell::OnceCell;

use memchr::memchr;

/// No text that people send has more bytes a token on average, runs of blanks in source code included.
const MOST_BYTES_A_TOKEN: u64 = 16;
/// English prose and its JSON wrapping.
const ASCII_BYTES_A_TOKEN: u64 = 4;
/// Two letters of Cyrillic or one of Chinese.
const OTHER_BYTES_A_TOKEN: u64 = 3;
/// A JSON string that is longer, without a blank near its beginning, is data.
const BLOB_BYTES: usize = 512;

/// How many tokens a prompt has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Surely so many.
    pub fewest: u64,
    /// Probably so many.
    pub probable: u64,
}

/// The prompt, as the raw JSON of a request. Measured at most once, and only where it matters.
#[derive(Debug, Default)]
pub struct Prompt<'a> {
    raw: &'a [u8],
    estimate: OnceCell<Estimate>,
}

impl<'a> Prompt<'a> {
    /// The prompt within a body; the little that a body holds besides does not matter.
    #[must_use]
    pub const fn of(body: &'a [u8]) -> Self {
        Self { raw: body, estimate: OnceCell::new() }
    }

    /// A token has at least one byte.
    pub(super) const fn at_most(&self) -> u64 {
        self.raw.len() as u64
    }

    /// The estimate.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        *self.estimate.get_or_init(|| measure(self.raw))
    }
}

fn measure(raw: &[u8]) -> Estimate {
    let (mut ascii, mut other) = (0u64, 0u64);
    let mut count = |text: &[u8]| {
        let not_ascii = text.iter().filter(|byte| !byte.is_ascii()).count() as u64;
        other += not_ascii;
        ascii += text.len() as u64 - not_ascii;
    };
    let mut rest = raw;
    // Pieces between quotes: strings and what stands between them; which is which does not matter for counting. An escaped quote
    // ends a piece early, which base64 never holds.
    while !rest.is_empty() {
        let end = memchr(b'"', rest).unwrap_or(rest.len());
        let (piece, left) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        if !is_blob(piece) {
            count(piece);
        }
        rest = left.get(1..).unwrap_or_default();
    }
    let probable = ascii / ASCII_BYTES_A_TOKEN + other / OTHER_BYTES_A_TOKEN;
    Estimate { fewest: (ascii + other) / MOST_BYTES_A_TOKEN, probable }
}

/// Whether a long string is data: a `data:` URI, or base64 as it begins.
fn is_blob(piece: &[u8]) -> bool {
    let Some(head) = piece.get(..BLOB_BYTES) else { return false };
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_' | b'\\');
    let data = head.strip_prefix(b"data:").and_then(|head| head.get(memchr(b',', head)? + 1..));
    data.unwrap_or(head).iter().all(base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_by_its_script_and_data_does_not() {
        let prompt = |text: &str| Prompt::of(text.as_bytes()).estimate();
        assert_eq!(prompt(""), Estimate::default());
        assert_eq!(prompt(&"four ".repeat(800)), Estimate { fewest: 250, probable: 1000 });
        assert_eq!(prompt(&"你".repeat(900)).probable, 900);
        let image = format!(r#"{{"url":"data:image/png;base64,{}"}}"#, "iVBORw0K".repeat(10_000));
        assert!(prompt(&image).probable < 10, "{:?}", prompt(&image));
        let sound = format!(r#"{{"data":"{}"}}"#, "UklG\\/+8=".repeat(10_000));
        assert!(prompt(&sound).probable < 10);
        assert_eq!(Prompt::of(b"abc").at_most(), 3);
    }
}
