//! How hard a request is: which tier of models it deserves, and why.
//!
//! A classifier reads a conversation and gives a [`Scored`]: a tier, and everything that led to it. Nothing in here calls a
//! model, a host or a clock, so that the same conversation always has the same tier.
//!
//! **Invariant:** the time a decision takes grows with the length of the text and with nothing else.

mod scored;
pub mod signalbox;

pub use scored::{Cause, Dimension, Scored, Tier};
