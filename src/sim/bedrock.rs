//! Bedrock's dialect, from the provider's side: Converse, its stream in AWS' frames, embeddings by `invoke`, and errors as the real API writes them.
//!
//! **Invariant:** every body and every frame, except a fault's, fits botocore's model of `bedrock-runtime`.

use hyper::body::Bytes;
use serde_json::{Value, json};

use super::{
    answer::{Answer, Ending},
    fault::{Inband, Preset},
    openai,
    request::{Form, Request},
    script::{Event, Kind},
    surface::{Errors, Streams, Surface, at, list, status_of},
};

const SIGNATURE: &str = "c2ltdWxhdG9y";

/// `converse` and `converse-stream`.
pub const CONVERSE: Surface = Surface {
    ends: &["/converse", "/converse-stream"],
    of: None,
    form: Form::Chat,
    translate: Some(as_chat),
    whole: complete,
    streams: Some(Streams {
        events: stream,
        error: exception,
        spoiled,
        content_type: "application/vnd.amazon.eventstream",
    }),
    errors: &ERRORS,
};

/// `invoke`, by which models of Titan and Cohere embed.
pub const INVOKE: Surface = Surface {
    ends: &["/invoke"],
    of: None,
    form: Form::Embeddings,
    translate: Some(as_embeddings),
    whole: embeddings,
    streams: None,
    errors: &ERRORS,
};

const ERRORS: Errors = Errors {
    failed,
    preset,
    inband,
    header: |status| Some(("x-amzn-errortype", named(status).0)),
    request_id: "x-amzn-requestid",
    models: openai::models,
};

/// The model that stands in a path, `/model/MODEL/...`.
fn model(path: &str) -> String {
    let coded = path.rsplit('/').nth(1).unwrap_or_default();
    let mut pieces = coded.split('%');
    let mut model = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (code, rest) = piece.split_at_checked(2).unwrap_or(("", piece));
        model.push(char::from(u8::from_str_radix(code, 16).unwrap_or(b'?')));
        model.push_str(rest);
    }
    model
}

fn parsed(body: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(body).map_err(|_| "The request body is not valid JSON.".to_owned())
}

/// The request as a chat, as far as the simulator reads one.
fn as_chat(path: &str, body: &[u8]) -> Result<Value, String> {
    let body = parsed(body)?;
    let tools: Vec<Value> = list(&body, "/toolConfig/tools")
        .iter()
        .filter_map(|tool| tool.get("toolSpec"))
        .map(|tool| json!({"name": at(tool, "/name"), "parameters": at(tool, "/inputSchema/json")}))
        .collect();
    let choice = at(&body, "/toolConfig/toolChoice");
    let choice = match (choice.pointer("/tool/name"), choice.get("any")) {
        (Some(name), _) => json!({"type": "tool", "name": name}),
        (None, Some(_)) => json!("required"),
        (None, None) => json!("auto"),
    };
    let schema = at(&body, "/outputConfig/textFormat/structure/jsonSchema/schema").as_str();
    let schema: Option<Value> = schema.and_then(|schema| serde_json::from_str(schema).ok());
    let format = schema.map(|schema| json!({"type": "json_schema", "json_schema": {"schema": schema}}));
    let own = at(&body, "/additionalModelRequestFields");
    let thinks = [at(own, "/thinking/type"), at(own, "/reasoningConfig/type")]
        .into_iter()
        .any(|kind| kind.as_str().is_some_and(|kind| kind != "disabled"));
    let effort = at(own, "/reasoning_effort").as_str().or(at(own, "/reasoning/effort").as_str());
    let messages: Vec<Value> = list(&body, "/messages").iter().map(message).collect();
    let config = at(&body, "/inferenceConfig");
    Ok(json!({
        "model": model(path), "stream": path.ends_with("-stream"), "messages": messages, "system": at(&body, "/system"),
        "tools": tools, "tool_choice": choice, "max_tokens": at(config, "/maxTokens"), "stop": at(config, "/stopSequences"),
        "response_format": format, "reasoning_effort": effort.or(thinks.then_some("low")),
    }))
}

