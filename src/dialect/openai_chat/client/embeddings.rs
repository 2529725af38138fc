//! `POST /v1/embeddings`: the client's request, and the answer that it gets.
//!
//! **Invariant:** vectors keep the order of the inputs, and have the form that was asked for: OpenAI's SDKs ask for base64 unless told
//! otherwise, and decode nothing else then.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::answer::given;
use crate::chat::{ApiError, Embeddings, EmbeddingsRequest, Inputs};
use crate::dialect::AnswerContext;
use crate::dialect::read::{Object, Path, array, body, missing, text, whole, wrong_value};

/// Reads the body of a request.
///
/// # Errors
/// An [`ApiError`] of status 400 in OpenAI's words, with the field's place as `param`.
pub fn read(bytes: &[u8]) -> Result<EmbeddingsRequest<'_>, ApiError> {
    let (mut request, other) = body(bytes, request)?;
    request.other = other;
    Ok(request)
}

fn request<'a>(fields: &mut Object<'a>) -> Result<EmbeddingsRequest<'a>, ApiError> {
    fields.take("model");
    let path = Path::Top("input");
    let inputs = inputs(fields.take("input").ok_or_else(|| missing(path))?, path)?;
    let dimensions = fields.take("dimensions").map(|raw| whole(raw, Path::Top("dimensions"))).transpose()?;
    let path = Path::Top("encoding_format");
    let base64 = match fields.take("encoding_format").map(|raw| text(raw, path)).transpose()?.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => return Err(wrong_value(path, other, "'float' and 'base64'")),
    };
    let user = fields.take("user").map(|raw| text(raw, Path::Top("user"))).transpose()?;
    Ok(EmbeddingsRequest { inputs, dimensions, base64, user, other: Vec::new() })
}

/// A text, texts, the tokens of one, or the tokens of several.
fn inputs<'a>(raw: &'a RawValue, path: Path<'_>) -> Result<Inputs<'a>, ApiError> {
    if !raw.get().starts_with('[') {
        return Ok(Inputs::Texts(vec![text(raw, path)?]));
    }
    let items = array(raw, path)?;
    let tokens = |items: &[&RawValue], path: Path<'_>| -> Result<Vec<u64>, ApiError> {
        items.iter().enumerate().map(|(index, raw)| whole(raw, path.index(index))).collect()
    };
    match items.first().and_then(|raw| raw.get().bytes().next()) {
        None => Err(wrong_value(path, "[]", "a text, or a list of at least one")),
        Some(b'[') => {
            let lists = items.into_iter().enumerate().map(|(index, raw)| {
                let path = path.index(index);
                tokens(&array(raw, path)?, path)
            });
            lists.collect::<Result<_, _>>().map(Inputs::Tokens)
        }
        Some(b'0'..=b'9' | b'-') => Ok(Inputs::Tokens(vec![tokens(&items, path)?])),
        Some(_) => {
            let texts = items.into_iter().enumerate().map(|(index, raw)| text(raw, path.index(index)));
            texts.collect::<Result<_, _>>().map(Inputs::Texts)
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Used,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
struct Used {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// A vector, and whether it is written as base64.
struct Vector<'a>(&'a [f32], bool);

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.1 { serializer.serialize_str(&base64(self.0)) } else { serializer.collect_seq(self.0) }
    }
}

/// Writes an answer.
#[must_use]
pub fn write(embeddings: &Embeddings<'_>, context: &AnswerContext) -> Vec<u8> {
    let as_base64 = context.echo.vectors.is_some_and(|vectors| vectors.base64);
    let mut data = Vec::with_capacity(embeddings.vectors.len());
    for (index, vector) in embeddings.vectors.iter().enumerate() {
        data.push(Item { object: "embedding", index, embedding: Vector(vector, as_base64) });
    }
    let prompt_tokens = embeddings.usage.map_or(0, |usage| usage.prompt_tokens);
    let usage = Used { prompt_tokens, total_tokens: prompt_tokens };
    let body = Body { object: "list", data, model: given(&embeddings.model, &context.model), usage };
    // Strings and numbers always serialize.
    serde_json::to_vec(&body).unwrap_or_default()
}

/// The bytes of little-endian 32-bit floats, as base64.
fn base64(vector: &[f32]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18_u32, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift & 63) as usize).copied().unwrap_or(b'A');
            out.push(if at > group.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_their_little_endian_bytes() {
        assert_eq!(base64(&[0.5, 0.25, -1.0]), "AAAAPwAAgD4AAIC/");
        assert_eq!(base64(&[0.0, 1.0, 0.5]), "AAAAAAAAgD8AAAA/");
        assert_eq!(base64(&[1.0]), "AACAPw==");
        assert_eq!(base64(&[1.0, 1.0]), "AACAPwAAgD8=");
        assert_eq!(base64(&[]), "");
    }

    #[test]
    fn inputs_are_texts_or_tokens() {
        let read = |input: &str| {
            let body = format!(r#"{{"model":"m","input":{input}}}"#);
            let request = super::read(body.as_bytes());
            request.map(|request| format!("{:?}", request.inputs)).map_err(|error| error.param.unwrap())
        };
        assert_eq!(read(r#""a""#).unwrap(), r#"Texts(["a"])"#);
        assert_eq!(read(r#"["a","b"]"#).unwrap(), r#"Texts(["a", "b"])"#);
        assert_eq!(read("[1,2]").unwrap(), "Tokens([[1, 2]])");
        assert_eq!(read("[[1],[2,3]]").unwrap(), "Tokens([[1], [2, 3]])");
        for (wrong, place) in
            [("[]", "input"), ("{}", "input"), (r#"["a",1]"#, "input[1]"), ("[[1],[-2]]", "input[1][0]")]
        {
            assert_eq!(read(wrong), Err(place.to_owned()), "{wrong}");
        }
    }
}
