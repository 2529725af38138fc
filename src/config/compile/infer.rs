//! What LiteLLM knows of a model by its name: its provider where the name does not say, and what is asked of it where that is not chat.
//!
//! A list of LiteLLM's own (data/names.csv), and a few families for names that are newer than the list. Only the command line has the list:
//! it writes the provider out for the filter.
//!
//! **Invariant:** a name that LiteLLM knows has the provider that LiteLLM takes it for.

/// Families of names, for what the list does not have.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("ft:gpt-", "openai"),
    ("text-embedding-", "openai"),
    ("claude-", "anthropic"),
];

/// What the paths here serve, as LiteLLM calls it.
const SERVED: &[&str] = &["", "chat", "completion", "embedding"];

#[cfg(feature = "cli")]
const NAMES: &str = include_str!("../../../data/names.csv");
#[cfg(not(feature = "cli"))]
const NAMES: &str = "";

/// The provider that LiteLLM takes a name for; it may be one that is not served here.
pub(super) fn provider(model: &str) -> Option<&'static str> {
    let listed = row(model).map(|(provider, _)| provider);
    let family = || FAMILIES.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, name)| *name);
    let family = || family().or_else(|| is_claude_of_bedrock(model).then_some("bedrock"));
    // What OpenAI calls completions is another provider to LiteLLM, at the same host.
    listed.or_else(family).map(|name| if name == "text-completion-openai" { "openai" } else { name })
}

/// Whether a name is one of Bedrock's for a Claude, perhaps with an area before it: `eu.anthropic.claude-…`.
fn is_claude_of_bedrock(model: &str) -> bool {
    let is_area = |before: &str| before.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let rest = model.split_once('.').filter(|(area, _)| is_area(area)).map_or("", |(_, rest)| rest);
    [model, rest].iter().any(|name| name.starts_with("anthropic.claude-"))
}

/// What a provider's model is for, in LiteLLM's word; empty: chat, or not known.
pub(super) fn mode(provider: &str, model: &str) -> &'static str {
    let bare = row(model).filter(|(known, _)| *known == provider);
    bare.or_else(|| row(&format!("{provider}/{model}"))).map_or("", |(_, mode)| mode)
}

/// Whether a mode is one of those whose requests pass as they come, to providers of OpenAI's dialect.
pub(super) fn is_passed(mode: &str) -> bool {
    let passed = ["audio_speech", "audio_transcription", "image_edit", "image_generation", "moderation", "rerank"];
    passed.contains(&mode)
}

/// Whether a mode is one that some path here serves at every provider. A word that is none of LiteLLM's is no reason to doubt.
pub(super) fn is_served(mode: &str) -> bool {
    let known = [
        "audio_speech",
        "audio_transcription",
        "image_edit",
        "image_generation",
        "moderation",
        "ocr",
        "realtime",
        "rerank",
        "responses",
        "search",
        "vector_store",
        "video_generation",
    ];
    SERVED.contains(&mode) || !known.contains(&mode)
}

fn row(name: &str) -> Option<(&'static str, &'static str)> {
    let lines = NAMES.lines().filter(|line| !line.starts_with('#'));
    lines.skip(1).find_map(|line| {
        let mut cells = line.split(',');
        (cells.next() == Some(name)).then_some(())?;
        Some((cells.next()?, cells.next()?))
    })
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_for_whom_litellm_takes_them() {
        for (model, wanted) in [
            ("gpt-4o", Some("openai")),
            ("whisper-1", Some("openai")),
            ("gpt-image-1", Some("openai")),
            ("gpt-3.5-turbo-instruct", Some("openai")),
            ("claude-3-opus-20240229", Some("anthropic")),
            ("claude-opus-99", Some("anthropic")),
            ("gemini-2.5-flash", Some("vertex_ai")),
            ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", Some("bedrock")),
            ("anthropic.claude-9-20990101-v1:0", Some("bedrock")),
            ("us-gov.anthropic.claude-9", Some("bedrock")),
            ("b/z.anthropic.claude-9", None),
            ("command-r-08-2024", Some("cohere_chat")),
            ("llama2", None),
            ("name", None),
            ("", None),
        ] {
            assert_eq!(provider(model), wanted, "{model}");
        }
        assert_eq!(
            (mode("openai", "whisper-1"), mode("groq", "whisper-large-v3")),
            ("audio_transcription", "audio_transcription")
        );
        assert_eq!(
            (mode("openai", "gpt-4o"), mode("groq", "whisper-1"), mode("openai", "text-embedding-3-small")),
            ("", "", "embedding")
        );
        assert!(is_served("chat") && is_served("embedding") && is_served("fun") && !is_served("rerank"));
    }
}
