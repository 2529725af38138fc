//! What was spent under one budget: a window and its sum, under `spend/deployment/ID` or `spend/provider/NAME`.
//!
//! A window begins with its first cost and ends after the budget's time, as in LiteLLM. It is lost when Envoy ends.

use super::store::{Reader, Record, Writer};
use crate::config::model::Budget;

const FORMAT: u8 = 1;

/// What was spent under one budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spend {
    /// Unix milliseconds; 0: none has begun.
    started_ms: u64,
    /// Billionths of a US dollar.
    nanos: u64,
}

impl Spend {
    /// Adds a cost, in billionths of a US dollar.
    pub(super) const fn add(&mut self, nanos: u64, budget: &Budget, now_ms: u64) {
        if self.ends_ms(budget) <= now_ms {
            self.started_ms = now_ms;
            self.nanos = 0;
        }
        self.nanos = self.nanos.saturating_add(nanos);
    }

    const fn ends_ms(&self, budget: &Budget) -> u64 {
        if self.started_ms == 0 { 0 } else { self.started_ms.saturating_add(budget.period_ms) }
    }

    /// Until when the budget is used up (0: it is not), and the share that is used.
    pub(super) fn used(&self, owed_nanos: u64, budget: &Budget, now_ms: u64) -> (u64, f32) {
        let mut now = *self;
        if owed_nanos > 0 || now.ends_ms(budget) <= now_ms {
            now.add(owed_nanos, budget, now_ms);
        }
        let share = now.nanos as f32 / budget.max_nanos.max(1) as f32;
        if now.nanos >= budget.max_nanos {
            (now.ends_ms(budget).max(now_ms.saturating_add(1)), share.max(1.0))
        } else {
            (0, share)
        }
    }
}

impl Record for Spend {
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.u64(self.started_ms);
        writer.u64(self.nanos);
        writer.done()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, FORMAT)?;
        let record = Self { started_ms: reader.u64()?, nanos: reader.u64()? };
        reader.done()?;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_with_its_first_cost_and_ends_after_its_time() {
        let budget = Budget { max_nanos: 100, period_ms: 1_000 };
        let mut spend = Spend::default();
        assert_eq!(spend.used(0, &budget, 5_000), (0, 0.0));
        spend.add(60, &budget, 5_000);
        assert_eq!(spend.used(0, &budget, 5_900), (0, 0.6));
        assert_eq!(spend.used(40, &budget, 5_900), (6_000, 1.0), "what is not written yet counts");
        spend.add(90, &budget, 5_900);
        assert_eq!(spend.used(0, &budget, 5_999), (6_000, 1.5));
        assert_eq!(spend.used(0, &budget, 6_000), (0, 0.0), "over");
        assert_eq!(spend.used(7, &budget, 6_000), (0, 0.07));
        spend.add(10, &budget, 6_500);
        assert_eq!(spend.used(0, &budget, 7_499), (0, 0.1), "the next one began with its own first cost");
        spend.add(u64::MAX, &budget, 6_600);
        assert_eq!(spend.used(u64::MAX, &budget, 6_600).0, 7_500);
        assert_eq!(Spend::from_bytes(&spend.to_bytes()), Some(spend));
    }
}
