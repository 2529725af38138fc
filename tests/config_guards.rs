//! Guards of LiteLLM's that are not enforced here, and what else an operator would miss (cases 04 and 05 of the configurations).
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

use signalbox::config::compile::compile;
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::yaml;

fn told(text: &str, env: &dyn Fn(&str) -> Option<String>) -> (bool, Diagnostics) {
    match compile(&yaml::read(text).unwrap(), env) {
        Ok(compiled) => (true, compiled.diagnostics),
        Err(found) => (false, found),
    }
}

/// One deployment, where clients come in, and what is to be looked at.
fn on(listen: &str, more: &str) -> Diagnostics {
    let text = format!(
        "model_list: [{{model_name: m, litellm_params: {{model: openai/x}}}}]\n{more}\nsignalbox: {{listen: '{listen}'}}\n"
    );
    let (accepted, found) = told(&text, &|_| None);
    assert_eq!(accepted, found.errors() == 0);
    found
}

fn paths(found: &Diagnostics, severity: Severity) -> Vec<&str> {
    found.of(severity).map(|one| one.path.as_str()).collect()
}

const LOCKED_DOOR: &str = "
general_settings: {custom_auth: my.check, enforce_user_param: true, enable_jwt_auth: true, max_budget: 50}
guardrails: [{guardrail_name: hide-names, litellm_params: {guardrail: presidio, mode: pre_call, default_on: true}}]
";

#[test]
fn c04_a_guard_that_is_not_enforced_is_an_error_where_others_reach_it() {
    let wanted = [
        "general_settings.custom_auth",
        "general_settings.enforce_user_param",
        "general_settings.enable_jwt_auth",
        "general_settings.max_budget",
        "guardrails[0]",
    ];
    for listen in
        ["0.0.0.0:10000", "[::]:10000", "192.168.1.7:10000", "10.0.0.1:80", "[fe80::1]:10000", "[2001:db8::1]:1"]
    {
        let found = on(listen, LOCKED_DOOR);
        assert_eq!(paths(&found, Severity::Error), wanted, "{listen}");
        assert!(found.iter().all(|one| one.problem.contains(listen)), "{found:?}");
    }
    assert!(on("0.0.0.0:1", LOCKED_DOOR)[0].problem.contains("does not run"));
}

/// LiteLLM serves such a deployment to its team alone, and nobody here can show to be of a team.
#[test]
fn c04_a_deployment_of_a_team_is_a_guard() {
    let door = |listen: &str, team: &str| {
        let entry = format!("{{model_name: m, litellm_params: {{model: openai/x}}, model_info: {{team_id: {team}}}}}");
        told(&format!("model_list: [{entry}]\nsignalbox: {{listen: '{listen}'}}\n"), &|_| None).1
    };
    let (open, closed) = (door("0.0.0.0:1", "red"), door("127.0.0.1:1", "red"));
    assert_eq!(paths(&open, Severity::Error), ["model_list[0].model_info.team_id"]);
    assert_eq!(paths(&closed, Severity::Warning), ["model_list[0].model_info.team_id"]);
    assert_eq!((closed.errors(), closed.count(Severity::Note)), (0, 0));
    assert!(door("0.0.0.0:1", "null").iter().next().is_none());
}

#[test]
fn c04_on_loopback_each_guard_is_a_warning_of_its_own() {
    for listen in ["127.0.0.1:10000", "127.9.8.7:10000", "[::1]:10000", "localhost:10000", "[::ffff:127.0.0.1]:10000"] {
        let found = on(listen, LOCKED_DOOR);
        assert_eq!((found.errors(), found.count(Severity::Warning)), (0, 5), "{listen} {found:?}");
    }
    // LiteLLM's own file names no address: Signalbox's is on loopback.
    let text = format!("model_list: [{{model_name: m, litellm_params: {{model: openai/x}}}}]\n{LOCKED_DOOR}");
    assert!(told(&text, &|_| None).0);
}

