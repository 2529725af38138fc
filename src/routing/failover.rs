//! What to try next after a failure: one table by class, and the one function that reads it.
//!
//! | class | same deployment, if alone | another of the same model | another group | when nothing else is left |
//! |---|---|---|---|---|
//! | connect (refused, DNS, TLS) | no | at once | then | again, with backoff |
//! | reset before an answer | once, at once | at once | then | again, with backoff |
//! | timeout, first token | no | at once | then | no |
//! | rate limit, overloaded | wait out a `retry-after` of up to `max_wait` | at once | else | again, unless the wait is longer |
//! | rate limit that one request alone exceeds | no | at once | then | no |
//! | upstream (500, 502, 409, 421, 425, 499, a web page with a 4xx, an unreadable answer) | once, with backoff | at once | then | again, with backoff |
//! | quota (whatever says that the account is spent or suspended), auth, permission, not found | no | at once | then | no |
//! | context window | no | only with a larger window | `context_window_fallbacks`, else a larger window in `fallbacks` | no |
//! | content policy | no | no | only `content_policy_fallbacks` | no |
//! | bad request | no | no | no (`signalbox.fallback_on_bad_request`: then) | no |
//! | bad request because of what the model lacks | no | at once | then | no |
//! | bad request that no word explains, where we translated the request | no | the next of another provider, once | the same | no |
//!
//! The last row: what is the client's own bytes is the client's to mend, but for what we made of it we answer. What is at fault is told by
//! [`Failure::fault`], which `state` reads too: what is the request's own fault never cools.
//!
//! All within `num_retries` for each group, or the `retry_policy`'s number for the class, which also retries what the table would
//! not. Before a request is given up, each deployment that it was not sent to yet, and to which the class leads, is asked once ([`last_resort`]). The
//! last column is for requests without another deployment: what might pass is tried again rather than given up.
//!
//! **Invariant:** each attempt is at a place that was not tried, or counts against the retries of its level, so attempts end.

mod last_resort;

use super::{Candidate, Place, Plan, Purpose, Stage, retries};
use crate::chat::{Failure, FailureClass, Fault};
use crate::config::model::Settings;
pub use last_resort::{next_or_again, rule_out};

/// Envoy makes this many retries at the most: the bootstrap's `num_retries`.
pub const MAX_RETRIES: usize = 10;
const FIRST_BACKOFF_MS: u64 = 500;
const MAX_BACKOFF_MS: u64 = 8_000;
const JITTER_MS: u64 = 750;

/// What of the configuration the table depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// `signalbox.fallback_on_bad_request`.
    pub fallback_on_bad_request: bool,
    /// `signalbox.max_wait`: a `retry-after` up to this is waited out, in milliseconds; a longer one is the client's to wait.
    pub max_wait_ms: u64,
    /// Whether a refusal that no word explains may still lead from a translated request to another provider: once in a request.
    pub another_provider: bool,
}

impl Rules {
    /// As configured.
    #[must_use]
    pub const fn of(settings: &Settings) -> Self {
        Self {
            fallback_on_bad_request: settings.fallback_on_bad_request,
            max_wait_ms: settings.max_wait_ms,
            another_provider: true,
        }
    }
}

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
enum SameDeployment {
    No,
    Once,
    OnceAfterBackoff,
    WhenShort,
}

/// Which others of the same model are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InGroup {
    No,
    AtOnce,
    Larger,
}

/// Which other groups are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    No,
    Then,
    Larger,
    ContentPolicy,
}

/// One row of the table.
#[derive(Clone, Copy)]
struct FailurePolicy {
    same_deployment: SameDeployment,
    in_group: InGroup,
    group: Group,
    persists: bool,
}

const fn row(same_deployment: SameDeployment, in_group: InGroup, group: Group, persists: bool) -> FailurePolicy {
    FailurePolicy { same_deployment, in_group, group, persists }
}

