//! What is remembered between requests: the health of each deployment, in the host's shared data.
//!
//! Shared data is process-wide, so every worker sees the same health. It has no expiry and no delete: the keys are a fixed set
//! (one a deployment, and one that tells of changes), and each value carries its own times. [`StateStore`] is the only trait
//! that crosses to the host; [`record`] alone writes health, and [`announce`] that it changed.
//!
//! **Invariant:** a value that cannot be read counts as no value; a lost race is retried a bounded number of times.

mod gathered;
mod health;
mod observation;
mod seen;
mod tally;
mod view;

pub use gathered::{Ended, Gathered, settle};
pub use health::{Health, health_of};
pub use observation::{CooldownRules, Observation, Outcome, record};
pub use seen::{SAMPLES, Samples, Seen, Standing};
pub use tally::{Measure, Tally};
pub use view::{CoolingView, announce};

/// The version of a value, for compare-and-set.
pub type Version = u32;

/// The host's shared data.
pub trait StateStore {
    /// The value under a key and its version; `None` where there is none.
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)>;
    /// Writes if the version is still `expected` (`None`: whatever it is). Returns whether it was written.
    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool;
}
