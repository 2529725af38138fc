//! How fast a deployment is: the last samples of all workers, under `latency/ID`.
//!
//! LiteLLM adds a sample of 1,000 s for each timeout. One of them keeps a deployment last until it expires after `ttl` (an hour), because
//! the last one gets no requests. Here such a penalty is kept apart from the samples, and counts only for the longest cooldown after
//! the last timeout.

use super::store::{Reader, Record, Writer};
use super::view::{SAMPLES, Samples};

const FORMAT: u8 = 1;
/// LiteLLM's sample for a timeout, in seconds.
const PENALTY_S: f32 = 1_000.0;

/// The last samples of one deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Latency {
    latency: Samples,
    first_token: Samples,
    timeouts: u16,
    /// The last of them, Unix milliseconds.
    timed_out_ms: u64,
}

impl Latency {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn push(&mut self, latency: Option<f32>, first_token: Option<f32>, now_ms: u64) {
        latency.into_iter().for_each(|seconds| self.latency.push(seconds, now_ms));
        first_token.into_iter().for_each(|seconds| self.first_token.push(seconds, now_ms));
    }

    /// A timeout. Earlier ones are forgotten after `penalty_ms`.
    pub(super) const fn timed_out(&mut self, penalty_ms: u64, now_ms: u64) {
        if now_ms.saturating_sub(self.timed_out_ms) >= penalty_ms {
            self.timeouts = 0;
        }
        self.timeouts = self.timeouts.saturating_add(1);
        self.timed_out_ms = now_ms;
    }

    /// Adds another record's samples.
    pub(super) fn append(&mut self, newer: &Self, penalty_ms: u64) {
        for (mine, theirs) in [(&mut self.latency, &newer.latency), (&mut self.first_token, &newer.first_token)] {
            theirs.values().iter().for_each(|seconds| mine.push(*seconds, theirs.newest_ms));
        }
        for _ in 0..newer.timeouts.min(SAMPLES as u16) {
            self.timed_out(penalty_ms, newer.timed_out_ms);
        }
    }

    /// The samples as a decision reads them.
    pub(super) fn latest(&self, penalty_ms: u64, now_ms: u64) -> (Samples, Samples) {
        let mut latency = self.latency;
        if now_ms.saturating_sub(self.timed_out_ms) < penalty_ms {
            let penalties = usize::from(self.timeouts).min(SAMPLES);
            (0..penalties).for_each(|_| latency.push(PENALTY_S, self.timed_out_ms));
        }
        (latency, self.first_token)
    }
}

impl Record for Latency {
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        for samples in [&self.latency, &self.first_token] {
            writer.u64(samples.newest_ms);
            writer.u16(samples.values().len() as u16);
            samples.values().iter().for_each(|seconds| writer.f32(*seconds));
        }
        writer.u16(self.timeouts);
        writer.u64(self.timed_out_ms);
        writer.done()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, FORMAT)?;
        let mut record = Self::default();
        for samples in [&mut record.latency, &mut record.first_token] {
            let (newest_ms, len) = (reader.u64()?, reader.u16()?);
            for _ in 0..len.min(SAMPLES as u16) {
                samples.push(reader.f32()?, newest_ms);
            }
        }
        record.timeouts = reader.u16()?;
        record.timed_out_ms = reader.u64()?;
        reader.done()?;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_weighs_a_thousand_seconds_for_as_long_as_the_longest_cooldown() {
        let mut record = Latency::default();
        record.push(Some(0.5), Some(0.1), 1_000);
        record.timed_out(20_000, 2_000);
        record.timed_out(20_000, 3_000);
        assert_eq!(record.latest(20_000, 22_999).0.values(), [0.5, 1_000.0, 1_000.0]);
        assert_eq!(record.latest(20_000, 23_000).0.values(), [0.5], "asked again, as it was before");
        assert_eq!(record.latest(20_000, 3_000).1.values(), [0.1]);
        record.timed_out(20_000, 60_000);
        assert_eq!(record.latest(20_000, 60_000).0.values(), [0.5, 1_000.0], "the old ones do not come back");
        (0..70_000).for_each(|at| record.timed_out(20_000, 60_000 + at));
        assert_eq!(record.latest(20_000, 130_000).0.values(), [1_000.0; 10]);
    }

    #[test]
    fn workers_samples_are_put_together_and_the_last_ten_kept() {
        let mut new = Latency::default();
        (0..7).for_each(|at| new.push(Some(at as f32), None, at));
        new.timed_out(20_000, 9);
        let mut record = Latency::default();
        record.append(&new, 20_000);
        record.append(&new, 20_000);
        assert_eq!(record.latency.values(), [4.0, 5.0, 6.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!((record.latency.newest_ms, record.timeouts), (6, 2));
        assert_eq!(Latency::from_bytes(&record.to_bytes()), Some(record));
        assert_eq!(Latency::from_bytes(&record.to_bytes()[..30]), None);
    }
}
