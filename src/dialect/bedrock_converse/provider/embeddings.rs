//! Embeddings by `POST /model/MODEL/invoke`, each family in its own words: Titan's, which takes one text or image, and Cohere's, which is
//! Cohere's own API without the model.

use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{below, object};
use super::family::{Embeds, embeds};
use crate::chat::{ApiError, Embeddings, EmbeddingsRequest, Failure, Usage};
use crate::dialect::cohere::embeddings as cohere;
use crate::dialect::count::count_of;
use crate::dialect::data_uri::data_uri;
use crate::dialect::request::{no_embeddings, one_text};
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{AnswerContext, Echo, Encoded, Target};

/// A member of Titan's own that clients send beside OpenAI's.
const NORMALIZE: &str = "normalize";

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Titan<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    input_text: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_image: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<&'r RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_config: Option<Length>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Length {
    output_embedding_length: u64,
}

/// Writes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 for what the model cannot be told, or where it embeds nothing.
pub fn write(request: &EmbeddingsRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    let kind = match embeds(target.model) {
        None => return Err(no_embeddings(target)),
        Some(Embeds::Cohere) => return cohere::write(request, target, None),
        Some(kind) => kind,
    };
    let EmbeddingsRequest { inputs: _, dimensions, base64: _, user, other } = request;
    let mut dropped = DroppedFields::new(target.drop_params);
    let own: &[&str] = if kind == Embeds::Titan2 { &[NORMALIZE] } else { &[] };
    dropped.others(other, own)?;
    if user.is_some() {
        dropped.hint("user");
    }
    let text = one_text(request)?;
    let mut body = Titan { input_text: Some(text), ..Titan::default() };
    match kind {
        Embeds::Titan2 => {
            body.dimensions = *dimensions;
            body.normalize = other.iter().find(|(name, _)| name == NORMALIZE).map(|(_, raw)| *raw);
        }
        Embeds::TitanImage => {
            body.embedding_config = dimensions.map(|output_embedding_length| Length { output_embedding_length });
            if let Some((_, image)) = data_uri(text) {
                body = Titan { input_text: None, input_image: Some(image), ..body };
            }
        }
        _ if dimensions.is_some() => dropped.semantic("dimensions")?,
        _ => {}
    }
    // Strings, numbers and raw JSON always serialize.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Ok(Encoded { body, dropped: dropped.names(), echo: Echo::default() })
}

/// Reads an answer: Titan's one vector, else as Cohere's.
///
/// # Errors
/// A [`Failure`] where it has none.
pub fn read<'a>(body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
    titan(body).map_or_else(|| cohere::read(body, context), Ok)
}

fn titan(body: &str) -> Option<Embeddings<'_>> {
    let mut fields = object(body)?;
    let typed = below(&mut fields, "embeddingsByType").and_then(|mut typed| typed.take("float"));
    let vector = fields.take("embedding").or(typed)?;
    let vectors = vec![serde_json::from_str(vector.get()).ok()?];
    let tokens = fields.take("inputTextTokenCount").and_then(|raw| count_of(raw.get().as_bytes()));
    let usage = tokens.map(|prompt_tokens| Usage { prompt_tokens, ..Usage::default() });
    Some(Embeddings { model: "".into(), vectors, usage })
}
