//! Text as cues are written: lower case, no accents, one space between words.
//!
//! A prompt is typed on a telephone as often as not; `traduccion` must count as `traducción`. A table of the letters that
//! European languages use is enough here; Unicode's full decomposition would be the bigger part of the module.
//!
//! **Invariant:** what comes out is folded already: folding it again changes nothing.

use super::bytes::{ODD_BLANK, is};

/// Appends a line, folded.
pub(super) fn fold(line: &str, out: &mut String) {
    out.reserve(line.len());
    let mut space = true;
    let mut rest = line;
    while !rest.is_empty() {
        let ascii = rest.bytes().position(|byte| !byte.is_ascii()).unwrap_or(rest.len());
        let (plain, others) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
        if !plain.is_empty() {
            space = fold_ascii(plain, space, out);
        }
        let mut beyond = others.chars();
        rest = loop {
            let rest = beyond.as_str();
            match beyond.next() {
                Some(c) if c.is_ascii() => break rest,
                // Most of a text that is not Latin.
                Some(c @ 'а'..='я') => out.push(c),
                Some(c) if c.is_whitespace() => {
                    if !space {
                        out.push(' ');
                    }
                    space = true;
                    continue;
                }
                Some(c) => letter(c, out),
                None => break "",
            }
            space = false;
        };
    }
}

/// Appends ASCII, folded, and says whether it ends in a blank. `space`: so does what stands before it.
fn fold_ascii(text: &str, mut space: bool, out: &mut String) -> bool {
    let bytes = text.as_bytes();
    let mut before = 0;
    let odd = bytes.iter().any(|byte| {
        let odd = is(*byte, ODD_BLANK) || (*byte == b' ' && before == b' ');
        before = *byte;
        odd
    });
    if odd || (space && bytes.first() == Some(&b' ')) {
        for c in text.chars() {
            let blank = c.is_ascii_whitespace();
            if !(blank && space) {
                out.push(if blank { ' ' } else { c.to_ascii_lowercase() });
            }
            space = blank;
        }
        return space;
    }
    let from = out.len();
    out.push_str(text);
    if let Some(added) = out.get_mut(from..) {
        added.make_ascii_lowercase();
    }
    bytes.last() == Some(&b' ')
}

/// Whether a character is a letter or a number; for those beyond ASCII. Common ones are answered without a table.
pub(super) fn is_letter(c: char) -> bool {
    match c {
        '\0'..='\x7f' | '\u{2010}'..='\u{206f}' | '\u{3001}' | '\u{3002}' | '\u{ff0c}' => false,
        '\u{430}'..='\u{44f}' | '\u{4e00}'..='\u{9fa5}' | '\u{3041}'..='\u{3096}' | '\u{ac00}'..='\u{d7a3}' => true,
        _ => c.is_alphanumeric(),
    }
}

fn letter(c: char, out: &mut String) {
    // Kana, Han and Hangul have no case.
    if wide(c) {
        // Full-width forms of ASCII.
        match u32::from(c) {
            at @ 0xFF01..=0xFF5E => {
                out.push(char::from_u32(at - 0xFEE0).unwrap_or(c).to_ascii_lowercase());
            }
            _ => out.push(c),
        }
        return;
    }
    match lower(c) {
        Some(c) => plain(c, out),
        None => c.to_lowercase().for_each(|c| plain(c, out)),
    }
}

/// The lower case of common characters, without a table.
fn lower(c: char) -> Option<char> {
    match c {
        'à'..='ÿ' | 'а'..='џ' | '\u{2000}'..='\u{20ff}' => Some(c),
        'А'..='Я' => char::from_u32(u32::from(c) + 0x20),
        _ => None,
    }
}

/// Appends a character of lower case, without its accent.
fn plain(c: char, out: &mut String) {
    out.push(match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' | 'đ' => 'd',
        'è'..='ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ő' | 'ō' => 'o',
        'ř' => 'r',
        'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ț' => 't',
        'ù'..='ü' | 'ů' | 'ű' | 'ū' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        'ё' => 'е',
        '’' | '‘' | 'ʼ' => '\'',
        'ß' => {
            out.push_str("ss");
            return;
        }
        'œ' => {
            out.push_str("oe");
            return;
        }
        'æ' => {
            out.push_str("ae");
            return;
        }
        // Combining accents, and what makes text look empty.
        '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{FEFF}' => return,
        c => c,
    });
}

/// Scripts that are written without spaces, or (Hangul) with endings on every word: each character may begin a phrase.
pub(super) const fn wide(c: char) -> bool {
    c as u32 >= 0x2E80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        fold(text, &mut out);
        out
    }

    #[test]
    fn accents_case_and_spaces_go() {
        assert_eq!(folded("  Écris\tune  Fonction"), "ecris une fonction");
        assert_eq!(folded("ÜBERSETZ das, heißt’s"), "ubersetz das, heisst's");
        assert_eq!(folded("Переведи отчёт"), "переведи отчет");
        assert_eq!(folded("ＰＹＴＨＯＮで　書いて"), "pythonで 書いて");
        assert_eq!(folded("e\u{301}t\u{200b}e"), "ete");
    }

    #[test]
    fn short_cuts_lead_to_the_same() {
        for c in '\u{80}'..=char::MAX {
            assert_eq!(is_letter(c), c.is_alphanumeric(), "{c:?}");
            if let Some(lower) = lower(c) {
                assert_eq!(lower.to_string(), c.to_lowercase().to_string(), "{c:?}");
            }
        }
        assert_eq!(folded(" A  b\tC é  D\u{a0} e \n"), "a b c e d e ");
        assert_eq!(folded("a \u{3000} b"), "a b");
    }

    #[test]
    fn folding_twice_changes_nothing() {
        for c in (0..=0x10FFFF).filter_map(char::from_u32) {
            let once = folded(&c.to_string());
            assert_eq!(folded(&once).trim(), once.trim(), "{c:?}");
        }
    }
}
