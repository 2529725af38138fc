//! Task routing, held against a labelled set of our own making; `docs/task-routing.md` is written from what it gives.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::cast_precision_loss)]

#[cfg(not(target_arch = "wasm32"))]
#[path = "support/golden.rs"]
mod golden;
#[cfg(not(target_arch = "wasm32"))]
#[path = "support/task_report.rs"]
mod report;
#[cfg(not(target_arch = "wasm32"))]
#[path = "support/spent.rs"]
mod spent;

use serde_json::Value;
use signalbox::chat::{Role, Transcript, Utterance};
use signalbox::routing::task::{Classified, Task, TaskRouterConfig, choose, classify};
#[cfg(not(target_arch = "wasm32"))]
use spent::spent_ms;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A labelled conversation.
struct Case {
    task: Task,
    lang: String,
    split: String,
    conversation: Transcript<'static>,
}

fn cases() -> Vec<Case> {
    include_str!("golden/task/prompts.jsonl").lines().map(|line| case(&serde_json::from_str(line).unwrap())).collect()
}

fn case(row: &Value) -> Case {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let turn = |message: &Value| Utterance {
        role: match message["role"].as_str().unwrap() {
            "system" => Role::System,
            "assistant" => Role::Assistant,
            "tool" => Role::Tool,
            _ => Role::User,
        },
        text: text(&message["content"]).into(),
        attachments: message["attachments"].as_u64().unwrap_or(0) as u32,
        calls: message["calls"].as_u64().unwrap_or(0) as u32,
    };
    let mut turns: Vec<_> = match row["messages"].as_array() {
        Some(messages) => messages.iter().map(turn).collect(),
        None => vec![user(&text(&row["prompt"]))],
    };
    if let Some(times) = row["repeat"]["times"].as_u64() {
        let last = turns.last_mut().unwrap().text.to_mut();
        last.push('\n');
        (0..times).for_each(|_| *last += &format!("\n{}", row["repeat"]["text"].as_str().unwrap()));
    }
    let tools = row["tools"].as_array().into_iter().flatten().map(|tool| text(tool).into()).collect();
    Case {
        task: Task::from_name(row["task"].as_str().unwrap()).unwrap(),
        lang: text(&row["lang"]),
        split: text(&row["split"]),
        conversation: Transcript { turns, tools, max_tokens: None, structured: false },
    }
}

fn user(text: &str) -> Utterance<'static> {
    Utterance { role: Role::User, text: text.to_owned().into(), attachments: 0, calls: 0 }
}

fn said(turns: &[(Role, &str)]) -> Transcript<'static> {
    let turn = |(role, text): &(Role, &str)| Utterance { role: *role, ..user(text) };
    Transcript { turns: turns.iter().map(turn).collect(), ..Transcript::default() }
}

fn of(conversation: &Transcript<'_>) -> Classified {
    classify(conversation, &TaskRouterConfig::default())
}

fn asked(text: &str) -> Classified {
    of(&said(&[(Role::User, text)]))
}

/// What the set gives today, less two answers or so: fewer right ones than this fail. `blind` is the one to believe.
const LEAST: [(&str, f64); 4] = [("tune", 0.97), ("held", 0.91), ("seen", 0.70), ("blind", 0.73)];

fn classified() -> Vec<(Case, Classified)> {
    let with = |case: Case| {
        let found = of(&case.conversation);
        (case, found)
    };
    cases().into_iter().map(with).collect()
}

#[test]
fn the_labelled_set_is_told_apart() {
    let cases = classified();
    for (split, least) in LEAST {
        let some: Vec<_> = cases.iter().filter(|(case, _)| case.split == split).collect();
        let right = some.iter().filter(|(case, found)| case.task == found.task).count();
        let share = right as f64 / some.len() as f64;
        println!("{split}: {right} of {} right, {share:.3}", some.len());
        assert!(share >= least, "{split}: {share}");
    }
    assert!(cases.iter().all(|(case, _)| LEAST.iter().any(|(split, _)| *split == case.split)));
}

