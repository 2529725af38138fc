//! What a text is by its look: a line of code, a formula, what remains of an ask without reminders.
//!
//! **Invariant:** each function is linear in its text.

use memchr::memmem;

use super::bytes::{SIGN, SYMBOL, is};

/// Endings of files that hold source code.
pub(super) const SOURCE_FILES: [&[u8]; 19] = [
    b"rs", b"py", b"js", b"ts", b"tsx", b"jsx", b"java", b"go", b"c", b"cc", b"cpp", b"h", b"rb", b"php", b"cs", b"kt",
    b"swift", b"sh", b"sql",
];

/// Words that begin a line of code, where something else of it looks like code too.
const OPENERS: [&str; 22] = [
    "def ",
    "import ",
    "from ",
    "class ",
    "public ",
    "private ",
    "const ",
    "let ",
    "var ",
    "func ",
    "fn ",
    "function ",
    "if (",
    "for (",
    "while (",
    "return ",
    "export ",
    "async ",
    "using ",
    "package ",
    "int ",
    "print(",
];

/// Words that begin a line of Python, where it ends with a colon.
const BLOCKS: [&str; 6] = ["if ", "for ", "while ", "try", "else", "elif "];

/// Whether a line, without blanks at its ends, looks like code.
pub(super) fn is_code(line: &str) -> bool {
    if line.starts_with("#include") || line.starts_with("SELECT ") || line.starts_with("</") || line.starts_with("//") {
        return true;
    }
    let symbols = line.bytes().filter(|byte| is(*byte, SYMBOL)).count();
    if symbols == 0 {
        return line.starts_with("import ") && !line.contains(' ');
    }
    let ends = line.ends_with([';', '{', '}']) || line.ends_with("):") || line.ends_with(");") || line.ends_with("=>");
    let first = line.bytes().next();
    let begins = |openers: &[&str]| openers.iter().any(|it| it.bytes().next() == first && line.starts_with(it));
    let opens = (symbols > 1 || line.ends_with(':')) && begins(&OPENERS);
    let block = line.ends_with(':') && begins(&BLOCKS);
    let markup = line.starts_with('<') && line.contains('>');
    // A sentence with brackets in it is still a sentence: symbols must be dense.
    (ends && symbols * 12 >= line.len())
        || opens
        || block
        || markup
        || (symbols * 5 >= line.len() && symbols > 3)
        || line.contains(" = [")
}

/// Whether a line holds a formula: mathematical signs, or letters and numbers joined by operators.
pub(super) fn is_formula(line: &str) -> bool {
    // "17 % of 2340"; in a longer line it is news, not a sum.
    let share = |of: &str| line.len() < 60 && line.contains(of);
    let command = |command: &str| line.contains(command);
    signs(line) > 1
        || ["% of ", "% von ", "% de ", "% di ", "% от "].into_iter().any(share)
        || memchr::memchr(b'\\', line.as_bytes()).is_some() && ["\\frac", "\\sum", "\\int"].into_iter().any(command)
        || memchr::memchr_iter(b'$', line.as_bytes()).nth(3).is_some()
}

/// Signs of mathematics: two for a character that is one, one or two for an operator between operands. Stops at two.
fn signs(line: &str) -> usize {
    let bytes = line.as_bytes();
    let (mut signs, mut at) = (0, 0);
    while let Some(dull) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| is(*byte, SIGN))) {
        at += dull;
        signs += match bytes.get(at) {
            Some(operator) if operator.is_ascii() => joined(line, at, *operator),
            _ => line.get(at..).and_then(|rest| rest.chars().next()).map_or(0, |c| usize::from(is_sign(c)) * 2),
        };
        if signs > 1 {
            break;
        }
        at += 1;
    }
    signs
}

const fn is_sign(c: char) -> bool {
    matches!(c, '∫' | '√' | '∑' | '∏' | '≤' | '≥' | '≠' | '∈' | '∞' | 'π' | 'λ' | '²' | '³' | '·' | '×' | '÷')
}

/// What an operator counts, by what stands before and after it.
fn joined(line: &str, at: usize, operator: u8) -> usize {
    let before = line.get(..at).unwrap_or_default().trim_end_matches(' ');
    let after = line.get(at + 1..).unwrap_or_default();
    let mut others = before.chars().rev();
    let operand = others.next().is_some_and(|c| {
        let alone = c.is_ascii_alphabetic() && !others.next().is_some_and(char::is_alphabetic);
        alone || c.is_ascii_digit() || matches!(c, '(' | ')')
    });
    let next = after.trim_start_matches(' ');
    let begins = next.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    match operator {
        _ if !operand => 0,
        // A power needs nothing after it but to be no end.
        b'^' => 2 * usize::from(!after.is_empty()),
        // Dates, ranges and compound words have no blanks here.
        b'-' | b'/' => usize::from(begins && next.len() < after.len()),
        _ => usize::from(begins || next.starts_with('(')),
    }
}

