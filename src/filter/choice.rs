//! Where a flight goes next: what a failure would lead to is chosen when an attempt begins, because Envoy may see the failure first, and
//! again when one is known.
//!
//! A plan is as old as its request: meanwhile others may have filled a deployment, or found it ill. So before Envoy is told, the
//! worker leads the flight past such ([`Flight::pass_over`]).
//!
//! **Invariant:** a flight that had somewhere to go still has.

use super::expressible::{is_foreign, translate};
use super::patience::Way;
use super::{Api, Flight};
use crate::chat::{ApiError, Failure};
use crate::config::model::{DeploymentIndex, GroupIndex};
use crate::routing::Place;
use crate::routing::failover::{self, Next, Rules};

impl Flight {
    /// Presets where Envoy goes if the open attempt fails like this, or, if it has failed, where it goes: then to somebody whose dialect
    /// can say the request.
    pub(super) fn choose(&mut self, failure: &Failure) {
        self.prefer(failure);
        if !self.open {
            self.make_sure();
        }
    }

    /// Makes sure that the request can be said where it goes next, and leads past whom it cannot be said to. Until then only a failure
    /// that is feared leads there, which seldom comes. Returns whether it goes elsewhere now.
    pub(super) fn make_sure(&mut self) -> bool {
        let mut moved = false;
        while let Some((place, _)) = self.preset {
            if self.translate(place).is_ok() {
                return moved;
            }
            let is_new = self.plan.candidate_mut(place).is_some_and(|it| !std::mem::replace(&mut it.ruled_out, true));
            // The same deployment may be chosen again although it is ruled out: a retry asks nobody else.
            let Some(failure) = self.feared.take().filter(|_| is_new) else {
                self.preset = None;
                return true;
            };
            self.prefer(&failure);
            moved = true;
        }
        moved
    }

    /// Translates the request for a place, where that speaks another dialect, and keeps it for the attempt.
    pub(super) fn translate(&mut self, place: Place) -> Result<(), ApiError> {
        let is_there = self.translated.as_ref().is_some_and(|(of, _)| *of == place);
        if is_there || self.is_checked || self.api != Api::Chat {
            return Ok(());
        }
        let Some((candidate, deployment)) = self.deployment(place).filter(|(_, it)| is_foreign(it)) else {
            return Ok(());
        };
        let model = candidate.model.as_ref().unwrap_or(&deployment.model);
        let encoded = translate(&self.body, deployment, model)?;
        self.translated = Some((place, encoded));
        Ok(())
    }

    fn prefer(&mut self, failure: &Failure) {
        let chance = self.random.next();
        self.preset = match self.next(failure, chance) {
            Next::Try(place, wait_ms) => Some((place, wait_ms)),
            Next::GiveUp => None,
        };
        self.choose_way(failure);
        self.feared = Some(failure.clone());
    }

    /// Whether the plan's first candidate is what is tried next, and is this one.
    pub(super) fn begins_with(&self, deployment: DeploymentIndex) -> bool {
        let first = Place { stage: 0, candidate: 0 };
        let of_first = self.plan.candidate(first).map(|candidate| candidate.deployment);
        of_first == Some(deployment) && self.preset.is_some_and(|(place, _)| place == first)
    }

    /// The deployment that a failure would lead to, where the flight has not been there, and whether it is known to rest: then nobody
    /// better is left.
    #[must_use]
    pub fn next_deployment(&self) -> Option<(GroupIndex, DeploymentIndex, bool)> {
        let (place, _) = self.preset.filter(|(place, _)| !self.tried.contains(place))?;
        let candidate = self.plan.candidate(place)?;
        Some((self.plan.group(place)?, candidate.deployment, candidate.rests_until_ms.is_some()))
    }

    /// Chooses again, past the preset, which rests until then, Unix milliseconds. It may be chosen again as the last resort. Returns whether
    /// that was possible.
    pub fn pass_over(&mut self, until_ms: u64) -> bool {
        let (Some((place, _)), Some(failure)) = (self.preset, self.feared.take()) else { return false };
        self.plan.candidate_mut(place).into_iter().for_each(|it| it.rests_until_ms = Some(until_ms));
        self.choose(&failure);
        true
    }

    /// Chooses again, past the preset, which has reached a limit that binds. Returns whether anybody else is left: if not, it stays the
    /// preset, because a request is better sent over a limit than not at all.
    pub fn rule_out(&mut self) -> bool {
        let (Some(full), way, Some(failure)) = (self.preset, self.way, self.feared.take()) else { return false };
        let set = |flight: &mut Self, out| {
            flight.plan.candidate_mut(full.0).into_iter().for_each(|it| it.ruled_out = out);
        };
        set(self, true);
        self.choose(&failure);
        let found = self.preset.is_some_and(|(place, _)| place != full.0 && !self.tried.contains(&place));
        if !found {
            set(self, false);
            (self.preset, self.way) = (Some(full), way);
        }
        found
    }

    /// Whether a failure like this would have somewhere to go.
    pub(super) fn has_alternative(&self, failure: &Failure) -> bool {
        self.next(failure, 0) != Next::GiveUp
    }

    fn next(&self, failure: &Failure, chance: u64) -> Next {
        if self.way_taken == Way::LastRelay {
            return Next::GiveUp;
        }
        // Envoy's time for an attempt passes while it is held back: what is left must do for an answer.
        let longest_ms = self.per_try_ms / 2;
        let rules = Rules::of(&self.config.signalbox);
        // The failure in hand stands among the causes once its attempt is over.
        let in_hand = usize::from(!self.open && failure.is_unexplained());
        let unexplained = self.causes.iter().filter(|(_, failure)| failure.is_unexplained()).count();
        let another_provider = unexplained <= in_hand;
        let rules = Rules { max_wait_ms: rules.max_wait_ms.min(longest_ms), another_provider, ..rules };
        match failover::next_or_again(&self.plan, &self.tried, &self.causes, failure, &rules, chance) {
            Next::Try(place, wait_ms) => Next::Try(place, wait_ms.min(longest_ms)),
            Next::GiveUp => Next::GiveUp,
        }
    }
}
