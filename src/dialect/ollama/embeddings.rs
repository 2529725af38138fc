//! `POST /api/embed`: the request, and its answer.

use std::borrow::Cow;

use serde::Serialize;

use super::write::options;
use crate::chat::{ApiError, Embeddings, EmbeddingsRequest, Failure, Usage};
use crate::dialect::count::count_of;
use crate::dialect::no_answer::no_answer;
use crate::dialect::openai_chat::provider::wire::Own;
use crate::dialect::read::{loose_object, loose_text, vectors};
use crate::dialect::request::texts;
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{AnswerContext, Echo, Encoded, Target};
use crate::provider::OLLAMA_OPTIONS;

/// Members of its own that clients send beside OpenAI's.
const OWN: &[&str] = &["truncate", "keep_alive"];

#[derive(Serialize)]
struct Body<'r> {
    model: &'r str,
    input: &'r [Cow<'r, str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Own::is_empty")]
    options: Own<'r>,
    #[serde(flatten)]
    own: Own<'r>,
}

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 for what the dialect cannot say.
pub fn write(request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    let EmbeddingsRequest { inputs: _, dimensions, base64: _, user, other } = request;
    let mut dropped = DroppedFields::new(target.drop_params);
    dropped.others(other, &[OWN, OLLAMA_OPTIONS].concat())?;
    if user.is_some() {
        dropped.hint("user");
    }
    let body = Body {
        model: target.model,
        input: texts(request)?,
        dimensions: *dimensions,
        options: options(other),
        own: Own::of(other, OWN),
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.names(), echo: Echo::default() })
}

/// Reads an answer.
///
/// # Errors
/// A [`Failure`] where it has no vectors.
pub fn read<'a>(body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
    let read = || {
        let mut fields = loose_object(body.as_bytes())?;
        let vectors = vectors(fields.take("embeddings")?)?;
        let prompt_tokens = fields.take("prompt_eval_count").and_then(|raw| count_of(raw.get().as_bytes()));
        let usage = prompt_tokens.map(|prompt_tokens| Usage { prompt_tokens, ..Usage::default() });
        Some(Embeddings { model: fields.take("model").and_then(loose_text).unwrap_or_default(), vectors, usage })
    };
    read().ok_or_else(|| no_answer(context.provider, body.as_bytes(), "the provider's answer holds no embeddings"))
}
