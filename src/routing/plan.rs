//! The plan of one request: stages of candidates, the asked group's first, and every deployment that was excluded.
//!
//! A plan is its own explanation: each candidate carries the figure that ranked it, and any that is missing stands among the excluded
//! with the reason. A deployment that is only deferred stands there too, and in a last stage of its own.

use super::exclusion::{Excluded, Exclusion};
use super::resolve::By;
use super::strategy::RankReason;
use crate::config::model::{DeploymentIndex, GroupIndex, RetryPolicy};
use crate::provider::Provider;

/// One deployment that may serve, and the name of the model there.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which one.
    pub deployment: DeploymentIndex,
    /// Its provider.
    pub provider: Option<&'static Provider>,
    /// The client's request is translated for it, so that a refusal may be of what we made of it.
    pub is_translated: bool,
    /// The model's name where it is not the deployment's own (wildcards).
    pub model: Option<String>,
    /// The longest prompt it takes, in tokens, where that is known.
    pub window: Option<u64>,
    /// What ranked it.
    pub reason: RankReason,
    /// It rests until then, Unix milliseconds, or has no room: a failure leads past it, and to it only where nobody else is left.
    pub rests_until_ms: Option<u64>,
    /// It is not to be asked in this request any more: a failure told that it could not serve it, or a limit of it binds.
    pub ruled_out: bool,
}

/// What leads to a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// It serves the request, or a failure of most classes leads on to it.
    #[default]
    General,
    /// `context_window_fallbacks`: only a prompt that was too long leads to it.
    ContextWindow,
    /// `content_policy_fallbacks`: only content that was refused leads to it.
    ContentPolicy,
}

/// Candidates that are tried before the next stage: one group, one level of `order`, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// The group. Its deployments may belong to other groups too (`routing_groups`).
    pub group: GroupIndex,
    /// What leads to it.
    pub purpose: Purpose,
    /// Where that happened, for a purpose other than the general one.
    pub from: GroupIndex,
    /// The level of `order` within the group.
    pub order: Option<i64>,
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// How many attempts may follow the first in this stage.
    pub retries: u32,
    /// `retry_policy`, unless the request says that nothing is to be retried.
    pub policy: Option<RetryPolicy>,
}

impl Stage {
    /// Whether another stage is of the same level of the same group, for the same purpose: one that rests there has a stage of its own.
    #[must_use]
    pub fn is_level_of(&self, other: &Self) -> bool {
        (self.group, self.purpose, self.from, self.order) == (other.group, other.purpose, other.from, other.order)
    }

    /// Whether it is only for deployments that rest.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.candidates.iter().all(|candidate| candidate.rests_until_ms.is_some())
    }
}

/// Where in a plan an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Plan::stages`].
    pub stage: usize,
    /// Index into [`Stage::candidates`].
    pub candidate: usize,
}

/// What will be tried, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The group that was asked for; a stage of another one is a fallback.
    pub asked: GroupIndex,
    /// Which rule knew the model's name.
    pub by: By,
    /// The stages, never empty.
    pub stages: Vec<Stage>,
    /// Which deployments are not in it, and why.
    pub excluded: Vec<Excluded>,
}

impl Plan {
    /// The candidate at a place.
    #[must_use]
    pub fn candidate(&self, place: Place) -> Option<&Candidate> {
        self.stages.get(place.stage)?.candidates.get(place.candidate)
    }

    /// The candidate at a place, to be changed.
    pub fn candidate_mut(&mut self, place: Place) -> Option<&mut Candidate> {
        self.stages.get_mut(place.stage)?.candidates.get_mut(place.candidate)
    }

    /// All places, in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        let of =
            |(stage, it): (usize, &Stage)| (0..it.candidates.len()).map(move |candidate| Place { stage, candidate });
        self.stages.iter().enumerate().flat_map(of)
    }

    /// The group of a place.
    #[must_use]
    pub fn group(&self, place: Place) -> Option<GroupIndex> {
        self.stages.get(place.stage).map(|stage| stage.group)
    }

    /// All candidates, in order.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.stages.iter().flat_map(|stage| &stage.candidates)
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// No rule knows the model's name.
    UnknownModel,
    /// Nobody in the group or its fallbacks may be asked.
    NoneMayServe {
        /// The group that was asked for.
        group: GroupIndex,
        /// Which rule knew its name.
        by: By,
        /// The reason to tell.
        why: Exclusion,
        /// All reasons.
        excluded: Vec<Excluded>,
    },
}

impl Refusal {
    /// Which deployments may not be asked, and why.
    #[must_use]
    pub fn excluded(&self) -> &[Excluded] {
        match self {
            Self::UnknownModel => &[],
            Self::NoneMayServe { excluded, .. } => excluded,
        }
    }
}
