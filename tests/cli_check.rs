//! `signalbox check`: severities, grouping, the environment, and its options, by the real binary.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(all(feature = "cli", unix))]

#[path = "support/golden.rs"]
mod golden;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The outcome of a check of this text: exit code, stdout, stderr. The file is called `c.yaml`.
fn check(text: &str, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let folder = scratch();
    std::fs::write(folder.join("c.yaml"), text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    command.arg("check").args(args).arg("c.yaml").current_dir(&folder).env_clear().envs(env.iter().copied());
    let output = command.output().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn scratch() -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn json(text: &str, args: &[&str], env: &[(&str, &str)]) -> (Option<i32>, Value) {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let (code, out, err) = check(text, &args, env);
    assert_eq!(err, "", "a program reads stdout alone");
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}")))
}

const PLAIN: &str = "model_list: [{model_name: m, litellm_params: {model: openai/gpt-4o}}]\n";
const KEY: &[(&str, &str)] = &[("OPENAI_API_KEY", "sk-SECRET")];

#[test]
fn c04_the_locked_door_is_an_error_for_each_guard_on_an_open_address() {
    let door = |listen: &str| {
        format!(
            "{PLAIN}general_settings:\n  master_key: os.environ/GATEWAY_KEY\n  allowed_ips: [127.0.0.9]\n  enable_jwt_auth: true\n  \
             max_budget: 50\nguardrails:\n- guardrail_name: hide-names\n  litellm_params: {{guardrail: presidio, mode: pre_call, \
             default_on: true}}\nsignalbox: {{listen: '{listen}'}}\n"
        )
    };
    let (code, out, err) = check(&door("0.0.0.0:22040"), &[], KEY);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    golden::assert("check/locked-door.txt", &err);
    let (code, out, err) = check(&door("127.0.0.1:22040"), &[], KEY);
    assert_eq!(code, Some(0), "{err}");
    golden::assert("check/locked-door-on-loopback.txt", &format!("{err}{out}"));
}

/// The same lines and the same code, whatever reads the file; also where the address comes from the environment.
#[test]
fn c04_no_command_serves_behind_a_guard_that_is_not_enforced() {
    let text = format!("{PLAIN}general_settings: {{custom_auth: k}}\nsignalbox: {{listen: os.environ/LISTEN}}\n");
    let folder = scratch();
    std::fs::write(folder.join("c.yaml"), text).unwrap();
    std::fs::write(folder.join("r.json"), r#"{"model": "m", "messages": [{"role": "user", "content": "hi"}]}"#)
        .unwrap();
    let run = |args: &[&str], listen: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        let output = command.args(args).current_dir(&folder).env_clear().env("LISTEN", listen).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for args in
        [["check", "c.yaml"].as_slice(), &["envoy", "c.yaml"], &["up", "c.yaml"], &["explain", "c.yaml", "r.json"]]
    {
        let (code, err) = run(args, "0.0.0.0:10000");
        let lines: Vec<&str> = err.lines().collect();
        assert_eq!((code, lines.len()), (Some(2), 2), "{args:?} {err}");
        assert!(
            lines[0].starts_with("c.yaml:2:20: error: general_settings.custom_auth: this is not enforced"),
            "{err}"
        );
        assert_eq!(lines[1], "error: 1 error in c.yaml");
    }
    let (code, err) = run(&["explain", "c.yaml", "r.json"], "127.0.0.1:10000");
    assert!(code == Some(0) && err.starts_with("c.yaml:2:20: warning: general_settings.custom_auth"), "{err}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn c05_a_warning_stands_beside_an_error() {
    let text = "model_list:\n- model_name: chat\n  litellm_params: {model: nobody/llama3.1}\ngeneral_settings:\n  custom_auth: k\n";
    let (code, out, err) = check(text, &[], &[]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines[0].starts_with("c.yaml:3:27: error: model_list[0].litellm_params.model: unknown provider"), "{err}");
    assert!(lines[1].starts_with("c.yaml:5:3: warning: general_settings.custom_auth: this is not enforced"), "{err}");
    assert_eq!(lines[2], "error: 1 error, 1 warning in c.yaml");
}

#[test]
fn one_unknown_provider_in_200_entries_is_one_message() {
    let entry =
        |n: usize| format!("- model_name: m{n}\n  litellm_params:\n    model: nobody/m{n}\n    shoe_size: {n}\n");
    let text = format!("model_list:\n{}", (0..200).map(entry).collect::<String>());
    let (code, _, err) = check(&text, &[], &[]);
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!((code, lines.len()), (Some(2), 3), "{err}");
    assert!(lines[0].starts_with("c.yaml:4:12: error: model_list[0].litellm_params.model: unknown provider `nobody`"));
    assert!(lines[0].ends_with("(and 199 more: lines 8, 12, 16, 20, 24, 28, 32, 36, …)"), "{err}");
    assert!(lines[1].ends_with("(and 199 more: lines 9, 13, 17, 21, 25, 29, 33, 37, …)"), "{err}");
    assert_eq!(lines[2], "error: 200 errors, 200 warnings in c.yaml");
    let (_, found) = json(&text, &[], &[]);
    assert_eq!(found["diagnostics"].as_array().unwrap().len(), 2);
    assert_eq!((&found["diagnostics"][0]["count"], &found["errors"]), (&200.into(), &200.into()));
    assert_eq!(found["diagnostics"][0]["places"][199]["line"], 800);
}

#[test]
fn a_variable_that_is_not_set_is_one_message() {
    // A key: the others serve without it.
    let (code, out, err) = check(PLAIN, &[], &[]);
    let said = "c.yaml: warning: the environment variable `OPENAI_API_KEY` is not set; set it where Envoy starts, or providers refuse the \
                requests\n";
    assert_eq!((code, err.as_str()), (Some(0), said));
    assert!(out.contains("  environment  OPENAI_API_KEY (not set)\n"), "{out}");
    // Another text: nothing else can be said of it.
    for params in [
        "model: hosted_vllm/x, api_base: os.environ/GONE",
        "model: openai/x, api_base: os.environ/GONE, rpm: os.environ/GONE",
    ] {
        let text = format!("model_list: [{{model_name: m, litellm_params: {{{params}}}}}]\n");
        let (code, _, err) = check(&text, &[], KEY);
        assert_eq!(code, Some(2), "{err}");
        let told = err.lines().filter(|line| line.contains("api_base")).count();
        assert_eq!(told, 1, "{err}");
    }
}

#[test]
fn the_environment_is_told_by_name_and_never_by_value() {
    let text = "model_list: [{model_name: m, litellm_params: {model: openai/x, api_base: os.environ/BASE, api_key: os.environ/MINE}}]\n";
    let env = [("BASE", "http://10.0.0.1:80/v1"), ("MINE", "sk-SECRET")];
    let (code, out, err) = check(text, &["--strict"], &env);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("  environment  BASE, MINE\n") && out.contains("http://10.0.0.1/v1, key MINE"), "{out}");
    let (_, found) = json(text, &[], &env);
    let variables = &found["summary"]["environment"];
    assert_eq!((&variables[0]["name"], &variables[0]["set"]), (&"BASE".into(), &true.into()));
    assert_eq!((&variables[1]["name"], &variables[1]["key_of"][0]), (&"MINE".into(), &"m-1".into()));
    assert!(!found.to_string().contains("SECRET"));
    let literal = "model_list: [{model_name: m, litellm_params: {model: openai/x, api_key: sk-SECRET}}]\n";
    let (_, found) = json(literal, &[], &[]);
    let deployment = &found["summary"]["deployments"][0];
    assert_eq!(
        (&deployment["key_variable"], &deployment["key_in_configuration"]),
        (&"SIGNALBOX_KEY_M_1".into(), &true.into())
    );
    assert!(!found.to_string().contains("SECRET") && !check(literal, &[], &[]).1.contains("SECRET"));
}

#[test]
fn no_env_takes_every_variable_for_set() {
    let text = "
model_list:
- {model_name: a, litellm_params: {model: hosted_vllm/x, api_base: os.environ/BASE, rpm: os.environ/RPM, weight: os.environ/W}}
- {model_name: os.environ/NAME, litellm_params: {model: os.environ/MODEL, timeout: os.environ/TIME}}
router_settings: {num_retries: os.environ/RETRIES, fallbacks: [{a: [NAME]}]}
signalbox: {listen: os.environ/LISTEN}
";
    let (code, out, err) = check(text, &["--no-env", "--strict"], &[("BASE", "not a URL"), ("RPM", "many")]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("  environment  BASE, LISTEN, MODEL, NAME, OPENAI_API_KEY, RETRIES, RPM, TIME, W\n"), "{out}");
    let (_, found) = json(text, &["--no-env"], &[]);
    assert!(found["summary"]["environment"][0]["set"].is_null());
    // With it, every one of them is an error.
    assert_eq!(check(text, &[], &[]).0, Some(2));
}

#[test]
fn strict_lets_warnings_fail_and_notes_pass() {
    let warned = format!("{PLAIN}litellm_settings: {{cache: true}}\n");
    assert_eq!(check(&warned, &[], KEY).0, Some(0));
    let (code, out, err) = check(&warned, &["--strict"], KEY);
    assert_eq!(code, Some(2));
    assert!(err.ends_with("error: 1 warning in c.yaml, and --strict allows no warning\n"), "{err}");
    assert!(out.starts_with("1 model group and 1 deployment\n"), "{out}");
    let (code, found) = json(&warned, &["--strict"], KEY);
    assert_eq!((code, &found["ok"], &found["warnings"]), (Some(2), &false.into(), &1.into()));
    let noted = format!("{PLAIN}litellm_settings: {{set_verbose: true}}\n");
    let (code, _, err) = check(&noted, &["--strict"], KEY);
    assert_eq!(code, Some(0));
    assert!(err.starts_with("c.yaml:2:20: note: litellm_settings: `set_verbose` has no effect here"), "{err}");
}

#[test]
fn json_is_a_document_whatever_happens() {
    let (code, found) = json("model_list:\n  - model_name: a\n   litellm_params: {}\n", &[], &[]);
    assert_eq!((code, &found["ok"], &found["errors"]), (Some(2), &false.into(), &1.into()));
    assert!(found["summary"].is_null() && found["diagnostics"][0]["line"] == 3, "{found}");
    let output =
        Command::new(env!("CARGO_BIN_EXE_signalbox")).args(["check", "--json", "absent.yaml"]).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &found["diagnostics"][0]["severity"]), (Some(2), &"error".into()));
}

