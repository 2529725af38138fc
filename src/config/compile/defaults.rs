//! What an entry says of the requests themselves: parameters, `extra_body`, `extra_headers`, `additional_drop_params`.
//!
//! LiteLLM passes every key that it does not know on to the provider. Here it is those that some API takes (`extra_body` takes any), so
//! that a slip is still found. What a provider's dialect cannot say is a warning: it would make every request of the deployment fail.
//!
//! **Invariant:** no value that looks like a secret gets into a body or, as it stands in the file, into a header.

use serde_json::Value as Json;

use super::environment::PREFIX;
use super::field::{Diagnostics, Field};
use super::sections::{DEFAULTS, MARK};
use super::{elsewhere, shell};
use crate::config::model::{Defaults, ExtraHeader, HeaderValue};
use crate::config::tree::{Key, Node, Value};
use crate::provider::Provider;

/// Parameters that are numbers. A variable gives texts.
const NUMBERS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "top_a",
    "min_tokens",
    "repetition_penalty",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "n",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "dimensions",
    "num_ctx",
    "num_gpu",
    "num_thread",
    "num_keep",
    "num_batch",
    "repeat_penalty",
    "repeat_last_n",
    "mirostat",
    "mirostat_eta",
    "mirostat_tau",
];
/// Headers that are a matter of the connection or of the gateway.
const OURS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "accept-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "proxy-connection",
    "proxy-authorization",
];

/// Puts `router_settings.default_litellm_params` into every entry, in place of what it says itself, as in LiteLLM.
pub(super) fn put_in(root: &mut Node, diagnostics: &mut Diagnostics) {
    let field = Field::root(root);
    let Some(common) = field.at("router_settings").and_then(|settings| settings.at("default_litellm_params")) else {
        return;
    };
    let mut values = Vec::new();
    for (name, value) in common.entries(diagnostics) {
        if DEFAULTS.contains(&name)
            || matches!(name, "extra_body" | "extra_headers" | "headers" | "additional_drop_params")
        {
            values.push((Key { name: name.to_owned(), place: value.node.place }, value.node.clone()));
        } else if !elsewhere::HOSTS.contains(&name) {
            value.note(
                diagnostics,
                format!("`{name}` has no effect here"),
                "write it in `router_settings` or at deployments",
            );
        }
    }
    let Value::Map(sections) = &mut root.value else { return };
    let list = sections.iter_mut().find(|(key, _)| key.name == "model_list");
    let Some((_, Node { value: Value::Seq(entries), .. })) = list else { return };
    for entry in entries {
        let Value::Map(members) = &mut entry.value else { continue };
        let params = members.iter_mut().find(|(key, _)| key.name == "litellm_params");
        let Some((_, Node { value: Value::Map(params), .. })) = params else { continue };
        let is_router = |(key, node): &(Key, Node)| {
            key.name == "model" && matches!(&node.value, Value::Str(model) if model.starts_with(MARK))
        };
        if params.iter().any(is_router) {
            continue;
        }
        for (key, node) in &values {
            params.retain(|(known, _)| known.name != key.name);
            params.push((key.clone(), node.clone()));
        }
    }
}

/// The members of the body that a deployment brings.
pub(super) fn body(params: &Field<'_>, provider: &Provider, diagnostics: &mut Diagnostics) -> Option<Box<Defaults>> {
    let mut found = Defaults::default();
    for name in DEFAULTS {
        let Some(field) = params.at(name) else { continue };
        if !provider.dialect.takes(name) {
            let problem =
                format!("`{name}` is not sent: {} has no equivalent, or none that is translated yet", provider.name);
            field.warning(diagnostics, problem, "take it out, or write what the provider takes below `extra_body`");
            continue;
        }
        found.members.extend(member(name, &field, diagnostics).map(|value| ((*name).to_owned(), value)));
    }
    if let Some(field) = params.at("extra_body") {
        for (name, value) in field.entries(diagnostics) {
            if matches!(name, "model" | "messages" | "stream" | "api_base" | "base_url" | "user_config" | "model_list")
            {
                let problem = format!("`{name}` cannot stand in a body that goes to a provider");
                value.error(diagnostics, problem, "take it out; `litellm_params` names the model and the host");
            } else if looks_secret(name, false) {
                let remedy = "write it as `api_key`, or as a header below `extra_headers` with `os.environ/NAME`";
                value.error(diagnostics, "a secret in a body would stand in Envoy's configuration", remedy);
            } else if value.node.value != Value::Unset {
                found.extra_body.insert(name.to_owned(), value.node.to_json());
            }
        }
    }
    if let Some(field) = params.at("additional_drop_params") {
        for item in field.items(diagnostics) {
            drop(&item, &mut found, diagnostics);
        }
        // LiteLLM means the whole of it then.
        if found.dropped.iter().any(|name| name == "extra_body") {
            found.extra_body.clear();
        }
    }
    (found != Defaults::default()).then(|| Box::new(found))
}

