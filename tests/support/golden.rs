//! Golden files: `GOLDEN=write cargo test` rewrites them, the reviewer reads the diff.

#![allow(dead_code, reason = "not every test file uses all")]

use std::path::PathBuf;

/// A path below `tests/golden`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// Holds a text against a golden file.
pub fn assert(name: &str, found: &str) {
    let file = path(name);
    if std::env::var("GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&file, found).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(wanted == found, "{name} differs; if that is meant, run with GOLDEN=write.\n--- found\n{found}");
}
