//! A neutral request in Anthropic's dialect: the body of `POST /v1/messages`.
//!
//! **Invariant:** the body is built from [`super::wire`]'s allow-list; each field that the client sent is in it, or refused,
//! or named in `dropped`, but for bookkeeping.

use std::borrow::Cow;

use super::names::Names;
use super::wire::{Block, Body, Format, Metadata, OutputConfig};
use super::{family, sampling, schema, tools, turns};
use crate::chat::{ApiError, ChatRequest, ResponseFormat};
use crate::dialect::loss::Loss;
use crate::dialect::{Echo, Encoded, Target};

/// The longest `metadata.user_id` that is accepted, in bytes.
const USER_ID_LIMIT: usize = 256;
/// Anthropic's own fields, as its clients write them beside OpenAI's.
const OWN: [&str; 3] = [THINKING, TOP_K, CACHE];
const THINKING: &str = "thinking";
const TOP_K: &str = "top_k";
const CACHE: &str = "cache_control";
/// How to say `json_object`, which Anthropic has no field for.
const JSON_ONLY: &str = "Answer with one valid JSON object and nothing else: no other text, no code fence.";

/// Encodes a request.
///
/// # Errors
/// An [`ApiError`] of status 400 that names the field which Anthropic cannot express, or which is broken.
pub fn request(request: &ChatRequest<'_>, target: Target<'_>) -> Result<Encoded, ApiError> {
    written(request, target, |body, loss, names| {
        // Strings, numbers and raw JSON always serialize.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let echo = Echo { names: names.back(), function_call: request.deprecated_functions };
        Encoded { body, dropped: loss.into_names(), echo }
    })
}

/// Whether a request can be encoded.
///
/// # Errors
/// As [`request`].
pub fn check(request: &ChatRequest<'_>, target: Target<'_>) -> Result<(), ApiError> {
    written(request, target, |_, _, _| ())
}

fn written<T>(
    request: &ChatRequest<'_>,
    target: Target<'_>,
    write: impl FnOnce(Body<'_>, Loss, &Names<'_>) -> T,
) -> Result<T, ApiError> {
    let family = family::of(target.model);
    let mut loss = Loss::new(target.drop_params);
    for (name, value) in request.other.iter().filter(|(name, _)| !OWN.contains(&name.as_ref())) {
        loss.field(name, value)?;
    }
    let names = Names::of(request);
    let mut talk = turns::conversation(&request.messages, &names, family.prefill, &mut loss)?;
    let mut format = None;
    match &request.response_format {
        Some(ResponseFormat::JsonSchema { schema, .. }) if family.structured => {
            let schema = schema::of_answer(*schema).ok_or_else(too_deep)?;
            format = Some(Format { r#type: "json_schema", schema });
        }
        Some(ResponseFormat::JsonObject) => talk.system.push(Block::Text { text: JSON_ONLY, cache_control: None }),
        _ => {}
    }
    let (tools, tool_choice) = tools::tools(request, family, &names, talk.has_calls(), &mut loss)?;
    let unfit = tool_choice.as_ref().is_some_and(tools::is_forced)
        || family.thinking == family::Thinking::Budget && talk.thoughts_are_lost();
    let own = |wanted: &str| request.other.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value);
    let (thinking, effort) = sampling::thinking(request.reasoning_effort, own(THINKING), family, unfit, &mut loss);
    let top_k = sampling::top_k(own(TOP_K), family, thinking.as_ref(), &mut loss);
    let cache_control = own(CACHE).filter(|mark| mark.get().starts_with('{'));
    if cache_control.is_none() && own(CACHE).is_some() {
        loss.hint(CACHE);
    }
    let (temperature, top_p) = sampling::sampling(request, family, thinking.as_ref(), &mut loss);
    let user = user_id(request);
    let body = Body {
        model: target.model,
        max_tokens: sampling::max_tokens(request.max_tokens, target.max_output_tokens, thinking.as_ref()),
        system: talk.system,
        messages: talk.turns,
        tools,
        tool_choice,
        temperature,
        top_p,
        top_k,
        stop_sequences: sampling::stop_sequences(&request.stop, &mut loss),
        thinking,
        output_config: (effort.is_some() || format.is_some()).then_some(OutputConfig { effort, format }),
        metadata: user.as_deref().map(|user_id| Metadata { user_id }),
        cache_control,
        stream: request.stream,
    };
    for place in &request.unknown {
        loss.hint(place);
    }
    Ok(write(body, loss, &names))
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
