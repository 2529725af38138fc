//! Python's `\w`, `\d`, `\s` and `str.lower`, where Rust's standard library draws the line elsewhere.
//!
//! LiteLLM's scorer is written in Python: to decide the same it takes the same word boundaries. Python's words are letters and
//! numbers; Rust's `is_alphanumeric` adds the marks that Unicode calls alphabetic (vowel signs, circled letters), so those are
//! taken out by a table. The tables follow Unicode 14, as Python 3.11 does; characters that are younger count as Rust has them.
//!
//! **Invariant:** ASCII is answered without a table.

use std::borrow::Cow;

use memchr::memmem;

/// What Rust calls alphabetic and Python does not. The ranges also cover neighbours that neither counts.
#[rustfmt::skip]
const MARKS: &[(u32, u32)] = &[
    (0x345, 0x36f), (0x5b0, 0x5c7), (0x610, 0x61a), (0x64b, 0x65f), (0x670, 0x670), (0x6d6, 0x6e4), (0x6e7, 0x6ed),
    (0x711, 0x711), (0x730, 0x73f), (0x7a6, 0x7b0), (0x816, 0x817), (0x81b, 0x823), (0x825, 0x827), (0x829, 0x82c),
    (0x8d4, 0x903), (0x93a, 0x93b), (0x93e, 0x94f), (0x955, 0x957), (0x962, 0x963), (0x981, 0x983), (0x9be, 0x9cc),
    (0x9d7, 0x9d7), (0x9e2, 0x9e3), (0xa01, 0xa03), (0xa3e, 0xa51), (0xa70, 0xa71), (0xa75, 0xa83), (0xabe, 0xacc),
    (0xae2, 0xae3), (0xafa, 0xb03), (0xb3e, 0xb57), (0xb62, 0xb63), (0xb82, 0xb82), (0xbbe, 0xbcc), (0xbd7, 0xbd7),
    (0xc00, 0xc04), (0xc3e, 0xc56), (0xc62, 0xc63), (0xc81, 0xc83), (0xcbe, 0xcd6), (0xce2, 0xce3), (0xd00, 0xd03),
    (0xd3e, 0xd4c), (0xd57, 0xd57), (0xd62, 0xd63), (0xd81, 0xd83), (0xdcf, 0xddf), (0xdf2, 0xdf3), (0xe31, 0xe31),
    (0xe34, 0xe3a), (0xe4d, 0xe4d), (0xeb1, 0xeb1), (0xeb4, 0xebc), (0xecd, 0xecd), (0xf71, 0xf83), (0xf8d, 0xfbc),
    (0x102b, 0x103e), (0x1056, 0x1059), (0x105e, 0x1060), (0x1062, 0x1064), (0x1067, 0x106d), (0x1071, 0x1074),
    (0x1082, 0x108d), (0x108f, 0x108f), (0x109a, 0x109d), (0x1712, 0x1713), (0x1732, 0x1733), (0x1752, 0x1753),
    (0x1772, 0x1773), (0x17b6, 0x17c8), (0x1885, 0x1886), (0x18a9, 0x18a9), (0x1920, 0x1938), (0x1a17, 0x1a1b),
    (0x1a55, 0x1a74), (0x1abf, 0x1b04), (0x1b35, 0x1b43), (0x1b80, 0x1b82), (0x1ba1, 0x1bad), (0x1be7, 0x1bf1),
    (0x1c24, 0x1c36), (0x1dd3, 0x1df4), (0x24b6, 0x24e9), (0x2de0, 0x2dff), (0xa674, 0xa67b), (0xa69e, 0xa69f),
    (0xa802, 0xa802), (0xa80b, 0xa80b), (0xa823, 0xa827), (0xa880, 0xa881), (0xa8b4, 0xa8c5), (0xa8ff, 0xa8ff),
    (0xa926, 0xa92a), (0xa947, 0xa952), (0xa980, 0xa983), (0xa9b4, 0xa9bf), (0xa9e5, 0xa9e5), (0xaa29, 0xaa36),
    (0xaa43, 0xaa43), (0xaa4c, 0xaa4d), (0xaa7b, 0xaa7d), (0xaab0, 0xaab0), (0xaab2, 0xaab4), (0xaab7, 0xaab8),
    (0xaabe, 0xaabe), (0xaaeb, 0xaaef), (0xaaf5, 0xaaf5), (0xabe3, 0xabea), (0xfb1e, 0xfb1e), (0x10376, 0x1037a),
    (0x10a01, 0x10a0f), (0x10d24, 0x10d27), (0x10eab, 0x10eac), (0x11000, 0x11002), (0x11038, 0x11045), (0x11073,
    0x11074), (0x11080, 0x11082), (0x110b0, 0x110c2), (0x11100, 0x11102), (0x11127, 0x11132), (0x11145, 0x11146),
    (0x11180, 0x11182), (0x111b3, 0x111bf), (0x111ce, 0x111cf), (0x1122c, 0x1123e), (0x112df, 0x112e8), (0x11300,
    0x11303), (0x1133e, 0x1134c), (0x11357, 0x11357), (0x11362, 0x11363), (0x11435, 0x11445), (0x114b0, 0x114c1),
    (0x115af, 0x115be), (0x115dc, 0x115dd), (0x11630, 0x11640), (0x116ab, 0x116b5), (0x1171d, 0x1172a), (0x1182c,
    0x11838), (0x11930, 0x1193c), (0x11940, 0x11940), (0x11942, 0x11942), (0x119d1, 0x119df), (0x119e4, 0x119e4),
    (0x11a01, 0x11a0a), (0x11a35, 0x11a39), (0x11a3b, 0x11a3e), (0x11a51, 0x11a5b), (0x11a8a, 0x11a97), (0x11c2f,
    0x11c3e), (0x11c92, 0x11cb6), (0x11d31, 0x11d43), (0x11d47, 0x11d47), (0x11d8a, 0x11d96), (0x11ef3, 0x11ef6),
    (0x16f4f, 0x16f4f), (0x16f51, 0x16f92), (0x16ff0, 0x16ff1), (0x1bc9e, 0x1bc9e), (0x1e000, 0x1e02a), (0x1e947,
    0x1e947), (0x1f130, 0x1f189),
];

