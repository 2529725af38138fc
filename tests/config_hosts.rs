//! Nothing goes where the file does not say: which host a deployment's requests go to, and which key goes with them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use signalbox::config::compile::{Compiled, compile, compile_json};
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::model::Key;
use signalbox::config::yaml;
use signalbox::provider::{Api, Call};

type Variables<'a> = &'a [(&'a str, &'a str)];

fn read(text: &str, env: Variables<'_>) -> Result<Compiled, Diagnostics> {
    let env = |name: &str| env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    yaml::read(text).and_then(|root| compile(&root, &env))
}

/// `host/path key` of each deployment, and the same from what the filter is given.
fn goes(text: &str, env: Variables<'_>) -> Vec<String> {
    let compiled = read(text, env).unwrap_or_else(|found| panic!("{text}\n{}", found.lines("f").join("\n")));
    let json = compiled.filter.to_json().to_string();
    let inside = compile_json(&json).unwrap_or_else(|found| panic!("{found}\n{json}"));
    for (one, other) in compiled.config.deployments.iter().zip(&inside.deployments) {
        assert_eq!(
            (&one.endpoint, &one.model, one.provider, one.probed),
            (&other.endpoint, &other.model, other.provider, other.probed),
            "{text}"
        );
    }
    assert!(!json.contains("SECRET") && !json.contains("os.environ") && !json.contains("_KEY"), "{json}");
    let line = |deployment: &signalbox::config::model::Deployment| {
        let endpoint = &deployment.endpoint;
        let key = match &deployment.key {
            None => "none".to_owned(),
            Some(Key::Env(name)) => format!("${name}"),
            Some(Key::Literal(text)) => text.clone(),
        };
        format!("{}{} {key}", endpoint.authority(), endpoint.path)
    };
    compiled.config.deployments.iter().map(line).collect()
}

