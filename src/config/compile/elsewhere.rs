//! What makes LiteLLM send requests somewhere else than their deployment, or nowhere, and is not done here: errors, since to pass it
//! over would send prompts where LiteLLM sends none. And entries that are not for this environment, which LiteLLM leaves out.
//!
//! **Invariant:** what LiteLLM would ask nobody for is asked of nobody here.

use super::environment::Environment;
use super::field::{Diagnostics, Field};
use crate::config::tree::{Node, Value};

/// What `supported_environments` may name.
const ENVIRONMENTS: &[&str] = &["development", "staging", "production"];
/// Members of `default_litellm_params` that would name a host or a key for every deployment: there they win over the entry's own.
pub(super) const HOSTS: &[&str] = &[
    "api_base",
    "base_url",
    "api_key",
    "litellm_credential_name",
    "custom_llm_provider",
    "model",
    "organization",
    "mock_response",
    "use_litellm_proxy",
];

/// Looks for all of it.
pub(super) fn check(root: &Field<'_>, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    const PROXY: &str = "USE_LITELLM_PROXY";
    let remedy = "write the LiteLLM that serves as `api_base` at each deployment, with `openai/` before the model";
    let sends_all = |field: Option<Field<'_>>, diagnostics: &mut Diagnostics| {
        if let Some(field) = field.filter(is_on) {
            field.error(
                diagnostics,
                "LiteLLM sends these requests to another LiteLLM, and not to their provider",
                remedy,
            );
        }
    };
    let settings = root.at("litellm_settings");
    sends_all(settings.as_ref().and_then(|settings| settings.at("use_litellm_proxy")), diagnostics);
    if env.is_on(PROXY) {
        let problem = format!("with the environment variable `{PROXY}` LiteLLM sends every request to another LiteLLM");
        root.error(diagnostics, problem, format!("{remedy}; and take the variable away"));
    }
    let aliases = settings.as_ref().and_then(|settings| settings.at("model_alias_map"));
    let silent = &mut Diagnostics::default();
    let entries = root.at("model_list").map(|list| list.items(silent)).unwrap_or_default();
    for params in entries.iter().filter_map(|entry| entry.at("litellm_params")) {
        sends_all(params.at("use_litellm_proxy"), diagnostics);
        if let Some(field) = params.at("mock_response") {
            let problem = "LiteLLM answers with this text itself, and asks no provider";
            field.apart(diagnostics, problem, "take it out, or point `api_base` at `signalbox sim`");
        }
        let model = params.at("model");
        let text = model.as_ref().and_then(|model| match &model.node.value {
            Value::Str(text) => aliases.as_ref().and_then(|aliases| aliases.at(text)),
            _ => None,
        });
        if let (Some(model), Some(alias)) = (&model, text) {
            let problem = format!("`litellm_settings.model_alias_map` makes this {}", alias.shown());
            model.error(diagnostics, problem, "write that model here, and take the alias out");
        }
    }
    for name in HOSTS {
        let defaults = root.at("router_settings").and_then(|settings| settings.at("default_litellm_params"));
        if let Some(field) = defaults.and_then(|defaults| defaults.at(name)) {
            let problem = format!("`{name}` here takes the place of what every deployment says of it");
            field.error(diagnostics, problem, "write it at the deployments that it is meant for");
        }
    }
}

/// Takes out the entries that are for other environments than `LITELLM_ENVIRONMENT`.
pub(super) fn leave_out(root: &mut Node, env: &Environment<'_>, diagnostics: &mut Diagnostics) {
    let Value::Map(sections) = &mut root.value else { return };
    let list = sections.iter_mut().find(|(key, _)| key.name == "model_list");
    let Some((_, Node { value: Value::Seq(entries), .. })) = list else { return };
    for (index, entry) in entries.iter_mut().enumerate() {
        let field = Field { node: entry, path: format!("model_list[{index}]") };
        if is_for_others(&field, env, diagnostics) {
            entry.value = Value::Unset;
        }
    }
}

fn is_for_others(entry: &Field<'_>, env: &Environment<'_>, diagnostics: &mut Diagnostics) -> bool {
    const VARIABLE: &str = "LITELLM_ENVIRONMENT";
    let Some(field) = entry.at("model_info").and_then(|info| info.at("supported_environments")) else { return false };
    let names = field.texts(diagnostics);
    for name in names.iter().filter(|name| !ENVIRONMENTS.contains(&name.as_str())) {
        let problem = format!("unknown environment `{name}`");
        field.error(diagnostics, problem, format!("write some of {}", ENVIRONMENTS.join(", ")));
    }
    if !env.is_read {
        return false;
    }
    let Some(here) = env.value(VARIABLE).filter(|here| ENVIRONMENTS.contains(&here.as_str())) else {
        let problem = format!("which of these this is must stand in the environment variable `{VARIABLE}`");
        field.error(diagnostics, problem, format!("set it to {}", ENVIRONMENTS.join(", ")));
        return false;
    };
    let is_for_others = !names.contains(&here);
    if is_for_others {
        let problem = format!("this deployment is left out, since `{VARIABLE}` is `{here}`");
        field.note(diagnostics, problem, "nothing is to be done");
    }
    is_for_others
}

fn is_on(field: &Field<'_>) -> bool {
    match &field.node.value {
        Value::Bool(flag) => *flag,
        Value::Str(text) => matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on"),
        _ => false,
    }
}