/// The pieces of a text outside complete `<system-reminder>` blocks. What stands behind the first thousand blocks stays.
pub(super) fn without_reminders(text: &str) -> Vec<&str> {
    const OPEN: &str = "<system-reminder>";
    const CLOSE: &str = "</system-reminder>";
    let mut pieces = Vec::new();
    let mut rest = text;
    for _ in 0..1000 {
        let Some((before, inside)) = memmem::find(rest.as_bytes(), OPEN.as_bytes())
            .and_then(|at| Some((rest.get(..at)?, rest.get(at + OPEN.len()..)?)))
        else {
            break;
        };
        let after = memmem::find(inside.as_bytes(), CLOSE.as_bytes()).and_then(|at| inside.get(at + CLOSE.len()..));
        let Some(after) = after else { break };
        pieces.push(before);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// The head and the tail of a text given in pieces: all of it where it is no longer than both together.
pub(super) fn head_and_tail<'a>(pieces: &[&'a str], head: usize, tail: usize) -> Vec<&'a str> {
    let length: usize = pieces.iter().map(|piece| piece.len()).sum();
    if length <= head + tail {
        return pieces.to_vec();
    }
    let mut kept = Vec::new();
    let mut begin = 0;
    for piece in pieces {
        let end = begin + piece.len();
        if begin < head {
            kept.push(piece.get(..piece.floor_char_boundary(head - begin)).unwrap_or(piece));
        }
        if end > length - tail {
            let from = (length - tail).saturating_sub(begin);
            kept.push(piece.get(piece.ceil_char_boundary(from)..).unwrap_or_default());
        }
        begin = end;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_prose() {
        for line in [
            "let mut a = 1;",
            "def main(path):",
            "for i in range(4):",
            "}",
            "SELECT * FROM t",
            "<div class=\"card\">",
            "int schnitt = (a + b) / anzahl * (1 / 2);",
            "a = [1, 2, 3]",
        ] {
            assert!(is_code(line), "{line}");
        }
        for line in [
            "Let me know (soon) what you think; I will wait.",
            "For me, it is enough.",
            "while I was there (in May), it rained",
            "x + y = 3",
            "Draft A: the supplier shall deliver within 30 days;",
            "你好(再见)",
            "",
        ] {
            assert!(!is_code(line), "{line}");
        }
    }

    #[test]
    fn formulas_are_told_from_dates_and_lists() {
        for line in ["3x^2 - 5x - 2 = 0", "f(x)=x^3-3x", "∫ x dx", "2x + y = 7 et x - 3y = -7", "$G$ and $H$"] {
            assert!(is_formula(line), "{line}");
        }
        for line in ["2024-11-03", "a well-known up-to-date e-mail", "and/or", "C++ and C#", "from 8:15", ""] {
            assert!(!is_formula(line), "{line}");
        }
    }

    /// The same, character by character.
    fn signs_plainly(line: &str) -> usize {
        let mut signs = 0;
        // The last two characters but blanks, and whether the first of them can be an operand: a digit, a bracket, one letter alone.
        let (mut operand_before, mut last, mut last_is_operand) = (false, ' ', false);
        let mut raw = ' ';
        for c in line.chars() {
            if !c.is_ascii()
                && matches!(
                    c,
                    '∫' | '√'
                        | '∑'
                        | '∏'
                        | '≤'
                        | '≥'
                        | '≠'
                        | '∈'
                        | '∞'
                        | 'π'
                        | 'λ'
                        | '²'
                        | '³'
                        | '·'
                        | '×'
                        | '÷'
                )
            {
                signs += 2;
            }
            signs += match last {
                '^' if operand_before => 2,
                '+' | '*' | '=' => usize::from(operand_before && (c.is_ascii_alphanumeric() || c == '(')),
                // Dates, ranges and compound words have no blanks here.
                '-' | '/' => usize::from(operand_before && raw == ' ' && c.is_ascii_alphanumeric()),
                _ => 0,
            };
            if c != ' ' {
                let alone = c.is_ascii_alphabetic() && !raw.is_alphabetic();
                (operand_before, last) = (last_is_operand, c);
                last_is_operand = alone || c.is_ascii_digit() || matches!(c, '(' | ')');
            }
            raw = c;
        }
        signs
    }

    #[test]
    fn signs_are_those_of_every_character_in_turn() {
        let pieces = [
            "x", "y2", "ab", "é", "π", "×", "–", " ", "  ", "^", "+", "*", "=", "-", "/", "(", ")", "3", "\\t", "я",
            "写",
        ];
        let mut seed = 0x5EED_u64;
        for _ in 0..100_000 {
            let mut line = String::new();
            for _ in 0..7 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                line += pieces[(seed >> 33) as usize % pieces.len()];
            }
            assert_eq!(signs(&line).min(2), signs_plainly(&line).min(2), "{line:?}");
        }
    }

    #[test]
    fn complete_reminders_go_and_others_stay() {
        let cut = |text: &str| without_reminders(text).concat();
        assert_eq!(cut("a<system-reminder>x</system-reminder>b<system-reminder></system-reminder>c"), "abc");
        assert_eq!(cut("a<system-reminder>x"), "a<system-reminder>x");
        assert_eq!(cut("</system-reminder>a"), "</system-reminder>a");
    }

    #[test]
    fn head_and_tail_of_pieces() {
        let cut = |pieces: &[&str]| head_and_tail(pieces, 3, 2).concat();
        assert_eq!(cut(&["abcde"]), "abcde");
        assert_eq!(cut(&["abcdefgh"]), "abcgh");
        assert_eq!(cut(&["ab", "cdef", "g", "h"]), "abcgh");
        assert_eq!(cut(&["é", "ééé", "é"]), "éé");
    }
}
