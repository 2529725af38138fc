//! LiteLLM's configuration to the model: what every key becomes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::cast_precision_loss)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use signalbox::config::compile::{Compiled, compile, compile_json, complexity_router};
use signalbox::config::model::{Deployment, Key, RouterConfig};
use signalbox::config::tree::Node;
use signalbox::config::yaml;

fn env(name: &str) -> Option<String> {
    match name {
        "BASE" => Some("http://10.0.0.1:8000/v1".to_owned()),
        "RPM" => Some("30".to_owned()),
        _ => None,
    }
}

fn compiled(text: &str) -> Compiled {
    let lines =
        |n: signalbox::config::diagnostic::Diagnostics| n.iter().map(|n| n.line("f") + "\n").collect::<String>();
    yaml::read(text).and_then(|root| compile(&root, &env)).unwrap_or_else(|errors| panic!("{}", lines(errors)))
}

fn errors(text: &str) -> Vec<String> {
    let errors = yaml::read(text).and_then(|root| compile(&root, &env)).unwrap_err();
    errors.iter().map(|diagnostic| diagnostic.line("f")).collect()
}

/// A configuration of one deployment with these parameters.
fn one(params: &str) -> Deployment {
    let text = format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]");
    compiled(&text).config.deployments.remove(0)
}

/// Two groups, and these settings.
fn settings(more: &str) -> RouterConfig {
    let list = "model_list:\n- {model_name: a, litellm_params: {model: openai/x}}\n- {model_name: b, litellm_params: {model: openai/y}}\n";
    compiled(&format!("{list}{more}")).config
}

#[test]
fn tutorials_compile_without_a_warning() {
    for number in 1..=3 {
        let text = std::fs::read_to_string(golden::path(&format!("config/tutorial-{number}.yaml"))).unwrap();
        let found = compiled(&text).diagnostics;
        assert!(found.is_empty(), "tutorial {number}: {found:?}");
    }
}

#[test]
fn a_tutorial_means_what_it_says() {
    let text = std::fs::read_to_string(golden::path("config/tutorial-2.yaml")).unwrap();
    let config = compiled(&text).config;
    assert_eq!(config.fallbacks, [(0, vec![1, 2]), (1, vec![2])]);
    assert_eq!(config.router.max_fallbacks, 3);
    let ids: Vec<_> = config.deployments.iter().map(|d| (d.id.as_str(), d.provider.name, d.model.as_str())).collect();
    let llama = "meta-llama/Llama-3.3-70B-Instruct";
    let wanted = [
        ("primary-1", "openai", "gpt-4o"),
        ("secondary-1", "anthropic", "claude-sonnet-4-5"),
        ("tertiary-1", "featherless_ai", llama),
    ];
    assert_eq!(ids, wanted);
}

#[test]
fn defaults_are_litellms() {
    let config = settings("");
    let router = &config.router;
    assert_eq!((router.num_retries, router.max_fallbacks, router.cooldown_ms), (2, 5, 5_000));
    assert_eq!((router.allowed_fails, router.timeout_ms, router.stream_timeout_ms), (None, None, None));
    assert!(!router.disable_cooldowns);
    assert_eq!(config.signalbox.listen, "127.0.0.1:10000");
    assert_eq!(config.deployments[0].key, Some(Key::Env("OPENAI_API_KEY".to_owned())));
}

#[test]
fn litellm_params_become_a_deployment() {
    let deployment = one(
        "model: openai/gpt-4o, api_base: 'https://h/v1', api_key: k, weight: '0.5', order: 2, rpm: '30', tpm: 1e3, timeout: '0.5', \
         stream_timeout: 3, num_retries: 0, cooldown_time: 0, drop_params: 'True'",
    );
    assert_eq!(deployment.key, Some(Key::Literal("k".to_owned())));
    assert_eq!(deployment.weight, Some(0.5));
    assert_eq!((deployment.rpm, deployment.tpm, deployment.order), (Some(30), Some(1000), Some(2)));
    assert_eq!((deployment.timeout_ms, deployment.stream_timeout_ms), (Some(500), Some(3000)));
    assert_eq!((deployment.num_retries, deployment.cooldown_ms, deployment.drop_params), (Some(0), Some(0), true));
}

