//! Bedrock's Converse against golden files: `tests/golden/bedrock/<case>/`, which `tests/support/cases.rs` explains.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

const FOLDER: cases::Folder = cases::Folder {
    name: "bedrock",
    client: "openai",
    provider: "bedrock",
    model: "anthropic.claude-sonnet-4-5-20250929-v1:0",
    prefixed_ids: true,
    cases: 40,
    streams: 4,
};
