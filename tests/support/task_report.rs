//! `docs/task-routing.md`, from what the labelled set gives.

use std::fmt::Write;

use signalbox::routing::task::cues::{Kind, ROWS};
use signalbox::routing::task::{Classified, Task};

use super::Case;

type Decided = (Case, Classified);

/// The page: its prose from `tests/golden/task/page.md`, with tables where `{{name}}` stands.
pub fn page(cases: &[Decided]) -> String {
    let text = include_str!("../golden/task/page.md");
    let tables =
        [("splits", splits(cases)), ("matrix", matrix(cases)), ("languages", languages(cases)), ("cues", cues())];
    tables.iter().fold(text.to_owned(), |text, (name, table)| text.replace(&format!("{{{{{name}}}}}\n"), table))
}

fn right<'a>(cases: impl Iterator<Item = &'a Decided>) -> (usize, usize, usize) {
    cases.fold((0, 0, 0), |(right, wrong, all), (case, found)| {
        let hit = case.task == found.task;
        (right + usize::from(hit), wrong + usize::from(!hit && found.task != Task::General), all + 1)
    })
}

fn percent(part: usize, all: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / all.max(1) as f64)
}

fn splits(cases: &[Decided]) -> String {
    let mut table =
        "| split | prompts | right | sent to `general` | sent to a wrong expert |\n|---|--:|--:|--:|--:|\n".to_owned();
    for (split, _) in super::LEAST {
        let (hits, wrong, all) = right(cases.iter().filter(|(case, _)| case.split == split));
        let lost = all - hits - wrong;
        let shares = [hits, lost, wrong].map(|part| percent(part, all)).join(" | ");
        writeln!(table, "| {split} | {all} | {shares} |").unwrap();
    }
    table
}

/// Rows are what a prompt is, columns what was found, over all splits.
pub fn matrix(cases: &[Decided]) -> String {
    let mut table = "| is \\ found".to_owned();
    Task::ALL.iter().for_each(|task| write!(table, " | {}", task.name()).unwrap());
    table += " | right |\n|---";
    table += &"|--:".repeat(Task::ALL.len() + 1);
    table += "|\n";
    for task in Task::ALL {
        write!(table, "| **{}**", task.name()).unwrap();
        let of_task = || cases.iter().filter(|(case, _)| case.task == task);
        for other in Task::ALL {
            let count = of_task().filter(|(_, found)| found.task == other).count();
            let shown = if count == 0 { "·".to_owned() } else { count.to_string() };
            write!(table, " | {shown}").unwrap();
        }
        let (hits, _, all) = right(of_task());
        writeln!(table, " | {} |", percent(hits, all)).unwrap();
    }
    table
}

fn languages(cases: &[Decided]) -> String {
    let mut codes: Vec<&str> = Vec::new();
    for (case, _) in cases {
        if !codes.contains(&case.lang.as_str()) {
            codes.push(&case.lang);
        }
    }
    let mut table = "| language | prompts | right | not counting `tune` |\n|---|--:|--:|--:|\n".to_owned();
    for code in codes {
        let (hits, _, all) = right(cases.iter().filter(|(case, _)| case.lang == code));
        let untuned = cases.iter().filter(|(case, _)| case.lang == code && case.split != "tune");
        let (untuned, _, of) = right(untuned);
        writeln!(table, "| {code} | {all} | {} | {untuned} of {of} |", percent(hits, all)).unwrap();
    }
    table
}

fn cues() -> String {
    let mut table = "| task | cue | points | counts | for example |\n|---|---|--:|---|---|\n".to_owned();
    for task in Task::ALL {
        for row in ROWS.iter().filter(|row| row.task == task) {
            let counts = match row.kind {
                Kind::Ask => "as an order",
                Kind::Thing => "twice near a word of making",
                Kind::Make => "for things near it",
                Kind::Complaint => "three times where something technical is about",
                Kind::Trade => "as an order, and as something technical",
                Kind::Mark => "the same anywhere",
                Kind::Shape => "once",
            };
            let phrases: Vec<&str> = row.phrases.split('|').collect();
            let some: Vec<String> =
                phrases.iter().step_by(phrases.len().div_ceil(5)).map(|phrase| format!("`{phrase}`")).collect();
            let some = if row.kind == Kind::Shape { String::new() } else { some.join(", ") };
            writeln!(table, "| {} | {} | {} | {counts} | {some} |", task.name(), row.name, row.points).unwrap();
        }
    }
    table
}
