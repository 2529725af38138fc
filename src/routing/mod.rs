//! Which deployments may serve a request, in which order, and what to try next after a failure.
//!
//! `resolve` (a public name becomes a group) -> `chain` (the groups that stand in for it) -> `eligible` (what may not serve is left
//! out, with the reason) -> [`strategy`] (ranks the rest) -> `planner` (which deployment comes first, and which last) = [`plan()`]. After a failure,
//! [`failover`] holds the one table that decides by its class. [`explain`] tells all of it without sending anything.
//!
//! [`complexity`] and [`task`] tell how hard a request is and what it is about; by that [`model_router`] chooses a group for names that
//! stand for a choice among groups ([`crate::config::model::Router`]).
//!
//! **Invariant:** a [`Plan`] has at least one stage, each stage at least one candidate.

pub mod affinity;
mod chain;
pub mod complexity;
mod eligible;
pub mod estimate;
mod exclusion;
pub mod explain;
mod facts;
pub mod failover;
mod inputs;
mod list;
pub mod model_router;
mod plan;
mod planner;
mod resolve;
mod retries;
pub mod strategy;
mod tags;
pub mod task;

pub use eligible::{could_serve, exclusion_of};
pub use exclusion::{Excluded, Exclusion, Need};
pub use inputs::{Claim, LazyFlag, PlanInputs, Requirements, Routed};
pub use plan::{Candidate, Place, Plan, Purpose, Refusal, Stage};
pub use planner::plan;
pub use resolve::{By, fits, group_of, is_chance};
