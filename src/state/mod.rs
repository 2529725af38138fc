//! What is remembered between requests: the health of each deployment, its load, its speed and its costs, across workers.
//!
//! Every worker of Envoy is a VM of its own; what they share is the host's shared data, a map without expiry and without delete.
//! [`StateStore`] is the only trait that reaches the host. Below it are records, one file each (`health`, `load`, `latency`, `spend`):
//! pure values that know how they change and how they are written. Above it is the [`Ledger`] of one worker, which alone reads and
//! writes them. A decision reads only a [`DeploymentView`] for each deployment.
//!
//! The rules are in `docs/health.md`.
//!
//! **Invariant:** the keys are a fixed set: four a deployment or client, one a provider, one a sum over all workers, and two that announce changes.

mod account;
mod budget_meter;
mod counters;
mod deployment;
mod health;
mod latency;
mod lease;
mod ledger;
mod load;
mod reservation;
mod rules;
mod snapshot;
mod spend;
mod store;
mod sum;
mod view;

#[cfg(test)]
mod memory;
#[cfg(test)]
mod workers;

pub use account::{Account, accounts};
pub use counters::{Counters, Measure};
pub use health::HealthRecord;
pub use lease::try_lease;
pub use ledger::Ledger;
pub use reservation::{AttemptRecord, Limit, LimitReached, Outcome, Reservation};
pub use rules::{Allowed, CooldownRules};
pub use snapshot::{from_json, to_json};
pub use store::{StateStore, Version};
pub use sum::Sum;
pub use view::{DeploymentView, Health, SAMPLES, Samples};
