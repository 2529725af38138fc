//! The providers, one row each. A new provider of a known dialect is one row here and nothing else (`tests/descriptors.rs`).
//!
//! Facts come from LiteLLM's own resolution, the providers' documentation and SDKs; what differs between deployments is configuration,
//! not a row.

use std::borrow::Cow;

use super::Origin::{Env, Setting};
use super::{Api, Call, Credential, Dialect, Habits, ORGANIZATION, Origin, Place, Provider, azure, bedrock, google};

pub(super) fn of_openai(call: Call<'_>) -> Option<Cow<'static, str>> {
    let keeps = call.dialect == Dialect::Responses;
    Some(Cow::Borrowed(match call.api {
        Api::Chat | Api::Kept if keeps => "/responses",
        Api::Compact if keeps => "/responses/compact",
        Api::Embeddings => "/embeddings",
        _ if keeps => return None,
        Api::Chat => "/chat/completions",
        Api::Completions => "/completions",
        Api::Passed(path) => path,
        _ => return None,
    }))
}

/// Of what is LiteLLM's provider for completions alone.
fn completions(call: Call<'_>) -> Option<Cow<'static, str>> {
    (call.api == Api::Completions).then_some(Cow::Borrowed("/completions"))
}

/// Of a provider that has nothing but embeddings.
pub(super) fn embeddings(call: Call<'_>) -> Option<Cow<'static, str>> {
    (call.api == Api::Embeddings).then_some(Cow::Borrowed("/embeddings"))
}

pub(super) fn of_anthropic(call: Call<'_>) -> Option<Cow<'static, str>> {
    match call.api {
        Api::Chat => Some(Cow::Borrowed("/v1/messages")),
        Api::CountTokens => Some(Cow::Borrowed("/v1/messages/count_tokens")),
        _ => None,
    }
}

/// Of a base that ends in the version.
fn of_cohere(call: Call<'_>) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match call.api {
        Api::Chat => "/chat",
        Api::Embeddings => "/embed",
        _ => return None,
    }))
}

fn of_ollama(call: Call<'_>) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match call.api {
        Api::Chat => "/api/chat",
        Api::Embeddings => "/api/embed",
        _ => return None,
    }))
}

/// LiteLLM's names say which version of the API is meant. The older one is no more.
fn of_cohere_version(_: Api, model: &str) -> Cow<'_, str> {
    Cow::Borrowed(model.strip_prefix("v2/").or_else(|| model.strip_prefix("v1/")).unwrap_or(model))
}

const fn cohere(name: &'static str) -> Provider {
    Provider {
        dialect: Dialect::Cohere,
        path: of_cohere,
        hears: &[],
        full_name: of_cohere_version,
        ..compatible(
            name,
            "https://api.cohere.com/v2",
            &[Setting("api_base"), Env("COHERE_API_BASE")],
            &[Setting("cohere_key"), Env("COHERE_API_KEY"), Env("CO_API_KEY"), Setting("api_key")],
        )
    }
}

/// Ollama's own API is not below the one that is compatible with OpenAI's, for which many bases are written.
fn of_ollamas_root(place: &Place<'_>) -> Option<String> {
    let written = place.written?.trim_end_matches('/');
    let root = ["/api/chat", "/api", "/v1/chat/completions", "/v1"].iter().find_map(|end| written.strip_suffix(end));
    root.map(str::to_owned)
}

const fn ollama(name: &'static str) -> Provider {
    Provider {
        dialect: Dialect::Ollama,
        base_url: of_ollamas_root,
        path: of_ollama,
        hears: &[],
        ..compatible(
            name,
            "http://localhost:11434",
            &[Setting("api_base"), Env("OLLAMA_API_BASE")],
            &[Setting("ollama_key"), Env("OLLAMA_API_KEY"), Setting("api_key")],
        )
    }
}

fn nothing_more(_: &Place<'_>) -> Option<String> {
    None
}

