//! Google: Gemini's own API, and Vertex AI, where a project runs models of several makers. Models and ways of asking stand in the path.
//!
//! **Invariant:** a base URL that was made here is made of itself again.

use std::borrow::Cow;

use super::Origin::{Env, Setting};
use super::rows::{compatible, itself};
use super::{Api, Call, Credential, Dialect, Habits, Origin, Place, Provider, Tokens};

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
    "modalities",
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

/// Other names of a provider.
pub(super) const ALIASES: &[(&str, &str)] = &[("vertex_ai_beta", "vertex_ai")];
/// Keys that name a service account or the like.
pub(super) const CREDENTIALS: &[&str] = &["vertex_credentials", "vertex_ai_credentials"];
/// The variable that holds an access token.
pub(super) const TOKEN: &str = "VERTEXAI_ACCESS_TOKEN";
/// Where Vertex AI is asked where nobody says.
const USUAL_LOCATION: &str = "us-central1";
const PROJECTS: &[Origin] = &[Setting("vertex_project"), Env("VERTEXAI_PROJECT")];
const LOCATIONS: &[Origin] = &[Setting("vertex_location"), Env("VERTEXAI_LOCATION")];

/// Vertex AI: Gemini's models.
pub(super) const VERTEX: Provider = Provider {
    dialect: Dialect::Gemini,
    place: &[
        ("vertex_project", PROJECTS),
        ("vertex_ai_project", &[]),
        ("vertex_location", LOCATIONS),
        ("vertex_ai_location", &[]),
    ],
    base_url: of_project,
    instead: by_maker,
    path: of_vertex,
    full_name: plain,
    habits: Habits { predicts: Some(ALONE), ..Habits::COMMON },
    tokens: Some(Tokens::Google),
    ..compatible("vertex_ai", "", &[Setting("api_base"), Env("VERTEXAI_API_BASE")], &[Env(TOKEN)])
};

/// Vertex AI: Anthropic's models.
const CLAUDE: Provider = Provider {
    dialect: Dialect::Anthropic,
    instead: itself,
    path: of_claude,
    hears: &["anthropic-beta"],
    habits: Habits {
        version_in_body: Some("vertex-2023-10-16"),
        fetches_nothing: true,
        known_flags: FLAGS,
        ..Habits::COMMON
    },
    ..VERTEX
};

/// Anthropic's flags that Vertex AI takes, by LiteLLM's list of them: it refuses a request with any other.
const FLAGS: &[&str] = &[
    "compact-2026-01-12",
    "computer-use-2025-01-24",
    "computer-use-2025-11-24",
    "context-1m-2025-08-07",
    "context-management-2025-06-27",
    "dangerous-tool-use-2026-09-03",
    "inline-tools-2026-09-15",
    "interleaved-thinking-2025-05-14",
    "per-turn-control-2026-07-01",
    "thinking-binding-controls-2026-08-01",
    "thinking-display-updates-2026-08-18",
    "tool-search-tool-2025-10-19",
    "web-search-2025-03-05",
];

/// Vertex AI: models of others, which its API compatible with OpenAI's serves.
const OTHERS: Provider = Provider { dialect: Dialect::OpenAi, instead: itself, path: of_others, ..VERTEX };

/// Vertex AI: Mistral's models, asked as at Mistral.
const MISTRAL: Provider = Provider {
    path: of_mistral,
    name_in_body: Some(without_version),
    habits: Habits { strict_messages: true, rigid_turns: true, older_limit: true, ..Habits::COMMON },
    ..OTHERS
};

/// Vertex AI: a model of one's own on an endpoint, which is its name, and has no other.
const ENDPOINT: Provider = Provider { path: of_endpoint, name_in_body: Some(nameless), ..OTHERS };

fn by_maker(model: &str, _: &str) -> Option<&'static Provider> {
    let model = plain(Api::Chat, model);
    if model.contains("claude") {
        Some(&CLAUDE)
    } else if ["mistral", "ministral", "codestral"].iter().any(|maker| model.starts_with(maker)) {
        Some(&MISTRAL)
    } else if model.strip_prefix(SERVED_AS_OPENAI).is_some_and(is_number) {
        Some(&ENDPOINT)
    } else if model.contains('/') {
        Some(&OTHERS)
    } else {
        None
    }
}

