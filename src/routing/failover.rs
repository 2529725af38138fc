//! What to try next after a failure: one table by class, and the one function that reads it.
//!
//! | class | same deployment, if alone | another of the same group | another group | when nothing else is left |
//! |---|---|---|---|---|
//! | connect | no | at once | then | again, with backoff |
//! | reset | once, at once | at once | then | again |
//! | timeout, first token | no | at once | then | no |
//! | rate limit, overloaded | wait out a short `retry-after` | at once | then | again, unless the wait is long |
//! | upstream | once, with backoff | at once | then | again |
//! | quota, auth, permission, not found | no | at once | then | no |
//! | context window | no | no | then | no |
//! | content policy | no | no | no | no |
//! | bad request | no | no | no (`signalbox.fallback_on_bad_request`: then) | no |
//!
//! All within `num_retries` for each group. LiteLLM treats most failures alike; where this differs stands in `docs/litellm.md`.

use super::{Place, Plan, Stage};
use crate::chat::{Failure, FailureClass};

/// A `retry-after` up to this is waited out, in milliseconds; a longer one is the client's to wait.
pub const SHORT_WAIT_MS: u64 = 5_000;
/// Envoy makes this many retries at the most: the bootstrap's `num_retries`.
pub const MAX_RETRIES: usize = 10;
const FIRST_BACKOFF_MS: u64 = 500;
const MAX_BACKOFF_MS: u64 = 8_000;
const JITTER_MS: u64 = 750;

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Try this place, no sooner than after so many milliseconds.
    Try(Place, u64),
    /// Tell the client.
    GiveUp,
}

/// Whether the same deployment is asked again while it is the only one of its stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Same {
    No,
    Once,
    OnceAfterBackoff,
    WhenShort,
}

/// One row of the table.
struct Conduct {
    same: Same,
    another: bool,
    group: bool,
    persists: bool,
}

const fn row(same: Same, another: bool, group: bool, persists: bool) -> Conduct {
    Conduct { same, another, group, persists }
}

const fn conduct(class: FailureClass, fallback_on_bad_request: bool) -> Conduct {
    use FailureClass as C;
    match class {
        C::Connect => row(Same::No, true, true, true),
        C::Reset => row(Same::Once, true, true, true),
        C::Timeout | C::FirstToken => row(Same::No, true, true, false),
        C::RateLimit | C::Overloaded => row(Same::WhenShort, true, true, true),
        C::Upstream => row(Same::OnceAfterBackoff, true, true, true),
        C::Quota | C::Auth | C::Permission | C::NotFound => row(Same::No, true, true, false),
        C::ContextWindow => row(Same::No, false, true, false),
        C::ContentPolicy => row(Same::No, false, false, false),
        C::BadRequest => row(Same::No, false, fallback_on_bad_request, false),
    }
}

/// Decides what follows on a failure at the last of `tried`. `chance` is any random number, for the jitter.
#[must_use]
pub fn next(plan: &Plan, tried: &[Place], failure: &Failure, fallback_on_bad_request: bool, chance: u64) -> Next {
    let Some(&here) = tried.last() else { return Next::GiveUp };
    let Some(stage) = plan.stages.get(here.stage) else { return Next::GiveUp };
    if tried.len() > MAX_RETRIES {
        return Next::GiveUp;
    }
    let conduct = conduct(failure.class, fallback_on_bad_request);
    let in_stage = tried.iter().filter(|place| place.stage == here.stage).count();
    let may_retry = in_stage <= stage.retries as usize;
    if may_retry
        && conduct.another
        && let Some(candidate) = untried(stage, here.stage, tried)
    {
        return Next::Try(Place { stage: here.stage, candidate }, 0);
    }
    let alone = stage.candidates.len() == 1 && !plan.stages.iter().skip(here.stage + 1).any(|s| s.group == stage.group);
    if may_retry
        && alone
        && let Some(wait_ms) = same(conduct.same, in_stage, failure, chance)
    {
        return Next::Try(here, wait_ms);
    }
    if conduct.group
        && let Some(stage) = later_stage(plan, here, failure.class)
    {
        return Next::Try(Place { stage, candidate: 0 }, 0);
    }
    if may_retry && conduct.persists && is_short(failure) {
        return Next::Try(least_tried(stage, here.stage, tried), backoff_ms(in_stage, failure, chance));
    }
    Next::GiveUp
}

fn untried(stage: &Stage, index: usize, tried: &[Place]) -> Option<usize> {
    (0..stage.candidates.len()).find(|&candidate| !tried.contains(&Place { stage: index, candidate }))
}

fn least_tried(stage: &Stage, index: usize, tried: &[Place]) -> Place {
    let times = |candidate: usize| tried.iter().filter(|place| **place == Place { stage: index, candidate }).count();
    let candidate = (0..stage.candidates.len()).min_by_key(|&candidate| times(candidate)).unwrap_or(0);
    Place { stage: index, candidate }
}

fn same(same: Same, times: usize, failure: &Failure, chance: u64) -> Option<u64> {
    match same {
        Same::Once if times == 1 => Some(0),
        Same::OnceAfterBackoff if times == 1 && is_short(failure) => Some(backoff_ms(times, failure, chance)),
        Same::WhenShort if is_short(failure) => failure.retry_after_ms,
        Same::No | Same::Once | Same::OnceAfterBackoff | Same::WhenShort => None,
    }
}

/// Whether the wait that the provider asks for, if any, may be waited out with the client on the line.
fn is_short(failure: &Failure) -> bool {
    failure.retry_after_ms.is_none_or(|wait_ms| wait_ms <= SHORT_WAIT_MS)
}

/// The next stage. A prompt too long for one level of `order` is too long for the group's next level as well.
fn later_stage(plan: &Plan, here: Place, class: FailureClass) -> Option<usize> {
    let group = plan.stages.get(here.stage)?.group;
    let mut later = plan.stages.iter().enumerate().skip(here.stage + 1);
    let other_group_only = matches!(class, FailureClass::ContextWindow | FailureClass::BadRequest);
    later.find(|(_, stage)| !other_group_only || stage.group != group).map(|(index, _)| index)
}

/// LiteLLM's waits: what the provider asks for, else half a second doubled each time up to eight, and some jitter.
fn backoff_ms(times: usize, failure: &Failure, chance: u64) -> u64 {
    let doubled = u32::try_from(times.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    let wait_ms = failure.retry_after_ms.unwrap_or_else(|| (FIRST_BACKOFF_MS << doubled).min(MAX_BACKOFF_MS));
    wait_ms + chance % JITTER_MS
}
