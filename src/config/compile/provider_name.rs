//! `model: provider/name`: the provider that runs the model, and its name for the model.
//!
//! **Invariant:** where LiteLLM infers a provider, it is the same one here, or an error that names it.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::{endpoint, infer};
use crate::config::tree::Value;
use crate::provider::{self, Provider};

/// LiteLLM's providers that are not in the catalogue yet, as words.
#[cfg(feature = "cli")]
const NOT_YET: &str = "\
    a2a a2a_agent aiohttp_openai anthropic_text auto_router aws_polly aws_textract azure_speech bedrock_mantle \
    black_forest_labs bytez chatgpt clarifai cursor custom datarobot deepgram dotprompt elevenlabs fal_ai gdc gigachat \
    github_copilot gradient_ai humanloop langflow langfuse langgraph litellm_agent manus milvus mongodb nlp_cloud \
    nvidia_riva oci oobabooga petals pg_vector predibase ragflow recraft reducto replicate runwayml s3_vectors sagemaker \
    sagemaker_chat sagemaker_nova sap soniox stability strands_decider text-completion-codestral \
    text-completion-inception topaz transcribe triton typesafe valkey vllm watsonx watsonx_text";
// What the command line writes for the filter names one of the catalogue.
#[cfg(not(feature = "cli"))]
const NOT_YET: &str = "";

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
            Some((prefix, name)) => match of_host(params).filter(|_| !is_provider(prefix)) {
                Some(provider) => (provider, model),
                None => (by_name(prefix, &field, diagnostics)?, name),
            },
            None => (inferred(model, params, &field, diagnostics)?, model),
        },
    };
    if name.is_empty() {
        field.apart(
            diagnostics,
            format!("`{model}` names no model"),
            format!("write `{}/` and the model's name", provider.name),
        );
        return None;
    }
    Some((provider, name))
}

/// Whether LiteLLM knows a provider of this name.
fn is_provider(name: &str) -> bool {
    provider::by_name(name).is_some() || NOT_YET.split_ascii_whitespace().any(|known| known == name)
}

fn by_name(name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<&'static Provider> {
    if let Some(provider) = provider::by_name(name) {
        return Some(provider);
    }
    let names = || provider::all().map(|provider| provider.name);
    if name == "auto_router" {
        let remedy = "name the group that shall serve it in `model_group_alias`, or a deployment";
        field.apart(
            diagnostics,
            format!("{}: LiteLLM's automatic routers are not supported yet", field.shown()),
            remedy,
        );
    } else if NOT_YET.split_ascii_whitespace().any(|known| known == name) {
        let problem = format!("the provider `{name}` is one of LiteLLM's that Signalbox does not support yet");
        field.apart(diagnostics, problem, "write `openai/` and an `api_base` if it speaks OpenAI's API");
    } else if let Some(meant) = nearest(name, names()).filter(|meant| !name.starts_with(meant)) {
        field.apart(diagnostics, format!("unknown provider `{name}`"), format!("did you mean `{meant}`?"));
    } else {
        let remedy =
            "write one that docs/providers.md lists; `openai/` with an `api_base` serves any compatible server";
        field.apart(diagnostics, format!("unknown provider `{name}`"), remedy);
    }
    None
}

/// The provider of a name that says none: by the host that the entry names, where that is a provider's own, else by the name.
fn inferred(
    model: &str,
    params: &Field<'_>,
    field: &Field<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<&'static Provider> {
    if let Some(provider) = of_host(params) {
        return Some(provider);
    }
    if model == "*" {
        let problem = "LiteLLM finds the provider of `*` in the model that each request names, and Signalbox does not";
        let remedy = "write an entry for each provider: `model_name: openai/*` with `model: openai/*`, `model_name: claude-*` with \
                      `model: anthropic/claude-*`";
        field.error(diagnostics, problem, remedy);
        return None;
    }
    let name = infer::provider(model);
    if let Some(provider) = name.and_then(provider::by_name) {
        return Some(provider);
    }
    let has_host = params.at("api_base").is_some() || params.at("base_url").is_some();
    let compatible = format!("write `openai/{model}` if that server speaks OpenAI's API");
    match name {
        Some(name) => {
            let problem = format!("LiteLLM takes `{model}` for {name}, a provider that Signalbox does not support yet");
            let elsewhere = "take it out, or ask another provider for it, for example";
            let remedy = if has_host { compatible } else { format!("{elsewhere} `openrouter/…`") };
            field.apart(diagnostics, problem, remedy);
        }
        None => {
            let problem =
                format!("`{model}` does not say which provider runs it, and LiteLLM knows no model of that name");
            let remedy = format!("write `provider/{model}`, for example `hosted_vllm/{model}` with an `api_base`");
            field.apart(diagnostics, problem, if has_host { compatible } else { remedy });
        }
    }
    None
}

/// The provider at a host of which an entry is, where LiteLLM knows it by that.
fn of_host(params: &Field<'_>) -> Option<&'static Provider> {
    let field = params.at("base_url").or_else(|| params.at("api_base"))?;
    let Value::Str(url) = &field.node.value else { return None };
    provider::all().find(|provider| {
        let Some(named) = endpoint::parsed(url, provider) else { return false };
        endpoint::known(provider).any(|own| own.authority() == named.authority() && named.path.starts_with(&own.path))
    })
}
