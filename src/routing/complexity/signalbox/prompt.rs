//! How much of an ask is read, and which asks before it count.
//!
//! What the ask is (reminder blocks cut out, a turn of reminders alone skipped) is found once for all classifiers, in
//! `complexity::prompt`. System prompts are the same for every request of an application and tell nothing about this one, and
//! answers tell about the model: neither is read.
//!
//! A long ask states its task at the beginning or at the end, what lies between is material. So head and tail are read, and
//! the time is bounded for any length.

use super::super::prompt::human;
use super::reading::Reading;
use super::text::Reader;
use crate::chat::{Role, Transcript};

/// How much of the newest ask is read at its head, and as much at its tail, in bytes.
const HALF: usize = 8 * 1024;
/// The same for the asks before.
const EARLIER_HALF: usize = 1024;
/// How many asks before are read.
const EARLIER: usize = 3;

/// The counts of the newest ask.
pub(super) fn newest(ask: &str) -> Reading {
    read(ask, HALF)
}

/// The counts of a few asks before a turn, the newest first.
pub(super) fn before<'c>(
    conversation: &'c Transcript<'_>,
    turn: usize,
    markers: &'c [(&str, &str)],
) -> impl Iterator<Item = Reading> + 'c {
    let turns = conversation.turns.get(..turn).unwrap_or_default();
    let users = turns.iter().rev().filter(|turn| turn.role == Role::User);
    let asks = users.map(|turn| human(&turn.text, markers)).filter(|ask| !ask.is_empty());
    asks.take(EARLIER).map(|ask| read(&ask, EARLIER_HALF))
}

fn read(text: &str, half: usize) -> Reading {
    let mut reader = Reader::new();
    if text.len() <= 2 * half {
        reader.read(text);
    } else {
        let head = text.get(..text.floor_char_boundary(half));
        let tail = text.get(text.ceil_char_boundary(text.len() - half)..);
        [head, tail].into_iter().flatten().for_each(|part| reader.read(part));
    }
    reader.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_tail_of_a_long_text_are_read_and_nothing_between() {
        let text = format!("{}{}{}", "head ".repeat(1639), "if ".repeat(400_000), "tail ".repeat(1639));
        let reading = read(&text, HALF);
        assert!((3275..3285).contains(&reading.words), "{}", reading.words);
        for wide in ["é", "字", "😀"] {
            for shift in 0..4 {
                read(&format!("{}{}", "x".repeat(shift), wide.repeat(9_000)), HALF);
            }
        }
    }
}
