//! JSON text, walked over where it stands: nothing is built and nothing is copied, and what is not asked for is skipped.
//!
//! Every body and every answer comes by here, so strings, which are most of them, are skipped sixteen bytes and more at a time. The walk is led by
//! closures: an object hands each member's name to one, which takes the value, or looks into it, or skips it.
//!
//! **Invariant:** a text is walked over to its end ([`Scan::end`]) if and only if `serde_json` takes it for JSON, with a string's escapes
//! unread where the string is skipped. Nesting costs no stack.

mod lanes;

use std::borrow::Cow;

use serde::de::IgnoredAny;

/// How many bytes of a string are looked at in one step.
const STEP: usize = 16;
/// And how many at once where it is long.
const STRIDE: usize = 4 * STEP;

/// A place in a JSON text. Each step gives `None` where the text is no JSON; then the walk is over.
#[derive(Debug, Clone)]
pub struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    wide: lanes::Union,
}

impl<'a> Scan<'a> {
    /// Stands before a text's value.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, wide: lanes::Union::default() }
    }

    /// The first byte of what comes next, blanks left out.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        let (byte, at) = visible(self.text, self.at)?;
        self.at = at;
        Some(byte)
    }

    /// Walks over an object. `each` gets the scan before the value of each member, and its name as the text has it between the quotes, or,
    /// where that has escapes, unescaped; it must walk over the value. What is no object is no JSON here.
    #[inline]
    pub fn object(&mut self, mut each: impl FnMut(&mut Self, &[u8]) -> Option<()>) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let name = self.name()?;
            if name.contains(&b'\\') {
                each(self, unescaped(name)?.as_bytes())?
            } else {
                each(self, name)?
            }
            match self.next()? {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Walks over a list. `each` must walk over the item that it stands before. What is no list is no JSON here.
    #[inline]
    pub fn list(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            each(self)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Walks over a value of any form; if it is an object, like [`Self::object`].
    #[inline]
    pub fn any_object(&mut self, each: impl FnMut(&mut Self, &[u8]) -> Option<()>) -> Option<()> {
        if self.peek()? == b'{' { self.object(each) } else { self.skip() }
    }

    /// Walks over a value of any form; if it is a list, like [`Self::list`].
    #[inline]
    pub fn any_list(&mut self, each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if self.peek()? == b'[' { self.list(each) } else { self.skip() }
    }

    /// Walks over a value of any form, and gives it as it stands.
    #[inline]
    pub fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        self.text.get(start..self.at)
    }

    /// Walks over a value of any form.
    pub fn skip(&mut self) -> Option<()> {
        // Nothing of this loop is in memory but the text.
        let (text, mut at, mut wide) = (self.text, self.at, self.wide);
        // A bit for each object or list around a value, the innermost lowest, and one above them.
        let mut open = 1_u64;
        let mut awaits_name = false;
        loop {
            let byte;
            (byte, at) = visible(text, at)?;
            match byte {
                b'"' => {
                    at = string(text, at, &mut wide)?;
                    if awaits_name {
                        let (colon, after) = visible(text, at)?;
                        if colon != b':' {
                            return None;
                        }
                        (at, awaits_name) = (after + 1, false);
                        continue;
                    }
                }
                _ if awaits_name => return None,
                b'{' | b'[' => {
                    let (next, after) = visible(text, at + 1)?;
                    // Both end with the character two after the one that they begin with.
                    if next == byte + 2 {
                        at = after + 1;
                    } else if open.leading_zeros() == 0 {
                        return self.skip_deep();
                    } else {
                        at = after;
                        awaits_name = byte == b'{';
                        open = open << 1 | u64::from(awaits_name);
                        continue;
                    }
                }
                _ => at = bare(text, at)?,
            }
            // A value is over, and with it perhaps what holds it.
            loop {
                if open == 1 {
                    (self.at, self.wide) = (at, wide);
                    return Some(());
                }
                let in_object = open & 1 == 1;
                let (byte, here) = visible(text, at)?;
                at = here + 1;
                if byte == b',' {
                    awaits_name = in_object;
                    break;
                }
                if byte != if in_object { b'}' } else { b']' } {
                    return None;
                }
                open >>= 1;
            }
        }
    }

    /// Walks over a value that is nested deeper than a word has bits.
    #[cold]
    fn skip_deep(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let length = values.byte_offset();
        self.wide.rest(rest.get(..length)?);
        self.at += length;
        Some(())
    }

    /// Nothing but blanks follows, and all of the text is UTF-8.
    pub fn end(mut self) -> Option<()> {
        let is_over = self.peek().is_none();
        (is_over && (self.wide.is_ascii() || std::str::from_utf8(self.text).is_ok())).then_some(())
    }

    /// The next byte but blanks; walks over it.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    /// A member's name and the colon after it.
    fn name(&mut self) -> Option<&'a [u8]> {
        if self.peek()? != b'"' {
            return None;
        }
        let (start, mut wide) = (self.at + 1, self.wide);
        self.at = string(self.text, self.at, &mut wide)?;
        self.wide = wide;
        let name = self.text.get(start..self.at - 1);
        self.take(b':')?;
        name
    }
}

