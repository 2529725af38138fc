//! The newest ask: what a human last wanted, without what the client's software wrote around it.
//!
//! Coding clients put reminders into the user's turn. They are cut out, not scored; a turn of nothing else is no ask, and an
//! older turn is then the newest one.
//!
//! **Invariant:** time grows with the text alone: every search begins where the last one ended.

use std::borrow::Cow;

use memchr::memchr2_iter;

use super::unicode::strip;
use crate::chat::{Role, Transcript, Utterance};
use crate::sort;

/// Pairs of marks, in lower case, around what is no ask. The first is for everyone, the others for Codex.
pub(super) const MARKERS: &[(&str, &str)] = &[
    ("<system-reminder>", "</system-reminder>"),
    ("<environment_context>", "</environment_context>"),
    ("<recommended_plugins>", "</recommended_plugins>"),
    ("<user_instructions>", "</user_instructions>"),
    ("<environments_instructions>", "</environments_instructions>"),
    ("# agents.md instructions for ", "</instructions>"),
];

/// The newest ask of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestPrompt<'c> {
    /// What is asked, never empty.
    pub text: Cow<'c, str>,
    /// Its turn's place in the conversation.
    pub turn: usize,
    /// Whether no other user's turn follows, not even one of reminders or results.
    pub is_newest_turn: bool,
}

/// Finds the newest ask.
pub(super) fn newest<'c>(conversation: &'c Transcript<'_>, markers: &[(&str, &str)]) -> Option<LatestPrompt<'c>> {
    let users = conversation.turns.iter().enumerate().rev().filter(|(_, turn)| turn.role == Role::User);
    let mut asks = users.enumerate().map(|(newer, (turn, said))| LatestPrompt {
        text: human(&said.text, markers),
        turn,
        is_newest_turn: newer == 0,
    });
    asks.find(|ask| !ask.text.is_empty())
}

/// Whether a turn asks something.
pub(super) fn is_prompt(turn: &Utterance<'_>, markers: &[(&str, &str)]) -> bool {
    turn.role == Role::User && !human(&turn.text, markers).is_empty()
}

/// A text without the blocks between marks; what stands around them is joined by one space.
pub(super) fn human<'t>(text: &'t str, markers: &[(&str, &str)]) -> Cow<'t, str> {
    let mut blocks: Vec<(usize, usize)> = Vec::new();
    for (open, close) in markers {
        let mut from = 0;
        while let Some((start, inner)) = find(text, open, from) {
            let Some((_, end)) = find(text, close, inner) else { break };
            from = end;
            blocks.push((start, end));
        }
    }
    if blocks.is_empty() {
        return Cow::Borrowed(strip(text));
    }
    sort::by_key(&mut blocks, |block| *block);
    let mut kept: Vec<&str> = Vec::new();
    let mut from = 0;
    for (start, end) in blocks.into_iter().chain([(text.len(), text.len())]) {
        kept.extend(text.get(from..start).map(strip).filter(|kept| !kept.is_empty()));
        from = from.max(end);
    }
    Cow::Owned(kept.join(" "))
}

/// Where a mark begins and ends from a byte on, in any case.
fn find(text: &str, mark: &str, from: usize) -> Option<(usize, usize)> {
    if !mark.is_ascii() {
        let mut places = text.get(from..)?.char_indices().map(|(at, _)| from + at);
        return places.find_map(|at| Some((at, at + begins(text.get(at..)?, mark)?)));
    }
    let (bytes, mark) = (text.as_bytes(), mark.as_bytes());
    let first = *mark.first()?;
    let is_here = |at: &usize| bytes.get(*at..*at + mark.len()).is_some_and(|piece| piece.eq_ignore_ascii_case(mark));
    memchr2_iter(first, first.to_ascii_uppercase(), bytes.get(from..)?)
        .map(|at| from + at)
        .find(is_here)
        .map(|at| (at, at + mark.len()))
}

/// How many bytes of a text's beginning are the mark, which is in lower case; `None` where it does not begin so.
fn begins(text: &str, mark: &str) -> Option<usize> {
    // Lower case of a whole text knows where a word ends, of a character it does not.
    let plain = |c: char| if c == 'ς' { 'σ' } else { c };
    let mut wanted = mark.chars().map(plain).peekable();
    for (at, c) in text.char_indices() {
        if wanted.peek().is_none() {
            return Some(at);
        }
        if !c.to_lowercase().all(|c| wanted.next() == Some(plain(c))) {
            return None;
        }
    }
    wanted.peek().is_none().then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Cow<'_, str> {
        human(text, &MARKERS[..1])
    }

    #[test]
    fn reminders_are_cut_out() {
        assert!(matches!(cut(" hi\n"), Cow::Borrowed("hi")));
        assert_eq!(cut("a <system-reminder>x</SYSTEM-reminder> b<System-Reminder></system-reminder>"), "a b");
        assert_eq!(cut("<system-reminder> all </system-reminder>"), "");
        let unclosed = "<system-reminder> a <system-reminder> b";
        assert_eq!(cut(unclosed), unclosed);
        assert_eq!(cut("a</system-reminder><system-reminder>b</system-reminder>c"), "a</system-reminder> c");
        let nested = "a <environment_context>x<system-reminder>y</system-reminder>z</environment_context> b";
        assert_eq!(human(nested, MARKERS), "a b");
    }

    #[test]
    fn marks_of_any_script_are_found_in_any_case() {
        let marks = [("[änderung]", "[/änderung]"), ("<τελος>", "<στοπ>"), ("注<", ">注")];
        let cut = |text| human(text, &marks);
        assert_eq!(cut("a [ÄNDERUNG]x[/Änderung] b [änderung]y[/änderung]"), "a b");
        assert_eq!(cut("<ΤΕΛΟΣ>x<ΣΤΟΠ>a<τελος>x<στοπ>"), "a");
        assert_eq!(cut("注<x>注 b 注<y"), "b 注<y");
        assert_eq!(cut("[Ä"), "[Ä");
    }

    #[test]
    fn an_older_ask_counts_where_newer_turns_ask_nothing() {
        let turn = |role, text: &'static str| Utterance { role, text: text.into(), attachments: 0, calls: 0 };
        let turns = vec![
            turn(Role::User, "older"),
            turn(Role::User, "the ask"),
            turn(Role::Assistant, "…"),
            turn(Role::User, "<system-reminder>x</system-reminder>"),
            turn(Role::Tool, "result"),
        ];
        let mut conversation = Transcript { turns, ..Transcript::default() };
        let ask = newest(&conversation, MARKERS).unwrap();
        assert_eq!((&*ask.text, ask.turn, ask.is_newest_turn), ("the ask", 1, false));
        conversation.turns.truncate(2);
        assert!(newest(&conversation, MARKERS).unwrap().is_newest_turn);
        conversation.turns.clear();
        assert_eq!(newest(&conversation, MARKERS), None);
    }

    #[test]
    fn many_unclosed_marks_cost_no_more_than_their_length() {
        let text = "<system-reminder>".repeat(100_000);
        assert_eq!(cut(&text).len(), text.len());
        let text = "[Ä]".repeat(100_000);
        assert_eq!(human(&text, &[("[ä]", "[/ä]")]).len(), text.len());
    }
}
