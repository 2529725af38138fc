//! `POST /v1/completions` of a provider that has only chats: the prompt is one user message, the answer's text the completion.
//!
//! **Invariant:** what a chat cannot do (go on with tokens, repeat the prompt, fill a gap) is refused, never left out.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{UsageBody, finish_reason, given};
use super::chunk::{PING, data};
use super::error;
use super::read::{include_usage, stop, top};
use crate::chat::{
    Answer, ApiError, Block, Content, Conversation, Delta, Event, Member, Place, Speaker, StopReason, Turn, Usage,
};
use crate::dialect::read::{Object, Path, Unread, array, body, boolean, missing, number, text, whole};
use crate::dialect::{AnswerContext, EventWriter};
use crate::failure;

/// Reads the body of a request.
///
/// # Errors
/// An [`ApiError`] of status 400 with the field's place as `param`.
pub fn read(bytes: &[u8]) -> Result<Conversation<'_>, ApiError> {
    let unread = &mut Unread::default();
    let (mut conversation, other) = body(bytes, |fields| conversation(fields, unread))?;
    conversation.other = other;
    conversation.unread = std::mem::take(unread).into_names();
    Ok(conversation)
}

fn conversation<'a>(fields: &mut Object<'a>, unread: &mut Unread) -> Result<Conversation<'a>, ApiError> {
    /// What asks for more than a chat gives, and the values of it that do not.
    const MORE: [(&str, &[&str]); 5] = [
        ("echo", &["false"]),
        ("suffix", &["\"\""]),
        ("best_of", &["0", "1"]),
        ("n", &["1"]),
        ("logprobs", &["false"]),
    ];
    fields.take("model");
    for (name, nothing) in MORE {
        if fields.take(name).is_some_and(|raw| !nothing.contains(&raw.get())) {
            return Err(unsupported(name));
        }
    }
    let path = Path::Top("prompt");
    let prompt = prompt(fields.take("prompt").ok_or_else(|| missing(path))?, path)?;
    let place = Place::top(Member::Prompt);
    let blocks = vec![Block::unmarked(Content::Text(prompt), place)];
    Ok(Conversation {
        turns: vec![Turn { speaker: Speaker::User, blocks, name: None, cache_control: None, place }],
        max_tokens: top(fields, "max_tokens", whole)?,
        temperature: top(fields, "temperature", number)?,
        top_p: top(fields, "top_p", number)?,
        stop: top(fields, "stop", stop)?.unwrap_or_default(),
        user: top(fields, "user", text)?,
        stream: top(fields, "stream", boolean)?.unwrap_or_default(),
        include_usage: top(fields, "stream_options", |raw, path| include_usage(raw, path, unread))?.unwrap_or_default(),
        ..Conversation::default()
    })
}

/// One text, also as a list of one.
fn prompt<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Cow<'a, str>, ApiError> {
    if !raw.get().starts_with('[') {
        return text(raw, path);
    }
    match array(raw, path)?.as_slice() {
        [one] if one.get().starts_with('"') => text(one, path.index(0)),
        _ => Err(unsupported("prompt")),
    }
}

fn unsupported(name: &str) -> ApiError {
    let message = match name {
        "prompt" => "This model's provider has only chats: write one text as 'prompt'.".to_owned(),
        _ => format!("This model's provider has only chats, which have no equivalent of '{name}'."),
    };
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("unsupported_parameter".to_owned()),
        param: Some(name.to_owned()),
        message,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Outer `None`: the client did not ask for usage.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    text: &'a str,
    index: usize,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

fn choice<'a>(text: &'a str, finish_reason: Option<&'static str>) -> Choice<'a> {
    Choice { text, index: 0, logprobs: None, finish_reason }
}

fn write_body(
    (id, model): (&str, &str),
    context: &AnswerContext,
    choices: &[Choice<'_>],
    usage: Option<Option<Usage>>,
) -> Vec<u8> {
    let body = Body {
        id: given(id, &context.fallback_id),
        object: "text_completion",
        created: context.now_s,
        model: given(model, &context.model),
        choices,
        usage: usage.map(|usage| usage.map(UsageBody::from)),
    };
    // Strings and numbers always serialize.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Writes a whole answer. Thinking is no part of a completion.
pub(super) fn write(answer: &Answer<'_>, context: &AnswerContext) -> Vec<u8> {
    let said = answer.blocks.iter().filter_map(|block| match &block.content {
        Content::Text(text) | Content::Refusal(text) => Some(text.as_ref()),
        _ => None,
    });
    let text: String = said.collect();
    let choices = [choice(&text, Some(finish_reason(answer.stop, false, context)))];
    write_body((&answer.id, &answer.model), context, &choices, answer.usage.map(Some))
}

/// Writes a streamed answer.
pub(super) struct Writer {
    context: AnswerContext,
    id: String,
    model: String,
    stop: Option<StopReason>,
    usage: Option<Usage>,
    closed: bool,
}

impl Writer {
    /// A writer for one answer.
    pub(super) const fn new(context: AnswerContext) -> Self {
        Self { context, id: String::new(), model: String::new(), stop: None, usage: None, closed: false }
    }

    fn event(&self, choices: &[Choice<'_>], usage: Option<Option<Usage>>, out: &mut Vec<u8>) {
        data(&write_body((&self.id, &self.model), &self.context, choices, usage), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        let asked = self.context.include_usage;
        let end = choice("", Some(finish_reason(self.stop, false, &self.context)));
        self.event(&[end], asked.then_some(None), out);
        if let (true, Some(usage)) = (asked, self.usage) {
            self.event(&[], Some(Some(usage)), out);
        }
        data(b"[DONE]", out);
    }
}

impl EventWriter for Writer {
    fn write(&mut self, event: Event<'_>, out: &mut Vec<u8>) {
        if self.closed {
            return;
        }
        match event {
            Event::Start { id, model } => (self.id, self.model) = (id.into_owned(), model.into_owned()),
            Event::Delta(_, Delta::Text(text)) if !text.is_empty() => {
                self.event(&[choice(&text, None)], self.context.include_usage.then_some(None), out);
            }
            Event::Ping => out.extend_from_slice(PING),
            Event::Stop(reason) => _ = self.stop.get_or_insert(reason),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Failed(failure) => {
                self.closed = true;
                out.extend(error::event(&failure::api_error(&failure)));
            }
            Event::End => {
                self.closed = true;
                self.end(out);
            }
            Event::BlockStart(..)
            | Event::Delta(..)
            | Event::BlockStop(_)
            | Event::Opaque
            | Event::Logprobs(_)
            | Event::LeftOut => {}
        }
    }

    fn kept(&self) -> usize {
        0
    }
}
