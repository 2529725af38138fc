//! The real binary: whole outputs and exit codes.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(all(feature = "cli", unix))]

#[path = "support/golden.rs"]
mod golden;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The program, among the golden configurations.
fn signalbox(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    command.args(args).current_dir(golden::path("config")).env_remove("ENVOY_BIN").env_remove("OPENAI_API_KEY");
    for name in ["OPENAI_BASE_URL", "OPENAI_API_BASE"] {
        command.env_remove(name);
    }
    command
}

fn outcome(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    outcome(&signalbox(args).output().unwrap())
}

/// A directory of a test's own.
fn scratch(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn check_sums_a_configuration_up() {
    for name in ["tutorial-1", "tutorial-2", "tutorial-3", "routing", "routers"] {
        let (code, out, err) = run(&["check", "--no-env", &format!("{name}.yaml")]);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        golden::assert(&format!("config/{name}.txt"), &out);
    }
}

/// Once `print!` panicked where `head` had seen enough.
#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let prompts = golden::path("calibrate/prompts.jsonl").display().to_string();
    for args in [
        ["check", "routers.yaml"].as_slice(),
        &["envoy", "tutorial-1.yaml"],
        &["models"],
        &["explain", "../explain/config.yaml", "../explain/plain.json"],
        &["calibrate", "../calibrate/config.yaml", "--prompts", &prompts, "--share", "0.3"],
        &["score"],
    ] {
        let mut child =
            signalbox(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        // More than a pipe holds, so that a writer meets the closed one.
        let lines = "{\"prompt\": \"hello\"}\n".repeat(20_000);
        let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
        let (code, _, err) = outcome(&child.wait_with_output().unwrap());
        assert!(
            code == Some(0) && !err.contains("panicked") && !err.contains("Broken pipe"),
            "{args:?} {code:?} {err}"
        );
    }
}

#[test]
fn check_names_every_mistake_with_its_place() {
    for name in ["mistakes", "routing-mistakes", "routers-mistakes", "routers-lost"] {
        let (code, out, err) = run(&["check", &format!("{name}.yaml")]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        golden::assert(&format!("config/{name}.txt"), &err);
    }
}

#[test]
fn check_warns_of_what_has_no_effect() {
    for name in ["warnings", "routers-warnings"] {
        let (code, _, err) = run(&["check", "--no-env", &format!("{name}.yaml")]);
        assert_eq!(code, Some(0));
        golden::assert(&format!("config/{name}.txt"), &err);
    }
}

/// Configurations that once went wrong, each with the number under which that was told.
#[test]
fn check_says_what_faulty_configurations_mean() {
    for (name, wanted) in [
        ("01-base_url", 0),
        ("02-credential", 0),
        ("03-environment", 0),
        ("06-closing-brace", 0),
        ("07-bare-names", 0),
        ("08-defaults", 0),
        ("09-twice-where-nobody-looks", 0),
        ("10-mode-and-lists", 0),
        ("11-second-document", 2),
        ("12-cannot-be-served", 2),
    ] {
        let (code, out, err) = run(&["check", &format!("faults/{name}.yaml")]);
        assert_eq!(code, Some(wanted), "{name}");
        // Of the summary, what this is about: where each deployment is.
        let places: String = out.lines().filter(|line| line.contains("://")).map(|line| format!("{line}\n")).collect();
        golden::assert(&format!("config/faults/{name}.txt"), &(err + &places));
    }
}

#[test]
fn check_tells_what_it_cannot_read() {
    let (code, _, err) = run(&["check", "absent.yaml"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("error: cannot read absent.yaml: "), "{err}");

    let file = scratch("broken").join("broken.yaml");
    std::fs::write(&file, "model_list:\n  - model_name: a\n   litellm_params: {}\n").unwrap();
    let (code, _, err) = run(&["check", &file.display().to_string()]);
    assert_eq!(code, Some(2));
    assert!(err.contains("broken.yaml:3:") && err.contains("this is not YAML"), "{err}");
}

/// `signalbox explain` among its golden files.
fn explain(request: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = signalbox(&["explain", "config.yaml", request]);
    outcome(&command.args(more).current_dir(golden::path("explain")).output().unwrap())
}

#[test]
fn explain_tells_the_decision_and_what_would_follow() {
    let state = ["--state", "state.json"];
    for (request, code, more) in [("plain", 0, &state[..]), ("image", 0, &state), ("refused", 1, &[])] {
        for (form, flag) in [("txt", &[][..]), ("out.json", &["--json"])] {
            let (found, out, err) = explain(&format!("{request}.json"), &[more, flag].concat());
            assert_eq!((found, err.as_str()), (Some(code), ""), "{request}");
            golden::assert(&format!("explain/{request}.{form}"), &out);
        }
    }
}

#[test]
fn explain_tells_what_a_router_chose_and_why() {
    for (request, form, more) in
        ["hard", "talk", "code"].into_iter().flat_map(|it| [(it, "txt", None), (it, "out.json", Some("--json"))])
    {
        let file = format!("{request}.json");
        let mut command = signalbox(&["explain", "routers.yaml", &file]);
        let (code, out, err) = outcome(&command.args(more).current_dir(golden::path("explain")).output().unwrap());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{request}");
        golden::assert(&format!("explain/{request}.{form}"), &out);
    }
}

#[test]
fn explain_knows_what_bedrock_takes() {
    let folder = scratch("explain-bedrock");
    let config = "model_list:\n\
        - {model_name: m, litellm_params: {model: \"bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0\", aws_region_name: us-east-1}}\n\
        - {model_name: e, litellm_params: {model: \"bedrock/amazon.titan-embed-text-v2:0\", aws_region_name: us-east-1}}\n";
    std::fs::write(folder.join("config.yaml"), config).unwrap();
    let image = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://h/a.png"}}]}]}"#;
    for (request, code, said) in [
        (r#"{"model":"m","messages":[{"role":"user","content":"q"}]}"#, 0, "m-1 "),
        (image, 1, r#""param":"messages[0].content[0]""#),
        (r#"{"model":"e","input":"a"}"#, 0, "e-1 "),
        (r#"{"model":"e","input":["a","b"]}"#, 1, "one input at a time"),
    ] {
        std::fs::write(folder.join("request.json"), request).unwrap();
        let (found, out, err) =
            outcome(&signalbox(&["explain", "config.yaml", "request.json"]).current_dir(&folder).output().unwrap());
        assert_eq!((found, err.as_str()), (Some(code), ""), "{request}: {out}");
        assert!(out.contains(said), "{request}: {out}");
    }
}

/// Each of another dialect, or with habits of its own: who may be asked what.
#[test]
fn explain_tells_which_providers_can_serve() {
    for (request, form, more) in
        ["seen", "called"].into_iter().flat_map(|it| [(it, "txt", None), (it, "out.json", Some("--json"))])
    {
        let file = format!("{request}.json");
        let mut command = signalbox(&["explain", "providers.yaml", &file]);
        let (code, out, err) = outcome(&command.args(more).current_dir(golden::path("explain")).output().unwrap());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{request}");
        golden::assert(&format!("explain/{request}.{form}"), &out);
    }
}

/// Once a floor hid the score, and rounding put it into another tier than the one that was told.
#[test]
fn explain_shows_the_score_under_a_floor_and_no_other_tiers_score() {
    let folder = scratch("explain-score");
    let config = "model_list:\n- {model_name: cheap, litellm_params: {model: openai/gpt-4o-mini}}\nsignalbox:\n  routers:\n    \
        smart: {classifier_type: heuristic, plan_mode_min_tier: COMPLEX, tiers: {SIMPLE: cheap, COMPLEX: cheap, REASONING: cheap}}\n";
    std::fs::write(folder.join("config.yaml"), config).unwrap();
    let shown = |text: &str| {
        let request = format!(r#"{{"model":"smart","messages":[{{"role":"user","content":"{text}"}}]}}"#);
        std::fs::write(folder.join("request.json"), request).unwrap();
        outcome(&signalbox(&["explain", "config.yaml", "request.json"]).current_dir(&folder).output().unwrap()).1
    };
    let boundaries = "\n  SIMPLE, MEDIUM from 0.15, COMPLEX from 0.35, REASONING from 0.6\n";
    let near = shown("hello api sql");
    assert!(near.contains(&format!("0.14999999999999997{boundaries}")) && near.contains("tier `SIMPLE`"), "{near}");
    let plan = shown("hello. Plan mode is active");
    assert!(plan.contains(&format!("-0.1500{boundaries}")) && plan.contains("tier `COMPLEX` (plan_mode)"), "{plan}");
}

#[test]
fn the_manual_shows_what_explain_prints() {
    let manual = include_str!("../docs/routing.md");
    assert!(
        manual.contains(&explain("plain.json", &["--state", "state.json"]).1),
        "docs/routing.md shows another output"
    );
}

#[test]
fn explain_counts_draws_from_a_seed() {
    let draws = |seed: &str| explain("plain.json", &["--draws", "1000", "--seed", seed, "--json"]).1;
    assert_eq!(draws("1"), draws("1"));
    let found: serde_json::Value = serde_json::from_str(&draws("1")).unwrap();
    let first = found.pointer("/first_in_draws/smart-1").unwrap().as_u64().unwrap();
    assert!(first.abs_diff(600) < 60, "three fifths by weight, not {first}");
}

#[test]
fn explain_tells_what_is_wrong_with_its_files() {
    let wrong = |request: &str, more: &[&str]| {
        let (code, out, err) = explain(request, more);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        err
    };
    assert!(wrong("absent.json", &[]).starts_with("error: cannot read absent.json: "));
    assert_eq!(wrong("state.json", &[]), "error: state.json: you must provide a model parameter\n");
    assert!(wrong("plain.json", &["--state", "plain.json"]).contains("there is no key `model`"));
    let state = scratch("state").join("state.json");
    std::fs::write(&state, r#"{"deployments": {"smart-9": {}}}"#).unwrap();
    let err = wrong("plain.json", &["--state", &state.display().to_string()]);
    assert!(err.contains("there is no deployment `smart-9`; did you mean `smart-"), "{err}");
}

#[test]
fn envoy_writes_a_bootstrap_and_names_the_variables() {
    let (code, out, err) = run(&["envoy", "tutorial-1.yaml", "--wasm", "/usr/lib/signalbox/signalbox.wasm"]);
    assert_eq!(code, Some(0));
    let (first, rest) = out.split_once('\n').unwrap();
    assert!(first.starts_with("# Made by `signalbox envoy tutorial-1.yaml`"), "{first}");
    assert_eq!(rest, std::fs::read_to_string(golden::path("envoy/tutorial-1.yaml")).unwrap());
    assert!(!out.contains("local-key") && !err.contains("local-key"));
    for name in ["OPENAI_API_KEY", "EU_API_KEY", "SIGNALBOX_KEY_GPT_4O_3"] {
        assert!(err.contains(name), "{err}");
    }

    let file = scratch("envoy").join("envoy.yaml");
    let same =
        ["envoy", "tutorial-1.yaml", "--wasm", "/usr/lib/signalbox/signalbox.wasm", "-o", &file.display().to_string()];
    assert_eq!(run(&same).1, "");
    assert_eq!(std::fs::read_to_string(file).unwrap(), out);
}

#[test]
fn istio_says_what_is_needed_to_apply_and_to_mount() {
    let entry = |number: usize| {
        format!(
            "{{model_name: group-{number}, litellm_params: {{model: openai/gpt-4o, api_base: 'https://provider-{number}.example.com/v1', api_key: os.environ/KEY}}}}"
        )
    };
    let written = |count: usize, more: &str| {
        let entries: Vec<String> = (0..count).map(|number| format!("- {}\n", entry(number))).collect();
        let file = scratch("istio").join(format!("{count}.yaml"));
        std::fs::write(&file, format!("model_list:\n{}{more}", entries.concat())).unwrap();
        let (code, out, err) = run(&["istio", &file.display().to_string()]);
        assert_eq!(code, Some(0), "{err}");
        (out, err)
    };
    let clients = "general_settings: {master_key: os.environ/MASTER}\nsignalbox: {clients: [{name: shop, key: os.environ/SHOP}]}\n";
    let (out, err) = written(2, clients);
    assert!(out.lines().take(4).any(|line| line == "# kubectl apply -f -"), "{out}");
    for needed in ["KEY (for group-0-1, group-1-1)", "MASTER (the key of the client `master`)", "SHOP (the key of"] {
        assert!(
            err.contains(&format!("the Secret that is mounted at /var/run/signalbox/keys needs {needed}")),
            "{err}"
        );
    }
    let (out, err) = written(1_600, "");
    assert!(out.lines().take(4).any(|line| line == "# kubectl apply --server-side -f -"));
    assert!(err.contains("note: EnvoyFilter signalbox") && err.contains("only `kubectl apply --server-side` applies"));
}

#[test]
fn models_tells_what_a_deployment_would_have_and_a_request_cost() {
    let name = "openai/gpt-4o-2024-08-06";
    let (code, out, err) = run(&["models", name, "--input", "1000", "--cached", "400", "--output", "100"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 3, "{out}");
    // 600 at 2.50, 400 at 1.25 and 100 at 10 for a million.
    let wanted = ["openai/gpt-4o", "2.5", "1.25", "-", "10", "128000", "16384", "0.003", "tools"];
    assert_eq!(lines[2].iter().take(9).copied().collect::<Vec<_>>(), wanted);

    let (code, out, _) = run(&["models", "claude-OPUS", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&out).unwrap();
    let models = listed["models"].as_array().unwrap();
    assert!(code == Some(0) && models.len() > 5);
    assert!(
        models
            .iter()
            .all(|model| model["model"].as_str().unwrap().contains("claude-opus") && model.get("cost").is_none())
    );
}

#[test]
fn models_tells_what_nobody_knows() {
    for name in ["hosted_vllm/gpt-4o", "openai/gpt-4o-mega", "no such thing"] {
        let (code, out, err) = run(&["models", name]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.contains(&format!("no model matches `{name}`")), "{err}");
    }
}