/// The bytes that are blanks, as a table: of four comparisons the compiler makes what takes longer.
const BLANKS: [bool; 256] = {
    let mut blanks = [false; 256];
    let mut rest: &[u8] = b" \n\t\r";
    while let [byte, after @ ..] = rest {
        if let Some((_, [blank, ..])) = blanks.split_at_mut_checked(*byte as usize) {
            *blank = true;
        }
        rest = after;
    }
    blanks
};

/// The first byte from here on that is no blank, and where it stands.
#[inline(always)]
fn visible(text: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        let byte = *text.get(at)?;
        if byte > b' ' || !BLANKS.get(usize::from(byte)).is_some_and(|blank| *blank) {
            return Some((byte, at));
        }
        at += 1;
    }
}

/// Where a string ends that begins here.
#[inline(always)]
fn string(text: &[u8], at: usize, wide: &mut lanes::Union) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at = stop(text, at, wide)?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(text, at)?,
            _ => return None,
        }
    }
}

/// Where the first quote, backslash or control character stands.
#[inline(always)]
fn stop(text: &[u8], mut at: usize, wide: &mut lanes::Union) -> Option<usize> {
    // Most strings are short, and most of a text is in long ones.
    if let Some(step) = text.get(at..)?.first_chunk::<STEP>() {
        let first = wide.step(step);
        at += first;
        if first < STEP {
            return Some(at);
        }
        for stride in text.get(at..)?.as_chunks::<STRIDE>().0 {
            let first = wide.stride(stride);
            at += first;
            if first < STRIDE {
                return Some(at);
            }
        }
    }
    let rest = text.get(at..)?;
    let first = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F))?;
    wide.rest(rest.get(..first)?);
    Some(at + first)
}

/// Where an escape ends that begins here.
#[inline(always)]
fn escape(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => text.get(at + 2..at + 6)?.iter().all(u8::is_ascii_hexdigit).then_some(at + 6),
        _ => None,
    }
}

/// Where a number or one of the three words ends that begins here.
fn bare(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    let word = match rest.first()? {
        b't' => b"true".as_slice(),
        b'f' => b"false",
        b'n' => b"null",
        _ => return Some(at + number(rest)?),
    };
    rest.starts_with(word).then_some(at + word.len())
}

/// How long the number is that a text begins with.
fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    };
    let some_digits = |from: usize| Some(digits(from)).filter(|count| *count > 0);
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = some_digits(at)?;
    if whole > 1 && text.get(at) == Some(&b'0') {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        at += 1 + some_digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += some_digits(at)?;
    }
    Some(at)
}

/// What is between the quotes of a string, unescaped. `None`: it is no text (half of a surrogate pair).
#[must_use]
pub fn unescaped(inner: &[u8]) -> Option<Cow<'_, str>> {
    if !inner.contains(&b'\\') {
        return std::str::from_utf8(inner).ok().map(Cow::Borrowed);
    }
    serde_json::from_slice(&[b"\"", inner, b"\""].concat()).ok().map(Cow::Owned)
}
