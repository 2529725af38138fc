//! How an answer is sent: a list of steps, made from the healthy events and the fault, and a body that carries them out.
//!
//! Making the list is pure, so that what a fault does to a stream is tested without a socket or a clock.
//!
//! **Invariant:** every event of a stream is a write of its own, as a model's tokens are.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame};
use tokio::time::Sleep;

use super::{fault::Fault, record::Ticket};

/// How faults count an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Before the first token.
    Opening,
    /// A piece of content.
    Token,
    /// After the content, before the end.
    Closing,
    /// The terminal event.
    End,
}

/// One event of a healthy stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What it is for.
    pub kind: Kind,
    /// Its bytes, with all that ends it.
    pub bytes: Bytes,
}

impl Event {
    /// An event without a name.
    pub fn sse(kind: Kind, data: &str) -> Event {
        Event { kind, bytes: format!("data: {data}\n\n").into() }
    }

    /// A line of its own.
    pub fn line(kind: Kind, data: &str) -> Event {
        Event { kind, bytes: format!("{data}\n").into() }
    }

    /// An event with a name.
    pub fn named(kind: Kind, name: &str, data: &str) -> Event {
        Event { kind, bytes: format!("event: {name}\ndata: {data}\n\n").into() }
    }
}

/// The `content-type` of streams of server-sent events.
pub const SSE: &str = "text/event-stream; charset=utf-8";

/// Half of a server-sent event, which is not JSON.
pub fn half(event: &[u8]) -> Bytes {
    [event.get(..event.len() / 2).unwrap_or_default(), b"\n\n"].concat().into()
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write.
    Send(Bytes),
    /// Send nothing for a while.
    Wait(Duration),
    /// Break the connection with a TCP reset. Without it, the end of the list is a clean end.
    Reset,
}

/// How long written bytes get to reach the other side, because a reset discards what is still in flight.
const BEFORE_RESET: Duration = Duration::from_millis(20);
const STALL: Duration = Duration::from_secs(30);

/// The steps of a stream under a fault; `error` is the dialect's event for `error_event`, `spoiled` makes that of `bad_event`.
pub fn stream(events: Vec<Event>, fault: &Fault, error: Bytes, spoiled: fn(&[u8]) -> Bytes) -> Vec<Step> {
    let mut steps = Vec::with_capacity(events.len() + 4);
    let (mut tokens, mut sent) = (0_u32, 0_u32);
    let (mut stalled, mut late) = (false, fault.delay_first_token);
    let reached = |after: Option<u32>, tokens: u32| after.is_some_and(|after| tokens >= after);
    for Event { kind, bytes } in events {
        if fault.error_event.is_some() && tokens >= fault.error_after.unwrap_or(0) {
            steps.push(Step::Send(error));
            return steps;
        }
        if reached(fault.cut_after, tokens) {
            return steps;
        }
        if reached(fault.reset_after, tokens) {
            steps.extend([Step::Wait(BEFORE_RESET), Step::Reset]);
            return steps;
        }
        if reached(fault.stall_after, tokens) && !stalled {
            stalled = true;
            steps.push(Step::Wait(fault.stall.unwrap_or(STALL)));
        }
        if kind == Kind::End && fault.no_done {
            continue;
        }
        if kind == Kind::Token || !fault.role_first {
            steps.extend(late.take().map(Step::Wait));
        }
        if kind == Kind::Token {
            if tokens > 0 {
                steps.extend(fault.token_delay.map(Step::Wait));
            }
            tokens += 1;
        }
        if fault.bad_event == Some(sent + 1) {
            steps.push(Step::Send(spoiled(&bytes)));
            sent += 1;
        }
        steps.push(Step::Send(bytes));
        sent += 1;
    }
    steps
}

/// The steps of an answer in one piece; faults that count tokens strike in its middle.
pub fn whole(body: Bytes, fault: &Fault) -> Vec<Step> {
    let late = fault.delay_first_token.map(Step::Wait);
    let (head, tail) = (body.slice(..body.len() / 2), body.slice(body.len() / 2..));
    let middle = if fault.cut_after.is_some() {
        vec![Step::Send(head)]
    } else if fault.reset_after.is_some() {
        vec![Step::Send(head), Step::Wait(BEFORE_RESET), Step::Reset]
    } else if fault.stall_after.is_some() {
        vec![Step::Send(head), Step::Wait(fault.stall.unwrap_or(STALL)), Step::Send(tail)]
    } else {
        vec![Step::Send(body)]
    };
    late.into_iter().chain(middle).collect()
}

