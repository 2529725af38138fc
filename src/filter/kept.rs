//! How many bytes a worker keeps for its requests: bodies, streams that are held, and beginnings of events.
//!
//! Envoy gives a VM 1 GiB and kills it past that, with every stream of the worker. So there is a budget
//! (`signalbox.max_buffered_bytes`), and past it a request is refused before its body is copied in, or ends in place of growing.
//!
//! **Invariant:** what is counted is given back when its owner is dropped, whichever way that ends.

use std::cell::Cell;
use std::rc::Rc;

use super::http::{ERROR_HEADER, ErrorReply};
use super::{Setup, Worker};
use crate::chat::ApiError;

/// A body larger than this is kept by Envoy alone, which has it anyway, and is read again for each attempt. For a smaller one, asking
/// Envoy would cost more than keeping it.
pub(super) const LARGE: usize = 256 * 1024;
/// What one attempt may keep however little is left: a stream of small events never needs more.
const ALWAYS: usize = 64 * 1024;
/// What a client that was refused is asked to wait, in seconds.
const RETRY_AFTER_S: &str = "1";
/// The code of the refusal.
pub(super) const OVERLOADED: &str = "gateway_overloaded";

/// A part of what a worker keeps.
#[derive(Debug, Default)]
pub struct Kept {
    total: Rc<Cell<usize>>,
    own: usize,
}

impl Kept {
    /// Another part of the same whole, of nothing yet.
    pub(super) fn part(&self) -> Self {
        Self { total: Rc::clone(&self.total), own: 0 }
    }

    /// What all parts are together, in KiB; nothing only where it is nothing.
    pub(super) fn total_kib(&self) -> u32 {
        u32::try_from(self.total.get().div_ceil(1024)).unwrap_or(u32::MAX)
    }

    /// Says how much this part is now.
    pub(super) fn set(&mut self, own: usize) {
        let others = self.total.get().saturating_sub(std::mem::replace(&mut self.own, own));
        self.total.set(others.saturating_add(own));
    }

    /// Whether this part may be as large as it is.
    pub(super) fn is_within(&self, limit: u64) -> bool {
        self.own <= ALWAYS || self.total.get() as u64 <= limit
    }

    /// Whether so many bytes more may be taken in.
    pub(super) fn has_room(&self, more: usize, limit: u64) -> bool {
        self.total.get().saturating_add(more) as u64 <= limit
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Worker {
    /// Whether a body may be copied in, of which this much has come, or, where it has not ended, whether Envoy may wait for more of it.
    /// What Envoy holds of bodies that still come is counted apart: `coming` is this one's part of it.
    #[must_use]
    pub fn has_room(&self, setup: &Setup, coming: &mut Kept, length: usize, ends: bool) -> bool {
        let limit = setup.signalbox.edge.max_buffered_bytes;
        if ends {
            coming.set(0);
            return self.kept.has_room(length, limit);
        }
        coming.set(length);
        coming.is_within(limit)
    }

    /// A part of what Envoy holds of bodies that still come.
    #[must_use]
    pub fn coming(&self) -> Kept {
        self.coming.part()
    }
}

/// The refusal where there is no room for a body, or not any more for an answer.
pub(super) fn overloaded() -> ApiError {
    let message = "The gateway has no memory left for this request. Try again in a moment.".to_owned();
    ApiError { status: 503, kind: "server_error", code: Some(OVERLOADED.to_owned()), param: None, message }
}

/// What its headers say.
pub(super) fn overloaded_headers() -> Vec<(&'static str, String)> {
    vec![(ERROR_HEADER, OVERLOADED.to_owned()), ("retry-after", RETRY_AFTER_S.to_owned())]
}

/// Both.
#[must_use]
pub fn refusal() -> ErrorReply {
    ErrorReply::failure(overloaded(), overloaded_headers())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_go_with_their_owners() {
        let all = Kept::default();
        let (mut a, mut b) = (all.part(), all.part());
        a.set(100_000);
        b.set(70_000);
        a.set(90_000);
        assert_eq!((all.total_kib(), Kept::default().total_kib()), (157, 0));
        assert!(a.is_within(160_000) && !a.is_within(159_999));
        assert!(all.has_room(10, 160_010) && !all.has_room(11, 160_010));
        b.set(ALWAYS);
        assert!(b.is_within(0), "a little is always there");
        drop(a);
        drop(b);
        assert_eq!(all.total_kib(), 0);
    }
}
