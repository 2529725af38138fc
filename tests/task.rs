//! Task routing, held against a labelled set of our own making; `docs/task-routing.md` is written from what it gives.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::cast_precision_loss)]

#[cfg(not(target_arch = "wasm32"))]
#[path = "support/task_report.rs"]
mod report;

use serde_json::Value;
use signalbox::chat::{Conversation, Role, Turn};
use signalbox::routing::task::{Classified, Task, TaskRouterConfig, choose, classify};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// A labelled conversation.
struct Case {
    task: Task,
    lang: String,
    split: String,
    conversation: Conversation<'static>,
}

fn cases() -> Vec<Case> {
    include_str!("golden/task/prompts.jsonl").lines().map(|line| case(&serde_json::from_str(line).unwrap())).collect()
}

fn case(row: &Value) -> Case {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let turn = |message: &Value| Turn {
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
        conversation: Conversation { turns, tools, max_tokens: None, structured: false },
    }
}

fn user(text: &str) -> Turn<'static> {
    Turn { role: Role::User, text: text.to_owned().into(), attachments: 0, calls: 0 }
}

fn said(turns: &[(Role, &str)]) -> Conversation<'static> {
    let turn = |(role, text): &(Role, &str)| Turn { role: *role, ..user(text) };
    Conversation { turns: turns.iter().map(turn).collect(), ..Conversation::default() }
}

fn of(conversation: &Conversation<'_>) -> Classified {
    classify(conversation, &TaskRouterConfig::default())
}

fn asked(text: &str) -> Classified {
    of(&said(&[(Role::User, text)]))
}

/// The share of right answers.
fn accuracy<'a>(cases: impl Iterator<Item = &'a (Case, Classified)>) -> f64 {
    let right: Vec<bool> = cases.map(|(case, found)| case.task == found.task).collect();
    right.iter().filter(|right| **right).count() as f64 / right.len() as f64
}

fn classified() -> Vec<(Case, Classified)> {
    let with = |case: Case| {
        let found = of(&case.conversation);
        (case, found)
    };
    cases().into_iter().map(with).collect()
}

#[test]
fn zz_show() {
    for split in ["tune", "held", "fresh"] {
        let cases = classified();
        let some: Vec<_> = cases.iter().filter(|(c, _)| c.split == split).collect();
        println!("== {split} {}", accuracy(some.iter().copied()));
        if std::env::var("SPLITS").is_ok_and(|s| !s.contains(split)) {
            continue;
        }
        for (case, found) in some {
            if case.task != found.task {
                let text: String = case.conversation.turns.last().unwrap().text.chars().take(90).collect();
                println!(
                    "{} -> {} {:.2} [{}] {:?}",
                    case.task.name(),
                    found.task.name(),
                    found.confidence,
                    case.lang,
                    text
                );
                for cue in found.cues.iter().take(6) {
                    println!("      {} {} {}", cue.task.name(), cue.points, cue.name);
                }
            }
        }
    }
}

#[test]
fn zz_out() {
    let Ok(text) = std::fs::read_to_string("/tmp/task-scratch/rb.jsonl") else { return };
    let mut t = std::collections::BTreeMap::<String, std::collections::BTreeMap<&str, usize>>::new();
    for l in text.lines() {
        let v: Value = serde_json::from_str(l).unwrap();
        let c = asked(v["prompt"].as_str().unwrap());
        let d = format!("{} {}", v["bench"].as_str().unwrap(), v["domain"].as_str().unwrap());
        *t.entry(d.clone()).or_default().entry(c.task.name()).or_default() += 1;
        if std::env::var("DOM").is_ok_and(|x| d.contains(&x)) {
            println!(
                "{} {:?} {:?}",
                c.task.name(),
                v["prompt"].as_str().unwrap(),
                c.cues.iter().take(3).map(|c| (c.name, c.points)).collect::<Vec<_>>()
            );
        }
    }
    for (k, v) in t {
        println!("{k}: {v:?}");
    }
}