/// The zeros of every decimal script; nine digits follow each.
#[rustfmt::skip]
const ZEROS: &[u32] = &[
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
    0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066, 0x110f0, 0x11136, 0x111d0,
    0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60,
    0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// Python's `\w`.
pub(super) fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    c.is_alphanumeric() && !is_mark(u32::from(c))
}

fn is_mark(code: u32) -> bool {
    let after = MARKS.partition_point(|(_, last)| *last < code);
    MARKS.get(after).is_some_and(|(first, _)| *first <= code)
}

/// Python's `\s`: also the four separators of ASCII.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Python's `\d`.
pub(super) fn is_digit(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_digit();
    }
    let code = u32::from(c);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    after.checked_sub(1).and_then(|at| ZEROS.get(at)).is_some_and(|zero| code - zero < 10)
}

/// Python's `strip`.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// The text in lower case, but for the letters of ASCII, whose case the reader ignores: most texts need no copy then.
pub(super) fn lower(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || text.chars().all(is_lower) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// The same for a reader who knows ASCII only: of all other characters just two have lower cases with ASCII in them, and lower case
/// makes no word of what is none.
pub(super) fn lower_for_ascii(text: &str) -> Cow<'_, str> {
    let changes = !text.is_ascii() && TO_ASCII.iter().any(|c| memmem::find(text.as_bytes(), c.as_bytes()).is_some());
    if changes { Cow::Owned(text.to_lowercase()) } else { Cow::Borrowed(text) }
}

/// Characters beyond ASCII whose lower case begins with one of ASCII.
const TO_ASCII: [&str; 2] = ["İ", "\u{212a}"];

/// Whether lower case leaves a character as it is, ASCII's letters taken as such. Scripts without case are answered at once.
fn is_lower(c: char) -> bool {
    match c {
        '\0'..='\x7f'
        | '\u{590}'..='\u{109f}'
        | '\u{2000}'..='\u{2125}'
        | '\u{2d2e}'..='\u{a63f}'
        | '\u{ac00}'..='\u{ff20}' => true,
        _ => {
            let mut lower = c.to_lowercase();
            lower.next() == Some(c) && lower.next().is_none()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_has_the_lower_case_that_the_library_gives_it() {
        for c in ('\u{80}'..=char::MAX).filter(|c| is_lower(*c)) {
            assert_eq!(c.to_string(), c.to_string().to_lowercase());
        }
    }

    #[test]
    fn lower_case_of_the_others_is_nothing_to_a_reader_of_ascii() {
        for c in ('\u{80}'..=char::MAX).filter(|c| !TO_ASCII.contains(&&*c.to_string())) {
            let lower: Vec<char> = c.to_lowercase().collect();
            assert_eq!(lower.len(), 1, "{c}");
            assert!(!lower[0].is_ascii() && is_word(lower[0]) == is_word(c), "{c}");
            assert!(lower[0] == c || !"ſı".contains([lower[0], c]), "{c}");
        }
    }

    #[test]
    fn tables_are_in_order() {
        assert!(MARKS.iter().all(|(first, last)| first <= last));
        assert!(MARKS.windows(2).all(|pair| pair[0].1 < pair[1].0));
        assert!(ZEROS.windows(2).all(|pair| pair[0] + 9 < pair[1]));
    }

    #[test]
    fn words_digits_and_spaces_are_pythons() {
        let words = ['a', 'Z', '_', '0', 'é', 'ß', '発', '½', '²', 'Ⅷ', '٣', 'ª', 'ǅ', '𝟘'];
        let others = ['-', '\'', '’', '\u{301}', '\u{93f}', 'ⓐ', '€', '\u{200d}', '😀', ' '];
        assert!(words.into_iter().all(is_word));
        assert!(!others.into_iter().any(is_word));
        assert!(['0', '9', '٣', '߉', '𝟘', '𝟿', '9'].into_iter().all(is_digit));
        assert!(!['²', '½', 'Ⅷ', '一', 'a', '/', ':', '٪'].into_iter().any(is_digit));
        assert!([' ', '\n', '\x1c', '\x1f', '\u{85}', '\u{a0}', '\u{3000}'].into_iter().all(is_space));
        assert!(!['\u{200b}', '\u{feff}', 'a'].into_iter().any(is_space));
        assert_eq!(strip("\x1c a b\u{3000}"), "a b");
    }
}
