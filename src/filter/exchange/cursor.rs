//! Where a flight stands in its plan: what was tried, what failed, and what follows. Failover is decided here and nowhere else; the table is
//! in [`failover`].
//!
//! It reads the request's facts and the stage, and changes nothing but itself: no clock, no body, no host.
//!
//! **Invariant:** attempts end: each is at a place that was not tried, or counts against the retries of its level, and no request has more
//! than [`MAX_FREE`] that spend nothing.

use super::relay::RELAY;
use super::request::Request;
use super::stage::Stage;
use super::timeouts::Way;
use crate::chat::{Failure, FailureClass};
use crate::config::model::{Deployment, DeploymentIndex, GroupIndex};
use crate::routing::failover::{self, Next, Rules};
use crate::routing::strategy::Random;
use crate::routing::{Candidate, Place, Plan};

/// Attempts of one request that spend nothing. Envoy's own number of retries has room for them.
const MAX_FREE: u32 = 5;
const FIRST: Place = Place { stage: 0, candidate: 0 };

/// A flight's place in its plan.
#[derive(Debug)]
pub struct Cursor {
    plan: Plan,
    /// What was tried, in order. A mock failure is among these too.
    tried: Vec<Place>,
    /// What failed, in order.
    failures: Vec<(Place, Failure)>,
    /// Where Envoy goes if it retries now, and how long that attempt waits first. `None`: nowhere.
    next: Option<(Place, u64)>,
    /// The failure that `next` is for: one that may come, or one that came.
    next_for: Option<Failure>,
    /// How `next` is reached.
    way: Way,
    /// How the latest attempt's deployment was reached.
    way_taken: Way,
    /// How many attempts have begun, each of which has another number.
    begun: usize,
    /// Attempts that spent nothing.
    free: u32,
    /// The next attempt is one of them.
    is_again: bool,
    /// How many hosts of the latest attempt's deployment could not be reached.
    unreached: u64,
    random: Random,
}

impl Cursor {
    /// At the beginning of a plan.
    pub(in crate::filter) fn new(plan: Plan, way: Way, seed: u64) -> Self {
        Self {
            plan,
            tried: Vec::with_capacity(4),
            failures: Vec::new(),
            next: Some((FIRST, 0)),
            next_for: None,
            way,
            way_taken: Way::Direct,
            begun: 0,
            free: 0,
            is_again: false,
            unreached: 0,
            random: Random::new(seed),
        }
    }

    // --- Looking

    /// The plan, with what was ruled out since it was made.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was tried, in order.
    pub(super) fn tried(&self) -> &[Place] {
        &self.tried
    }

    /// What failed, in order.
    pub(super) fn failures(&self) -> &[(Place, Failure)] {
        &self.failures
    }

    /// Where the flight goes next, and how long it waits first.
    pub(super) const fn next(&self) -> Option<(Place, u64)> {
        self.next
    }

    /// How it gets there.
    pub(super) const fn way(&self) -> Way {
        self.way
    }

    /// How the latest attempt went.
    pub(in crate::filter) const fn way_taken(&self) -> Way {
        self.way_taken
    }

    /// How many attempts have begun.
    pub(super) const fn begun(&self) -> usize {
        self.begun
    }

    /// Any number.
    pub(in crate::filter) fn chance(&self) -> u64 {
        self.random.clone().next()
    }