#[test]
fn the_provider_is_named_or_guessed() {
    let name = |params: &str| {
        let deployment = one(params);
        format!("{} {}", deployment.provider.name, deployment.model)
    };
    assert_eq!(name("model: gpt-4o"), "openai gpt-4o");
    assert_eq!(name("model: o3-mini"), "openai o3-mini");
    assert_eq!(name("model: claude-sonnet-4-5"), "anthropic claude-sonnet-4-5");
    assert_eq!(name("model: openrouter/anthropic/claude-3"), "openrouter anthropic/claude-3");
    assert_eq!(name("model: my/model, custom_llm_provider: openai"), "openai my/model");
    assert_eq!(name("model: openai/m, custom_llm_provider: openai"), "openai m");
}

#[test]
fn keys_stay_where_they_belong() {
    assert_eq!(one("model: openai/x, api_key: os.environ/MINE").key, Some(Key::Env("MINE".to_owned())));
    // Another host gets no key that was not meant for it.
    assert_eq!(one("model: openai/x, api_base: 'http://h/v1'").key, None);
    // An empty one is none, as in LiteLLM.
    assert_eq!(one("model: openai/x, api_key: ''").key, Some(Key::Env("OPENAI_API_KEY".to_owned())));
    assert_eq!(one("model: openai/x, api_key: '', api_base: 'http://h/v1'").key, None);
}

#[test]
fn the_environment_fills_any_text_but_keys() {
    let deployment = one("model: openai/x, api_base: os.environ/BASE, rpm: os.environ/RPM, api_key: os.environ/GONE");
    assert_eq!((deployment.endpoint.authority(), deployment.rpm), ("10.0.0.1:8000".to_owned(), Some(30)));
    let found = errors("model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/GONE}}]");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("`GONE` is not set"), "{found:?}");
}