#[test]
fn c04_every_guard_of_litellms_is_one() {
    for guard in [
        "general_settings: {custom_auth: my_auth.check}",
        "general_settings: {enable_oauth2_auth: 'true'}",
        "general_settings: {enable_oauth2_proxy_auth: true}",
        "general_settings: {enforce_user_param: true}",
        "general_settings: {enforced_params: [user]}",
        "general_settings: {service_account_settings: {enforced_params: [user]}}",
        "general_settings: {enforce_rbac: true}",
        "general_settings: {public_routes: [/v1/models]}",
        "general_settings: {allowed_routes: [/v1/models]}",
        "general_settings: {admin_only_routes: [/v1/models]}",
        "general_settings: {global_max_parallel_requests: 10}",
        "general_settings: {reject_clientside_metadata_tags: true}",
        "litellm_settings: {max_budget: 10}",
        "litellm_settings: {max_internal_user_budget: 10}",
        "litellm_settings: {max_end_user_budget: 0.5}",
        "litellm_settings: {callbacks: [detect_prompt_injection]}",
        "litellm_settings: {callbacks: presidio}",
        "litellm_settings: {prompt_injection_params: {heuristics_check: true}}",
        "litellm_settings: {blocked_user_list: [mallory]}",
        "litellm_settings: {banned_keywords_list: [secret]}",
        "litellm_settings: {guardrails: [{prompt_injection: {callbacks: [lakera_prompt_injection], default_on: true}}]}",
        "litellm_settings: {tag_budget_config: {a: {max_budget: 1, budget_duration: 1d}}}",
        "guardrails: [{guardrail_name: g, litellm_params: {guardrail: aporia, mode: pre_call}}]",
        "policies: {strict: {guardrails: [g]}}",
    ] {
        assert_eq!(on("0.0.0.0:10000", guard).errors(), 1, "{guard}");
        let found = on("127.0.0.1:10000", guard);
        assert_eq!((found.errors(), found.count(Severity::Warning).min(1)), (0, 1), "{guard} {found:?}");
        assert!(found.iter().all(|one| !one.line("f").contains("1234")), "{found:?}");
    }
}

#[test]
fn c04_a_guard_that_is_off_is_none() {
    for off in [
        "general_settings: {master_key: null, allowed_ips: null, enable_jwt_auth: false, max_budget: 0, public_routes: []}",
        "general_settings: {enforce_user_param: 'False', custom_auth: ''}",
        "litellm_settings: {max_budget: 0.0, callbacks: [prometheus, langfuse]}\nguardrails: []",
        "litellm_settings: {cache: true}\ngeneral_settings: {database_url: postgres://h, alerting: [slack]}",
    ] {
        assert_eq!(on("0.0.0.0:10000", off).errors(), 0, "{off}");
    }
}

/// A master key is asked for, wherever it stands, so it is no guard that does nothing. What is no key is an error on any address.
#[test]
fn c04_a_master_key_is_enforced() {
    for (key, count) in [("os.environ/KEY", 0), ("sk-0123456789abcdef", 0), ("sk-1234", 1)] {
        let found = on("0.0.0.0:10000", &format!("general_settings: {{master_key: {key}}}"));
        assert_eq!((found.errors(), found.count(Severity::Warning)), (0, count), "{key}: {found:?}");
        assert!(found.iter().all(|one| !one.line("f").contains("1234")), "{found:?}");
    }
    for wrong in ["''", "1234", "os.environ/", "'sha256:1234'", "[a]"] {
        let found = on("127.0.0.1:10000", &format!("general_settings: {{master_key: {wrong}}}"));
        assert_eq!(paths(&found, Severity::Error), ["general_settings.master_key"], "{wrong}");
        assert!(found.iter().all(|one| !one.line("f").contains("1234")), "{found:?}");
    }
}

