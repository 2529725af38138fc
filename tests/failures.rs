//! What providers say when they fail, row by row, and what the client is told.
//!
//! `golden/provider-errors.json` holds one answer a row, of every provider's shape, with the class it must get.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use serde_json::{Value, json};
use signalbox::chat::{ApiError, Failure, FailureClass};
use signalbox::dialect::openai_chat::client::error;
use signalbox::failure::{ErrorAnswer, api_error, classify};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn read(status: u16, headers: &Value, body: &[u8]) -> Failure {
    read_of("", status, headers, body)
}

fn read_of(provider: &'static str, status: u16, headers: &Value, body: &[u8]) -> Failure {
    let header = |name: &str| headers.get(name).and_then(Value::as_str).map(str::to_owned);
    classify(&ErrorAnswer { provider, status, header: &header, body, now_ms: 0 })
}

/// The failure of a row of the table.
fn read_row(row: &Value) -> Failure {
    let provider: &'static str = row["provider"].as_str().unwrap().to_owned().leak();
    read_of(provider, u16::try_from(row["status"].as_u64().unwrap()).unwrap(), &row["headers"], &bytes(&row["body"]))
}

/// A failure for a JSON body without headers.
fn said(status: u16, body: &Value) -> Failure {
    read(status, &json!({}), body.to_string().as_bytes())
}

fn rows() -> Vec<Value> {
    let golden: Value = serde_json::from_str(include_str!("golden/provider-errors.json")).unwrap();
    golden["vectors"].as_array().unwrap().clone()
}

fn bytes(body: &Value) -> Vec<u8> {
    body.as_str().map_or_else(|| body.to_string().into_bytes(), |text| text.as_bytes().to_vec())
}

