//! One budget in one worker's memory: the spend that shared data held last, and what is not written there yet.
//!
//! Costs are known when an attempt ends, so the requests in flight when a budget is reached overspend it, as in LiteLLM.

use super::deployment::DeploymentRecord;
use super::spend::Spend;
use super::store::{self, StateStore, update};
use crate::config::model::Budget;

/// One budget, which several deployments may share.
#[derive(Debug)]
pub(super) struct BudgetMeter {
    key: String,
    budget: Budget,
    spend: Spend,
    owed_nanos: u64,
}

impl BudgetMeter {
    /// The meters of some deployments, each of which learns the places of its own. What `before` owed is kept.
    pub(super) fn all<'a>(mut before: Vec<Self>, records: impl Iterator<Item = &'a mut DeploymentRecord>) -> Vec<Self> {
        let mut meters: Vec<Self> = Vec::new();
        for record in records {
            record.meters.clear();
            for (key, budget) in &record.account.budgets {
                let place = meters.iter().position(|meter| meter.key == *key).unwrap_or_else(|| {
                    let old = before.extract_if(.., |meter| meter.key == *key).next();
                    let (spend, owed_nanos) = old.map_or_else(Default::default, |old| (old.spend, old.owed_nanos));
                    meters.push(Self { key: key.clone(), budget: *budget, spend, owed_nanos });
                    meters.len() - 1
                });
                // A deployment that is no longer configured keeps its old budget; the configured one's counts.
                if let (Some(meter), true) = (meters.get_mut(place), record.index.is_some()) {
                    meter.budget = *budget;
                }
                record.meters.push(place);
            }
        }
        meters
    }

    pub(super) const fn spend(&mut self, nanos: u64) {
        self.owed_nanos = self.owed_nanos.saturating_add(nanos);
    }

    pub(super) fn read(&mut self, store: &dyn StateStore) {
        self.spend = store::load(store, &self.key);
    }

    /// Writes what is owed. Returns whether there was anything, and that was possible.
    pub(super) fn write(&mut self, store: &dyn StateStore, now_ms: u64) -> bool {
        if self.owed_nanos == 0 {
            return false;
        }
        let (owed_nanos, budget) = (self.owed_nanos, self.budget);
        let written = update(store, &self.key, |spend: &mut Spend| {
            spend.add(owed_nanos, &budget, now_ms);
            Ok::<_, ()>(true)
        });
        let Ok(spend) = written else { return false };
        self.spend = spend;
        self.owed_nanos = 0;
        true
    }

    /// Until when the budget is used up (0: it is not), and the share that is used.
    pub(super) fn used(&self, now_ms: u64) -> (u64, f32) {
        self.spend.used(self.owed_nanos, &self.budget, now_ms)
    }
}
