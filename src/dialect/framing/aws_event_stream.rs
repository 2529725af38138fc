//! AWS' event stream (`application/vnd.amazon.eventstream`): binary frames with two checksums.
//!
//! ```text
//! length u32 | length of the headers u32 | CRC-32 of these 8 bytes | headers | payload | CRC-32 of all before
//! ```
//!
//! A frame of `:message-type` `event` is handed on with its `:event-type`. An exception or an error is handed on as event `error`, with the
//! document that AWS writes where there is no stream: `{"__type": "throttlingException", "message": …}`.
//!
//! **Invariant:** a frame whose checksums do not fit is never handed on, and nothing after it.

use std::borrow::Cow;

use serde_json::Value;

use super::sse::{Frame, LIMIT};
use super::{Broken, Framing};

/// The lengths and their checksum.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TAIL: usize = 4;

/// Cuts a stream into frames. Holds only the part of a frame whose end has not come.
#[derive(Debug, Default)]
pub struct Cutter {
    carry: Vec<u8>,
}

impl Framing for Cutter {
    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken> {
        if self.carry.is_empty() {
            self.carry = cut(bytes, each)?.to_vec();
            return Ok(());
        }
        let mut carry = std::mem::take(&mut self.carry);
        carry.extend_from_slice(bytes);
        let left = cut(&carry, each)?.len();
        #[expect(clippy::disallowed_methods, reason = "the end is at most the length")]
        carry.drain(..carry.len().saturating_sub(left));
        self.carry = carry;
        Ok(())
    }

    fn end(&mut self, _: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken> {
        // A frame without its end says nothing. Whether one is missing, its reader knows.
        self.carry = Vec::new();
        Ok(())
    }

    fn kept(&self) -> usize {
        self.carry.capacity()
    }
}

/// Hands on every whole frame, and gives back the rest.
fn cut<'a>(bytes: &'a [u8], each: &mut dyn FnMut(Frame<'_>)) -> Result<&'a [u8], Broken> {
    let mut rest = bytes;
    while let Some(prelude) = rest.get(..PRELUDE) {
        let (length, headers) = (number(prelude, 0), number(prelude, 4));
        if number(prelude, 8) != crc(prelude.get(..8).unwrap_or_default()) {
            return Err(Broken::Damaged);
        }
        let (length, headers) = (length as usize, headers as usize);
        if length > LIMIT {
            return Err(Broken::Overlong);
        }
        if length < headers.saturating_add(PRELUDE + TAIL) {
            return Err(Broken::Damaged);
        }
        let Some((raw, after)) = rest.split_at_checked(length) else { break };
        let (signed, sum) = raw.split_at_checked(length.saturating_sub(TAIL)).unwrap_or_default();
        if number(sum, 0) != crc(signed) {
            return Err(Broken::Damaged);
        }
        let content = signed.get(PRELUDE..).unwrap_or_default();
        let (headers, payload) = content.split_at_checked(headers).unwrap_or_default();
        each(frame(raw, headers, payload).ok_or(Broken::Damaged)?);
        rest = after;
    }
    Ok(rest)
}

/// A frame with what its headers say; `None` where they cannot be read.
fn frame<'a>(raw: &'a [u8], mut headers: &'a [u8], payload: &'a [u8]) -> Option<Frame<'a>> {
    let (mut kind, mut event, mut exception) = (b"event".as_slice(), b"".as_slice(), b"".as_slice());
    let (mut code, mut message) = (b"".as_slice(), b"".as_slice());
    while !headers.is_empty() {
        let (name, value);
        (name, value, headers) = header(headers)?;
        match name {
            b":message-type" => kind = value,
            b":event-type" => event = value,
            b":exception-type" => exception = value,
            b":error-code" => code = value,
            b":error-message" => message = value,
            _ => {}
        }
    }
    Some(match kind {
        b"exception" => Frame { raw, event: b"error", data: Some(Cow::Owned(document(exception, payload))) },
        b"error" => {
            let payload = if payload.is_empty() { message } else { payload };
            Frame { raw, event: b"error", data: Some(Cow::Owned(document(code, payload))) }
        }
        _ => Frame { raw, event, data: Some(Cow::Borrowed(payload)) },
    })
}

/// A header's name, its value where that is a text or bytes, and what follows it.
fn header(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (kind, rest) = rest.split_first()?;
    let fixed = match kind {
        0 | 1 => 0,
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        6 | 7 => {
            let (length, rest) = rest.split_at_checked(2)?;
            let (value, rest) = rest.split_at_checked(number(length, 0) as usize)?;
            return Some((name, value, rest));
        }
        _ => return None,
    };
    Some((name, b"", rest.get(fixed..)?))
}

/// An exception as AWS writes it where there is no stream.
fn document(kind: &[u8], payload: &[u8]) -> Vec<u8> {
    let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes).into_owned());
    let kind = text(kind);
    match payload.trim_ascii().strip_prefix(b"{") {
        Some(rest) => {
            let comma = if rest.trim_ascii_start().starts_with(b"}") { "" } else { "," };
            [format!(r#"{{"__type":{kind}{comma}"#).as_bytes(), rest].concat()
        }
        None => format!(r#"{{"__type":{kind},"message":{}}}"#, text(payload)).into_bytes(),
    }
}

/// Up to four bytes from a place on, as a number.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.iter().skip(at).take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// CRC-32 (IEEE 802.3), as in zlib.
fn crc(bytes: &[u8]) -> u32 {
    let table = |at: u32| TABLE.get((at & 0xff) as usize).copied().unwrap_or_default();
    !bytes.iter().fold(!0, |crc, byte| table(crc ^ u32::from(*byte)) ^ (crc >> 8))
}

static TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "it is the compiler that runs this")]
        {
            table[at] = value;
        }
        at += 1;
    }
    table
}

