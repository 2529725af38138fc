//! The plan of one request: stages of candidates, the asked group's first, and everybody who was left out.
//!
//! A plan is its own explanation: each candidate carries the figure that ranked it, and whoever is missing stands among the left
//! out with the reason.

use super::exclusion::{Exclusion, LeftOut};
use super::resolve::By;
use super::strategy::Figure;
use crate::config::model::{DeploymentIndex, GroupIndex, RetryPolicy};

/// One deployment that may serve, and the name of the model there.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Which one.
    pub deployment: DeploymentIndex,
    /// The model's name where it is not the deployment's own (wildcards).
    pub model: Option<String>,
    /// The longest prompt it takes, in tokens, where that is known.
    pub window: Option<u64>,
    /// What ranked it.
    pub figure: Figure,
    /// It has filled up, or begun to cool, since the plan was made: a failure leads past it.
    pub passed_over: bool,
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
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// How many attempts may follow the first in this stage.
    pub retries: u32,
    /// `retry_policy`, unless the request says that nothing is to be retried.
    pub policy: Option<RetryPolicy>,
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
    /// Who is not in it, and why.
    pub left_out: Vec<LeftOut>,
}

impl Plan {
    /// The candidate at a place.
    #[must_use]
    pub fn candidate(&self, place: Place) -> Option<&Candidate> {
        self.stages.get(place.stage)?.candidates.get(place.candidate)
    }

    /// Lets failures lead past a candidate from now on, or no longer.
    pub fn pass_over(&mut self, place: Place, passed_over: bool) {
        let stage = self.stages.get_mut(place.stage);
        if let Some(candidate) = stage.and_then(|stage| stage.candidates.get_mut(place.candidate)) {
            candidate.passed_over = passed_over;
        }
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
        left_out: Vec<LeftOut>,
    },
}
