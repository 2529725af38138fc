//! Golden files: `GOLDEN=write cargo test` rewrites them, the reviewer reads the diff.

#![allow(dead_code, reason = "not every test file uses all")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use signalbox::dialect::{AnswerStream, Passed};

/// A path below `tests/golden`.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn is_write() -> bool {
    std::env::var("GOLDEN").is_ok_and(|value| value == "write")
}

/// Holds a text against a golden file.
pub fn assert(name: &str, found: &str) {
    let file = path(name);
    if is_write() {
        fs::write(&file, found).unwrap();
        return;
    }
    let wanted = fs::read_to_string(&file).unwrap_or_default();
    assert!(wanted == found, "{name} differs; if that is meant, run with GOLDEN=write.\n--- found\n{found}");
}

/// A case that is a folder: what goes in, what comes out, and in `case.json` its settings, if it has any.
pub struct Case {
    pub dir: PathBuf,
    pub settings: Value,
}

impl Case {
    /// All cases below a folder of `tests/golden`, by name.
    pub fn all(folder: &str) -> Vec<Self> {
        let mut dirs: Vec<_> = fs::read_dir(path(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        dirs.sort();
        let settings = |dir: &PathBuf| {
            fs::read(dir.join("case.json")).map_or(json!({}), |text| serde_json::from_slice(&text).unwrap())
        };
        dirs.into_iter().map(|dir| Self { settings: settings(&dir), dir }).collect()
    }

    pub fn name(&self) -> String {
        self.dir.file_name().unwrap().to_string_lossy().into_owned()
    }

    pub fn read(&self, file: &str) -> Option<Vec<u8>> {
        fs::read(self.dir.join(file)).ok()
    }
}

/// What a client gets of a stream that comes in these pieces.
pub fn replay(stream: &mut dyn AnswerStream, pieces: &[&[u8]]) -> String {
    String::from_utf8(replay_bytes(stream, pieces)).unwrap()
}

/// The same of any bytes.
pub fn replay_bytes(stream: &mut dyn AnswerStream, pieces: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in pieces {
        let mut out = Vec::new();
        match stream.push(piece, &mut out) {
            Passed::Unchanged => all.extend_from_slice(piece),
            Passed::Rewritten => all.append(&mut out),
        }
    }
    stream.end(&mut all);
    all
}

/// Holds each case against its files. One of `produced` that is there but did not come out is stale.
pub fn assert_cases(cases: &[Case], produced: &[&str], run: impl Fn(&Case) -> BTreeMap<&'static str, String>) {
    let mut wrong = Vec::new();
    for case in cases {
        let out = run(case);
        assert!(!out.is_empty(), "{} has nothing to translate", case.name());
        for file in produced {
            let (wanted, got) = (case.read(file), out.get(file));
            if wanted.as_deref() == got.map(String::as_bytes) {
                continue;
            }
            match got {
                Some(text) if is_write() => fs::write(case.dir.join(file), text).unwrap(),
                None if is_write() => fs::remove_file(case.dir.join(file)).unwrap(),
                got => wrong.push(format!("{}/{file}:\n{}", case.name(), got.map_or("(nothing)", String::as_str))),
            }
        }
    }
    assert!(wrong.is_empty(), "what came out differs:\n{}", wrong.join("\n"));
}

/// Replays a stream byte by byte and cut in two at each place, which must not change what comes of it.
pub fn assert_any_cut<T: PartialEq + Debug>(name: &str, bytes: &[u8], replay: impl Fn(&[&[u8]]) -> T) {
    let whole = replay(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(replay(&single), whole, "{name} byte by byte");
    for at in 0..=bytes.len() {
        let (left, right) = bytes.split_at(at);
        assert_eq!(replay(&[left, right]), whole, "{name} cut at {at}");
    }
}

/// The bytes cut short at each place, and with single bytes replaced by ones that mean something in JSON.
pub fn damage(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let short = (0..bytes.len()).step_by(3).map(|at| bytes[..at].to_vec());
    let other = (0..bytes.len()).step_by(11).flat_map(move |at| {
        [b'"', b'{', b'0', b',', 0xff].into_iter().map(move |byte| {
            let mut copy = bytes.to_vec();
            copy[at] = byte;
            copy
        })
    });
    short.chain(other)
}

/// JSON as the files have it.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}
