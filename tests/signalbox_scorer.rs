//! Signalbox's own scorer: its explanations as golden files, bit for bit on every platform, its order, and bounds on hostile
//! texts.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(not(target_arch = "wasm32"))]
#[path = "support/spent.rs"]
mod spent;

use std::fmt::Write;

use serde_json::{Value, json};
use signalbox::config::complexity::{ClassifierType, ComplexityConfig, Tier};
use signalbox::dialect::openai_chat::client::transcript;
use signalbox::routing::complexity::signalbox::FEATURES;
use signalbox::routing::complexity::{Cause, Classifier, Scored};
#[cfg(not(target_arch = "wasm32"))]
use spent::spent_ms;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CASES: &str = include_str!("golden/complexity/signalbox_cases.json");
const EXPLAINED: &str = include_str!("golden/complexity/signalbox_explained.txt");

fn classifier() -> Classifier {
    let config = ComplexityConfig { classifier_type: ClassifierType::Signalbox, ..ComplexityConfig::default() };
    Classifier::new(&config).unwrap()
}

fn scored(body: &Value) -> Scored {
    let body = body.to_string();
    classifier().decide(&transcript::read(body.as_bytes()).unwrap(), false, true).scored
}

fn prompt(text: &str) -> f64 {
    classifier().score(text, false).score
}

fn user(text: &str) -> Value {
    json!({"role": "user", "content": text})
}

fn chat(messages: &[Value]) -> f64 {
    scored(&json!({"messages": messages})).score
}

/// A case as a reader wants it: what was asked, what came out, and what contributed, the score's bits included.
fn explained(case: &Value) -> String {
    let Scored { tier, score, dimensions, .. } = scored(case);
    let last = case["messages"].as_array().unwrap().last().unwrap();
    let ask = last["content"].as_str().unwrap().replace('\n', " / ");
    let mut text = format!("{ask}\n  {} {score:.4} {:016x}\n", tier.as_str(), score.to_bits());
    for it in dimensions.iter().filter(|it| it.contribution != 0.0) {
        writeln!(text, "  {:<13}{:>7.4} x {:>5.2} = {:>+8.4}", it.name, it.value, it.weight, it.contribution).unwrap();
    }
    text
}

#[test]
fn explanations_have_the_same_bits_everywhere() {
    let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
    let all: Vec<String> = cases.iter().map(explained).collect();
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("GOLDEN").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/complexity/signalbox_explained.txt");
        std::fs::write(file, all.join("\n")).unwrap();
        return;
    }
    assert!(all.len() >= 10);
    for (found, wanted) in all.iter().zip(EXPLAINED.split("\n\n")) {
        assert_eq!(found.trim_end(), wanted.trim_end());
    }
    assert_eq!(EXPLAINED, all.join("\n"));
}

#[test]
fn contributions_add_up_to_the_score() {
    for case in serde_json::from_str::<Vec<Value>>(CASES).unwrap() {
        let scored = scored(&case);
        let sum: f64 = scored.dimensions.iter().map(|it| it.contribution).sum();
        assert!((sum - scored.score).abs() < 1e-12, "{sum} {}", scored.score);
        assert_eq!(scored.dimensions.len(), FEATURES.len() + 2);
        assert_eq!(scored.cause, Cause::SignalboxScorer);
        assert!(scored.dimensions.iter().all(|it| it.name == "bend" || (0.0..=1.0).contains(&it.value)));
    }
}

#[test]
fn features_have_names_reasons_and_round_weights() {
    let mut names: Vec<&str> = FEATURES.iter().map(|it| it.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FEATURES.len());
    for feature in FEATURES {
        let twentieths = feature.weight * 20.0;
        assert!((twentieths - twentieths.round()).abs() < 1e-9, "{}", feature.name);
        assert!(feature.why.ends_with('.') && feature.weight != 0.0);
    }
}

/// Each row: the first is plainly easier than the second.
const PAIRS: &[(&str, &str)] = &[
    ("Hello!", "Prove that there are infinitely many primes."),
    ("What is the capital of France?", "If x is twice y and their sum is 36, what is the difference between x and y?"),
    (
        "Write a poem about the sea.",
        "Write a Python function that parses an IPv4 address and returns an error when it is invalid.",
    ),
    ("Who wrote Faust?", "Why does the price fall when the supply increases while the demand stays the same?"),
    (
        "Thanks, that was great!",
        "Debug this:\n```rust\nfn main() { let x = vec![1]; drop(x); println!(\"{x:?}\"); }\n```",
    ),
    ("Name three rivers in Asia.", "Anna is older than Ben, who is younger than Clara. Is Clara older than Anna?"),
    (
        "Was ist die Hauptstadt von Frankreich?",
        "Beweise, dass die Summe zweier ungerader Zahlen gerade ist, wenn beide positiv sind.",
    ),
    (
        "Quelle est la capitale du Portugal ?",
        "Démontre que la moitié de la différence entre x et y est plus petite que 3 si x < y + 6.",
    ),
    (
        "¿Cuál es la capital de Perú?",
        "Demuestra que si a es mayor que b, entonces el doble de a es mayor que el doble de b.",
    ),
    ("Привет! Кто написал «Войну и мир»?", "Докажи, что если x больше y, то половина x больше половины y."),
    ("你好！", "证明：如果 x 大于 y，那么 2x 大于 2y。然后计算 x = 5 时的概率。"),
    ("こんにちは。", "次の方程式を解き、答えの平均を求めよ：x^2 - 5x + 6 = 0"),
];

#[test]
fn a_plain_question_scores_below_hard_work_in_many_languages() {
    for (easy, hard) in PAIRS {
        assert!(prompt(easy) + 0.05 < prompt(hard), "{easy} {} / {hard} {}", prompt(easy), prompt(hard));
        assert!(prompt(easy) < 0.2, "{easy} {}", prompt(easy));
    }
}

