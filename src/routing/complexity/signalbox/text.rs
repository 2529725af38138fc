//! What can be counted in a text in one pass: words and their signs, numbers, notation, code, statements.
//!
//! A word is a run of letters of any alphabet. Chinese and Japanese have no spaces: there each pair of neighbours is looked up
//! as a word, and two characters count as one. A character is looked at once and nothing is kept of it but counts, so hostile
//! input can only be counted wrongly, never slowly.
//!
//! **Invariant:** no allocation; the memory is [`Reading`] and one fixed bit set, whatever comes.

use super::reading::{Opening, Reading};
use super::words::{self, Sign};

/// How many bits remember which words were there: enough for the longest text that is read.
const SEEN_BITS: u32 = 8192;

/// What the last character was, as far as the next one cares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Digit,
    /// `.` right after a digit.
    Point,
    /// `,` right after a digit.
    Comma,
    /// `/` right after a digit.
    Slash,
    /// `.`, `!` or `?`.
    Stop,
    Semicolon,
    /// `_` right after a letter.
    Snake,
    /// `^`, `}`, or `_` elsewhere: a brace right after it is no code but LaTeX.
    Script,
    Tick,
    TwoTicks,
}

/// Reads a text, in one piece or in several.
pub(super) struct Reader {
    reading: Reading,
    seen: [u64; SEEN_BITS as usize / 64],
    hash: u32,
    letters: u32,
    foreign: bool,
    /// The only letter so far is a Greek one: by itself it is notation.
    greek: bool,
    /// The Chinese or Japanese character before.
    neighbour: Option<char>,
    halves: u32,
    since_stop: u32,
    last: Last,
    fence: bool,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self {
            reading: Reading::default(),
            seen: [0; SEEN_BITS as usize / 64],
            hash: words::SEED,
            letters: 0,
            foreign: false,
            greek: false,
            neighbour: None,
            halves: 0,
            since_stop: 0,
            last: Last::Other,
            fence: false,
        }
    }

    /// Reads a piece. The next one begins a new word.
    pub(super) fn read(&mut self, piece: &str) {
        let bytes = piece.as_bytes();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' => {
                    at += self.letters(bytes.get(at..).unwrap_or_default());
                    continue;
                }
                b' ' => self.space(),
                b'\'' => {}
                0x80.. => {
                    let Some(c) = piece.get(at..).and_then(|rest| rest.chars().next()) else { break };
                    self.beyond_ascii(c);
                    at += c.len_utf8();
                    continue;
                }
                _ => self.other(char::from(*byte)),
            }
            at += 1;
        }
        self.space();
    }

    /// What was counted.
    pub(super) fn finish(mut self) -> Reading {
        self.space();
        self.reading.words = self.reading.words.saturating_add(self.halves / 2);
        self.reading
    }

    /// Takes the ASCII letters that a text begins with, and says how many they are.
    fn letters(&mut self, text: &[u8]) -> usize {
        if self.letters == 0 && self.last == Last::Snake {
            self.reading.code_marks += 1;
        }
        let (mut hash, mut count) = (self.hash, 0);
        for byte in text {
            let lower = byte | 0x20;
            if !lower.is_ascii_lowercase() {
                break;
            }
            hash = words::step(hash, lower);
            count += 1;
        }
        self.hash = hash;
        self.letters = self.letters.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.last = Last::Other;
        count
    }

    fn space(&mut self) {
        self.end_word(' ');
        if matches!(self.last, Last::Stop | Last::Point) {
            self.end_statement();
        }
        self.last = Last::Other;
    }

    fn end_statement(&mut self) {
        self.reading.statements += u32::from(self.since_stop >= 3);
        self.since_stop = 0;
    }

    fn end_word(&mut self, next: char) {
        self.neighbour = None;
        if self.letters == 0 {
            return;
        }
        let (hash, letters) = (self.hash, self.letters);
        (self.hash, self.letters) = (words::SEED, 0);
        let (foreign, greek) = (std::mem::take(&mut self.foreign), std::mem::take(&mut self.greek));
        if self.fence {
            self.reading.fenced += 1;
            return;
        }
        if self.reading.words == 0 && self.halves == 0 {
            self.reading.opening = opening(hash);
        }
        self.reading.words += 1;
        self.reading.foreign += u32::from(foreign);
        self.since_stop += 1;
        self.reading.note(words::signs(hash));
        match letters {
            1 if greek => self.reading.notation += 2,
            // `a` and `I` are words, `B.` and `b)` number a list, every other single letter is a name in mathematics.
            1 => self.reading.notation += u32::from(!SINGLE_WORDS.contains(&hash) && !matches!(next, '.' | ')')),
            2..=3 => {}
            _ => {
                self.reading.long += u32::from(letters >= 9 && !foreign);
                self.come_back(hash);
            }
        }
    }

    fn come_back(&mut self, hash: u32) {
        self.reading.content += 1;
        let bit = (hash ^ hash >> 15) % SEEN_BITS;
        if let Some(word) = self.seen.get_mut(bit as usize / 64) {
            self.reading.back += u32::from(*word >> (bit % 64) & 1 == 1);
            *word |= 1 << (bit % 64);
        }
    }

    fn other(&mut self, c: char) {
        match c {
            '0'..='9' => self.digit(),
            '.' | '!' | '?' | ',' | '/' | ';' | '`' | '_' => self.mark(c),
            '\n' | '\t' | '\r' => {
                self.reading.code_marks += u32::from(self.last == Last::Semicolon);
                self.space();
            }
            _ => self.sign(c),
        }
    }

    fn sign(&mut self, c: char) {
        let attached = self.letters > 0 || matches!(self.last, Last::Snake | Last::Script);
        self.end_word(c);
        self.last = if matches!(c, '^' | '}') { Last::Script } else { Last::Other };
        match c {
            '=' | '^' | '+' | '<' | '>' | '~' | '\\' => self.reading.notation += 2,
            // Code has a space before its braces, LaTeX a command or a script.
            '{' if !attached => self.reading.code_marks += 2,
            '%' => self.reading.add(Sign::Proportion, 1),
            _ => {}
        }
    }

    fn digit(&mut self) {
        self.end_word(' ');
        match self.last {
            Last::Digit | Last::Point | Last::Comma => {}
            Last::Slash => self.reading.add(Sign::Proportion, 1),
            _ => self.reading.numbers += u32::from(!self.fence),
        }
        self.last = Last::Digit;
    }

    fn mark(&mut self, c: char) {
        let snake = c == '_' && self.letters > 0;
        self.end_word(c);
        let after_digit = self.last == Last::Digit;
        self.last = match c {
            '.' if after_digit => Last::Point,
            ',' if after_digit => Last::Comma,
            '/' if after_digit => Last::Slash,
            '.' | '!' | '?' => Last::Stop,
            ';' => Last::Semicolon,
            '`' => self.tick(),
            '_' => {
                if snake {
                    Last::Snake
                } else {
                    Last::Script
                }
            }
            _ => Last::Other,
        };
    }

    fn tick(&mut self) -> Last {
        self.reading.code_marks += 1;
        match self.last {
            Last::Tick => Last::TwoTicks,
            Last::TwoTicks => {
                self.fence = !self.fence;
                Last::Other
            }
            _ => Last::Tick,
        }
    }

    fn beyond_ascii(&mut self, c: char) {
        match c {
            '\u{d7}' | '\u{f7}' => self.notation(),
            '\u{bc}'..='\u{be}' | '\u{2150}'..='\u{215f}' => {
                self.end_word(' ');
                self.reading.add(Sign::Proportion, 1);
            }
            '\u{b0}'..='\u{b3}' | '\u{b9}' | '\u{2070}'..='\u{209f}' | '\u{2100}'..='\u{214f}' => self.notation(),
            '\u{2190}'..='\u{22ff}' | '\u{27c0}'..='\u{27ef}' | '\u{2980}'..='\u{2aff}' => self.notation(),
            '\u{1d400}'..='\u{1d7ff}' => self.notation(),
            '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' => {
                self.pair(c);
            }
            '。' | '！' | '？' | '．' | '؟' | '।' => {
                self.end_word(' ');
                self.end_statement();
                self.last = Last::Other;
            }
            '\u{ff10}'..='\u{ff19}' => self.digit(),
            '\u{c0}'..='\u{1fff}' | '\u{ac00}'..='\u{d7af}' => self.letter(c),
            _ => self.space(),
        }
    }

    fn notation(&mut self) {
        self.end_word(' ');
        self.reading.notation += 2;
        self.last = Last::Other;
    }

    fn letter(&mut self, c: char) {
        let c = lower(c);
        self.hash = utf8(self.hash, c);
        self.greek = self.letters == 0 && matches!(c, '\u{370}'..='\u{3ff}');
        self.foreign = true;
        self.letters += 1;
        self.last = Last::Other;
    }

    /// A character of a script without spaces.
    fn pair(&mut self, c: char) {
        let before = self.neighbour;
        self.end_word(' ');
        self.halves = self.halves.saturating_add(1);
        if self.halves.is_multiple_of(2) {
            self.since_stop += 1;
            self.reading.foreign += 1;
        }
        if let Some(before) = before {
            let hash = utf8(utf8(words::SEED, before), c);
            self.reading.note(words::signs(hash));
            self.come_back(hash);
        }
        self.neighbour = Some(c);
        self.last = Last::Other;
    }
}