/// What holds for each deployment after all defaults, as the filter has it.
#[test]
fn the_summary_tells_what_is_in_force() {
    let text = "
model_list:
- {model_name: a, litellm_params: {model: openai/x, weight: 3, timeout: 20, num_retries: 0}}
- {model_name: a, litellm_params: {model: openai/y, weight: 1, stream_timeout: 0.5, rpm: 60, tpm: 1000}, model_info: {cooldown_time: 0}}
- {model_name: b, litellm_params: {model: groq/z, max_parallel_requests: 4, tags: [eu], order: 2}}
router_settings: {num_retries: 1, timeout: 90, cooldown_time: 7, allowed_fails: 3, retry_policy: {TimeoutErrorRetries: 0}}
signalbox: {listen: '0.0.0.0:80', stream_idle_timeout: 0}
";
    let (code, out, err) = check(text, &["--no-env"], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    golden::assert("check/in-force.txt", &out);
    let (_, found) = json(text, &["--no-env"], &[]);
    let summary = &found["summary"];
    assert_eq!(summary["listen"]["loopback"], false);
    let [first, second, third] = [0, 1, 2].map(|index| summary["deployments"][index].clone());
    assert_eq!((&first["settings"]["timeout"], &first["settings"]["num_retries"]), (&20.into(), &0.into()));
    assert_eq!((&first["share"], &third["share"]), (&0.75.into(), &Value::Null));
    assert_eq!((&second["settings"]["first_token_timeout"], &second["settings"]["timeout"]), (&0.5.into(), &90.into()));
    assert!(second["settings"]["cooldown_time"].is_null() && third["settings"]["cooldown_time"] == 7);
    assert_eq!(summary["groups"][0]["retry_policy"]["TimeoutErrorRetries"], 0);
}

/// Parameters are said where they are short, headers and long values only named.
#[test]
fn the_summary_tells_what_a_deployment_sends() {
    let text = "
model_list:
- model_name: a
  litellm_params:
    model: fireworks_ai/llama
    api_key: os.environ/K
    temperature: 0.1
    stop: [a, b]
    tools: [{type: function, function: {name: a_function_with_a_long_name}}]
    extra_body: {top_k: 5}
    extra_headers: {x-team: red, x-gate: os.environ/GATE}
    additional_drop_params: [seed, 'tools[*].function.strict']
- {model_name: w/*, litellm_params: {model: fireworks_ai/*}}
";
    let (_, out, err) = check(text, &["--no-env"], &[]);
    assert_eq!(err, "");
    golden::assert("check/sends.txt", &out);
    let (_, found) = json(text, &["--no-env"], &[]);
    let sends = &found["summary"]["deployments"][0]["sends"];
    assert_eq!(sends["model"], "accounts/fireworks/models/llama");
    assert_eq!((&sends["parameters"]["temperature"], &sends["extra_body"]["top_k"]), (&0.1.into(), &5.into()));
    assert_eq!(sends["headers"], serde_json::json!(["x-team", "x-gate"]));
    assert_eq!(sends["never"], serde_json::json!(["seed", "tools[*].function.strict"]));
    assert!(found["summary"]["deployments"][1]["sends"]["model"].is_null());
}
