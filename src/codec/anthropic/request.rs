//! A neutral request in Anthropic's dialect: the body of `POST /v1/messages`.
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each field that the client sent is in it, or refused,
//! or named in `dropped`, but for bookkeeping.

use std::borrow::Cow;

use super::wire::{Block, Body, Format, Metadata, OutputConfig};
use super::{family, sampling, schema, tools, turns};
use crate::chat::{ApiError, ChatRequest, ResponseFormat};
use crate::codec::loss::Loss;
use crate::codec::{Encoded, Target};

/// The longest `metadata.user_id` that is accepted, in bytes.
const USER_ID_LIMIT: usize = 256;
/// How to say `json_object`, which Anthropic has no field for.
const JSON_ONLY: &str = "Answer with one valid JSON object and nothing else: no other text, no code fence.";

/// Encodes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 that names the field which Anthropic cannot express, or which is broken.
pub fn request(request: &ChatRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    written(request, target, |body, loss| {
        // Strings, numbers and raw JSON always serialize.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        Encoded { body, dropped: loss.into_names() }
    })
}

/// Whether a request can be encoded.
///
/// # Errors
/// As [`request`].
pub fn check(request: &ChatRequest<'_>, target: Target<'_>) -> Result<(), ApiError> {
    written(request, target, |_, _| ())
}

fn written<T>(
    request: &ChatRequest<'_>,
    target: Target<'_>,
    write: impl FnOnce(Body<'_>, Loss) -> T,
) -> Result<T, ApiError> {
    let family = family::of(target.model);
    let mut loss = Loss::new(target.drop_params);
    for (name, value) in &request.other {
        loss.field(name, value)?;
    }
    let mut talk = turns::conversation(&request.messages, family.prefill, &mut loss)?;
    let mut format = None;
    match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) if family.structured => {
            let schema = schema::of_answer(*schema).ok_or_else(too_deep)?;
            format = Some(Format { r#type: "json_schema", schema });
        }
        Some(ResponseFormat::JsonObject) => talk.system.push(Block::Text { text: JSON_ONLY, cache_control: None }),
        _ => {}
    }
    let (tools, tool_choice) = tools::tools(request, family, talk.has_calls(), &mut loss)?;
    let unfit = tool_choice.as_ref().is_some_and(tools::is_forced)
        || family.thinking == family::Thinking::Budget && talk.thoughts_are_lost();
    let (thinking, effort) = sampling::thinking(request.reasoning_effort, family, unfit, &mut loss);
    let (temperature, top_p) = sampling::sampling(request, family, thinking.as_ref(), &mut loss);
    let user = user_id(request);
    let body = Body {
        model: target.model,
        max_tokens: sampling::max_tokens(request.max_tokens, thinking.as_ref()),
        system: talk.system,
        messages: talk.turns,
        tools,
        tool_choice,
        temperature,
        top_p,
        stop_sequences: sampling::stop_sequences(&request.stop, &mut loss),
        thinking,
        output_config: (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format }),
        metadata: user.as_deref().map(|user_id| Metadata { user_id }),
        stream: request.stream,
    };
    Ok(write(body, loss))
}

/// The end user, where the id is opaque as Anthropic demands: it refuses addresses.
fn user_id<'r>(request: &'r ChatRequest<'_>) -> Option<Cow<'r, str>> {
    let safety = || request.other.iter().find(|(name, _)| name == "safety_identifier");
    let user = match &request.user {
        Some(user) => Cow::Borrowed(user.as_ref()),
        None => Cow::Owned(serde_json::from_str(safety()?.1.get()).ok()?),
    };
    (!user.is_empty() && user.len() <= USER_ID_LIMIT && !user.contains('@')).then_some(user)
}

fn too_deep() -> ApiError {
    ApiError {
        status: 400,
        kind: "invalid_request_error",
        code: Some("invalid_value".to_owned()),
        param: Some("response_format.json_schema.schema".to_owned()),
        message: "The schema is nested too deeply.".to_owned(),
    }
}
