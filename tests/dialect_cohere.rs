//! Cohere's dialect against golden files: `tests/golden/cohere/<case>/`, which `tests/support/cases.rs` explains.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

const FOLDER: cases::Folder = cases::Folder {
    name: "cohere",
    client: "openai",
    provider: "cohere",
    model: "command-a-03-2025",
    prefixed_ids: true,
    cases: 12,
    streams: 4,
};
