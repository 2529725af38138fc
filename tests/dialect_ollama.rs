//! Ollama's dialect against golden files: `tests/golden/ollama/<case>/`, which `tests/support/cases.rs` explains.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

const FOLDER: &str = "ollama";
const PROVIDER: &str = "ollama";
const MODEL: &str = "llama3.1";

#[test]
fn there_are_cases() {
    assert!(cases::cases().len() >= 12, "the test looks in the wrong place");
}
