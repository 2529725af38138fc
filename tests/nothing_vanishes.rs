//! The invariant of every translation, held by generated requests: a member that a client sent, at any depth, is in the provider's request, or
//! the request is refused, or the member is named as dropped.
//!
//! Each request is a full one of its client's dialect, of which some members are left out and to which unknown ones are added, in objects at
//! every depth. All texts in it are distinct, so that each can be looked for. Seeded, so that a failure repeats.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox::dialect::{Dialect, Encoded, Target, client_face, provider_face};
use signalbox::provider::by_name;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const ROUNDS: usize = 9_000;

/// Members whose words are the dialect's own: what they say, the provider's dialect says in its way.
const WORDS: &[&str] = &[
    "type",
    "role",
    "id",
    "tool_call_id",
    "tool_use_id",
    "call_id",
    "status",
    "media_type",
    "mode",
    "effort",
    "reasoning_effort",
    "display",
];
/// Members that say nothing more than another one, or a name that only the client's dialect needs.
const LABELS: &[&str] = &[
    "response_format.json_schema.name",
    "text.format.name",
    "model",
    "messages[4].name",
    "messages[2].reasoning_content",
];
/// Members whose value is carried as it is.
const RAW: &[&str] = &["parameters", "input_schema", "schema", "input", "cache_control"];

const INLINE: &str = "data:image/png;base64,dmltYWdl";

fn openai() -> Value {
    json!({
        "model": "m", "max_tokens": 9000, "temperature": 0.37, "top_p": 0.41, "top_k": 43, "stop": ["v-stop"],
        "reasoning_effort": "low", "user": "v-user", "stream": true, "seed": 47, "store": true, "metadata": {"k": "v-meta"},
        "stream_options": {"include_usage": true}, "parallel_tool_calls": false, "verbosity": "v-verbosity",
        "prompt_cache_key": "v-cache-key", "safety_identifier": "v-safety",
        "thinking": {"type": "enabled", "budget_tokens": 2048}, "cache_control": {"type": "ephemeral", "ttl": "v-ttl-top"},
        "messages": [
            {"role": "system", "name": "v-system-name", "content": "v-system", "cache_control": {"type": "ephemeral", "ttl": "v-ttl-system"}},
            {"role": "user", "name": "v-user-name", "content": [
                {"type": "text", "text": "v-text", "cache_control": {"type": "ephemeral", "ttl": "v-ttl-text"}},
                {"type": "image_url", "image_url": {"url": "https://h/v-image.png", "detail": "v-detail"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,dmZpbGU=", "filename": "v-file.pdf"}},
                {"type": "text", "text": "v-text-2", "prompt_cache_breakpoint": {"mode": "explicit"}}]},
            {"role": "assistant", "content": "v-said", "reasoning_content": "v-shown", "thinking_blocks": [
                {"type": "thinking", "thinking": "v-thought", "signature": "v-signature"},
                {"type": "redacted_thinking", "data": "v-redacted"}, {"type": "thinking", "thinking": "v-unsigned"}],
             "tool_calls": [{"id": "a", "index": 0, "type": "function", "function": {"name": "f", "arguments": "{\"x\":\"v-argument\"}"},
                "cache_control": {"type": "ephemeral", "ttl": "v-ttl-call"}}]},
            {"role": "tool", "tool_call_id": "a", "is_error": true, "content": [{"type": "text", "text": "v-result"}]},
            {"role": "function", "name": "g", "content": "v-function"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "v-refusal"}]},
            {"role": "user", "content": "v-again"}],
        "tools": [{"type": "function", "cache_control": {"type": "ephemeral", "ttl": "v-ttl-tool"}, "function": {"name": "f",
            "description": "v-description", "strict": true,
            "parameters": {"type": "object", "properties": {"x": {"type": "string", "description": "v-parameter"}}}}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "v-name", "description": "v-schema-text", "strict": true,
            "schema": {"type": "object", "properties": {"y": {"type": "string", "description": "v-schema"}}}}}
    })
}

