//! Picks the interesting members out of a body's top level, raw, and skips the others without building anything.
//!
//! **Invariant:** what is refused here is refused by `serde_json`, and the other way round. Raw values are skipped in a loop, not by recursion.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::dialect::ids;
use crate::json::Scan;

/// The members that are of interest, raw. JSON `null` is none; of the same name twice, the last counts.
#[derive(Default)]
pub struct Members<'a> {
    /// How often `model` is there, in any case and `null` included.
    pub models: u32,
    pub model: Option<&'a [u8]>,
    /// Anthropic's.
    pub system: Option<&'a [u8]>,
    pub messages: Option<&'a [u8]>,
    /// Responses'.
    pub input: Option<&'a [u8]>,
    /// Responses'.
    pub instructions: Option<&'a [u8]>,
    pub stream: Option<&'a [u8]>,
    pub stream_options: Option<&'a [u8]>,
    /// It is there, `null` included.
    pub has_stream_options: bool,
    pub tools: Option<&'a [u8]>,
    pub functions: Option<&'a [u8]>,
    pub n: Option<&'a [u8]>,
    pub logprobs: Option<&'a [u8]>,
    pub top_logprobs: Option<&'a [u8]>,
    pub logit_bias: Option<&'a [u8]>,
    pub modalities: Option<&'a [u8]>,
    pub audio: Option<&'a [u8]>,
    pub response_format: Option<&'a [u8]>,
    /// Anthropic's.
    pub output_config: Option<&'a [u8]>,
    /// Responses'.
    pub text: Option<&'a [u8]>,
    /// Responses'.
    pub include: Option<&'a [u8]>,
    /// Responses'.
    pub max_output_tokens: Option<&'a [u8]>,
    /// Responses'.
    pub previous_response_id: Option<&'a [u8]>,
    /// Responses'.
    pub conversation: Option<&'a [u8]>,
    /// Responses'.
    pub background: Option<&'a [u8]>,
    /// Responses', and of completions.
    pub prompt: Option<&'a [u8]>,
    pub max_tokens: Option<&'a [u8]>,
    pub max_completion_tokens: Option<&'a [u8]>,
    pub num_retries: Option<&'a [u8]>,
    pub timeout: Option<&'a [u8]>,
    pub fallbacks: Option<&'a [u8]>,
    pub disable_fallbacks: Option<&'a [u8]>,
    pub tags: Option<&'a [u8]>,
    pub metadata: Option<&'a [u8]>,
    pub allowed_model_region: Option<&'a [u8]>,
    /// OpenRouter's: models to try in place of `model`.
    pub other_models: Option<&'a [u8]>,
    pub mock_testing_fallbacks: Option<&'a [u8]>,
    pub mock_testing_context_fallbacks: Option<&'a [u8]>,
    pub mock_testing_content_policy_fallbacks: Option<&'a [u8]>,
    pub mock_testing_rate_limit_error: Option<&'a [u8]>,
    /// One of [`CLIENT_SIDE`].
    pub client_side: Option<&'a [u8]>,
    /// A member of a value may be the id of a call.
    pub ids: bool,
}

/// Members by which LiteLLM's clients would name a host, or bring a key of their own: it refuses most of them unless it is told not to. A
/// provider is to see none of them.
pub const CLIENT_SIDE: &[&str] = &[
    "api_base",
    "base_url",
    "api_key",
    "user_config",
    "model_list",
    "litellm_credential_name",
    "vertex_credentials",
    "vertex_ai_credentials",
    "azure_ad_token",
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "aws_web_identity_token",
    "aws_role_name",
    "aws_profile_name",
    "aws_sts_endpoint",
    "aws_bedrock_runtime_endpoint",
    "sagemaker_base_url",
    "s3_endpoint_url",
];

