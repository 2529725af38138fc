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

/// What the automaton looks for, in the order that [`Steps::mark`] knows.
pub(super) const MARKS: &[&str] = &["?", ".", ")", "step", "first", "ſ", "ı"];

/// Steps and questions of one text.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// How many question marks there are.
    pub(super) questions: usize,
    /// Whether one of the expressions matches.
    pub(super) several: bool,
    /// Whether there is a `first`.
    has_first: bool,
    /// Whether there is a letter that Python takes for another one.
    has_odd: bool,
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
            3 => self.several = text.get(end..).is_some_and(begins_with_number),
            4 => self.has_first = true,
            _ => self.has_odd = true,
        }
    }

    /// After the last mark.
    pub(super) fn finish(&mut self, text: &str) {
        if !self.several && self.has_first {
            self.several = text.split('\n').any(|line| first_then(&line.as_bytes().to_ascii_lowercase()));
        }
        if !self.several && self.has_odd {
            let plain = text.replace('ſ', "s").replace('ı', "i").to_ascii_lowercase();
            self.several = plain.split('\n').any(|line| first_then(line.as_bytes()))
                || plain.match_indices("step").any(|(at, _)| plain.get(at + 4..).is_some_and(begins_with_number));
        }
    }
}

/// Whether a line, in lower case, goes `first.*?then`.
fn first_then(line: &[u8]) -> bool {
    let rest = memmem::find(line, b"first").and_then(|at| line.get(at + 5..));
    rest.is_some_and(|rest| memmem::find(rest, b"then").is_some())
}

fn begins_with_number(text: &str) -> bool {
    text.chars().find(|c| !is_space(*c)).is_some_and(is_digit)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'ſ' | 'ı')
}