#[test]
fn c04_the_environment_s_master_key_counts_as_in_litellm() {
    let env = |name: &str| (name == "LITELLM_MASTER_KEY").then(|| "sk-SECRET".to_owned());
    let text = "model_list: [{model_name: m, litellm_params: {model: openai/x}}]\nsignalbox: {listen: '0.0.0.0:1'}\n";
    let key = |more: &str, env: &dyn Fn(&str) -> Option<String>| {
        let compiled = compile(&yaml::read(&format!("{text}{more}")).unwrap(), env).unwrap();
        let filter = compiled.filter.to_json().to_string();
        assert!(!filter.contains("SECRET"), "{filter}");
        let variable = compiled.config.clients.first().map(|client| client.variable().unwrap_or("hash").to_owned());
        (variable, filter.contains("master_key"))
    };
    assert_eq!(key("", &env), (Some("LITELLM_MASTER_KEY".to_owned()), true));
    assert_eq!(
        key("general_settings: {master_key: os.environ/MINE}\n", &env).0.unwrap(),
        "MINE",
        "the file's own goes first"
    );
    let literal = "environment_variables: {LITELLM_MASTER_KEY: sk-SECRET}\n";
    assert_eq!(key(literal, &|_| None), (Some("hash".to_owned()), true));
    assert_eq!(key(&format!("{literal}general_settings: {{database_url: x}}\n"), &|_| None).0.unwrap(), "hash");
    assert_eq!(key("", &|_| None), (None, false));
}

/// What Envoy checks is no guard that does nothing, and what of it cannot be checked is one.
#[test]
fn c04_tokens_and_addresses_are_checked_where_that_can_be() {
    let compiled = |more: &str, listen: &str| {
        let text = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/x}}}}]\n{more}\nsignalbox: {{listen: '{listen}'}}\n"
        );
        compile(&yaml::read(&text).unwrap(), &|_| None)
    };
    let jwt = "general_settings: {enable_jwt_auth: true}\n";
    let issuer = "environment_variables: {JWT_PUBLIC_KEY_URL: 'https://h/keys', JWT_AUDIENCE: a}";
    let found = compiled(&format!("{jwt}{issuer}"), "0.0.0.0:1").unwrap();
    assert_eq!(found.config.clients.iter().map(|client| client.name.as_str()).collect::<Vec<_>>(), ["jwt"]);
    assert_eq!(found.config.access.jwt.as_ref().unwrap().audiences, ["a"]);
    assert!(signalbox::config::compile::compile_json(&found.filter.to_json().to_string()).is_ok());
    assert_eq!(paths(&compiled(jwt, "0.0.0.0:1").unwrap_err(), Severity::Error), ["general_settings.enable_jwt_auth"]);
    assert!(compiled(jwt, "127.0.0.1:1").unwrap().config.clients.is_empty());
    let any_audience = issuer.replace(", JWT_AUDIENCE: a", "");
    assert_eq!(
        paths(&compiled(&format!("{jwt}{any_audience}"), "127.0.0.1:1").unwrap_err(), Severity::Error),
        ["signalbox.jwt"]
    );
    let roles =
        "general_settings: {enable_jwt_auth: true, litellm_jwtauth: {user_allowed_roles: [a], team_id_jwt_field: t}}\n";
    let found = compiled(&format!("{roles}{issuer}"), "0.0.0.0:1").unwrap_err();
    assert_eq!(paths(&found, Severity::Error), ["general_settings.litellm_jwtauth.user_allowed_roles"]);

    for (addresses, wanted) in
        [("[10.0.0.0/8, '::1']", Some(2)), ("[]", Some(0)), ("[example.com]", None), ("[10.0.0.0/33]", None)]
    {
        let found = compiled(&format!("general_settings: {{allowed_ips: {addresses}}}"), "0.0.0.0:1");
        assert_eq!(found.ok().map(|found| found.config.access.addresses.unwrap().len()), wanted, "{addresses}");
    }
}

