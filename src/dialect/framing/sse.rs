//! Server-sent events: cuts bytes into frames, each with its raw bytes and its data.
//!
//! Lines end in LF, CRLF or CR; a blank line ends a frame; several `data:` lines are joined by LF; comments and unknown
//! fields carry nothing. A frame keeps its raw bytes, so that a pass-through can forward it untouched, and its data is borrowed
//! from them where it is one line. Looking for the end of a frame and reading it are two passes, because only the first has to
//! be resumed where bytes come in pieces; both jump from line end to line end.
//!
//! **Invariant:** any cut of the same bytes gives the same frames: a CR at the end of what has come may be half a CRLF and
//! waits for the next byte. Whole frames in fresh bytes are not copied. Never more than [`LIMIT`] bytes wait.

use std::borrow::Cow;

use crate::failure::without_mark;

/// The longest frame, in bytes; one that is longer is refused.
pub const LIMIT: usize = 16 << 20;

/// A frame is longer than [`LIMIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlong;

/// One event, or a comment, or a stray blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its bytes as they came, with the blank line that ends it.
    pub raw: &'a [u8],
    /// The `event:` field; empty where there is none.
    pub event: &'a [u8],
    /// The `data:` lines, joined by LF; `None` where there is none.
    pub data: Option<Cow<'a, [u8]>>,
}

impl<'a> Frame<'a> {
    /// Whether its end has come. The last frame of a stream may lack it.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.raw.ends_with(b"\n") || self.raw.ends_with(b"\r")
    }

    /// Whether it is a comment, with which a provider shows that it is still there.
    #[must_use]
    pub fn is_comment(&self) -> bool {
        self.data.is_none() && without_mark(self.raw).trim_ascii_start().starts_with(b":")
    }

    /// Reads the bytes of one frame.
    fn read(raw: &'a [u8]) -> Self {
        let mut frame = Self { raw, event: b"", data: None };
        let mut rest = raw;
        while !rest.is_empty() {
            let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, b""));
            // A CRLF leaves an empty line behind its CR, which says nothing here.
            rest = after.get(1..).unwrap_or_default();
            if let Some(value) = field(line, b"data") {
                let value = twice(value).unwrap_or(value);
                frame.data = Some(match frame.data.take() {
                    None => Cow::Borrowed(value),
                    Some(data) => {
                        let mut joined = data.into_owned();
                        joined.push(b'\n');
                        joined.extend_from_slice(value);
                        Cow::Owned(joined)
                    }
                });
            } else if let Some(value) = field(line, b"event") {
                frame.event = value;
            } else if let Some(value) = field(line, b"error").filter(|value| value.starts_with(b"{")) {
                // llama.cpp's.
                (frame.event, frame.data) = (b"error", Some(Cow::Borrowed(value)));
            }
        }
        frame
    }
}

/// The value of a line of data that names itself twice, as some relays write it: no JSON begins so.
pub fn twice(value: &[u8]) -> Option<&[u8]> {
    if value.starts_with(b"data:") { field(value, b"data") } else { None }
}

/// The value of a line of the form `name: value`, `name:value` or `name`.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.strip_prefix(b":") {
        Some(value) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        None => rest.is_empty().then_some(rest),
    }
}

/// Cuts a stream into frames. Holds only the part of a frame whose end has not come.
#[derive(Debug, Default)]
pub struct Cutter {
    /// The beginning of a frame.
    carry: Vec<u8>,
    /// How far the carry was looked through.
    seen: Seen,
    /// Whether anything came yet: a byte order mark may only come first.
    begun: bool,
}

/// How far a frame was looked through in search of its end.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// Where its last line begins.
    line: usize,
    /// Before this place, that line does not end.
    to: usize,
}

impl Seen {
    /// Where the frame ends that `bytes` begins with, if that has come.
    fn end(&mut self, bytes: &[u8], last: bool) -> Option<usize> {
        loop {
            let found = bytes.get(self.to..).and_then(|rest| memchr::memchr2(b'\n', b'\r', rest));
            let Some(at) = found.map(|found| self.to + found) else {
                self.to = bytes.len();
                return None;
            };
            let next = match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => at + 2,
                (Some(b'\r'), None) if !last => {
                    self.to = at;
                    return None;
                }
                _ => at + 1,
            };
            let blank = at == self.line;
            (self.line, self.to) = (next, next);
            if blank {
                return Some(next);
            }
        }
    }
}

