//! Signs of several steps, and questions: LiteLLM's four expressions, found by the marks that every match of them holds.
//!
//! `first.*?then` · `step\s*\d` · `\d+\.\s` · `[a-z]\)\s`, all in lower case, ignoring case. Python takes `ſ` for an s and `ı`
//! for an i when it ignores case, and `.` for anything but a line feed.
//!
//! Three of them can be told from the characters around a mark. The first needs an order, and the automaton has none: it only says
//! whether there is a `first` at all, and then the lines are looked at.
//!
//! **Invariant:** no byte is looked at more often than a few times.

use memchr::memmem;

use super::unicode::{is_digit, is_space};
use super::words::{after, before};

/// Ways to write `first` where case is ignored.
const FIRST: [&str; 4] = ["first", "fırst", "firſt", "fırſt"];

/// What the automaton looks for, in the order that [`Steps::mark`] knows.
pub(super) const MARKS: &[&str] = &["?", ".", ")", "step", "ſtep", FIRST[0], FIRST[1], FIRST[2], FIRST[3]];

/// Steps and questions of one text.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// How many question marks there are.
    pub(super) questions: usize,
    /// Whether one of the expressions matches.
    pub(super) several: bool,
    /// Whether there is a `first`.
    has_first: bool,
}

impl Steps {
    /// Takes a mark of [`MARKS`] and the byte after its end.
    #[inline]
    pub(super) fn mark(&mut self, text: &str, number: usize, end: usize) {
        match number {
            0 => self.questions += 1,
            _ if self.several => {}
            1 => self.several = before(text, end - 1).is_some_and(is_digit) && after(text, end).is_some_and(is_space),
            2 => self.several = before(text, end - 1).is_some_and(is_letter) && after(text, end).is_some_and(is_space),
            3 | 4 => {
                self.several =
                    text.get(end..).and_then(|rest| rest.chars().find(|c| !is_space(*c))).is_some_and(is_digit)
            }
            _ => self.has_first = true,
        }
    }

    /// After the last mark.
    pub(super) fn finish(&mut self, text: &str) {
        self.several = self.several
            || (self.has_first && text.split('\n').any(|line| first_then(&line.as_bytes().to_ascii_lowercase())));
    }
}

/// Whether a line, in lower case, goes `first.*?then`.
fn first_then(line: &[u8]) -> bool {
    let ways = FIRST.iter().take(if line.is_ascii() { 1 } else { FIRST.len() });
    let ends = ways.filter_map(|first| memmem::find(line, first.as_bytes()).map(|at| at + first.len()));
    ends.min().and_then(|end| line.get(end..)).is_some_and(|rest| memmem::find(rest, b"then").is_some())
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'ſ' | 'ı')
}
