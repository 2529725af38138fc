//! Text as cues are written: lower case, no accents, one space between words.
//!
//! A prompt is typed on a telephone as often as not; `traduccion` must count as `traducción`. A table of the letters that
//! European languages use is enough here; Unicode's full decomposition would be the bigger part of the module.
//!
//! **Invariant:** what comes out is folded already: folding it again changes nothing.

/// Appends a line, folded.
pub(super) fn fold(line: &str, out: &mut String) {
    out.reserve(line.len());
    let mut space = true;
    for c in line.chars() {
        if c.is_ascii() {
            let blank = c.is_ascii_whitespace();
            if !(blank && space) {
                out.push(if blank { ' ' } else { c.to_ascii_lowercase() });
            }
            space = blank;
        } else if c.is_whitespace() {
            if !space {
                out.push(' ');
            }
            space = true;
        } else {
            space = false;
            letter(c, out);
        }
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
    for c in c.to_lowercase() {
        let plain = match c {
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
                continue;
            }
            'œ' => {
                out.push_str("oe");
                continue;
            }
            'æ' => {
                out.push_str("ae");
                continue;
            }
            // Combining accents, and what makes text look empty.
            '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{FEFF}' => continue,
            c => c,
        };
        out.push(plain);
    }
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
    fn folding_twice_changes_nothing() {
        for c in (0..=0x10FFFF).filter_map(char::from_u32) {
            let once = folded(&c.to_string());
            assert_eq!(folded(&once).trim(), once.trim(), "{c:?}");
        }
    }
}
