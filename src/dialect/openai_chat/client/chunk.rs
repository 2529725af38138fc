//! A streamed answer for the client: [`Event`]s to OpenAI's `chat.completion.chunk` events.
//!
//! The order of chunks is decided here, whatever the provider's dialect: the role first, each call's start before its arguments, one
//! finish, usage where it was asked for, `[DONE]`. Chunks know no blocks: calls are counted by themselves, and of thinking a signed block is
//! told once more as a whole when it ends.
//!
//! **Invariant:** after the end or an error nothing more is written, and neither is written without the other's events.

use serde::Serialize;

use super::answer::{Extra, Logprobs, Picture, ThinkingBody, UsageBody, finish_reason, given};
use super::error;
use crate::chat::{Begun, Delta as Piece, Event, StopReason, Usage};
use crate::dialect::ordered::Ordered;
use crate::dialect::thinking::{Signs, of_google};
use crate::dialect::{AnswerContext, EventWriter};
use crate::failure;

/// What says nothing: the dialect has no event for that.
pub const PING: &[u8] = b": ping\n\n";

/// Writes events as chunks.
pub struct ChunkWriter {
    context: AnswerContext,
    id: String,
    model: String,
    role_sent: bool,
    /// The blocks that are open, by their numbers.
    open: Ordered<usize, Open>,
    /// How many calls have begun.
    calls: usize,
    /// How many thinking blocks were told.
    thoughts: usize,
    /// How many images were told of.
    images: usize,
    /// How likely the tokens were that follow.
    logprobs: Option<String>,
    /// What Google signed with the call that follows.
    signature: Option<String>,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    closed: bool,
}

/// A block that is open, and what must be known of it.
enum Open {
    Text,
    Refusal,
    /// What came of it, where it is handed back.
    Thinking {
        thinking: String,
        signature: String,
    },
    /// Its number among calls, and whether its arguments have begun.
    Call {
        number: usize,
        said: bool,
    },
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Alternative<'a>],
    /// Outer `None`: the client did not ask for usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct Alternative<'a> {
    index: usize,
    delta: Delta<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
#[serde(default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_blocks: Option<[Thought<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Picture<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

/// A thinking block with its number: OpenAI's SDK puts the lists of a stream together by the `index` of their elements, and fails
/// where there is none.
#[derive(Serialize)]
struct Thought<'a> {
    index: usize,
    #[serde(flatten)]
    block: ThinkingBody<'a>,
}

#[derive(Serialize)]
struct Call<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_content: Option<Extra<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

impl ChunkWriter {
    /// A writer for one answer.
    #[must_use]
    pub fn new(context: AnswerContext) -> Self {
        Self {
            context,
            id: String::new(),
            model: String::new(),
            role_sent: false,
            open: Ordered::default(),
            calls: 0,
            thoughts: 0,
            images: 0,
            logprobs: None,
            signature: None,
            stop: None,
            usage: None,
            closed: false,
        }
    }

