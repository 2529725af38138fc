//! Whatever a body holds, the classifiers give an answer, the same one each time, and soon. Seeded, so that a failure repeats.
//!
//! The way is the filter's: bytes, the top of the body, the newest turns or all, a decision.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(not(target_arch = "wasm32"))]
#[path = "support/spent.rs"]
mod spent;

use signalbox::chat::Transcript;
use signalbox::config::complexity::{ClassifierType, ComplexityConfig, Tier};
use signalbox::dialect::openai_chat::client::transcript;
use signalbox::dialect::scan::BodyScan;
use signalbox::routing::complexity::Classifier;
use signalbox::routing::task::{TaskRouterConfig, classify};
#[cfg(not(target_arch = "wasm32"))]
use spent::spent_ms;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// How long a megabyte may take, in milliseconds, without optimisation. A reader that looked at every byte once for each byte
/// would need hours.
#[cfg(not(target_arch = "wasm32"))]
const MOST_MS: u128 = 2_000;

/// A repeatable stream of numbers.
fn draws(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % below
    }
}

/// Pieces that mean something to some reader, and pieces that should not.
const PIECES: &[&str] = &[
    // Controls, and what looks like nothing.
    "\0",
    "\u{1}",
    "\u{7}",
    "\u{8}",
    "\u{b}",
    "\u{c}",
    "\r",
    "\n",
    "\t",
    "\u{1b}[31m",
    "\u{1c}",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{200b}",
    "\u{200d}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\u{ffff}",
    "\u{10ffff}",
    "\u{e000}",
    // Combining marks without a letter, many on one, and letters that change their length with their case.
    "\u{301}",
    "\u{345}",
    "\u{34f}",
    "\u{20dd}",
    "\u{fe0f}",
    "\u{1f3fd}",
    "Z\u{351}\u{30d}\u{32b}",
    "İ",
    "ı",
    "ſ",
    "ß",
    "ẞ",
    "Σ",
    "ΑΣ",
    "K",
    "Å",
    "ﬁ",
    "ŉ",
    "ǰ",
    // From right to left, and what turns directions.
    "שלום",
    "مرحبا",
    "؟",
    "\u{202e}",
    "\u{202d}",
    "\u{2066}",
    "\u{2069}",
    "\u{200f}",
    "\u{61c}",
    // Scripts without spaces or with signs of their own.
    "写诗",
    "翻译",
    "함수",
    "ｆｕｎｃ",
    "　",
    "、",
    "หาร",
    "क्षि",
    "👩‍👩‍👧",
    "𝟘𝐱",
    "٣",
    "²",
    "½",
    // What the readers look for, whole and cut off.
    "<system-reminder>",
    "</system-reminder>",
    "<SYSTEM-REMINDER>",
    "<system-remind",
    "# AGENTS.md instructions for ",
    "</INSTRUCTIONS>",
    "LITELLM ESCALATE",
    "Plan mode is active",
    "step by step",
    "step 1",
    "first ",
    "then",
    "1. ",
    "a) ",
    "?",
    "??",
    ". ",
    "translate",
    "into french",
    "python",
    "error",
    "KeyError",
    "main.rs:1",
    "```",
    "``",
    "`",
    "{",
    "}",
    "};",
    "[",
    "](",
    "def f():",
    "x^2",
    "^",
    "\\frac",
    "$",
    "% of ",
    "=",
    "+",
    "-",
    " - ",
    "/",
    "\"",
    "\\",
    "\\u0041",
    "„",
    "“",
    "«",
    "「",
    "how many",
    "42",
    "1e999",
    " ",
    "  ",
    "a",
    "A",
    "word ",
    "_",
    "a_b",
    "'",
    "’",
];

fn text(draw: &mut impl FnMut(usize) -> usize) -> String {
    let mut text = String::new();
    for _ in 0..draw(30) {
        let piece = match draw(8) {
            0 => char::from_u32(draw(0x11_0000) as u32).unwrap_or('\u{fffd}').to_string(),
            1 => char::from(draw(256) as u8).to_string(),
            _ => PIECES[draw(PIECES.len())].to_owned(),
        };
        let times = if draw(20) == 0 { 1 + draw(400) } else { 1 };
        (0..times).for_each(|_| text += &piece);
    }
    text
}

/// A request's body, mostly well-formed.
fn body(draw: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let roles = ["user", "user", "user", "system", "assistant", "tool", "developer", "robot"];
    let message = |draw: &mut dyn FnMut(usize) -> usize| {
        let role = roles[draw(roles.len())];
        let words = text(&mut |below| draw(below));
        match draw(6) {
            0 => {
                serde_json::json!({ "role": role, "content": [{ "type": "text", "text": words }, { "type": "image_url" }, 7] })
            }
            1 => serde_json::json!({ "role": role, "content": null, "tool_calls": [{ "id": words }, {}] }),
            2 => serde_json::json!({ "content": { "a": words }, "role": [role] }),
            _ => serde_json::json!({ "role": role, "content": words }),
        }
    };
    let messages: Vec<_> = (0..draw(6)).map(|_| message(draw)).collect();
    let tools: Vec<_> = (0..draw(3)).map(|_| serde_json::json!({ "function": { "name": text(draw) } })).collect();
    let whole = serde_json::json!({ "model": "m", "messages": messages, "tools": tools, "max_tokens": draw(50) });
    let mut bytes = whole.to_string().into_bytes();
    // Some are cut off, or have a byte that does not belong.
    match draw(8) {
        0 => bytes.truncate(draw(bytes.len())),
        1 => {
            let at = draw(bytes.len());
            bytes[at] = draw(256) as u8;
        }
        _ => {}
    }
    bytes
}