#[test]
fn more_of_what_is_hard_never_lowers_the_score() {
    let mut ask = String::from("A number is given.");
    let mut last = prompt(&ask);
    for _ in 0..40 {
        ask.push_str(" Then it is twice as large as before if the rest is greater than 3.");
        let score = prompt(&ask);
        assert!(score > last && score < 1.0, "{score} after {last}");
        last = score;
    }
    let mut ask = String::from("A text, with a");
    let mut last = prompt(&ask);
    for kind in ["poem", "story", "song", "joke", "haiku", "speech"] {
        ask.push(' ');
        ask.push_str(kind);
        let score = prompt(&ask);
        assert!(score < last && score > 0.0, "{score} after {last}");
        last = score;
    }
}

#[test]
fn reminders_system_prompts_and_answers_are_not_the_ask() {
    let hard =
        "Prove that if x is twice y then the rest is smaller than before, and calculate the difference step by step.";
    let plain = chat(&[user("Hello!")]);
    let reminded = user(&format!("<system-reminder>{hard}</system-reminder>Hello!"));
    assert_eq!(chat(&[reminded]).to_bits(), plain.to_bits());
    let alone = user(&format!("<system-reminder>{hard}</system-reminder>"));
    assert_eq!(chat(&[user("Hello!"), alone]).to_bits(), plain.to_bits());
    let system = json!({"role": "system", "content": hard});
    let answer = json!({"role": "assistant", "content": hard});
    assert_eq!(chat(&[system, user("Hello!"), answer]).to_bits(), plain.to_bits());
}

#[test]
fn a_short_follow_up_is_about_as_hard_as_what_it_follows() {
    let answer = json!({"role": "assistant", "content": "..."});
    let hard = user(
        "Implement a lock-free queue in C++, prove that it is linearizable, and analyse its complexity step by step.",
    );
    let after = |first: &Value, then: &str| chat(&[first.clone(), answer.clone(), user(then)]);
    assert!(after(&hard, "And with two producers?") > chat(&[user("And with two producers?")]) + 0.15);
    let long = "Write a short and friendly email to my neighbour who has looked after the cat, with a joke, and an invitation to dinner \
                on Sunday in our garden.";
    assert!(after(&hard, long) - chat(&[user(long)]) < after(&hard, "More?") - chat(&[user("More?")]));
    assert!(after(&user("Hi!"), "And with two producers?") <= chat(&[user("And with two producers?")]) + 1e-9);
}

#[test]
fn tools_files_structure_and_short_answers_count() {
    let body = |more: Value| {
        let mut body = json!({"messages": [user("Look at the weather in Rome, please.")]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scored(&body).score
    };
    let plain = body(json!({}));
    let tool = |name: &str| json!({"type": "function", "function": {"name": name, "parameters": {}}});
    assert!(body(json!({"tools": [tool("a"), tool("b"), tool("c")]})) > plain);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "s", "schema": {}}});
    assert!(body(json!({"response_format": schema})) > plain);
    assert!(body(json!({"max_tokens": 5})) < plain);
    assert_eq!(body(json!({"max_tokens": 5000})).to_bits(), plain.to_bits());
}

#[test]
fn the_default_boundaries_make_sense() {
    let tier = |text: &str| classifier().score(text, false).tier;
    assert_eq!(tier("Hello!"), Tier::Simple);
    assert_eq!(tier("What is photosynthesis?"), Tier::Simple);
    assert_eq!(tier("Why do prices fall in a recession?"), Tier::Medium);
    assert_eq!(tier("Find the area of the triangle with the corners (1, 2), (4, 6) and (7, 2)."), Tier::Complex);
}

/// Bytes that a fixed generator makes, read as text: valid characters of many kinds and replacement characters.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match state >> 62 {
            0 => bytes.push((state >> 32) as u8),
            1 => bytes.push((state >> 32) as u8 & 0x7f),
            _ => {
                let c = char::from_u32((state >> 40) as u32 % 0x11_0000).unwrap_or('\u{200d}');
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hostile(length: usize) -> Vec<String> {
    let pieces = [
        "a",
        " ",
        "\n",
        "?",
        "?? ",
        "a?",
        "7",
        "7.",
        "7/",
        "_",
        "a_",
        "`",
        "```\n",
        ";\n",
        "{",
        "=",
        "字",
        "字 ",
        "é",
        "α",
        "α ",
        "\u{301}",
        "\u{200d}",
        "😀",
        "twice ",
        "if ",
        "<system-reminder>",
        "</system-reminder>",
        "<system-reminder></system-reminder>",
        "\u{0}",
    ];
    let mut texts: Vec<String> = pieces.iter().map(|piece| piece.repeat(length / piece.len() + 1)).collect();
    texts.extend((0..4).map(|seed| noise(seed, length)));
    texts
}

#[test]
fn hostile_texts_do_no_harm() {
    let own = classifier();
    for text in hostile(40_000).into_iter().chain((0..300).map(|seed| noise(seed + 7, 200))) {
        let score = own.score(&text, true).score;
        assert!(score > 0.0 && score < 1.0, "{score}");
        let body = json!({"messages": [user(&text), user(&text), user("Hello!")]});
        assert!(scored(&body).score < 1.0);
    }
}

/// The bound is generous because nothing is optimised; a quadratic search would take hours.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn ten_megabytes_take_a_bounded_time() {
    let own = classifier();
    for text in hostile(10_000_000) {
        let beginning: String = text.chars().take(20).collect();
        let before = spent_ms();
        std::hint::black_box(own.score(&text, true));
        let took = spent_ms() - before;
        assert!(took < 500, "{beginning}…: {took} ms");
    }
}
