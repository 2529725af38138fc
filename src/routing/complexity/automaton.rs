//! Finds many words in one pass over a text: an Aho-Corasick automaton, every step of it one look into a table.
//!
//! A search per keyword would cost more than a hundred passes over each prompt. The table is built once per configuration, and
//! treats the letters of ASCII alike in both cases, so that most texts need not be lowered first. Each step waits for the one
//! before, so a scan goes through two parts of a text side by side, the second a pattern's length into the first. (Through four, V8 keeps
//! what it steps by in memory, and executes twice as many instructions a byte.)
//!
//! The crate `aho-corasick` would do the same. Measured in V8 with the 124 default keywords, its DFA takes 1.3 ns a byte of 64 KiB where this
//! took 0.8 with four parts, 1.6 of 2 KiB where this took 1.2, 1.6 of 200 bytes where this took 2.2, and adds 57 KiB to the module; its NFA
//! takes 5.6.
//!
//! **Invariant:** a scan takes about one step per byte, whatever the text, and makes one call per pattern and place.

use crate::sort;
use std::collections::VecDeque;

/// Where a state's row begins in the table.
type State = u32;
/// The states that an automaton may have.
const MOST_STATES: usize = u16::MAX as usize;

const ROOT: State = 0;

/// The automaton of some patterns.
#[derive(Debug, Clone)]
pub(super) struct Automaton {
    /// Each byte's column in the table: bytes that no pattern holds share one.
    column: [u8; 256],
    /// Columns of a row, as a power of two.
    row_bits: u32,
    /// The next state, by row and column.
    next: Vec<State>,
    /// States from here on end a pattern.
    first_ending: State,
    /// For each state that ends patterns, where they stand in `ends`.
    spans: Vec<(u32, u32)>,
    /// Patterns by number.
    ends: Vec<u32>,
    /// The longest pattern's length in bytes.
    longest: usize,
}

/// Below this many bytes a text is scanned in one go.
const SHORT: usize = 256;

/// A trie with its failure links, before it becomes a table.
#[derive(Default)]
struct Trie {
    /// Children of each state by column.
    children: Vec<Vec<(u8, usize)>>,
    /// Patterns that end in each state.
    ends: Vec<Vec<u32>>,
}

