//! The phrases of all cues, found by how they begin.
//!
//! A word that begins no phrase, as nearly all do, costs one look into a small table; where some phrases begin with the same three
//! bytes (two letters of two bytes), their first eight bytes are compared at once, as a number.
//!
//! **Invariant:** a look gives each phrase that the text begins with, and no other.

use std::sync::LazyLock;

use super::cues::ROWS;
use super::fold::wide;
use crate::sort;

/// A phrase of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phrase {
    /// Its row in [`ROWS`].
    pub(super) row: usize,
    /// What it is, folded.
    pub(super) text: &'static [u8],
    /// The word may go on.
    pub(super) open: bool,
    /// Its first eight bytes, zeros where it is shorter.
    first: u64,
    /// Which of them are its own.
    mask: u64,
}

const BUCKETS: usize = 2048;

/// All phrases, by the bytes they begin with.
pub(super) struct Table {
    phrases: Vec<Phrase>,
    /// Where each bucket begins in `phrases`, and one more for the end.
    starts: Vec<u16>,
}

/// The table, built once.
pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut phrases: Vec<Phrase> = Vec::new();
    for (row, cue) in ROWS.iter().enumerate() {
        for text in cue.phrases.split('|').filter(|text| text.len() >= 3) {
            let (text, open) = text.strip_suffix('*').map_or((text, false), |stem| (stem, true));
            // What has no spaces has no word ends.
            let open = open || text.chars().next_back().is_some_and(wide);
            let text = text.as_bytes();
            let mask = 8_usize.checked_sub(text.len()).map_or(u64::MAX, |free| u64::MAX >> (8 * free));
            phrases.push(Phrase { row, text, open, first: first_eight(text), mask });
        }
    }
    sort::by_key(&mut phrases, |phrase| bucket(phrase.first));
    let start = |bucket_at: usize| phrases.partition_point(|phrase| bucket(phrase.first) < bucket_at);
    let starts = (0..=BUCKETS).map(|at| u16::try_from(start(at)).unwrap_or(u16::MAX)).collect();
    Table { phrases, starts }
});

impl Table {
    /// The phrases that a text begins with.
    #[inline]
    pub(super) fn beginning<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = &Phrase> + use<'_, 't> {
        let first = first_eight(text);
        let at = bucket(first);
        let bound = |at: usize| self.starts.get(at).copied().map_or(0, usize::from);
        let bucket = self.phrases.get(bound(at)..bound(at + 1)).unwrap_or_default();
        bucket.iter().filter(move |phrase| {
            (first ^ phrase.first) & phrase.mask == 0 && (phrase.text.len() <= 8 || text.starts_with(phrase.text))
        })
    }
}

/// The first eight bytes as a number, the first one lowest; zeros where there are fewer.
#[inline]
fn first_eight(text: &[u8]) -> u64 {
    match text.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => text.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}

#[inline]
fn bucket(first: u64) -> usize {
    // Letters of two bytes (Cyrillic): three bytes are one letter and a half, and all begin alike.
    let own = if (0xC0..0xE0).contains(&(first & 0xFF)) { 0xFFFF_FFFF } else { 0x00FF_FFFF };
    (((first & own) as u32).wrapping_mul(0x9E37_79B1) >> 21) as usize
}

#[cfg(test)]
mod tests {
    use super::super::cues::Kind;
    use super::super::fold::fold;
    use super::*;

    #[test]
    fn phrases_are_written_as_they_are_looked_for() {
        for row in ROWS {
            for phrase in row.phrases.split('|') {
                let mut folded = String::new();
                fold(phrase, &mut folded);
                assert_eq!(folded, phrase, "{}", row.name);
                assert!(phrase.is_empty() == (row.kind == Kind::Shape), "{}", row.name);
                assert!(phrase.is_empty() || phrase.trim_end_matches('*').len() >= 3, "{phrase}");
            }
        }
        assert!(TABLE.phrases.len() < usize::from(u16::MAX));
    }

    #[test]
    fn each_phrase_is_found_with_those_that_begin_it() {
        for phrase in &TABLE.phrases {
            for rest in ["", "x", " and more of it", "\0"] {
                let text = [phrase.text, rest.as_bytes()].concat();
                let plainly = TABLE.phrases.iter().filter(|it| text.starts_with(it.text)).count();
                assert!(plainly > 0);
                assert_eq!(TABLE.beginning(&text).count(), plainly, "{:?}", String::from_utf8_lossy(&text));
            }
        }
        assert_eq!(TABLE.beginning(b"").count() + TABLE.beginning(b"zz").count(), 0);
    }
}
