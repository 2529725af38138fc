//! OpenAI's dialect as providers speak it: a request out, an answer or a stream in.
//!
//! An answer is first looked through by the same scan that serves clients of the same dialect ([`scan`], [`StreamScan`]), so that what is an
//! answer, and what an error in disguise, does not depend on the client.

mod answer;
mod calls;
mod choice;
mod events;
mod habits;
pub(in crate::dialect) mod messages;
pub(in crate::dialect) mod reasoning;
mod repair;
mod rigid;
mod scan;
mod stream_scan;
pub(in crate::dialect) mod usage;
pub(in crate::dialect) mod wire;
pub(in crate::dialect) mod write;

pub use stream_scan::StreamScan;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::chat::{self, ApiError, Conversation, Failure, FailureClass, StopReason};
use crate::dialect::ids;
use crate::dialect::no_answer::{no_answer, not_text, without_detail};
use crate::dialect::{Answer, AnswerContext, Awaited, Encoded, EventReader, ProviderFace, Target};
use crate::failure;
use crate::provider::Habits;
use scan::ChunkFacts;

/// OpenAI's dialect at the provider.
pub struct Provider;

impl ProviderFace for Provider {
    fn write(&self, conversation: &Conversation<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
        write::write(conversation, target)
    }

    fn suited(&self, body: &[u8], target: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        let Some(plain) = ids::without_signatures(body) else { return fitted(body, target) };
        Some(fitted(&plain, target).unwrap_or((plain, Vec::new())))
    }

    fn suited_without_ids(&self, body: &[u8], target: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
        fitted(body, target)
    }

    fn answer<'a>(&self, body: &'a str, context: &AnswerContext) -> Result<chat::Answer<'a>, Failure> {
        let shown = looked_through(body.as_bytes(), context.provider, Awaited::Chat)?;
        answer::read(body, shown.usage, context)
    }

    fn events(&self, context: &AnswerContext) -> Box<dyn EventReader> {
        Box::new(events::Reader::new(context))
    }
}

/// The body of a chat as its provider takes it, and the names of what was left out. `None`: as it is.
fn fitted(body: &[u8], target: Target<'_>) -> Option<(Vec<u8>, Vec<String>)> {
    // LiteLLM knows these rules for OpenAI's own chat alone.
    let Habits { is_openai, named_by_owner, .. } = target.provider.habits;
    if !is_openai {
        return habits::fitted(body, target);
    }
    let without = if named_by_owner { habits::fitted(body, target) } else { None };
    let given = without.as_ref().map_or(body, |(body, _)| body);
    reasoning::suited(given, target.model, target.drop_params).or(without)
}

/// Looks through a whole answer with a 2xx status, also one of `/v1/embeddings` or `/v1/completions`, for its usage, and puts right what
/// clients would not find in it.
///
/// # Errors
/// A [`Failure`] where it is an error in disguise, or not an answer at all.
pub fn look_through(body: &[u8], context: &AnswerContext) -> Result<Answer, Failure> {
    let shown = looked_through(body, context.provider, context.awaited)?;
    Ok(Answer { body: repair::whole(body, &shown, context), usage: shown.usage })
}

fn looked_through(body: &[u8], provider: &'static str, awaited: Awaited) -> Result<ChunkFacts, Failure> {
    let Some(shown) = scan::read(body, true, awaited) else {
        std::str::from_utf8(body).map_err(|_| not_text())?;
        return Err(no_answer(provider, body, "the provider's answer is not a JSON object"));
    };
    if let Some(failure) = failed(provider, &shown, body) {
        return Err(failure);
    }
    if shown.answer {
        return Ok(shown);
    }
    if shown.filtered {
        let message = "the provider's filter withheld the answer";
        return Err(failure::own(FailureClass::ContentPolicy, "content_filter", message));
    }
    Err(no_answer(provider, body, "the provider's answer holds no answer"))
}

/// The failure that an answer or a chunk is, if it is one.
fn failed(provider: &'static str, shown: &ChunkFacts, data: &[u8]) -> Option<Failure> {
    if shown.error {
        return Some(failure::in_band(provider, data));
    }
    shown.broken.then(|| broken(provider, data))
}

/// A choice that ended because the provider failed: its own error (`OpenRouter` has one), else ours.
fn broken(provider: &'static str, data: &[u8]) -> Failure {
    #[derive(Deserialize)]
    struct Document<'a> {
        #[serde(borrow)]
        choices: Vec<Broken<'a>>,
    }
    #[derive(Deserialize)]
    struct Broken<'a> {
        #[serde(borrow)]
        error: Option<&'a RawValue>,
    }
    let document: Option<Document<'_>> = serde_json::from_slice(data).ok();
    let error = document.and_then(|document| document.choices.into_iter().find_map(|choice| choice.error));
    let Some(error) = error else {
        return failure::own(FailureClass::Upstream, "provider_error", "the provider gave up within its answer");
    };
    failure::in_band(provider, [br#"{"error":"#, error.get().as_bytes(), b"}"].concat().as_slice())
}

/// What a finish reason means. An unknown word is the end of a turn.
fn stop_reason(word: &str) -> StopReason {
    let word = without_detail(word);
    const LENGTH: &[&str] = &["length", "max_tokens", "model_length", "max_length", "max_output_tokens"];
    const CALLS: &[&str] = &["tool_calls", "function_call", "tool_use", "tool_call"];
    const FILTER: &[&str] =
        &["content_filter", "sensitive", "safety", "refusal", "recitation", "blocklist", "prohibited_content"];
    let is = |words: &[&str]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    match word {
        "stop" => StopReason::EndTurn,
        _ if is(LENGTH) => StopReason::MaxTokens,
        _ if is(CALLS) => StopReason::ToolUse,
        _ if is(FILTER) => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}