impl Automaton {
    /// Builds it. Patterns are in lower case; an empty one is never found, nor is one for which there are no states left.
    pub(super) fn new<'p>(patterns: impl Iterator<Item = &'p str> + Clone) -> Self {
        let (column, columns) = columns(patterns.clone());
        let longest = patterns.clone().map(str::len).max().unwrap_or(0);
        let trie = Trie::new(patterns, &column);
        let row_bits = columns.next_power_of_two().trailing_zeros();
        let mut next = vec![0_usize; trie.children.len() << row_bits];
        let mut ends = trie.ends;
        let mut fail = vec![0_usize; trie.children.len()];
        let mut queue = VecDeque::from([0]);
        while let Some(state) = queue.pop_front() {
            let failed = fail.get(state).copied().unwrap_or(0);
            // A state goes on as the one it falls back to, except where it has children of its own.
            if state != 0 {
                #[expect(clippy::disallowed_methods, reason = "both rows are in the table, which has one a state")]
                next.copy_within((failed << row_bits)..((failed + 1) << row_bits), state << row_bits);
            }
            let inherited = if state == 0 { Vec::new() } else { ends.get(failed).cloned().unwrap_or_default() };
            if let Some(own) = ends.get_mut(state) {
                own.extend(inherited);
            }
            for &(column, child) in trie.children.get(state).into_iter().flatten() {
                let Some(cell) = next.get_mut((state << row_bits) | usize::from(column)) else { continue };
                let fallback = std::mem::replace(cell, child);
                if let Some(link) = fail.get_mut(child) {
                    *link = if state == 0 { 0 } else { fallback };
                }
                queue.push_back(child);
            }
        }
        Self { longest, ..Self::pack(column, row_bits, &next, &ends) }
    }

    /// Numbers the states so that those that end a pattern come last: the scan then asks one comparison per byte.
    fn pack(column: [u8; 256], row_bits: u32, next: &[usize], ends: &[Vec<u32>]) -> Self {
        let mut order: Vec<usize> = (0..ends.len()).collect();
        sort::by_key(&mut order, |state| ends.get(*state).is_some_and(|ends| !ends.is_empty()));
        let mut number = vec![ROOT; ends.len()];
        for (new, old) in order.iter().enumerate() {
            if let (Some(slot), Ok(new)) = (number.get_mut(*old), State::try_from(new << row_bits)) {
                *slot = new;
            }
        }
        let renumbered = |old: &usize| number.get(*old).copied().unwrap_or(ROOT);
        let row = |old: &usize| next.get((old << row_bits)..((old + 1) << row_bits)).unwrap_or_default();
        let mut packed = Self {
            column,
            row_bits,
            next: order.iter().flat_map(row).map(renumbered).collect(),
            first_ending: 0,
            spans: Vec::new(),
            ends: Vec::new(),
            longest: 0,
        };
        for ends in order.iter().filter_map(|old| ends.get(*old)) {
            if ends.is_empty() {
                packed.first_ending += 1 << row_bits;
                continue;
            }
            let from = packed.ends.len();
            packed.ends.extend(ends);
            packed.spans.push((from as u32, packed.ends.len() as u32));
        }
        packed
    }

    /// Calls `found` with each pattern's number and the byte after its end, in no order.
    #[inline]
    pub(super) fn scan(&self, text: &str, mut found: impl FnMut(usize, usize)) {
        let bytes = text.as_bytes();
        let part = bytes.len() / 2;
        if bytes.len() < SHORT || part < self.longest || self.longest == 0 {
            self.scan_on(ROOT, bytes, 0, &mut found);
            return;
        }
        // The second part warms up on what stands before it, to find the patterns that cross into it.
        let before = bytes.get(part - (self.longest - 1)..part).unwrap_or_default();
        let mut b = before.iter().fold(ROOT, |state, byte| self.step(state, *byte));
        let mut a = ROOT;
        let (first, second) = (bytes.get(..part).unwrap_or_default(), bytes.get(part..).unwrap_or_default());
        for (at, (x, y)) in first.iter().zip(second).enumerate() {
            (a, b) = (self.step(a, *x), self.step(b, *y));
            if a.max(b) >= self.first_ending {
                self.report(a, at + 1, &mut found);
                self.report(b, part + at + 1, &mut found);
            }
        }
        self.scan_on(b, bytes, 2 * part, &mut found);
    }

    /// Scans from a byte on, in one go.
    fn scan_on(&self, mut state: State, bytes: &[u8], from: usize, found: &mut impl FnMut(usize, usize)) {
        for (at, byte) in bytes.get(from..).unwrap_or_default().iter().enumerate() {
            state = self.step(state, *byte);
            self.report(state, from + at + 1, found);
        }
    }

    #[inline(always)]
    fn step(&self, state: State, byte: u8) -> State {
        let column = self.column.get(usize::from(byte)).copied().unwrap_or(0);
        self.next.get(state as usize | usize::from(column)).copied().unwrap_or(ROOT)
    }

    #[inline(always)]
    fn report(&self, state: State, end: usize, found: &mut impl FnMut(usize, usize)) {
        let Some(ending) = state.checked_sub(self.first_ending) else { return };
        let (from, to) = self.spans.get((ending >> self.row_bits) as usize).copied().unwrap_or_default();
        for &pattern in self.ends.get(from as usize..to as usize).unwrap_or_default() {
            found(pattern as usize, end);
        }
    }
}

