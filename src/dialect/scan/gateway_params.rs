//! What a request says to the gateway rather than to the model: LiteLLM's members of the body. A provider refuses what it does not know,
//! so they are taken out before the body goes on.
//!
//! **Invariant:** a parameter of the wrong form counts as absent, and is taken out as well.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::body_defaults::object;
use super::members::Members;
use super::{BodyScan, inside, is_true};

const GATEWAY_PARAMS: &[&str] = &[
    "num_retries",
    "timeout",
    "fallbacks",
    "disable_fallbacks",
    "tags",
    "allowed_model_region",
    "mock_testing_fallbacks",
    "mock_testing_context_fallbacks",
    "mock_testing_content_policy_fallbacks",
    "mock_testing_rate_limit_error",
];

/// A failure that a request asks to be shown, to see what the configuration makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MockFailure {
    /// `mock_testing_fallbacks`: nobody of the model that was asked for serves.
    Fallbacks,
    /// `mock_testing_context_fallbacks`: the prompt is too long for it.
    ContextWindow,
    /// `mock_testing_content_policy_fallbacks`: it refuses the content.
    ContentPolicy,
    /// `mock_testing_rate_limit_error`: its first deployment has no room.
    RateLimit,
}

impl MockFailure {
    /// Each with its member, in the order in which LiteLLM looks for them.
    const fn members<'a>(members: &Members<'a>) -> [(Self, Option<&'a [u8]>); 4] {
        [
            (Self::Fallbacks, members.mock_testing_fallbacks),
            (Self::ContextWindow, members.mock_testing_context_fallbacks),
            (Self::ContentPolicy, members.mock_testing_content_policy_fallbacks),
            (Self::RateLimit, members.mock_testing_rate_limit_error),
        ]
    }

    pub(super) fn of(members: &Members<'_>) -> Option<Self> {
        Self::members(members).into_iter().find(|(_, raw)| is_true(*raw)).map(|(mock_failure, _)| mock_failure)
    }
}

impl Members<'_> {
    /// Whether any of [`GATEWAY_PARAMS`] is there.
    pub(super) fn name_gateway_params(&self) -> bool {
        let own = [
            self.num_retries,
            self.timeout,
            self.fallbacks,
            self.disable_fallbacks,
            self.tags,
            self.allowed_model_region,
        ];
        own.iter().any(Option::is_some) || MockFailure::members(self).iter().any(|(_, raw)| raw.is_some())
    }
}

impl BodyScan<'_> {
    /// Whether the body holds parameters that are meant for the gateway ([`strip_gateway_params`]).
    #[must_use]
    pub fn has_gateway_params(&self) -> bool {
        self.names_gateway_params || self.metadata.is_some_and(has_tags)
    }

    /// `tags` of this request, from its own member or, as LiteLLM's clients send them, from its `metadata`.
    #[must_use]
    pub fn tags(&self) -> Vec<String> {
        let mut tags: Vec<String> = inside(self.tags).unwrap_or_default();
        if let Some(more) = self.metadata.and_then(tags_of) {
            tags.extend(more);
        }
        tags
    }

    /// The models of the request's own `fallbacks`. Those that bring parameters of their own are left out: the request that they
    /// ask for is another one.
    #[must_use]
    pub fn fallback_models(&self) -> Vec<String> {
        let items: Vec<&RawValue> = inside(self.fallbacks).unwrap_or_default();
        let model = |raw: &&RawValue| {
            let raw = raw.get().as_bytes();
            let only: Option<Model> = inside(Some(raw));
            inside(Some(raw)).or(only.map(|it| it.model))
        };
        items.iter().filter_map(model).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    model: String,
}

#[derive(Deserialize)]
struct Metadata {
    tags: Vec<String>,
}

fn tags_of(metadata: &[u8]) -> Option<Vec<String>> {
    inside::<Metadata>(Some(metadata)).map(|metadata| metadata.tags)
}

/// OpenAI's own `metadata` holds texts only, so that with a list of tags is LiteLLM's.
fn has_tags(metadata: &[u8]) -> bool {
    tags_of(metadata).is_some()
}

/// The body without the parameters that are meant for the gateway; everything else keeps its very bytes. A body that is no
/// object stays as it is.
#[must_use]
pub fn strip_gateway_params(body: &[u8]) -> Vec<u8> {
    let kept = object(body).map(|mut members| {
        members.retain(|name, value| {
            !(GATEWAY_PARAMS.contains(&&**name) || name == "metadata" && has_tags(value.get().as_bytes()))
        });
        members
    });
    kept.and_then(|members| serde_json::to_vec(&members).ok()).unwrap_or_else(|| body.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_fallbacks_are_read_in_litellms_forms() {
        let head = |body: &'static str| BodyScan::read(body.as_bytes()).unwrap();
        let with = head(r#"{"model":"m","tags":["a"],"metadata":{"x":1,"tags":["b"]},"allowed_model_region":"eu"}"#);
        assert_eq!((with.tags(), with.region.as_deref()), (vec!["a".to_owned(), "b".to_owned()], Some("eu")));
        assert!(with.has_gateway_params());
        let own = head(r#"{"model":"m","metadata":{"tags":"sale"}}"#);
        assert!(own.tags().is_empty() && !own.has_gateway_params(), "OpenAI's metadata stays");
        let items = r#"{"model":"m","fallbacks":["a",{"model":"b"},{"model":"c","messages":[]},7]}"#;
        assert_eq!(head(items).fallback_models(), ["a", "b"]);
        assert!(head(r#"{"model":"m","fallbacks":"a","tags":{"a":1}}"#).fallback_models().is_empty());
    }

    #[test]
    fn a_mock_failure_is_what_is_true_and_taken_out_also_where_it_is_not() {
        let head = |member: &str| {
            let body = format!(r#"{{"model":"m",{member}}}"#);
            let head = BodyScan::read(body.as_bytes()).unwrap();
            assert_eq!(strip_gateway_params(body.as_bytes()), br#"{"model":"m"}"#);
            (head.mock_failure, head.has_gateway_params())
        };
        assert_eq!(head(r#""mock_testing_fallbacks":true"#), (Some(MockFailure::Fallbacks), true));
        assert_eq!(head(r#""mock_testing_context_fallbacks":true"#), (Some(MockFailure::ContextWindow), true));
        assert_eq!(head(r#""mock_testing_content_policy_fallbacks":true"#), (Some(MockFailure::ContentPolicy), true));
        assert_eq!(head(r#""mock_testing_rate_limit_error":true"#), (Some(MockFailure::RateLimit), true));
        assert_eq!(head(r#""mock_testing_fallbacks":false"#), (None, true));
        let both = r#""mock_testing_rate_limit_error":true,"mock_testing_context_fallbacks":true"#;
        assert_eq!(head(both), (Some(MockFailure::ContextWindow), true));
    }

    #[test]
    fn gateway_params_are_taken_out_and_the_rest_keeps_its_bytes() {
        let body =
            br#"{"model":"m","tags":1,"metadata":{"tags":["b"]},"x":1.50,"fallbacks":[],"timeout":3,"num_retries":1}"#;
        assert_eq!(strip_gateway_params(body), br#"{"model":"m","x":1.50}"#);
        assert_eq!(strip_gateway_params(br#"{"metadata":{"tags":"b"}}"#), br#"{"metadata":{"tags":"b"}}"#);
        assert_eq!(strip_gateway_params(b"[1"), b"[1");
    }
}