/// Members that no request can do without.
const NEEDED: &[&str] = &["model", "messages", "input", "prompt", "stream"];

/// One of `additional_drop_params`: a member's name, or the path to what stands in one.
fn drop(item: &Field<'_>, found: &mut Defaults, diagnostics: &mut Diagnostics) {
    let Some(name) = item.text(diagnostics) else { return };
    if !name.contains(['.', '[']) {
        if NEEDED.contains(&name) {
            item.error(diagnostics, format!("no request can do without `{name}`"), "take it out");
        } else {
            found.dropped.push(name.to_owned());
        }
        return;
    }
    let (first, rest) = name.split_at_checked(name.find(['.', '[']).unwrap_or_default()).unwrap_or((name, ""));
    let is_index =
        |inside: &str| inside == "*" || inside.bytes().all(|byte| byte.is_ascii_digit()) && !inside.is_empty();
    let brackets: Option<Vec<&str>> = rest.split('[').skip(1).map(|part| Some(part.split_once(']')?.0)).collect();
    let is_path = brackets.is_some_and(|brackets| brackets.into_iter().all(is_index)) && !name.ends_with([']', '.']);
    if NEEDED.contains(&first) || first == "system" || first.is_empty() || !is_path {
        let remedy = "write the path of a member below a parameter, for example `tools[*].function.strict`";
        item.warning(diagnostics, format!("`{name}` drops nothing, in LiteLLM neither"), remedy);
    } else {
        found.dropped_inside.push(name.to_owned());
    }
}