impl<'a> Members<'a> {
    /// Reads a body. `None`: it is no JSON object.
    pub fn read(body: &'a [u8]) -> Option<Self> {
        let mut members = Self::default();
        let mut scan = Scan::new(body);
        scan.object(|scan, name| {
            let Some(slot) = members.slot(name) else { return scan.skip() };
            *slot = Some(scan.value()?).filter(|value| *value != b"null");
            Some(())
        })?;
        members.ids = ids::MEMBERS.iter().any(|name| scan.may_have_name_of(name.len()));
        scan.end()?;
        Some(members)
    }

    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<&'a [u8]>> {
        Some(match name {
            b"model" => {
                self.models += 1;
                &mut self.model
            }
            b"system" => &mut self.system,
            b"messages" => &mut self.messages,
            b"input" => &mut self.input,
            b"instructions" => &mut self.instructions,
            b"stream" => &mut self.stream,
            b"stream_options" => {
                self.has_stream_options = true;
                &mut self.stream_options
            }
            b"tools" => &mut self.tools,
            b"functions" => &mut self.functions,
            b"n" => &mut self.n,
            b"logprobs" => &mut self.logprobs,
            b"top_logprobs" => &mut self.top_logprobs,
            b"logit_bias" => &mut self.logit_bias,
            b"modalities" => &mut self.modalities,
            b"audio" => &mut self.audio,
            b"response_format" => &mut self.response_format,
            b"output_config" => &mut self.output_config,
            b"text" => &mut self.text,
            b"include" => &mut self.include,
            b"max_output_tokens" => &mut self.max_output_tokens,
            b"previous_response_id" => &mut self.previous_response_id,
            b"conversation" => &mut self.conversation,
            b"background" => &mut self.background,
            b"prompt" => &mut self.prompt,
            b"max_tokens" => &mut self.max_tokens,
            b"max_completion_tokens" => &mut self.max_completion_tokens,
            b"num_retries" => &mut self.num_retries,
            b"timeout" => &mut self.timeout,
            b"fallbacks" => &mut self.fallbacks,
            b"disable_fallbacks" => &mut self.disable_fallbacks,
            b"tags" => &mut self.tags,
            b"metadata" => &mut self.metadata,
            b"allowed_model_region" => &mut self.allowed_model_region,
            b"models" => &mut self.other_models,
            b"mock_testing_fallbacks" => &mut self.mock_testing_fallbacks,
            b"mock_testing_context_fallbacks" => &mut self.mock_testing_context_fallbacks,
            b"mock_testing_content_policy_fallbacks" => &mut self.mock_testing_content_policy_fallbacks,
            b"mock_testing_rate_limit_error" => &mut self.mock_testing_rate_limit_error,
            // A provider whose server reads names in any case would take this for the model.
            _ if name.eq_ignore_ascii_case(b"model") => {
                self.models += 1;
                return None;
            }
            // One that says nothing hides none that says something.
            _ if self.client_side.is_none() && CLIENT_SIDE.iter().any(|known| known.as_bytes() == name) => {
                &mut self.client_side
            }
            _ => return None,
        })
    }
}

/// An object of which nothing is kept: where a body is none, `serde_json` says what is wrong with it, and where.
pub struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object)
            }
        }
        deserializer.deserialize_map(Walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_an_object_where_serde_says_so() {
        let seeds = [
            r#"{"model":"m","messages":[{"role":"user","content":"a \"b\" \u00e9"}],"n":2,"stream_options":null,"temperature":0.5}"#,
            r#" { "api_key" : null , "base_url" : "x" , "mod\u0065l" : "m" , "tools":[{}] } "#,
        ];
        let pieces =
            ["", "\"", "\\", "{", "}", ",", ":", "[", "]", "0", "\\ud800", "\u{e9}", "null", "\"model\":1,", " ", "\n"];
        let mut random = 7_u64;
        let mut below = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) as usize % most
        };
        for _ in 0..50_000 {
            let mut body = seeds[below(seeds.len())].as_bytes().to_vec();
            for _ in 0..=below(2) {
                let (from, piece) = (below(body.len() + 1), pieces[below(pieces.len())]);
                let to = (from + below(5)).min(body.len());
                body.splice(from..to, piece.bytes());
            }
            let is_one = std::str::from_utf8(&body).is_ok_and(|text| serde_json::from_str::<Object>(text).is_ok());
            assert_eq!(Members::read(&body).is_some(), is_one, "{:?}", String::from_utf8_lossy(&body));
        }
    }
}