pub(super) fn itself(_: &str, _: &str) -> Option<&'static Provider> {
    None
}

fn as_written(_: Api, model: &str) -> Cow<'_, str> {
    Cow::Borrowed(model)
}

/// A row of OpenAI's dialect, with the key as a bearer token. `base_from` and `key_from`: in LiteLLM's order.
pub const fn compatible(
    name: &'static str,
    api_base: &'static str,
    base_from: &'static [Origin],
    key_from: &'static [Origin],
) -> Provider {
    Provider {
        name,
        dialect: Dialect::OpenAi,
        also: &[],
        api_base,
        known_at: &[],
        ends_in: "",
        place: &[],
        base_url: nothing_more,
        instead: itself,
        path: of_openai,
        credential: Credential::Bearer,
        base_from,
        key_from,
        headers: &[],
        hears: &["openai-beta"],
        takes_query: false,
        account: &[],
        common_headers: false,
        full_name: as_written,
        name_in_body: None,
        habits: Habits::COMMON,
        tokens: None,
        aws: None,
    }
}

/// Fireworks' names are paths; a short one is a model of its own, or a router. Embeddings are asked for by the name as it is written.
fn of_fireworks(api: Api, model: &str) -> Cow<'_, str> {
    const ROUTERS: [&str; 3] = ["firerouter", "auto", "auto-instant"];
    if api == Api::Embeddings {
        return Cow::Borrowed(model);
    }
    // LiteLLM's prefix, written twice.
    let model = model.strip_prefix("fireworks_ai/").unwrap_or(model);
    if model.starts_with("accounts/") || model.starts_with("FW-") || model.contains('#') {
        Cow::Borrowed(model)
    } else if model.starts_with("routers/") || model.starts_with("models/") {
        Cow::Owned(format!("accounts/fireworks/{model}"))
    } else if model.ends_with("-fast") || ROUTERS.contains(&model) || model.starts_with("firerouter/") {
        Cow::Owned(format!("accounts/fireworks/routers/{model}"))
    } else {
        Cow::Owned(format!("accounts/fireworks/models/{model}"))
    }
}

/// Hugging Face's router takes the provider that serves a model behind the model's name, and LiteLLM writes it before. Where none is named, the
/// router chooses.
fn of_huggingface(_: Api, model: &str) -> Cow<'_, str> {
    match model.split_once('/') {
        Some((by, name)) if name.contains('/') => Cow::Owned(format!("{name}:{by}")),
        _ => Cow::Borrowed(model),
    }
}

const HUGGINGFACE: Provider = Provider {
    full_name: of_huggingface,
    ends_in: "/v1",
    instead: at_endpoint,
    ..compatible(
        "huggingface",
        HUGGINGFACE_ROUTER,
        &[],
        &[Setting("huggingface_key"), Env("HF_TOKEN"), Env("HUGGINGFACE_API_KEY"), Setting("api_key")],
    )
};
const HUGGINGFACE_ROUTER: &str = "https://router.huggingface.co/v1";
/// An endpoint of one's own has no router, and models named as they are.
const HUGGINGFACE_ENDPOINT: Provider = Provider { full_name: as_written, instead: itself, ..HUGGINGFACE };

fn at_endpoint(_: &str, base: &str) -> Option<&'static Provider> {
    (!base.starts_with(HUGGINGFACE_ROUTER)).then_some(&HUGGINGFACE_ENDPOINT)
}

