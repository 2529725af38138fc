//! The providers, one row each. A new provider of a known dialect is one row here and nothing else.
//!
//! Facts come from the providers' documentation and SDKs; what differs between deployments is configuration, not a row.
//!
//! **Invariant:** knows nobody; everybody may know it.

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

/// One provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// LiteLLM's name, the prefix of `litellm_params.model`.
    pub name: &'static str,
    /// What it speaks.
    pub dialect: Dialect,
    /// Base URL without a trailing slash; empty: `api_base` must be given.
    pub api_base: &'static str,
    /// Where chat requests go, below the base.
    pub chat_path: &'static str,
    /// How the key travels.
    pub key_header: KeyHeader,
    /// The environment variable that LiteLLM reads where no `api_key` is given; empty: none.
    pub key_env: &'static str,
    /// Headers every request carries.
    pub headers: &'static [(&'static str, &'static str)],
}

const fn compatible(name: &'static str, api_base: &'static str, key_env: &'static str) -> Provider {
    Provider {
        name,
        dialect: Dialect::OpenAi,
        api_base,
        chat_path: "/chat/completions",
        key_header: KeyHeader::Bearer,
        key_env,
        headers: &[],
    }
}

/// Every provider known.
pub const PROVIDERS: &[Provider] = &[
    compatible("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    Provider {
        name: "anthropic",
        dialect: Dialect::Anthropic,
        api_base: "https://api.anthropic.com",
        chat_path: "/v1/messages",
        key_header: KeyHeader::Named("x-api-key"),
        key_env: "ANTHROPIC_API_KEY",
        headers: &[("anthropic-version", "2023-06-01")],
    },
    compatible("featherless_ai", "https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    compatible("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    compatible("together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    compatible("fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
    compatible("deepseek", "https://api.deepseek.com", "DEEPSEEK_API_KEY"),
    compatible("xai", "https://api.x.ai/v1", "XAI_API_KEY"),
    compatible("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    compatible("hosted_vllm", "", ""),
];

/// The provider of that name, if it is in the catalogue.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}
