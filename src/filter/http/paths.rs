//! The paths a client may ask, with and without `/v1`, as LiteLLM has them.
//!
//! **Invariant:** a path is taken apart before it is decoded, and decoded once: `%2F` within a model's name separates nothing, and
//! `%252F` stands for `%2F`.

use std::borrow::Cow;

use memchr::memchr;

use crate::dialect::Awaited;
pub use crate::provider::Api;

impl Api {
    /// What its answers must hold.
    pub(in crate::filter) const fn awaited(self) -> Awaited {
        match self {
            Self::Completions => Awaited::Completion,
            Self::Embeddings => Awaited::Embeddings,
            _ => Awaited::Chat,
        }
    }

    /// Its path, as clients know it.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Messages => "/messages",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::Responses | Self::Kept => "/responses",
            Self::Compact => "/responses/compact",
            Self::CountTokens => "/messages/count_tokens",
            Self::Passed(path) => path,
        }
    }
}

impl Api {
    /// Whether a parameter that a deployment brings is one of this API's.
    #[must_use]
    pub fn takes(self, param: &str) -> bool {
        const OF_EMBEDDINGS: &[&str] = &["dimensions", "encoding_format"];
        const OF_CHAT: &[&str] = &[
            "max_completion_tokens",
            "top_logprobs",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "response_format",
            "reasoning_effort",
            "thinking",
            "verbosity",
            "modalities",
            "audio",
            "prediction",
            "web_search_options",
            "store",
            "chat_template_kwargs",
            "cache_control",
        ];
        const OF_RESPONSES: &[&str] = &[
            "temperature",
            "top_p",
            "max_output_tokens",
            "parallel_tool_calls",
            "text",
            "reasoning",
            "user",
            "metadata",
            "service_tier",
            "prompt_cache_key",
            "safety_identifier",
            "store",
            "truncation",
            "include",
        ];
        const OF_MESSAGES: &[&str] = &["temperature", "top_p", "top_k", "max_tokens", "thinking", "cache_control"];
        match self {
            Self::Messages => OF_MESSAGES.contains(&param),
            Self::Responses => OF_RESPONSES.contains(&param),
            Self::Compact | Self::Kept | Self::CountTokens | Self::Passed(_) => false,
            Self::Chat => !OF_EMBEDDINGS.contains(&param),
            Self::Completions => !OF_EMBEDDINGS.contains(&param) && !OF_CHAT.contains(&param),
            Self::Embeddings => OF_EMBEDDINGS.contains(&param) || param == "user",
        }
    }
}

/// What goes to a provider of OpenAI's dialect as it came.
const PASSED: &[&str] = &[
    "/moderations",
    "/rerank",
    "/images/generations",
    "/images/edits",
    "/images/variations",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
];

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filter) enum Asked<'a> {
    Api(Api),
    /// Something of a response that a provider keeps ([`Api::Kept`]), by one of these methods.
    Kept(&'static str),
    Models,
    /// A model's name, percent-encoded as far as the client did so: [`decoded`].
    Model(&'a str),
    Nothing,
}

pub(in crate::filter) fn asked(path: &str) -> Asked<'_> {
    let path = path.split_once(['?', '#']).map_or(path, |(path, _)| path);
    let Some(path) = below(path, "") else { return Asked::Nothing };
    let path = below(path, "v1").unwrap_or(path);
    if let Some(model) = below(path, "models").filter(|model| !model.is_empty()) {
        return Asked::Model(model.strip_suffix('/').unwrap_or(model));
    }
    if let Some(kept) = below(path, "responses").map(|kept| kept.trim_end_matches('/')).filter(|kept| !kept.is_empty())
    {
        return match kept {
            "compact" => Asked::Api(Api::Compact),
            kept => kept_methods(kept).map_or(Asked::Nothing, Asked::Kept),
        };
    }
    let path = path.trim_end_matches('/');
    if let Some(passed) = PASSED.iter().find(|passed| passed.get(1..) == Some(path)) {
        return Asked::Api(Api::Passed(passed));
    }
    match path {
        "completions" => Asked::Api(Api::Completions),
        "embeddings" => Asked::Api(Api::Embeddings),
        "messages" => Asked::Api(Api::Messages),
        "responses" => Asked::Api(Api::Responses),
        "models" => Asked::Models,
        other if below(other, "chat") == Some("completions") => Asked::Api(Api::Chat),
        other if below(other, "messages") == Some("count_tokens") => Asked::Api(Api::CountTokens),
        _ => Asked::Nothing,
    }
}