fn message(message: &Value) -> Value {
    let blocks = list(message, "/content");
    let said = blocks.iter().map(|block| match block.get("text") {
        Some(text) => json!({"type": "text", "text": text}),
        None if block.get("image").is_some() => json!({"type": "image"}),
        None => json!({"type": "other"}),
    });
    let is_result = blocks.iter().any(|block| block.get("toolResult").is_some());
    let role = if is_result { &json!("tool") } else { at(message, "/role") };
    json!({"role": role, "content": said.collect::<Vec<_>>()})
}

/// The request as one for embeddings: Titan's has one text, Cohere's a list.
fn as_embeddings(path: &str, body: &[u8]) -> Result<Value, String> {
    let body = parsed(body)?;
    let inputs = match (body.get("inputText"), body.get("texts")) {
        (Some(text), None) => json!([text]),
        (None, Some(texts)) if body.get("input_type").is_some() => texts.clone(),
        _ => return Err("Malformed input request, please reformat your input and try again.".to_owned()),
    };
    let dimensions = body.get("dimensions").or(body.get("output_dimension"));
    Ok(json!({"model": model(path), "input": inputs, "dimensions": dimensions}))
}

/// The whole answer.
fn complete(answer: &Answer, _: &Request) -> Value {
    let mut content = Vec::new();
    if !answer.thoughts.is_empty() {
        let thought = json!({"text": answer.thoughts.concat(), "signature": SIGNATURE});
        content.push(json!({"reasoningContent": {"reasoningText": thought}}));
    }
    if answer.calls.is_empty() {
        content.push(json!({"text": answer.text()}));
    }
    for (place, call) in answer.calls.iter().enumerate() {
        let input: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let call = json!({"toolUseId": call_id(answer, place), "name": call.name, "input": input});
        content.push(json!({ "toolUse": call }));
    }
    json!({
        "output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop_reason(answer),
        "usage": usage(answer), "metrics": {"latencyMs": 12},
    })
}

/// The frames of a stream. A text and a thought begin without a frame of their own.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let mut events = vec![event(Kind::Opening, "messageStart", json!({"role": "assistant"}))];
    let mut index = 0;
    let mut block = |start: Option<Value>, deltas: Vec<Value>| {
        let start = start.map(|start| json!({"contentBlockIndex": index, "start": start}));
        events.extend(start.map(|start| event(Kind::Opening, "contentBlockStart", start)));
        let delta =
            |delta| event(Kind::Token, "contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta}));
        events.extend(deltas.into_iter().map(delta));
        events.push(event(Kind::Closing, "contentBlockStop", json!({ "contentBlockIndex": index })));
        index += 1;
    };
    if !answer.thoughts.is_empty() {
        let words = answer.thoughts.iter().map(|word| json!({"reasoningContent": {"text": word}}));
        block(None, words.chain([json!({"reasoningContent": {"signature": SIGNATURE}})]).collect());
    }
    if answer.calls.is_empty() {
        block(None, answer.words.iter().map(|word| json!({ "text": word })).collect());
    }
    for (place, call) in answer.calls.iter().enumerate() {
        let start = json!({"toolUse": {"toolUseId": call_id(answer, place), "name": call.name}});
        block(Some(start), call.pieces().map(|piece| json!({"toolUse": {"input": piece}})).collect());
    }
    events.push(event(Kind::End, "messageStop", json!({ "stopReason": stop_reason(answer) })));
    let metadata = json!({"usage": usage(answer), "metrics": {"latencyMs": 12}});
    events.push(event(Kind::Closing, "metadata", metadata));
    events
}

