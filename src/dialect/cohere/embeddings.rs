//! `POST /v2/embed`: the request, and its answer.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{ApiError, Embeddings, EmbeddingsRequest, Failure, Usage};
use crate::dialect::count::count_of;
use crate::dialect::data_uri::{data_uri, starts_with};
use crate::dialect::no_answer::no_answer;
use crate::dialect::openai_chat::provider::wire::{Image, Own, Part};
use crate::dialect::read::{loose_object, vectors};
use crate::dialect::request::texts;
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{AnswerContext, Echo, Encoded, Target};

/// Members of its own that clients send beside OpenAI's.
const OWN: &[&str] = &["input_type", "truncate", "max_tokens", "priority"];

#[derive(Serialize)]
struct Body<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'r str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    texts: &'r [Cow<'r, str>],
    /// One image, as a `data:` URI.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    images: &'r [Cow<'r, str>],
    /// Texts and images side by side, or several images.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inputs: Vec<Input<'r>>,
    /// Cohere demands it, and OpenAI's clients have no word for it: LiteLLM's choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    input_type: Option<&'static str>,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
    #[serde(flatten)]
    own: Own<'r>,
}

#[derive(Serialize)]
struct Input<'r> {
    content: [Part<'r>; 1],
}

/// Writes a request, with the model where it stands in the body.
///
/// # Errors
/// An [`ApiError`] of status 400 for what the dialect cannot say.
pub fn write(request: &EmbeddingsRequest<'_>, target: Target<'_>, model: Option<&str>) -> Result<Encoded, ApiError> {
    let EmbeddingsRequest { inputs: _, dimensions, base64: _, user, other } = request;
    let mut dropped = DroppedFields::new(target.drop_params);
    dropped.others(other, OWN)?;
    if user.is_some() {
        dropped.hint("user");
    }
    let own = Own::of(other, OWN);
    let all = texts(request)?;
    let is_image = |text: &str| starts_with(text, "data:image/") && data_uri(text).is_some();
    let images = all.iter().filter(|text| is_image(text)).count();
    let (texts, images, mixed) = match images {
        0 => (all, &[][..], &[][..]),
        1 if all.len() == 1 => (&[][..], all, &[][..]),
        _ => (&[][..], &[][..], all),
    };
    let part = |text: &'_ Cow<'_, str>| match is_image(text) {
        true => Part::ImageUrl { image_url: Image { url: Cow::Owned(text.as_ref().to_owned()), detail: None } },
        false => Part::Text { text: Cow::Owned(text.as_ref().to_owned()) },
    };
    let usual = if images.is_empty() { "search_document" } else { "image" };
    let input_type = (!own.has("input_type")).then_some(usual);
    let body = Body {
        model,
        texts,
        images,
        inputs: mixed.iter().map(|text| Input { content: [part(text)] }).collect(),
        input_type,
        embedding_types: ["float"],
        output_dimension: *dimensions,
        own,
    };
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.names(), echo: Echo::default() })
}

/// Reads an answer: vectors by their type, or, as the older API has them, alone.
///
/// # Errors
/// A [`Failure`] where it has none.
pub fn read<'a>(body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
    let read = || {
        let mut fields = loose_object(body.as_bytes())?;
        let embeddings = fields.take("embeddings")?;
        let floats = || loose_object(embeddings.get().as_bytes())?.take("float");
        let vectors = vectors(floats().unwrap_or(embeddings))?;
        let meta = fields.take("meta").and_then(|raw| loose_object(raw.get().as_bytes()));
        Some(Embeddings {
            model: "".into(),
            vectors,
            usage: meta.and_then(|mut meta| billed(meta.take("billed_units"))),
        })
    };
    read().ok_or_else(|| no_answer(context.provider, body.as_bytes(), "the provider's answer holds no embeddings"))
}

fn billed(units: Option<&RawValue>) -> Option<Usage> {
    let tokens = loose_object(units?.get().as_bytes())?.take("input_tokens")?;
    Some(Usage { prompt_tokens: count_of(tokens.get().as_bytes())?, ..Usage::default() })
}
