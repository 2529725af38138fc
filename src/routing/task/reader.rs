//! One pass over a text: which rows of the table it touches, and how strongly.
//!
//! Line by line, so that code and prose are told apart before a word is weighed: "error" in a pasted log is not an order. Phrases
//! are looked for at the beginnings of words only ([`super::phrases`]).
//!
//! **Invariant:** the time is linear in the text: no phrase is longer than a few words, no place is looked at twice.

use super::bytes::{WORD, is};
use super::cues::{
    AT_HAND, CODE, CODE_BEFORE, CODE_WORD, CODING_TOOLS, COMPLAINT, FORMULA, Kind, LANGUAGE, PASTED, PROGRAMMING,
    QUANTITY, ROWS, Row, TRACE, TRANSLATE, WORD_PROBLEM,
};
use super::fold::{fold, is_letter, wide};
use super::phrases::{TABLE, Table};
use super::shape;
use crate::config::task::Task;

/// How near a word of making must be to its thing, in bytes.
const NEAR_BYTES: usize = 80;
/// A cue this near to the beginning counts most.
const LEAD_BYTES: usize = 48;
/// The part of the first paragraph, and of the last line, that is read as the order itself.
const HEAD_BYTES: usize = 400;
const LAST_BYTES: usize = 200;
/// What is pasted below an order is a text of its own from this length on.
const PASTED_BYTES: usize = 160;
/// Shorter lines are items of a list, or answers to choose from.
const PASTED_LINE_BYTES: usize = 60;

/// What a place in the text is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Zone {
    /// Prose, with the share that cues have here.
    Prose(f64),
    /// Code, logs: only what machines write counts.
    Code,
}

