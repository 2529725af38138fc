//! What a deployment brings to its requests: read from the file, given to the filter and to Envoy, and no secret among it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use serde_json::{Value, json};
use signalbox::config::compile::{Compiled, compile, compile_json};
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::model::{Defaults, HeaderValue};
use signalbox::config::yaml;
use signalbox::generate::{envoy, keys};

fn read(text: &str) -> Result<Compiled, Diagnostics> {
    let env = |name: &str| (name == "HEAT").then(|| "0.7".to_owned());
    let compiled = yaml::read(text).and_then(|root| compile(&root, &env))?;
    let json = compiled.filter.to_json().to_string();
    assert!(!json.contains("SECRET") && !json.contains("os.environ") && !json.contains("header"), "{json}");
    let inside = compile_json(&json).unwrap();
    for (one, other) in compiled.config.deployments.iter().zip(&inside.deployments) {
        assert_eq!(one.defaults, other.defaults, "{text}");
    }
    Ok(compiled)
}

fn entry(params: &str) -> String {
    format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n")
}

fn accepted(text: &str) -> Compiled {
    read(text).unwrap_or_else(|found| panic!("{}", found.lines("f").join("\n")))
}

fn brings(params: &str, more: &str) -> Defaults {
    let compiled = accepted(&(entry(params) + more));
    compiled.config.deployments[0].defaults.clone().map(|defaults| *defaults).unwrap_or_default()
}

fn members(params: &str, more: &str) -> Value {
    Value::Object(brings(params, more).members)
}

fn wrong(params: &str) -> String {
    let found = read(&entry(params)).unwrap_err();
    let errors: Vec<_> = found.of(Severity::Error).map(|error| error.problem.clone()).collect();
    assert_eq!(errors.len(), 1, "{params}: {errors:?}");
    errors[0].clone()
}

#[test]
fn case_08_parameters_of_the_file_are_the_deployments() {
    let text = std::fs::read_to_string(golden::path("config/faults/08-defaults.yaml")).unwrap();
    let compiled = accepted(&text);
    let defaults = compiled.config.deployments[0].defaults.clone().unwrap();
    assert_eq!(
        Value::Object(defaults.members),
        json!({"temperature": 0.1, "max_tokens": 77, "frequency_penalty": 0.2})
    );
    assert_eq!(Value::Object(defaults.extra_body), json!({"top_k": 5}));
    let header = &compiled.config.deployments[0].headers[0];
    assert_eq!((header.name.as_str(), &header.value), ("x-team", &HeaderValue::Text("red".to_owned())));
    assert!(compiled.diagnostics.iter().all(|one| one.severity == Severity::Note), "{:?}", compiled.diagnostics);
    assert_eq!(accepted(&entry("model: openai/x")).config.deployments[0].defaults, None);
}

#[test]
fn parameters_may_be_texts_and_come_from_variables_credentials_and_the_router() {
    assert_eq!(
        members("model: openai/x, temperature: os.environ/HEAT, seed: '7', n: 2", ""),
        json!({"temperature": 0.7, "seed": 7, "n": 2})
    );
    assert_eq!(
        members("model: openai/x, stop: [a], tools: [{type: function}], user: null", ""),
        json!({"stop": ["a"], "tools": [{"type": "function"}]})
    );
    let shared = "credential_list: [{credential_name: c, credential_values: {temperature: 1, top_p: 0.5}}]\n";
    assert_eq!(
        members("model: openai/x, litellm_credential_name: c, temperature: 0", shared),
        json!({"temperature": 0, "top_p": 0.5})
    );
    // LiteLLM puts the router's over the deployment's.
    let router = "router_settings: {default_litellm_params: {temperature: 0.2, extra_body: {top_k: 1}, timeout: 3}}";
    let found = brings("model: openai/x, temperature: 0.9, top_p: 0.5", router);
    assert_eq!(Value::Object(found.members), json!({"temperature": 0.2, "top_p": 0.5}));
    assert_eq!(Value::Object(found.extra_body), json!({"top_k": 1}));
    assert!(wrong("model: openai/x, temperature: warm").contains("invalid number `warm`"));
}

#[test]
fn what_a_dialect_cannot_say_is_a_warning_and_not_sent() {
    let text = entry(
        "model: anthropic/claude-x, temperature: 0.3, frequency_penalty: 1, thinking: {type: enabled}, top_k: 4, cache_control: {type: ephemeral}, min_p: 0.1, extra_body: {top_k: 4}",
    );
    let compiled = accepted(&text);
    let defaults = compiled.config.deployments[0].defaults.clone().unwrap();
    let cache = json!({"type": "ephemeral"});
    let sent = json!({"temperature": 0.3, "thinking": {"type": "enabled"}, "top_k": 4, "cache_control": cache});
    assert_eq!(Value::Object(defaults.members), sent);
    assert_eq!(Value::Object(defaults.extra_body), json!({"top_k": 4}));
    let warnings: Vec<_> = compiled.diagnostics.of(Severity::Warning).map(|one| one.path.as_str()).collect();
    let names = ["frequency_penalty", "min_p"].map(|name| format!("model_list[0].litellm_params.{name}"));
    assert_eq!(warnings.len(), 2);
    assert!(names.iter().all(|name| warnings.contains(&name.as_str())), "{warnings:?}");
    let key = "model_list[0].litellm_params.show_in_models";
    let unknown = accepted(&entry("model: openai/x, show_in_models: true")).diagnostics;
    assert!(unknown.iter().any(|one| one.path == key && one.remedy.contains("extra_body")));
}

