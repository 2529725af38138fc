//! Published configurations that once went wrong, and their kin: what each must mean. The numbers are those of the cases.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use signalbox::config::compile::{Compiled, compile, compile_json};
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::yaml;

fn read(text: &str) -> Result<Compiled, Diagnostics> {
    let env = |name: &str| (name == "GROUP_NAME").then(|| "group".to_owned());
    let compiled = yaml::read(text).and_then(|root| compile(&root, &env))?;
    // The filter understands the same.
    let inside = compile_json(&compiled.filter.to_json().to_string()).unwrap();
    assert_eq!(inside.groups, compiled.config.groups, "{text}");
    assert_eq!(inside.fallbacks, compiled.config.fallbacks, "{text}");
    Ok(compiled)
}

fn accepted(text: &str) -> Compiled {
    read(text).unwrap_or_else(|found| panic!("{}", found.lines("f").join("\n")))
}

/// Problems of a severity, with their paths.
fn told(found: &Diagnostics, severity: Severity) -> Vec<String> {
    found.of(severity).map(|one| format!("{}: {}", one.path, one.problem)).collect()
}

fn errors(text: &str) -> Vec<String> {
    match read(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(found) => told(&found, Severity::Error),
    }
}

fn warnings(text: &str) -> Vec<String> {
    told(&accepted(text).diagnostics, Severity::Warning)
}

fn entry(params: &str) -> String {
    format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n")
}

#[test]
fn case_07_a_bare_name_has_the_provider_that_litellm_infers() {
    let of = |params: &str| {
        let deployment = accepted(&entry(params)).config.deployments.remove(0);
        format!("{} {}", deployment.provider.name, deployment.model)
    };
    assert_eq!(of("model: whisper-1"), "openai whisper-1");
    assert_eq!(of("model: gpt-image-1"), "openai gpt-image-1");
    assert_eq!(of("model: computer-use-preview"), "openai computer-use-preview");
    assert_eq!(of("model: claude-3-opus-20240229"), "anthropic claude-3-opus-20240229");
    assert_eq!(of("model: gemini-2.5-flash, vertex_project: p"), "vertex_ai gemini-2.5-flash");
    assert_eq!(of("model: 'ft:gpt-4o-mini-2024-07-18:acme::x'"), "openai ft:gpt-4o-mini-2024-07-18:acme::x");
    // LiteLLM looks at the host before the name.
    assert_eq!(of("model: llama-x, api_base: 'https://api.groq.com/openai/v1'"), "groq llama-x");
    assert_eq!(of("model: gpt-4o, base_url: 'https://api.groq.com/openai/v1'"), "groq gpt-4o");
    assert_eq!(of("model: meta-llama/x, api_base: 'https://api.together.ai/v1'"), "together_ai meta-llama/x");
    assert_eq!(of("model: openai/x, api_base: 'https://api.groq.com/openai/v1'"), "openai x");
    assert_eq!(of("model: command-r-08-2024"), "cohere_chat command-r-08-2024");
    let claude = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
    assert_eq!(of(&format!("model: '{claude}'")), format!("bedrock {claude}"));
    assert_eq!(of("model: 'eu.anthropic.claude-next-9-v1:0'"), "bedrock eu.anthropic.claude-next-9-v1:0");
    assert!(errors(&entry("model: llama2"))[0].contains("LiteLLM knows no model of that name"));
}

/// The deployment of an entry of Bedrock's, its host and region.
fn at_bedrock(params: &str) -> (String, Option<String>) {
    let deployment = accepted(&entry(params)).config.deployments.remove(0);
    (deployment.endpoint.host, deployment.signing.map(|signing| signing.region))
}

