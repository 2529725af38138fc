//! Which part of a conversation is the ask, and how much of it is read.
//!
//! The ask is the newest turn of the user that says something outside of reminder blocks; these are put there by the
//! user's program, not by the user. System prompts are the same for every request of an application and tell nothing
//! about this one.
//!
//! A long ask states its task at the beginning or at the end, what lies between is material. So the head and the tail are
//! read, and the time is bounded for any length; only the reminders are looked for in the whole text.
//!
//! **Invariant:** the work is linear in the length of the conversation, also where marks are opened and never closed.

use memchr::memchr;

use super::text::{Reader, Reading};
use crate::chat::{Conversation, Role};

/// How much of the newest ask is read at its head, and as much at its tail, in bytes.
const HALF: usize = 8 * 1024;
/// The same for the asks before.
const EARLIER_HALF: usize = 1024;
/// How many asks before are read.
const EARLIER: usize = 3;

const OPEN: &str = "<system-reminder>";
const CLOSE: &str = "</system-reminder>";

/// The counts of the newest ask, if anybody asks anything.
pub(super) fn newest(conversation: &Conversation<'_>) -> Option<Reading> {
    asks(conversation).next().map(|text| read(text, HALF))
}

/// The counts of a few asks before it, the newest first.
pub(super) fn earlier(conversation: &Conversation<'_>) -> impl Iterator<Item = Reading> {
    asks(conversation).skip(1).take(EARLIER).map(|text| read(text, EARLIER_HALF))
}

fn asks<'c>(conversation: &'c Conversation<'_>) -> impl Iterator<Item = &'c str> {
    let users = conversation.turns.iter().rev().filter(|turn| turn.role == Role::User);
    users.map(|turn| turn.text.as_ref()).filter(|text| Said::new(text).any(|piece| !piece.trim_ascii().is_empty()))
}

/// Reads head and tail of what is said.
fn read(text: &str, half: usize) -> Reading {
    let mut reader = Reader::new();
    let total: usize = if text.len() <= 2 * half { 0 } else { Said::new(text).map(str::len).sum() };
    if total <= 2 * half {
        Said::new(text).for_each(|piece| reader.read(piece));
        return reader.finish();
    }
    let mut at = 0;
    for piece in Said::new(text) {
        let head = piece.floor_char_boundary(half.saturating_sub(at));
        let tail = piece.ceil_char_boundary((total - half).saturating_sub(at)).max(head);
        for part in [piece.get(..head), piece.get(tail..)].into_iter().flatten().filter(|part| !part.is_empty()) {
            reader.read(part);
        }
        at += piece.len();
    }
    reader.finish()
}

/// The pieces of a text between complete reminder blocks.
struct Said<'t> {
    rest: &'t str,
    /// No block is closed from here on.
    closed: bool,
}

impl<'t> Said<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text, closed: false }
    }

    /// Where the next complete block begins and ends.
    fn block(&mut self) -> Option<(usize, usize)> {
        if self.closed {
            return None;
        }
        let begin = find(self.rest, OPEN)?;
        let inner = begin + OPEN.len();
        let length = self.rest.get(inner..).and_then(|inner| find(inner, CLOSE));
        self.closed = length.is_none();
        Some((begin, inner + length? + CLOSE.len()))
    }
}

impl<'t> Iterator for Said<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (begin, end) = self.block().unwrap_or((self.rest.len(), self.rest.len()));
        let piece = self.rest.get(..begin)?;
        self.rest = self.rest.get(end..)?;
        Some(piece)
    }
}

/// Where a mark stands, in any case.
fn find(text: &str, mark: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut from = 0;
    loop {
        let at = from + memchr(b'<', bytes.get(from..)?)?;
        if bytes.get(at..at + mark.len())?.eq_ignore_ascii_case(mark.as_bytes()) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<&str> {
        Said::new(text).collect()
    }

    #[test]
    fn only_complete_reminder_blocks_are_left_out() {
        assert_eq!(said("a<system-reminder>b</system-reminder>c"), ["a", "c"]);
        assert_eq!(said("<SYSTEM-reminder>b</System-Reminder>"), [""]);
        assert_eq!(said("a<system-reminder>b"), ["a<system-reminder>b"]);
        assert_eq!(said("a</system-reminder>b<"), ["a</system-reminder>b<"]);
        assert_eq!(said("<system-reminder><system-reminder></system-reminder>é"), ["", "é"]);
    }

    #[test]
    fn head_and_tail_of_a_long_text_are_read_and_nothing_between() {
        let middle = "material ".repeat(40_000);
        let text = format!("{}{middle}{}", "head ".repeat(1639), "tail ".repeat(1639));
        let reading = read(&text, HALF);
        assert!((3275..3285).contains(&reading.words), "{}", reading.words);
        let reminded = format!("ask <system-reminder>{middle}</system-reminder>more");
        assert_eq!(read(&reminded, HALF).words, 2);
        let wide = "é".repeat(40_000);
        assert!(read(&wide, HALF).words <= 2);
    }
}
