//! What the two roles are driven by, and what they drive: events of the host in, questions to it, effects out.
//!
//! `wasm` implements [`Host`] over proxy-wasm; the tests implement it over a script, and run the same roles.
//!
//! **Invariant:** one method of [`Host`], or one [`Effect`], is one call of the host, so counting them counts what a request costs.
//! A role asks while it decides and changes nothing at the host meanwhile: its effects are carried out, in order, when it is done.

use std::borrow::Cow;

use super::route::not_ready;
use super::{Edit, HeaderMap, MetricUpdate, OutgoingHeaders, Reply};
use crate::state::StateStore;

/// One callback of the host, for one context (a request in one role). What may follow what is said in [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The head of the request came.
    RequestHead {
        /// No body follows.
        ends: bool,
    },
    /// More of its body came.
    RequestBody {
        /// How much of it lies in the host's buffer.
        length: usize,
        /// This is the end of the request.
        ends: bool,
    },
    /// Its trailers came: its body has ended without saying so.
    RequestTrailers,
    /// The head of the answer came.
    ResponseHead {
        /// No body follows.
        ends: bool,
    },
    /// More of its body came.
    ResponseBody {
        /// How much of it lies in the host's buffer.
        length: usize,
        /// This is the end of the answer.
        ends: bool,
    },
    /// Its trailers came: its body has ended without saying so.
    ResponseTrailers,
    /// The time came for which this attempt waits (`timers.rs`).
    Timer,
    /// The host is done with this context.
    Closed,
}

/// What becomes of what is in the host's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It waits, or never goes on.
    Pause,
}

/// One of the host's header maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Map {
    /// The request's headers.
    Request,
    /// Its trailers.
    RequestTrailers,
    /// The answer's headers.
    Response,
    /// The headers of an answer to a call of our own.
    Call,
}

/// One of the host's buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Buffer {
    /// The request's body.
    Request,
    /// The answer's body.
    Response,
    /// The body of an answer to a call of our own.
    Call,
}

/// One thing that the host shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// All headers are replaced.
    SetHeaders(Map, OutgoingHeaders),
    /// One header is set, or removed.
    SetHeader(Map, Cow<'static, str>, Option<String>),
    /// A body is edited, of which so many bytes lie in the host's buffer.
    EditBody(Buffer, usize, Edit),
    /// A property of the stream is set: filter state under this name, after `wasm.`.
    SetProperty(&'static str, String),
    /// The route is chosen anew.
    ClearRouteCache,
    /// The client gets this, and nothing of the request goes on.
    Reply(Reply),
    /// A request that was paused goes on.
    ResumeRequest,
    /// An answer that was paused goes on.
    ResumeResponse,
    /// The client's stream is cut off.
    ResetResponse,
    /// One of Envoy's statistics changes. (Twice a call where it is new to the host. Never while a request is handled.)
    Metric(MetricUpdate),
    /// A line for the log.
    Log(String),
    /// A line for the log that an operator must see.
    Warn(String),
}

/// What comes of an event: effects, in order, and whether what came goes on.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "effects do nothing until they are carried out"]
pub struct Effects {
    /// In order.
    pub list: Vec<Effect>,
    /// What becomes of what came.
    pub flow: Flow,
}

impl Effects {
    /// None, and what came goes on.
    pub const fn none() -> Self {
        Self { list: Vec::new(), flow: Flow::Continue }
    }

    /// Answers the client.
    pub fn reply(reply: Reply) -> Self {
        Self { list: vec![Effect::Reply(reply)], flow: Flow::Pause }
    }

    /// The answer to a client of whose request nothing is known, or whose worker cannot be had now.
    pub fn busy() -> Self {
        Self::reply(not_ready().write_for_anyone())
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.list.push(effect);
    }

    /// Edits a body, where there is anything to edit.
    pub(super) fn edit(&mut self, buffer: Buffer, length: usize, edit: Edit) {
        if edit != Edit::Keep {
            self.push(Effect::EditBody(buffer, length, edit));
        }
    }

    /// Has the host carry all of them out.
    pub fn carry_out(self, host: &dyn Host) -> Flow {
        self.list.into_iter().for_each(|effect| host.carry_out(effect));
        self.flow
    }
}

/// The host as the roles see it. Shared data comes with it ([`StateStore`]).
pub trait Host: StateStore {
    /// Now, Unix milliseconds.
    fn now_ms(&self) -> u64;
    /// One header, if it is there and is text.
    fn header(&self, map: Map, name: &str) -> Option<String>;
    /// All headers.
    fn headers(&self, map: Map) -> HeaderMap;
    /// A body, from its beginning.
    fn body(&self, buffer: Buffer, length: usize) -> Vec<u8>;
    /// A property of the stream.
    fn property(&self, path: &[&str]) -> Option<Vec<u8>>;
    /// A variable of the host's environment, of those that the module is given.
    fn variable(&self, name: &str) -> Option<String>;
    /// Makes a context the one that is asked and acted upon. Returns whether it is still there.
    fn enter(&self, context: u32) -> bool;
    /// Sends a request to a cluster on our own account. Returns the call's number.
    fn call(&self, cluster: &str, headers: &OutgoingHeaders, body: &[u8], timeout_ms: u64) -> Option<u32>;
    /// Does what a role decided.
    fn carry_out(&self, effect: Effect);
}

/// A body of which so much lies in the host's buffer: nothing costs nothing.
pub(super) fn body(host: &dyn Host, buffer: Buffer, length: usize) -> Vec<u8> {
    if length > 0 { host.body(buffer, length) } else { Vec::new() }
}

/// The status of an answer.
pub(super) fn status(host: &dyn Host, map: Map) -> Option<u16> {
    host.header(map, ":status")?.parse().ok()
}