#[test]
fn k20_k21_k22_a_region_is_found_and_signed_for_unless_there_is_a_key() {
    let haiku = "anthropic.claude-haiku-4-5-20251001-v1:0";
    let arn = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6";
    let host = |region: &str| format!("bedrock-runtime.{region}.amazonaws.com");
    let signed = |region: &str| (host(region), Some(region.to_owned()));
    assert_eq!(at_bedrock(&format!("model: 'bedrock/{arn}'")), signed("eu-west-1"));
    assert_eq!(at_bedrock(&format!("model: 'bedrock/eu-west-1/{haiku}'")), signed("eu-west-1"));
    assert_eq!(
        at_bedrock(&format!("model: 'bedrock/converse/us.{haiku}', aws_region_name: us-east-2")),
        signed("us-east-2")
    );
    assert_eq!(at_bedrock(&format!("model: 'bedrock_converse/{haiku}'")), signed("us-west-2"));
    let key = format!("model: 'bedrock/{haiku}', aws_region_name: us-east-1, api_key: os.environ/BK");
    assert_eq!(at_bedrock(&key), (host("us-east-1"), None));
    let china = format!("model: 'bedrock/{haiku}', aws_region_name: cn-north-1");
    assert_eq!(at_bedrock(&china).0, "bedrock-runtime.cn-north-1.amazonaws.com.cn");
    for (params, problem) in [
        (format!("model: 'bedrock/{arn}', aws_region_name: us-east-1"), "another region than the model's, `eu-west-1`"),
        (
            format!(
                "model: 'bedrock/{haiku}', aws_region_name: us-east-1, api_base: 'https://bedrock-runtime.eu-west-1.amazonaws.com'"
            ),
            "another region than the host's, `eu-west-1`",
        ),
        (format!("model: 'bedrock/{haiku}', aws_region_name: ohio"), "`ohio` is not the name of a region"),
        (format!("model: 'bedrock/{haiku}', aws_access_key_id: AKID"), "of no use without `aws_secret_access_key`"),
        ("model: 'bedrock/agent/X/Y'".to_owned(), "an API of bedrock that Signalbox does not speak"),
    ] {
        let found = errors(&entry(&params));
        assert!(found.len() == 1 && found[0].contains(problem), "{params}: {found:?}");
    }
}

/// What is asked at AWS may stand beside the name of what it is.
#[test]
fn a_model_id_is_asked_in_place_of_the_model() {
    let arn = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6";
    let haiku = "us.anthropic.claude-haiku-4-5-20251001-v1:0";
    for written in [format!("bedrock/{haiku}"), format!("bedrock/converse/{haiku}")] {
        let compiled = accepted(&entry(&format!("model: '{written}', model_id: '{arn}'")));
        let deployment = &compiled.config.deployments[0];
        assert_eq!((deployment.model.as_str(), deployment.base_model.as_deref()), (arn, Some(haiku)));
        assert_eq!(deployment.endpoint.host, "bedrock-runtime.eu-central-1.amazonaws.com");
        let plain = accepted(&entry(&format!("model: '{written}'"))).config.deployments.remove(0);
        assert_eq!(deployment.facts, plain.facts);
        let filter = compile_json(&compiled.filter.to_json().to_string()).unwrap();
        assert_eq!(filter.deployments[0].model, arn);
        assert_eq!(filter.deployments[0].base_model.as_deref(), Some(haiku));
    }
    let own = accepted(&entry(&format!("model: 'bedrock/{haiku}', model_id: '{arn}', base_model: bedrock/x")));
    assert_eq!(own.config.deployments[0].base_model.as_deref(), Some("bedrock/x"));
    assert!(
        warnings(&entry("model: openai/x, model_id: y"))
            .iter()
            .any(|one| one.contains("`model_id` has no effect here"))
    );
}

/// What a shell would fill in is a key that everybody knows, and long enough to look like one.
#[test]
fn a_master_key_in_a_shells_way_is_the_variable_or_an_error() {
    let with = |key: &str| format!("{}general_settings: {{master_key: '{key}'}}\n", entry("model: openai/x"));
    let compiled = accepted(&with("${GROUP_NAME}"));
    assert_eq!(compiled.config.clients[0].variable(), Some("GROUP_NAME"));
    assert!(told(&compiled.diagnostics, Severity::Warning)[0].contains("the variable `GROUP_NAME` is read here"));
    for key in
        ["${LITELLM_MASTER_KEY}", "$LITELLM_MASTER_KEY", "{{ .Values.masterKey }}", "os.environ.LITELLM_MASTER_KEY"]
    {
        let found = errors(&with(key));
        assert!(found.len() == 1 && found[0].contains("not a key"), "{key}: {found:?}");
    }
}