impl Cutter {
    /// Whether no part of a frame waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.carry.is_empty()
    }

    /// How many bytes it has taken for what waits.
    #[must_use]
    pub const fn kept(&self) -> usize {
        self.carry.capacity()
    }

    /// Takes the next bytes and hands on each frame that is whole.
    ///
    /// # Errors
    /// [`Overlong`]; what waited is thrown away, and nothing more should be pushed.
    pub fn push(&mut self, bytes: &[u8], each: impl FnMut(Frame<'_>)) -> Result<(), Overlong> {
        if self.carry.is_empty() {
            self.carry = self.cut(bytes, false, each)?.to_vec();
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(bytes);
        let left = self.cut(&carry, false, each)?.len();
        #[expect(clippy::disallowed_methods, reason = "the end is at most the length")]
        carry.drain(..carry.len().saturating_sub(left));
        self.carry = carry;
        Ok(())
    }

    /// The bytes ended: hands on what waits, also where its blank line is missing.
    pub fn end(&mut self, mut each: impl FnMut(Frame<'_>)) {
        let carry = std::mem::take(&mut self.carry);
        // What waits is never longer than a frame may be.
        let Ok(left) = self.cut(&carry, true, &mut each) else { return };
        if !left.is_empty() {
            each(self.frame(left));
        }
    }

    /// Hands on every whole frame of `bytes`, which begin where a frame begins, and gives back the rest.
    fn cut<'a>(&mut self, bytes: &'a [u8], last: bool, mut each: impl FnMut(Frame<'a>)) -> Result<&'a [u8], Overlong> {
        let mut rest = bytes;
        while let Some((raw, after)) = self.seen.end(rest, last).and_then(|end| rest.split_at_checked(end)) {
            if raw.len() > LIMIT {
                return Err(Overlong);
            }
            self.seen = Seen::default();
            rest = after;
            each(self.frame(raw));
        }
        if rest.len() > LIMIT { Err(Overlong) } else { Ok(rest) }
    }

    /// Reads a frame, past a byte order mark where it is the first.
    fn frame<'a>(&mut self, raw: &'a [u8]) -> Frame<'a> {
        let text = if self.begun { raw } else { without_mark(raw) };
        self.begun = true;
        Frame { raw, ..Frame::read(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What came out: raw bytes, event and data of each frame.
    type Seen = Vec<(Vec<u8>, Vec<u8>, Option<Vec<u8>>)>;

    fn frames(pieces: &[&[u8]]) -> Seen {
        let (mut cutter, mut seen) = (Cutter::default(), Vec::new());
        let mut each = |frame: Frame<'_>| {
            seen.push((frame.raw.to_vec(), frame.event.to_vec(), frame.data.map(Cow::into_owned)));
        };
        for piece in pieces {
            cutter.push(piece, &mut each).unwrap();
        }
        cutter.end(&mut each);
        seen
    }

    /// The frames of `text`, the same whole, byte by byte and cut at each place.
    fn steady(text: &[u8]) -> Seen {
        let whole = frames(&[text]);
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(frames(&bytes), whole, "byte by byte");
        for at in 0..=text.len() {
            assert_eq!(frames(&[&text[..at], &text[at..]]), whole, "cut at {at}");
        }
        assert_eq!(whole.iter().flat_map(|(raw, ..)| raw.clone()).collect::<Vec<u8>>(), text, "no byte is lost");
        whole
    }

    fn data(text: &str) -> Vec<String> {
        steady(text.as_bytes()).into_iter().filter_map(|(.., data)| Some(String::from_utf8(data?).unwrap())).collect()
    }

    #[test]
    fn every_line_end_ends_a_line() {
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(
                data(&"data: grüße|data: two||data:three||".replace('|', end)),
                ["grüße\ntwo", "three"],
                "{end:?}"
            );
        }
    }

    #[test]
    fn only_one_space_after_the_colon_goes() {
        assert_eq!(data("data:  a\n\ndata\n\ndatum: b\n\n"), [" a", ""]);
    }

    #[test]
    fn comments_and_stray_blank_lines_are_frames_without_data() {
        let seen = steady(b"\n: keep-alive\n\ndata: x\n\n\n");
        assert_eq!(seen.iter().map(|(.., data)| data.is_some()).collect::<Vec<_>>(), [false, false, true, false]);
    }

    #[test]
    fn the_event_may_come_after_the_data() {
        assert_eq!(steady(b"id: 1\ndata: x\nevent: error\nretry: 5\n\n")[0].1, b"error");
    }

    #[test]
    fn the_last_frame_needs_no_blank_line() {
        assert_eq!(data("data: a\n\ndata: [DONE]"), ["a", "[DONE]"]);
        assert_eq!(data("data: a\r\n\r\ndata: [DONE]\r\n"), ["a", "[DONE]"]);
        assert_eq!(data("data: a\n\r"), ["a"]);
    }

    #[test]
    fn a_byte_order_mark_may_come_first_only() {
        assert_eq!(data("\u{feff}data: a\n\n\u{feff}data: b\n\n"), ["a"]);
        assert_eq!(data("\u{feff}data: a"), ["a"]);
    }

    #[test]
    fn whole_frames_are_not_copied() {
        let text = b"data: a\n\n: c\n\ndata: b\r\n\r\n";
        let mut cutter = Cutter::default();
        let mut inside = 0;
        let each = |frame: Frame<'_>| {
            inside += usize::from(text.as_ptr_range().contains(&frame.raw.as_ptr()));
            assert!(!matches!(frame.data, Some(Cow::Owned(_))));
        };
        cutter.push(text, each).unwrap();
        assert_eq!((inside, cutter.is_empty(), cutter.carry.capacity()), (3, true, 0));
    }

    #[test]
    fn what_was_looked_through_is_not_looked_through_again() {
        let mut cutter = Cutter::default();
        for piece in [b"data: a\n".as_slice(), b"data: bbb", b"bbb"] {
            cutter.push(piece, |_| {}).unwrap();
            assert_eq!(cutter.seen.to, cutter.carry.len());
        }
        assert_eq!(cutter.seen.line, 8);
    }

    #[test]
    fn a_frame_without_end_is_refused_and_let_go() {
        let piece = vec![b'x'; 1 << 20];
        let mut cutter = Cutter::default();
        let results: Vec<_> = (0..17).map(|_| cutter.push(&piece, |_| {})).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 16);
        assert_eq!(results[16], Err(Overlong));
        assert!(cutter.is_empty());
        let mut whole = vec![b'x'; LIMIT];
        whole.extend(b"\n\n");
        assert_eq!(Cutter::default().push(&whole, |_| {}), Err(Overlong), "also where it comes in one piece");
    }
}