/// What is wrong with a client, each at its place.
#[test]
fn a_client_that_could_not_be_known_is_an_error() {
    for (entry, place) in [
        ("{key: sk-0123456789abcdef}", "[0]"),
        ("{name: 'a b', key: sk-0123456789abcdef}", "[0].name"),
        ("{name: master, key: sk-0123456789abcdef}", "[0].name"),
        ("{name: a}", "[0]"),
        ("{name: a, key: sk-0123456789abcdef, match: 'x*'}", "[0]"),
        ("{name: a, key: ''}", "[0].key"),
        ("{name: a, match: '**'}", "[0].match"),
        ("{name: a, jwt: {sub: x}}", "[0].jwt"),
        ("{name: a, key: sk-0123456789abcdef, tier: HARD}", "[0].tier"),
        ("{name: a, key: sk-0123456789abcdef, expires: soon}", "[0].expires"),
        ("{name: a, key: sk-0123456789abcdef, rpm: 0}", "[0].rpm"),
        ("{name: a, key: sk-0123456789abcdef, max_budget: 0}", "[0].max_budget"),
        ("{name: a, key: sk-0123456789abcdef, modles: [m]}", "[0].modles"),
        ("{name: a, key: os.environ/A}, {name: b, key: os.environ/A}", "[1].key"),
        ("{name: a, key: os.environ/A}, {name: a, key: os.environ/B}", "[1].name"),
    ] {
        let text = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: openai/x}}}}]\nsignalbox: {{clients: [{entry}]}}\n"
        );
        let (_, found) = told(&text, &|_| None);
        assert_eq!(paths(&found, Severity::Error), [format!("signalbox.clients{place}")], "{entry}");
        assert!(found.iter().all(|one| !one.line("f").contains("0123456789")), "{found:?}");
    }
}

#[test]
fn c05_an_error_elsewhere_hides_no_warning() {
    let text = "model_list: [{model_name: chat, litellm_params: {model: nobody/llama3.1}}]\ngeneral_settings: {custom_auth: k}\n";
    let (accepted, found) = told(text, &|_| None);
    assert!(!accepted);
    assert_eq!(paths(&found, Severity::Error), ["model_list[0].litellm_params.model"]);
    assert_eq!(paths(&found, Severity::Warning), ["general_settings.custom_auth"]);
    let lines = found.lines("f");
    assert!(lines[0].starts_with("f:1:57: error: ") && lines[1].starts_with("f:2:20: warning: "), "{lines:#?}");
}

#[test]
fn what_would_be_missed_is_a_warning_and_the_rest_one_note_a_section() {
    let found = on(
        "127.0.0.1:1",
        "general_settings: {alerting: [slack], key_management_system: aws_secret_manager, database_url: SECRET, otel: true}\n\
         litellm_settings: {cache: true, cache_params: {host: SECRET}, json_logs: true, callbacks: [my.hook, langfuse]}\n\
         router_settings: {redis_host: SECRET, redis_port: 1}",
    );
    let warnings = [
        "general_settings.alerting",
        "general_settings.key_management_system",
        "litellm_settings.cache",
        "litellm_settings.callbacks",
    ];
    assert_eq!(paths(&found, Severity::Warning), warnings);
    assert_eq!(paths(&found, Severity::Note), ["general_settings", "litellm_settings", "router_settings"]);
    let lines = found.lines("f").join("\n");
    assert!(lines.contains("`database_url`, `otel` have no effect here") && !lines.contains("SECRET"), "{lines}");
}

#[test]
fn a_note_of_a_deployment_is_a_note() {
    let text = "model_list:\n- {model_name: m, litellm_params: {model: openai/x}, model_info: {description: d, team_id: t, tier: free}}\n";
    let (accepted, found) = told(text, &|_| None);
    assert!(accepted);
    assert_eq!(
        paths(&found, Severity::Note),
        ["model_list[0].model_info.description", "model_list[0].model_info.tier"]
    );
    assert_eq!(paths(&found, Severity::Warning), ["model_list[0].model_info.team_id"]);
}

#[test]
fn each_guardrail_is_told_by_its_name() {
    let found = on(
        "127.0.0.1:1",
        "guardrails: [{guardrail_name: a, litellm_params: {}}, {guardrail_name: b}]\n\
         litellm_settings: {guardrails: [{c: {callbacks: [presidio]}}]}\npolicy_attachments: [{policy: d, scope: '*'}]",
    );
    let lines = found.lines("f").join("\n");
    for name in ["a", "b", "c"] {
        assert!(lines.contains(&format!("`{name}` does not run")), "{lines}");
    }
    assert!(
        !lines.contains("`policy` does not run") && lines.contains("policy_attachments: this is not enforced"),
        "{lines}"
    );
}
