//! Azure: one resource has several APIs, and which one a deployment means is said by its base URL, the version of the API and the model.
//!
//! **Invariant:** a base URL that was made here is made of itself again.

use std::borrow::Cow;

use super::Origin::{Env, Setting};
use super::rows::{compatible, of_anthropic, of_openai};
use super::{Api, Call, Credential, Dialect, Habits, Origin, Place, Provider, Tokens};

/// What LiteLLM asks for where nobody names a version.
const USUAL_VERSION: &str = "2025-02-01-preview";
/// What stands for a version where the API is the one without versions.
const WITHOUT_VERSION: &[&str] = &["preview", "latest", "v1"];
/// The first version that has Responses.
const FIRST_OF_RESPONSES: &str = "2025-03-01";
const VERSION: &str = "api_version";
const KEY: Credential = Credential::Header("api-key");
const VERSIONS: &[Origin] = &[Setting(VERSION), Env("AZURE_API_VERSION")];
const BASES: &[Origin] = &[Setting("api_base"), Env("AZURE_API_BASE")];
const KEYS: &[Origin] = &[Setting("api_key"), Setting("azure_key"), Env("AZURE_OPENAI_API_KEY"), Env("AZURE_API_KEY")];

/// OpenAI's models, a deployment each.
pub(super) const AZURE: Provider = Provider {
    credential: KEY,
    also: &[Dialect::Responses],
    place: &[(VERSION, VERSIONS)],
    base_url: of_resource,
    instead: by_deployment,
    full_name: without_family,
    habits: Habits { is_openai: true, named_by_owner: true, ..Habits::COMMON },
    tokens: Some(Tokens::Entra),
    ..compatible("azure", "", BASES, KEYS)
};

/// LiteLLM's name for those that serve completions alone.
pub(super) const AZURE_TEXT: Provider =
    Provider { name: "azure_text", also: &[], instead: by_deployment_as_text, ..AZURE };

/// Everybody's models.
pub(super) const AZURE_AI: Provider = Provider {
    credential: KEY,
    place: &[(VERSION, &[])],
    full_name: without_family,
    base_url: of_foundry,
    instead: by_model,
    tokens: Some(Tokens::Entra),
    ..compatible("azure_ai", "", &[Env("AZURE_AI_API_BASE"), Setting("api_base")], &[Env("AZURE_AI_API_KEY")])
};

/// A base that names the deployment, or a gateway that does: there is nothing but what a deployment has.
const AT_DEPLOYMENT: Provider = Provider { also: &[], instead: super::rows::itself, ..AZURE };
const OF_DEPLOYMENT: Provider = Provider { path: in_path, ..AT_DEPLOYMENT };
const WITH_RESPONSES: Provider = Provider { also: AZURE.also, ..OF_DEPLOYMENT };
const TEXT_OF_DEPLOYMENT: Provider = Provider { name: AZURE_TEXT.name, ..OF_DEPLOYMENT };
const AI_OF_DEPLOYMENT: Provider = Provider { name: AZURE_AI.name, key_from: AZURE_AI.key_from, ..OF_DEPLOYMENT };
const SERVERLESS: Provider = Provider { credential: Credential::Bearer, ..AZURE_AI };
const CLAUDE: Provider = Provider {
    dialect: super::Dialect::Anthropic,
    path: of_anthropic,
    headers: &[("anthropic-version", "2023-06-01")],
    ..AZURE_AI
};

/// The path of a deployment, or of Responses, which are not below it; the base ends in `/openai`.
fn in_path(call: Call<'_>) -> Option<Cow<'static, str>> {
    let below = of_openai(call)?;
    if below.starts_with("/responses") {
        return Some(below);
    }
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let mut path = String::from("/deployments/");
    for byte in call.model.bytes() {
        if safe(&byte) { path.push(char::from(byte)) } else { path.push_str(&format!("%{byte:02X}")) }
    }
    Some(Cow::Owned(path + &below))
}

/// LiteLLM's words for a family are no part of a deployment's name.
fn without_family(_: Api, model: &str) -> Cow<'_, str> {
    let families = ["o_series/", "gpt5_series/", "model_router/"];
    Cow::Borrowed(families.iter().find_map(|family| model.strip_prefix(family)).unwrap_or(model))
}

/// A base URL without the path of an API, and the version in its query.
fn apart(url: &str) -> (&str, Option<&str>) {
    let (plain, query) = url.trim().split_once('?').unwrap_or((url.trim(), ""));
    let plain = plain.trim_end_matches('/');
    let apis = ["/chat/completions", "/completions", "/embeddings", "/responses", "/v1/messages"];
    let plain = apis.iter().find_map(|api| plain.strip_suffix(api)).unwrap_or(plain);
    let version = query.split('&').find_map(|pair| pair.strip_prefix("api-version="));
    (plain.trim_end_matches('/'), version.filter(|version| !version.is_empty()))
}

