//! Cohere's dialect against golden files: `tests/golden/cohere/<case>/`, which `tests/support/cases.rs` explains.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

const FOLDER: &str = "cohere";
const PROVIDER: &str = "cohere";
const MODEL: &str = "command-a-03-2025";

#[test]
fn there_are_cases() {
    assert!(cases::cases().len() >= 12, "the test looks in the wrong place");
}
