//! Embeddings by `POST /model/MODEL/invoke`, each family in its own words: Titan's and Nova's, which take one text or image, and Cohere's, which
//! is Cohere's own API without the model.

use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{below, object};
use super::family::{Embeds, embeds};
use super::messages::MEDIA;
use crate::chat::{ApiError, Embeddings, EmbeddingsRequest, Failure, Usage};
use crate::dialect::cohere::embeddings as cohere;
use crate::dialect::count::count_of;
use crate::dialect::data_uri::data_uri;
use crate::dialect::edit::{Members, quoted};
use crate::dialect::read::loose_list;
use crate::dialect::request::{no_embeddings, no_image, one_text};
use crate::dialect::unsupported::DroppedFields;
use crate::dialect::{AnswerContext, Echo, Encoded, Target};

/// A member of Titan's own that clients send beside OpenAI's.
const NORMALIZE: &str = "normalize";
/// The same of Nova's: what its vectors are for.
const PURPOSE: &str = "embeddingPurpose";
const USUAL_PURPOSE: &str = r#""GENERIC_INDEX""#;

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
    let own = match kind {
        Embeds::Titan2 => NORMALIZE,
        Embeds::Nova => PURPOSE,
        _ => "",
    };
    dropped.others(other, &[own])?;
    if user.is_some() {
        dropped.hint("user");
    }
    let text = one_text(request)?;
    let own = other.iter().find(|(name, _)| name == own).map(|(_, raw)| *raw);
    if kind == Embeds::Nova {
        let body = nova(text, *dimensions, own).ok_or_else(|| no_image(target))?;
        return Ok(Encoded { body, dropped: dropped.names(), echo: Echo::default() });
    }
    let mut body = Titan { input_text: Some(text), ..Titan::default() };
    match kind {
        Embeds::Titan2 => {
            body.dimensions = *dimensions;
            body.normalize = own;
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

/// Nova's body for a text or an image; `None`: an image of a kind that it does not take.
fn nova(text: &str, dimensions: Option<u64>, purpose: Option<&RawValue>) -> Option<Vec<u8>> {
    let object = |members: &[(&str, &[u8])]| {
        let mut object = Members::new();
        members.iter().for_each(|(name, value)| object.put(name, value));
        object
    };
    let (name, input) = match data_uri(text) {
        Some((kind, bytes)) => {
            let (_, format) = MEDIA.images.iter().find(|(known, _)| kind.eq_ignore_ascii_case(known))?;
            let source = object(&[("bytes", &quoted(bytes))]).end();
            ("image", object(&[("format", &quoted(format)), ("source", &source)]))
        }
        None => ("text", object(&[("truncationMode", br#""END""#), ("value", &quoted(text))])),
    };
    let purpose = purpose.map_or(USUAL_PURPOSE, RawValue::get);
    let mut params = object(&[(PURPOSE, purpose.as_bytes())]);
    if let Some(dimensions) = dimensions {
        params.put("embeddingDimension", dimensions.to_string().as_bytes());
    }
    params.put(name, &input.end());
    let body = object(&[
        ("schemaVersion", br#""nova-multimodal-embed-v1""#),
        ("taskType", br#""SINGLE_EMBEDDING""#),
        ("singleEmbeddingParams", &params.end()),
    ]);
    Some(body.end())
}

/// Reads an answer: Titan's or Nova's one vector, else as Cohere's.
///
/// # Errors
/// A [`Failure`] where it has none.
pub fn read<'a>(body: &'a str, context: &AnswerContext) -> Result<Embeddings<'a>, Failure> {
    one(body).map_or_else(|| cohere::read(body, context), Ok)
}

fn one(body: &str) -> Option<Embeddings<'_>> {
    let mut fields = object(body)?;
    let mut of_list = fields.take("embeddings").and_then(loose_list).unwrap_or_default().into_iter();
    let of_nova = of_list.next().and_then(|first| object(first.get())?.take("embedding"));
    let typed = below(&mut fields, "embeddingsByType").and_then(|mut typed| typed.take("float"));
    let vector = fields.take("embedding").or(typed).or(of_nova)?;
    let vectors = vec![serde_json::from_str(vector.get()).ok()?];
    let tokens = fields.take("inputTextTokenCount").and_then(|raw| count_of(raw.get().as_bytes()));
    let usage = tokens.map(|prompt_tokens| Usage { prompt_tokens, ..Usage::default() });
    Some(Embeddings { model: "".into(), vectors, usage })
}