/// A body that carries out the steps.
pub struct Play {
    steps: VecDeque<Step>,
    nap: Option<Pin<Box<Sleep>>>,
    /// Whether the bytes of the last step have had their chance to be written.
    flushed: bool,
    reset: Arc<AtomicBool>,
    ticket: Option<Ticket>,
}

impl Play {
    /// Plays `steps`; `reset` tells the connection to break, `ticket` is torn when the client leaves before the end.
    pub fn new(steps: Vec<Step>, reset: Arc<AtomicBool>, ticket: Option<Ticket>) -> Play {
        Play { steps: steps.into(), nap: None, flushed: true, reset, ticket }
    }

    fn done(&mut self) {
        if let Some(ticket) = &mut self.ticket {
            ticket.done();
        }
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(nap) = &mut self.nap {
                ready!(nap.as_mut().poll(cx));
                self.nap = None;
            }
            if !self.flushed {
                // hyper writes what it has when a body has nothing for it.
                self.flushed = true;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            match self.steps.pop_front() {
                Some(Step::Wait(pause)) => self.nap = Some(Box::pin(tokio::time::sleep(pause))),
                Some(Step::Send(bytes)) => {
                    self.flushed = self.steps.is_empty();
                    if self.steps.is_empty() {
                        self.done();
                    }
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Reset) => {
                    self.done();
                    self.reset.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
                }
                None => {
                    self.done();
                    return Poll::Ready(None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(spec: &str) -> String {
        let kinds = [Kind::Opening, Kind::Token, Kind::Token, Kind::Token, Kind::Closing, Kind::End];
        let names = ["o", "1", "2", "3", "c", "e"];
        let events = kinds.iter().zip(names).map(|(kind, name)| Event { kind: *kind, bytes: name.into() }).collect();
        let steps = stream(events, &spec.parse().unwrap(), "E".into(), half);
        let word = |step: &Step| match step {
            Step::Send(bytes) if bytes.len() > 1 => "?".to_owned(),
            Step::Send(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Step::Wait(pause) => format!("({})", pause.as_millis()),
            Step::Reset => "!".to_owned(),
        };
        steps.iter().map(word).collect()
    }

    #[test]
    fn a_fault_changes_the_steps_and_nothing_else() {
        for (spec, wanted) in [
            ("", "o123ce"),
            ("token_delay=5ms", "o1(5)2(5)3ce"),
            ("delay_first_token=7s", "(7000)o123ce"),
            ("delay_first_token=7s,role_first", "o(7000)123ce"),
            ("cut_after=2", "o12"),
            ("cut_after=3", "o123"),
            ("reset_after=1", "o1(20)!"),
            ("stall_after=2,stall=1s", "o12(1000)3ce"),
            ("stall_after=2", "o12(30000)3ce"),
            ("bad_event=3", "o1?23ce"),
            ("no_done", "o123c"),
            ("error_event=server", "E"),
            ("error_event=server,error_after=2", "o12E"),
        ] {
            assert_eq!(played(spec), wanted, "{spec}");
        }
    }

    #[test]
    fn an_answer_in_one_piece_breaks_in_its_middle() {
        let steps = |spec: &str| whole("abcd".into(), &spec.parse().unwrap());
        assert_eq!(steps(""), [Step::Send("abcd".into())]);
        assert_eq!(steps("cut_after=40"), [Step::Send("ab".into())]);
        assert_eq!(steps("reset_after=1"), [Step::Send("ab".into()), Step::Wait(BEFORE_RESET), Step::Reset]);
        let stalled = [Step::Send("ab".into()), Step::Wait(Duration::from_secs(2)), Step::Send("cd".into())];
        assert_eq!(steps("stall_after=1,stall=2s"), stalled);
    }
}
