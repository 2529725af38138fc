//! Task routing: what a conversation is about, by rules that can be read, and the group that serves it.
//!
//! A table of words with weights ([`cues`]) and a few signs of shape (code, a stack trace, a formula, a long text below the ask, an
//! attachment) speak for the tasks; the task with the most points wins, if it wins clearly. A trained model would do better on
//! what it was trained on; these rules say why they decided, cost microseconds, and can be changed. How well
//! they do is measured on a labelled set: `docs/task-routing.md`.
//!
//! The newest ask of the user decides. Where it says too little by itself ("and now in C#"), the asks before it help, each less.
//! Reminder blocks are no ask. Size goes before all else: what does not fit an ordinary model is [`Task::LongContext`].
//!
//! **Invariant:** the same conversation gives the same task, confidence and cues on every platform: the points are multiples of
//! small powers of two, so that no sum is rounded. At most 16 KB of a turn, and 4 of the user's turns, are read.

mod bytes;
pub mod cues;
mod fold;
mod phrases;
mod reader;
mod shape;

use crate::chat::{Role, Transcript, Utterance};
pub use crate::config::task::{Task, TaskRouterConfig};
use crate::sort;
use cues::{ATTACHED, CODE_BEFORE, CODING_TOOLS};
use reader::Reader;
use shape::{head_and_tail, without_reminders};

/// What is read of a turn, in bytes, from its beginning and its end.
const HEAD_BYTES: usize = 12 * 1024;
const TAIL_BYTES: usize = 4 * 1024;
/// What is read of instructions, and of a tool's result (its end), in bytes.
const INSTRUCTION_BYTES: usize = 300;
const RESULT_BYTES: usize = 2 * 1024;
/// An ask of more bytes than this says for itself what it wants.
const FOLLOW_UP_BYTES: usize = 240;
/// What asks before the newest count for, the nearest first.
const EARLIER: [f64; 3] = [0.75, 0.5, 0.25];
/// Points for [`Task::General`] before anything is read.
const GENERAL_POINTS: f64 = 4.0;
/// Bytes a token, as an estimate.
const TOKEN_BYTES: usize = 4;

/// Names of tools by which a coding agent is known.
const CODING_TOOL_NAMES: &[&str] = &[
    "bash",
    "shell",
    "edit",
    "edit_file",
    "str_replace_editor",
    "str_replace_based_edit_tool",
    "apply_patch",
    "write_file",
    "read_file",
    "grep",
    "run_terminal_cmd",
    "execute_command",
    "codebase_search",
    "multiedit",
];

/// What a conversation is about, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Classified {
    /// The task.
    pub task: Task,
    /// The task's share of all points, from 0 to 1. Where it was below the threshold, the share that was not enough.
    pub confidence: f64,
    /// What spoke for which task, most points first.
    pub cues: Vec<Cue>,
}

/// Something that speaks for a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Cue {
    /// The task it speaks for.
    pub task: Task,
    /// What it is: a row of [`cues::ROWS`], or a rule.
    pub name: &'static str,
    /// What it is worth here.
    pub points: f64,
}

/// Tells what a conversation is about.
#[must_use]
pub fn classify(conversation: &Transcript<'_>, config: &TaskRouterConfig) -> Classified {
    if estimated_tokens(conversation) >= config.long_context_tokens {
        let cue = Cue { task: Task::LongContext, name: "the conversation's length", points: GENERAL_POINTS };
        return Classified { task: Task::LongContext, confidence: 1.0, cues: vec![cue] };
    }
    let mut found = Vec::new();
    let mut earlier = EARLIER.into_iter();
    let mut share = 1.0;
    let mut end = conversation.turns.len();
    while let Some((at, turn, ask)) = newest_ask(conversation, end) {
        add(&mut found, &read(conversation, at, turn, &ask), share);
        let length: usize = ask.iter().map(|piece| piece.len()).sum();
        let Some(next) = earlier.next() else { break };
        if length > FOLLOW_UP_BYTES || best(&found).1 >= config.min_confidence {
            break;
        }
        (share, end) = (next, at);
    }
    sort::by(&mut found, |a, b| b.points.total_cmp(&a.points));
    let (task, confidence) = best(&found);
    let task = if confidence < config.min_confidence { Task::General } else { task };
    Classified { task, confidence, cues: found }
}

/// The groups that serve a task, among those that say what they support: the first task of these that any group supports, and
/// all groups of it, in order.
///
/// The task itself; a neighbour that can do its work (debugging and code generation stand in for each other, so do documents and
/// long contexts; mathematics goes to no neighbour); then general. Empty where none is left: then the default serves.
#[must_use]
pub fn choose<'a>(task: Task, supports: &[(&'a str, &[&str])]) -> Vec<&'a str> {
    let serving = |task: &Task| -> Vec<&'a str> {
        let serves = |tasks: &[&str]| tasks.contains(&task.name());
        supports.iter().filter(|(_, tasks)| serves(tasks)).map(|(group, _)| *group).collect()
    };
    neighbours(task).iter().map(serving).find(|groups| !groups.is_empty()).unwrap_or_default()
}

