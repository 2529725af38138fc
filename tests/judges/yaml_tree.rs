//! Reads texts as configurations are read: a JSON list of texts on stdin, a JSON list of what each says on stdout; `{"error": …}` for one
//! that cannot be read. tests/judges/test_yaml.py holds it against PyYAML.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde_json::{Value, json};
use signalbox::config::yaml;

fn main() {
    let texts: Vec<String> = serde_json::from_reader(std::io::stdin()).expect("a JSON list of texts on stdin");
    let said = |text: &String| match yaml::read(text) {
        Ok(node) => json!({"value": node.to_json()}),
        Err(found) => json!({"error": found.first().map(|one| one.problem.clone())}),
    };
    println!("{}", Value::Array(texts.iter().map(said).collect()));
}
