//! A client's own text with some of its parts left out or replaced.
//!
//! **Invariant:** every other part keeps its very bytes.

use std::ops::Range;

use crate::json::Scan;

/// A list with what `each` makes of its items: nothing leaves one out, `None` leaves it as it is. `None`: nothing changed.
pub fn list<'a>(raw: &'a [u8], mut each: impl FnMut(usize, &'a [u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
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
