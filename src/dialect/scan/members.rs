//! Picks the interesting members out of a body's top level, raw, and skips the others without building anything.
//!
//! Written by hand where a derive would do, because a derive refuses every member that comes twice, and providers do not.
//!
//! **Invariant:** the parser skips raw values in a loop, not by recursion.

use std::fmt;

use serde::Deserialize;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The members that are of interest, raw. JSON `null` is none; of the same name twice, the last counts.
#[derive(Default)]
pub struct Members<'a> {
    /// How often `model` is there, `null` included.
    pub models: u32,
    pub model: Option<&'a RawValue>,
    pub messages: Option<&'a RawValue>,
    pub stream: Option<&'a RawValue>,
    pub stream_options: Option<&'a RawValue>,
    /// It is there, `null` included.
    pub has_stream_options: bool,
    pub tools: Option<&'a RawValue>,
    pub functions: Option<&'a RawValue>,
    pub n: Option<&'a RawValue>,
    pub logprobs: Option<&'a RawValue>,
    pub top_logprobs: Option<&'a RawValue>,
    pub logit_bias: Option<&'a RawValue>,
    pub modalities: Option<&'a RawValue>,
    pub audio: Option<&'a RawValue>,
    pub response_format: Option<&'a RawValue>,
    pub max_tokens: Option<&'a RawValue>,
    pub max_completion_tokens: Option<&'a RawValue>,
    pub num_retries: Option<&'a RawValue>,
    pub timeout: Option<&'a RawValue>,
    pub fallbacks: Option<&'a RawValue>,
    pub disable_fallbacks: Option<&'a RawValue>,
    pub tags: Option<&'a RawValue>,
    pub metadata: Option<&'a RawValue>,
    pub allowed_model_region: Option<&'a RawValue>,
    pub mock_testing_fallbacks: Option<&'a RawValue>,
    pub mock_testing_context_fallbacks: Option<&'a RawValue>,
    pub mock_testing_content_policy_fallbacks: Option<&'a RawValue>,
    pub mock_testing_rate_limit_error: Option<&'a RawValue>,
    /// One of [`CLIENT_SIDE`].
    pub client_side: Option<&'a RawValue>,
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

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Model,
    Messages,
    Stream,
    StreamOptions,
    Tools,
    Functions,
    N,
    Logprobs,
    TopLogprobs,
    LogitBias,
    Modalities,
    Audio,
    ResponseFormat,
    MaxTokens,
    MaxCompletionTokens,
    NumRetries,
    Timeout,
    Fallbacks,
    DisableFallbacks,
    Tags,
    Metadata,
    AllowedModelRegion,
    MockTestingFallbacks,
    MockTestingContextFallbacks,
    MockTestingContentPolicyFallbacks,
    MockTestingRateLimitError,
    #[serde(
        alias = "api_base",
        alias = "base_url",
        alias = "api_key",
        alias = "user_config",
        alias = "model_list",
        alias = "litellm_credential_name",
        alias = "vertex_credentials",
        alias = "vertex_ai_credentials",
        alias = "azure_ad_token",
        alias = "aws_access_key_id",
        alias = "aws_secret_access_key",
        alias = "aws_session_token",
        alias = "aws_web_identity_token",
        alias = "aws_role_name",
        alias = "aws_profile_name",
        alias = "aws_sts_endpoint",
        alias = "aws_bedrock_runtime_endpoint",
        alias = "sagemaker_base_url",
        alias = "s3_endpoint_url"
    )]
    ClientSide,
    #[serde(other)]
    Other,
}

impl<'a> Members<'a> {
    const fn slot(&mut self, name: &Name) -> Option<&mut Option<&'a RawValue>> {
        Some(match name {
            Name::Model => {
                self.models += 1;
                &mut self.model
            }
            Name::Messages => &mut self.messages,
            Name::Stream => &mut self.stream,
            Name::StreamOptions => {
                self.has_stream_options = true;
                &mut self.stream_options
            }
            Name::Tools => &mut self.tools,
            Name::Functions => &mut self.functions,
            Name::N => &mut self.n,
            Name::Logprobs => &mut self.logprobs,
            Name::TopLogprobs => &mut self.top_logprobs,
            Name::LogitBias => &mut self.logit_bias,
            Name::Modalities => &mut self.modalities,
            Name::Audio => &mut self.audio,
            Name::ResponseFormat => &mut self.response_format,
            Name::MaxTokens => &mut self.max_tokens,
            Name::MaxCompletionTokens => &mut self.max_completion_tokens,
            Name::NumRetries => &mut self.num_retries,
            Name::Timeout => &mut self.timeout,
            Name::Fallbacks => &mut self.fallbacks,
            Name::DisableFallbacks => &mut self.disable_fallbacks,
            Name::Tags => &mut self.tags,
            Name::Metadata => &mut self.metadata,
            Name::AllowedModelRegion => &mut self.allowed_model_region,
            Name::MockTestingFallbacks => &mut self.mock_testing_fallbacks,
            Name::MockTestingContextFallbacks => &mut self.mock_testing_context_fallbacks,
            Name::MockTestingContentPolicyFallbacks => &mut self.mock_testing_content_policy_fallbacks,
            Name::MockTestingRateLimitError => &mut self.mock_testing_rate_limit_error,
            // One that says nothing hides none that says something.
            Name::ClientSide if self.client_side.is_some() => return None,
            Name::ClientSide => &mut self.client_side,
            Name::Other => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members::default();
                while let Some(name) = map.next_key::<Name>()? {
                    match members.slot(&name) {
                        Some(slot) => *slot = map.next_value()?,
                        None => _ = map.next_value::<IgnoredAny>()?,
                    }
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Walk)
    }
}