/// The hash with one more character.
fn utf8(hash: u32, c: char) -> u32 {
    c.encode_utf8(&mut [0; 4]).bytes().fold(hash, words::step)
}

/// Lower case in the alphabets that the lists know; the others are looked up as they stand.
fn lower(c: char) -> char {
    let distance = match c {
        '\u{c0}'..='\u{de}' | '\u{391}'..='\u{3a9}' | '\u{410}'..='\u{42f}' => 0x20,
        '\u{400}'..='\u{40f}' => 0x50,
        _ => 0,
    };
    char::from_u32(u32::from(c) + distance).unwrap_or(c)
}

const fn hash(word: &str) -> u32 {
    let (mut rest, mut hash) = (word.as_bytes(), words::SEED);
    while let [first, others @ ..] = rest {
        hash = words::step(hash, *first);
        rest = others;
    }
    hash
}

fn opening(hash: u32) -> Opening {
    if QUESTIONS.contains(&hash) {
        Opening::Question
    } else if hash == ACT {
        Opening::Part
    } else {
        Opening::Other
    }
}

/// First words of a question for a fact.
const QUESTIONS: [u32; 12] = [
    hash("what"),
    hash("whats"),
    hash("who"),
    hash("whos"),
    hash("when"),
    hash("where"),
    hash("which"),
    hash("define"),
    hash("how"),
    hash("is"),
    hash("was"),
    hash("does"),
];

