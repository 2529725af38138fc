//! Gemini's dialect, from the provider's side: `generateContent`, its stream, embeddings and errors as the real API writes them.
//!
//! **Invariant:** every body, except a fault's, fits the types of the official SDK.

use serde_json::{Value, json};

use super::{
    answer::Answer,
    fault::{Inband, Preset},
    openai,
    request::{Form, Request},
    script::{self, Event, Kind},
    surface::{Errors, Streams, Surface, at, list, status_of, unnamed},
};

/// `generateContent` and its stream.
pub const CHAT: Surface = Surface {
    ends: &[":generateContent", ":streamGenerateContent"],
    of: None,
    form: Form::Chat,
    translate: Some(translate),
    whole: complete,
    streams: Some(Streams {
        events: stream,
        error: |kind| Event::sse(Kind::End, &inband(kind).to_string()).bytes,
        spoiled: script::half,
        content_type: script::SSE,
    }),
    errors: &ERRORS,
};

/// Its embeddings.
pub const EMBEDDINGS: Surface = Surface {
    ends: &[":batchEmbedContents"],
    of: None,
    form: Form::Embeddings,
    translate: Some(translate),
    whole: embeddings,
    streams: None,
    errors: &ERRORS,
};

const ERRORS: Errors =
    Errors { failed, preset, inband, header: unnamed, request_id: "x-request-id", models: openai::models };

const SIGNATURE: &str = "c2ltdWxhdG9y";

/// The request as one of OpenAI's, as far as the simulator reads one: the model and the stream stand in the path.
fn translate(path: &str, body: &[u8]) -> Result<Value, String> {
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("Invalid JSON payload received. {error}"))?;
    let (model, how) = path.rsplit('/').next().and_then(|end| end.split_once(':')).unwrap_or_default();
    if how == "batchEmbedContents" {
        let texts: Vec<String> = list(&body, "/requests").iter().map(|one| text(at(one, "/content"))).collect();
        return Ok(
            json!({"model": model, "input": texts, "dimensions": body.pointer("/requests/0/outputDimensionality")}),
        );
    }
    let config = at(&body, "/generationConfig");
    let thinks = at(config, "/thinkingConfig/includeThoughts") == &Value::Bool(true);
    let functions = list(&body, "/tools/0/functionDeclarations").iter();
    let tools: Vec<Value> =
        functions.map(|it| json!({"name": at(it, "/name"), "parameters": at(it, "/parametersJsonSchema")})).collect();
    let calling = at(&body, "/toolConfig/functionCallingConfig");
    let choice = match (at(calling, "/mode").as_str(), calling.pointer("/allowedFunctionNames/0")) {
        (Some("ANY"), Some(name)) => json!({"type": "tool", "name": name}),
        (Some("ANY"), None) => json!("required"),
        (Some("NONE"), _) => json!("none"),
        _ => json!("auto"),
    };
    let format = match (at(config, "/responseMimeType").as_str(), config.get("responseJsonSchema")) {
        (Some(_), Some(schema)) => json!({"type": "json_schema", "json_schema": {"schema": schema}}),
        (Some(_), None) => json!({"type": "json_object"}),
        _ => Value::Null,
    };
    Ok(json!({
        "model": model, "stream": how == "streamGenerateContent", "messages": messages(&body), "system": text(at(&body, "/systemInstruction")),
        "tools": tools, "tool_choice": choice, "max_tokens": at(config, "/maxOutputTokens"), "stop": at(config, "/stopSequences"),
        "response_format": format, "reasoning_effort": thinks.then_some("low"),
    }))
}

fn text(content: &Value) -> String {
    list(content, "/parts").iter().filter_map(|part| at(part, "/text").as_str()).collect::<Vec<_>>().join(" ")
}

fn messages(body: &Value) -> Vec<Value> {
    let turn = |content: &Value| {
        let parts = list(content, "/parts");
        let has = |name: &str| parts.iter().any(|part| part.get(name).is_some());
        let said = parts.iter().map(|part| match part.get("text") {
            Some(text) => json!({"type": "text", "text": text}),
            None if part.get("inlineData").or(part.get("fileData")).is_some() => json!({"type": "image"}),
            None => json!({"type": "other"}),
        });
        let role = match at(content, "/role").as_str() {
            Some("model") => "assistant",
            _ if has("functionResponse") => "tool",
            _ => "user",
        };
        json!({"role": role, "content": said.collect::<Vec<_>>()})
    };
    list(body, "/contents").iter().map(turn).collect()
}