    fn begin(&mut self, block: usize, begun: Begun<'_>, out: &mut Vec<u8>) {
        let open = match begun {
            Begun::Text => Open::Text,
            Begun::Refusal => Open::Refusal,
            Begun::Thinking => Open::Thinking { thinking: String::new(), signature: String::new() },
            Begun::Image(url) => {
                let images = Some([Picture::of(&url, self.images)]);
                self.images = self.images.saturating_add(1);
                return self.said(Delta { images, ..Delta::default() }, out);
            }
            Begun::RedactedThinking(data) => return self.thought(ThinkingBody::RedactedThinking { data: &data }, out),
            Begun::ToolCall { id, name } => {
                let name = self.context.function_name(&name).to_owned();
                let function = Function { name: Some(&name), arguments: "" };
                let number = self.calls;
                self.calls = self.calls.saturating_add(1);
                let signature = self.signature.take();
                let extra_content = signature.as_deref().map(Extra::from);
                self.call(
                    Call { index: number, id: Some(&id), r#type: Some("function"), function, extra_content },
                    out,
                );
                Open::Call { number, said: false }
            }
        };
        self.open.insert(block, open);
    }

    fn piece(&mut self, block: usize, piece: &Piece<'_>, out: &mut Vec<u8>) {
        if piece.as_str().is_empty() {
            return;
        }
        let keeps = self.context.thinking_blocks;
        if let Piece::Signature(text) = piece {
            match of_google(text) {
                Some((Signs::Call, signature)) => return self.signature = Some(signature.to_owned()),
                Some((Signs::Text, signature)) => {
                    let extra_content = Some(Extra::from(signature));
                    return self.said(Delta { extra_content, ..Delta::default() }, out);
                }
                _ => {}
            }
        }
        match (self.open.get_mut(&block), piece) {
            (Some(Open::Text), Piece::Text(text)) => {
                self.said(Delta { content: Some(text), ..Delta::default() }, out);
            }
            (Some(Open::Refusal), Piece::Text(text)) => {
                self.said(Delta { refusal: Some(text), ..Delta::default() }, out);
            }
            (Some(Open::Thinking { thinking, .. }), Piece::Thinking(text)) => {
                if keeps {
                    thinking.push_str(text);
                }
                self.said(Delta { reasoning_content: Some(text), ..Delta::default() }, out);
            }
            (Some(Open::Thinking { signature, .. }), Piece::Signature(text)) if keeps => signature.push_str(text),
            (Some(Open::Call { number, said }), Piece::Arguments(part)) => {
                *said = true;
                let number = *number;
                self.arguments(number, part, out);
            }
            _ => {}
        }
    }

    fn stop(&mut self, block: usize, out: &mut Vec<u8>) {
        match self.open.remove(&block) {
            Some(Open::Thinking { thinking, signature }) if !signature.is_empty() => {
                self.thought(ThinkingBody::Thinking { thinking: &thinking, signature: &signature }, out);
            }
            // A call without arguments must end as JSON all the same.
            Some(Open::Call { number, said: false }) => self.arguments(number, "{}", out),
            _ => {}
        }
    }

    /// A thinking block that is handed back.
    fn thought(&mut self, block: ThinkingBody<'_>, out: &mut Vec<u8>) {
        if self.context.thinking_blocks {
            let thought = Thought { index: self.thoughts, block };
            self.said(Delta { thinking_blocks: Some([thought]), ..Delta::default() }, out);
            self.thoughts = self.thoughts.saturating_add(1);
        }
    }

    /// Something of the answer: the role comes before the first of it.
    fn said(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.begin_message(out);
        self.chunk(delta, None, out);
    }

    fn begin_message(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.role_sent, true) {
            self.chunk(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None, out);
        }
    }

    fn arguments(&mut self, index: usize, part: &str, out: &mut Vec<u8>) {
        let function = Function { name: None, arguments: part };
        self.call(Call { index, id: None, r#type: None, function, extra_content: None }, out);
    }

    /// Something of a call. The deprecated form knows the first one only.
    fn call(&mut self, call: Call<'_>, out: &mut Vec<u8>) {
        if !self.context.echo.function_call {
            self.said(Delta { tool_calls: Some([call]), ..Delta::default() }, out);
        } else if call.index == 0 {
            self.said(Delta { function_call: Some(call.function), ..Delta::default() }, out);
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.begin_message(out);
        while let Some(block) = self.open.first() {
            self.stop(block, out);
        }
        self.chunk(Delta::default(), Some(finish_reason(self.stop, self.calls > 0, &self.context)), out);
        if let (true, Some(usage)) = (self.context.include_usage, self.usage) {
            self.event(&[], Some(Some(usage.into())), out);
        }
        data(b"[DONE]", out);
        self.closed = true;
    }

    fn chunk(&mut self, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        // Those of the text, not of the role before it.
        let list = if delta.role.is_none() { self.logprobs.take() } else { None };
        let logprobs = list.as_deref().and_then(Logprobs::of);
        let choice = Alternative { index: 0, delta, logprobs, finish_reason };
        self.event(&[choice], self.context.include_usage.then_some(None), out);
    }

    fn event(&self, choices: &[Alternative<'_>], usage: Option<Option<UsageBody>>, out: &mut Vec<u8>) {
        let chunk = Chunk {
            id: given(&self.id, &self.context.fallback_id),
            object: "chat.completion.chunk",
            created: self.context.now_s,
            model: given(&self.model, &self.context.model),
            choices,
            usage,
        };
        // Strings and numbers always serialize.
        data(&serde_json::to_vec(&chunk).unwrap_or_default(), out);
    }
}

impl EventWriter for ChunkWriter {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model } => (self.id, self.model) = (id.into_owned(), model.into_owned()),
            Event::BlockStart(block, begun) => self.begin(block, begun, out),
            Event::Delta(block, piece) => self.piece(block, &piece, out),
            Event::BlockStop(block) => self.stop(block, out),
            Event::Ping => out.extend_from_slice(PING),
            Event::Logprobs(list) => self.logprobs = Some(list.into_owned()),
            Event::Opaque | Event::LeftOut => {}
            Event::Stop(reason) => _ = self.stop.get_or_insert(reason),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                self.closed = true;
                out.extend(error::event(&failure::api_error(&failure)));
            }
            Event::End => self.end(out),
        }
    }

