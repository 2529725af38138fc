//! AWS Bedrock: how LiteLLM spells its models, where they are, and where they stand in a path.

use std::borrow::Cow;

use super::Origin::Env;
use super::rows::compatible;
use super::{Api, Aws, Call, Dialect, Habits, Origin, Place, Provider};

/// The key of an entry that names the region, and where LiteLLM looks else.
const REGION: &str = "aws_region_name";
const REGIONS: &[Origin] = &[Env("AWS_REGION_NAME"), Env("AWS_REGION"), Env("AWS_DEFAULT_REGION")];
/// The key of an entry that names the host.
const ENDPOINT: &str = "aws_bedrock_runtime_endpoint";
/// Where LiteLLM asks if nothing names a region.
pub const USUAL_REGION: &str = "us-west-2";

/// Every model of Bedrock's that Converse serves, and embeddings.
pub(super) const BEDROCK: Provider = Provider {
    dialect: Dialect::Bedrock,
    place: &[(REGION, REGIONS), (ENDPOINT, &[Env("AWS_BEDROCK_RUNTIME_ENDPOINT")])],
    base_url: host,
    path,
    full_name: model,
    hears: &[],
    habits: Habits { flags: Some(("anthropic-beta", "anthropic_beta")), ..Habits::COMMON },
    aws: Some(Aws { service: "bedrock", region: REGION, endpoint: ENDPOINT, region_of, other_api }),
    ..compatible("bedrock", "", &[], &[Env("AWS_BEARER_TOKEN_BEDROCK")])
};

/// LiteLLM's other name for it.
pub(super) const CONVERSE: Provider = Provider { name: "bedrock_converse", ..BEDROCK };

/// What LiteLLM writes before a model of an API that is neither Converse nor embeddings.
const OTHERS: &[&str] =
    &["agent/", "agentcore/", "async_invoke/", "claude_platform/", "mantle/", "openai/", "realtime/"];

/// The prefix of another API of Bedrock's, where a model's name has one.
fn other_api(written: &str) -> Option<&'static str> {
    OTHERS.iter().find(|other| written.starts_with(**other)).copied()
}

/// The region that a model's name says.
fn region_of(written: &str) -> Option<&str> {
    parts(written).0
}

/// The host of the region, unless another one is named.
fn host(place: &Place<'_>) -> Option<String> {
    if place.written.is_some() {
        return None;
    }
    (place.says)(ENDPOINT).or_else(|| {
        let said = (place.says)(REGION);
        let region = region_of(place.model).or(said.as_deref()).unwrap_or(USUAL_REGION);
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Some(format!("https://bedrock-runtime.{region}.{domain}"))
    })
}

/// What LiteLLM writes before a model to choose among Bedrock's APIs. All of these are served by Converse, which has what they have.
const ROUTES: &[&str] = &["converse/", "converse_like/", "invoke/"];

/// The model as Bedrock names it: without LiteLLM's route and without the region in front of it.
fn model(_: Api, written: &str) -> Cow<'_, str> {
    Cow::Borrowed(parts(written).1)
}

/// The region that a model's name says, and the model: `eu-west-1/MODEL`, `arn:aws:bedrock:eu-west-1:…`.
fn parts(written: &str) -> (Option<&str>, &str) {
    let model = cut(written);
    let (region, model) = match model.split_once('/') {
        Some((region, model)) if is_region(region) => (Some(region), cut(model)),
        _ => (None, model),
    };
    // An imported model may have the name of its kind before it.
    let model = model.find("arn:").filter(|at| *at > 0).and_then(|at| model.get(at..)).unwrap_or(model);
    let of_arn = model.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).filter(|region| is_region(region));
    (region.or(of_arn), model)
}

/// A name without LiteLLM's route in front of it.
fn cut(model: &str) -> &str {
    ROUTES.iter().find_map(|route| model.strip_prefix(route)).unwrap_or(model)
}

/// Whether a word has the form of a region's name: `us-east-1`, `us-gov-west-1`.
pub fn is_region(word: &str) -> bool {
    let mut parts = word.rsplit('-');
    let is_number = parts.next().is_some_and(|last| !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()));
    let names: Vec<&str> = parts.collect();
    let is_name = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    is_number && names.len() >= 2 && names.iter().all(is_name)
}

/// Where a request goes.
fn path(call: Call<'_>) -> Option<Cow<'static, str>> {
    let verb = match (call.api, call.stream) {
        (Api::Chat, true) => "converse-stream",
        (Api::Chat, false) => "converse",
        (Api::Embeddings, _) => "invoke",
        _ => return None,
    };
    Some(Cow::Owned(format!("/model/{}/{verb}", encoded(parts(call.model).1))))
}

/// A part of a path, percent-encoded as AWS' signature wants it.
fn encoded(model: &str) -> String {
    let mut encoded = String::with_capacity(model.len() + 16);
    for byte in model.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Dialect;

    #[test]
    fn k21_names_say_their_region() {
        const HAIKU: &str = "anthropic.claude-haiku-4-5-20251001-v1:0";
        const ARN: &str = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6";
        for (written, region, model) in [
            (HAIKU.to_owned(), None, HAIKU),
            (format!("converse/{HAIKU}"), None, HAIKU),
            (format!("invoke/us.{HAIKU}"), None, "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
            (format!("eu-west-1/{HAIKU}"), Some("eu-west-1"), HAIKU),
            (format!("converse/eu-west-1/{HAIKU}"), Some("eu-west-1"), HAIKU),
            (format!("us-gov-west-1/converse/{HAIKU}"), Some("us-gov-west-1"), HAIKU),
            (ARN.to_owned(), Some("eu-west-1"), ARN),
            (format!("converse/{ARN}"), Some("eu-west-1"), ARN),
            (format!("invoke/deepseek_r1/{ARN}"), Some("eu-west-1"), ARN),
            ("*".to_owned(), None, "*"),
        ] {
            assert_eq!(parts(&written), (region, model), "{written}");
        }
        assert!(["us-east", "1", "us-east-", "a/b-1", "us--1", "claude-3-5"].iter().all(|word| !is_region(word)));
    }

    #[test]
    fn k20_an_arn_is_one_part_of_the_path() {
        let at =
            |model, stream, api| path(Call { api, dialect: Dialect::Bedrock, model, stream }).unwrap().into_owned();
        assert_eq!(
            at("arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6", false, Api::Chat),
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2c3d4e5f6/converse"
        );
        assert_eq!(at("eu-west-1/a.b-v1:0", true, Api::Chat), "/model/a.b-v1%3A0/converse-stream");
        assert_eq!(
            at("amazon.titan-embed-text-v2:0", false, Api::Embeddings),
            "/model/amazon.titan-embed-text-v2%3A0/invoke"
        );
    }
}
