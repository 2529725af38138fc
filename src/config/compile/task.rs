//! `task_router_config`: which groups serve which task.
//!
//! Groups stay names here: whether they exist is known only when the whole `model_list` is read.
//!
//! **Invariant:** every key is looked at; one that nobody knows is an error, as nobody but us writes here.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use crate::config::task::{Task, TaskRouterConfig};
use crate::config::tree::Value;

const KEYS: [&str; 6] =
    ["tasks", "default_model", "long_context_tokens", "min_confidence", "shadow", "session_affinity"];

/// Reads the key, with defaults.
pub(super) fn read(field: &Field<'_>, diagnostics: &mut Diagnostics) -> TaskRouterConfig {
    let mut config = TaskRouterConfig::default();
    for (name, field) in field.entries(diagnostics) {
        if field.node.value != Value::Null {
            read_one(&mut config, name, &field, diagnostics);
        }
    }
    config
}

fn read_one(config: &mut TaskRouterConfig, name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) {
    match name {
        "tasks" => config.tasks = tasks(field, diagnostics),
        "default_model" => config.default_model = group(field, diagnostics),
        "long_context_tokens" => {
            let tokens = field.whole(diagnostics, 1, i64::MAX).and_then(|tokens| u64::try_from(tokens).ok());
            config.long_context_tokens = tokens.unwrap_or(config.long_context_tokens);
        }
        "min_confidence" => config.min_confidence = share(field, diagnostics).unwrap_or(config.min_confidence),
        "shadow" => config.shadow = field.flag(diagnostics).unwrap_or_default(),
        "session_affinity" => config.session_affinity = field.flag(diagnostics).unwrap_or_default(),
        _ => {
            let remedy = match nearest(name, KEYS) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its keys are {}", KEYS.join(", ")),
            };
            field.error(diagnostics, format!("unknown key `{name}` of `task_router_config`"), remedy);
        }
    }
}