/// The tasks whose groups can serve a task, itself first.
#[must_use]
pub const fn neighbours(task: Task) -> &'static [Task] {
    match task {
        Task::Debugging => &[Task::Debugging, Task::CodeGeneration, Task::General],
        Task::CodeGeneration => &[Task::CodeGeneration, Task::Debugging, Task::General],
        Task::DocumentAnalysis => &[Task::DocumentAnalysis, Task::LongContext, Task::General],
        Task::LongContext => &[Task::LongContext, Task::DocumentAnalysis, Task::General],
        Task::CreativeWriting => &[Task::CreativeWriting, Task::General],
        Task::Translation => &[Task::Translation, Task::General],
        Task::Math => &[Task::Math, Task::General],
        Task::General => &[Task::General],
    }
}

/// The conversation's length in tokens, by a rule of thumb: four bytes each, which is right for English prose, and near enough for
/// code and for scripts of three bytes a character.
#[must_use]
pub fn estimated_tokens(conversation: &Transcript<'_>) -> u64 {
    let bytes: usize = conversation.turns.iter().map(|turn| turn.text.len()).sum();
    u64::try_from(bytes / TOKEN_BYTES).unwrap_or(u64::MAX)
}

/// The last of the user's turns before `end` that says anything: its place, itself, and its text without reminders.
fn newest_ask<'t, 'a>(
    conversation: &'t Transcript<'a>,
    end: usize,
) -> Option<(usize, &'t Utterance<'a>, Vec<&'t str>)> {
    let turns = conversation.turns.iter().enumerate().take(end).rev();
    turns.filter(|(_, turn)| turn.role == Role::User).find_map(|(at, turn)| {
        let ask = head_and_tail(&without_reminders(&turn.text), HEAD_BYTES, TAIL_BYTES);
        let says = turn.attachments > 0 || ask.iter().any(|piece| !piece.trim().is_empty());
        says.then_some((at, turn, ask))
    })
}

/// Reads one ask and what belongs to it.
fn read(conversation: &Transcript<'_>, at: usize, turn: &Utterance<'_>, ask: &[&str]) -> Reader {
    let mut reader = Reader::new();
    reader.ask(ask);
    if turn.attachments > 0 {
        reader.touch(ATTACHED, 1.0);
    }
    if let Some(system) = conversation.turns.first().filter(|turn| turn.role == Role::System) {
        reader.instructions(system.text.get(..system.text.floor_char_boundary(INSTRUCTION_BYTES)).unwrap_or_default());
    }
    if conversation.tools.iter().any(|tool| CODING_TOOL_NAMES.iter().any(|name| tool.eq_ignore_ascii_case(name))) {
        reader.touch(CODING_TOOLS, 1.0);
    }
    let before = at.checked_sub(1).and_then(|at| conversation.turns.get(at));
    if before.is_some_and(|turn| turn.role == Role::Assistant && has_fence(&turn.text)) {
        reader.touch(CODE_BEFORE, 1.0);
    }
    let mut after = conversation.turns.iter().skip(at + 1);
    if let Some(result) = after.rfind(|turn| turn.role == Role::Tool) {
        let from = result.text.ceil_char_boundary(result.text.len().saturating_sub(RESULT_BYTES));
        reader.result(result.text.get(from..).unwrap_or_default());
    }
    reader
}

fn has_fence(text: &str) -> bool {
    text.get(..text.floor_char_boundary(HEAD_BYTES)).unwrap_or_default().contains("```")
}

/// Adds what an ask gave, at a share.
fn add(found: &mut Vec<Cue>, reader: &Reader, share: f64) {
    for (task, name, points) in reader.points() {
        match found.iter_mut().find(|cue| cue.name == name && cue.task == task) {
            Some(cue) => cue.points = cue.points.max(points * share),
            None => found.push(Cue { task, name, points: points * share }),
        }
    }
}

/// The task with the most points, and its share of all.
fn best(found: &[Cue]) -> (Task, f64) {
    let points = |task: Task| found.iter().filter(|cue| cue.task == task).map(|cue| cue.points).sum::<f64>();
    let all: f64 = found.iter().map(|cue| cue.points).sum();
    let mut best = (Task::General, 0.0);
    for task in Task::ALL {
        let share = points(task) / (all + GENERAL_POINTS);
        if share > best.1 {
            best = (task, share);
        }
    }
    best
}
