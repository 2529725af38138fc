//! The manual, held against the code: its links lead somewhere, its examples compile, what it names exists, and what exists is named.
//! (The keys of the configuration are held against it where they are listed: `src/config/compile/sections.rs`.)
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use signalbox::config::compile::{Compiled, compile};
use signalbox::config::diagnostic::{Diagnostics, Severity};
use signalbox::config::yaml;
use signalbox::state::{Measure, from_json};

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root(path)).unwrap()
}

/// Every page that people read, by its path.
fn pages() -> Vec<(String, String)> {
    let docs = std::fs::read_dir(root("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let docs = docs.map(|name| format!("docs/{}", name.to_str().unwrap())).filter(|path| path.ends_with(".md"));
    let others = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "RELEASING.md",
        "examples/README.md",
        "bench/data/README.md",
    ];
    let others = others.map(str::to_owned);
    let pages: Vec<_> = others.into_iter().chain(docs).map(|path| (path.clone(), read(&path))).collect();
    assert!(pages.len() > 10, "the test looks in the wrong place");
    pages
}

/// All pages in one text.
fn manual() -> String {
    pages().into_iter().filter(|(path, _)| path != "CHANGELOG.md").map(|(_, text)| text).collect()
}

/// All of the library's own code, without its tests.
fn code() -> String {
    fn walk(folder: &Path, code: &mut String) {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                walk(&path, code);
            } else {
                let text = std::fs::read_to_string(path).unwrap();
                *code += text.split("#[cfg(test)]").next().unwrap();
            }
        }
    }
    let mut code = String::new();
    walk(&root("src"), &mut code);
    code
}

/// The code blocks of a page in this language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let mark = format!("```{language}\n");
    page.split(&mark).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// What begins with this, to the end of the word.
fn words(text: &str, beginning: &str) -> BTreeSet<String> {
    let text = text.to_lowercase();
    let end =
        |rest: &str| rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').unwrap_or(rest.len());
    let rest = text.match_indices(beginning).map(|(at, _)| &text[at + beginning.len()..]);
    rest.map(|rest| format!("{beginning}{}", &rest[..end(rest)]).trim_end_matches(['-', '_']).to_owned()).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for (path, page) in pages() {
        let folder = root(&path).parent().unwrap().to_owned();
        for link in page.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.starts_with("http") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root(&path) } else { folder.join(file) };
            assert!(target.exists(), "{path}: {link} leads nowhere");
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&target).unwrap();
                let headings = text.lines().filter(|line| line.starts_with('#'));
                let mut slugs = headings.map(|line| slug(line.trim_start_matches(['#', ' '])));
                assert!(slugs.any(|slug| slug == anchor), "{path}: {link}: there is no such heading");
            }
        }
    }
}