fn with_version(base: &str, version: Option<&str>) -> String {
    version.map_or_else(|| base.to_owned(), |version| format!("{base}?api-version={version}"))
}

/// The three forms that Azure's portal shows: the resource, a deployment, the URL of an API; and the API without versions.
fn of_resource(place: &Place<'_>) -> Option<String> {
    let (base, own) = apart(place.written?);
    let said = (place.says)(VERSION);
    let version = own.or(said.as_deref()).unwrap_or(USUAL_VERSION);
    if base.contains("/openai/deployments/") {
        return Some(with_version(base, Some(version)));
    }
    if base.contains("gateway.ai.cloudflare.com/") {
        let end = format!("/{}", place.model);
        let rest = if base.ends_with(&end) { "" } else { &end };
        return Some(with_version(&format!("{base}{rest}"), Some(version)));
    }
    let of_all = base.strip_suffix("/openai/v1");
    let root = of_all.or_else(|| base.strip_suffix("/openai")).unwrap_or(base);
    let is_too_old = place.dialect == Dialect::Responses && !has_responses(version);
    if of_all.is_some() || WITHOUT_VERSION.contains(&version) || is_too_old {
        return Some(format!("{root}/openai/v1"));
    }
    Some(with_version(&format!("{root}/openai"), Some(version)))
}

/// Whether a base URL leaves it to the path which deployment is meant.
fn names_no_deployment(base: &str) -> bool {
    apart(base).0.ends_with("/openai")
}

/// Whether a version of the API has Responses. One before the first of them answers them with an error.
fn has_responses(version: &str) -> bool {
    version >= FIRST_OF_RESPONSES
}

fn by_deployment(_: &str, base: &str) -> Option<&'static Provider> {
    let (plain, version) = apart(base);
    if !names_no_deployment(base) {
        return (!plain.is_empty() && !plain.ends_with("/openai/v1")).then_some(&AT_DEPLOYMENT);
    }
    Some(if version.is_some_and(has_responses) { &WITH_RESPONSES } else { &OF_DEPLOYMENT })
}

fn by_deployment_as_text(_: &str, base: &str) -> Option<&'static Provider> {
    names_no_deployment(base).then_some(&TEXT_OF_DEPLOYMENT)
}

fn host(base: &str) -> &str {
    let rest = base.split_once("://").map_or(base, |(_, rest)| rest);
    rest.split(['/', ':', '?']).next().unwrap_or_default()
}

fn is_claude(model: &str) -> bool {
    model.to_ascii_lowercase().contains("claude")
}

/// Whether a model is OpenAI's own, which LiteLLM then asks as a deployment.
fn is_of_openai(model: &str) -> bool {
    let families = ["gpt-3", "gpt-4", "gpt-5", "o1", "o3", "o4", "chatgpt-", "text-embedding-"];
    families.iter().any(|family| model.starts_with(family))
}

fn of_foundry(place: &Place<'_>) -> Option<String> {
    let (base, own) = apart(place.written?);
    let is_foundry = host(base).ends_with(".services.ai.azure.com");
    if is_claude(place.model) {
        let root = base.split_once("/anthropic").map_or(base, |(root, _)| root);
        return Some(format!("{root}/anthropic"));
    }
    if is_of_openai(place.model) && (!is_foundry || base.contains("/openai/")) {
        return of_resource(place);
    }
    let said = (place.says)(VERSION);
    let is_whole = !is_foundry || base.ends_with("/models") || base.contains("/openai/");
    let rest = if is_whole { "" } else { "/models" };
    Some(with_version(&format!("{base}{rest}"), own.or(said.as_deref())))
}

