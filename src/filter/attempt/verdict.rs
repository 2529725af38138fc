//! What an attempt tells the shell to do: effects as values.

use super::super::http::{HeaderChanges, Reply};

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
    /// Headers to set, or to remove where nothing is said.
    pub headers: HeaderChanges,
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
    /// Envoy shall try [`Flight::next_cluster`](super::super::Flight::next_cluster).
    Retry,
    /// The head goes to the client with these changes, and the body after this edit.
    Pass(Commit, Edit),
    /// The head is gone already; the body goes on after this edit.
    Continue(Edit),
    /// The client gets this in place of the answer, of which nothing was let go.
    Reply(Reply),
    /// The head is gone already, and nothing more comes: the client's stream is reset.
    CutOff,
}

impl Verdict {
    /// An error takes the place of an answer of which nothing was let go. `remove`: what must not pass of that one's headers.
    pub(super) fn of_error(reply: Reply, remove: &'static [&'static str]) -> Self {
        let Reply { status, headers: mut set, body } = reply;
        set.push((":status", status.to_string()));
        set.push(("content-length", body.len().to_string()));
        Self::Pass(Commit { set, remove }, Edit::Whole(body))
    }
}

/// The changes to the head that goes to the client. The provider's headers stay where they are: setting ours one by one costs
/// less than carrying all of them over and back.
#[derive(Debug)]
pub struct Commit {
    /// Headers to set, `:status` among them where it changes.
    pub set: Vec<(&'static str, String)>,
    /// Headers to remove.
    pub remove: &'static [&'static str],
}

impl Commit {
    /// The whole answer as one of the filter's own, for an answer that ended with its head: Envoy has no body there to replace.
    #[must_use]
    pub fn reply(&self, body: &[u8]) -> Reply {
        let status = self.set.iter().find(|(name, _)| *name == ":status").and_then(|(_, status)| status.parse().ok());
        let told = self.set.iter().filter(|(name, _)| !matches!(*name, ":status" | "content-length"));
        Reply { status: status.unwrap_or(502), headers: told.cloned().collect(), body: body.to_vec() }
    }
}
