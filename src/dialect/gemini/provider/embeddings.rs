//! Embeddings: `batchEmbedContents` of Gemini's own API, `predict` and `embedContent` of Vertex AI.
//!
//! **Invariant:** each input stands in a content of its own: parts of one content make one vector together.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::usage::Counts;
use super::wire::{Content, Part};
use crate::chat::{ApiError, Embeddings, EmbeddingsRequest, Failure, Usage};
use crate::dialect::no_answer::no_answer;
use crate::dialect::read::{loose_list, loose_object, loose_text};
use crate::dialect::request::{one_text, texts};
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{AnswerContext, Echo, Encoded, Target};
use crate::failure;

#[derive(Serialize)]
struct Batch<'r> {
    requests: Vec<One<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'r> {
    #[serde(skip_serializing_if = "String::is_empty")]
    model: String,
    content: Content<'r>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
}

#[derive(Serialize)]
struct Prediction<'r> {
    instances: Vec<Instance<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

#[derive(Serialize)]
struct Instance<'r> {
    content: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'r RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    output_dimensionality: u64,
}

/// Google's word for what vectors are for, which LiteLLM's clients write.
const TASK: &str = "task_type";

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 where the inputs are tokens, or more than the model takes at once.
pub fn write(request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    let texts = texts(request)?;
    let mut dropped = DroppedFields::new(target.drop_params);
    dropped.others(&request.other, &[TASK])?;
    if request.user.is_some() {
        dropped.hint("user");
    }
    let task_type = request.other.iter().find(|(name, _)| name == TASK).map(|(_, raw)| *raw);
    let output_dimensionality = request.dimensions;
    let one = |text: &str, model: String| {
        let parts = vec![Part { text: Some(Cow::Owned(text.to_owned())), ..Part::default() }];
        One { model, content: Content { role: None, parts }, task_type, output_dimensionality }
    };
    // Strings, numbers and raw JSON always serialize.
    let body = match (target.provider.habits.predicts, texts) {
        (None, texts) => {
            let requests = texts.iter().map(|text| one(text, format!("models/{}", target.model))).collect();
            serde_json::to_vec(&Batch { requests })
        }
        (Some(alone), _) if target.model.starts_with(alone) => {
            serde_json::to_vec(&one(one_text(request)?, String::new()))
        }
        (Some(_), texts) => {
            let instances = texts.iter().map(|text| Instance { content: text, task_type }).collect();
            let parameters = output_dimensionality.map(|output_dimensionality| Parameters { output_dimensionality });
            serde_json::to_vec(&Prediction { instances, parameters })
        }
    };
    Ok(Encoded { body: body.unwrap_or_default(), dropped: dropped.names(), echo: Echo::default() })
}

/// Reads an answer.
///
/// # Errors
/// A [`Failure`] where the body is an error in disguise, or holds no vectors.
pub fn read<'a>(body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
    let none = || no_answer(context.provider, body.as_bytes(), "the answer is none with embeddings");
    let mut fields = loose_object(body.as_bytes()).ok_or_else(none)?;
    if fields.take("error").is_some() {
        return Err(failure::in_band(context.provider, body.as_bytes()));
    }
    let mut counted = None;
    let mut vector = |raw: &RawValue| -> Option<Vec<f32>> {
        let mut item = loose_object(raw.get().as_bytes())?;
        let mut inner = item.take("embeddings").and_then(|raw| loose_object(raw.get().as_bytes()));
        let item = inner.as_mut().unwrap_or(&mut item);
        let statistics = item.take("statistics").and_then(|raw| loose_object(raw.get().as_bytes()));
        let tokens = statistics.and_then(|mut it| it.take("token_count")).and_then(|raw| raw.get().parse::<f64>().ok());
        if let Some(tokens) = tokens {
            counted = Some(counted.unwrap_or(0.0) + tokens);
        }
        serde_json::from_str(item.take("values")?.get()).ok()
    };
    let list = ["embeddings", "predictions"].iter().find_map(|name| fields.take(name)).and_then(loose_list);
    let single = fields.take("embedding");
    let all: Vec<&RawValue> = list.into_iter().flatten().chain(single).collect();
    let vectors: Option<Vec<Vec<f32>>> = all.into_iter().map(&mut vector).collect();
    let vectors = vectors.filter(|vectors| !vectors.is_empty()).ok_or_else(none)?;
    let told = fields.take("usageMetadata").and_then(|raw| serde_json::from_str::<Counts>(raw.get()).ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of tokens")]
    let counted = counted.map(|tokens| Usage { prompt_tokens: tokens.max(0.0) as u64, ..Usage::default() });
    let model = fields.take("modelVersion").and_then(loose_text).unwrap_or_default();
    Ok(Embeddings { model, vectors, usage: told.map(Usage::from).or(counted) })
}