#[test]
fn ids_are_safe_unique_and_stable() {
    let config = compiled(
        "model_list:
- {model_name: openai/*, litellm_params: {model: openai/*}}
- {model_name: a b, litellm_params: {model: openai/x}, model_info: {id: 7}}
- {model_name: a b, litellm_params: {model: openai/x}}
- {model_name: a-b, litellm_params: {model: openai/x}}
- {model_name: a-b, litellm_params: {model: openai/x}}
- {model_name: z, litellm_params: {model: openai/x}, model_info: {id: a-b-1}}",
    )
    .config;
    let ids: Vec<_> = config.deployments.iter().map(|deployment| deployment.id.as_str()).collect();
    assert_eq!(ids, ["openai-any-1", "7", "a-b-2", "a-b-3", "a-b-4", "a-b-1"]);
}

#[test]
fn router_settings_win_over_litellm_settings() {
    let config = settings(
        "router_settings: {num_retries: 1, timeout: 10}\n\
         litellm_settings: {num_retries: 9, request_timeout: 99, allowed_fails: 4, drop_params: true, default_fallbacks: [b]}",
    );
    assert_eq!(
        (config.router.num_retries, config.router.timeout_ms, config.router.allowed_fails),
        (1, Some(10_000), Some(4))
    );
    assert!(config.deployments.iter().all(|deployment| deployment.drop_params));
    assert_eq!(config.default_fallbacks, [1]);
    assert_eq!(settings("litellm_settings: {request_timeout: 99}").router.timeout_ms, Some(99_000));
}

#[test]
fn aliases_and_fallbacks_name_groups() {
    let config = settings(
        "router_settings:
  model_group_alias: {x: a, y: {model: b, hidden: true}}
  fallbacks: [{a: [y]}, {'*': [b]}]",
    );
    let aliases: Vec<_> = config.aliases.iter().map(|alias| (alias.name.as_str(), alias.group, alias.hidden)).collect();
    assert_eq!(aliases, [("x", 0, false), ("y", 1, true)]);
    assert_eq!((config.fallbacks, config.default_fallbacks), (vec![(0, vec![1])], vec![1]));
}

#[test]
fn the_filter_compiles_the_same_without_a_secret() {
    let text = "
model_list:
- model_name: openai/*
  litellm_params: {model: openai/*, api_key: sk-SECRET, tag_regex: [SECRET], rpm: os.environ/RPM}
- model_name: api_key
  litellm_params: {model: openai/x, api_base: os.environ/BASE, api_key: os.environ/SECRET}
  model_info: {id: x, team_id: SECRET}
general_settings: {master_key: SECRET}
environment_variables: {K: SECRET}
router_settings: {redis_password: SECRET, fallbacks: [{openai/*: [api_key]}], model_group_alias: {listen: api_key}}
signalbox: {secret_files: {SECRET: /run/SECRET}, first_token_timeout: 2.5, fallback_on_bad_request: true}
";
    let outside = compiled(text);
    let json = outside.filter.to_json().to_string();
    assert!(!json.contains("SECRET") && !json.contains("os.environ"), "{json}");
    let inside = compile(&Node::from_json_text(json.as_bytes()).unwrap(), &|_| None).unwrap();
    assert!(inside.diagnostics.is_empty(), "{:?}", inside.diagnostics);
    let mut wanted = outside.config;
    wanted.signalbox.secret_files.clear();
    for (wanted, found) in wanted.deployments.iter_mut().zip(&inside.config.deployments) {
        wanted.key.clone_from(&found.key);
    }
    assert_eq!(inside.config, wanted);
}

#[test]
fn a_warning_is_no_error() {
    let text = "
model_list: [{model_name: m, litellm_params: {model: openai/x, tag_regex: [a], shoe_size: 44, silent_model: b}}]
general_settings: {master_key: sk-SECRET}
";
    let warnings: Vec<_> = compiled(text).diagnostics.iter().map(|diagnostic| diagnostic.line("f")).collect();
    let about = |word: &str| warnings.iter().any(|warning| warning.contains(word));
    assert_eq!(warnings.len(), 4, "{warnings:#?}");
    assert!(
        about("`tag_regex` has no effect")
            && about("unknown key `shoe_size`")
            && about("so short a key can be guessed"),
        "{warnings:#?}"
    );
    assert!(!about("SECRET"), "{warnings:#?}");
}

#[test]
fn an_empty_file_is_told_what_to_hold() {
    for text in ["", "[]", "model_list: []", "model_list: {}", "- a"] {
        let found = errors(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
}

/// The filter compiles what the command line compiled before it: a boundary must not lie elsewhere there, not by one bit.
#[test]
fn numbers_reach_the_filter_to_the_bit() {
    let mut seed = 0x5EED_u64;
    let draw = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 11) as f64 / (1_u64 << 53) as f64
    };
    let numbers = [0.199_999_999_999_999_98, 0.1 + 0.2, (0.15_f64 - 0.1 - 0.05).abs(), f64::MIN_POSITIVE, 5e-324];
    for number in numbers.into_iter().chain(std::iter::repeat_with(draw).take(500)) {
        let router = format!(
            "model_list:\n- model_name: a\n  litellm_params: {{model: openai/a, weight: {number:?}}}\n- model_name: r\n  \
             litellm_params:\n    model: auto_router/complexity_router\n    complexity_router_config:\n      \
             tier_boundaries: {{simple_medium: {number:?}, medium_complex: 7.0, complex_reasoning: 8}}\n      \
             dimension_weights: {{codePresence: {number:?}}}\n"
        );
        let root = yaml::read(&router).unwrap();
        let outside = complexity_router(&root, None).unwrap().config;
        let inside = Node::from_json_text(root.to_json().to_string().as_bytes()).unwrap();
        let inside = complexity_router(&inside, None).unwrap().config;
        assert_eq!(outside.tier_boundaries.simple_medium.to_bits(), number.to_bits());
        assert_eq!(inside.tier_boundaries.simple_medium.to_bits(), number.to_bits());
        assert_eq!(inside, outside);

        let list = format!("model_list: [{{model_name: a, litellm_params: {{model: openai/a, weight: {number:?}}}}}]");
        let outside = compiled(&list);
        let inside = compile_json(&outside.filter.to_json().to_string()).unwrap();
        assert_eq!(inside.deployments[0].weight, outside.config.deployments[0].weight);
    }
}