fn classifiers() -> Vec<Classifier> {
    let of = |classifier_type, plan_mode_min_tier| {
        let config = ComplexityConfig { classifier_type, plan_mode_min_tier, ..ComplexityConfig::default() };
        Classifier::new(&config).unwrap()
    };
    vec![
        of(ClassifierType::Heuristic, None),
        of(ClassifierType::Heuristic, Some(Tier::Complex)),
        of(ClassifierType::Signalbox, None),
    ]
}

/// All that is decided of a conversation, in words.
fn decided(classifiers: &[Classifier], conversation: &Transcript<'_>) -> String {
    let mut told = String::new();
    for classifier in classifiers {
        for codex in [false, true] {
            let decision = classifier.decide(conversation, codex, true);
            assert!(decision.scored.score.is_finite());
            told += &format!("{decision:?}\n");
        }
    }
    for long_context_tokens in [u64::MAX, 100] {
        let found = classify(conversation, &TaskRouterConfig { long_context_tokens, ..TaskRouterConfig::default() });
        assert!((0.0..=1.0).contains(&found.confidence));
        told += &format!("{found:?}\n");
    }
    told
}

/// The filter's way with a body. None where it is refused before anybody classifies.
fn judged(classifiers: &[Classifier], body: &[u8]) -> Option<String> {
    let head = BodyScan::read(body).ok()?;
    let whole = transcript::whole(&head);
    let mut told = decided(classifiers, &whole);
    for classifier in classifiers {
        let newest = transcript::newest(&head, |turn| classifier.is_prompt(turn, true));
        assert!(whole.turns.ends_with(&newest.turns));
        told += &decided(classifiers, &newest);
    }
    if let Some(read) = transcript::read(body) {
        assert_eq!(read.turns, whole.turns);
    }
    Some(told)
}

#[test]
fn any_body_gets_the_same_answer_twice() {
    let classifiers = classifiers();
    let mut draw = draws(0x5EED);
    let mut read = 0;
    let rounds = if cfg!(target_arch = "wasm32") { 150 } else { 600 };
    for _ in 0..rounds {
        let body = body(&mut draw);
        let told = judged(&classifiers, &body);
        assert_eq!(told, judged(&classifiers, &body), "{}", String::from_utf8_lossy(&body));
        read += u32::from(told.is_some());
    }
    assert!(read * 10 > rounds * 7, "most bodies should have been read: {read}");
}

/// The newest ask alone is what the heuristic reads, so that it may be given the end of a conversation instead of all.
#[test]
fn the_end_of_a_conversation_is_enough_where_it_says_so() {
    let classifiers = classifiers();
    let mut draw = draws(0xE5D);
    for _ in 0..300 {
        let body = body(&mut draw);
        let Ok(head) = BodyScan::read(&body) else { continue };
        for classifier in classifiers.iter().filter(|classifier| !classifier.reads_all()) {
            let newest = transcript::newest(&head, |turn| classifier.is_prompt(turn, false));
            let [part, whole] = [newest, transcript::whole(&head)].map(|it| classifier.decide(&it, false, true));
            assert_eq!(part, whole, "{}", String::from_utf8_lossy(&body));
        }
    }
}

/// Time is bounded by the length: a megabyte of each piece, more of all pieces mixed and of tags that never end.
#[test]
#[cfg(not(target_arch = "wasm32"))]
fn megabytes_of_anything_are_decided_soon() {
    let classifiers = classifiers();
    let mut draw = draws(0xB16);
    let chosen = [
        "<system-reminder>",
        "first\n",
        "a",
        " ",
        "\0",
        "\u{301}",
        "İ",
        "\u{202e}שלום",
        "写",
        "?",
        "<system-reminder></system-reminder>",
        "1. ",
        "`",
        "\"",
        "\\",
        "^ ",
        "error ",
        "\n",
        "x - ",
    ];
    let mixed: String = (0..20).map(|_| text(&mut draw)).collect();
    let pieces = std::iter::once(&*mixed).chain(chosen);
    for (piece, megabytes) in pieces.zip([2, 10].into_iter().chain(std::iter::repeat(1))) {
        let text = piece.repeat((megabytes << 20) / piece.len());
        let message = serde_json::json!({ "role": "user", "content": text });
        let body = serde_json::json!({ "model": "m", "messages": [message] }).to_string();
        let before = spent_ms();
        let head = BodyScan::read(body.as_bytes()).unwrap();
        let whole = transcript::whole(&head);
        for classifier in &classifiers {
            let _ = classifier.decide(&whole, true, true);
        }
        let _ = classify(&whole, &TaskRouterConfig { long_context_tokens: u64::MAX, ..TaskRouterConfig::default() });
        let took = spent_ms() - before;
        assert!(took < MOST_MS * megabytes as u128, "{piece:?}: {took} ms");
    }
}
