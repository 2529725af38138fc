//! Signs of several steps, and questions: LiteLLM's four expressions, found by the marks that every match of them holds.
//!
//! `first.*?then` · `step\s*\d` · `\d+\.\s` · `[a-z]\)\s`, all in lower case, ignoring case. Python takes `ſ` for an s and `ı`
//! for an i when it ignores case, and `.` for anything but a line feed.
//!
//! **Invariant:** every byte is looked at a bounded number of times: no search starts again where another has looked.

use memchr::memchr;

use super::unicode::{is_digit, is_space};
use super::words::{after, before};

/// What the automaton looks for, in the order of [`Mark`].
pub(super) const MARKS: &[&str] = &["?", ".", ")", "then", "step", "ſtep", "first", "fırst", "firſt", "fırſt"];

/// Steps and questions of one text.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// How many question marks there are.
    pub(super) questions: usize,
    /// Whether one of the expressions matches.
    pub(super) several: bool,
    /// Where an unanswered `first` ends, and up to where no line feed follows it.
    open: Option<(usize, usize)>,
}

impl Steps {
    /// Takes a mark of [`MARKS`] and the byte after its end.
    pub(super) fn mark(&mut self, text: &str, number: usize, end: usize) {
        if number == 0 {
            self.questions += 1;
        } else if !self.several {
            self.several = match number {
                1 => before(text, end - 1).is_some_and(is_digit) && after(text, end).is_some_and(is_space),
                2 => before(text, end - 1).is_some_and(is_letter) && after(text, end).is_some_and(is_space),
                3 => self.is_open(text, end - 4),
                4 | 5 => text.get(end..).and_then(|rest| rest.chars().find(|c| !is_space(*c))).is_some_and(is_digit),
                _ => {
                    if !self.is_open(text, end) {
                        self.open = Some((end, end));
                    }
                    false
                }
            };
        }
    }

    /// Whether a `first` ended before, in the same line. An overlap of the two (`firsthen`) leaves it open.
    fn is_open(&mut self, text: &str, at: usize) -> bool {
        let Some((from, seen)) = self.open else { return false };
        if at < from {
            return false;
        }
        if text.as_bytes().get(seen..at).is_some_and(|between| memchr(b'\n', between).is_some()) {
            self.open = None;
            return false;
        }
        self.open = Some((from, seen.max(at)));
        true
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, 'ſ' | 'ı')
}
