//! Which deployments may serve a request, in which order, and what to try next after a failure.
//!
//! `resolve` (a public name becomes a group) -> `chain` (the groups that stand in for it) -> `eligible` (what may not serve is left
//! out, with the reason) -> [`strategy`] (ranks the rest) -> `draft` (who comes first, and who last) = [`plan()`]. After a failure,
//! [`failover`] holds the one table that decides by its class. [`explain`] tells all of it without sending anything.
//!
//! [`complexity`] and [`task`] tell how hard a request is and what it is about; by that [`auto`] chooses a group for names that
//! stand for a choice among groups ([`crate::config::model::Router`]).
//!
//! **Invariant:** a [`Plan`] has at least one stage, each stage at least one candidate.

pub mod affinity;
pub mod auto;
mod chain;
pub mod complexity;
mod draft;
mod eligible;
pub mod estimate;
mod exclusion;
pub mod explain;
mod facts;
pub mod failover;
mod inputs;
mod list;
mod plan;
mod resolve;
mod retries;
pub mod strategy;
mod tags;
pub mod task;

pub use draft::plan;
pub use eligible::{could_serve, is_left_out};
pub use exclusion::{Exclusion, LeftOut, Limit, Need};
pub use inputs::{Ask, Claim, Inputs, Routed, Whether};
pub use plan::{Candidate, Place, Plan, Purpose, Refusal, Stage};
pub use resolve::By;
