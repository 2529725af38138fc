//! A text that came with some of its parts left out or replaced.
//!
//! **Invariant:** every other part keeps its very bytes.

use std::ops::Range;

use crate::json::Scan;

/// A list with what `each` makes of its items: nothing leaves one out, `None` leaves it as it is. `None`: nothing changed.
pub fn list<'a>(raw: &'a [u8], each: &mut dyn FnMut(usize, &'a [u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut out = vec![b'['];
    let (mut at, mut changed) = (0, false);
    Scan::new(raw).list(|scan| {
        let item = scan.value()?;
        let new = each(at, item);
        at += 1;
        changed |= new.is_some();
        let item = new.as_deref().unwrap_or(item);
        if !item.is_empty() {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(item);
        }
        Some(())
    })?;
    out.push(b']');
    changed.then_some(out)
}

/// An object that is being written.
pub struct Members(Vec<u8>);

impl Members {
    /// Without members.
    pub fn new() -> Self {
        Self(vec![b'{'])
    }

    /// Adds a member, its value as it stands.
    pub fn put(&mut self, name: &str, value: &[u8]) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        // A string cannot fail to serialise, nor memory to take it.
        serde_json::to_writer(&mut self.0, name).ok();
        self.0.push(b':');
        self.0.extend_from_slice(value);
    }

    /// Its text.
    pub fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }
}

/// A text as JSON.
pub fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).unwrap_or_default()
}

/// An object written anew: `each` gets its members one by one, and puts what becomes of them. `None`: it is none.
pub fn object(raw: &[u8], each: &mut dyn FnMut(&mut Members, &str, &[u8])) -> Option<Members> {
    let mut out = Members::new();
    Scan::new(raw).object(|scan, name| {
        let value = scan.value()?;
        each(&mut out, std::str::from_utf8(name).ok()?, value);
        Some(())
    })?;
    Some(out)
}

/// Where a part stands.
pub fn span(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

/// A text with another part.
pub fn with(whole: &[u8], span: &Range<usize>, part: &[u8]) -> Vec<u8> {
    let (before, after) = (whole.get(..span.start), whole.get(span.end..));
    [before.unwrap_or_default(), part, after.unwrap_or_default()].concat()
}
