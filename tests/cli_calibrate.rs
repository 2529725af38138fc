//! `signalbox calibrate`, whole: what it prints, and that it is true of what it printed.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::string_slice)]
#![cfg(all(feature = "cli", unix))]

#[path = "support/golden.rs"]
mod golden;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

fn run(args: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    command.args(args).current_dir(golden::path("calibrate"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    // A program that does not read its input closes it.
    let writer = std::thread::spawn(move || drop(input.write_all(&stdin)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn calibrate(more: &[&str]) -> (Option<i32>, String, String) {
    run(&[&["calibrate", "config.yaml", "--prompts", "prompts.jsonl"], more].concat(), b"")
}

fn scratch(name: &str, text: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn boundaries_for_a_team_are_found() {
    for (name, more) in [
        ("signalbox.txt", ["--router", "smart", "--share", "0.4,0.2,0.05"].as_slice()),
        ("signalbox.json", &["--router", "smart", "--share", "0.4,0.2,0.05", "--json"]),
        ("heuristic.txt", &["--share", "0.3"]),
        ("tied.txt", &["--share", "0.45,0.1"]),
        ("other.txt", &["--classifier", "signalbox", "--share", "0.25"]),
    ] {
        let (code, out, err) = calibrate(more);
        assert_eq!((code, err.as_str()), (Some(0), ""));
        golden::assert(&format!("calibrate/{name}"), &out);
    }
}

#[test]
fn the_manual_shows_what_calibrate_prints() {
    let manual = include_str!("../docs/calibration.md");
    let command = manual.lines().find_map(|line| line.strip_prefix("    signalbox ")).unwrap();
    let (code, out, _) = run(&command.split_whitespace().collect::<Vec<_>>(), b"");
    assert_eq!(code, Some(0));
    assert!(manual.contains(&out), "docs/calibration.md shows another output than of its command");
}

/// The tiers that `signalbox score` gives with a router of these boundaries: how many prompts each.
fn counts(router: &str, classifier: &str, snippet: &str) -> Vec<usize> {
    let indented: String = snippet.lines().map(|line| format!("    {line}\n")).collect();
    let rules = "      keyword_tier_rules:\n      - {keywords: [invoice], tier: COMPLEX}\n";
    let rules = if router == "smart" { rules } else { "" };
    let text = format!(
        "model_list:\n- model_name: smart\n  litellm_params:\n    model: auto_router/complexity_router\n{indented}{rules}"
    );
    let file = scratch(&format!("{router}-{classifier}.yaml"), &text);
    let prompts = std::fs::read(golden::path("calibrate/prompts.jsonl")).unwrap();
    let (code, out, err) =
        run(&["score", "--config", &file.display().to_string(), "--classifier", classifier], prompts.trim_ascii_end());
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let tiers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |tier: &str| tiers.iter().filter(|it| it["tier"] == tier).count();
    ["SIMPLE", "MEDIUM", "COMPLEX", "REASONING"].map(count).to_vec()
}

#[test]
fn what_is_printed_splits_as_promised_when_it_is_read_back() {
    for router in ["smart", "old"] {
        for classifier in ["signalbox", "heuristic"] {
            for share in ["0.3", "0.5,0.5,0", "1,0.9,0.1", "0.7,0.33,0.07", "0"] {
                let args = ["--router", router, "--classifier", classifier, "--share", share];
                let (_, text, _) = calibrate(&args);
                let (_, json, _) = calibrate(&[args.as_slice(), &["--json"]].concat());
                let promised: Value = serde_json::from_str(&json).unwrap();
                let tiers = promised["proposed"]["tiers"].as_object().unwrap().values();
                let promised: Vec<usize> = tiers.map(|it| it["prompts"].as_u64().unwrap() as usize).collect();
                let snippet = &text[text.find("complexity_router_config:").unwrap()..];
                assert_eq!(counts(router, classifier, snippet), promised, "{router} {classifier} {share}\n{text}");
            }
        }
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_left_out() {
    let file = scratch("broken.jsonl", "{\"prompt\": \"hi\"}\n\nnonsense\n{\"prompt\": \"Why is that?\"}\n{}\n");
    let file = file.display().to_string();
    let (code, out, err) = run(&["calibrate", "config.yaml", "--prompts", &file, "--share", "0.5"], b"");
    assert_eq!(code, Some(1));
    assert!(out.starts_with("2 prompts, scored by heuristic\nlines that could not be read: 2\n"), "{out}");
    assert!(
        err.contains(":3: error: this is not a JSON object; ")
            && err.contains(":5: error: this has neither a `prompt` nor "),
        "{err}"
    );

    let none = scratch("none.jsonl", "\n").display().to_string();
    let (code, out, err) = run(&["calibrate", "config.yaml", "--prompts", &none, "--share", "0.5"], b"");
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("error: there are no prompts in "), "{err}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (share, problem) in [
        ("0.1,0.3", "the numbers of --share must not rise: each share is a part of the one before"),
        ("1.5", "--share takes numbers from 0 to 1"),
        ("NaN", "--share takes numbers from 0 to 1"),
        ("1,1,1,1", "--share takes at most three numbers: for MEDIUM, COMPLEX and REASONING"),
    ] {
        assert_eq!(calibrate(&["--share", share]), (Some(2), String::new(), format!("error: {problem}\n")));
    }
    for (name, remedy) in [("cheap", "the first one is `old`"), ("smrt", "did you mean `smart`?")] {
        let (code, _, err) = calibrate(&["--share", "0.5", "--router", name]);
        assert_eq!(code, Some(2));
        assert!(err.contains(&format!("it has no complexity router `{name}`; {remedy}\n")), "{err}");
    }
}

/// Once `--router` looked at `model_list` alone, took the first of `signalbox.routers` for any name, and printed LiteLLM's wrapping.
#[test]
fn a_router_of_our_own_is_found_by_its_name_and_its_boundaries_can_be_pasted() {
    let groups = "model_list:\n- {model_name: cheap, litellm_params: {model: openai/gpt-4o-mini}}\n\
        - {model_name: strong, litellm_params: {model: openai/gpt-4o}}\n";
    let routers = "signalbox:\n  routers:\n    one:\n      tiers: {SIMPLE: strong}\n      classifier_type: heuristic\n    \
        two:\n      tiers: {SIMPLE: cheap, COMPLEX: strong}\n";
    let text = format!("{groups}{routers}");
    let file = scratch("own.yaml", &text).display().to_string();
    let calibrate = ["calibrate", &file, "--prompts", "prompts.jsonl", "--share", "0.4,0.2"];
    let of = |more: &[&str]| run(&[&calibrate, more].concat(), b"");
    let (code, out, err) = of(&["--router", "two"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("40 prompts, scored by signalbox of `two`\n"), "{out}");
    let (_, snippet) = out.split_once("To paste into `signalbox.routers.two`:\n\n").unwrap();
    let json: Value = serde_json::from_str(&of(&["--router", "two", "--json"]).1).unwrap();
    let wanted: Vec<u64> =
        json["proposed"]["tiers"].as_object().unwrap().values().map(|it| it["prompts"].as_u64().unwrap()).collect();

    let indented: String = snippet.lines().map(|line| format!("      {line}\n")).collect();
    let pasted = scratch("pasted.yaml", &format!("{text}{indented}")).display().to_string();
    let (code, _, err) = run(&["check", "--no-env", &pasted], b"");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let prompts = std::fs::read(golden::path("calibrate/prompts.jsonl")).unwrap();
    let (_, out, _) = run(&["score", "--config", &pasted, "--router", "two"], &prompts);
    let count = |tier: &str| out.matches(&format!("\"tier\":\"{tier}\"")).count() as u64;
    assert_eq!(["SIMPLE", "MEDIUM", "COMPLEX", "REASONING"].map(count).to_vec(), wanted);

    assert!(of(&[]).1.contains("scored by heuristic\n"), "the first one");
    let (code, _, err) = of(&["--router", "tow"]);
    assert!(code == Some(2) && err.contains("did you mean `two`?"), "{err}");
}
