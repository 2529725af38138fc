//! How attempts end, as values for the state and Envoy's statistics.
//!
//! **Invariant:** an attempt that began has one [`Ending`].

use crate::catalogue::Usd;
use crate::chat::Usage;
use crate::config::model::DeploymentIndex;
use crate::state::{Measure, Outcome, Tally};

/// What the state learns of a flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// An attempt at a deployment began.
    Began(DeploymentIndex),
    /// It ended. Each attempt that began has one of these.
    Ended(Ending),
    /// A deployment refuses a member of the body that the gateway had added.
    Refused {
        /// The deployment's id.
        id: String,
        /// The member.
        member: String,
    },
}

/// How an attempt ended, for the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Whose attempt it was.
    pub deployment: DeploymentIndex,
    /// How it ended.
    pub outcome: Outcome,
    /// Tokens used, where the provider said so.
    pub usage: Option<Usage>,
    /// What they cost, where the price is known.
    pub cost: Option<Usd>,
    /// How long it took until its last byte, in milliseconds.
    pub took_ms: u64,
    /// How long it took until the first token of a stream, in milliseconds.
    pub first_token_ms: Option<u64>,
}

impl Ending {
    /// Counts it for Envoy's statistics.
    pub fn count(&self, tally: &mut Tally, deployment: DeploymentIndex) {
        let mut add = |measure, by| tally.add(deployment, measure, by);
        match &self.outcome {
            Outcome::Served => add(Measure::Served, 1),
            Outcome::Failed(failure) => add(Measure::Failed(failure.class), 1),
            Outcome::Abandoned => add(Measure::Abandoned, 1),
        }
        let usage = self.usage.unwrap_or_default();
        add(Measure::InputTokens, usage.prompt_tokens);
        add(Measure::OutputTokens, usage.completion_tokens);
        add(Measure::CostNanos, self.cost.map_or(0, Usd::nanos));
    }
}