/// The whole answer.
fn complete(answer: &Answer, _: &Request) -> Value {
    let mut parts = Vec::new();
    if !answer.thoughts.is_empty() {
        parts.push(json!({"text": answer.thoughts.concat(), "thought": true}));
    }
    if answer.calls.is_empty() {
        parts.push(json!({"text": answer.text()}));
    }
    parts.extend(calls(answer));
    said(answer, &parts, true)
}

/// The events of a stream.
fn stream(answer: &Answer, _: &Request) -> Vec<Event> {
    let thoughts = answer.thoughts.iter().map(|word| json!({"text": word, "thought": true}));
    let words = answer.words.iter().map(|word| json!({"text": word}));
    let parts: Vec<Value> = thoughts.chain(words).chain(calls(answer)).collect();
    let events = parts.into_iter().map(|part| Event::sse(Kind::Token, &said(answer, &[part], false).to_string()));
    events.chain([Event::sse(Kind::End, &said(answer, &[], true).to_string())]).collect()
}

/// Of calls side by side the first is signed.
fn calls(answer: &Answer) -> Vec<Value> {
    let part = |(place, call): (usize, &super::request::Call)| {
        let args: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
        let mut part = json!({"functionCall": {"name": call.name, "args": args}});
        if let (0, Some(part)) = (place, part.as_object_mut()) {
            part.insert("thoughtSignature".to_owned(), SIGNATURE.into());
        }
        part
    };
    answer.calls.iter().enumerate().map(part).collect()
}

fn said(answer: &Answer, parts: &[Value], ends: bool) -> Value {
    let reason = match (answer.refused, answer.short) {
        _ if !ends => Value::Null,
        (true, _) => "SAFETY".into(),
        (_, true) => "MAX_TOKENS".into(),
        _ => "STOP".into(),
    };
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let (true, Some(candidate)) = (ends, candidate.as_object_mut()) {
        candidate.insert("finishReason".to_owned(), reason);
    }
    let thoughts = answer.thoughts.len() as u64;
    json!({
        "candidates": [candidate], "modelVersion": answer.model, "responseId": format!("sim-{:021}", answer.number),
        "usageMetadata": {
            "promptTokenCount": answer.prompt_tokens, "cachedContentTokenCount": answer.cached_tokens,
            "candidatesTokenCount": answer.completion_tokens.saturating_sub(thoughts), "thoughtsTokenCount": thoughts,
            "totalTokenCount": answer.prompt_tokens + answer.completion_tokens,
        },
    })
}

/// The vectors of an answer of OpenAI's, as Gemini writes them.
fn embeddings(answer: &Answer, request: &Request) -> Value {
    let openais = openai::embeddings(answer, request);
    let vectors = list(&openais, "/data").iter().map(|item| json!({"values": at(item, "/embedding")}));
    json!({"embeddings": vectors.collect::<Vec<_>>()})
}

/// The status and the body of a preset error.
fn preset(preset: Preset) -> (u16, Value) {
    match preset {
        Preset::ContextLength => {
            let words = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
            (400, failed(400, Some(words)))
        }
        Preset::ContentPolicy => (400, failed(400, Some("The prompt was blocked due to safety policies."))),
        _ => (429, failed(429, Some("You exceeded your current quota, please check your plan and billing details."))),
    }
}

/// The error body of a status; `message` replaces the usual words.
fn failed(status: u16, message: Option<&str>) -> Value {
    let (word, usual) = match status {
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        403 => ("PERMISSION_DENIED", "Permission denied on resource project simulator."),
        404 => ("NOT_FOUND", "models/simulated is not found for API version v1beta."),
        429 => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        400..=499 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
        503 | 529 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        _ => ("INTERNAL", "An internal error has occurred."),
    };
    json!({"error": {"code": status, "message": message.unwrap_or(usual), "status": word}})
}

/// The error inside a stream, or inside a body of status 200.
fn inband(kind: Inband) -> Value {
    failed(status_of(kind), None)
}
