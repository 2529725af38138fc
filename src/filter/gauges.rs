//! What Envoy's statistics are told at a tick: counts since the last one, and gauges that changed.
//!
//! Every worker knows the load of all, so each tells a gauge's whole value and none has to be added up.

use std::collections::HashMap;

use crate::config::model::RouterConfig;
use crate::state::{Measure, Seen, Standing, Tally};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The statistic's name.
    pub name: String,
    /// What becomes of it.
    pub change: Change,
}

/// What becomes of a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A counter grows.
    Add(u64),
    /// A gauge is set.
    Set(u64),
}

/// The gauges as they were told last.
#[derive(Debug, Default)]
pub struct Gauges(HashMap<usize, (u32, u64)>);

impl Gauges {
    /// What is to be told now. A deployment's gauges exist from its first request on.
    pub fn told(&mut self, config: &RouterConfig, tally: &mut Tally, seen: &[Seen]) -> Vec<Told> {
        let id = |index: usize| config.deployments.get(index).map(|deployment| deployment.id.as_str());
        let name = |index, measure: Measure| id(index).map(|id| measure.name(id));
        let counts = tally
            .take()
            .filter_map(|(index, measure, by)| Some(Told { name: name(index, measure)?, change: Change::Add(by) }));
        let mut told: Vec<Told> = counts.collect();
        for (index, seen) in seen.iter().enumerate() {
            let now = (seen.in_flight, standing(seen.standing));
            let before = self.0.get(&index).copied().unwrap_or_default();
            if now == before {
                continue;
            }
            self.0.insert(index, now);
            let Some(id) = id(index) else { continue };
            let mut set = |what: &str, value| {
                told.push(Told { name: format!("signalbox.{what}.deployment.{id}"), change: Change::Set(value) });
            };
            if now.0 != before.0 {
                set("in_flight", u64::from(now.0));
            }
            if now.1 != before.1 {
                set("cooling", now.1);
            }
        }
        told
    }
}

/// 0 well, 1 half-open, 2 cooling.
const fn standing(standing: Standing) -> u64 {
    match standing {
        Standing::Well => 0,
        Standing::HalfOpen { .. } => 1,
        Standing::Cooling { .. } => 2,
    }
}
