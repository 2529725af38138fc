//! The providers, one row each. A new provider of a known dialect is one row here and nothing else.
//!
//! Facts come from the providers' documentation and SDKs; what differs between deployments is configuration, not a row.
//!
//! **Invariant:** knows nobody; everybody may know it.

use std::borrow::Cow;

/// A wire format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// OpenAI chat completions, and everything compatible with it.
    OpenAi,
    /// Anthropic Messages.
    Anthropic,
}

/// How a provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer KEY`.
    Bearer,
    /// The key alone in the header of this name, lower case.
    Named(&'static str),
}

/// Where LiteLLM looks for what a deployment does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An environment variable.
    Env(&'static str),
    /// A key of `litellm_settings`.
    Setting(&'static str),
}

use Origin::{Env, Setting};

/// One provider.
#[derive(Debug)]
pub struct Provider {
    /// LiteLLM's name, the prefix of `litellm_params.model`.
    pub name: &'static str,
    /// What it speaks.
    pub dialect: Dialect,
    /// Base URL without a trailing slash; empty: `api_base` must be given.
    pub api_base: &'static str,
    /// Base URLs of its own by which LiteLLM knows it where a model's name does not say who runs it.
    pub known_at: &'static [&'static str],
    /// Where chat requests go, below the base.
    pub chat_path: &'static str,
    /// How the key travels.
    pub key_header: KeyHeader,
    /// What names the base URL where no `api_base` is given, in LiteLLM's order.
    pub base_from: &'static [Origin],
    /// What holds the key where no `api_key` is given, in LiteLLM's order.
    pub key_from: &'static [Origin],
    /// Headers every request carries.
    pub headers: &'static [(&'static str, &'static str)],
    /// Headers that name the account, and what holds their values where an entry says nothing, in LiteLLM's order.
    pub account: &'static [(&'static str, &'static [Origin])],
    /// Whether it gets `litellm_settings.headers`: LiteLLM sends them to some providers only.
    pub common_headers: bool,
    /// The full name of a model that a configuration may write short, as chat and completions want it; embeddings are asked for by the name
    /// as it is written.
    pub full_name: fn(&str) -> Cow<'_, str>,
}

/// There is one row a name.
impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Provider {}

fn as_written(model: &str) -> Cow<'_, str> {
    Cow::Borrowed(model)
}

const fn compatible(
    name: &'static str,
    api_base: &'static str,
    base_from: &'static [Origin],
    key_from: &'static [Origin],
) -> Provider {
    Provider {
        name,
        dialect: Dialect::OpenAi,
        api_base,
        known_at: &[],
        chat_path: "/chat/completions",
        key_header: KeyHeader::Bearer,
        base_from,
        key_from,
        headers: &[],
        account: &[],
        common_headers: false,
        full_name: as_written,
    }
}

/// Fireworks' names are paths; a short one is a model of its own, or a router.
fn of_fireworks(model: &str) -> Cow<'_, str> {
    const ROUTERS: [&str; 3] = ["firerouter", "auto", "auto-instant"];
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

/// What `organization` of an entry is sent as, where the provider has accounts of that kind.
pub const ORGANIZATION: &str = "openai-organization";

/// Every provider known.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        account: &[
            (ORGANIZATION, &[Setting("organization"), Env("OPENAI_ORGANIZATION"), Env("OPENAI_ORG_ID")]),
            ("openai-project", &[Env("OPENAI_PROJECT_ID")]),
        ],
        common_headers: true,
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
        api_base: "https://api.anthropic.com",
        known_at: &[],
        chat_path: "/v1/messages",
        key_header: KeyHeader::Named("x-api-key"),
        base_from: &[Setting("api_base"), Env("ANTHROPIC_API_BASE"), Env("ANTHROPIC_BASE_URL")],
        key_from: &[Setting("anthropic_key"), Setting("api_key"), Env("ANTHROPIC_API_KEY")],
        headers: &[("anthropic-version", "2023-06-01")],
        account: &[],
        common_headers: false,
        full_name: as_written,
    },
    Provider {
        common_headers: true,
        known_at: &["https://api.featherless.ai/v1"],
        ..compatible(
            "featherless_ai",
            "https://api.featherless.ai/v1",
            &[Env("FEATHERLESS_AI_API_BASE"), Env("FEATHERLESS_API_BASE")],
            &[Env("FEATHERLESS_AI_API_KEY"), Env("FEATHERLESS_API_KEY")],
        )
    },
    Provider {
        common_headers: true,
        known_at: &["https://api.groq.com/openai/v1"],
        ..compatible(
            "groq",
            "https://api.groq.com/openai/v1",
            &[Env("GROQ_API_BASE")],
            &[Env("GROQ_API_KEY"), Setting("api_key"), Setting("groq_key")],
        )
    },
    Provider {
        known_at: &["https://api.together.ai/v1", "https://api.together.xyz/v1"],
        ..compatible(
            "together_ai",
            "https://api.together.ai/v1",
            &[Env("TOGETHER_AI_API_BASE")],
            &[Env("TOGETHER_API_KEY"), Env("TOGETHER_AI_API_KEY"), Env("TOGETHERAI_API_KEY"), Env("TOGETHER_AI_TOKEN")],
        )
    },
    Provider {
        full_name: of_fireworks,
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
    Provider {
        known_at: &["https://api.deepseek.com/v1"],
        ..compatible(
            "deepseek",
            "https://api.deepseek.com/beta",
            &[Env("DEEPSEEK_API_BASE")],
            &[Env("DEEPSEEK_API_KEY")],
        )
    },
    Provider {
        known_at: &["https://api.x.ai/v1"],
        ..compatible("xai", "https://api.x.ai/v1", &[Env("XAI_API_BASE")], &[Setting("xai_key"), Env("XAI_API_KEY")])
    },
    Provider {
        common_headers: true,
        ..compatible(
            "openrouter",
            "https://openrouter.ai/api/v1",
            &[Setting("api_base"), Env("OPENROUTER_API_BASE")],
            &[Setting("api_key"), Setting("openrouter_key"), Env("OPENROUTER_API_KEY"), Env("OR_API_KEY")],
        )
    },
    compatible("hosted_vllm", "", &[Env("HOSTED_VLLM_API_BASE"), Setting("api_base")], &[Env("HOSTED_VLLM_API_KEY")]),
];

/// The provider of that name, if it is in the catalogue.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

impl Provider {
    /// Everything that LiteLLM looks at besides the entry.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let account = self.account.iter().flat_map(|(_, origins)| *origins);
        self.base_from.iter().chain(self.key_from).chain(account)
    }

    /// The variable that its key is in, unless something says otherwise.
    #[must_use]
    pub fn usual_key_variable(&self) -> Option<&'static str> {
        let variable = |origin: &Origin| match origin {
            Env(name) => Some(*name),
            Setting(_) => None,
        };
        // Where there is no host of its own, nothing is usual.
        self.key_from.iter().find_map(variable).filter(|_| !self.api_base.is_empty())
    }
}

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
            assert_eq!(of_fireworks(written), sent);
        }
    }
}