fn member(name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Json> {
    if !NUMBERS.contains(&name) {
        return Some(field.node.to_json()).filter(|value| !value.is_null());
    }
    let Some(number) = field.number() else {
        field.invalid(diagnostics, "number", "a number", "0.5");
        return None;
    };
    match &field.node.value {
        Value::Int(whole) => Some(Json::from(*whole)),
        Value::Str(text) if text.trim().parse::<i64>().is_ok() => text.trim().parse::<i64>().ok().map(Json::from),
        _ => Some(Json::from(number)),
    }
}

/// The headers that a deployment brings: those of `extra_headers` before those of `headers`, as in LiteLLM. `common` are those of
/// `litellm_settings`, for an entry without `headers` of its own.
pub(super) fn headers(
    params: &Field<'_>,
    provider: Option<&Provider>,
    common: Option<Field<'_>>,
    diagnostics: &mut Diagnostics,
) -> Vec<ExtraHeader> {
    let mut found: Vec<ExtraHeader> = Vec::new();
    let common = common.filter(|_| provider.is_some_and(|provider| provider.common_headers));
    let own = params.at("headers").filter(|own| !matches!(&own.node.value, Value::Map(entries) if entries.is_empty()));
    for section in params.at("extra_headers").into_iter().chain(own.or(common)) {
        for (name, field) in section.entries(diagnostics) {
            let name = name.to_ascii_lowercase();
            if found.iter().all(|known| known.name != name) {
                found.extend(header(name, &field, diagnostics));
            }
        }
    }
    found
}

pub(super) fn header(name: String, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<ExtraHeader> {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let text = match &field.node.value {
        Value::Str(text) => text.clone(),
        Value::Int(_) | Value::Float(_) | Value::Bool(_) => field.node.to_json().to_string(),
        Value::Null => return None,
        _ => field.text(diagnostics)?.to_owned(),
    };
    // What is sent in any case does no harm.
    if matches!((name.as_str(), text.as_str()), ("content-type", "application/json")) {
        return None;
    }
    if name.is_empty() || !name.chars().all(token) {
        field.error(diagnostics, format!("invalid header name `{name}`"), "write for example `x-team`");
        return None;
    }
    if OURS.contains(&name.as_str()) || name.starts_with("x-envoy-") || name.starts_with("x-signalbox-") {
        field.error(diagnostics, format!("the header `{name}` is the gateway's own to set"), "take it out");
        return None;
    }
    if let Some(variable) = text.strip_prefix(PREFIX) {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if variable.is_empty() || !variable.chars().all(fits) || variable.starts_with(|c: char| c.is_ascii_digit()) {
            let problem = format!("`{variable}` cannot name an environment variable");
            field.error(diagnostics, problem, "write `os.environ/NAME`");
            return None;
        }
        return Some(ExtraHeader { name, value: HeaderValue::Env(variable.to_owned()) });
    }
    if text.contains(PREFIX) || shell::within(&text) {
        let problem = format!("the value of `{name}` names a variable, and is sent as it stands");
        field.error(
            diagnostics,
            problem,
            "put the whole value into an environment variable, and write `os.environ/NAME`",
        );
        return None;
    }
    if !text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        field.error(
            diagnostics,
            format!("the value of `{name}` cannot be sent in a header"),
            "write it in plain ASCII",
        );
        return None;
    }
    if !looks_secret(&name, true) {
        return Some(ExtraHeader { name, value: HeaderValue::Text(text) });
    }
    let variable = variable_for(&name, &field.path);
    Some(ExtraHeader { name, value: HeaderValue::Literal { variable, value: text } })
}

/// The variable for a secret that stands in the file: the header's name, and the number of the entry.
fn variable_for(name: &str, path: &str) -> String {
    let mut variable = "SIGNALBOX_HEADER_".to_owned();
    for c in name.chars() {
        match c {
            '-' => variable.push('_'),
            _ if c.is_ascii_alphanumeric() => variable.push(c.to_ascii_uppercase()),
            _ => variable.push_str(&format!("_{:X}_", u32::from(c))),
        }
    }
    match path.split_once('[').and_then(|(_, rest)| rest.split_once(']')) {
        Some((index, _)) => format!("{variable}_{index}"),
        None => variable,
    }
}

/// Whether the key of a provider travels in one of these headers, which then takes its place.
pub(super) fn hold_key(headers: &[ExtraHeader], provider: &Provider) -> bool {
    let (name, _) = provider.credential.header();
    headers.iter().any(|header| header.name == name)
}

/// Whether what has this name may be a secret.
pub(super) fn looks_secret(name: &str, is_header: bool) -> bool {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let secret =
        ["secret", "password", "passwd", "credential", "credentials", "cookie", "apikey", "bearer", "authorization"];
    words.iter().any(|word| secret.contains(word) || matches!(*word, "token" | "key" | "auth") && is_header)
        || name.ends_with("api_key")
        || name.ends_with("_token")
        || name.ends_with("_secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "authorization",
            "x-api-key",
            "api-key",
            "helicone-auth",
            "x-secret",
            "cookie",
            "x-goog-api-key",
            "x-auth-token",
        ] {
            assert!(looks_secret(name, true), "{name}");
        }
        for name in
            ["x-team", "http-referer", "x-title", "anthropic-beta", "openai-beta", "x-request-source", "user-agent"]
        {
            assert!(!looks_secret(name, true), "{name}");
        }
        for name in ["api_key", "access_token", "client_secret", "password"] {
            assert!(looks_secret(name, false), "{name}");
        }
        for name in ["max_tokens", "prompt_cache_key", "top_k", "logit_bias", "stop_token_ids", "budget_tokens"] {
            assert!(!looks_secret(name, false), "{name}");
        }
    }

    #[test]
    fn numbers_are_parameters() {
        assert!(NUMBERS.iter().all(|name| DEFAULTS.contains(name)));
    }
}
