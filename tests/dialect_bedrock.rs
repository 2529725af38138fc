//! Bedrock's Converse against golden files: `tests/golden/bedrock/<case>/`, which `tests/support/cases.rs` explains.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

const FOLDER: &str = "bedrock";
const PROVIDER: &str = "bedrock";
const MODEL: &str = "anthropic.claude-sonnet-4-5-20250929-v1:0";

#[test]
fn there_are_cases() {
    assert!(cases::cases().len() >= 40, "the test looks in the wrong place");
}
