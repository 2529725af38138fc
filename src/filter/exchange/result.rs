//! What came of attempts, as values for the state and Envoy's statistics.

use crate::catalogue::Usd;
use crate::chat::Usage;
use crate::config::model::DeploymentIndex;
use crate::state::{Counters, Measure, Outcome, Reservation};

/// What the state learns of a flight.
#[derive(Debug, PartialEq, Eq)]
pub enum Report {
    /// An attempt ended.
    Ended(AttemptResult),
    /// A deployment refuses a member of the body that the gateway had added.
    Refused {
        /// The deployment's id.
        id: String,
        /// The member.
        member: String,
    },
}

/// How an attempt ended.
#[derive(Debug, PartialEq, Eq)]
pub struct AttemptResult {
    /// The deployment of the attempt.
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
    /// Its reservation; `None`: its beginning was not recorded yet.
    pub reservation: Option<Reservation>,
}

impl AttemptResult {
    /// Counts it for Envoy's statistics.
    pub fn count(&self, counters: &mut Counters, deployment: DeploymentIndex) {
        let mut add = |measure, by| counters.add(deployment, measure, by);
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