/// What was found in a text.
#[derive(Debug)]
pub(super) struct Reader {
    /// For each row, its points at its best place.
    hits: [f64; ROWS.len()],
    /// Where a thing of each row was last named, and for how much.
    things: [Option<(usize, f64)>; ROWS.len()],
    /// Where the last word of making stands.
    made: Option<usize>,
    /// How many bytes were read, folded.
    read: usize,
    numbers: usize,
    code_lines: usize,
    pasted_bytes: usize,
    folded: String,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            hits: [0.0; ROWS.len()],
            things: [None; ROWS.len()],
            made: None,
            read: 0,
            numbers: 0,
            code_lines: 0,
            pasted_bytes: 0,
            folded: String::new(),
        }
    }

    /// Reads an ask; its pieces follow one another.
    pub(super) fn ask(&mut self, pieces: &[&str]) {
        let mut left: usize = pieces.iter().map(|piece| piece.len()).sum();
        let (mut fenced, mut paragraph, mut formula) = (false, 0, false);
        for line in pieces.iter().flat_map(|piece| piece.split_inclusive('\n')) {
            left = left.saturating_sub(line.len());
            let line = line.trim();
            if line.is_empty() {
                paragraph += usize::from(self.read > 0);
                continue;
            }
            if line.starts_with("```") {
                fenced = !fenced;
                self.code_lines += 2;
                continue;
            }
            let code = fenced || shape::is_code(line);
            let share = if paragraph == 0 && self.read < HEAD_BYTES {
                1.0
            } else if left < 2 && line.len() <= LAST_BYTES {
                0.75
            } else {
                0.25
            };
            self.code_lines += usize::from(code);
            if !code {
                self.pasted_bytes += if self.read > 0 && line.len() >= PASTED_LINE_BYTES { line.len() } else { 0 };
                formula |= share > 0.5 && shape::is_formula(line);
            }
            self.line(line, if code { Zone::Code } else { Zone::Prose(share) });
        }
        if self.code_lines > 0 {
            self.touch(CODE, 1.0);
        } else if formula {
            self.touch(FORMULA, 1.0);
        }
        if self.numbers > 1 && self.hit(QUANTITY) > 0.0 && self.code_lines == 0 {
            self.touch(WORD_PROBLEM, 1.0);
        }
        if self.pasted_bytes >= PASTED_BYTES && self.pasted_bytes > self.code_lines * 40 {
            self.touch(PASTED, 1.0);
        }
    }

    /// Reads the beginning of the instructions that stand over a conversation.
    pub(super) fn instructions(&mut self, text: &str) {
        // Where the ask itself says nothing, they are all there is.
        let share = if self.hits.iter().all(|hit| *hit == 0.0) { 1.0 } else { 0.5 };
        for line in text.lines() {
            self.line(line, Zone::Prose(share));
        }
    }

    /// Reads what a tool gave back: only what machines write counts.
    pub(super) fn result(&mut self, text: &str) {
        for line in text.lines() {
            self.line(line, Zone::Code);
        }
    }

    /// A row that is no phrase applies.
    pub(super) fn touch(&mut self, row: usize, share: f64) {
        let points = ROWS.get(row).map_or(0.0, |row| row.points) * share;
        if let Some(hit) = self.hits.get_mut(row) {
            *hit = hit.max(points);
        }
    }

    fn hit(&self, row: usize) -> f64 {
        self.hits.get(row).copied().unwrap_or_default()
    }

    /// What each row gives in the end, in the table's order.
    pub(super) fn points(&self) -> Vec<(Task, &'static str, f64)> {
        let of_trade = |row: &Row| matches!(row.kind, Kind::Trade | Kind::Mark);
        let trade = ROWS.iter().zip(&self.hits).any(|(row, hit)| of_trade(row) && *hit > 0.0);
        let technical = trade
            || [CODE, CODING_TOOLS, CODE_BEFORE, TRACE].map(|row| self.hit(row)) != [0.0; 4]
            || self.hit(CODE_WORD) > 2.0;
        let complaint = technical && self.hit(COMPLAINT) >= 1.0;
        let code = self.hit(CODE) > 0.0;
        // "Translate this Python to Rust" is no translation.
        let of_code = self.hit(PROGRAMMING) > 0.0 && self.hit(LANGUAGE) == 0.0;
        let mut points = Vec::new();
        for (at, (row, hit)) in ROWS.iter().zip(&self.hits).enumerate() {
            if *hit == 0.0 {
                continue;
            }
            let times = match row.kind {
                Kind::Complaint if technical => 3.0,
                // What is complained about is named, not ordered.
                Kind::Thing | Kind::Trade | Kind::Shape if complaint && row.task == Task::CodeGeneration => 0.25,
                // What is at hand is code, not a text.
                _ if at == AT_HAND && code => 0.25,
                _ => 1.0,
            };
            let task = if at == TRANSLATE && of_code { Task::CodeGeneration } else { row.task };
            points.push((task, row.name, hit * times));
        }
        points
    }

    fn line(&mut self, line: &str, zone: Zone) {
        let mut folded = std::mem::take(&mut self.folded);
        folded.clear();
        fold(line, &mut folded);
        self.words(&folded, zone);
        self.read += folded.len() + 1;
        self.folded = folded;
    }

    /// Finds the words of a folded line.
    fn words(&mut self, line: &str, zone: Zone) {
        let (bytes, table) = (line.as_bytes(), &*TABLE);
        let mut word: Option<usize> = None;
        let mut closer: Option<char> = None;
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if is(*byte, WORD) {
                if word.is_none() {
                    self.numbers += usize::from(byte.is_ascii_digit());
                    self.phrase(table, line, at, if closer.is_some() { quoted(zone) } else { zone });
                    word = Some(at);
                }
                // Most of a text: letters within a word.
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().position(|byte| !is(*byte, WORD)).unwrap_or(rest.len());
                continue;
            }
            let c = match byte {
                0..=0x7f => char::from(*byte),
                _ => line.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' '),
            };
            let (wide, part) = (wide(c), is_letter(c));
            if let Some(start) = word
                && (!part || wide)
            {
                self.word_ended(line, start, at, zone);
                word = None;
            }
            if part && word.is_none() {
                self.phrase(table, line, at, if closer.is_some() { quoted(zone) } else { zone });
                word = (!wide).then_some(at);
            }
            if !part {
                closer = quote(closer, c);
            }
            at += c.len_utf8();
        }
        if let Some(start) = word {
            self.word_ended(line, start, line.len(), zone);
        }
    }

    /// Marks that are known by a word's end: `KeyError`, `main.rs:14`.
    fn word_ended(&mut self, line: &str, start: usize, end: usize, zone: Zone) {
        let bytes = line.as_bytes();
        let word = bytes.get(start..end).unwrap_or_default();
        let named = |ending: &[u8]| word.len() > ending.len() && word.ends_with(ending);
        let trace = match word.last() {
            Some(b'r') => named(b"error"),
            Some(b'n') => named(b"exception"),
            _ => false,
        };
        if trace {
            self.touch(TRACE, 1.0);
        } else if start > 1 && bytes.get(start - 1) == Some(&b'.') && shape::SOURCE_FILES.contains(&word) {
            let place = bytes.get(end) == Some(&b':') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            if place {
                self.touch(TRACE, 1.0);
            } else if zone != Zone::Code {
                self.touch(PROGRAMMING, 0.75);
            }
        }
    }

    /// Looks for phrases that begin here.
    fn phrase(&mut self, table: &Table, line: &str, at: usize, zone: Zone) {
        let Some(rest) = line.as_bytes().get(at..) else { return };
        for phrase in table.beginning(rest) {
            let next = line.get(at + phrase.text.len()..).and_then(|after| after.chars().next());
            if phrase.open || next.is_none_or(|next| wide(next) || !(next.is_alphanumeric() || next == '_')) {
                self.found(phrase.row, self.read + at, zone);
            }
        }
    }

    fn found(&mut self, at: usize, place: usize, zone: Zone) {
        let Some(row) = ROWS.get(at) else { return };
        let share = match (row.kind, zone) {
            (Kind::Mark, _) => 1.0,
            (_, Zone::Code) => return,
            (Kind::Complaint | Kind::Trade | Kind::Make, Zone::Prose(share)) => share,
            (_, Zone::Prose(share)) if place < LEAD_BYTES => share * 1.5,
            (_, Zone::Prose(share)) => share,
        };
        if row.kind == Kind::Make && share > 0.5 {
            self.made = Some(place);
            for (row, thing) in self.things.into_iter().enumerate() {
                if let Some((_, share)) = thing.filter(|(thing, _)| place - thing <= NEAR_BYTES) {
                    self.touch(row, share * 2.0);
                }
            }
        } else if row.kind == Kind::Thing {
            if let Some(thing) = self.things.get_mut(at) {
                *thing = Some((place, share));
            }
            let made = self.made.is_some_and(|made| place - made <= NEAR_BYTES);
            self.touch(at, if made { share * 2.0 } else { share });
        } else {
            self.touch(at, share);
        }
    }
}

