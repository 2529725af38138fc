//! Which deployments are asked before a request is refused: those that it was not sent to yet and that may serve it, each once.
//!
//! First those for which `num_retries` left no attempt, then those that rest, the asked group's first, and of a group the one that is done
//! soonest. A `num_retries` of 0 means that no other of a level is asked, and holds here too.
//!
//! **Invariant:** no deployment is a last resort twice, so attempts end.

use super::super::{Place, Plan, Purpose, Stage};
use super::{FailurePoint, FailurePolicy, Group, InGroup, MAX_RETRIES, Next, Rules, failure_policy, next};
use crate::chat::{Failure, FailureClass};

/// As [`next`]; and where that leads nowhere because last resorts were asked meanwhile, what would have followed before them: a failure
/// that might pass (of `causes`, which have all that was seen so far) is worth another attempt then too.
#[must_use]
pub fn next_or_again(
    plan: &Plan,
    tried: &[Place],
    causes: &[(Place, Failure)],
    failure: &Failure,
    rules: &Rules,
    chance: u64,
) -> Next {
    let next = next(plan, tried, failure, rules, chance);
    if next != Next::GiveUp || tried.len() > MAX_RETRIES || failure_policy(failure, rules).in_group != InGroup::AtOnce {
        return next;
    }
    let rests = |place: &Place| plan.candidate(*place).is_none_or(|candidate| candidate.rests_until_ms.is_some());
    let before = tried.iter().filter(|place| !rests(place)).max_by_key(|place| place.stage);
    let Some((&place, stage)) = before.and_then(|place| Some((place, plan.stages.get(place.stage)?))) else {
        return next;
    };
    let its = causes.iter().rev().find(|(of, _)| *of == place).map_or(failure, |(_, failure)| failure);
    let here = FailurePoint { plan, tried, place, stage, failure: its, rules, chance };
    if tried.last() != Some(&place) && here.may_retry() && failure_policy(its, rules).persists && here.is_short() {
        return Next::Try(here.least_tried(), here.backoff_ms());
    }
    next
}

/// Notes in the plan which deployments a failure at a place rules out: one that would not have been asked after it is not asked after
/// the next failure either, which may be of another class.
pub fn rule_out(plan: &mut Plan, place: Place, failure: &Failure, rules: &Rules) {
    let Some(stage) = plan.stages.get(place.stage) else { return };
    let in_group = failure_policy(failure, rules).in_group;
    let insists = stage.policy.as_ref().is_some_and(|policy| super::retries::of_class(policy, failure).is_some());
    if in_group == InGroup::AtOnce || insists {
        return;
    }
    let here = FailurePoint { plan, tried: &[], place, stage, failure, rules, chance: 0 };
    let provider = |place: Place| plan.candidate(place).and_then(|candidate| candidate.provider);
    let is_ours = failure.is_unexplained() && plan.candidate(place).is_some_and(|candidate| candidate.is_translated);
    let is_out = |other: &Place| {
        let same_group = plan.group(*other) == Some(stage.group);
        match in_group {
            InGroup::Larger => !here.is_larger(*other).unwrap_or(!same_group),
            // Another provider may yet take what we made of the request for it.
            _ if is_ours => same_group && provider(*other) == provider(place),
            _ => same_group,
        }
    };
    let out: Vec<Place> = plan.places().filter(is_out).collect();
    for place in out {
        plan.candidate_mut(place).into_iter().for_each(|candidate| candidate.ruled_out = true);
    }
}

impl FailurePoint<'_> {
    /// The deployment that is left before the client gets the failure.
    pub(super) fn last_resort(&self, failure_policy: &FailurePolicy) -> Option<Place> {
        find(self.plan, self.tried, |stage| self.retries(stage), |place| self.leads_back(place, failure_policy))
    }

    /// Whether this failure leads to a place of which no stage is left before.
    fn leads_back(&self, place: Place, failure_policy: &FailurePolicy) -> bool {
        let Some(stage) = self.plan.stages.get(place.stage) else { return false };
        let rests = self.plan.candidate(place).is_some_and(|candidate| candidate.rests_until_ms.is_some());
        // A deployment that is only slow is more likely to serve than one that rests.
        if rests && self.failure.class == FailureClass::FirstToken {
            return false;
        }
        if stage.group == self.stage.group && (stage.purpose, stage.from) == (self.stage.purpose, self.stage.from) {
            return match failure_policy.in_group {
                InGroup::No => self.of_policy(stage).is_some(),
                InGroup::AtOnce => true,
                InGroup::Larger => self.is_larger(place) == Some(true),
            };
        }
        let is_before = place.stage < self.place.stage;
        let leads_on =
            self.leads_on(stage) && !(is_before && self.stage.purpose != Purpose::General && !self.is_sibling(stage));
        match failure_policy.group {
            Group::No => false,
            Group::Then if self.failure.class == FailureClass::BadRequest => {
                leads_on && stage.group != self.stage.group
            }
            Group::Then => leads_on,
            Group::ContentPolicy => self.is_for(stage, Purpose::ContentPolicy),
            Group::Larger => {
                let configured = self.plan.stages.iter().any(|stage| self.is_for(stage, Purpose::ContextWindow));
                let leads = self.is_for(stage, Purpose::ContextWindow) || (!configured && leads_on);
                leads && self.is_larger(place) != Some(false)
            }
        }
    }
}

/// The place to try, if any. `retries` gives how many a stage allows, and `leads` whether the failure in hand leads to a place.
fn find(plan: &Plan, tried: &[Place], retries: impl Fn(&Stage) -> u32, leads: impl Fn(Place) -> bool) -> Option<Place> {
    let deployment = |place: Place| plan.candidate(place).map(|candidate| candidate.deployment);
    let asked: Vec<_> = tried.iter().map(|place| deployment(*place)).collect();
    let was_entered = |stage: &Stage| {
        let mut stages = tried.iter().filter_map(|place| plan.stages.get(place.stage));
        stages.any(|entered| entered.is_level_of(stage))
    };
    let may = |place: &Place| {
        let (Some(stage), Some(candidate)) = (plan.stages.get(place.stage), plan.candidate(*place)) else {
            return false;
        };
        let is_new = !candidate.ruled_out && !asked.contains(&Some(candidate.deployment));
        is_new && (retries(stage) > 0 || !was_entered(stage)) && leads(*place)
    };
    let rank = |place: &Place| {
        let rests_until_ms = plan.candidate(*place).and_then(|candidate| candidate.rests_until_ms);
        let group = plan.group(*place);
        let of_asked = group == Some(plan.asked);
        let first = plan.stages.iter().position(|stage| !of_asked && Some(stage.group) == group);
        (rests_until_ms.is_some(), first, rests_until_ms)
    };
    plan.places().filter(may).min_by_key(rank)
}
