//! Figures for Envoy's statistics, collected between ticks, so that a request makes no host call for them.
//!
//! How a statistic's name and its labels are written together is the matter of `filter::metrics`, which tells Envoy.
//!
//! **Invariant:** there are as many statistics as deployments times measures, whatever clients send.

use std::collections::BTreeMap;

use crate::chat::FailureClass;

/// What is counted of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Attempts that served.
    Served,
    /// Attempts that failed, by class.
    Failed(FailureClass),
    /// Attempts that the client did not wait for.
    Abandoned,
    /// Cooldowns that began.
    Cooldowns,
    /// Requests of a client that were refused to it.
    Refused,
    /// Input tokens.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Cost, in billionths of a US dollar.
    CostNanos,
}

impl Measure {
    /// The statistic's name, and its label beside the deployment.
    #[must_use]
    pub const fn name(self) -> (&'static str, Option<(&'static str, &'static str)>) {
        match self {
            Self::Served => ("attempts", Some(("outcome", "served"))),
            Self::Failed(class) => ("attempts", Some(("outcome", class.as_str()))),
            Self::Abandoned => ("attempts", Some(("outcome", "abandoned"))),
            Self::Refused => ("attempts", Some(("outcome", "refused"))),
            Self::Cooldowns => ("cooldowns", None),
            Self::InputTokens => ("tokens", Some(("type", "input"))),
            Self::OutputTokens => ("tokens", Some(("type", "output"))),
            Self::CostNanos => ("cost_nanodollars", None),
        }
    }

    /// The statistic's name where it is of a client.
    #[must_use]
    pub const fn of_client(self) -> &'static str {
        match self {
            Self::Served | Self::Failed(_) | Self::Abandoned | Self::Refused | Self::Cooldowns => "client_requests",
            Self::InputTokens | Self::OutputTokens => "client_tokens",
            Self::CostNanos => "client_cost_nanodollars",
        }
    }
}

/// What one worker has counted and not reported yet.
#[derive(Debug, Default)]
pub struct Counters(BTreeMap<(usize, Measure), u64>);

impl Counters {
    /// Adds to a measure of a deployment, by its index.
    pub fn add(&mut self, deployment: usize, measure: Measure, by: u64) {
        if by > 0 {
            let count = self.0.entry((deployment, measure)).or_default();
            *count = count.saturating_add(by);
        }
    }

    /// Takes everything that was counted.
    pub fn take(&mut self) -> impl Iterator<Item = (usize, Measure, u64)> + use<> {
        std::mem::take(&mut self.0).into_iter().map(|((deployment, measure), count)| (deployment, measure, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_until_they_are_taken() {
        let mut counters = Counters::default();
        counters.add(1, Measure::InputTokens, 3);
        counters.add(1, Measure::InputTokens, 4);
        counters.add(0, Measure::Failed(FailureClass::RateLimit), 1);
        counters.add(0, Measure::CostNanos, 0);
        let taken: Vec<_> = counters.take().collect();
        assert_eq!(taken, [(0, Measure::Failed(FailureClass::RateLimit), 1), (1, Measure::InputTokens, 7)]);
        assert_eq!(counters.take().count(), 0);
    }
}