/// The project's part of a location.
fn of_project(place: &Place<'_>) -> Option<String> {
    let says = |name: &str, other: &str| (place.says)(name).or_else(|| (place.says)(other));
    let written = place.written.map(|url| url.trim().trim_end_matches('/'));
    if let Some(base) = written.filter(|base| base.contains("/projects/")) {
        return Some(base.split_once("/publishers/").map_or(base, |(base, _)| base).to_owned());
    }
    let project = says("vertex_project", "vertex_ai_project")?;
    let location = says("vertex_location", "vertex_ai_location");
    let location = location.as_deref().unwrap_or(USUAL_LOCATION);
    let host = match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        // More than one region.
        area if !area.contains('-') => format!("https://aiplatform.{area}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    };
    let host = written.map_or(host, |base| base.strip_suffix("/v1").unwrap_or(base).to_owned());
    Some(format!("{host}/v1/projects/{project}/locations/{location}"))
}

fn of_vertex(call: Call<'_>) -> Option<Cow<'static, str>> {
    let how = how(call, if call.model.starts_with(ALONE) { "embedContent" } else { "predict" })?;
    // A model of one's own is an endpoint.
    let below = if is_number(call.model) { "endpoints" } else { "publishers/google/models" };
    Some(Cow::Owned(format!("/{below}/{}:{how}", in_path(call.model))))
}

fn of_claude(call: Call<'_>) -> Option<Cow<'static, str>> {
    let how = if call.stream { "streamRawPredict" } else { "rawPredict" };
    (call.api == Api::Chat).then(|| Cow::Owned(format!("/publishers/anthropic/models/{}:{how}", in_path(call.model))))
}

fn of_mistral(call: Call<'_>) -> Option<Cow<'static, str>> {
    let how = if call.stream { "streamRawPredict" } else { "rawPredict" };
    (call.api == Api::Chat).then(|| Cow::Owned(format!("/publishers/mistralai/models/{}:{how}", in_path(call.model))))
}

fn of_endpoint(call: Call<'_>) -> Option<Cow<'static, str>> {
    let number = call.model.strip_prefix(SERVED_AS_OPENAI).unwrap_or(call.model);
    (call.api == Api::Chat).then(|| Cow::Owned(format!("/endpoints/{number}/chat/completions")))
}

fn without_version(model: &str) -> &str {
    model.split('@').next().unwrap_or(model)
}

const fn nameless(_: &str) -> &str {
    ""
}

fn is_number(model: &str) -> bool {
    !model.is_empty() && model.bytes().all(|byte| byte.is_ascii_digit())
}

fn of_others(call: Call<'_>) -> Option<Cow<'static, str>> {
    (call.api == Api::Chat).then_some(Cow::Borrowed("/endpoints/openapi/chat/completions"))
}

/// How LiteLLM writes that an endpoint of one's own speaks OpenAI's dialect.
const SERVED_AS_OPENAI: &str = "openai/";

/// Models whose embeddings are asked for one at a time at Vertex AI.
const ALONE: &str = "gemini-embedding-2";

/// How a model is asked.
fn how(call: Call<'_>, embeds: &'static str) -> Option<&'static str> {
    match (call.api, call.stream) {
        (Api::Embeddings, _) => Some(embeds),
        (Api::Chat, false) => Some("generateContent"),
        (Api::Chat, true) => Some("streamGenerateContent?alt=sse"),
        _ => None,
    }
}

fn of_gemini(call: Call<'_>) -> Option<Cow<'static, str>> {
    let how = how(call, "batchEmbedContents")?;
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
    let paths = [
        "publishers/google/models/",
        "publishers/anthropic/models/",
        "models/",
        "google/",
        "anthropic/",
        "mistralai/",
        // LiteLLM's word for a Gemini that one tuned.
        "gemini/",
    ];
    Cow::Borrowed(paths.iter().find_map(|path| model.strip_prefix(path)).unwrap_or(model))
}
