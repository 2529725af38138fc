//! What routers chose, counted for Envoy's statistics: told at ticks like everything else.
//!
//! **Invariant:** as many statistics as there are routers, classes and causes, whatever clients send.

use std::collections::HashMap;

use super::{Change, MetricUpdate, named};
use crate::config::model::{RouterConfig, header_text};
use crate::routing::model_router::{Decision, Label};

/// What one worker has counted and not told yet.
#[derive(Debug, Default)]
pub(in crate::filter) struct Decisions {
    counts: HashMap<(usize, Label, &'static str), u64>,
    /// Of configurations that are in force no more.
    left: Vec<MetricUpdate>,
}

impl Decisions {
    /// Counts a choice of the configuration in force.
    pub(in crate::filter) fn add(&mut self, decision: &Decision) {
        let count = self.counts.entry((decision.router, decision.label, decision.cause.as_str())).or_default();
        *count = count.saturating_add(1);
    }

    /// Another configuration comes into force: its routers have other numbers.
    pub(in crate::filter) fn leave(&mut self, config: &RouterConfig) {
        self.left = self.drain(config);
    }

    /// All that was counted.
    pub(in crate::filter) fn drain(&mut self, config: &RouterConfig) -> Vec<MetricUpdate> {
        let mut told = std::mem::take(&mut self.left);
        for ((router, label, cause), count) in std::mem::take(&mut self.counts) {
            let Some(router) = config.routers.get(router) else { continue };
            let (kind, class, name) = (label.kind(), label.as_str(), header_text(&router.name));
            let name = named(config, "decisions", &[(kind, class), ("cause", cause), ("router", &name)]);
            told.push(MetricUpdate { name, change: Change::Add(count) });
        }
        told
    }
}
