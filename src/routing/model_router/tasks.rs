//! From a conversation to a task, and from the task to a group.
//!
//! Where none of the task's models could serve such a request (an image, tools, its length ...), another task's do.
//!
//! **Invariant:** with `session_affinity`, the task of a conversation is that of its first ask that had one.

use super::decision::{Cause, Chosen, Decision, Label, Reasons};
use super::{Given, draw, serving, session};
use crate::chat::Role;
use crate::config::model::{Router, Target};
use crate::config::task::{Task, TaskRouterConfig};
use crate::routing::task::{Classified, classify, neighbours};

/// How many of the user's earlier turns are looked at for the first task.
const MOST_TURNS: usize = 16;

pub(super) fn choose<'c>(
    of: &'c Router,
    router: usize,
    settings: &TaskRouterConfig,
    groups: &'c [(Task, Vec<Target>)],
    given: &Given<'_>,
) -> Option<Chosen<'c>> {
    let classified = classify(given.conversation, settings);
    let mut task = classified.task;
    let mut cause = match task {
        Task::LongContext if classified.confidence >= 1.0 => Cause::TaskLength,
        Task::General if !classified.cues.iter().any(|cue| cue.task == task) || is_unclear(&classified, settings) => {
            Cause::TaskUnclear
        }
        _ => Cause::TaskCues,
    };
    // What is too long for an ordinary model stays so, whatever the conversation began with.
    if settings.session_affinity
        && cause != Cause::TaskLength
        && let Some(first) = first_task(settings, given)
        && first != task
    {
        (task, cause) = (first, Cause::SessionAffinityPin);
    }
    // `tasks` says which group serves a task. Without it the deployments say, and neighbouring tasks stand in for each other.
    let own = [task];
    let tasks: &[Task] = if settings.tasks.is_empty() { neighbours(task) } else { &own };
    let found = serving(groups, tasks);
    if found.is_none() && task != Task::General {
        cause = Cause::DefaultModelFallback;
    }
    let mut targets = found.unwrap_or(&of.default);
    if let Some(why) = given.unable(targets)
        && let Some(able) = able(of, groups, tasks, given)
    {
        (targets, cause) = (able, Cause::Unable(why));
    }
    let target = draw(targets, given.seed, |target| given.is_able(target))?;
    let decision = Decision {
        router,
        label: Label::Task(task),
        score: Some(classified.confidence),
        classifier: "task",
        cause,
        shadow: settings.shadow,
    };
    let reasons = given.explain.then_some(Reasons::Task(classified));
    Some(Chosen { decision, target, reasons })
}

/// What could serve such a request where the task's own groups could not: those of its neighbours, the default, those of any other task.
fn able<'c>(
    of: &'c Router,
    groups: &'c [(Task, Vec<Target>)],
    tasks: &[Task],
    given: &Given<'_>,
) -> Option<&'c [Target]> {
    let near = tasks.iter().filter_map(|task| serving(groups, &[*task]));
    let all = near.chain([of.default.as_slice()]).chain(groups.iter().map(|(_, targets)| targets.as_slice()));
    let mut able = all.filter(|targets| !targets.is_empty() && given.unable(targets).is_none());
    able.next()
}

fn is_unclear(classified: &Classified, settings: &TaskRouterConfig) -> bool {
    classified.confidence < settings.min_confidence
}

/// The first task of the conversation, as it was told when the ask was new.
fn first_task(settings: &TaskRouterConfig, given: &Given<'_>) -> Option<Task> {
    let turns = given.conversation.turns.iter().enumerate();
    let asks = turns.filter(|(_, turn)| turn.role == Role::User).map(|(at, _)| at);
    let tasks = asks.take(MOST_TURNS).map(|at| classify(&session::up_to(given.conversation, at), settings));
    let clear = |told: &Classified| told.task != Task::General && !is_unclear(told, settings);
    tasks.into_iter().find(clear).map(|told| told.task)
}
