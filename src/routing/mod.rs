//! Which deployments may serve a request, in which order, and what to try next after a failure.
//!
//! `resolve` (a public name becomes a group) -> `eligible` (what may not serve is removed) -> [`strategy`] (ranks the rest) ->
//! `chain` (the fallback groups) = [`plan()`]. After a failure, [`failover`] holds the one table that decides by its class. [`task`] tells what a request is
//! about, for models that pick their group by it.
//!
//! **Invariant:** a [`Plan`] has at least one stage, each stage at least one candidate.

mod chain;
mod eligible;
pub mod failover;
mod plan;
mod resolve;
pub mod strategy;
pub mod task;

pub use plan::{Candidate, Inputs, Place, Plan, Refusal, Stage, cooldown_rules, plan};