#[test]
fn a_setting_of_the_router_is_told_where_it_belongs() {
    let with = |settings: &str| warnings(&format!("{}{settings}\n", entry("model: openai/x")));
    for settings in
        ["num_retries: 3", "general_settings: {num_retries: 3}", "litellm_settings: {enable_pre_call_checks: true}"]
    {
        let found = with(settings);
        assert!(
            found.iter().any(|one| one.contains("has no effect here, in LiteLLM neither")),
            "{settings}: {found:?}"
        );
    }
    let found = warnings(&entry("model: openai/x, fallbacks: [m], ssl_verify: false"));
    assert!(found.iter().any(|one| one.contains("`fallbacks` of a deployment has no effect here")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("Envoy always checks the certificate")), "{found:?}");
    let lists = with("router_settings: {model_group_alias: {a: [m, n]}}");
    assert!(lists[0].contains("so that `a` leads nowhere"), "{lists:?}");
}

#[test]
fn a_slip_in_one_providers_name_leaves_the_others() {
    let entry_of = |name: &str, model: &str| format!("- {{model_name: {name}, litellm_params: {{model: {model}}}}}\n");
    let two = format!("model_list:\n{}{}", entry_of("m", "openai/x"), entry_of("n", "opnai/x"));
    assert_eq!(accepted(&two).config.deployments.len(), 1);
    assert!(
        warnings(&two).iter().any(|one| one.contains("model_list[1].litellm_params.model: unknown provider `opnai`"))
    );
    assert_eq!(errors(&entry("model: opnai/x")).len(), 1);
}

#[test]
fn case_09_a_key_may_stand_twice_where_nobody_looks() {
    for section in [
        "litellm_settings: {cache: true, cache_params: {type: redis, ttl: 60, ttl: 60}}",
        "general_settings: {alerting: [slack], alerting: [email]}",
        "mcp_servers: {a: 1, a: 2}",
        "guardrails: []\nguardrails: []",
        "router_settings: {redis_host: a, redis_host: b}",
    ] {
        accepted(&format!("{}{section}\n", entry("model: openai/x")));
    }
    accepted("model_list: [{model_name: m, litellm_params: {model: openai/x}, model_info: {team_id: a, team_id: b}}]");
    let with = |section: &str| {
        let entry = |name: &str| format!("- {{model_name: {name}, litellm_params: {{model: openai/x}}}}");
        format!("model_list:\n{}\n{}\n{section}\n", entry("m"), entry("m2"))
    };
    // Where LiteLLM reads it, the last one counts, as there, and both are told of.
    for section in [
        "router_settings: {num_retries: 1, num_retries: 2}",
        "router_settings: {model_group_alias: {a: m, a: m}}",
        "router_settings: {fallbacks: [{m: [m2], m: [m2]}]}",
        "environment_variables: {OPENAI_BASE_URL: 'http://a', OPENAI_BASE_URL: 'http://b'}",
        "credential_list: [{credential_name: a, credential_values: {api_base: 'http://a', api_base: 'http://b'}}]",
        "router_settings: {}\nrouter_settings: {}",
    ] {
        let found = warnings(&with(section));
        let told = |one: &String| one.contains("already stands in line") && one.contains("this one alone counts");
        assert_eq!(found.iter().filter(|one| told(one)).count(), 1, "{section}: {found:?}");
    }
    let config = |section: &str| accepted(&with(section)).config;
    assert_eq!(config("router_settings: {num_retries: 1, num_retries: 2}").router.num_retries, 2);
    let usual = config("").router.num_retries;
    assert_eq!(config("router_settings: {num_retries: 7}\nrouter_settings: {timeout: 3}").router.num_retries, usual);
    let bases = accepted(&entry("model: openai/x, api_base: 'http://a', api_base: 'http://b'"));
    assert_eq!(bases.config.deployments[0].endpoint.host, "b");
    let twice = "general_settings: {custom_auth: a.b}\ngeneral_settings: {}\n";
    assert!(!warnings(&with(twice)).iter().any(|one| one.contains("not enforced")), "what does not count is no guard");
    // In our own section nobody could say which was meant.
    for section in
        ["signalbox: {max_wait: 1, max_wait: 2}", "signalbox: {affinity: {min_prefix_tokens: 1, min_prefix_tokens: 2}}"]
    {
        let found = errors(&with(section));
        assert!(found.len() == 1 && found[0].contains("already stands in line"), "{section}: {found:?}");
    }
}

