//! A streamed answer for the client: [`ChatEvent`]s to OpenAI's `chat.completion.chunk` events.
//!
//! Every codec of a foreign dialect writes through this one machine, so that the order of chunks is decided once: the role
//! first, each call's start before its arguments, one finish, usage where it was asked for, `[DONE]`.
//!
//! **Invariant:** after the end or an error nothing more is written, and neither is written without the other's events.

use serde::Serialize;

use super::answer::{ThinkingBody, UsageBody, finish_reason, given};
use super::error;
use crate::chat::{ChatEvent, FinishReason, Usage};
use crate::dialect::AnswerContext;
use crate::failure;

/// What says nothing: the dialect has no event for that.
pub const PING: &[u8] = b": ping\n\n";

/// Writes events as chunks.
pub struct ChunkWriter {
    context: AnswerContext,
    id: String,
    model: String,
    role_sent: bool,
    /// The calls whose arguments have not begun.
    silent_calls: Vec<usize>,
    called: bool,
    /// How many thinking blocks were told.
    thoughts: usize,
    finished: bool,
    usage: Option<Usage>,
    closed: bool,
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
    logprobs: Option<()>,
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
    tool_calls: Option<[Call<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Function<'a>>,
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
            silent_calls: Vec::new(),
            called: false,
            thoughts: 0,
            finished: false,
            usage: None,
            closed: false,
        }
    }

    /// Appends the chunks of one event.
    pub fn write(&mut self, event: ChatEvent<'_>, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            ChatEvent::Start { id, model } => (self.id, self.model) = (id.into_owned(), model.into_owned()),
            ChatEvent::Text(text) if text.is_empty() => {}
            ChatEvent::Text(text) => {
                self.said(Delta { content: Some(&text), ..Delta::default() }, out);
            }
            ChatEvent::Reasoning(text) if text.is_empty() => {}
            ChatEvent::Reasoning(text) => {
                self.said(Delta { reasoning_content: Some(&text), ..Delta::default() }, out);
            }
            ChatEvent::Thinking(_) if !self.context.thinking_blocks => {}
            ChatEvent::Thinking(block) => {
                let thought = Thought { index: self.thoughts, block: ThinkingBody::from(&block) };
                self.said(Delta { thinking_blocks: Some([thought]), ..Delta::default() }, out);
                self.thoughts = self.thoughts.saturating_add(1);
            }
            ChatEvent::Refusal(text) if text.is_empty() => {}
            ChatEvent::Refusal(text) => {
                self.said(Delta { refusal: Some(&text), ..Delta::default() }, out);
            }
            ChatEvent::ToolStart { index, id, name } => {
                let name = self.context.function_name(&name).to_owned();
                let function = Function { name: Some(&name), arguments: "" };
                self.call(Call { index, id: Some(&id), r#type: Some("function"), function }, out);
                self.called = true;
                self.silent_calls.push(index);
            }
            ChatEvent::ToolArguments { part, .. } if part.is_empty() => {}
            ChatEvent::ToolArguments { index, part } => {
                self.silent_calls.retain(|silent| *silent != index);
                self.arguments(index, &part, out);
            }
            ChatEvent::Ping => out.extend_from_slice(PING),
            ChatEvent::Finish(reason) => self.finish(reason, out),
            ChatEvent::Usage(usage) => self.usage = Some(usage),
            ChatEvent::Failed(failure) => {
                self.closed = true;
                out.extend(error::event(&failure::api_error(&failure)));
            }
            ChatEvent::End => self.end(out),
        }
    }

    /// Something of the answer: the role comes before the first of it.
    fn said(&mut self, delta: Delta<'_>, out: &mut Vec<u8>) {
        self.open(out);
        self.chunk(delta, None, out);
    }

    fn open(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.role_sent, true) {
            self.chunk(Delta { role: Some("assistant"), content: Some(""), ..Delta::default() }, None, out);
        }
    }

    fn arguments(&mut self, index: usize, part: &str, out: &mut Vec<u8>) {
        let function = Function { name: None, arguments: part };
        self.call(Call { index, id: None, r#type: None, function }, out);
    }

    /// Something of a call. The deprecated form knows the first one only.
    fn call(&mut self, call: Call<'_>, out: &mut Vec<u8>) {
        if !self.context.echo.function_call {
            self.said(Delta { tool_calls: Some([call]), ..Delta::default() }, out);
        } else if call.index == 0 {
            self.said(Delta { function_call: Some(call.function), ..Delta::default() }, out);
        }
    }

    fn finish(&mut self, reason: FinishReason, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.open(out);
        // A call without arguments must end as JSON all the same.
        for index in std::mem::take(&mut self.silent_calls) {
            self.arguments(index, "{}", out);
        }
        let reason = if self.called && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason };
        self.chunk(Delta::default(), Some(finish_reason(reason, &self.context)), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        self.finish(FinishReason::Stop, out);
        if let (true, Some(usage)) = (self.context.include_usage, self.usage) {
            self.event(&[], Some(Some(usage.into())), out);
        }
        data(b"[DONE]", out);
        self.closed = true;
    }

    fn chunk(&self, delta: Delta<'_>, finish_reason: Option<&'static str>, out: &mut Vec<u8>) {
        let choice = Alternative { index: 0, delta, logprobs: None, finish_reason };
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

/// Appends one server-sent event.
fn data(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureClass;

    /// What comes out, event by event.
    fn written(events: Vec<ChatEvent<'_>>) -> Vec<String> {
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
            ChatEvent::Start { id: part(), model: part() },
            ChatEvent::Text(part()),
            ChatEvent::Reasoning(part()),
            ChatEvent::ToolArguments { index: 0, part: part() },
            ChatEvent::Usage(Usage::default()),
        ];
        assert_eq!(written(silent), [""; 5]);
    }

    #[test]
    fn calls_make_it_a_call_and_have_arguments() {
        let call = |index| ChatEvent::ToolStart { index, id: "i".into(), name: "f".into() };
        let out = written(vec![
            call(0),
            call(1),
            ChatEvent::Finish(FinishReason::Stop),
            ChatEvent::Finish(FinishReason::Length),
        ]);
        assert_eq!(out.iter().map(|out| out.matches(r#""arguments":"{}""#).count()).collect::<Vec<_>>(), [0, 0, 2, 0]);
        assert!(out[0].starts_with(r#"data: {"id":"c","object":"chat.completion.chunk","created":0,"model":"m""#));
        assert!(out[2].contains(r#""finish_reason":"tool_calls""#));
        assert_eq!(out[3], "", "there is one finish");
    }

    #[test]
    fn nothing_follows_the_end_or_an_error() {
        let failure = failure::own(FailureClass::Upstream, "c", "m");
        for last in [ChatEvent::End, ChatEvent::Failed(failure)] {
            let out = written(vec![last, ChatEvent::Text("late".into()), ChatEvent::End]);
            assert_eq!((out[0].is_empty(), &out[1..]), (false, &[String::new(), String::new()][..]));
        }
    }
}
