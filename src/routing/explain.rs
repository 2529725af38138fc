//! A decision as data, without sending anything: what would be tried, which deployments were excluded and why, and what would follow on each class
//! of failure.
//!
//! It is no second implementation. The plan is [`plan()`]'s, which carries its own reasons, and what follows comes from
//! [`failover::next_or_again`], asked again and again as if every attempt failed alike.

use super::failover::{self, Next, Rules};
use super::{Place, Plan, PlanInputs, Refusal, plan};
use crate::chat::{Failure, FailureClass};
use crate::config::model::{DeploymentIndex, RouterConfig};
use crate::sort;

/// A decision, and what would follow.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The plan, or why there is none.
    pub decision: Result<Plan, Refusal>,
    /// What would follow on each failure, by its class. Empty where there is no plan.
    pub courses: Vec<Course>,
}

/// What would be tried if every attempt failed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// How they fail.
    pub class: FailureClass,
    /// How long the provider asks to wait, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The attempts after the first, and how long each waits, in milliseconds, without jitter.
    pub steps: Vec<(Place, u64)>,
}

/// The failures that are gone through: every class, and a rate limit with a short and a long wait.
const FAILURES: [(FailureClass, Option<u64>); 16] = {
    use FailureClass as C;
    [
        (C::Connect, None),
        (C::Reset, None),
        (C::Timeout, None),
        (C::FirstToken, None),
        (C::RateLimit, None),
        (C::RateLimit, Some(2_000)),
        (C::RateLimit, Some(60_000)),
        (C::Overloaded, None),
        (C::Upstream, None),
        (C::Quota, None),
        (C::Auth, None),
        (C::Permission, None),
        (C::NotFound, None),
        (C::ContextWindow, None),
        (C::ContentPolicy, None),
        (C::BadRequest, None),
    ]
};

/// Decides about a request, and tells all of it.
#[must_use]
pub fn explain(config: &RouterConfig, inputs: &PlanInputs<'_>) -> Explanation {
    let decision = plan(config, inputs);
    let rules = Rules::of(&config.signalbox);
    let of = |plan: &Plan| FAILURES.iter().map(|(class, wait)| course(plan, *class, *wait, &rules)).collect();
    let courses = decision.as_ref().map(of).unwrap_or_default();
    Explanation { decision, courses }
}

fn course(plan: &Plan, class: FailureClass, retry_after_ms: Option<u64>, rules: &Rules) -> Course {
    let failure = Failure { retry_after_ms, ..Failure::local(class, "") };
    let mut tried = vec![Place { stage: 0, candidate: 0 }];
    let mut steps = Vec::new();
    let mut rules = *rules;
    while let Next::Try(place, wait_ms) = failover::next_or_again(plan, &tried, &[], &failure, &rules, 0) {
        rules.another_provider &= !failure.is_unexplained();
        tried.push(place);
        steps.push((place, wait_ms));
    }
    Course { class, retry_after_ms, steps }
}

/// How often each deployment comes first in so many plans, each with the next seed; most often first. Refusals are not counted.
pub fn firsts(config: &RouterConfig, inputs: &mut PlanInputs<'_>, draws: u64) -> Vec<(DeploymentIndex, u64)> {
    let mut counts = vec![0u64; config.deployments.len()];
    for _ in 0..draws {
        let first = plan(config, inputs).ok().and_then(|plan| plan.candidates().next().map(|it| it.deployment));
        if let Some(count) = first.and_then(|first| counts.get_mut(first)) {
            *count += 1;
        }
        inputs.seed = inputs.seed.wrapping_add(1);
    }
    let mut firsts: Vec<_> = counts.into_iter().enumerate().filter(|(_, count)| *count > 0).collect();
    sort::by_key(&mut firsts, |(_, count)| std::cmp::Reverse(*count));
    firsts
}
