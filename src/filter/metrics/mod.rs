//! What Envoy's statistics are told at a tick: counts since the last one, and gauges that changed.
//!
//! Every worker knows the load of all, so each tells a gauge's whole value and none has to be added up.

mod decisions;

pub(super) use decisions::Decisions;

use std::collections::HashMap;

use crate::config::model::{Labels, RouterConfig};
use crate::state::{Counters, DeploymentView, Health, Measure};

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricUpdate {
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
pub struct Gauges {
    told: HashMap<usize, (u32, u64)>,
    /// Of configurations that are in force no more.
    left: Vec<MetricUpdate>,
    /// What all workers keep, in KiB, where that is news.
    buffered_kib: Option<u64>,
}

impl Gauges {
    /// What is to be told now. At first every gauge is, because a VM that died may have left another value behind.
    pub fn drain(
        &mut self,
        config: &RouterConfig,
        counters: &mut Counters,
        views: &[DeploymentView],
    ) -> Vec<MetricUpdate> {
        let id = |index: usize| config.deployments.get(index).map(|deployment| deployment.id.as_str());
        // Clients stand behind the deployments.
        let client = |index: usize| config.clients.get(index.checked_sub(config.deployments.len())?);
        let count = |(index, measure, by): (usize, Measure, u64)| {
            let (what, label) = measure.name();
            let (what, of) = match id(index) {
                Some(id) => (what, ("deployment", id)),
                None => (measure.of_client(), ("client", client(index)?.name.as_str())),
            };
            let labels: Vec<_> = label.into_iter().chain([of]).collect();
            Some(MetricUpdate { name: named(config, what, &labels), change: Change::Add(by) })
        };
        let mut told = std::mem::take(&mut self.left);
        told.extend(counters.take().filter_map(count));
        let bytes = |kib: u64| kib.saturating_mul(1024);
        let buffered = self.buffered_kib.take().map(|kib| Change::Set(bytes(kib)));
        told.extend(buffered.map(|change| MetricUpdate { name: named(config, "buffered_bytes", &[]), change }));
        for (index, view) in views.iter().enumerate() {
            let Some(id) = id(index) else { continue };
            let now = (view.in_flight, health(view.health));
            let before = self.told.insert(index, now);
            let mut tell = |what: &str, value, before: Option<u64>| {
                if before != Some(value) {
                    told.push(set(config, what, id, value));
                }
            };
            tell("in_flight", u64::from(now.0), before.map(|before| u64::from(before.0)));
            tell("cooling", now.1, before.map(|before| before.1));
        }
        told
    }

    /// What all workers keep together, in KiB; `None`: as before.
    pub(super) fn buffered(&mut self, kib: Option<u64>) {
        self.buffered_kib = kib.or(self.buffered_kib);
    }

    /// Another configuration comes into force: its deployments have other numbers, and no later tick tells of those that are gone.
    pub(super) fn leave(&mut self, former: &RouterConfig, counters: &mut Counters, now: &RouterConfig) {
        let mut left = self.drain(former, counters, &[]);
        let stays = |id: &str| now.deployments.iter().any(|deployment| deployment.id == id);
        for gone in former.deployments.iter().filter(|deployment| !stays(&deployment.id)) {
            left.extend(["in_flight", "cooling"].map(|what| set(former, what, &gone.id, 0)));
        }
        *self = Self { told: HashMap::new(), left, buffered_kib: self.buffered_kib };
    }
}

fn set(config: &RouterConfig, what: &str, id: &str, value: u64) -> MetricUpdate {
    MetricUpdate { name: named(config, what, &[("deployment", id)]), change: Change::Set(value) }
}

/// A statistic's name with its labels, as what takes them apart again wants them (`generate::stats`, or Istio's bootstrap).
fn named(config: &RouterConfig, what: &str, labels: &[(&str, &str)]) -> String {
    let naming = &config.signalbox.naming;
    let mut name = "signalbox.".to_owned();
    let (before, between, after) = match naming.metrics {
        Labels::Words => (".", ".", ""),
        Labels::Istio => ("", "=.=", ";.;"),
    };
    let is_last = naming.metrics == Labels::Istio;
    if !is_last {
        name.push_str(what);
    }
    // A proxy of Istio's may run several configurations: each has statistics of its own.
    let policy = naming.clusters.trim_end_matches('.');
    let of_policy = (is_last && !policy.is_empty()).then_some(("policy", policy));
    for (label, value) in of_policy.iter().chain(labels) {
        [before, label, between, value, after].iter().for_each(|part| name.push_str(part));
    }
    if is_last {
        name.push_str(what);
    }
    name
}

/// 0 well, 1 half-open, 2 cooling.
const fn health(health: Health) -> u64 {
    match health {
        Health::Healthy => 0,
        Health::HalfOpen { .. } => 1,
        Health::Cooling { .. } => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;

    #[test]
    fn gauges_are_told_at_first_and_when_they_change() {
        let model = r#"{"model_name":"m","litellm_params":{"model":"openai/m"}}"#;
        let config = compile_json(&format!(r#"{{"model_list":[{model}]}}"#)).unwrap();
        let (mut gauges, mut counters, mut views) =
            (Gauges::default(), Counters::default(), [DeploymentView::default()]);
        let mut told = |views: &[DeploymentView]| {
            let told = gauges.drain(&config, &mut counters, views).into_iter();
            told.map(|MetricUpdate { name, change }| format!("{name} {change:?}")).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&views),
            ["signalbox.in_flight.deployment.m-1 Set(0)", "signalbox.cooling.deployment.m-1 Set(0)"]
        );
        assert!(told(&views).is_empty());
        views[0].in_flight = 2;
        views[0].health = Health::Cooling { until_ms: 9 };
        assert_eq!(
            told(&views),
            ["signalbox.in_flight.deployment.m-1 Set(2)", "signalbox.cooling.deployment.m-1 Set(2)"]
        );
        counters.add(0, Measure::Served, 1);
        assert_eq!(gauges.drain(&config, &mut counters, &views).len(), 1);
    }

    #[test]
    fn labels_stand_in_names_as_those_who_take_them_apart_want_them() {
        let mut config =
            compile_json(r#"{"model_list":[{"model_name":"m","litellm_params":{"model":"openai/m"}}]}"#).unwrap();
        let labels = [("outcome", "served"), ("deployment", "a.b")];
        assert_eq!(named(&config, "attempts", &labels), "signalbox.attempts.outcome.served.deployment.a.b");
        assert_eq!(named(&config, "buffered_bytes", &[]), "signalbox.buffered_bytes");
        config.signalbox.naming.metrics = Labels::Istio;
        assert_eq!(named(&config, "attempts", &labels), "signalbox.outcome=.=served;.;deployment=.=a.b;.;attempts");
        assert_eq!(named(&config, "buffered_bytes", &[]), "signalbox.buffered_bytes");
        config.signalbox.naming.clusters = "signalbox.team.llm.".to_owned();
        assert_eq!(named(&config, "buffered_bytes", &[]), "signalbox.policy=.=signalbox.team.llm;.;buffered_bytes");
    }
}