/// A1 to A5, and what else providers say.
#[test]
fn every_row_gets_its_class() {
    let mut wrong = Vec::new();
    let rows = rows();
    for row in &rows {
        let failure = read_row(row);
        let fault = format!("{:?}", failure.fault).to_lowercase();
        let is_right = failure.class.as_str() == row["expect"]
            && (row["body"] == "" || !failure.message.is_empty())
            && row.get("fault").is_none_or(|wanted| *wanted == fault)
            && row.get("wait_ms").is_none_or(|wanted| wanted.as_u64() == failure.retry_after_ms);
        if !is_right {
            let Failure { class, retry_after_ms, .. } = failure;
            wrong.push(format!("{row} got {} of the {fault}, {retry_after_ms:?}", class.as_str()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    assert!(rows.len() >= 250, "{} rows", rows.len());
}

#[test]
fn every_provider_has_rows() {
    let rows = rows();
    let of = |provider: &str| rows.iter().filter(|row| row["provider"] == provider).count();
    let all = "openai azure anthropic gemini vertex vertex_anthropic bedrock mistral cohere ollama groq together fireworks deepseek xai \
               openrouter perplexity vllm sglang llama_cpp lm_studio huggingface nvidia_nim featherless cerebras moonshot zai dashscope \
               minimax siliconflow deepinfra sambanova novita volcengine cloudflare databricks watsonx github_models replicate";
    for provider in all.split_whitespace() {
        assert!(of(provider) >= 2, "{provider}");
    }
    for row in &rows {
        let keys = ["provider", "status", "headers", "body", "expect", "prov"];
        assert!(keys.iter().all(|key| row.get(key).is_some()), "{row}");
    }
}

/// What a client sees: one shape, never a status that blames its own key, nothing raw.
#[test]
fn every_row_gives_the_client_one_shape() {
    for row in rows() {
        let failure = read_row(&row);
        let error = api_error(&failure);
        let body: Value = serde_json::from_slice(&error::body(&error)).unwrap();
        assert!(
            body["error"]["message"].as_str().is_some_and(|text| !text.is_empty() && !text.contains("<html")),
            "{row}"
        );
        assert!(body["error"]["code"].is_string() || body["error"]["code"].is_null(), "{row}");
        assert!((400..600).contains(&error.status) && ![401, 403].contains(&error.status), "{row}");
        assert!(!error.message.contains("sk-x"), "{row}");
    }
}

#[test]
fn bytes_of_any_kind_are_a_failure() {
    let deep = "[".repeat(50_000);
    let bodies: [&[u8]; 7] = [b"", b"\xFF\xFE", b"null", b"[]", b"{}", b"{\"error\":", deep.as_bytes()];
    for body in bodies {
        assert_eq!(read(500, &json!({}), body).class, FailureClass::Upstream);
        assert_eq!(read(429, &json!({}), body).class, FailureClass::RateLimit);
        assert!(!api_error(&read(500, &json!({}), body)).message.is_empty());
    }
    let page = "<!DOCTYPE html><html><body>Bad gateway at 10.0.0.1</body></html>";
    let page = read(502, &json!({}), page.as_bytes());
    assert_eq!(page.message, "the provider answered with a web page instead of an API error");
    let nested = json!({"error":{"message":"Provider returned error","metadata":{"raw":"<HTML>at 10.0.0.1"}}});
    assert_eq!(said(502, &nested).message, page.message);
    assert_eq!(read(503, &json!({}), b"no healthy upstream").message, "no healthy upstream");
}

#[test]
fn an_error_within_a_good_answer_says_its_own_class_and_status() {
    let cases = [
        (json!({"error":{"code":502,"message":"Provider disconnected"}}), "upstream", 502),
        (json!({"error":{"code":429,"message":"Provider returned error"}}), "rate_limit", 429),
        (
            json!({"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}),
            "rate_limit",
            200,
        ),
        (json!({"error":{"message":"The engine is currently overloaded"}}), "overloaded", 200),
        (
            json!({"error":{"message":"Tool call validation failed","code":"tool_use_failed","status_code":400}}),
            "bad_request",
            400,
        ),
        (json!({"error":{"message":"bad","type":"invalid_request_error"}}), "bad_request", 200),
        (json!({"error":"an error was encountered while running the model"}), "upstream", 200),
        (json!({"error":{"message":"x","code":"context_length_exceeded"}}), "context_window", 200),
        (json!({"error":{"message":"request timed out"}}), "timeout", 200),
        (json!({"object":"error","message":"x","type":"BadRequestError","code":400}), "bad_request", 400),
    ];
    for (body, class, status) in cases {
        let failure = said(200, &body);
        assert_eq!((failure.class.as_str(), failure.status), (class, status), "{body}");
    }
}

#[test]
fn what_quotes_the_request_decides_nothing() {
    let quote = "prompt is too long, content_policy_violation, insufficient_quota";
    let body =
        json!({"detail":[{"type":"missing","loc":["body","n"],"msg":"Field required","input":{"content":quote}}]});
    let failure = said(422, &body);
    assert_eq!((failure.class, &*failure.message), (FailureClass::BadRequest, "body.n: Field required"));
    let body = json!({"error":{"message":"Tool call failed","code":"tool_use_failed","failed_generation":quote}});
    assert_eq!(said(400, &body).class, FailureClass::BadRequest);
}

#[test]
fn a_code_outweighs_a_wording() {
    let body = |code: &str| json!({"error":{"message":"the maximum context length is 64, see our content management policy","code":code}});
    assert_eq!(said(429, &body("x")).class, FailureClass::RateLimit);
    let field = json!({"error":{"message":"the maximum context length is 64","code":"string_above_max_length"}});
    assert_eq!(said(400, &field).class, FailureClass::BadRequest);
    let limit = json!({"error":{"message":"reduce the length of the messages","code":"rate_limit_exceeded"}});
    assert_eq!(said(413, &limit).class, FailureClass::RateLimit);
}

#[test]
fn a_day_is_quota_and_a_minute_is_not() {
    let body = |quota: &str| {
        json!([{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[
            {"violations":[{"quotaId":quota}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.4s"}]}}])
    };
    let minute = said(429, &body("GenerateRequestsPerMinutePerProjectPerModel"));
    assert_eq!((minute.class, minute.retry_after_ms), (FailureClass::RateLimit, Some(34_400)));
    assert_eq!(said(429, &body("GenerateRequestsPerDayPerProjectPerModel")).class, FailureClass::Quota);
}

#[test]
fn headers_give_the_exception_and_the_wait() {
    let headers = json!({"x-amzn-errortype":"ThrottlingException:http://internal/", "retry-after":"3"});
    let failure = read(400, &headers, b"{\"Message\":\"Slow down\"}");
    assert_eq!((failure.class, failure.retry_after_ms), (FailureClass::RateLimit, Some(3000)));
    assert_eq!((&*failure.message, failure.code.as_deref()), ("Slow down", Some("ThrottlingException")));
    let failure = said(403, &json!({"__type":"com.amazon.coral.service#ExpiredTokenException","message":"expired"}));
    assert_eq!(failure.class, FailureClass::Auth);
}

#[test]
fn nothing_secret_and_nothing_long_gets_out() {
    let key = "sk-proj-abcdefghijklmnop1234567890";
    let body =
        json!({"error":{"message":format!("Incorrect API key: {key}. {}", "x".repeat(5000)),"code":key,"param":key}});
    let failure = said(401, &body);
    assert!(!format!("{failure:?}").contains("abcdefghij"), "{failure:?}");
    assert!(failure.message.len() < 510 && failure.message.ends_with('…'));
    let raw = json!({"error":{"code":400,"message":"Provider returned error","metadata":{"raw":"the real reason"}}});
    assert_eq!(said(400, &raw).message, "Provider returned error: the real reason");
}

#[test]
fn each_class_has_its_answer() {
    let answer = |class: FailureClass| {
        let failure = Failure { code: Some("theirs".into()), ..Failure::local(class, "") };
        let ApiError { status, kind, code, message, .. } = api_error(&failure);
        assert!(!message.is_empty());
        (status, kind, code.unwrap())
    };
    let table = [
        (FailureClass::Connect, 502, "upstream_error", "connect"),
        (FailureClass::Reset, 502, "upstream_error", "reset"),
        (FailureClass::Timeout, 504, "timeout_error", "timeout"),
        (FailureClass::FirstToken, 504, "timeout_error", "first_token"),
        (FailureClass::RateLimit, 429, "rate_limit_error", "rate_limit_exceeded"),
        (FailureClass::Quota, 429, "insufficient_quota", "insufficient_quota"),
        (FailureClass::Overloaded, 503, "overloaded_error", "overloaded"),
        (FailureClass::Upstream, 502, "upstream_error", "theirs"),
        (FailureClass::Auth, 502, "upstream_error", "provider_auth"),
        (FailureClass::Permission, 502, "upstream_error", "provider_permission"),
        (FailureClass::NotFound, 404, "invalid_request_error", "model_not_found"),
        (FailureClass::ContextWindow, 400, "invalid_request_error", "context_length_exceeded"),
        (FailureClass::ContentPolicy, 400, "invalid_request_error", "content_policy_violation"),
        (FailureClass::BadRequest, 400, "invalid_request_error", "theirs"),
    ];
    for (class, status, kind, code) in table {
        assert_eq!(answer(class), (status, kind, code.to_owned()), "{}", class.as_str());
    }
}

#[test]
fn a_bad_request_keeps_what_the_provider_said() {
    let body = json!({"error":{"message":"Extra inputs","type":"invalid_request_error","param":"stream_options","code":"extra_forbidden"}});
    let ApiError { status, code, param, message, .. } = api_error(&said(422, &body));
    assert_eq!((status, code.as_deref(), param.as_deref()), (422, Some("extra_forbidden"), Some("stream_options")));
    assert_eq!(message, "Extra inputs");
    let body = json!({"error":{"message":"x","type":"invalid_request_error","param":null,"code":null}});
    assert_eq!(api_error(&said(400, &body)).code, None, "the type is no code");
}