fn messages() -> Value {
    json!({
        "model": "m", "max_tokens": 9000, "temperature": 0.37, "top_p": 0.41, "top_k": 43, "stop_sequences": ["v-stop"], "stream": true,
        "metadata": {"user_id": "v-user"}, "service_tier": "v-tier", "container": "v-container",
        "context_management": {"edits": [{"type": "v-edit"}]}, "cache_control": {"type": "ephemeral", "ttl": "v-ttl-top"},
        "thinking": {"type": "enabled", "budget_tokens": 2048, "display": "summarized"},
        "output_config": {"effort": "low", "format": {"type": "json_schema",
            "schema": {"type": "object", "properties": {"y": {"type": "string", "description": "v-schema"}}}}},
        "system": [{"type": "text", "text": "v-system", "cache_control": {"type": "ephemeral", "ttl": "v-ttl-system"}},
            {"type": "text", "text": "x-anthropic-billing-header: v-billing"}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "v-text", "citations": [{"type": "v-citation"}], "cache_control": {"type": "ephemeral", "ttl": "v-ttl-text"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "dmltYWdl"}},
                {"type": "document", "title": "v-title", "context": "v-context", "citations": {"enabled": true},
                 "source": {"type": "base64", "media_type": "application/pdf", "data": "dmZpbGU="}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "v-plain"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "v-thought", "signature": "v-signature"},
                {"type": "redacted_thinking", "data": "v-redacted"}, {"type": "text", "text": "v-said"},
                {"type": "server_tool_use", "id": "s", "name": "v-server", "input": {"q": "v-query"}},
                {"type": "tool_use", "id": "a", "name": "f", "input": {"x": "v-argument"}, "caller": {"type": "v-caller"},
                 "cache_control": {"type": "ephemeral", "ttl": "v-ttl-call"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "a", "is_error": true, "cache_control": {"type": "ephemeral", "ttl": "v-ttl-result"},
                 "content": [{"type": "text", "text": "v-result", "cache_control": {"type": "ephemeral", "ttl": "v-ttl-inner"}},
                    {"type": "image", "source": {"type": "url", "url": "https://h/v-image.png"}},
                    {"type": "tool_reference", "tool_name": "v-reference"}]},
                {"type": "text", "text": "v-again"}]},
            {"role": "system", "content": "v-later"}, {"role": "user", "content": "v-last"}],
        "tools": [{"name": "f", "type": "custom", "description": "v-description", "strict": true, "defer_loading": true,
            "cache_control": {"type": "ephemeral", "ttl": "v-ttl-tool"}, "input_examples": [{"x": "v-example"}],
            "input_schema": {"type": "object", "properties": {"x": {"type": "string", "description": "v-parameter"}}}},
            {"type": "web_search_20250305", "name": "web_search", "user_location": {"city": "v-city"}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true}
    })
}

