//! Google: Gemini's own API, whose models and ways of asking stand in the path.

use std::borrow::Cow;

use super::Origin::{Env, Setting};
use super::rows::compatible;
use super::{Api, Call, Credential, Dialect, Provider};

/// Parameters that a deployment may bring.
pub(super) const PARAMETERS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "thinking",
    "stream_options",
    "safety_settings",
    "labels",
];

/// Google AI Studio.
pub(super) const GEMINI: Provider = Provider {
    dialect: Dialect::Gemini,
    path: of_gemini,
    credential: Credential::Header("x-goog-api-key"),
    full_name: plain,
    ..compatible(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta",
        &[Setting("api_base"), Env("GEMINI_API_BASE")],
        &[Env("GOOGLE_API_KEY"), Env("GEMINI_API_KEY")],
    )
};

fn of_gemini(call: Call<'_>) -> Option<Cow<'static, str>> {
    let how = match (call.api, call.stream) {
        (Api::Chat, false) => "generateContent",
        (Api::Chat, true) => "streamGenerateContent?alt=sse",
        _ => return None,
    };
    let below = if call.model.starts_with("tunedModels/") { "" } else { "models/" };
    Some(Cow::Owned(format!("/{below}{}:{how}", in_path(call.model))))
}

/// The name of a model as it stands in a path.
fn in_path(model: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'@' | b'/');
    if model.bytes().all(plain) {
        return Cow::Borrowed(model);
    }
    let escaped = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    Cow::Owned(model.bytes().map(escaped).collect())
}

/// The name without the path that some write before it.
fn plain(_: Api, model: &str) -> Cow<'_, str> {
    let paths = ["publishers/google/models/", "models/", "google/"];
    Cow::Borrowed(paths.iter().find_map(|path| model.strip_prefix(path)).unwrap_or(model))
}
