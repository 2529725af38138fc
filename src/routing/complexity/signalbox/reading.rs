//! What was counted in a text: all that the features know of it.
//!
//! **Invariant:** counts only, so that the text may be forgotten and no feature can read it a second time.

use super::words::{SIGNS, Sign};

/// What the first word tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Opening {
    #[default]
    Other,
    /// It asks for a fact: what, who, when ...
    Question,
    /// It gives a part to play: act as ...
    Part,
}

/// The counts of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Words outside of code blocks.
    pub(super) words: u32,
    /// Of these, Latin ones of nine letters or more.
    pub(super) long: u32,
    /// Of these, ones in other alphabets or with accents.
    pub(super) foreign: u32,
    /// Words of four letters or more.
    pub(super) content: u32,
    /// Of these, ones that stood there before.
    pub(super) back: u32,
    /// Numbers in digits.
    pub(super) numbers: u32,
    /// Signs and letters of mathematics and logic, in halves.
    pub(super) notation: u32,
    /// Opening braces (twice), back ticks, `snake_case`, semicolons at the end of a line.
    pub(super) code_marks: u32,
    /// Words within code blocks.
    pub(super) fenced: u32,
    /// Statements: three words or more, then a full stop or its like.
    pub(super) statements: u32,
    /// How it begins.
    pub(super) opening: Opening,
    signs: [u32; SIGNS],
}

impl Reading {
    /// How many words are a sign of this.
    pub(super) fn sign(&self, sign: Sign) -> u32 {
        self.signs.get(sign as usize).copied().unwrap_or(0)
    }

    /// As many more of them, from what is no word.
    pub(super) fn add(&mut self, sign: Sign, count: u32) {
        if let Some(known) = self.signs.get_mut(sign as usize) {
            *known = known.saturating_add(count);
        }
    }

    /// One more of each sign in a mask.
    pub(super) fn note(&mut self, mut mask: u16) {
        while mask != 0 {
            if let Some(count) = self.signs.get_mut(mask.trailing_zeros() as usize) {
                *count = count.saturating_add(1);
            }
            mask &= mask - 1;
        }
    }
}