fn event(kind: Kind, name: &str, mut payload: Value) -> Event {
    // Filling, which hides how long a token is.
    if let Some(payload) = payload.as_object_mut() {
        payload.insert("p".to_owned(), "abcdefgh".into());
    }
    let headers = [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")];
    Event { kind, bytes: frame(&headers, payload.to_string().as_bytes()) }
}

/// The frame of an exception, which ends a stream.
fn exception(kind: Inband) -> Bytes {
    let (name, words) = match kind {
        Inband::Overloaded => ("serviceUnavailableException", "Bedrock is unable to process your request."),
        Inband::RateLimit => ("throttlingException", "Too many requests, please wait before trying again."),
        Inband::Server => (
            "internalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
    };
    let headers = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")];
    frame(&headers, json!({ "message": words }).to_string().as_bytes())
}

/// A frame whose checksums fit, and whose payload is half of one.
fn spoiled(whole: &[u8]) -> Bytes {
    let payload = whole.split(|byte| *byte == b'{').nth(1).unwrap_or_default();
    let half = [b"{", payload.get(..payload.len() / 2).unwrap_or_default()].concat();
    let headers =
        [(":event-type", "contentBlockDelta"), (":content-type", "application/json"), (":message-type", "event")];
    frame(&headers, &half)
}

/// A frame of AWS' event stream.
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.extend_from_slice(name.as_bytes());
        // 7: a text.
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let mut frame = [number(head.len() + payload.len() + 16), number(head.len())].concat();
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.into()
}

/// The checksum of zlib.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

fn call_id(answer: &Answer, place: usize) -> String {
    format!("tooluse_sim{:017}{place:02}", answer.number)
}

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.ending() {
        Ending::Calls => "tool_use",
        Ending::Refusal => "content_filtered",
        Ending::Length => "max_tokens",
        Ending::Sequence => "stop_sequence",
        Ending::Whole => "end_turn",
    }
}

fn usage(answer: &Answer) -> Value {
    json!({
        "inputTokens": answer.prompt_tokens - answer.cached_tokens, "outputTokens": answer.completion_tokens,
        "cacheReadInputTokens": answer.cached_tokens, "cacheWriteInputTokens": 0,
        "totalTokens": answer.prompt_tokens + answer.completion_tokens,
    })
}

/// The vectors of OpenAI's answer, as Titan or Cohere writes them.
fn embeddings(answer: &Answer, request: &Request) -> Value {
    let openais = openai::embeddings(answer, request);
    let vectors: Vec<&Value> = list(&openais, "/data").iter().map(|item| at(item, "/embedding")).collect();
    if answer.model.contains("titan") {
        let vector = vectors.first().copied();
        return json!({"embedding": vector, "inputTextTokenCount": at(&openais, "/usage/prompt_tokens")});
    }
    json!({"id": format!("sim-{:08}", answer.number), "embeddings": vectors, "texts": request.inputs, "response_type": "embeddings_floats"})
}

/// The status and the body of a preset error.
fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContextLength => (400, failed(400, Some("Input is too long for requested model."))),
        Preset::ContentPolicy => {
            (400, failed(400, Some("The request was blocked by content filters. Please revise the request.")))
        }
        _ => (429, failed(429, Some("Too many tokens per day, please wait before trying again."))),
    }
}

/// The name of a status' exception, and its usual words.
fn named(status: u16) -> (&'static str, &'static str) {
    match status {
        401 | 403 => ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
        404 => {
            ("ResourceNotFoundException", "Could not resolve the foundation model from the provided model identifier.")
        }
        408 => ("ModelTimeoutException", "Model has timed out in processing the request. Try your request again."),
        424 => (
            "ModelErrorException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        429 => ("ThrottlingException", "Too many requests, please wait before trying again."),
        400..=499 => ("ValidationException", "The provided request is not valid."),
        503 | 529 => ("ServiceUnavailableException", "Bedrock is unable to process your request."),
        _ => (
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
    }
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    json!({"message": message.unwrap_or(named(status).1)})
}

/// The error inside a body of status 200, as a gateway of AWS' writes it.
fn inband(kind: Inband) -> Value {
    let kind = format!("com.amazon.coral.service#{}", named(status_of(kind)).0);
    json!({"Output": {"__type": kind}, "Version": "1.0"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_that_of_zlib() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_model_in_a_path_may_be_encoded() {
        assert_eq!(model("/model/a.b-v1%3A0/converse"), "a.b-v1:0");
        assert_eq!(model("/model/m%40status%3D503/invoke"), "m@status=503");
    }
}