const fn failure_policy(failure: &Failure, rules: &Rules) -> FailurePolicy {
    use FailureClass as C;
    let on_bad_request = if rules.fallback_on_bad_request { Group::Then } else { Group::No };
    match failure.class {
        C::Connect | C::Shortage => row(SameDeployment::No, InGroup::AtOnce, Group::Then, true),
        C::Reset => row(SameDeployment::Once, InGroup::AtOnce, Group::Then, true),
        C::Timeout | C::FirstToken => row(SameDeployment::No, InGroup::AtOnce, Group::Then, false),
        C::RateLimit if failure.fault.is_of_request() => row(SameDeployment::No, InGroup::AtOnce, Group::Then, false),
        C::RateLimit | C::Overloaded => row(SameDeployment::WhenShort, InGroup::AtOnce, Group::Then, true),
        C::Upstream => row(SameDeployment::OnceAfterBackoff, InGroup::AtOnce, Group::Then, true),
        C::Quota | C::Auth | C::Permission | C::NotFound => {
            row(SameDeployment::No, InGroup::AtOnce, Group::Then, false)
        }
        C::ContextWindow => row(SameDeployment::No, InGroup::Larger, Group::Larger, false),
        C::ContentPolicy => row(SameDeployment::No, InGroup::No, Group::ContentPolicy, false),
        C::BadRequest if matches!(failure.fault, Fault::Model) => {
            row(SameDeployment::No, InGroup::AtOnce, Group::Then, false)
        }
        C::BadRequest => row(SameDeployment::No, InGroup::No, on_bad_request, false),
    }
}

/// Decides what follows on a failure at the last of `tried`. `chance` is any random number, for the jitter.
#[must_use]
pub fn next(plan: &Plan, tried: &[Place], failure: &Failure, rules: &Rules, chance: u64) -> Next {
    let Some(&here) = tried.last() else { return Next::GiveUp };
    let Some(stage) = plan.stages.get(here.stage) else { return Next::GiveUp };
    if tried.len() > MAX_RETRIES {
        return Next::GiveUp;
    }
    let here = FailurePoint { plan, tried, place: here, stage, failure, rules, chance };
    let failure_policy = failure_policy(failure, rules);
    let may_retry = here.may_retry();
    let insists = here.of_policy(stage).is_some();
    if let Some(place) = here.another_provider(may_retry) {
        return Next::Try(place, 0);
    }
    if may_retry {
        let within = here
            .in_group(failure_policy.in_group, insists)
            .or_else(|| here.same_deployment(failure_policy.same_deployment, insists));
        if let Some(next) = within {
            return next;
        }
    }
    if let Some(place) = here.another_group(failure_policy.group).or_else(|| here.last_resort(&failure_policy)) {
        return Next::Try(place, 0);
    }
    if may_retry && failure_policy.persists && here.is_short() {
        return Next::Try(here.least_tried(), here.backoff_ms());
    }
    Next::GiveUp
}

/// Where a failure of everybody in the group that was asked for leads: another group, if any.
#[must_use]
pub fn beyond_asked(plan: &Plan, failure: &Failure, rules: &Rules) -> Option<Place> {
    let mut place = Place { stage: 0, candidate: 0 };
    loop {
        let stage = plan.stages.get(place.stage)?;
        let here = FailurePoint { plan, tried: &[], place, stage, failure, rules, chance: 0 };
        place = here.another_group(failure_policy(failure, rules).group)?;
        if plan.group(place) != Some(plan.asked) {
            return Some(place);
        }
    }
}

/// A failure, and all that is around it.
struct FailurePoint<'a> {
    plan: &'a Plan,
    tried: &'a [Place],
    place: Place,
    stage: &'a Stage,
    failure: &'a Failure,
    rules: &'a Rules,
    chance: u64,
}

