//! What an attempt tells the shell to do: effects as values.

use super::headers::{HeaderMap, to_client};

/// What becomes of a body in Envoy's hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// It passes as it is.
    Keep,
    /// Its first so many bytes are replaced.
    Prefix(usize, Vec<u8>),
    /// All of it is replaced.
    Whole(Vec<u8>),
    /// This is added at its end.
    Append(Vec<u8>),
}

/// The request of one attempt.
#[derive(Debug)]
pub struct Outgoing {
    /// All its headers.
    pub headers: HeaderMap,
    /// What becomes of the client's body.
    pub body: Edit,
    /// Not to be sent sooner than so many milliseconds from now.
    pub wait_ms: u64,
}

/// What becomes of an answer.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing goes on yet; what has come was taken in and leaves Envoy's buffer.
    Hold,
    /// Envoy shall try [`Flight::next_cluster`].
    Retry,
    /// The head goes to the client with these changes, and the body after this edit.
    Pass(Commit, Edit),
    /// The head is gone already; the body goes on after this edit.
    Continue(Edit),
}

/// The head that goes to the client.
#[derive(Debug)]
pub struct Commit {
    pub(super) status: u16,
    pub(super) ours: Vec<(&'static str, String)>,
    pub(super) keep_length: bool,
}

impl Commit {
    /// The client's headers, made of the provider's.
    #[must_use]
    pub fn headers(self, provider: HeaderMap) -> HeaderMap {
        to_client(provider, self.status, self.ours, self.keep_length)
    }
}

/// A moment at which an attempt wants to be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// When, Unix milliseconds.
    pub at_ms: u64,
}
