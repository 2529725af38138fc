//! Lines of JSON: each line is a frame, blank ones are none.
//!
//! **Invariant:** any cut of the same bytes gives the same frames. Never more than [`LIMIT`] bytes wait.

use std::borrow::Cow;

use memchr::memchr;

use super::sse::{Frame, LIMIT};
use super::{Broken, Framing};

/// Cuts a stream into lines. Holds only the line whose end has not come.
#[derive(Debug, Default)]
pub struct Lines {
    carry: Vec<u8>,
}

impl Framing for Lines {
    fn push(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken> {
        while let Some((line, rest)) = memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end + 1)) {
            bytes = rest;
            if self.carry.len() + line.len() > LIMIT {
                return Err(Broken::Overlong);
            }
            if self.carry.is_empty() {
                frame(line, each);
            } else {
                self.carry.extend_from_slice(line);
                frame(&std::mem::take(&mut self.carry), each);
            }
        }
        if self.carry.len() + bytes.len() > LIMIT {
            return Err(Broken::Overlong);
        }
        self.carry.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self, each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken> {
        frame(&std::mem::take(&mut self.carry), each);
        Ok(())
    }

    fn kept(&self) -> usize {
        self.carry.capacity()
    }
}

fn frame(raw: &[u8], each: &mut dyn FnMut(Frame<'_>)) {
    let data = raw.trim_ascii();
    if !data.is_empty() {
        each(Frame { raw, event: b"", data: Some(Cow::Borrowed(data)) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_lines() {
        let bytes = b"{\"a\":1}\r\n\n  \n{\"b\":\"\xc3\xa9\"}\n{\"c\":3}";
        let cut = |pieces: &[&[u8]]| {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            let mut each =
                |frame: Frame<'_>| found.push((frame.data.unwrap().into_owned(), frame.raw.ends_with(b"\n")));
            pieces.iter().for_each(|piece| lines.push(piece, &mut each).unwrap());
            lines.end(&mut each).unwrap();
            found
        };
        let whole = cut(&[bytes]);
        assert_eq!(whole.iter().map(|(_, whole)| *whole).collect::<Vec<_>>(), [true, true, false]);
        for at in 0..bytes.len() {
            let (left, right) = bytes.split_at(at);
            assert_eq!(cut(&[left, right]), whole, "cut at {at}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_at_last() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; LIMIT];
        assert_eq!(lines.push(&piece, &mut |_| {}), Ok(()));
        assert_eq!(lines.push(b"x", &mut |_| {}), Err(Broken::Overlong));
        assert_eq!(Lines::default().push(&[piece, b"x\n".to_vec()].concat(), &mut |_| {}), Err(Broken::Overlong));
    }
}
