//! `model: provider/name`: who runs the model, and what they call it.
//!
//! **Invariant:** a provider is guessed only where LiteLLM guesses the same one.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use crate::provider::{self, PROVIDERS, Provider};

/// LiteLLM's providers that are not in the catalogue yet, as words.
const NOT_YET: &str = "\
    ai21 aiml anyscale auto_router azure azure_ai baseten bedrock bedrock_converse cerebras clarifai cloudflare \
    codestral cohere cohere_chat custom_openai dashscope databricks deepinfra empower friendliai galadriel gemini \
    gigachat github github_copilot gradient_ai heroku huggingface hyperbolic infinity jina_ai lambda_ai \
    litellm_proxy llamafile lm_studio maritalk meta_llama mistral moonshot morph nebius nlp_cloud novita nscale \
    nvidia_nim oci ollama ollama_chat oobabooga openai_like perplexity petals predibase replicate sagemaker \
    sagemaker_chat sambanova snowflake text-completion-codestral text-completion-openai triton v0 vercel_ai_gateway \
    vertex_ai vertex_ai_beta vllm volcengine voyage watsonx watsonx_text xinference zai";

/// The provider of a deployment, and the model as the provider names it.
pub(super) fn read<'a>(params: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<(&'static Provider, &'a str)> {
    let Some(field) = params.at("model") else {
        params.error(diagnostics, "`model` is missing", "write `model: provider/name`, for example `openai/gpt-4o`");
        return None;
    };
    let model = field.text(diagnostics)?;
    let (provider, name) = match params.at("custom_llm_provider") {
        Some(custom) => {
            let provider = by_name(custom.text(diagnostics)?, &custom, diagnostics)?;
            let prefixed = model.strip_prefix(provider.name).and_then(|rest| rest.strip_prefix('/'));
            (provider, prefixed.unwrap_or(model))
        }
        None => match model.split_once('/') {
            Some((prefix, name)) => (by_name(prefix, &field, diagnostics)?, name),
            None => (guess(model, &field, diagnostics)?, model),
        },
    };
    if name.is_empty() {
        field.error(
            diagnostics,
            format!("`{model}` names no model"),
            format!("write `{}/` and the model's name", provider.name),
        );
        return None;
    }
    Some((provider, name))
}

fn by_name(name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<&'static Provider> {
    if let Some(provider) = provider::by_name(name) {
        return Some(provider);
    }
    let names = || PROVIDERS.iter().map(|provider| provider.name);
    let known = || names().collect::<Vec<_>>().join(", ");
    if name == "auto_router" {
        let remedy = "name the group that shall serve it in `model_group_alias`, or a deployment";
        field.error(
            diagnostics,
            format!("{}: LiteLLM's automatic routers are not supported yet", field.shown()),
            remedy,
        );
    } else if NOT_YET.split(' ').any(|known| known == name) {
        let problem = format!("the provider `{name}` is one of LiteLLM's that Signalbox does not support yet");
        let remedy = format!("use {}; or `openai/` with an `api_base` if it speaks OpenAI's API", known());
        field.error(diagnostics, problem, remedy);
    } else if let Some(meant) = nearest(name, names()) {
        field.error(diagnostics, format!("there is no provider `{name}`"), format!("did you mean `{meant}`?"));
    } else {
        let remedy = format!("write one of {} before the `/`; `openai/` serves any compatible server", known());
        field.error(diagnostics, format!("there is no provider `{name}`"), remedy);
    }
    None
}

/// The provider of a well-known name.
fn guess(model: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<&'static Provider> {
    const FAMILIES: &[(&str, &str)] = &[
        ("gpt-", "openai"),
        ("chatgpt-", "openai"),
        ("o1", "openai"),
        ("o3", "openai"),
        ("o4", "openai"),
        ("text-embedding-", "openai"),
        ("claude-", "anthropic"),
    ];
    let family = FAMILIES.iter().find(|(prefix, _)| model.starts_with(prefix));
    if family.is_none() {
        let remedy = format!("write `provider/{model}`, for example `openai/{model}`");
        field.error(diagnostics, format!("`{model}` does not say which provider runs it"), remedy);
    }
    family.and_then(|(_, name)| provider::by_name(name))
}