fn by_model(model: &str, base: &str) -> Option<&'static Provider> {
    let suffixes = [".services.ai.azure.com", ".openai.azure.com"];
    if is_claude(model) {
        Some(&CLAUDE)
    } else if is_of_openai(model) && names_no_deployment(base) {
        Some(&AI_OF_DEPLOYMENT)
    } else if suffixes.iter().any(|suffix| host(base).ends_with(suffix)) || apart(base).0.contains("/openai/") {
        None
    } else {
        Some(&SERVERLESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The URL of a chat request, and the header of its key.
    fn asked(provider: &'static Provider, model: &str, base: &str, version: &str) -> String {
        let says = |key: &str| (key == VERSION && !version.is_empty()).then(|| version.to_owned());
        let dialect = provider.dialect;
        let make = |written: &str| {
            (provider.base_url)(&Place { written: Some(written), model, dialect, says: &says }).unwrap()
        };
        let url = make(base);
        assert_eq!(make(&url), url, "made again");
        let row = (provider.instead)(model, &url).unwrap_or(provider);
        let model = (row.full_name)(Api::Chat, model);
        let path = (row.path)(Call { api: Api::Chat, dialect: row.dialect, model: &model, stream: false }).unwrap();
        let (base, query) =
            url.split_once('?').map_or((&*url, String::new()), |(base, query)| (base, format!("?{query}")));
        format!("{}{path}{query} {}", base.trim_start_matches("https://"), row.credential.header().0)
    }

    #[test]
    fn k35_all_that_the_portal_shows_leads_to_the_deployment() {
        let whole = "https://R.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2025-01-01-preview";
        for (base, version, wanted) in [
            (
                "https://R.openai.azure.com/",
                "2024-10-21",
                "/openai/deployments/dep/chat/completions?api-version=2024-10-21",
            ),
            (
                "https://R.openai.azure.com",
                "",
                "/openai/deployments/dep/chat/completions?api-version=2025-02-01-preview",
            ),
            (
                "https://R.openai.azure.com/openai/",
                "2024-10-21",
                "/openai/deployments/dep/chat/completions?api-version=2024-10-21",
            ),
            (
                "https://R.openai.azure.com/openai/deployments/dep",
                "2024-10-21",
                "/openai/deployments/dep/chat/completions?api-version=2024-10-21",
            ),
            (whole, "2024-10-21", "/openai/deployments/dep/chat/completions?api-version=2025-01-01-preview"),
        ] {
            assert_eq!(asked(&AZURE, "dep", base, version), format!("R.openai.azure.com{wanted} api-key"), "{base}");
        }
        let gateway = "https://gateway.ai.cloudflare.com/v1/a/b/azure-openai/res";
        assert_eq!(
            asked(&AZURE, "dep", gateway, "2024-10-21"),
            "gateway.ai.cloudflare.com/v1/a/b/azure-openai/res/dep/chat/completions?api-version=2024-10-21 api-key"
        );
        assert!(
            asked(&AZURE, "gpt5_series/my dep", "https://R.openai.azure.com", "x").contains("/deployments/my%20dep/")
        );
    }

    #[test]
    fn k36_the_api_without_versions_has_no_version() {
        for (base, version) in [
            ("https://R.openai.azure.com", "preview"),
            ("https://R.openai.azure.com/", "latest"),
            ("https://R.openai.azure.com/openai", "v1"),
            ("https://R.openai.azure.com/openai/v1", "2024-10-21"),
            ("https://R.openai.azure.com/openai/v1/", ""),
            ("https://R.openai.azure.com/openai/v1/chat/completions", ""),
        ] {
            let wanted = "R.openai.azure.com/openai/v1/chat/completions api-key";
            assert_eq!(asked(&AZURE, "dep", base, version), wanted, "{base} {version}");
        }
    }

    #[test]
    fn foundry_has_an_api_for_each_maker() {
        for (model, base, version, wanted) in [
            (
                "grok-4",
                "https://r.services.ai.azure.com",
                "",
                "r.services.ai.azure.com/models/chat/completions api-key",
            ),
            (
                "grok-4",
                "https://r.services.ai.azure.com/models/",
                "v",
                "r.services.ai.azure.com/models/chat/completions?api-version=v api-key",
            ),
            (
                "grok-4",
                "https://r.services.ai.azure.com/openai/v1",
                "",
                "r.services.ai.azure.com/openai/v1/chat/completions api-key",
            ),
            (
                "gpt-5-mini",
                "https://r.services.ai.azure.com",
                "",
                "r.services.ai.azure.com/models/chat/completions api-key",
            ),
            (
                "gpt-5-mini",
                "https://r.openai.azure.com",
                "",
                "r.openai.azure.com/openai/deployments/gpt-5-mini/chat/completions?api-version=2025-02-01-preview api-key",
            ),
            (
                "mistral-large",
                "https://m.eastus2.models.ai.azure.com/v1",
                "",
                "m.eastus2.models.ai.azure.com/v1/chat/completions authorization",
            ),
            (
                "claude-opus-5",
                "https://r.services.ai.azure.com",
                "v",
                "r.services.ai.azure.com/anthropic/v1/messages api-key",
            ),
            (
                "claude-opus-5",
                "https://r.services.ai.azure.com/anthropic/v1/messages",
                "",
                "r.services.ai.azure.com/anthropic/v1/messages api-key",
            ),
        ] {
            assert_eq!(asked(&AZURE_AI, model, base, version), wanted, "{model} {base}");
        }
    }
}