fn tasks(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<(Task, Vec<String>)> {
    let mut tasks: Vec<(Task, Vec<String>)> = Vec::new();
    for (name, field) in field.entries(diagnostics) {
        let Some(task) = Task::from_name(name) else {
            no_task(&field, name, diagnostics);
            continue;
        };
        let groups = groups(&field, diagnostics);
        if tasks.iter().any(|(known, _)| *known == task) {
            field.error(diagnostics, format!("`{name}` stands here already"), "write all of its groups in one list");
        } else if !groups.is_empty() {
            tasks.push((task, groups));
        }
    }
    tasks
}

/// One name, or a list of them.
fn groups(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<String> {
    let Value::Seq(items) = &field.node.value else { return group(field, diagnostics).into_iter().collect() };
    if items.is_empty() {
        field.error(diagnostics, "this task has no group", "write a group's name, or take the task out");
    }
    let mut groups = Vec::new();
    for item in field.items(diagnostics) {
        let Some(group) = group(&item, diagnostics) else { continue };
        if groups.contains(&group) {
            item.error(diagnostics, format!("{} stands in this list already", item.shown()), "take it out");
        } else {
            groups.push(group);
        }
    }
    groups
}

fn group(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = field.text(diagnostics)?;
    if name.trim().is_empty() {
        field.error(diagnostics, "this name is empty", "write a group's name");
        return None;
    }
    Some(name.to_owned())
}

/// A number from 0 to 1.
fn share(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<f64> {
    let number = match &field.node.value {
        #[allow(clippy::cast_precision_loss, reason = "only 0 and 1 pass")]
        Value::Int(whole) => Some(*whole as f64),
        Value::Float(number) => Some(*number),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    };
    let share = number.filter(|number| (0.0..=1.0).contains(number));
    if share.is_none() {
        field.invalid(diagnostics, "confidence", "a number from 0 to 1", "0.4");
    }
    share
}

/// Notes that no task has this name, with the nearest one.
fn no_task(field: &Field<'_>, name: &str, diagnostics: &mut Diagnostics) {
    let names = Task::ALL.map(Task::name);
    let remedy = match nearest(name, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the tasks are {}", names.join(", ")),
    };
    field.error(diagnostics, format!("unknown task `{name}`"), remedy);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::Node;

    fn compiled(json: &str) -> (TaskRouterConfig, Vec<String>) {
        let (node, mut diagnostics) = (Node::from_json_text(json.as_bytes()).unwrap(), Diagnostics::default());
        let config = read(&Field { node: &node, path: "c".to_owned() }, &mut diagnostics);
        (config, diagnostics.iter().map(|diagnostic| diagnostic.line("f")).collect())
    }

    #[test]
    fn nothing_written_means_the_defaults() {
        assert_eq!(compiled("{}"), (TaskRouterConfig::default(), Vec::new()));
        assert_eq!(compiled(r#"{"tasks": null, "shadow": null}"#), (TaskRouterConfig::default(), Vec::new()));
    }

    #[test]
    fn every_key_is_read() {
        let (config, errors) = compiled(
            r#"{"tasks": {"debugging": "coder", "translation": ["a", "b"]}, "default_model": "rest",
                "long_context_tokens": "64000", "min_confidence": 1, "shadow": true, "session_affinity": "True"}"#,
        );
        let wanted = TaskRouterConfig {
            tasks: vec![
                (Task::Debugging, vec!["coder".to_owned()]),
                (Task::Translation, vec!["a".to_owned(), "b".to_owned()]),
            ],
            default_model: Some("rest".to_owned()),
            long_context_tokens: 64_000,
            min_confidence: 1.0,
            shadow: true,
            session_affinity: true,
        };
        assert_eq!((config, errors), (wanted, Vec::new()));
    }

    #[test]
    fn every_error_has_its_place_and_remedy() {
        let (config, errors) = compiled(
            r#"{"tasks": {"debuging": "x", "poetry": "x", "math": [], "general": ["a", "a", 7], "translation": {"a": 1}},
                "default_model": " ", "long_context_tokens": 0, "min_confidence": 1.5, "shadow": "perhaps",
                "min_confidense": 0.5, "colour": 1}"#,
        );
        let tasks =
            "code_generation, debugging, long_context, document_analysis, creative_writing, translation, math, general";
        let wanted = [
            "f: error: c.tasks.debuging: unknown task `debuging`; did you mean `debugging`?",
            &format!("f: error: c.tasks.poetry: unknown task `poetry`; the tasks are {tasks}"),
            "f: error: c.tasks.math: this task has no group; write a group's name, or take the task out",
            "f: error: c.tasks.general[1]: `a` stands in this list already; take it out",
            "f: error: c.tasks.general[2]: expected a text, found a number; put it in quotes or write a name",
            "f: error: c.tasks.translation: expected a text, found a map; put it in quotes or write a name",
            "f: error: c.default_model: this name is empty; write a group's name",
            "f: error: c.long_context_tokens: invalid number `0`: expected a whole number from 1 up; write for example 1",
            "f: error: c.min_confidence: invalid confidence `1.5`: expected a number from 0 to 1; write for example 0.4",
            "f: error: c.shadow: expected true or false, found `perhaps`; write `true` or `false`",
            "f: error: c.min_confidense: unknown key `min_confidense` of `task_router_config`; did you mean `min_confidence`?",
            "f: error: c.colour: unknown key `colour` of `task_router_config`; its keys are tasks, default_model, \
             long_context_tokens, min_confidence, shadow, session_affinity",
        ];
        assert_eq!(errors, wanted);
        assert_eq!(config.tasks, [(Task::General, vec!["a".to_owned()])]);
        assert_eq!(config.min_confidence, 0.4);
    }

    #[test]
    fn what_is_no_map_is_an_error() {
        assert_eq!(compiled("[]").1, ["f: error: c: expected a map, found a list; write `key: value` lines below it"]);
    }
}