/// Those with something of their own: code, a dialect, an account. All others are in [`super::table`].
pub(super) const ROWS: &[Provider] = &[
    Provider {
        account: &[
            (ORGANIZATION, &[Setting("organization"), Env("OPENAI_ORGANIZATION"), Env("OPENAI_ORG_ID")]),
            ("openai-project", &[Env("OPENAI_PROJECT_ID")]),
        ],
        common_headers: true,
        also: &[Dialect::Responses],
        habits: Habits { is_openai: true, ..Habits::COMMON },
        ..compatible(
            "openai",
            "https://api.openai.com/v1",
            &[Setting("api_base"), Env("OPENAI_BASE_URL"), Env("OPENAI_API_BASE")],
            &[Setting("api_key"), Setting("openai_key"), Env("OPENAI_API_KEY")],
        )
    },
    Provider {
        name: "anthropic",
        dialect: Dialect::Anthropic,
        also: &[],
        api_base: "https://api.anthropic.com",
        known_at: &[],
        ends_in: "",
        place: &[],
        base_url: nothing_more,
        instead: itself,
        path: of_anthropic,
        credential: Credential::Header("x-api-key"),
        base_from: &[Setting("api_base"), Env("ANTHROPIC_API_BASE"), Env("ANTHROPIC_BASE_URL")],
        key_from: &[Setting("anthropic_key"), Setting("api_key"), Env("ANTHROPIC_API_KEY")],
        headers: &[("anthropic-version", "2023-06-01")],
        hears: &["anthropic-version", "anthropic-beta"],
        takes_query: true,
        account: &[],
        common_headers: false,
        full_name: as_written,
        name_in_body: None,
        habits: Habits::COMMON,
        tokens: None,
        aws: None,
    },
    Provider {
        path: completions,
        ..compatible(
            "text-completion-openai",
            "https://api.openai.com/v1",
            &[Setting("api_base"), Env("OPENAI_BASE_URL"), Env("OPENAI_API_BASE")],
            &[Setting("api_key"), Setting("openai_key"), Env("OPENAI_API_KEY")],
        )
    },
    HUGGINGFACE,
    cohere("cohere"),
    cohere("cohere_chat"),
    ollama("ollama"),
    ollama("ollama_chat"),
    azure::AZURE,
    azure::AZURE_TEXT,
    azure::AZURE_AI,
    bedrock::BEDROCK,
    bedrock::CONVERSE,
    google::GEMINI,
    google::VERTEX,
    Provider {
        full_name: of_fireworks,
        habits: Habits { strict_messages: true, ..Habits::COMMON },
        ..compatible(
            "fireworks_ai",
            "https://api.fireworks.ai/inference/v1",
            &[Env("FIREWORKS_API_BASE")],
            &[
                Env("FIREWORKS_API_KEY"),
                Env("FIREWORKS_AI_API_KEY"),
                Env("FIREWORKSAI_API_KEY"),
                Env("FIREWORKS_AI_TOKEN"),
            ],
        )
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fireworks_short_names_are_made_paths() {
        for (written, sent) in [
            ("llama-v3p1-70b-instruct", "accounts/fireworks/models/llama-v3p1-70b-instruct"),
            ("fireworks_ai/x", "accounts/fireworks/models/x"),
            ("accounts/me/models/x", "accounts/me/models/x"),
            ("x#accounts/me/deployments/y", "x#accounts/me/deployments/y"),
            ("models/x", "accounts/fireworks/models/x"),
            ("routers/x", "accounts/fireworks/routers/x"),
            ("auto", "accounts/fireworks/routers/auto"),
            ("x-fast", "accounts/fireworks/routers/x-fast"),
        ] {
            assert_eq!(of_fireworks(Api::Chat, written), sent);
            assert_eq!(of_fireworks(Api::Embeddings, written), written);
        }
    }

    #[test]
    fn a_model_of_responses_is_written_as_it_was_read() {
        let openai = crate::provider::by_name("openai").unwrap();
        for (model, mode, spoken, written) in [
            ("responses/gpt-5", "", Dialect::Responses, "openai/responses/gpt-5"),
            ("gpt-5-codex", "responses", Dialect::Responses, "openai/responses/gpt-5-codex"),
            ("gpt-5", "chat", Dialect::OpenAi, "openai/gpt-5"),
        ] {
            let (dialect, name) = openai.spoken(model, mode);
            assert_eq!((dialect, openai.written(name, dialect)), (spoken, written.to_owned()));
        }
    }
}
