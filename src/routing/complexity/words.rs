//! Which keywords a text holds, by LiteLLM's rule.
//!
//! A keyword with a space or a CJK character is a plain part of the text. Any other must stand between word boundaries, Python's
//! `\b` on both sides: where of the characters left and right of a place exactly one belongs to a word.
//!
//! **Invariant:** a keyword counts once, however often it stands in the text.

use std::borrow::Cow;
use std::ops::Range;

use super::automaton::Automaton;
use super::unicode::{is_word, lower, lower_for_ascii};

/// Keywords to look for.
#[derive(Debug, Clone)]
pub(super) struct Words {
    automaton: Automaton,
    rules: Vec<Rule>,
    /// Whether all keywords are ASCII.
    plain: bool,
    /// The empty keywords, by number.
    empty: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Rule {
    /// The keyword's length in bytes, in lower case.
    length: usize,
    /// It needs boundaries.
    bounded: bool,
}

/// The keywords found in a text, by number.
#[derive(Debug)]
pub(super) struct Found(Vec<u64>);

impl Found {
    /// Whether the keyword of this number was found.
    pub(super) fn has(&self, number: usize) -> bool {
        self.0.get(number / 64).is_some_and(|bits| bits >> (number % 64) & 1 == 1)
    }

    /// How many of these keywords were found.
    pub(super) fn count(&self, numbers: &Range<usize>) -> usize {
        // The bits below a place of a word that begins at `first`.
        let below = |place: usize, first: usize| match place.saturating_sub(first) {
            all if all >= 64 => u64::MAX,
            some => (1 << some) - 1,
        };
        let count = |(word, bits): (usize, &u64)| {
            (bits & below(numbers.end, word * 64) & !below(numbers.start, word * 64)).count_ones() as usize
        };
        self.0.iter().enumerate().map(count).sum()
    }

    fn note(&mut self, number: usize) {
        if let Some(bits) = self.0.get_mut(number / 64) {
            *bits |= 1 << (number % 64);
        }
    }
}

impl Words {
    /// Takes keywords in any case, numbered as they come, and after them marks: plain texts in lower case, of which
    /// [`Words::scan`] tells every place.
    pub(super) fn new<'k>(keywords: impl Iterator<Item = &'k str>, marks: &[&str]) -> Self {
        let keywords: Vec<String> = keywords.map(str::to_lowercase).collect();
        let phrase = |keyword: &String| keyword.contains(' ') || keyword.chars().any(is_cjk);
        let rules = keywords.iter().map(|keyword| Rule { length: keyword.len(), bounded: !phrase(keyword) }).collect();
        let plain = keywords.iter().all(|keyword| keyword.is_ascii());
        let automaton = Automaton::new(keywords.iter().map(String::as_str).chain(marks.iter().copied()));
        let empty =
            keywords.iter().enumerate().filter(|(_, keyword)| keyword.is_empty()).map(|(number, _)| number).collect();
        Self { automaton, rules, plain, empty }
    }

    /// A text as [`Words::scan`] takes it: in lower case, as far as that makes a difference.
    pub(super) fn lower<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.plain { lower_for_ascii(text) } else { lower(text) }
    }

    /// Finds the keywords in a text that [`Words::lower`] gave, and calls `mark` with each mark's number and the byte
    /// after its end.
    #[inline]
    pub(super) fn scan(&self, lower: &str, mut mark: impl FnMut(usize, usize)) -> Found {
        let mut found = Found(vec![0; self.rules.len() / 64 + 1]);
        self.automaton.scan(lower, |number, end| match self.rules.get(number) {
            None => mark(number - self.rules.len(), end),
            Some(rule) => {
                if !found.has(number) && (!rule.bounded || stands_alone(lower, end - rule.length, end)) {
                    found.note(number);
                }
            }
        });
        // The empty keyword is found by its boundary alone: wherever there is a word.
        for number in &self.empty {
            if lower.chars().any(is_word) {
                found.note(*number);
            }
        }
        found
    }
}

/// Whether a part of the text has a word boundary at each end.
fn stands_alone(text: &str, start: usize, end: usize) -> bool {
    is_boundary(text, start) && is_boundary(text, end)
}

fn is_boundary(text: &str, at: usize) -> bool {
    before(text, at).is_some_and(is_word) != after(text, at).is_some_and(is_word)
}

/// The character that ends at a byte.
pub(super) fn before(text: &str, at: usize) -> Option<char> {
    match text.as_bytes().get(at.checked_sub(1)?) {
        Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
        _ => text.get(..at)?.chars().next_back(),
    }
}

/// The character that begins at a byte.
pub(super) fn after(text: &str, at: usize) -> Option<char> {
    match text.as_bytes().get(at) {
        Some(byte) if byte.is_ascii() => Some(char::from(*byte)),
        _ => text.get(at..)?.chars().next(),
    }
}

/// LiteLLM's CJK: written without spaces, so that no boundary stands between two words of it.
const fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3040}'..='\u{30ff}'
        | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{ff66}'..='\u{ff9d}'
        | '\u{20000}'..='\u{3ffff}')
}
