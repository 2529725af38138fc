//! The requests that a listener remembers, for tests that check what a gateway really sent.
//!
//! **Invariant:** it holds at most [`MOST`] requests and [`MOST_BYTES`] of bodies, and drops the oldest first.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use hyper::{HeaderMap, body::Bytes};
use serde_json::{Map, Value, json};

/// The most requests kept.
pub const MOST: usize = 10_000;
/// The most bytes of bodies kept.
pub const MOST_BYTES: usize = 64 << 20;

/// One request.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Method and path, as `POST /v1/messages`.
    pub line: String,
    /// All headers; [`Journal::to_json`] shows the relevant ones.
    pub headers: HeaderMap,
    /// The requested model, with its fault.
    pub model: String,
    /// Whether the client asked for a stream.
    pub stream: bool,
    /// The body as it came.
    pub body: Bytes,
    /// The status; `None` if no answer was intended.
    pub status: Option<u16>,
    /// Whether a fault struck.
    pub struck: bool,
}

struct Kept {
    number: u64,
    at_ms: u64,
    end_ms: Option<u64>,
    cut: bool,
    entry: Entry,
}

#[derive(Default)]
struct Shelf {
    kept: VecDeque<Kept>,
    bytes: usize,
    next: u64,
}

/// The requests of one listener.
pub struct Journal {
    clock: Instant,
    shelf: Mutex<Shelf>,
}

impl Journal {
    /// An empty journal whose times count from `clock`.
    pub fn new(clock: Instant) -> Journal {
        Journal { clock, shelf: Mutex::default() }
    }

    /// Records a request; `at` is its arrival. The ticket belongs to the answer.
    pub fn open(self: &Arc<Self>, at: Instant, entry: Entry) -> Ticket {
        let at_ms = at.duration_since(self.clock).as_millis() as u64;
        let mut shelf = self.shelf();
        let number = shelf.next;
        shelf.next += 1;
        shelf.bytes += entry.body.len();
        shelf.kept.push_back(Kept { number, at_ms, end_ms: None, cut: false, entry });
        while shelf.kept.len() > MOST || shelf.bytes > MOST_BYTES {
            let Some(oldest) = shelf.kept.pop_front() else { break };
            shelf.bytes -= oldest.entry.body.len();
        }
        drop(shelf);
        Ticket { journal: Arc::clone(self), number, closed: false }
    }

    /// Forgets all requests, also those in flight.
    pub fn clear(&self) {
        let mut shelf = self.shelf();
        shelf.kept.clear();
        shelf.bytes = 0;
    }

    /// The requests, oldest first.
    pub fn to_json(&self) -> Value {
        self.shelf().kept.iter().map(Kept::to_json).collect()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, number: u64, cut: bool) {
        let now_ms = self.clock.elapsed().as_millis() as u64;
        let mut shelf = self.shelf();
        let Some(first) = shelf.kept.front().map(|kept| kept.number) else { return };
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(kept) = at.and_then(|at| shelf.kept.get_mut(at)) {
            kept.end_ms = Some(now_ms);
            kept.cut = cut;
        }
    }
}

impl Kept {
    fn to_json(&self) -> Value {
        let Kept { at_ms, end_ms, cut, entry, .. } = self;
        let (method, path) = entry.line.split_once(' ').unwrap_or_default();
        let body = serde_json::from_slice(&entry.body)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&entry.body).into_owned()));
        json!({
            "at_ms": at_ms, "end_ms": end_ms, "cut": cut, "method": method, "path": path, "headers": telling(&entry.headers),
            "model": entry.model, "stream": entry.stream, "status": entry.status, "struck": entry.struck, "body": body,
        })
    }
}

/// Belongs to an answer; if it is dropped before [`Ticket::done`], the client left.
pub struct Ticket {
    journal: Arc<Journal>,
    number: u64,
    closed: bool,
}

impl Ticket {
    /// The answer is sent, or broken on purpose.
    pub fn done(&mut self) {
        if !self.closed {
            self.closed = true;
            self.journal.close(self.number, false);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.closed {
            self.journal.close(self.number, true);
        }
    }
}

/// The headers that show what a gateway did, as JSON; a value that is not UTF-8 is shown lossily.
fn telling(headers: &HeaderMap) -> Map<String, Value> {
    const NAMED: &[&str] = &[
        "host",
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "anthropic-version",
        "anthropic-beta",
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "accept",
        "accept-encoding",
        "user-agent",
        "cookie",
        "x-request-id",
        "x-forwarded-for",
        "x-forwarded-proto",
        "openai-organization",
        "openai-project",
        "traceparent",
    ];
    const PREFIXES: &[&str] = &["x-signalbox", "x-envoy", "x-stainless", "x-sim"];
    // Of a signed request all, because a signature can be checked by what it was made of only.
    let signed = headers.get("authorization").is_some_and(|value| value.as_bytes().starts_with(b"AWS4"));
    let shown = |name: &str| signed || NAMED.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    headers
        .iter()
        .filter(|(name, _)| shown(name.as_str()))
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned().into()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_cut_answer_from_a_whole_one() {
        let now = Instant::now();
        let journal = Arc::new(Journal::new(now));
        let entry = || Entry { line: "POST /x".into(), body: r#"{"a":1}"#.into(), ..Entry::default() };
        journal.open(now, entry()).done();
        drop(journal.open(now, entry()));
        let _under_way = journal.open(now, entry());
        let list = journal.to_json();
        assert_eq!((&list[0]["cut"], &list[1]["cut"], &list[2]["end_ms"]), (&json!(false), &json!(true), &Value::Null));
        assert_eq!((&list[0]["path"], &list[0]["body"]["a"]), (&json!("/x"), &json!(1)));
        journal.clear();
        assert_eq!(journal.to_json(), json!([]));
    }

    #[test]
    fn forgets_the_oldest_when_full() {
        let now = Instant::now();
        let journal = Arc::new(Journal::new(now));
        for at in 0..MOST + 5 {
            journal.open(now, Entry { model: at.to_string(), ..Entry::default() }).done();
        }
        let list = journal.to_json();
        assert_eq!((list.as_array().unwrap().len(), &list[0]["model"]), (MOST, &json!("5")));
        assert!(list[MOST - 1]["end_ms"].is_number());
    }
}