/// English words of one letter.
const SINGLE_WORDS: [u32; 2] = [hash("a"), hash("i")];

const ACT: u32 = hash("act");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Reading {
        let mut reader = Reader::new();
        reader.read(text);
        reader.finish()
    }

    #[test]
    fn words_numbers_and_statements_are_counted() {
        let reading =
            read("In 1990 the firm's 2,500 workers earned 3.5 times more. Why? It grew. They did it twice, again!");
        assert_eq!((reading.words, reading.numbers, reading.statements), (15, 3, 2));
        assert_eq!((reading.sign(Sign::Proportion), reading.sign(Sign::Sequence)), (2, 1));
        assert_eq!(read("It was founded in 1990. Who did it?").statements, 2);
        assert_eq!(read("½ of 3/4 is 12%").sign(Sign::Proportion), 3);
        assert_eq!(read(""), Reading::default());
    }

    #[test]
    fn words_come_back_when_they_were_there_before() {
        let reading = read("Price and demand: the PRICE falls while demand rises; price again. the the the");
        assert_eq!((reading.content, reading.back), (9, 3));
    }

    #[test]
    fn notation_is_no_list_and_no_initial() {
        assert_eq!(read("A. yes B) no").notation, 0);
        assert_eq!(read("I have a b").notation, 1);
        assert_eq!(read("x = y").notation, 4);
        assert_eq!(read("∀ α ≤ 3").notation, 6);
        assert_eq!(read("αβγ").notation, 0);
    }

    #[test]
    fn code_is_known_by_its_shape() {
        let code = read("Look:\n```\nlet a_b = f(x);\nif x { y }\n```\nok");
        assert_eq!((code.words, code.fenced), (2, 8));
        assert_eq!(code.code_marks, 6 + 1 + 1 + 2);
        assert_eq!(read(r"\mathbb{N}^{2} x_{i} \frac{1}{2} _____ wait; then").code_marks, 0);
        assert_eq!(read("snake_case and kebab-case").code_marks, 1);
    }

    #[test]
    fn every_script_has_words() {
        assert_eq!((read("Докажи теорему").words, read("ДОКАЖИ").sign(Sign::Task)), (2, 1));
        assert_eq!((read("größer").sign(Sign::Relation), read("GRÖSSER als").sign(Sign::Relation)), (1, 1));
        let chinese = read("证明这个方程。证明");
        assert_eq!((chinese.words, chinese.sign(Sign::Task), chinese.back), (4, 3, 1));
        assert_eq!(read("여기 두 단어").words, 3);
        for text in ["👩‍👩‍👧", "\u{fffd}\u{0}", "ا ب", "e\u{301}"] {
            assert!(read(text).words <= 2, "{text}");
        }
    }

    #[test]
    fn pieces_end_words() {
        let mut reader = Reader::new();
        reader.read("twi");
        reader.read("ce");
        assert_eq!(reader.finish().words, 2);
    }
}
