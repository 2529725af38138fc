//! The client's body: every attempt starts from it, never from what another attempt made of it.
//!
//! **Invariant:** what of it this worker keeps is counted, and given back when no attempt can follow.

use super::super::kept::{Kept, LARGE};
use super::Flight;

/// The body of one request.
#[derive(Debug)]
pub(in crate::filter) struct Body {
    bytes: Vec<u8>,
    is_with_envoy: bool,
    kept: Kept,
}

impl Body {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, is_with_envoy: false, kept: Kept::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// A part of what the worker keeps, for what an attempt keeps of its answer.
    pub(in crate::filter) fn kept_part(&self) -> Kept {
        self.kept.part()
    }

    /// No attempt follows any more.
    pub(super) fn drop_bytes(&mut self) {
        self.bytes = Vec::new();
        self.kept.set(0);
    }
}

impl Flight {
    /// Counts the body among what a worker keeps, or leaves it to Envoy, which holds the same bytes for retries.
    pub(in crate::filter) fn keep_body(&mut self, kept: &Kept) {
        let body = &mut self.body;
        body.kept = kept.part();
        body.is_with_envoy = !self.request.body_rewritten && body.bytes.len() > LARGE;
        if body.is_with_envoy {
            body.bytes = Vec::new();
        }
        // One that was written anew has room to grow, which it will not.
        if self.request.body_rewritten {
            body.bytes.shrink_to_fit();
        }
        body.kept.set(body.bytes.capacity());
    }

    /// Whether Envoy alone has the body: it is lent to each attempt.
    #[must_use]
    pub const fn is_with_envoy(&self) -> bool {
        self.body.is_with_envoy
    }

    /// Gives the body back for as long as an attempt begins.
    pub(in crate::filter) fn lend_body(&mut self, bytes: Vec<u8>) {
        self.body.bytes = bytes;
    }

    /// Ends the loan.
    pub(in crate::filter) fn give_up_body(&mut self) {
        if self.body.is_with_envoy {
            self.body.bytes = Vec::new();
        }
    }
}
