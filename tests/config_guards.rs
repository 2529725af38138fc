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
general_settings: {master_key: os.environ/KEY, allowed_ips: [127.0.0.9], enable_jwt_auth: true, max_budget: 50}
guardrails: [{guardrail_name: hide-names, litellm_params: {guardrail: presidio, mode: pre_call, default_on: true}}]
";

#[test]
fn c04_a_guard_that_is_not_enforced_is_an_error_where_others_reach_it() {
    let wanted = [
        "general_settings.master_key",
        "general_settings.allowed_ips",
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
    assert!(on("0.0.0.0:1", LOCKED_DOOR)[0].problem.contains("worse than having none"));
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
        "general_settings: {master_key: ''}",
        "general_settings: {allowed_ips: []}",
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
        "environment_variables: {LITELLM_MASTER_KEY: sk-1234}",
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

#[test]
fn c04_the_environment_s_master_key_counts_as_in_litellm() {
    let env = |name: &str| (name == "LITELLM_MASTER_KEY").then(|| "sk-SECRET".to_owned());
    let text = "model_list: [{model_name: m, litellm_params: {model: openai/x}}]\nsignalbox: {listen: '0.0.0.0:1'}\n";
    let (accepted, found) = told(text, &env);
    assert!(!accepted && found[0].path == "LITELLM_MASTER_KEY" && !found[0].line("f").contains("SECRET"), "{found:?}");
    // Told once, where the file has it too.
    let (_, found) = told(&format!("{text}general_settings: {{master_key: os.environ/LITELLM_MASTER_KEY}}\n"), &env);
    assert_eq!(paths(&found, Severity::Error), ["general_settings.master_key"]);
}

#[test]
fn c05_an_error_elsewhere_hides_no_warning() {
    let text = "model_list: [{model_name: chat, litellm_params: {model: nobody/llama3.1}}]\ngeneral_settings: {master_key: k}\n";
    let (accepted, found) = told(text, &|_| None);
    assert!(!accepted);
    assert_eq!(paths(&found, Severity::Error), ["model_list[0].litellm_params.model"]);
    assert_eq!(paths(&found, Severity::Warning), ["general_settings.master_key"]);
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
