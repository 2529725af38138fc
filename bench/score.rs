//! How long decisions take, of tier and of task: `cargo run --release --example score`. Also for WebAssembly with WASI, under node.
//!
//! A body of a given size is read and judged as in the filter: the top of the body, the newest ask, rules and scorer. The best of
//! many rounds is printed, because everything else on the machine only adds.

#![allow(missing_docs, clippy::unwrap_used, clippy::string_slice)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use signalbox::config::complexity::{ClassifierType, ComplexityConfig};
use signalbox::dialect::openai_chat::client::transcript;
use signalbox::dialect::scan::BodyScan;
use signalbox::routing::complexity::Classifier;
use signalbox::routing::task::{TaskRouterConfig, classify};

const PROSE: &str = "The committee met on Tuesday to talk about the new library, its opening hours and the noise from the \
    street. Nobody knew why the old plan had been dropped, but most agreed that the garden should stay open until the \
    evening. \"We'd rather wait,\" said Mr. Hale; however, the budget (about 3.5 million) ends in June. ";
const TYPOGRAPHIC: &str =
    "“We’d rather wait,” said Zoë — the budget… ends in June, isn’t it? Café opening hours stay as they are. ";
const CODE: &str = "fn parse(input: &str) -> Result<Vec<u8>, Error> {\n    let value = input.trim(); // returns early\n    \
    match value.len() { 0 => return Err(Error::Empty), n if n > 10 => todo!(), _ => {} }\n}\n";
const RUSSIAN: &str = "Комитет собрался во вторник, чтобы обсудить новую библиотеку, часы её работы и шум с улицы. ";
const CHINESE: &str = "委员会星期二开会讨论新图书馆的开放时间和街道噪音，没有人知道为什么旧计划被取消了。";

fn main() {
    let start = Instant::now();
    let classifier = Classifier::new(&ComplexityConfig::default()).unwrap();
    println!("built in {:.0} us", micros(start.elapsed()));
    for (name, piece) in
        [("prose", PROSE), ("typographic", TYPOGRAPHIC), ("code", CODE), ("russian", RUSSIAN), ("chinese", CHINESE)]
    {
        for size in [2_000, 64_000] {
            report(&classifier, name, &piece.repeat(size / piece.len() + 1)[..floor(piece, size)]);
        }
    }
    for (name, piece) in [("a", "a"), ("first", "first "), ("reminders", "<system-reminder>"), ("Σ", "Σ"), ("?", "?")]
    {
        let text = piece.repeat(10_000_000 / piece.len());
        let took = best(2, || _ = black_box(classifier.score(black_box(&text), false)));
        println!("10 MB of {name}: {:.0} ms", micros(took) / 1000.0);
    }
}

/// The last boundary of a character at or below `size` bytes of the repeated piece.
fn floor(piece: &str, size: usize) -> usize {
    let whole = size / piece.len() * piece.len();
    whole + (0..=size - whole).rev().find(|at| piece.is_char_boundary(*at)).unwrap_or(0)
}

fn report(classifier: &Classifier, name: &str, text: &str) {
    let message = serde_json::json!({ "role": "user", "content": text });
    let body = serde_json::json!({ "model": "smart", "stream": true, "messages": [message] }).to_string();
    let rounds = if text.len() > 10_000 { 300 } else { 5_000 };
    let head_alone = best(rounds, || _ = black_box(BodyScan::read(black_box(body.as_bytes()))));
    let head = BodyScan::read(body.as_bytes()).unwrap();
    let read =
        best(rounds, || _ = black_box(transcript::newest(black_box(&head), |turn| classifier.is_prompt(turn, false))));
    let turns = transcript::newest(&head, |turn| classifier.is_prompt(turn, false));
    let decided = best(rounds, || _ = black_box(classifier.decide(black_box(&turns), false, false)));
    let scored = best(rounds, || _ = black_box(classifier.score(black_box(text), false)));
    let own = ComplexityConfig { classifier_type: ClassifierType::Signalbox, ..ComplexityConfig::default() };
    let own = Classifier::new(&own).unwrap();
    let own = best(rounds, || _ = black_box(own.decide(black_box(&turns), false, false)));
    let config = TaskRouterConfig { long_context_tokens: u64::MAX, ..TaskRouterConfig::default() };
    let task = best(rounds, || _ = black_box(classify(black_box(&turns), &config)));
    println!(
        "{name}, {} bytes: head {:.2} us (there anyway), read {:.2} us, decide {:.2} us (of which score {:.2} us), our own {:.2} us, task {:.2} us",
        text.len(),
        micros(head_alone),
        micros(read),
        micros(decided),
        micros(scored),
        micros(own),
        micros(task)
    );
}

fn best(rounds: u32, mut work: impl FnMut()) -> Duration {
    let each = || {
        let start = Instant::now();
        (0..4).for_each(|_| work());
        start.elapsed() / 4
    };
    std::iter::repeat_with(each).take(rounds as usize).min().unwrap_or_default()
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
