//! Ollama's dialect against golden files: `tests/golden/ollama/<case>/`, which `tests/support/cases.rs` explains.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/cases.rs"]
mod cases;
#[path = "support/golden.rs"]
mod golden;

const FOLDER: cases::Folder = cases::Folder {
    name: "ollama",
    client: "openai",
    provider: "ollama",
    model: "llama3.1",
    prefixed_ids: true,
    cases: 12,
    streams: 4,
};
