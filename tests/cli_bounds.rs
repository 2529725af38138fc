//! The real binary with files that are no configuration: it says so, in little time and memory.
#![allow(missing_docs, clippy::unwrap_used)]
#![cfg(all(feature = "cli", unix))]

use std::process::Command;

/// `signalbox check FILE` with this much memory to use, in KiB: exit code and stderr.
fn check(file: &str, kib: u32) -> (Option<i32>, String) {
    let script = format!("ulimit -v {kib}; exec \"$0\" check \"$1\"");
    let output = Command::new("sh").args(["-c", &script, env!("CARGO_BIN_EXE_signalbox"), file]).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn written(name: &str, bytes: &[u8]) -> String {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.yaml", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    file.display().to_string()
}

/// S14: this took 6 GB.
#[test]
fn s14_a_bomb_of_aliases_takes_no_memory() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='j').zip('b'..='k') {
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(", "));
    }
    let file = written("bomb", bomb.as_bytes());
    let (code, err) = check(&file, 400_000);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.starts_with(&format!("{file}:6:")) && err.contains("more than 1000000 values"), "{err}");
    assert!(err.contains("write out what is needed"), "{err}");
}

#[test]
fn s14_what_is_too_large_too_deep_or_no_text_is_told() {
    let (code, err) = check("/dev/zero", 400_000);
    assert!(code == Some(2) && err.contains("cannot read /dev/zero: it is larger than 16 MiB"), "{err}");
    for (name, text) in [("flow", "[".repeat(200_000)), ("block", "- ".repeat(200_000)), ("keys", "? ".repeat(200_000))]
    {
        let (code, err) = check(&written(name, text.as_bytes()), 400_000);
        assert!(code == Some(2) && err.contains("nested more than 60 deep"), "{name}: {err}");
    }
    let (code, err) = check(&written("latin", b"a: 1\nb: caf\xe9\n"), 400_000);
    assert!(code == Some(2) && err.contains("line 2 is not UTF-8"), "{err}");
}