    /// The candidate at a place, and its deployment.
    pub(super) fn deployment<'a>(
        &'a self,
        request: &'a Request,
        place: Place,
    ) -> Option<(&'a Candidate, &'a Deployment)> {
        let candidate = self.plan.candidate(place)?;
        Some((candidate, request.config.deployments.get(candidate.deployment)?))
    }

    /// The cluster that Envoy takes next; empty where nothing may be tried, which matches no cluster.
    pub(super) fn next_cluster<'a>(&'a self, request: &'a Request) -> &'a str {
        match self.next.and_then(|(place, _)| self.deployment(request, place)) {
            Some((_, deployment)) if self.way == Way::Direct => deployment.id.as_str(),
            Some(_) => RELAY,
            None => "",
        }
    }

    /// Whether a retry would go elsewhere than the latest attempt went, so that Envoy must be told.
    pub(in crate::filter) fn next_moves(&self) -> bool {
        self.next.map(|(place, _)| place) != self.tried.last().copied() || self.way != self.way_taken
    }

    /// Whether the plan's first candidate is what is tried next, and is this one.
    pub(super) fn begins_with(&self, deployment: DeploymentIndex) -> bool {
        let of_first = self.plan.candidate(FIRST).map(|candidate| candidate.deployment);
        of_first == Some(deployment) && self.next.is_some_and(|(place, _)| place == FIRST)
    }

    /// The deployment that comes next, where the flight has not been there, and whether it is known to rest: then no better one is left.
    pub(super) fn next_deployment(&self) -> Option<(GroupIndex, DeploymentIndex, bool)> {
        let (place, _) = self.next.filter(|(place, _)| !self.tried.contains(place))?;
        let candidate = self.plan.candidate(place)?;
        Some((self.plan.group(place)?, candidate.deployment, candidate.rests_until_ms.is_some()))
    }

    /// How many fallback groups were asked.
    pub(super) fn fallbacks(&self) -> usize {
        let mut groups: Vec<GroupIndex> = Vec::new();
        for group in self.tried.iter().filter_map(|place| self.plan.group(*place)) {
            if group != self.plan.asked && !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups.len()
    }

    /// Where Envoy went: where it was told to. `None`: the cluster that it took says otherwise, or nothing was to follow.
    pub(super) fn taken(&self, request: &Request, cluster: Option<&str>) -> Option<(Place, u64)> {
        let is_there = |place: Place| {
            let is_it = |id: &str| cluster.is_none_or(|cluster| cluster == id || cluster == RELAY);
            self.deployment(request, place).is_some_and(|(_, deployment)| is_it(&deployment.id))
        };
        self.next.filter(|(place, _)| is_there(*place))
    }

    // --- Moving

    /// An attempt begins there. Returns its number.
    pub(super) fn begin(&mut self, place: Place, way: Way) -> usize {
        self.begun += 1;
        if !std::mem::take(&mut self.is_again) || self.tried.last() != Some(&place) {
            self.tried.push(place);
            self.unreached = 0;
        }
        self.way_taken = way;
        self.begun
    }

    /// An attempt there failed.
    pub(super) fn fail(&mut self, request: &Request, place: Place, failure: Failure) {
        failover::rule_out(&mut self.plan, place, &failure, &request.rules());
        self.failures.push((place, failure));
    }

    /// Selects where the flight goes if the open attempt fails like this, or, if none is open, where it goes now.
    pub(super) fn prefer(&mut self, request: &Request, stage: &Stage, failure: &Failure) {
        let chance = self.random.next();
        self.next = match self.after(request, stage, failure, chance) {
            Next::Try(place, wait_ms) => Some((place, wait_ms)),
            Next::GiveUp => None,
        };
        self.select_way(request, stage, failure);
        self.next_for = Some(failure.clone());
    }

    /// Asks the same deployment again, as if it had not been asked. Returns whether that may be.
    pub(super) fn again(&mut self, place: Place) -> bool {
        if self.free >= MAX_FREE {
            return false;
        }
        self.free += 1;
        self.is_again = true;
        (self.next, self.way) = (Some((place, 0)), self.way_taken);
        self.next_for = Some(Failure::local(FailureClass::Reset, ""));
        true
    }

    /// Whether an attempt has spent nothing.
    pub(super) const fn was_asked_again(&self) -> bool {
        self.free > 0
    }

    /// One more host of the latest attempt's deployment could not be reached. Returns how many that are.
    pub(super) const fn unreached(&mut self) -> u64 {
        self.unreached += 1;
        self.unreached
    }

    /// Nothing follows.
    pub(super) fn stop(&mut self) {
        self.next = None;
    }

    /// The next candidate cannot be told the request: it is ruled out. Returns the failure that led there, to select again; `None`: nothing
    /// follows any more.
    pub(super) fn rule_next_out(&mut self) -> Option<Failure> {
        let next = self.next.and_then(|(place, _)| self.plan.candidate_mut(place));
        let is_new = next.is_some_and(|next| !std::mem::replace(&mut next.ruled_out, true));
        // The same deployment may be selected again although it is ruled out: a retry asks no other.
        let failure = self.next_for.take().filter(|_| is_new);
        if failure.is_none() {
            self.next = None;
        }
        failure
    }

    /// The next candidate rests until then, Unix milliseconds; it may be selected again as the last resort. Returns the failure that led there.
    pub(super) fn note_rest(&mut self, until_ms: u64) -> Option<Failure> {
        let failure = self.next_for.take()?;
        let next = self.next.and_then(|(place, _)| self.plan.candidate_mut(place))?;
        next.rests_until_ms = Some(until_ms);
        Some(failure)
    }

    /// The next candidate is full. Returns what [`Self::accept_full`] needs, and the failure that led there.
    pub(super) fn note_full(&mut self) -> Option<((Place, u64, Way), Failure)> {
        let ((place, wait_ms), failure) = (self.next?, self.next_for.take()?);
        self.set_ruled_out(place, true);
        Some(((place, wait_ms, self.way), failure))
    }

    /// Whether another was found since [`Self::note_full`]. If not, the full one stays next, because a request is better sent over a
    /// limit than not at all.
    pub(super) fn accept_full(&mut self, (full, wait_ms, way): (Place, u64, Way)) -> bool {
        let found = self.next.is_some_and(|(place, _)| place != full && !self.tried.contains(&place));
        if !found {
            self.set_ruled_out(full, false);
            (self.next, self.way) = (Some((full, wait_ms)), way);
        }
        found
    }

    /// A mock failure stands in for the first attempt.
    pub(super) fn begin_mock(&mut self) {
        self.tried.push(FIRST);
    }

    /// Selects what follows on a failure that says that no deployment of the asked group serves.
    pub(super) fn go_beyond_asked(&mut self, request: &Request, failure: &Failure) -> Option<Place> {
        let beyond = failover::beyond_asked(&self.plan, failure, &request.rules());
        self.next = beyond.map(|place| (place, 0));
        beyond
    }

    /// The mock failure is among what failed.
    pub(super) fn end_mock(&mut self, failure: Failure) {
        self.failures.push((FIRST, failure));
    }

    /// A candidate is selected no more.
    pub(super) fn set_ruled_out(&mut self, place: Place, ruled_out: bool) {
        self.plan.candidate_mut(place).into_iter().for_each(|candidate| candidate.ruled_out = ruled_out);
    }

    // --- Deciding

    /// Whether a failure like this would have somewhere to go.
    pub(super) fn has_alternative(&self, request: &Request, stage: &Stage, failure: &Failure) -> bool {
        self.after(request, stage, failure, 0) != Next::GiveUp
    }

    fn after(&self, request: &Request, stage: &Stage, failure: &Failure, chance: u64) -> Next {
        if self.way_taken == Way::LastRelay {
            return Next::GiveUp;
        }
        // Envoy's time for an attempt passes while it is held back: what is left must do for an answer.
        let longest_ms = request.per_try_ms / 2;
        let rules = request.rules();
        // The failure in hand stands among the failures once its attempt is over.
        let in_hand = usize::from(stage.open().is_none() && failure.is_unexplained());
        let unexplained = self.failures.iter().filter(|(_, failure)| failure.is_unexplained()).count();
        let another_provider = unexplained <= in_hand;
        let rules = Rules { max_wait_ms: rules.max_wait_ms.min(longest_ms), another_provider, ..rules };
        match failover::next_or_again(&self.plan, &self.tried, &self.failures, failure, &rules, chance) {
            Next::Try(place, wait_ms) => Next::Try(place, wait_ms.min(longest_ms)),
            Next::GiveUp => Next::GiveUp,
        }
    }

    /// How what follows on a failure goes to its place. Where silence has left nothing but the deployment that was silent last, and
    /// Envoy gave it less time than it may have, that one is asked again.
    fn select_way(&mut self, request: &Request, stage: &Stage, failure: &Failure) {
        if request.is_held_whole() {
            self.way = Way::Relay;
            return;
        }
        self.way = Way::Direct;
        let is_silence = failure.class == FailureClass::Timeout && failure.status == 0;
        let is_over = stage.is_answered() || self.way_taken == Way::LastRelay;
        let place = self.next.map(|(place, _)| place).or(self.tried.last().copied());
        let is_case = |place: &Place| is_silence && !is_over && self.is_cut_short(request, *place);
        let Some(place) = place.filter(is_case) else { return };
        if self.next.is_none() || self.is_end(request, place, failure) {
            self.next = Some((place, 0));
            self.way = Way::LastRelay;
        }
    }

    /// Whether Envoy's timer gives a place less time than it may have as the last one.
    fn is_cut_short(&self, request: &Request, place: Place) -> bool {
        let Some((candidate, deployment)) = self.deployment(request, place) else { return false };
        !candidate.ruled_out && request.limits(deployment).last_ms > request.per_try_ms
    }

    /// Whether a failure like this would lead nowhere from a place that is yet to be tried.
    fn is_end(&self, request: &Request, place: Place, failure: &Failure) -> bool {
        let tried: Vec<Place> = self.tried.iter().copied().chain([place]).collect();
        failover::next(&self.plan, &tried, failure, &request.rules(), 0) == Next::GiveUp
    }
}