fn responses() -> Value {
    let text = r#"{
        "model": "m", "max_output_tokens": 9000, "temperature": 0.37, "top_p": 0.41, "stream": true, "user": "v-user",
        "instructions": "v-instructions", "parallel_tool_calls": false, "store": true, "metadata": {"k": "v-meta"},
        "service_tier": "v-tier", "truncation": "v-truncation", "prompt_cache_key": "v-cache-key", "include": ["v-include"],
        "safety_identifier": "v-safety", "max_tool_calls": 53, "top_logprobs": 3, "client_metadata": {"turn": "v-turn"},
        "reasoning": {"effort": "low", "summary": "v-summary"},
        "text": {"verbosity": "v-verbosity", "format": {"type": "json_schema", "name": "v-name", "description": "v-schema-text",
            "strict": true, "schema": {"type": "object", "properties": {"y": {"type": "string", "description": "v-schema"}}}}},
        "input": [
            {"role": "developer", "content": "v-developer"},
            {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "v-text", "prompt_cache_breakpoint": {"mode": "v-mode"}},
                {"type": "input_image", "image_url": "https://h/v-image.png", "detail": "v-detail"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,dmZpbGU=", "filename": "v-file.pdf"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "v-thought"}], "encrypted_content": "v-sealed"},
            {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "v-phase", "content": [
                {"type": "output_text", "text": "v-said", "annotations": [{"type": "url_citation", "url": "v-citation"}], "logprobs": []}]},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "v-query"}},
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{\"x\":\"v-argument\"}", "status": "completed"},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "b", "name": "v-custom", "input": "v-patch"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "v-result"},
                {"type": "input_image", "image_url": "https://h/v-shot.png"}]},
            {"type": "custom_tool_call_output", "call_id": "b", "output": "v-patched"},
            {"role": "user", "content": "v-again"}],
        "tools": [{"type": "function", "name": "f", "description": "v-description", "strict": true, "defer_loading": true,
                "parameters": {"type": "object", "properties": {"x": {"type": "string", "description": "v-parameter"}}}},
            {"type": "custom", "name": "v-custom", "description": "v-custom-text",
                "format": {"type": "grammar", "syntax": "v-syntax", "definition": "v-grammar"}},
            {"type": "namespace", "name": "v-space", "description": "v-space-text", "tools": [
                {"type": "function", "name": "v-inner", "description": "v-inner-text", "parameters": {"type": "object"}}]},
            {"type": "web_search", "user_location": {"city": "v-city"}}],
        "tool_choice": {"type": "function", "name": "f"}
    }"#;
    serde_json::from_str(text).unwrap()
}

/// A repeatable stream of numbers.
fn draws(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % below
    }
}

/// A request with some members left out and some added.
struct Generated {
    body: Value,
    /// What was added: how often.
    added: usize,
    /// One optional member in so many is left out.
    out_of: usize,
}

impl Generated {
    fn of(base: &Value, draw: &mut impl FnMut(usize) -> usize) -> Self {
        let mut all = Self { body: base.clone(), added: 0, out_of: 2 + draw(6) };
        let mut body = std::mem::take(&mut all.body);
        let every = 10 + draw(60);
        all.change(&mut body, true, every, draw);
        all.body = body;
        all
    }

    fn change(&mut self, value: &mut Value, is_top: bool, every: usize, draw: &mut impl FnMut(usize) -> usize) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.change(item, false, every, draw)),
            Value::Object(members) => {
                let must = [
                    "messages",
                    "input",
                    "output",
                    "arguments",
                    "call_id",
                    "syntax",
                    "definition",
                    "tools",
                    "model",
                    "role",
                    "type",
                    "content",
                    "tool_call_id",
                    "tool_use_id",
                    "id",
                    "name",
                    "function",
                    "text",
                    "image_url",
                    "url",
                    "file",
                    "file_data",
                    "source",
                    "media_type",
                    "data",
                    "refusal",
                    "thinking",
                    "tool_name",
                    "json_schema",
                    "tool_calls",
                    "thinking_blocks",
                ];
                // A call and its result go together.
                members.retain(|name, _| must.contains(&name.as_str()) || draw(self.out_of) > 0);
                for inner in members.values_mut() {
                    self.change(inner, false, every, draw);
                }
                if draw(every) == 0 || is_top {
                    let value = match draw(3) {
                        0 => json!(format!("new-{}", self.added)),
                        1 => json!({"in": {"deep": format!("new-{}", self.added)}}),
                        _ => json!([format!("new-{}", self.added)]),
                    };
                    members.insert(format!("new_{}", self.added), value);
                    self.added += 1;
                }
            }
            _ => {}
        }
    }
}

/// Every text and number of a request by its path, and whether it stands in something that is carried raw.
fn leaves(value: &Value, path: &str, raw: bool, found: &mut BTreeMap<String, (String, bool)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if raw || !WORDS.contains(&name.as_str()) {
                    // Of Responses, `input` is the conversation.
                    let is_raw = RAW.contains(&name.as_str()) && !value.is_array();
                    leaves(value, &below(name), raw || is_raw, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}[{index}]"), raw, found);
            }
        }
        // A call's arguments are JSON in a text.
        Value::String(text) if text.starts_with('{') => {
            let inner: Value = serde_json::from_str(text).unwrap();
            leaves(&inner, path, true, found);
        }
        Value::String(text) => drop(found.insert(path.to_owned(), (text.clone(), raw))),
        Value::Number(number) => drop(found.insert(path.to_owned(), (number.to_string(), raw))),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Whether a path, or what stands above it, is among the names.
