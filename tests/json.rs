//! JSON texts are walked over as `serde_json` reads them.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use serde::de::IgnoredAny;
use signalbox::json::Scan;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

fn is_json(text: &[u8]) -> bool {
    let mut scan = Scan::new(text);
    scan.skip().is_some() && scan.end().is_some()
}

/// What `serde_json` says of a text, its escapes unread.
fn is_json_to_serde(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

#[test]
fn a_text_is_json_where_serde_says_so() {
    let texts: &[&[u8]] = &[
        b"",
        b" ",
        b"{}",
        b"[]",
        b" [ ] ",
        b"{\"a\":1}",
        b"{\"a\" : [1, -0, 0.5e-3, 1E+9, true, false, null]}",
        b"[1,]",
        b"{\"a\":1,}",
        b"{,}",
        b"[,]",
        b"{\"a\"}",
        b"{a:1}",
        b"{1:1}",
        b"[1 2]",
        b"[}",
        b"{]",
        b"01",
        b"-",
        b"1.",
        b".5",
        b"1e",
        b"+1",
        b"--1",
        b"1e+",
        b"0e0",
        b"00",
        b"tru",
        b"truex",
        b"nul",
        b"\"a",
        b"\"\\\"",
        b"\"\\x\"",
        b"\"\\u12\"",
        b"\"\\u12g4\"",
        b"\"\\ud800\"",
        b"\"\x1f\"",
        b"\"\x7f\"",
        b"\"\xc3\xa9\"",
        b"\"\xc3\"",
        b"\"\xff\"",
        b"\xc3\xa9",
        b"{} {}",
        b"[]]",
        b"\"a\" x",
        b"[\"\\u00e9\"]",
        b"\xef\xbb\xbf{}",
        b"[1]\0",
        b"\x0b1",
        b"NaN",
        b"Infinity",
        b"\"0123456789abcdef",
        b"\"0123456789abcde\"",
        b"\"0123456789abcdef\"",
    ];
    for text in texts {
        assert_eq!(is_json(text), is_json_to_serde(text), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn members_are_handed_on_by_name() {
    let text = br#" {"a" : 1, "b\u0063":{"d":[1,{"e":"x"}]}, "":"\ud800" } "#;
    let mut scan = Scan::new(text);
    let mut found = Vec::new();
    scan.object(|scan, name| {
        found.push((String::from_utf8(name.to_vec()).unwrap(), String::from_utf8(scan.value()?.to_vec()).unwrap()));
        Some(())
    })
    .unwrap();
    scan.end().unwrap();
    let wanted = [("a", "1"), ("bc", r#"{"d":[1,{"e":"x"}]}"#), ("", r#""\ud800""#)];
    assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(Scan::new(br#"{"\ud800":1}"#).object(|scan, _| scan.skip()).is_none(), "a name is a text");
}

#[test]
fn nesting_costs_no_stack() {
    for depth in [63, 64, 65, 128, 129, 100_000] {
        let deep =
            [b"[".repeat(depth), b"{\"a\":".repeat(depth), b"1".to_vec(), b"}".repeat(depth), b"]".repeat(depth)]
                .concat();
        assert!(is_json(&deep), "{depth}");
        assert!(!is_json(&deep[..deep.len() - 1]), "{depth}");
        let wrong = [b"[".repeat(depth), b"}".to_vec(), b"]".repeat(depth - 1)].concat();
        assert!(!is_json(&wrong), "{depth}");
    }
}

/// Texts that are nearly JSON, in a random but repeatable way.
#[test]
fn changed_texts_are_json_where_serde_says_so() {
    let seeds: &[&[u8]] = &[
        br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Hello \"you\" \\ \n \u00e9\ud83d\ude00 and then some more text"}],"n":1.5e3}"#,
        "[{\"a\":\"\u{e9}\u{20ac}\u{1f600} plain text that is longer than one step\"},[[],{},[[0]]],-12,null,true,false]".as_bytes(),
        b" { \"a\" : [ 1 , 2 , { \"b\" : \"\" } ] , \"c\" : \"x\" } ",
    ];
    let pieces: &[&[u8]] = &[
        b"\"",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"0",
        b"1",
        b"-",
        b".",
        b"e",
        b" ",
        b"\n",
        b"\0",
        b"\x1f",
        b"\x7f",
        b"\x80",
        b"\xc3",
        b"\xe2\x82",
        b"\xf0\x9f",
        b"\xed\xa0\x80",
        b"\\u",
        b"\\ud800",
        b"null",
        b"true",
        b"\"x\":",
        b"\"\"",
        b"aaaaaaaaaaaaaaaa",
    ];
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |most: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % most.max(1)
    };
    let rounds = 60_000;
    let mut good = 0;
    for _ in 0..rounds {
        let mut text = seeds[below(seeds.len())].to_vec();
        for _ in 0..=below(3) {
            let (from, piece) = (below(text.len() + 1), pieces[below(pieces.len())]);
            let to = (from + below(4)).min(text.len());
            text.splice(from..to, piece.iter().copied());
        }
        assert_eq!(is_json(&text), is_json_to_serde(&text), "{:?}", String::from_utf8_lossy(&text));
        good += usize::from(is_json(&text));
    }
    assert!(good > rounds / 50, "nearly all are broken: {good}");
}