/// What stands in quotes is seldom the order.
fn quoted(zone: Zone) -> Zone {
    match zone {
        Zone::Prose(share) => Zone::Prose(share * 0.25),
        Zone::Code => zone,
    }
}

/// After this character: which one closes the open quotation, where one is open.
const fn quote(open: Option<char>, c: char) -> Option<char> {
    match (open, c) {
        (Some('“'), '“' | '”' | '"') => None,
        (Some(closer), _) if closer as u32 == c as u32 => None,
        (Some(_), _) => open,
        (None, '"') => Some('"'),
        (None, '“') => Some('”'),
        (None, '„') => Some('“'),
        (None, '«') => Some('»'),
        (None, '「') => Some('」'),
        (None, '『') => Some('』'),
        (None, '《') => Some('》'),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_rules_name_stand_where_they_say() {
        let name = |at: usize| ROWS[at].name;
        assert_eq!(name(TRANSLATE), "to translate");
        assert_eq!(name(LANGUAGE), "a language by name");
        assert_eq!(name(PROGRAMMING), "a programming language");
        assert_eq!(name(QUANTITY), "a quantity asked for");
        assert_eq!(name(CODE_WORD), "code, by its name");
        assert_eq!(name(AT_HAND), "about a text at hand");
        assert_eq!(ROWS[COMPLAINT].kind, Kind::Complaint);
        assert_eq!(ROWS.iter().position(|row| row.kind != Kind::Shape), Some(TRANSLATE));
    }
}