/// Where the only deployment goes.
fn one(params: &str, more: &str, env: Variables<'_>) -> String {
    goes(&format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n{more}"), env).remove(0)
}

fn errors(text: &str, env: Variables<'_>) -> Vec<String> {
    match read(text, env) {
        Ok(compiled) => panic!("accepted: {:?}", compiled.config.deployments),
        Err(found) => found.of(Severity::Error).map(|error| format!("{}: {}", error.path, error.problem)).collect(),
    }
}

fn wrong(params: &str, more: &str, env: Variables<'_>) -> String {
    let found = errors(&format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n{more}"), env);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].clone()
}

fn said(text: &str, env: Variables<'_>) -> Vec<String> {
    read(text, env)
        .unwrap()
        .diagnostics
        .iter()
        .map(|found| format!("{} {}", found.severity.as_str(), found.problem))
        .collect()
}

fn file(name: &str) -> String {
    std::fs::read_to_string(golden::path(&format!("config/faults/{name}.yaml"))).unwrap()
}

#[test]
fn case_01_base_url_names_the_host_as_api_base_does() {
    assert_eq!(goes(&file("01-base_url"), &[]), ["127.0.0.1:28900/v1 $HOUSE_KEY"]);
    assert_eq!(one("model: anthropic/claude-x, base_url: 'http://h/', api_key: k", "", &[]), "h k");
    assert_eq!(one("model: groq/x, base_url: os.environ/B, api_key: k", "", &[("B", "http://h/v1")]), "h/v1 k");
    assert!(wrong("model: openai/x, base_url: os.environ/B", "", &[]).contains("`B` is not set"));
    // Written empty it is none, as in LiteLLM; of a variable, somebody has lost something.
    for name in ["base_url", "api_base"] {
        let empty = format!("model_list: [{{model_name: m, litellm_params: {{model: openai/x, {name}: ''}}}}]");
        assert_eq!(goes(&empty, &[]), ["api.openai.com/v1 $OPENAI_API_KEY"]);
        assert_eq!(said(&empty, &[]), ["warning this is empty, and names no host: to LiteLLM as if it were not there"]);
        assert!(wrong(&format!("model: openai/x, {name}: os.environ/B"), "", &[("B", "")]).contains("`B` is empty"));
    }
    let over = wrong("model: openai/x, base_url: '', api_base: 'http://h/v1'", "", &[]);
    assert!(over.contains("passes over the `api_base`"), "{over}");
    // LiteLLM takes `base_url` for chat.
    let both = "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: 'http://a', base_url: 'http://b', api_key: k}}]";
    assert_eq!(goes(both, &[]), ["b k"]);
    assert_eq!(said(both, &[]), ["warning `base_url` and `api_base` name two hosts, and this one counts"]);
}

/// Of a name that says nobody, LiteLLM takes the provider of some hosts; of others, that of the name.
#[test]
fn case_07_a_host_names_the_provider_where_litellm_knows_it() {
    let model = |params: &str| {
        let text = format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]");
        let deployment = read(&text, &[]).unwrap().config.deployments.remove(0);
        format!("{} {}", deployment.provider.name, deployment.model)
    };
    assert_eq!(model("model: llama-x, api_base: 'https://api.together.xyz/v1'"), "together_ai llama-x");
    assert_eq!(
        model("model: meta-llama/llama-x, api_base: 'https://api.together.ai/v1/'"),
        "together_ai meta-llama/llama-x"
    );
    assert_eq!(model("model: ds, base_url: 'https://api.deepseek.com/v1'"), "deepseek ds");
    assert_eq!(model("model: gpt-4o, api_base: 'https://api.fireworks.ai/inference/v1'"), "openai gpt-4o");
    assert_eq!(model("model: gpt-4o, api_base: 'https://api.anthropic.com'"), "openai gpt-4o");
    assert!(wrong("model: mine, api_base: 'https://openrouter.ai/api/v1'", "", &[]).contains("does not say"));
    // Its own host gets its key.
    let old = one("model: together_ai/x, api_base: 'https://api.together.xyz/v1'", "", &[("TOGETHER_API_KEY", "k")]);
    assert_eq!(old, "api.together.xyz/v1 $TOGETHER_API_KEY");
}

#[test]
fn case_02_a_credential_fills_what_the_entry_does_not_say() {
    assert_eq!(goes(&file("02-credential"), &[]), ["127.0.0.1:28900/v1 $HOUSE_KEY"]);
    let list = "credential_list:\n- {credential_name: house, credential_values: {api_key: SECRET, api_base: 'http://h/v1'}, credential_info: {custom_llm_provider: openai}}";
    assert_eq!(one("model: openai/x, litellm_credential_name: house, api_key: own", list, &[]), "h/v1 own");
    assert_eq!(
        one("model: openai/x, litellm_credential_name: house, api_base: 'http://o/v1'", list, &[]),
        "o/v1 SECRET"
    );
    assert_eq!(one("model: openai/x, litellm_credential_name: house, api_base: null", list, &[]), "h/v1 SECRET");
    assert_eq!(one("model: openai/x", list, &[]), "api.openai.com/v1 $OPENAI_API_KEY");
    let base_only = "credential_list: [{credential_name: house, credential_values: {base_url: os.environ/B}}]";
    let env: Variables<'_> = &[("B", "http://h/v1"), ("OPENAI_API_KEY", "SECRET")];
    assert_eq!(one("model: openai/x, litellm_credential_name: house", base_only, env), "h/v1 none");
    assert!(wrong("model: openai/x, litellm_credential_name: house", base_only, &[]).contains("`B` is not set"));
    assert!(
        wrong("model: openai/x, litellm_credential_name: hosue", list, &[]).contains("no credential is named `hosue`")
    );
    assert!(wrong("model: openai/x, litellm_credential_name: a", "", &[]).contains("no credential is named `a`"));
    let twice =
        "credential_list: [{credential_name: a, credential_values: {}}, {credential_name: a, credential_values: {}}]";
    assert!(wrong("model: openai/x", twice, &[]).contains("another credential is named `a` too"));
    assert!(wrong("model: openai/x", "credential_list: [{credential_values: {}}]", &[]).contains("is missing"));
}

#[test]
fn case_03_the_environment_and_litellm_settings_name_hosts_in_litellms_order() {
    assert_eq!(goes(&file("03-environment"), &[]), ["eu.example.test/v1 $OPENAI_API_KEY"]);
    let openai = |more: &str, env| one("model: openai/x", more, env);
    let env: Variables<'_> = &[("OPENAI_BASE_URL", "http://out/v1"), ("OPENAI_API_BASE", "http://older/v1")];
    assert_eq!(openai("", env), "out/v1 $OPENAI_API_KEY");
    assert_eq!(openai("", &env[1..]), "older/v1 $OPENAI_API_KEY");
    assert_eq!(openai("environment_variables: {OPENAI_BASE_URL: 'http://in/v1'}", env), "in/v1 $OPENAI_API_KEY");
    assert_eq!(openai("environment_variables: {OPENAI_BASE_URL: ''}", env), "older/v1 $OPENAI_API_KEY");
    assert_eq!(
        openai("environment_variables: {OPENAI_API_BASE: os.environ/B}", &[("B", "http://b/v1")]),
        "b/v1 $OPENAI_API_KEY"
    );
    assert_eq!(openai("litellm_settings: {api_base: 'http://set/v1'}", env), "set/v1 none");
    assert_eq!(openai("litellm_settings: {api_base: 'http://set/v1', openai_key: os.environ/K}", env), "set/v1 $K");
    assert_eq!(openai("litellm_settings: {api_base: 'http://set/v1', api_key: SECRET}", env), "set/v1 SECRET");
    assert_eq!(openai("litellm_settings: {openai_key: os.environ/K}", &[]), "api.openai.com/v1 $K");
    assert_eq!(openai("environment_variables: {OPENAI_API_KEY: SECRET}", &[]), "api.openai.com/v1 SECRET");
    assert_eq!(
        openai("environment_variables: {OPENAI_API_KEY: os.environ/K}", &[("K", "SECRET")]),
        "api.openai.com/v1 $K"
    );
    assert_eq!(
        one("model: openai/x, api_base: 'http://own/v1'", "litellm_settings: {api_base: 'http://set/v1'}", env),
        "own/v1 none"
    );
    assert!(
        wrong("model: openai/x", "", &[("OPENAI_BASE_URL", "eu.example.test/v1")])
            .contains("`OPENAI_BASE_URL` has no scheme")
    );
    assert!(
        wrong("model: openai/x", "litellm_settings: {api_base: os.environ/GONE}", &[]).contains("`GONE` is not set")
    );
    assert!(
        wrong("model: openai/x, api_base: os.environ/B", "environment_variables: {B: 'http://b'}", &[])
            .contains("`B` is not set")
    );
}

/// LiteLLM's own order and names, provider by provider (tests/judges holds them against LiteLLM itself).
#[test]
fn every_provider_has_its_variables() {
    let settings = "litellm_settings: {api_base: 'http://set', api_key: SECRET}";
    for (model, base, key, with_settings) in [
        ("anthropic/x", "ANTHROPIC_API_BASE", "ANTHROPIC_API_KEY", "set SECRET"),
        ("anthropic/x", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "set SECRET"),
        (
            "featherless_ai/x",
            "FEATHERLESS_AI_API_BASE",
            "FEATHERLESS_API_KEY",
            "api.featherless.ai/v1 $FEATHERLESS_AI_API_KEY",
        ),
        ("groq/x", "GROQ_API_BASE", "GROQ_API_KEY", "api.groq.com/openai/v1 SECRET"),
        ("together_ai/x", "TOGETHER_AI_API_BASE", "TOGETHERAI_API_KEY", "api.together.ai/v1 $TOGETHER_API_KEY"),
        (
            "fireworks_ai/x",
            "FIREWORKS_API_BASE",
            "FIREWORKS_AI_API_KEY",
            "api.fireworks.ai/inference/v1 $FIREWORKS_API_KEY",
        ),
        ("deepseek/x", "DEEPSEEK_API_BASE", "DEEPSEEK_API_KEY", "api.deepseek.com/beta $DEEPSEEK_API_KEY"),
        ("xai/x", "XAI_API_BASE", "XAI_API_KEY", "api.x.ai/v1 $XAI_API_KEY"),
        ("openrouter/a/x", "OPENROUTER_API_BASE", "OR_API_KEY", "set SECRET"),
        ("hosted_vllm/x", "HOSTED_VLLM_API_BASE", "HOSTED_VLLM_API_KEY", "set none"),
    ] {
        let params = format!("model: {model}");
        assert_eq!(one(&params, "", &[(base, "http://env"), (key, "SECRET")]), format!("env ${key}"), "{model}");
        assert_eq!(one(&params, settings, &[]), with_settings, "{model}");
    }
    let vllm: Variables<'_> = &[("HOSTED_VLLM_API_BASE", "http://env")];
    assert_eq!(one("model: hosted_vllm/x", settings, vllm), "env none", "here the variable goes first");
}

#[test]
fn a_key_goes_only_where_it_was_meant_to_go() {
    let env: Variables<'_> = &[("OPENAI_API_KEY", "SECRET"), ("GROQ_API_KEY", "SECRET")];
    assert_eq!(one("model: openai/x, api_base: 'http://h/v1'", "", env), "h/v1 none");
    assert_eq!(
        one("model: openai/x, api_base: 'https://api.openai.com/v1/'", "", env),
        "api.openai.com/v1 $OPENAI_API_KEY"
    );
    assert_eq!(
        one("model: openai/x, api_base: 'http://api.openai.com/v1/'", "", env),
        "api.openai.com/v1 none",
        "in the clear"
    );
    assert_eq!(
        one("model: groq/x, api_base: 'https://api.groq.com.evil.test/openai/v1'", "", env),
        "api.groq.com.evil.test/openai/v1 none"
    );
    let text = "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: 'http://h/v1'}}]";
    assert_eq!(said(text, env), ["note no key is sent to h, where LiteLLM would send `OPENAI_API_KEY`"]);
    assert_eq!(said(text, &[]), Vec::<String>::new());
}

#[test]
fn what_makes_litellm_ask_somebody_else_is_an_error() {
    for (params, more) in [
        ("model: openai/x, mock_response: hello", ""),
        ("model: openai/x, use_litellm_proxy: true", ""),
        ("model: openai/x", "litellm_settings: {use_litellm_proxy: true}"),
        ("model: openai/x", "environment_variables: {USE_LITELLM_PROXY: true}"),
        ("model: openai/x", "litellm_settings: {model_alias_map: {openai/x: groq/y}}"),
        ("model: openai/x", "router_settings: {default_litellm_params: {api_base: 'http://h'}}"),
        ("model: openai/x", "router_settings: {default_litellm_params: {base_url: 'http://h'}}"),
        ("model: openai/x", "router_settings: {default_litellm_params: {api_key: k}}"),
        ("model: openai/x", "include: [other.yaml]"),
    ] {
        wrong(params, more, &[]);
    }
    wrong("model: openai/x", "", &[("USE_LITELLM_PROXY", "True")]);
    assert_eq!(
        one("model: openai/x, use_litellm_proxy: false", "", &[("USE_LITELLM_PROXY", "false")]),
        "api.openai.com/v1 $OPENAI_API_KEY"
    );
    assert_eq!(
        one("model: openai/x", "litellm_settings: {model_alias_map: {gpt: groq/y}}", &[]),
        "api.openai.com/v1 $OPENAI_API_KEY"
    );
}

#[test]
fn deployments_for_other_environments_are_left_out() {
    let text = "model_list:
- {model_name: m, litellm_params: {model: openai/x}, model_info: {supported_environments: [production]}}
- {model_name: m, litellm_params: {model: openai/y, api_base: 'http://h'}, model_info: {supported_environments: [development, staging]}}
- {model_name: m, litellm_params: {model: openai/z, api_base: 'http://z'}}";
    assert_eq!(goes(text, &[("LITELLM_ENVIRONMENT", "staging")]), ["h none", "z none"]);
    assert_eq!(errors(text, &[]).len(), 2, "which environment this is must be known");
    assert!(errors(text, &[("LITELLM_ENVIRONMENT", "live")])[0].contains("LITELLM_ENVIRONMENT"));
}

/// Some providers have a host for each account.
#[test]
fn an_account_in_a_variable_is_a_part_of_the_host() {
    let account =
        [("CLOUDFLARE_ACCOUNT_ID", "acc"), ("SNOWFLAKE_ACCOUNT_ID", "org-acc"), ("CLOUDFLARE_API_KEY", "SECRET")];
    let at = |params: &str, env: &[(&str, &str)]| one(params, "", env);
    assert_eq!(
        at("model: cloudflare/@cf/meta/x", &account),
        "api.cloudflare.com/client/v4/accounts/acc/ai/v1 $CLOUDFLARE_API_KEY"
    );
    assert_eq!(
        at("model: snowflake/x, api_key: os.environ/K", &account),
        "org-acc.snowflakecomputing.com/api/v2/cortex/v1 $K"
    );
    assert_eq!(at("model: cloudflare/x, api_base: 'http://h'", &account), "h none");
    let found = wrong("model: cloudflare/x", "", &[]);
    assert!(found.contains("nothing names the account at `cloudflare`"), "{found}");
    assert!(wrong("model: snowflake/x", "", &[("SNOWFLAKE_ACCOUNT_ID", "a b")]).contains("is no URL"));
}

/// A model of Hugging Face's router is written with who serves it, one at an endpoint of one's own as it is.
#[test]
fn an_endpoint_at_hugging_face_gets_the_models_name_as_it_is() {
    let asked = |params: &str| {
        let text = format!("model_list:\n- {{model_name: m, litellm_params: {{{params}}}}}\n");
        let deployment = read(&text, &[]).unwrap().config.deployments.remove(0);
        (deployment.provider.full_name)(Api::Chat, &deployment.model).into_owned()
    };
    assert_eq!(asked("model: huggingface/together/org/x"), "org/x:together");
    assert_eq!(asked("model: huggingface/org/x"), "org/x");
    assert_eq!(asked("model: huggingface/together/org/x, api_base: 'http://h:80'"), "together/org/x");
    assert_eq!(asked("model: huggingface/tgi, api_base: 'http://h:80/v1'"), "tgi");
    assert_eq!(asked("model: azure_ai/model_router/mine, api_base: 'https://h'"), "mine");
}

/// What a shell would fill in is filled in where all of it is set.
#[test]
fn variables_within_a_base_url_are_read_where_they_are_set() {
    let env = [("HOST", "h.test"), ("PORT", "8000"), ("URL", "http://whole.test/v1"), ("MY_API_KEY", "SECRET")];
    for (base, wanted) in [
        ("http://${HOST}:${PORT}/v1", "h.test:8000/v1 $K"),
        ("http://${HOST}:${OTHER_PORT:-9000}/v1", "h.test:9000/v1 $K"),
        ("${URL}", "whole.test/v1 $K"),
        ("${URL:-http://else.test}", "whole.test/v1 $K"),
        ("${NOBODY:-http://else.test}", "else.test $K"),
    ] {
        assert_eq!(
            one(&format!("model: openai/x, api_key: os.environ/K, api_base: '{base}'"), "", &env),
            wanted,
            "{base}"
        );
    }
    for base in ["http://${HOST}:${NOBODY}/v1", "http://h/${MY_API_KEY}/v1", "http://{{ HOST }}/v1"] {
        assert!(
            !wrong(&format!("model: openai/x, api_key: k, api_base: '{base}'"), "", &env).contains("SECRET"),
            "{base}"
        );
    }
    assert_eq!(one("model: openai/x, api_key: '${K:-none}'", "", &[("K", "SECRET")]), "api.openai.com/v1 $K");
}

/// 12: what a shell or a template would have filled in reaches LiteLLM as it is.
#[test]
fn case_12_a_variable_in_a_shells_way_is_no_key_and_no_host() {
    for params in [
        "model: openai/x, api_key: '${OPENAI_API_KEY}'",
        "model: openai/x, api_key: $OPENAI_API_KEY",
        "model: openai/x, api_key: '{{ openai_key }}'",
        "model: openai/x, api_key: os.environ['K']",
        "model: openai/x, api_key: k, api_base: '${BASE}'",
        "model: openai/x, api_key: k, base_url: 'https://${HOST}/v1'",
        "model: openai/x, api_key: k, api_base: 'https://h/{{ path }}'",
    ] {
        wrong(params, "", &[]);
    }
    wrong("model: openai/x", "litellm_settings: {api_key: '${K}'}", &[]);
    wrong(
        "model: openai/x, litellm_credential_name: a",
        "credential_list: [{credential_name: a, credential_values: {api_key: '${K}'}}]",
        &[],
    );
    wrong("model: openai/x", "environment_variables: {OPENAI_BASE_URL: '${B}'}", &[]);
    wrong("model: openai/x", "environment_variables: {OPENAI_API_KEY: '${K}'}", &[]);
}

/// K40: a base URL may end in a version of any form, or in the path itself; neither is written twice.
#[test]
fn k40_no_part_of_a_path_is_written_twice() {
    for provider in ["openai", "hosted_vllm", "openai_like", "zai"] {
        for (base, path) in [
            ("https://api.z.ai/api/paas/v4", "/api/paas/v4/chat/completions"),
            ("https://h/v1/", "/v1/chat/completions"),
            ("https://h/v1beta/openai", "/v1beta/openai/chat/completions"),
            ("https://h/v1/chat/completions", "/v1/chat/completions"),
            ("https://h/v1/chat/completions/", "/v1/chat/completions"),
        ] {
            let text = format!(
                "model_list: [{{model_name: m, litellm_params: {{model: {provider}/m, api_base: \"{base}\"}}}}]"
            );
            let compiled = read(&text, &[]).unwrap();
            let [deployment] = compiled.config.deployments.as_slice() else { panic!() };
            let call = Call { api: Api::Chat, dialect: deployment.dialect, model: "m", stream: false };
            let below = deployment.provider.path_of(call).unwrap();
            assert_eq!(deployment.endpoint.target(&below), path, "{provider} {base}");
        }
    }
}

/// A probe asks what a model is for.
#[test]
fn a_model_is_probed_by_what_it_is_for() {
    let of = |params: &str, info: &str| {
        let text = format!("model_list: [{{model_name: m, litellm_params: {{{params}}}, model_info: {{{info}}}}}]");
        goes(&text, &[]);
        read(&text, &[]).unwrap().config.deployments[0].probed
    };
    for (params, info, wanted) in [
        ("model: openai/gpt-4o", "", Some(Api::Chat)),
        ("model: openai/gpt-5-codex", "mode: responses", Some(Api::Chat)),
        ("model: openai/text-embedding-3-small", "", Some(Api::Embeddings)),
        ("model: hosted_vllm/bge-m3, api_base: http://h/v1", "mode: embedding", Some(Api::Embeddings)),
        ("model: hosted_vllm/my-embedder, api_base: http://h/v1", "", Some(Api::Embeddings)),
        ("model: hosted_vllm/my-embedder, api_base: http://h/v1", "mode: chat", Some(Api::Chat)),
        ("model: bedrock/amazon.titan-embed-text-v2:0, aws_region_name: us-east-1", "", Some(Api::Embeddings)),
        ("model: voyage/voyage-3", "", Some(Api::Embeddings)),
        ("model: openai/whisper-1", "mode: audio_transcription", None),
    ] {
        assert_eq!(of(params, info), wanted, "{params} {info}");
    }
}

#[test]
fn k40_ollamas_own_api_is_at_its_root() {
    for base in
        ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/api", "http://h:1/api/chat"]
    {
        assert_eq!(one(&format!("model: ollama_chat/m, api_base: \"{base}\""), "", &[]), "h:1 none", "{base}");
    }
    assert_eq!(one("model: ollama/m, api_base: http://h:1/below", "", &[]), "h:1/below none");
}