fn is_named(path: &str, names: &[String]) -> bool {
    // The mark of a tool of chat may stand beside the function or in it; it is named where the function is, or where it is.
    let alike = |path: &str| path.replace("tools[0].function.cache_control", "tools[0].cache_control");
    let path = alike(path);
    names
        .iter()
        .any(|name| path.strip_prefix(&alike(name)).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
}

fn check(body: &Value, sent: &str, encoded: &Encoded) {
    let told = String::from_utf8(encoded.body.clone()).unwrap();
    let mut found = BTreeMap::new();
    leaves(body, "", false, &mut found);
    for (path, (text, _)) in found {
        let is_label = LABELS.contains(&path.as_str());
        // Bounds and budgets are told as the provider counts them.
        let is_counted = path.starts_with("max_") && path.ends_with("_tokens")
            || path.ends_with("budget_tokens")
            || path.ends_with(".index");
        // A data URI's media type is told apart from its bytes.
        let said = if text.starts_with("data:") { text.rsplit(',').next().unwrap() } else { &text };
        // A mark is told as a point of its own.
        let is_point = path.ends_with("cache_control.type") && told.contains("\"cachePoint\"");
        // A document's name has no dot there.
        let stem = text.split_once('.').filter(|_| path.ends_with(".filename")).map(|(stem, _)| stem);
        let is_document = stem.is_some_and(|stem| told.contains(&format!("\"name\":\"{stem}\"")));
        if is_label || is_counted || is_point || is_document || told.contains(said) || is_named(&path, &encoded.dropped)
        {
            continue;
        }
        panic!(
            "{path} ({text}) is neither sent nor named\nsent    {sent}\ntold    {told}\ndropped {:?}",
            encoded.dropped
        );
    }
}

#[test]
fn what_a_client_sends_is_sent_refused_or_named() {
    let targets: [(Dialect, Dialect, &'static str, &str); 36] = [
        (Dialect::OpenAi, Dialect::Anthropic, "anthropic", "claude-sonnet-4-5"),
        (Dialect::OpenAi, Dialect::Anthropic, "anthropic", "claude-3-haiku"),
        (Dialect::OpenAi, Dialect::Anthropic, "anthropic", "claude-opus-4-7"),
        (Dialect::OpenAi, Dialect::Gemini, "gemini", "gemini-2.0-flash"),
        (Dialect::OpenAi, Dialect::Gemini, "gemini", "gemini-3.6-flash"),
        (Dialect::Anthropic, Dialect::Gemini, "gemini", "gemini-2.5-pro"),
        (Dialect::Anthropic, Dialect::Gemini, "gemini", "gemini-3-pro-preview"),
        (Dialect::Anthropic, Dialect::OpenAi, "openai", "gpt-4o"),
        (Dialect::Anthropic, Dialect::OpenAi, "openai", "o3"),
        (Dialect::Anthropic, Dialect::OpenAi, "openai", "gpt-5.1"),
        (Dialect::Anthropic, Dialect::OpenAi, "deepseek", "deepseek-chat"),
        (Dialect::Anthropic, Dialect::OpenAi, "groq", "llama-3.3-70b-versatile"),
        (Dialect::Anthropic, Dialect::OpenAi, "mistral", "mistral-large-latest"),
        (Dialect::Anthropic, Dialect::OpenAi, "hosted_vllm", "qwen3"),
        (Dialect::Responses, Dialect::OpenAi, "openai", "gpt-4o"),
        (Dialect::Responses, Dialect::OpenAi, "deepseek", "deepseek-chat"),
        (Dialect::Responses, Dialect::OpenAi, "groq", "llama-3.3-70b-versatile"),
        (Dialect::Responses, Dialect::Anthropic, "anthropic", "claude-sonnet-4-5"),
        (Dialect::Responses, Dialect::Gemini, "gemini", "gemini-2.0-flash"),
        (Dialect::Responses, Dialect::Gemini, "gemini", "gemini-3-pro-preview"),
        (Dialect::OpenAi, Dialect::Responses, "openai", "gpt-4o"),
        (Dialect::OpenAi, Dialect::Responses, "openai", "gpt-5.1"),
        (Dialect::Anthropic, Dialect::Responses, "openai", "gpt-4o"),
        (Dialect::Anthropic, Dialect::Responses, "openai", "gpt-5.1"),
        (Dialect::OpenAi, Dialect::Cohere, "cohere", "command-a-03-2025"),
        (Dialect::OpenAi, Dialect::Cohere, "cohere", "command-a-reasoning-08-2025"),
        (Dialect::Anthropic, Dialect::Cohere, "cohere", "command-a-reasoning-08-2025"),
        (Dialect::OpenAi, Dialect::Ollama, "ollama", "qwen3:8b"),
        (Dialect::OpenAi, Dialect::Ollama, "ollama", "llama3.1"),
        (Dialect::Anthropic, Dialect::Ollama, "ollama", "gpt-oss:20b"),
        (Dialect::Anthropic, Dialect::Ollama, "ollama", "llama3.1"),
        (Dialect::OpenAi, Dialect::Bedrock, "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (Dialect::OpenAi, Dialect::Bedrock, "bedrock", "us.meta.llama4-scout-17b-instruct-v1:0"),
        (Dialect::Anthropic, Dialect::Bedrock, "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
        (Dialect::Anthropic, Dialect::Bedrock, "bedrock", "us.amazon.nova-2-lite-v1:0"),
        (Dialect::Responses, Dialect::Bedrock, "bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0"),
    ];
    let (openai, messages, responses) = (openai(), messages(), responses());
    let mut draw = draws(0x2545_F491_4F6C_DD1D);
    let (mut served, mut named) = (0, 0);
    let mut by_target = vec![0; targets.len()];
    for round in 0..ROUNDS {
        let (client, provider, name, model) = targets[round % targets.len()];
        let base = match client {
            Dialect::OpenAi => &openai,
            Dialect::Responses => &responses,
            _ => &messages,
        };
        let generated = Generated::of(base, &mut draw);
        let mut sent = generated.body.to_string();
        // It fetches nothing.
        if provider == Dialect::Bedrock {
            sent = sent.replace("https://h/v-image.png", INLINE).replace("https://h/v-shot.png", INLINE);
        }
        let Ok(conversation) = client_face(client).read(sent.as_bytes()) else { continue };
        let target =
            Target { provider: by_name(name).unwrap(), model, drop_params: draw(2) == 0, max_output_tokens: None };
        match provider_face(provider).write(&conversation, target) {
            Ok(encoded) if encoded.dropped.iter().any(|name| name == "(more)") => {}
            Ok(encoded) => {
                check(&serde_json::from_str(&sent).unwrap(), &sent, &encoded);
                served += 1;
                by_target[round % targets.len()] += 1;
                named += generated.added;
            }
            Err(error) => assert!(error.status == 400 && error.param.is_some(), "{error:?}"),
        }
    }
    let of_bedrock = targets.iter().zip(&by_target).filter(|((_, provider, ..), _)| *provider == Dialect::Bedrock);
    assert!(of_bedrock.clone().all(|(_, served)| *served > 20), "{:?}", of_bedrock.collect::<Vec<_>>());
    assert!(
        served > ROUNDS / 3 && named > ROUNDS / 2,
        "only {served} were served, and only {named} members were added"
    );
}

/// The test can fail: it finds what is neither sent nor named.
#[test]
#[should_panic(expected = "neither sent nor named")]
fn a_member_that_vanishes_is_found() {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "v", "name": "v-gone"}]});
    let encoded =
        Encoded { body: br#"{"messages":[{"content":"v"}]}"#.to_vec(), dropped: Vec::new(), echo: Default::default() };
    check(&body, "", &encoded);
}
