//! A stream of Gemini's answers, each with what is new: to ours.
//!
//! Nothing in a stream says that it is over: it ends where the bytes do, and is whole if it said why the answer ended. A signature signs the
//! part that it came with, and travels as a block of thinking of its own ([`thinking::google`]), since no client keeps it elsewhere.
//!
//! **Invariant:** nothing that follows an error counts; an end of bytes before a reason is an error, and so is a reason that says that the
//! model failed where nothing was said.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::usage::Counts;
use crate::chat::{Begun, Delta, Event, Failure, FailureClass, StopReason, Usage};
use crate::dialect::framing::sse::Frame;
use crate::dialect::no_answer::{not_text, truncated, unreadable};
use crate::dialect::read::{Object, compact, loose_list, loose_object, loose_text};
use crate::dialect::thinking::{self, Signs};
use crate::dialect::value_kind::ValueKind;
use crate::dialect::{AnswerContext, EventReader, ids};
use crate::failure;

/// How much is kept of an event of no known kind, in bytes.
const MAX_ODD_BYTES: usize = 16 << 10;

type Each<'e> = &'e mut dyn FnMut(Event<'_>);

/// What answers mean, one after the other.
#[derive(Default)]
pub struct Reader {
    provider: &'static str,
    /// What the ids of calls are made of where the provider gives none.
    seed: String,
    started: bool,
    /// The block that is open: its number, and whether it is thinking.
    open: Option<(usize, bool)>,
    blocks: usize,
    /// How many calls came.
    calls: usize,
    /// Something of the answer has come.
    said: bool,
    /// Why the answer ends was told.
    finished: bool,
    /// The end or a failure has come.
    over: bool,
    /// The last event of no known kind: what the provider had to say if no answer comes.
    odd: Vec<u8>,
}

impl Reader {
    /// Starts reading.
    pub fn new(context: &AnswerContext) -> Self {
        let seed = format!("{}{}", context.fallback_id, context.now_s);
        Self { provider: context.provider, seed, ..Self::default() }
    }

    /// Reads a whole answer, which needs no reason where it says something.
    pub fn whole(&mut self, body: &str, each: Each<'_>) {
        self.read(body, each);
        if self.finished || self.said {
            self.finish(each);
        }
    }

    fn tell(&mut self, event: Event<'_>, each: Each<'_>) {
        if !self.over {
            self.over = matches!(event, Event::Failed(_) | Event::End);
            each(event);
        }
    }

    fn fail(&mut self, failure: Failure, each: Each<'_>) {
        self.tell(Event::Failed(failure), each);
    }

    /// One answer, or a list of them.
    fn read(&mut self, text: &str, each: Each<'_>) {
        let list = serde_json::from_str::<&RawValue>(text).ok().and_then(loose_list);
        for item in list.unwrap_or_default() {
            self.answer(item.get(), each);
        }
        if !text.trim_start().starts_with('[') {
            self.answer(text, each);
        }
    }

    fn answer(&mut self, text: &str, each: Each<'_>) {
        let Some(mut fields) = loose_object(text.as_bytes()) else {
            self.tell(Event::LeftOut, each);
            return self.keep(text);
        };
        if fields.take("error").is_some_and(|error| ValueKind::of(error.get()).is_something()) {
            return self.fail(failure::in_band(self.provider, text.as_bytes()), each);
        }
        let (candidates, feedback) = (fields.take("candidates"), fields.take("promptFeedback"));
        let usage = fields.take("usageMetadata");
        if candidates.is_none() && feedback.is_none() && usage.is_none() {
            return self.keep(text);
        }
        if !std::mem::replace(&mut self.started, true) {
            let mut named = |name| fields.take(name).and_then(loose_text).unwrap_or_default();
            let id = named("responseId");
            self.seed.push_str(&id);
            self.tell(Event::Start { id, model: named("modelVersion") }, each);
        }
        if let Some(counts) = usage.and_then(|raw| serde_json::from_str::<Counts>(raw.get()).ok()) {
            self.tell(Event::Usage(Usage::from(counts)), each);
        }
        let first = candidates.and_then(loose_list).into_iter().flatten().find_map(first);
        let is_blocked = first.is_none() && feedback.and_then(|raw| member(raw, "blockReason")).is_some();
        if let Some(candidate) = first {
            self.candidate(candidate, each);
        } else if is_blocked {
            self.stop(StopReason::Refusal, each);
        }
    }

    fn candidate(&mut self, mut candidate: Object<'_>, each: Each<'_>) {
        if let Some(list) = candidate.take("logprobsResult").and_then(logprobs) {
            self.tell(Event::Logprobs(list.into()), each);
        }
        let parts = candidate.take("content").and_then(|content| member(content, "parts"));
        for part in parts.and_then(loose_list).into_iter().flatten() {
            self.part(part, each);
        }
        let Some(reason) = candidate.take("finishReason").and_then(loose_text) else { return };
        let message = candidate.take("finishMessage").and_then(loose_text);
        match (ended(&reason), self.said) {
            (Ended::Well(reason), _) | (Ended::Withheld(reason), true) => self.stop(reason, each),
            (Ended::Withheld(_), false) => self.stop(StopReason::Refusal, each),
            // What was said stands.
            (Ended::Failed(_), true) => self.stop(StopReason::EndTurn, each),
            (Ended::Failed(class), false) => {
                let said = message.filter(|message| !message.is_empty());
                let message = format!("the model failed: {}", said.as_deref().unwrap_or(&reason));
                self.fail(failure::own(class, &reason.to_ascii_lowercase(), &message), each);
            }
        }
    }

    fn part(&mut self, part: &RawValue, each: Each<'_>) {
        let Some(mut part) = loose_object(part.get().as_bytes()) else { return };
        let signature = part.take("thoughtSignature").and_then(loose_text).filter(|it| !it.is_empty());
        if let Some(call) = part.take("functionCall") {
            return self.call(call, signature.as_deref(), each);
        }
        let is_thought = part.take("thought").is_some_and(|raw| raw.get() == "true");
        let Some(text) = part.take("text").and_then(loose_text) else {
            let drawn = part.take("inlineData").filter(|_| !is_thought);
            return self.drawn(drawn, each);
        };
        if !text.is_empty() {
            // Thinking alone is no answer.
            self.said |= !is_thought;
            let block = self.opened(is_thought, each);
            let delta = if is_thought { Delta::Thinking(text) } else { Delta::Text(text) };
            self.tell(Event::Delta(block, delta), each);
        }
        match signature {
            Some(signature) if is_thought => {
                let block = self.opened(true, each);
                self.sign(block, Signs::Thought, &signature, each);
                self.close(each);
            }
            Some(signature) => self.signature(Signs::Text, &signature, each),
            None => {}
        }
    }

    /// An image. Sound, and what ran at the provider, are nothing that a client waits for.
    fn drawn(&mut self, blob: Option<&RawValue>, each: Each<'_>) {
        let mut blob = blob.and_then(|blob| loose_object(blob.get().as_bytes()));
        let mut named = |name| blob.as_mut().and_then(|blob| blob.take(name)).and_then(loose_text);
        match (named("mimeType"), named("data")) {
            (Some(kind), Some(data)) if kind.starts_with("image/") => {
                self.close(each);
                self.said = true;
                let block = self.begin(Begun::Image(format!("data:{kind};base64,{data}").into()), each);
                self.tell(Event::BlockStop(block), each);
            }
            _ => self.tell(Event::Opaque, each),
        }
    }

    /// A signature, in a block of its own.
    fn signature(&mut self, signs: Signs, signature: &str, each: Each<'_>) {
        self.close(each);
        let block = self.begin(Begun::Thinking, each);
        self.sign(block, signs, signature, each);
        self.tell(Event::BlockStop(block), each);
    }

    fn sign(&mut self, block: usize, signs: Signs, signature: &str, each: Each<'_>) {
        let signature = thinking::google(signs, signature);
        self.tell(Event::Delta(block, Delta::Signature(signature.into())), each);
    }

    /// A call, which comes whole.
    fn call(&mut self, call: &RawValue, signature: Option<&str>, each: Each<'_>) {
        let mut call = loose_object(call.get().as_bytes());
        let mut named = |name| call.as_mut().and_then(|call| call.take(name));
        let Some(name) = named("name").and_then(loose_text).filter(|name| !name.is_empty()) else {
            return self.fail(unreadable("a call of the answer cannot be read"), each);
        };
        // Models that dream of Python call it by a module's name. No name of ours has a dot or a colon.
        let name = match name.strip_prefix("default_api").and_then(|rest| rest.strip_prefix(['.', ':'])) {
            Some(own) if !own.is_empty() => Cow::Owned(own.to_owned()),
            _ => name,
        };
        let args = named("args").map(RawValue::get).filter(|args| args.starts_with('{')).unwrap_or("{}");
        let id = named("id").and_then(loose_text).filter(|id| !id.is_empty());
        let number = self.calls.to_string();
        let id = id.unwrap_or_else(|| Cow::Owned(ids::make(&[&self.seed, &number, &name, args])));
        if let Some(signature) = signature {
            self.signature(Signs::Call, signature, each);
        }
        self.close(each);
        (self.said, self.calls) = (true, self.calls.saturating_add(1));
        let block = self.begin(Begun::ToolCall { id, name }, each);
        self.tell(Event::Delta(block, Delta::Arguments(compact(args))), each);
        self.tell(Event::BlockStop(block), each);
    }

    fn begin(&mut self, begun: Begun<'_>, each: Each<'_>) -> usize {
        let block = self.blocks;
        self.blocks = self.blocks.saturating_add(1);
        self.tell(Event::BlockStart(block, begun), each);
        block
    }

    /// The block of text or thinking that is open, or a new one.
    fn opened(&mut self, is_thought: bool, each: Each<'_>) -> usize {
        match self.open {
            Some((block, is)) if is == is_thought => block,
            _ => {
                self.close(each);
                let block = self.begin(if is_thought { Begun::Thinking } else { Begun::Text }, each);
                self.open = Some((block, is_thought));
                block
            }
        }
    }

    fn close(&mut self, each: Each<'_>) {
        if let Some((block, _)) = self.open.take() {
            self.tell(Event::BlockStop(block), each);
        }
    }

    fn stop(&mut self, reason: StopReason, each: Each<'_>) {
        self.finished = true;
        self.tell(Event::Stop(reason), each);
    }

    fn finish(&mut self, each: Each<'_>) {
        self.close(each);
        self.tell(Event::End, each);
    }

    /// Keeps what an event says that is none of the dialect.
    fn keep(&mut self, text: &str) {
        let end = text.len().min(MAX_ODD_BYTES);
        self.odd.clear();
        self.odd.extend_from_slice(text.as_bytes().get(..end).unwrap_or_default());
    }
}

impl EventReader for Reader {
    fn frame(&mut self, frame: &Frame<'_>, each: &mut dyn FnMut(Event<'_>)) {
        let Some(data) = frame.data.as_deref() else {
            if frame.is_comment() {
                self.tell(Event::Ping, each);
            }
            return;
        };
        match std::str::from_utf8(data) {
            Ok(text) => self.read(text, each),
            // The last frame, which ends in the middle of a letter.
            Err(error) if error.error_len().is_none() && !frame.is_whole() => self.tell(Event::LeftOut, each),
            Err(_) => self.fail(not_text(), each),
        }
    }

    fn end(&mut self, each: &mut dyn FnMut(Event<'_>)) {
        if self.finished {
            return self.finish(each);
        }
        let failure = truncated(self.provider, &self.odd, "the stream ended before the answer did");
        self.fail(failure, each);
    }

    fn kept(&self) -> usize {
        0
    }
}

/// The candidate that answers. No others are asked for.
fn first(candidate: &RawValue) -> Option<Object<'_>> {
    let mut candidate = loose_object(candidate.get().as_bytes())?;
    candidate.take("index").is_none_or(|index| index.get() == "0").then_some(candidate)
}

fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    loose_object(object.get().as_bytes())?.take(name)
}

/// How likely tokens were, as OpenAI tells it.
fn logprobs(result: &RawValue) -> Option<String> {
    let list = |name| member(result, name).and_then(loose_list).unwrap_or_default();
    let mut tops = list("topCandidates").into_iter();
    let mut all = Vec::new();
    for chosen in list("chosenCandidates") {
        let others = tops.next().and_then(|top| member(top, "candidates")).and_then(loose_list).unwrap_or_default();
        let others: Vec<String> = others.into_iter().filter_map(token).collect();
        all.push(format!("{{{},\"top_logprobs\":[{{{}}}]}}", token(chosen)?, others.join("},{")).replace("[{}]", "[]"));
    }
    (!all.is_empty()).then(|| format!("[{}]", all.join(",")))
}

/// A token's members.
fn token(candidate: &RawValue) -> Option<String> {
    let mut fields = loose_object(candidate.get().as_bytes())?;
    let token = fields.take("token").and_then(loose_text)?;
    let probability = fields.take("logProbability").map_or("0.0", RawValue::get);
    let bytes: Vec<String> = token.bytes().map(|byte| byte.to_string()).collect();
    let quoted = serde_json::to_string(&token).ok()?;
    Some(format!("\"token\":{quoted},\"logprob\":{probability},\"bytes\":[{}]", bytes.join(",")))
}

/// What a reason means.
enum Ended {
    Well(StopReason),
    /// The answer was withheld, which counts as a refusal where nothing of it came.
    Withheld(StopReason),
    Failed(FailureClass),
}

/// An unknown reason is the end of a turn, so that clients never see a word that they do not know.
fn ended(reason: &str) -> Ended {
    match reason {
        "MAX_TOKENS" | "CONTINUATION" => Ended::Well(StopReason::MaxTokens),
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_OTHER"
        | "ESCALATION"
        | "MODEL_ARMOR" => Ended::Well(StopReason::Refusal),
        "OTHER" | "NO_IMAGE" => Ended::Withheld(StopReason::EndTurn),
        // What the account may not do.
        "PUP_LIMITED_DISABLED" => Ended::Failed(FailureClass::Permission),
        "MALFORMED_FUNCTION_CALL"
        | "MALFORMED_RESPONSE"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE" => Ended::Failed(FailureClass::Upstream),
        _ => Ended::Well(StopReason::EndTurn),
    }
}