#[test]
fn case_10_what_litellm_passes_over_is_accepted() {
    assert_eq!(warnings(&entry("model: openai/text-embedding-3-small, mode: embedding")), Vec::<String>::new());
    let flag = |params: &str| accepted(&entry(&format!("model: openai/x, {params}"))).config.deployments[0].drop_params;
    assert_eq!([flag("drop_params: true"), flag("drop_params: 'True'"), flag("drop_params: 1")], [true; 3]);
    assert_eq!([flag("drop_params: [logit_bias]"), flag("drop_params: 'off'"), flag("drop_params: maybe")], [false; 3]);
    assert!(warnings(&entry("model: openai/x, drop_params: [logit_bias]"))[0].contains("counts as `false`"));
    let with = |settings: &str| format!("{}router_settings: {{{settings}}}\n", entry("model: openai/x"));
    assert!(warnings(&with("fallbacks: [{old-name: [m]}]"))[0].contains("never serves"));
    assert!(warnings(&with("context_window_fallbacks: [{old-name: [m]}]"))[0].contains("never serves"));
    assert!(errors(&with("fallbacks: [{old-name: [nobody]}]"))[0].contains("no `model_name` is `nobody`"));
    let wild = "model_list:\n- {model_name: openai/*, litellm_params: {model: openai/*}}\n- {model_name: b, litellm_params: {model: openai/x}}\nrouter_settings: {fallbacks: [{openai/gpt-4o: [b]}]}";
    let config = accepted(wild).config;
    let group = |index: usize| config.groups[index].name.as_str();
    let chains: Vec<_> = config.fallbacks.iter().map(|(from, to)| (group(*from), group(to[0]))).collect();
    assert_eq!(
        chains,
        [("openai/gpt-4o", "b")],
        "a model that only a wildcard serves has fallbacks too, as in LiteLLM"
    );
    assert_eq!(config.deployments[2].model, "gpt-4o");
}

#[test]
fn what_litellm_takes_as_it_is_refuses_no_file() {
    let with = |settings: &str| format!("{}router_settings: {{{settings}}}\n", entry("model: openai/x"));
    assert!(warnings(&with("fallbacks: [{m: [m]}]"))[0].contains("falls back to itself, which is passed over"));
    let beside = |name: &str, params: &str| {
        let entry = |name: &str, params: &str| format!("- {{model_name: {name}, litellm_params: {{{params}}}}}\n");
        format!("model_list:\n{}{}", entry("m", "model: openai/x"), entry(name, params))
    };
    let text = format!("{}router_settings: {{fallbacks: [{{m: [n, n]}}]}}", beside("n", "model: openai/y"));
    assert!(warnings(&text)[0].contains("stands in this list already"));
    assert_eq!(accepted(&text).config.fallbacks[0].1.len(), 1);
    let several = accepted(&entry("model: openai/x, organization: [org-1, org-2]"));
    let told = told(&several.diagnostics, Severity::Warning);
    assert!(told[0].contains("the first alone is used"), "{told:?}");
    assert!(several.config.deployments[0].headers.iter().any(|header| header.name == "openai-organization"));
    for lost in ["model: hosted_vllm/x", "model: openai/z, mock_response: hello"] {
        assert_eq!(accepted(&beside("o", lost)).config.deployments.len(), 1, "{lost} is left out");
        assert_eq!(errors(&entry(lost)).len(), 1, "{lost} alone is nothing");
    }
}