impl Trie {
    fn new<'p>(patterns: impl Iterator<Item = &'p str>, column: &[u8; 256]) -> Self {
        let mut trie = Self { children: vec![Vec::new()], ends: vec![Vec::new()] };
        for (number, pattern) in patterns.enumerate() {
            // The configuration's limit on keywords keeps this far away.
            if pattern.is_empty() || trie.children.len() + pattern.len() >= MOST_STATES {
                continue;
            }
            let mut state = 0;
            for byte in pattern.bytes() {
                let column = column.get(usize::from(byte)).copied().unwrap_or(0);
                state = trie.child(state, column);
            }
            if let (Some(ends), Ok(number)) = (trie.ends.get_mut(state), u32::try_from(number)) {
                ends.push(number);
            }
        }
        trie
    }

    fn child(&mut self, state: usize, column: u8) -> usize {
        let fresh = self.children.len();
        let Some(children) = self.children.get_mut(state) else { return 0 };
        if let Some((_, child)) = children.iter().find(|(known, _)| *known == column) {
            return *child;
        }
        children.push((column, fresh));
        self.children.push(Vec::new());
        self.ends.push(Vec::new());
        fresh
    }
}

/// A column for each byte that some pattern holds, 0 for all others, and how many columns there are.
fn columns<'p>(patterns: impl Iterator<Item = &'p str>) -> ([u8; 256], usize) {
    let mut column = [0_u8; 256];
    let mut columns = 1_usize;
    for byte in patterns.flat_map(str::bytes) {
        let Some(slot) = column.get_mut(usize::from(byte)) else { continue };
        // UTF-8 never holds 255, so that 255 columns and the common one are enough.
        if let (0, Ok(fresh)) = (*slot, u8::try_from(columns)) {
            *slot = fresh;
            columns += 1;
        }
    }
    for upper in b'A'..=b'Z' {
        let lower = column.get(usize::from(upper.to_ascii_lowercase())).copied().unwrap_or(0);
        if let Some(slot) = column.get_mut(usize::from(upper)) {
            *slot = lower;
        }
    }
    (column, columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(patterns: &[&str], text: &str) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        Automaton::new(patterns.iter().copied()).scan(text, |pattern, end| found.push((pattern, end)));
        found.sort_unstable();
        found
    }

    /// The same by looking for each pattern at each place.
    fn plainly(patterns: &[&str], text: &str) -> Vec<(usize, usize)> {
        let lower = text.to_ascii_lowercase();
        let mut found = Vec::new();
        for (number, pattern) in patterns.iter().enumerate().filter(|(_, pattern)| !pattern.is_empty()) {
            let ends = (0..lower.len()).filter(|at| lower.as_bytes()[*at..].starts_with(pattern.as_bytes()));
            found.extend(ends.map(|at| (number, at + pattern.len())));
        }
        found
    }

    #[test]
    fn every_pattern_is_found_at_every_place() {
        let patterns = ["he", "she", "his", "hers", "s", "he", "", "er s", "発", "。", "aa", "aaa", "ab", "bab"];
        for text in ["", "ushers", "SHE sells his hers she", "開発。発", "aaaaabababaab", "hhehishe", "x"] {
            assert_eq!(found(&patterns, text), plainly(&patterns, text), "{text}");
        }
        let mut seed = 7_u64;
        for _ in 0..300 {
            let text: String = (0..60)
                .map(|_| {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ['a', 'b', 'h', 'e', 's', 'i', 'r', ' '][(seed >> 60) as usize % 8]
                })
                .collect();
            assert_eq!(found(&patterns, &text), plainly(&patterns, &text), "{text}");
            let long = format!("{text}{}{text}", &text.repeat(6)[(seed >> 50) as usize % 60..]);
            assert_eq!(found(&patterns, &long), plainly(&patterns, &long), "{long}");
        }
    }

    #[test]
    fn no_pattern_is_no_danger() {
        assert_eq!(found(&[], "abc"), []);
        assert_eq!(found(&[""], "abc"), []);
    }
}