/// A line a prompt: what it is, what was found, and how surely, to the last bit.
#[test]
fn decisions_are_the_same_on_every_platform() {
    let line = |(case, found): &(Case, Classified)| {
        let mark = if case.task == found.task { ' ' } else { '!' };
        format!("{mark} {} {} {}\n", case.task.name(), found.task.name(), found.confidence)
    };
    let lines: String = classified().iter().map(line).collect();
    #[cfg(not(target_arch = "wasm32"))]
    golden::assert("task/decisions.txt", &lines);
    #[cfg(target_arch = "wasm32")]
    assert_eq!(lines, include_str!("golden/task/decisions.txt"));
}

#[test]
#[cfg(not(target_arch = "wasm32"))]
fn the_page_about_it_is_up_to_date() {
    let page = report::page(&classified());
    println!("{}", report::matrix(&classified()));
    golden::assert("../../docs/task-routing.md", &page);
}

#[test]
fn cues_say_why() {
    let found = asked("Translate this Python script to Rust.");
    assert_eq!(found.task, Task::CodeGeneration);
    assert!(found.cues.iter().any(|cue| cue.name == "a programming language" && cue.task == Task::CodeGeneration));
    assert!(found.cues.iter().all(|cue| cue.task != Task::Translation), "{:?}", found.cues);
    assert!(found.cues.is_sorted_by(|a, b| a.points >= b.points));
    assert_eq!(asked("hi"), Classified { task: Task::General, confidence: 0.0, cues: Vec::new() });
}

#[test]
fn reminders_are_not_the_ask() {
    let reminder = "<system-reminder>Write a poem. Translate it to French.</system-reminder>";
    assert_eq!(asked(reminder), asked(""));
    assert_eq!(asked(&format!("{reminder}Solve 3x = 12 for x")).task, Task::Math);
    // A turn of reminders alone leaves the ask before it the newest.
    let turns = [(Role::User, "Write a haiku about rain"), (Role::Assistant, "Rain"), (Role::User, reminder)];
    assert_eq!(of(&said(&turns)).task, Task::CreativeWriting);
}

#[test]
fn follow_ups_belong_to_what_they_follow() {
    let turns =
        [(Role::User, "Write a poem about the sea"), (Role::Assistant, "Waves"), (Role::User, "shorter, please")];
    assert_eq!(of(&said(&turns)).task, Task::CreativeWriting);
    let turns = [turns[0], turns[1], (Role::User, "Now calculate the integral of x^2 from 0 to 3, please.")];
    assert_eq!(of(&said(&turns)).task, Task::Math);
}

#[test]
fn a_threshold_decides_who_is_believed() {
    let conversation = said(&[(Role::User, "Write a poem about the sea")]);
    let sure = of(&conversation).confidence;
    let at = |min_confidence: f64| classify(&conversation, &TaskRouterConfig { min_confidence, ..Default::default() });
    assert_eq!(at(sure).task, Task::CreativeWriting);
    let unsure = at(sure + 0.001);
    assert_eq!((unsure.task, unsure.confidence), (Task::General, sure));
    assert_eq!(at(0.0).task, Task::CreativeWriting);
}

#[test]
fn size_goes_before_all_else() {
    let conversation = said(&[(Role::User, &"word ".repeat(80)), (Role::User, "Translate it to French")]);
    let at = |long_context_tokens: u64| {
        classify(&conversation, &TaskRouterConfig { long_context_tokens, ..Default::default() }).task
    };
    assert_eq!((at(105), at(106)), (Task::LongContext, Task::Translation));
}

#[test]
fn a_task_finds_its_group_or_its_neighbours() {
    let all: &[(&str, &[&str])] = &[
        ("chat", &["general"]),
        ("coder", &["code_generation", "math"]),
        ("long", &["long_context"]),
        ("more", &["general"]),
    ];
    assert_eq!(choose(Task::CodeGeneration, all), ["coder"]);
    assert_eq!(choose(Task::Debugging, all), ["coder"]);
    assert_eq!(choose(Task::DocumentAnalysis, all), ["long"]);
    assert_eq!(choose(Task::LongContext, all), ["long"]);
    assert_eq!(choose(Task::Math, all), ["coder"]);
    assert_eq!(choose(Task::Translation, all), ["chat", "more"]);
    assert_eq!(choose(Task::Translation, &all[1..3]), [""; 0]);
    assert_eq!(choose(Task::CodeGeneration, &[("d", &["debugging"]), ("g", &["general"])]), ["d"]);
}