impl FailurePoint<'_> {
    /// How many attempts this level of the group has had.
    fn attempts(&self) -> usize {
        self.tried.iter().filter(|place| self.is_here(**place)).count()
    }

    /// What a stage's `retry_policy` says of this failure.
    fn of_policy(&self, stage: &Stage) -> Option<u32> {
        retries::of_class(stage.policy.as_ref()?, self.failure)
    }

    /// How many attempts may follow the first of a stage.
    fn retries(&self, stage: &Stage) -> u32 {
        self.of_policy(stage).unwrap_or(stage.retries)
    }

    fn may_retry(&self) -> bool {
        self.attempts() <= self.retries(self.stage) as usize
    }

    /// Whether a place belongs to this level of this group.
    fn is_here(&self, place: Place) -> bool {
        place.stage == self.place.stage
            || self.plan.stages.get(place.stage).is_some_and(|stage| stage.is_level_of(self.stage))
    }

    /// Where a refusal that no word explains leads from a request that we translated: to the next deployment of another provider, of this
    /// level or a later one.
    fn another_provider(&self, may_retry: bool) -> Option<Place> {
        let here = self.plan.candidate(self.place)?;
        if !self.rules.another_provider || !self.failure.is_unexplained() || !here.is_translated {
            return None;
        }
        let leads = |place: &Place| {
            let is_stage = self.plan.stages.get(place.stage).is_some_and(|stage| self.leads_on(stage));
            let is_later = if place.stage == self.place.stage { may_retry } else { place.stage > self.place.stage };
            let is_another = self.plan.candidate(*place).is_some_and(|there| there.provider != here.provider);
            is_later && is_stage && is_another && self.is_open(*place)
        };
        self.plan.places().find(leads)
    }

    /// Another deployment of this stage that was not asked yet. A retry policy `insists`, whatever the class.
    fn in_group(&self, in_group: InGroup, insists: bool) -> Option<Next> {
        let fits = |candidate: usize| match in_group {
            InGroup::No => insists,
            InGroup::AtOnce => true,
            InGroup::Larger => self.is_larger(Place { candidate, ..self.place }) == Some(true),
        };
        let untried = |candidate: &usize| self.is_open(Place { candidate: *candidate, ..self.place });
        let found = (0..self.stage.candidates.len()).filter(untried).find(|candidate| fits(*candidate))?;
        Some(Next::Try(Place { candidate: found, ..self.place }, 0))
    }

    /// The same deployment again. A retry policy takes it, or the one that was asked least, after everybody else was.
    fn same_deployment(&self, same_deployment: SameDeployment, insists: bool) -> Option<Next> {
        if insists {
            return self.is_short().then(|| Next::Try(self.least_tried(), self.backoff_ms()));
        }
        let group = |stage: &Stage| stage.purpose == self.stage.purpose && stage.group == self.stage.group;
        let alone = self.stage.candidates.len() == 1
            && !self.later().any(|(_, stage)| group(stage))
            && self.attempts() == self.tried.iter().filter(|place| **place == self.place).count();
        let wait_ms = match same_deployment {
            SameDeployment::Once if self.attempts() == 1 => Some(0),
            SameDeployment::OnceAfterBackoff if self.attempts() == 1 && self.is_short() => Some(self.backoff_ms()),
            SameDeployment::WhenShort if self.is_short() => self.failure.retry_after_ms,
            SameDeployment::No
            | SameDeployment::Once
            | SameDeployment::OnceAfterBackoff
            | SameDeployment::WhenShort => None,
        };
        wait_ms.filter(|_| alone).map(|wait_ms| Next::Try(self.place, wait_ms))
    }

    fn later(&self) -> impl Iterator<Item = (usize, &Stage)> {
        self.plan.stages.iter().enumerate().skip(self.place.stage + 1)
    }

    /// The first candidate of a later stage that this class leads to. The next level of `order` counts as another group for most.
    fn another_group(&self, group: Group) -> Option<Place> {
        let first = |(index, stage): (usize, &Stage)| {
            let mut places = (0..stage.candidates.len()).map(|candidate| Place { stage: index, candidate });
            places.find(|place| self.is_open(*place))
        };
        let elsewhere = |stage: &Stage| stage.group != self.stage.group;
        match group {
            Group::No => None,
            Group::Then if self.failure.class == FailureClass::BadRequest && self.failure.fault != Fault::Model => {
                self.later().filter(|(_, stage)| self.leads_on(stage) && elsewhere(stage)).find_map(first)
            }
            Group::Then => self.later().filter(|(_, stage)| self.leads_on(stage)).find_map(first),
            Group::ContentPolicy => {
                self.later().filter(|(_, stage)| self.is_for(stage, Purpose::ContentPolicy)).find_map(first)
            }
            Group::Larger => self.larger_window(),
        }
    }

    /// Whether an ordinary failure here leads on to a later stage.
    fn leads_on(&self, stage: &Stage) -> bool {
        match self.stage.purpose {
            Purpose::General => stage.purpose == Purpose::General,
            Purpose::ContextWindow => stage.purpose == Purpose::General || self.is_sibling(stage),
            Purpose::ContentPolicy => self.is_sibling(stage),
        }
    }

    fn is_sibling(&self, stage: &Stage) -> bool {
        stage.purpose == self.stage.purpose && stage.from == self.stage.from
    }

    fn is_for(&self, stage: &Stage, purpose: Purpose) -> bool {
        stage.purpose == purpose && stage.from == self.stage.group
    }

    /// A next level of the same group with a larger window; else what is configured for prompts too long for this group; else
    /// whatever an ordinary failure would lead to, as far as it is not known to be as small.
    fn larger_window(&self) -> Option<Place> {
        let configured = self.later().any(|(_, stage)| self.is_for(stage, Purpose::ContextWindow));
        let leads = |stage: &Stage| {
            if stage.group == self.stage.group && self.leads_on(stage) {
                Some(false)
            } else if self.is_for(stage, Purpose::ContextWindow) || (!configured && self.leads_on(stage)) {
                Some(true)
            } else {
                None
            }
        };
        self.later().find_map(|(index, stage)| {
            let unknown_will_do = leads(stage)?;
            let place = |candidate| Place { stage: index, candidate };
            let fits = |place: &Place| self.is_open(*place) && self.is_larger(*place).unwrap_or(unknown_will_do);
            (0..stage.candidates.len()).map(place).find(fits)
        })
    }

    /// Whether a candidate takes a longer prompt than the one that failed; `None` where that is not known.
    fn is_larger(&self, place: Place) -> Option<bool> {
        let window = |place: Place| self.plan.candidate(place).and_then(|candidate| candidate.window);
        Some(window(place)? > window(self.place)?)
    }

    /// Whether a place is one to go on to: not tried yet, and neither resting nor ruled out.
    fn is_open(&self, place: Place) -> bool {
        let is_open = |it: &Candidate| it.rests_until_ms.is_none() && !it.ruled_out;
        !self.tried.contains(&place) && self.plan.candidate(place).is_some_and(is_open)
    }

    fn least_tried(&self) -> Place {
        let times = |place: &Place| self.tried.iter().filter(|tried| *tried == place).count();
        let is_out = |place: &Place| self.plan.candidate(*place).is_none_or(|candidate| candidate.ruled_out);
        let of_level = self.plan.places().filter(|place| self.is_here(*place) && !is_out(place));
        of_level.min_by_key(times).unwrap_or(self.place)
    }

    /// Whether the wait that the provider asks for, if any, may be waited out with the client on the line.
    fn is_short(&self) -> bool {
        self.failure.retry_after_ms.is_none_or(|wait_ms| wait_ms <= self.rules.max_wait_ms)
    }

    /// LiteLLM's waits: what the provider asks for, else half a second doubled each time up to eight, and some jitter.
    fn backoff_ms(&self) -> u64 {
        let doubled = u32::try_from(self.attempts().saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        let wait_ms = self.failure.retry_after_ms.unwrap_or_else(|| (FIRST_BACKOFF_MS << doubled).min(MAX_BACKOFF_MS));
        wait_ms + self.chance % JITTER_MS
    }
}
