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
    /// A string has something else than ASCII.
    wide: bool,
    /// A bit for each length that a name had in what was skipped.
    lengths: u64,
}

impl<'a> Scan<'a> {
    /// Stands before a text's value.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, wide: false, lengths: 0 }
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
        /// What is around the value itself counts as a list.
        const OUTSIDE: u64 = 0b10;
        // Nothing of this loop is in memory but the text.
        let (text, mut at, mut lengths) = (self.text, self.at, self.lengths);
        // A bit for each object or list around a value, the innermost lowest, set for an object, and one bit above them.
        let mut open = OUTSIDE;
        loop {
            if open & 1 == 1 {
                let (quote, start) = visible(text, at)?;
                if quote != b'"' {
                    return None;
                }
                let end = string(text, start, &mut self.wide)?;
                lengths |= 1_u64.wrapping_shl((end - start) as u32);
                let (colon, after) = visible(text, end)?;
                if colon != b':' {
                    return None;
                }
                at = after + 1;
            }
            let (byte, start) = visible(text, at)?;
            match byte {
                b'"' => at = string(text, start, &mut self.wide)?,
                b'{' | b'[' => {
                    let (next, after) = visible(text, start + 1)?;
                    // Both end with the character two after the one that they begin with.
                    if next == byte + 2 {
                        at = after + 1;
                    } else if open.leading_zeros() == 0 {
                        return self.skip_deep();
                    } else {
                        at = after;
                        open = open << 1 | u64::from(byte == b'{');
                        continue;
                    }
                }
                _ => at = bare(text, start)?,
            }
            // A value is over, and with it perhaps what holds it.
            loop {
                if open == OUTSIDE {
                    (self.at, self.lengths) = (at, lengths);
                    return Some(());
                }
                let (byte, here) = visible(text, at)?;
                at = here + 1;
                if byte == b',' {
                    break;
                }
                if byte != if open & 1 == 1 { b'}' } else { b']' } {
                    return None;
                }
                open >>= 1;
            }
        }
    }

    /// Whether a name of this length may have been in what was skipped.
    #[must_use]
    pub fn may_have_name_of(&self, length: usize) -> bool {
        self.lengths >> ((length + 2) % 64) & 1 == 1
    }

    /// Walks over a value that is nested deeper than a word has bits.
    #[cold]
    fn skip_deep(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        let length = values.byte_offset();
        self.wide = true;
        self.lengths = u64::MAX;
        self.at += length;
        Some(())
    }

    /// Nothing but blanks follows, and all of the text is UTF-8.
    pub fn end(mut self) -> Option<()> {
        let is_over = self.peek().is_none();
        (is_over && (!self.wide || std::str::from_utf8(self.text).is_ok())).then_some(())
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
        let start = self.at + 1;
        self.at = string(self.text, self.at, &mut self.wide)?;
        let name = self.text.get(start..self.at - 1);
        self.take(b':')?;
        name
    }
}

/// The first byte from here on that is no blank, and where it stands.
#[inline(always)]
fn visible(text: &[u8], at: usize) -> Option<(u8, usize)> {
    let byte = *text.get(at)?;
    if byte > b' ' {
        return Some((byte, at));
    }
    // Most blanks stand alone.
    if byte == b' '
        && let Some(next) = text.get(at + 1)
        && *next > b' '
    {
        return Some((*next, at + 1));
    }
    let at = behind_blanks(text, at);
    Some((*text.get(at)?, at))
}

#[inline(never)]
fn behind_blanks(text: &[u8], at: usize) -> usize {
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\t' | b'\r');
    at + text.get(at..).unwrap_or_default().iter().take_while(is_blank).count()
}

/// Where a string ends that begins here.
#[inline(always)]
fn string(text: &[u8], at: usize, wide: &mut bool) -> Option<usize> {
    let mut at = at + 1;
    // Most strings are short, and most of a text is in long ones.
    if let Some(step) = text.get(at..)?.first_chunk::<STEP>() {
        at += lanes::step::<false>(step);
        if *text.get(at)? == b'"' {
            return Some(at + 1);
        }
    }
    rest_of_string(text, at, wide)
}

#[inline(never)]
fn rest_of_string(text: &[u8], mut at: usize, wide: &mut bool) -> Option<usize> {
    loop {
        at = if *wide { stop::<true>(text, at)? } else { stop::<false>(text, at)? };
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at = escape(text, at)?,
            0x80.. => *wide = true,
            _ => return None,
        }
    }
}

/// Where the first stop stands.
#[inline(always)]
fn stop<const WIDE: bool>(text: &[u8], mut at: usize) -> Option<usize> {
    let mut rest = text.get(at..)?;
    // One step before all strides: V8 then makes the constants once, and not again for each stride.
    if let Some((step, after)) = rest.split_first_chunk::<STEP>() {
        let first = lanes::step::<WIDE>(step);
        at += first;
        if first < STEP {
            return Some(at);
        }
        let (strides, after) = after.as_chunks::<STRIDE>();
        for stride in strides {
            if !lanes::is_plain::<WIDE>(stride) {
                return Some(at + lanes::first::<WIDE>(stride));
            }
            at += STRIDE;
        }
        rest = after;
    }
    let (steps, rest) = rest.as_chunks::<STEP>();
    for step in steps {
        let first = lanes::step::<WIDE>(step);
        at += first;
        if first < STEP {
            return Some(at);
        }
    }
    rest.iter().position(|byte| lanes::stops::<WIDE>(*byte)).map(|first| at + first)
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