#[test]
fn dropped_parameters_are_names() {
    assert_eq!(brings("model: openai/x, additional_drop_params: [seed, user]", "").dropped, ["seed", "user"]);
    let both = brings("model: openai/x, additional_drop_params: ['tools[*].strict', seed]", "");
    assert_eq!((both.dropped, both.dropped_inside), (vec!["seed".to_owned()], vec!["tools[*].strict".to_owned()]));
    assert!(wrong("model: openai/x, additional_drop_params: [messages]").contains("no request can do without"));
    let all = brings("model: openai/x, extra_body: {a: 1}, additional_drop_params: [extra_body, 'a.b[0].c']", "");
    assert!(all.extra_body.is_empty(), "{all:?}");
    assert_eq!(all.dropped_inside, ["a.b[0].c"]);
    for path in ["messages[*].content", "tools[*]", "tools[x].y", "[0].a", "tools[0.a", "a.", "system[*].text"] {
        let compiled = accepted(&entry(&format!("model: openai/x, additional_drop_params: ['{path}']")));
        assert_eq!(compiled.config.deployments[0].defaults, None, "{path}");
        let warned: Vec<_> = compiled.diagnostics.of(Severity::Warning).collect();
        assert!(warned.len() == 1 && warned[0].problem.contains(path), "{path} {warned:?}");
    }
}

/// The headers of an entry with an organization.
fn own_headers(params: &str, more: &str) -> String {
    let compiled = accepted(&(entry(&format!("model: {params}, organization: org-7")) + more));
    let said = compiled.config.deployments[0].headers.iter().map(|header| match &header.value {
        HeaderValue::Text(text) => format!("{}={text}", header.name),
        HeaderValue::Env(name) => format!("{}=${name}", header.name),
        HeaderValue::Literal { variable, .. } => format!("{}=…${variable}", header.name),
    });
    said.collect::<Vec<_>>().join(" ")
}

#[test]
fn headers_are_envoys_and_secrets_stay_in_the_environment() {
    let text = entry(
        "model: openai/x, api_key: os.environ/K, extra_headers: {X-Team: red, x-gate-key: os.environ/GATE, content-type: application/json}, headers: {x-team: blue, x-n: 3}, organization: org-7",
    );
    let compiled = accepted(&text);
    let bootstrap = envoy::bootstrap(&compiled, "w.wasm").to_string();
    for (header, value) in [("x-team", "red"), ("x-n", "3"), ("openai-organization", "org-7")] {
        assert!(bootstrap.contains(&format!(r#"{{"key":"{header}","value":"{value}"}}"#)), "{header}: {bootstrap}");
    }
    assert!(bootstrap.contains(r#""environment_variable":"GATE""#) && bootstrap.contains(r#""header":"x-gate-key""#));
    assert!(!bootstrap.contains("blue"));
    let variables: Vec<_> = keys::variables(&compiled.config).into_iter().map(|variable| variable.name).collect();
    assert_eq!(variables, ["K", "GATE"]);
    assert_eq!(own_headers("groq/x", ""), "", "only OpenAI has such accounts");
    assert_eq!(own_headers("openai/x", ""), "openai-organization=org-7");
    // `litellm_settings.headers` are for entries without any.
    let common = "litellm_settings: {headers: {x-all: 1, x-gate: os.environ/SECRET}}\n";
    assert_eq!(own_headers("groq/x", common), "x-all=1 x-gate=$SECRET");
    assert_eq!(own_headers("groq/x, headers: {x-own: 2}, extra_headers: {x-more: 3}", common), "x-more=3 x-own=2");
    // In the header of the key it takes the key's place.
    let own = accepted(&entry("model: openai/x, api_key: k, extra_headers: {Authorization: os.environ/TOKEN}"));
    assert_eq!(own.config.deployments[0].key, None);
    // A secret in the file goes where a key in the file goes: into a variable.
    for (params, variable) in [
        ("extra_headers: {authorization: Bearer SECRET}", "SIGNALBOX_HEADER_AUTHORIZATION_0"),
        ("extra_headers: {x-api-key: SECRET}", "SIGNALBOX_HEADER_X_API_KEY_0"),
        ("headers: {Cookie: a=SECRET}", "SIGNALBOX_HEADER_COOKIE_0"),
    ] {
        let compiled = accepted(&entry(&format!("model: openai/x, api_key: os.environ/K, {params}")));
        assert!(!format!("{compiled:?}").replace(&format!("{:?}", compiled.config), "").contains("SECRET"), "{params}");
        assert!(!format!("{:?}", compiled.config).contains("SECRET"), "{params}");
        assert!(!compiled.filter.to_json().to_string().contains("SECRET"), "{params}");
        let bootstrap = envoy::bootstrap(&compiled, "w.wasm").to_string();
        assert!(!bootstrap.contains("SECRET") && bootstrap.contains(variable), "{params}: {bootstrap}");
        let held = keys::variables(&compiled.config);
        let held = held.iter().find(|one| one.name == variable).unwrap();
        assert!(held.literal.is_some_and(|literal| literal.contains("SECRET")), "{params}");
    }
    for params in [
        "extra_headers: {authorization: 'Bearer ${SECRET}'}",
        "extra_headers: {x-api-key: Bearer os.environ/SECRET_NAME}",
        "extra_headers: {host: other.test}",
        "extra_headers: {content-length: 3}",
        "extra_headers: {x-envoy-retry-on: 5xx}",
        "extra_headers: {x-signalbox-deployment: me}",
        "extra_headers: {'x y': z}",
        "extra_headers: {x-a: \"b\\nc: d\"}",
        "extra_headers: {x-a: [b]}",
        "extra_headers: {x-a: os.environ/}",
        "extra_body: {api_key: SECRET}",
        "extra_body: {base_url: 'http://h'}",
        "extra_body: {model: other}",
    ] {
        let said = wrong(&format!("model: openai/x, {params}"));
        assert!(!said.contains("SECRET"), "{said}");
    }
}