/// A heading's anchor, as GitHub makes it.
fn slug(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

/// An example that shows only a part gets the groups that the manual's examples speak of.
fn completed(example: &str) -> String {
    let named = ["smart", "cheap", "mini", "flash", "opus", "gpt", "coder", "small", "million", "chat"];
    let is_own = |name: &&str| !example.contains(&format!("model_name: {name}\n"));
    let entry = |name: &str| format!("  - {{model_name: {name}, litellm_params: {{model: openai/gpt-4o}}}}\n");
    let list = format!("model_list:\n{}", named.into_iter().filter(is_own).map(entry).collect::<String>());
    match example.contains("model_list:\n") {
        false => format!("{list}{example}"),
        true if example.contains("auto_router/") => example.replace("model_list:\n", &list),
        true => example.to_owned(),
    }
}

#[test]
fn every_example_of_a_configuration_compiles_without_a_warning() {
    let mut compiled = 0;
    for (path, page) in pages() {
        for example in blocks(&page, "yaml") {
            let lines =
                |diagnostics: &Diagnostics| diagnostics.iter().map(|n| n.line(&path) + "\n").collect::<String>();
            let tree = yaml::read(example).unwrap_or_else(|errors| panic!("{}\n{example}", lines(&errors)));
            let keys = ["model_list", "router_settings", "litellm_settings", "general_settings", "signalbox"];
            if keys.iter().all(|key| tree.entry(key).is_none()) {
                continue;
            }
            let tree = yaml::read(&completed(example)).unwrap();
            let outcome = compile(&tree, &|_| None);
            let Compiled { diagnostics, .. } = outcome.unwrap_or_else(|errors| panic!("{}\n{example}", lines(&errors)));
            assert!(diagnostics.is_empty(), "{}\n{example}", lines(&diagnostics));
            compiled += 1;
        }
    }
    assert!(compiled >= 5, "only {compiled} examples found");
}

#[test]
fn every_example_that_a_user_copies_compiles_without_a_warning_and_is_listed() {
    let list = read("examples/README.md");
    let mut compiled = 0;
    for path in std::fs::read_dir(root("examples")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "README.md" {
            continue;
        }
        assert!(list.contains(&format!("]({name})")), "examples/README.md does not list {name}");
        let tree = yaml::read(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let found = compile(&tree, &|_| None).unwrap().diagnostics;
        let serious: Vec<_> =
            found.iter().filter(|one| one.severity != Severity::Note).map(|one| one.line(&name)).collect();
        assert!(serious.is_empty(), "{serious:#?}");
        compiled += 1;
    }
    assert!(compiled >= 6, "only {compiled} found");
}

#[test]
fn the_readme_shows_an_example_that_a_user_copies() {
    let (page, example) = (read("README.md"), read("examples/fallbacks.yaml"));
    assert_eq!(blocks(&page, "yaml"), [example], "README.md and examples/fallbacks.yaml differ");
}

#[test]
fn the_index_leads_to_every_page() {
    let index = read("docs/README.md");
    for (path, _) in pages() {
        let Some(name) = path.strip_prefix("docs/").filter(|name| *name != "README.md") else { continue };
        assert!(index.contains(&format!("]({name}")), "docs/README.md does not lead to {name}");
    }
}

#[test]
fn the_state_that_the_manual_shows_is_one() {
    let page = read("docs/routing.md");
    let state = blocks(&page, "json").into_iter().find(|json| json.contains("deployments")).unwrap();
    assert_eq!(from_json(state, &["smart-1"], planning::NOW).map(|seen| seen.len()), Ok(1));
}

#[test]
fn defaults_are_those_that_the_manual_tells() {
    let list = "model_list:\n- {model_name: m, litellm_params: {model: openai/m}}\n";
    let blank = planning::config(list);
    let page = read("docs/configuration.md");
    let mut compared = 0;
    for (section, at) in [("## `router_settings`", "router_settings"), ("## `signalbox`", "signalbox")] {
        let table = page.split_once(&format!("{section}\n")).unwrap().1.split("\n## ").next().unwrap();
        for line in table.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let (keys, defaults) = (cells[0].split(", "), cells[cells.len() - 1].split(", "));
            for (key, default) in keys.zip(defaults) {
                let (key, default) =
                    (key.trim_matches('`'), default.trim_start_matches('`').split('`').next().unwrap());
                let is_value = default.parse::<f64>().is_ok()
                    || ["true", "false", "127.", "/etc/", "simple-", "first_"].iter().any(|it| default.starts_with(it));
                // A `timeout` that is not written gives way to others.
                if !is_value || key.starts_with('…') || key == "timeout" {
                    continue;
                }
                let Some((outer, inner)) = key.split_once('.') else {
                    let told = planning::config(&format!("{list}{at}: {{{key}: '{default}'}}\n"));
                    assert_eq!(told, blank, "{key} is not {default} by default");
                    compared += 1;
                    continue;
                };
                let on = planning::config(&format!("{list}{at}: {{{outer}: true}}\n"));
                let told = planning::config(&format!("{list}{at}: {{{outer}: {{{inner}: '{default}'}}}}\n"));
                assert_eq!(told, on, "{key} is not {default} by default");
                compared += 1;
            }
        }
    }
    assert!(compared > 25, "only {compared} defaults found");
}

/// The default of a key in the tables of the configuration's page.
fn default_of(key: &str) -> Option<f64> {
    let page = read("docs/configuration.md");
    let row =
        |line: &&str| line.trim_start_matches("| ").split(" | ").next().is_some_and(|cell| cell == format!("`{key}`"));
    let default = page.lines().find(row)?.trim_matches('|').trim().rsplit(" | ").next()?.trim();
    default.trim_matches('`').parse().ok()
}

#[test]
fn a_default_in_brackets_is_that_of_the_table() {
    let mut compared = 0;
    for (path, page) in pages() {
        for (before, after) in page.match_indices("` (").map(|(at, _)| page.split_at(at)) {
            let key = before.rsplit('`').next().unwrap().rsplit('.').next().unwrap();
            let told = after[3..].split(')').next().unwrap();
            let mut words = told.split_whitespace();
            let number = words.next().and_then(|word| word.parse::<f64>().ok());
            let key = if key == "interval" { "health_check.interval" } else { key };
            let (Some(number), Some(default)) = (number, default_of(key)) else { continue };
            let number = number * if words.next() == Some("MiB") { 1_048_576.0 } else { 1.0 };
            assert!((number - default).abs() < 1e-9, "{path}: `{key}` ({told}), and its default is {default}");
            compared += 1;
        }
    }
    assert!(compared > 12, "only {compared} found");
}

#[test]
fn every_header_is_in_the_manual_and_every_one_there_in_the_code() {
    // How the two filters and Envoy's route speak to each other: no client and no provider sees it.
    let internal = ["x-signalbox", "x-signalbox-flight", "x-signalbox-key"];
    let (manual, code) = (manual(), code());
    let told = words(&manual, "x-signalbox");
    let sent = words(&code, "x-signalbox");
    // In a table: `x-signalbox-deployment`, `-provider`.
    let shortened =
        |header: &str| header.strip_prefix("x-signalbox").is_some_and(|end| manual.contains(&format!("`{end}`")));
    for header in sent.iter().filter(|header| !internal.contains(&header.as_str())) {
        assert!(told.contains(header) || shortened(header), "the manual does not tell of {header}");
    }
    for header in &told {
        assert!(sent.contains(header), "the manual tells of {header}, which nobody sends");
    }
    for line in manual.lines().filter(|line| line.contains("`x-signalbox-")) {
        for end in words(line, "`-").iter().map(|word| word.trim_start_matches('`')) {
            assert!(sent.contains(&format!("x-signalbox{end}")), "x-signalbox{end} is sent by nobody");
        }
    }
}

#[test]
fn every_metric_label_class_and_field_of_the_log_is_in_the_manual() {
    use Measure::{Abandoned, CostNanos, InputTokens, OutputTokens, Served};
    let (page, code) = (read("docs/telemetry.md"), code());
    let of_deployments = [Served, Abandoned, Measure::Cooldowns, InputTokens, OutputTokens, CostNanos];
    let mut sent: BTreeSet<String> =
        of_deployments.iter().map(|measure| format!("signalbox_{}", measure.name().0)).collect();
    sent.extend([Served, InputTokens, CostNanos].map(|measure| format!("signalbox_{}", measure.of_client())));
    sent.extend(["in_flight", "cooling", "decisions", "buffered_bytes"].map(|name| format!("signalbox_{name}")));
    let told: BTreeSet<String> = words(&page, "`signalbox_").iter().map(|word| word[1..].to_owned()).collect();
    assert_eq!(told, sent, "metrics");
    for label in code.split("tag(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.contains(&format!("`{label}`")), "docs/telemetry.md does not tell of the label {label}");
    }
    for (list, page) in [
        ("src/chat/failure.rs", "docs/routing.md"),
        ("src/routing/model_router/decision.rs", "docs/configuration.md"),
        ("src/routing/complexity/scored.rs", "docs/configuration.md"),
    ] {
        let (code, page_text) = (read(list), read(page));
        let names = code.split("=> \"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect::<Vec<_>>();
        assert!(names.len() > 5, "{list} is another list");
        for name in names.iter().filter(|name| !matches!(**name, "tier" | "task") && !name.starts_with("x-")) {
            assert!(page_text.contains(&format!("`{name}`")), "{page} does not tell of {name}");
        }
    }
    let line = code.split_once("const ACCESS_LINE").unwrap().1.split_once("json!").unwrap().0;
    let fields = line.split("=%").map(|before| before.rsplit([' ', '"']).next().unwrap());
    for field in fields.filter(|field| field.chars().all(|c| c.is_ascii_lowercase()) && !field.is_empty()) {
        assert!(page.contains(&format!("{field}=")), "docs/telemetry.md does not tell of {field}=");
    }
}

/// What stands in the manual as a command, of this program.
fn commands(program: &str) -> Vec<String> {
    let manual = manual();
    let starts = [format!("`{program} "), format!("\n    {program} "), format!("\n{program} "), format!("/{program} ")];
    let found = starts.iter().flat_map(|start| manual.split(start.as_str()).skip(1));
    found.map(|rest| rest.split(['`', '\n', '#']).next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_and_option_of_the_manual_exists() {
    let commands = commands("signalbox");
    assert!(commands.len() > 20, "only {} commands found", commands.len());
    for line in &commands {
        let words = line.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase()));
        let words: Vec<_> = words.take(if line.starts_with("translate") { 2 } else { 1 }).collect();
        if words.is_empty() {
            continue;
        }
        let output = Command::new(env!("CARGO_BIN_EXE_signalbox")).args(&words).arg("--help").output().unwrap();
        assert!(output.status.success(), "`signalbox {line}`: there is no such command");
        let help = String::from_utf8(output.stdout).unwrap();
        let options = line.split([' ', '[', ']', ';', ':', ',']).filter(|word| word.starts_with("--"));
        for option in options.map(|option| option.split('=').next().unwrap()) {
            assert!(help.split_whitespace().any(|word| word == option), "`signalbox {line}`: there is no {option}");
        }
    }
}

#[test]
fn every_target_of_the_manual_is_in_the_makefile() {
    let makefile = read("Makefile");
    let named = commands("make");
    assert!(named.len() > 5, "only {} found", named.len());
    for line in &named {
        for target in
            line.split_whitespace().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        {
            assert!(makefile.contains(&format!("\n{target}:")), "`make {line}`: there is no {target}");
        }
    }
}

#[test]
fn every_client_program_is_in_the_manual_with_its_version() {
    let page = read("docs/client-api.md");
    let table = page.split("## Programs that are played").nth(1).unwrap().split("\n## ").next().unwrap();
    let node: serde_json::Value = serde_json::from_str(&read("tests/clients/package.json")).unwrap();
    let node = node["dependencies"].as_object().unwrap().iter();
    let node = node.map(|(name, version)| format!("`{name}` {}", version.as_str().unwrap()));
    let python = read("tests/clients/requirements.txt") + &read("tests/clients/aider.txt");
    let python =
        python.lines().filter_map(|line| line.split_once("==")).map(|(name, version)| format!("`{name}` {version}"));
    let programs: Vec<String> = node.chain(python).filter(|it| !it.contains("@langchain/core")).collect();
    assert!(programs.len() > 15, "only {programs:?} found");
    for program in programs {
        assert!(table.contains(&program), "docs/client-api.md does not tell of {program}");
    }
}

#[test]
fn every_code_of_a_refusal_is_in_the_manual() {
    let code = read("src/filter/http/refusal.rs");
    let code = code.split("#[cfg(test)]").next().unwrap();
    let page = read("docs/routing.md");
    let quoted = |call: &str| {
        let calls = code.split(call).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        calls.collect::<Vec<_>>()
    };
    let codes: Vec<_> =
        ["invalid(400, \"", "limited(\"", "code: Some(\""].iter().flat_map(|call| quoted(call)).collect();
    assert!(codes.len() > 6, "only {codes:?} found");
    for code in codes {
        assert!(page.contains(&format!("`{code}`")), "docs/routing.md does not tell of {code}");
    }
}

#[test]
fn the_simulator_s_help_has_every_fault() {
    let sim = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_signalbox")).arg("sim").args(arguments).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let (help, told) = (sim(&["--help"]), sim(&["--fault", "nothing=1"]));
    let known: Vec<_> = told.split_once("known: ").unwrap().1.trim().split(", ").collect();
    assert!(known.len() > 20, "{known:?}");
    for fault in known {
        assert!(words(&help, fault).contains(fault), "{fault}");
    }
}
