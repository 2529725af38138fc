//! The house's own rules, held as a test: which room may know which, and that each file says why it is there. Lints bound how long and how
//! tangled a function may grow (.clippy.toml).
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

/// For each room of the library, the rooms it may name. A room may always name itself.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("chat", &[]),
    ("json", &[]),
    ("provider", &[]),
    ("catalogue", &["chat"]),
    ("failure", &["chat", "provider"]),
    ("dialect", &["chat", "json", "provider", "failure"]),
    ("config", &["provider", "catalogue"]),
    ("state", &["chat", "config", "catalogue"]),
    ("routing", &["chat", "provider", "catalogue", "config", "state"]),
    ("filter", &["chat", "provider", "catalogue", "dialect", "failure", "config", "state", "routing"]),
    ("generate", &["chat", "provider", "catalogue", "dialect", "config"]),
    ("wasm", &["state", "filter"]),
    ("sim", &[]),
];

/// Words that only the shell and the command line may say: clock, chance, environment, files, log.
const OUTSIDE: &[&str] = &[
    "proxy_wasm",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime::now",
    "std::env",
    "std::fs",
    "log::",
    "println!",
];

fn sources() -> Vec<(PathBuf, String)> {
    fn walk(dir: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 20, "the test looks in the wrong place");
    found
}

fn room(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    below.components().next().unwrap().as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The file without its own tests, which may do anything.
fn code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod ").next().unwrap()
}

#[test]
fn rooms_know_only_whom_they_may() {
    let rooms: Vec<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let room = room(&path);
        let Some((_, may)) = MAY_KNOW.iter().find(|(name, _)| *name == room) else { continue };
        for other in rooms.iter().filter(|other| **other != room && !may.contains(other)) {
            let code_lines = code(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code_lines.filter(|line| line.contains(&format!("crate::{other}"))) {
                wrong.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_page_on_the_architecture_says_who_may_know_whom() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let told: Vec<(String, Vec<String>)> = rows
        .map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
            (names(cells[0]).remove(0), names(cells[2]))
        })
        .collect();
    let held = MAY_KNOW.iter().map(|(room, may)| ((*room).to_owned(), may.iter().map(|it| (*it).to_owned()).collect()));
    assert_eq!(told, held.collect::<Vec<_>>(), "ARCHITECTURE.md has another table than this test");
}

#[test]
fn only_the_shell_speaks_to_the_host() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if matches!(room(&path).as_str(), "wasm" | "main" | "cli" | "sim" | "lib") {
            continue;
        }
        for line in code(&text).lines().filter(|line| !line.trim_start().starts_with("//")) {
            wrong.extend(
                OUTSIDE.iter().filter(|word| line.contains(**word)).map(|_| format!("{}: {line}", path.display())),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_cursor_is_pure() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/filter/exchange/cursor.rs");
    let text = fs::read_to_string(path).unwrap();
    let impure = ["Host", "Store", "Effect", "RefCell", "Rc<", "dialect::", "state::", "pub plan", "pub next"];
    let lines = code(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
    let wrong: Vec<&str> = lines.filter(|line| impure.iter().any(|word| line.contains(word))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_file_says_why_it_is_there() {
    for (path, text) in sources() {
        assert!(text.starts_with("//!"), "{} does not open with //!", path.display());
    }
}

/// Where a provider, a dialect or a strategy may be called by its name. What is asked elsewhere is what its row says.
const NAMED_IN: &[(&str, &[&str])] = &[
    ("Dialect::OpenAi", &["provider", "provider/", "dialect/mod", "dialect/unsupported", "sim/"]),
    ("Dialect::Anthropic", &["provider", "provider/", "dialect/mod", "dialect/unsupported", "sim/"]),
    ("Dialect::Responses", &["provider", "provider/", "dialect/mod", "dialect/unsupported", "sim/", "cli/translate"]),
    ("Dialect::Bedrock", &["provider", "provider/", "dialect/mod", "dialect/unsupported"]),
    ("Dialect::Gemini", &["provider", "provider/", "dialect/mod", "dialect/unsupported", "sim/"]),
    ("Dialect::Cohere", &["provider", "provider/", "dialect/mod", "dialect/unsupported", "sim/"]),
    ("Dialect::Ollama", &["provider", "provider/", "dialect/mod", "dialect/unsupported", "sim/"]),
    ("Credential::", &["provider", "provider/"]),
    ("RanksBy::", &["config/model/strategy", "routing/strategy/mod"]),
];
/// The same for names as texts: prices and names of models, and numbers that mean something at one provider, are data of their own.
const TEXTS_IN: &[&str] = &[
    "provider/",
    "catalogue/",
    "config/compile/infer",
    "failure/vendor",
    "dialect/cohere/embeddings",
    "generate/yaml",
    "sim/",
    "cli/translate",
];

#[test]
fn nothing_asks_which_provider_dialect_or_strategy_it_is() {
    let below = |path: &Path| path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap().to_owned();
    let is_in = |path: &Path, places: &[&str]| {
        let name = below(path).with_extension("").to_string_lossy().into_owned();
        places.iter().any(|place| name == *place || place.ends_with('/') && name.starts_with(place))
    };
    let texts: Vec<String> = signalbox::provider::all().map(|it| format!("\"{}\"", it.name)).collect();
    let names = signalbox::config::model::strategy::STRATEGIES.iter().map(|it| format!("\"{}\"", it.name));
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let lines = code(&text).lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            let named = NAMED_IN.iter().any(|(name, places)| line.contains(name) && !is_in(&path, places));
            let is_text = texts.iter().any(|name| line.contains(name.as_str())) && !is_in(&path, TEXTS_IN);
            let is_strategy =
                names.clone().any(|name| line.contains(&name)) && !is_in(&path, &["config/model/strategy"]);
            if named || is_text || is_strategy {
                wrong.push(format!("{}: {line}", below(&path).display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