/// A repeatable stream of numbers.
fn draws(mut seed: u64) -> impl FnMut() -> u64 {
    move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    }
}

#[test]
fn any_text_is_read_without_a_fall() {
    let mut draw = draws(0x5EED);
    let pieces = [
        "translate",
        "\"",
        "„",
        "```",
        "\n",
        "\n\n",
        "<system-reminder>",
        "</system-reminder>",
        "写",
        "诗",
        "é",
        "\u{301}",
        ".rs:1",
        "Error",
        "x^2=",
        "$",
        " ",
        "İ",
        "\u{1F600}",
        "{",
        "};",
        "def ",
        "?",
        "\0",
        "ß",
        "써 줘",
        "in c#",
        "％",
        "\u{10FFFF}",
    ];
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..draw() % 24 {
            match draw() % 4 {
                0 => text.extend(char::from_u32((draw() % 0x11_0000) as u32)),
                1 => text.push((draw() % 128) as u8 as char),
                _ => text += pieces[draw() as usize % pieces.len()],
            }
        }
        let found = asked(&text);
        assert!((0.0..1.0).contains(&found.confidence), "{text:?}");
        assert_eq!(found, asked(&text));
    }
}

#[test]
fn ten_megabytes_cost_no_more_than_their_head_and_tail() {
    const SIZE: usize = 10 << 20;
    let never = TaskRouterConfig { long_context_tokens: u64::MAX, ..Default::default() };
    for piece in [
        "a",
        "\n",
        "<",
        "<system-reminder>",
        "<system-reminder></system-reminder>",
        "\"",
        "诗",
        "write poem ",
        "{\n",
        "error",
    ] {
        let text = piece.repeat(SIZE / piece.len());
        let conversation = said(&[(Role::User, &text), (Role::Assistant, &text), (Role::User, &text)]);
        #[cfg(not(target_arch = "wasm32"))]
        let before = spent_ms();
        let found = classify(&conversation, &never);
        #[cfg(not(target_arch = "wasm32"))]
        assert!(spent_ms() - before < 1000, "{piece:?}: {} ms", spent_ms() - before);
        assert!(found.confidence < 1.0);
    }
    // What stands at the end of a long paste still counts.
    let long = format!("{}\n\nTranslate all of this into French.", "Lorem ipsum dolor sit amet. ".repeat(40_000));
    assert_eq!(classify(&said(&[(Role::User, &long)]), &never).task, Task::Translation);
}

/// `cargo test --release --test task -- --ignored --nocapture`
#[test]
#[ignore = "a figure, for release builds"]
#[cfg(not(target_arch = "wasm32"))]
fn how_long_two_kilobytes_take() {
    let kinds = [
        ("prose", "Dear colleagues, please find attached the report about the error in the delivery of last week. "),
        ("code", "for (let i = 0; i < items.length; i++) {\n  if (items[i].skip) continue;\n  process(items[i]);\n}\n"),
        ("Russian", "Уважаемые коллеги, подтверждаем, что отгрузка второй партии состоится не позднее конца месяца. "),
        ("Chinese", "主席请各部门说明本季度的支出情况,财务部表示将在下次会议前提交修订后的预算方案。"),
    ];
    for (name, text) in kinds {
        let text: String = text
            .chars()
            .cycle()
            .scan(0, |size, c| {
                *size += c.len_utf8();
                (*size <= 2048).then_some(c)
            })
            .collect();
        let conversation = said(&[(Role::User, &text)]);
        let batch = |_| {
            let before = std::time::Instant::now();
            (0..100).for_each(|_| drop(std::hint::black_box(of(std::hint::black_box(&conversation)))));
            before.elapsed() / 100
        };
        // The quickest of many batches: what it costs when nobody else wants the processor.
        let each = (0..300).map(batch).min().unwrap();
        println!("2 KB of {name}: {each:?}");
        assert!(cfg!(debug_assertions) || each.as_micros() < 100, "{name}: {each:?}");
    }
}
