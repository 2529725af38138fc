//! What is done to answers that pass: their usage is read, and the id of a response that its provider keeps gets a mark.
//!
//! **Invariant:** all but that id keeps its very bytes.

use super::count::count_of;
use super::framing::sse::Frame;
use crate::chat::Usage;
use crate::json::Scan;
use crate::sha256::sha256;

/// What stands before the digits of a mark.
pub const SIGN: &str = "_sb";
/// How many hexadecimal digits a mark has.
pub const DIGITS: usize = 8;

/// What the marks of one deployment's responses, for one client, are made of: without it none can be made that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(pub [u8; 32]);

impl Mark {
    /// The digits that go with an id.
    #[must_use]
    pub fn digits(&self, id: &[u8]) -> u32 {
        let hash = sha256(&[&self.0, id].concat());
        hash.first_chunk().map_or(0, |first| u32::from_be_bytes(*first))
    }

    /// The mark of an id.
    #[must_use]
    pub fn of(&self, id: &[u8]) -> String {
        format!("{SIGN}{:08x}", self.digits(id))
    }
}

/// The usage that a document tells, in either of OpenAI's words for it.
#[must_use]
pub fn usage(body: &[u8]) -> Option<Usage> {
    let mut usage = None;
    Scan::new(body).object(|scan, name| {
        if name != b"usage" {
            return scan.skip();
        }
        scan.any_object(|scan, name| {
            let number = count_of(scan.value()?);
            let usage: &mut Usage = usage.get_or_insert_default();
            match name {
                b"prompt_tokens" | b"input_tokens" => usage.prompt_tokens = number.unwrap_or_default(),
                b"completion_tokens" | b"output_tokens" => usage.completion_tokens = number.unwrap_or_default(),
                _ => {}
            }
            Some(())
        })
    })?;
    usage
}

/// A response with a mark behind its id; `None`: it has none.
pub(super) fn marked(body: &[u8], mark: Mark) -> Option<Vec<u8>> {
    let id = member(body, b"id")?;
    with_mark(body, id, mark)
}

/// An event with a mark behind the id of its response; `None`: it holds none.
pub(super) fn marked_frame(frame: &Frame<'_>, mark: Mark) -> Option<Vec<u8>> {
    let id = member(member(frame.data.as_deref()?, b"response")?, b"id")?;
    with_mark(frame.raw, id, mark)
}

/// A member's value, raw.
pub(super) fn member<'a>(object: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    Scan::new(object).object(|scan, name| {
        let value = scan.value()?;
        if name == wanted {
            found = Some(value);
        }
        Some(())
    })?;
    found
}

/// A text with a mark at the end of a string that stands in it, the first that is alike.
fn with_mark(whole: &[u8], string: &[u8], mark: Mark) -> Option<Vec<u8>> {
    let bare = string.strip_suffix(b"\"").filter(|bare| bare.len() > 1)?;
    let end = memchr::memmem::find(whole, string)? + bare.len();
    let (before, after) = whole.split_at_checked(end)?;
    let mark = mark.of(bare.get(1..)?);
    Some([before, mark.as_bytes(), after].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_read_in_either_word() {
        let read = |body: &str| usage(body.as_bytes()).map(|usage| (usage.prompt_tokens, usage.completion_tokens));
        assert_eq!(read(r#"{"data":[],"usage":{"input_tokens":3,"output_tokens":4,"x":{}}}"#), Some((3, 4)));
        assert_eq!(read(r#"{"usage":{"prompt_tokens":5}}"#), Some((5, 0)));
        assert_eq!((read(r#"{"usage":null}"#), read("[]"), read("x")), (None, None, None));
    }

    #[test]
    fn an_id_gets_its_mark_and_nothing_else_changes() {
        let text = |bytes: Option<Vec<u8>>| bytes.map(|bytes| String::from_utf8(bytes).unwrap());
        let mark = Mark([7; 32]);
        let wanted = format!(r#"{{"x":[1.50],"id": "r{}"}}"#, mark.of(b"r"));
        assert_eq!(text(marked(br#"{"x":[1.50],"id": "r"}"#, mark)), Some(wanted));
        assert_eq!((marked(br#"{"id":""}"#, mark), marked(br#"{"id":7}"#, mark)), (None, None));
        assert!(
            mark.of(b"r") != mark.of(b"s") && mark.of(b"r") != Mark([8; 32]).of(b"r"),
            "it goes with one id and one maker"
        );
    }
}
