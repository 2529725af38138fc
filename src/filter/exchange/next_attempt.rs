//! Selecting the next attempt: what a failure would lead to is selected when an attempt begins, because Envoy may see the failure first, and
//! again when one is known.
//!
//! A plan is as old as its request: meanwhile others may have filled a deployment, or found it ill. So before Envoy is told, the
//! worker leads the flight past such ([`Flight::pass_over`]).
//!
//! **Invariant:** a flight that had somewhere to go still has.

use super::super::foreign::translate;
use super::{Flight, Way};
use crate::chat::{ApiError, Failure, FailureClass};
use crate::config::model::{Deployment, DeploymentIndex, GroupIndex};
use crate::dialect::Encoded;
use crate::routing::Place;

impl Flight {
    /// Selects where Envoy goes if the open attempt fails like this, or, if it has failed, where it goes: then to a deployment
    /// whose dialect can say the request.
    pub(in crate::filter) fn select_next(&mut self, failure: &Failure) {
        self.cursor.prefer(&self.request, &self.stage, failure);
        if !self.is_open() {
            self.make_sure();
        }
    }

    /// Makes sure that the request can be said where it goes next, and leads past deployments to which it cannot. Until then only a failure
    /// that may come leads there, which seldom does. Returns whether it goes elsewhere now.
    pub(in crate::filter) fn make_sure(&mut self) -> bool {
        let mut moved = false;
        while let Some((place, _)) = self.cursor.next() {
            if self.translate(place).is_ok() {
                return moved;
            }
            let Some(failure) = self.cursor.rule_next_out() else { return true };
            self.cursor.prefer(&self.request, &self.stage, &failure);
            moved = true;
        }
        moved
    }

    /// Translates the request for a place, where that speaks another dialect, and keeps it for the attempt.
    pub(in crate::filter) fn translate(&mut self, place: Place) -> Result<(), ApiError> {
        let is_there = self.translated.as_ref().is_some_and(|(of, _)| *of == place);
        if is_there || self.is_checked {
            return Ok(());
        }
        let Some((candidate, deployment)) = self.deployment(place).filter(|(_, it)| self.is_foreign(it)) else {
            return Ok(());
        };
        let model = candidate.model.as_ref().unwrap_or(&deployment.model);
        let encoded = translate(self.api, self.body(), deployment, model, self.flags.as_deref())?;
        self.translated = Some((place, encoded));
        Ok(())
    }

    /// The request in the dialect of a place, where it was translated for that.
    pub(in crate::filter) fn take_translated(&mut self, place: Place) -> Option<Encoded> {
        self.translated.take().filter(|(of, _)| *of == place).map(|(_, encoded)| encoded)
    }

    /// Where Envoy went, and how: where it was told to. `None`: the cluster that it took says otherwise, or nothing was to follow.
    pub(in crate::filter) fn taken(&self, cluster: Option<&str>) -> (Option<(Place, u64)>, Way) {
        let way = match cluster {
            Some(cluster) if cluster != super::RELAY => Way::Direct,
            _ => self.cursor.way(),
        };
        (self.cursor.taken(&self.request, cluster), way)
    }

    /// Whether another attempt follows.
    pub(in crate::filter) const fn has_next(&self) -> bool {
        self.cursor.next().is_some()
    }

    /// Nothing follows.
    pub(in crate::filter) fn stop(&mut self) {
        self.cursor.stop();
    }

    /// Whether the plan's first candidate is what is tried next, and is this one.
    pub(in crate::filter) fn begins_with(&self, deployment: DeploymentIndex) -> bool {
        self.cursor.begins_with(deployment)
    }

    /// The deployment that a failure would lead to, where the flight has not been there, and whether it is known to rest: then no
    /// better one is left.
    #[must_use]
    pub fn next_deployment(&self) -> Option<(GroupIndex, DeploymentIndex, bool)> {
        self.cursor.next_deployment()
    }

    /// Selects again, past the next one, which rests until then, Unix milliseconds. It may be selected again as the last resort. Returns
    /// whether that was possible.
    pub fn pass_over(&mut self, until_ms: u64) -> bool {
        let Some(failure) = self.cursor.note_rest(until_ms) else { return false };
        self.select_next(&failure);
        true
    }

    /// Selects again, past the next one, which has reached a limit that binds. Returns whether another is left: if not, it stays the
    /// next one.
    pub fn rule_out(&mut self) -> bool {
        let Some((full, failure)) = self.cursor.note_full() else { return false };
        self.select_next(&failure);
        self.cursor.accept_full(full)
    }

    /// Whether a failure like this would have somewhere to go.
    pub(in crate::filter) fn has_alternative(&self, failure: &Failure) -> bool {
        self.cursor.has_alternative(&self.request, &self.stage, failure)
    }

    /// How long the relay gives an attempt at a deployment until its head.
    pub(in crate::filter) fn relayed_ms(&self, deployment: &Deployment) -> u64 {
        let limits = self.limits(deployment);
        let silence = Failure::local(FailureClass::Timeout, String::new());
        if self.has_alternative(&silence) { limits.leave_ms } else { limits.last_ms }
    }

    /// A mock failure stands in for the first attempt: selects what follows on it. Returns whether anything does.
    pub(in crate::filter) fn mock(&mut self, failure: Failure, is_beyond_asked: bool) -> bool {
        self.cursor.begin_mock();
        if is_beyond_asked {
            while let Some(place) = self.cursor.go_beyond_asked(&self.request, &failure) {
                if self.translate(place).is_ok() {
                    break;
                }
                self.cursor.set_ruled_out(place, true);
            }
        } else {
            self.select_next(&failure);
        }
        self.cursor.end_mock(failure);
        self.has_next()
    }
}