/// Writes a frame, as a provider would.
#[cfg(any(test, feature = "cli"))]
#[must_use]
pub fn encode(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut head = Vec::new();
    let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let long = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend(short(value.len()));
        head.extend_from_slice(value.as_bytes());
    }
    let mut frame = Vec::new();
    frame.extend(long(head.len() + payload.len() + PRELUDE + TAIL));
    frame.extend(long(head.len()));
    frame.extend(crc(&frame).to_be_bytes());
    frame.extend(head);
    frame.extend_from_slice(payload);
    frame.extend(crc(&frame).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d747970\
        650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d74797065070005\
        6576656e747b22726f6c65223a22617373697374616e74227d6fa8c599";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
    }

    /// The event and the data of each frame, and how it ended.
    type Seen = (Vec<(String, String)>, Result<(), Broken>);

    fn read(pieces: &[&[u8]]) -> Seen {
        let (mut cutter, mut seen) = (Cutter::default(), Vec::new());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for piece in pieces {
            let cut = cutter.push(piece, &mut |frame| {
                seen.push((text(frame.event), text(&frame.data.unwrap_or_default())));
            });
            if cut.is_err() {
                return (seen, cut);
            }
        }
        (seen, cutter.end(&mut |_| {}))
    }

    /// The same whole, byte by byte and cut at each place.
    fn steady(bytes: &[u8]) -> Seen {
        let whole = read(&[bytes]);
        assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte");
        for at in 0..=bytes.len() {
            assert_eq!(read(&[&bytes[..at], &bytes[at..]]), whole, "cut at {at}");
        }
        whole
    }

    fn event(name: &str, payload: &str) -> Vec<u8> {
        encode(
            &[(":event-type", name), (":content-type", "application/json"), (":message-type", "event")],
            payload.as_bytes(),
        )
    }

    #[test]
    fn the_documented_frame_is_read_and_written() {
        let bytes = hex(START);
        let wanted = ("messageStart".to_owned(), r#"{"role":"assistant"}"#.to_owned());
        assert_eq!(steady(&bytes), (vec![wanted], Ok(())));
        assert_eq!(event("messageStart", r#"{"role":"assistant"}"#), bytes);
    }

    #[test]
    fn k26_a_frame_with_a_wrong_checksum_ends_the_stream() {
        let good = event("a", "{}");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let stream = [good.as_slice(), &bad, &good].concat();
            let (seen, end) = steady(&stream);
            assert_eq!((seen.len(), end), (1, Err(Broken::Damaged)), "byte {at}");
        }
    }

    #[test]
    fn exceptions_and_errors_are_documents() {
        let exception = encode(
            &[(":exception-type", "throttlingException"), (":message-type", "exception")],
            b"{\"message\":\"x\"}",
        );
        let bare = encode(&[(":exception-type", "x"), (":message-type", "exception")], b"{ }");
        let error =
            encode(&[(":message-type", "error"), (":error-code", "Internal\"Failure"), (":error-message", "m")], b"");
        let data = |bytes: &[u8]| steady(bytes).0[0].clone();
        let error_event = |data: &str| ("error".to_owned(), data.to_owned());
        assert_eq!(data(&exception), error_event(r#"{"__type":"throttlingException","message":"x"}"#));
        assert_eq!(data(&bare), error_event(r#"{"__type":"x" }"#));
        assert_eq!(data(&error), error_event(r#"{"__type":"Internal\"Failure","message":"m"}"#));
    }

    #[test]
    fn headers_of_all_types_are_passed_over() {
        let mut head: Vec<u8> = Vec::new();
        let types: [(u8, usize); 9] = [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16), (6, 0)];
        for (kind, length) in types {
            head.extend([1, b'x', kind]);
            head.extend(if kind == 6 { vec![0, 1, 9] } else { vec![0; length] });
        }
        head.extend(b"\x0b:event-type\x07\x00\x01e");
        let mut bytes = Vec::new();
        bytes.extend((head.len() as u32 + 16).to_be_bytes());
        bytes.extend((head.len() as u32).to_be_bytes());
        bytes.extend(crc(&bytes).to_be_bytes());
        bytes.extend(head);
        bytes.extend(crc(&bytes).to_be_bytes());
        assert_eq!(steady(&bytes), (vec![("e".to_owned(), String::new())], Ok(())));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let with = |length: u32, headers: u32| {
            let mut bytes = [length.to_be_bytes(), headers.to_be_bytes()].concat();
            bytes.extend(crc(&bytes).to_be_bytes());
            read(&[&bytes]).1
        };
        assert_eq!(with(u32::MAX, 0), Err(Broken::Overlong));
        assert_eq!(with(15, 0), Err(Broken::Damaged));
        assert_eq!(with(100, 85), Err(Broken::Damaged));
        assert_eq!(with(100, 84), Ok(()), "the rest is yet to come");
    }
}