#[test]
fn case_11_a_second_document_is_an_error() {
    let text = std::fs::read_to_string(golden::path("config/faults/11-second-document.yaml")).unwrap();
    assert!(errors(&text)[0].contains("a second document begins here"));
}

#[test]
fn case_12_what_no_path_serves_is_told() {
    for (params, what) in [
        ("model: groq/responses/o3-deep-research", "the Responses API"),
        ("model: cohere/rerank-v3.5, mode: rerank", "rerank"),
        ("model: openai/mine, mode: realtime", "realtime"),
        ("model: openai/mine, mode: video_generation", "video generation"),
    ] {
        let found = warnings(&entry(params));
        assert!(
            found.len() == 1 && found[0].contains(&format!("is for {what}, which no path here serves")),
            "{params}: {found:?}"
        );
    }
    for params in [
        "model: openai/responses/o3-deep-research",
        "model: azure/responses/o3-deep-research, api_base: https://x.openai.azure.com",
        "model: o3-deep-research",
        "model: gpt-4o",
        "model: openai/text-embedding-3-small",
        "model: openai/whisper-1, mode: chat",
        "model: openai/whisper-1",
        "model: groq/whisper-large-v3",
        "model: gpt-image-1",
        "model: openai/mine, mode: rerank",
        "model: openai/omni-moderation-latest",
    ] {
        assert_eq!(warnings(&entry(params)), Vec::<String>::new(), "{params}");
    }
}

#[test]
fn case_12_a_group_may_be_named_by_a_variable_and_one_that_is_not_set_is_told_once() {
    let named = |name: &str| format!("model_list: [{{model_name: {name}, litellm_params: {{model: openai/x}}}}]");
    assert_eq!(accepted(&named("os.environ/GROUP_NAME")).config.groups[0].name, "group");
    assert_eq!(errors(&named("os.environ/GONE")).len(), 1);
    for params in [
        "model: os.environ/GONE",
        "model: openai/x, api_base: os.environ/GONE",
        "model: openai/x, rpm: os.environ/GONE",
        "model: openai/x, tags: os.environ/GONE",
        "model: openai/x, drop_params: os.environ/GONE",
        "model: openai/x, litellm_credential_name: os.environ/GONE",
    ] {
        assert_eq!(errors(&entry(params)).len(), 1, "{params}");
    }
    for section in ["router_settings", "signalbox", "litellm_settings", "model_list"] {
        let text = if section == "model_list" { String::new() } else { entry("model: openai/x") };
        assert_eq!(errors(&format!("{text}{section}: os.environ/GONE\n")).len(), 1, "{section}");
    }
}

#[test]
fn invalid_deployments_are_left_out_where_the_file_asks_for_it() {
    let list = "model_list:
- {model_name: a, litellm_params: {model: openai/x}}
- {model_name: a, litellm_params: {model: azure/x, rmp: 3}}
- {model_name: b, litellm_params: {model: replicate/y}}
- {model_name: c, litellm_params: {model: openai/z, api_base: os.environ/GONE}}
";
    let settings = "router_settings: {ignore_invalid_deployments: true, fallbacks: [{a: [b]}, {b: [a]}]}\n";
    let compiled = accepted(&format!("{list}{settings}"));
    let ids: Vec<_> = compiled.config.deployments.iter().map(|deployment| deployment.id.as_str()).collect();
    assert_eq!(ids, ["a-1"]);
    let warnings = told(&compiled.diagnostics, Severity::Warning);
    assert_eq!(warnings.len(), 6, "{warnings:#?}");
    assert!(compiled.diagnostics.iter().any(|one| one.remedy.contains("is left out until it is mended")));
    assert!(errors(&format!("{list}{}", settings.replace("true", "false"))).len() >= 3);
    // What is wrong elsewhere is not ignored, and something must be left.
    let elsewhere = settings.replace("fallbacks", "num_retries: many, fallbacks");
    assert!(errors(&format!("{list}{elsewhere}"))[0].contains("num_retries"));
    let none = "model_list: [{model_name: a, litellm_params: {model: azure/x}}]\nrouter_settings: {ignore_invalid_deployments: true}";
    assert!(errors(none)[0].contains("every deployment is left out"));
}