    fn kept(&self) -> usize {
        let of_block = |open: &Open| match open {
            Open::Thinking { thinking, signature } => thinking.capacity() + signature.capacity(),
            _ => 0,
        };
        self.open.iter().map(|(_, open)| of_block(open)).sum()
    }
}

/// Appends one server-sent event.
pub(super) fn data(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureClass;

    /// What comes out, event by event.
    fn written(events: Vec<Event<'_>>) -> Vec<String> {
        let context = AnswerContext {
            model: "m".into(),
            fallback_id: "c".into(),
            include_usage: true,
            ..AnswerContext::default()
        };
        let mut writer = ChunkWriter::new(context);
        let chunks = events.into_iter().map(|event| {
            let mut out = Vec::new();
            writer.write(event, &mut out);
            String::from_utf8(out).unwrap()
        });
        chunks.collect()
    }

    #[test]
    fn what_says_nothing_writes_nothing() {
        let part = || "".into();
        let silent = vec![
            Event::Start { id: part(), model: part() },
            Event::BlockStart(0, Begun::Text),
            Event::Delta(0, Piece::Text(part())),
            Event::BlockStop(0),
            Event::BlockStart(1, Begun::Thinking),
            Event::Delta(1, Piece::Thinking(part())),
            Event::Delta(2, Piece::Arguments("{}".into())),
            Event::Usage(Usage::default()),
        ];
        assert_eq!(written(silent), [""; 8]);
    }

    #[test]
    fn calls_make_it_a_call_and_have_arguments() {
        let call = |index| Event::BlockStart(index, Begun::ToolCall { id: "i".into(), name: "f".into() });
        let stop = Event::Stop(StopReason::EndTurn);
        let out = written(vec![call(0), call(1), stop, Event::Stop(StopReason::MaxTokens), Event::End]);
        assert_eq!(
            out.iter().map(|out| out.matches(r#""arguments":"{}""#).count()).collect::<Vec<_>>(),
            [0, 0, 0, 0, 2]
        );
        assert!(out[0].starts_with(r#"data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"m""#));
        assert!(out[4].contains(r#""finish_reason":"tool_calls""#));
        assert_eq!(out[4].matches("finish_reason\":\"").count(), 1, "there is one finish");
    }

    #[test]
    fn nothing_follows_the_end_or_an_error() {
        let failure = failure::own(FailureClass::Upstream, "c", "m");
        for last in [Event::End, Event::Failed(failure)] {
            let out = written(vec![last, Event::BlockStart(0, Begun::RedactedThinking("late".into())), Event::End]);
            assert_eq!((out[0].is_empty(), &out[1..]), (false, &[String::new(), String::new()][..]));
        }
    }
}