/// The methods by which something is asked of a response that a provider keeps, by what follows on `responses`. `None`: it names none, and would
/// lead to something else of the provider's, by the gateway's key.
fn kept_methods(kept: &str) -> Option<&'static str> {
    let (id, more) = kept.split_once('/').unwrap_or((kept, ""));
    let id = decoded(id);
    let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:=+~".contains(&byte));
    match more {
        _ if !is_id || id.starts_with('.') || id == "input_tokens" => None,
        "" => Some("GET, DELETE"),
        "cancel" => Some("POST"),
        "input_items" => Some("GET"),
        _ => None,
    }
}

/// What follows on a part of a path and its slash; on several slashes too, since clients join a base that ends in one and a path that
/// begins with one.
fn below<'a>(path: &'a str, part: &str) -> Option<&'a str> {
    Some(path.strip_prefix(part)?.strip_prefix('/')?.trim_start_matches('/'))
}

/// A part of a path without its percent-encoding. A `%` that no two hexadecimal digits follow stands for itself.
pub(super) fn decoded(part: &str) -> Cow<'_, str> {
    if memchr(b'%', part.as_bytes()).is_none() {
        return Cow::Borrowed(part);
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, left) = match after {
            [high, low, left @ ..] if first == b'%' => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, left),
                _ => (first, after),
            },
            _ => (first, after),
        };
        bytes.push(byte);
        rest = left;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

const fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'a'..=b'f' => Some(hex - b'a' + 10),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_known_with_and_without_v1() {
        assert_eq!(asked("/v1/chat/completions?x=1"), Asked::Api(Api::Chat));
        assert_eq!(asked("/embeddings/"), Asked::Api(Api::Embeddings));
        assert_eq!(asked("/v1/models"), Asked::Models);
        assert_eq!(asked("/v1/messages?beta=true"), Asked::Api(Api::Messages));
        assert_eq!(asked("/v1/messages/count_tokens"), Asked::Api(Api::CountTokens));
        assert_eq!(asked("/v1/messages/batches"), Asked::Nothing);
        assert_eq!(asked("/responses/"), Asked::Api(Api::Responses));
        assert_eq!(asked("/v1/responses/compact"), Asked::Api(Api::Compact));
        assert_eq!(asked("/v1/responses/resp_1/cancel?x"), Asked::Kept("POST"));
        for elsewhere in
            ["..", ".", "../files", "%2e%2e", "..%2ffiles", "a%2f..", "a%5c..", "a/..;/b", "a/b", "a;b", "a%00"]
        {
            assert_eq!(asked(&format!("/v1/responses/{elsewhere}")), Asked::Nothing, "{elsewhere}");
        }
        assert_eq!(asked("/v1/responses/input_tokens"), Asked::Nothing);
        assert_eq!(asked("/v1/responses/resp_bGl0%3D%3D/input_items?limit=1"), Asked::Kept("GET"));
        assert_eq!(asked("/v1/audio/speech"), Asked::Api(Api::Passed("/audio/speech")));
        assert_eq!(asked("/v1/audio"), Asked::Nothing);
        assert_eq!(asked("/v1/models/a/b"), Asked::Model("a/b"));
        assert_eq!(asked("/v1chat/completions"), Asked::Nothing);
        assert_eq!(asked("//v1//chat//completions//"), Asked::Api(Api::Chat));
        assert_eq!(asked("/v1//models//a/b/"), Asked::Model("a/b"));
        assert_eq!(asked("/models//"), Asked::Models);
        assert_eq!(asked("/chat"), Asked::Nothing);
        assert_eq!(asked("/./v1/models"), Asked::Nothing);
        assert_eq!(asked("v1/models"), Asked::Nothing);
        assert_eq!(asked("/"), Asked::Nothing);
        assert_eq!(asked(""), Asked::Nothing);
    }

    #[test]
    fn d2_a_name_is_decoded_once() {
        let names = [
            ("gpt-4o", "gpt-4o"),
            ("openai%2Fgpt-4o", "openai/gpt-4o"),
            ("openai%2fgpt%3A1", "openai/gpt:1"),
            ("my%20model", "my model"),
            ("a+b", "a+b"),
            ("mod%C3%A8le", "modèle"),
            ("%252F", "%2F"),
            ("50%", "50%"),
            ("5%2", "5%2"),
            ("%%41", "%A"),
            ("%zz", "%zz"),
            ("%ff", "\u{fffd}"),
            ("%00", "\0"),
        ];
        for (part, name) in names {
            assert_eq!(decoded(part), name, "{part}");
        }
    }
}
