//! The health of one deployment: a fixed-size record under `health/ID`, and its transitions.
//!
//! Healthy -> (a failure that starts a cooldown) cooling -> (its time is over) half-open -> (a success) healthy, or (a failure) cooling
//! again, twice as long. While it is half-open, one request at a time probes it: a claim with a lease, so that a probe whose VM died
//! does not block others for long.
//!
//! Attempts overlap with transitions. One that began before the last transition does not cause another: a hundred requests that fail
//! together start one cooldown, and a stream that began before a cooldown and ends well does not end it.
//!
//! **Invariant:** a cooldown never ends sooner because of another failure; at most one lease runs at a time.

use super::rules::{ALL_CAUSES, CAUSES, Cause, MAX_WAIT_MS};
use super::store::{Reader, Record, Writer};
use super::{CooldownRules, Health};
use crate::chat::Failure;

const FORMAT: u8 = 2;
/// The minute in which failures are counted, tumbling, begun by its first event: LiteLLM's.
const WINDOW_MS: u64 = 60_000;

/// A deployment's recent past, of all workers. Times are Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HealthRecord {
    /// It gets no requests before this time; 0: it is healthy.
    pub cooling_until_ms: u64,
    /// When it last began to cool, or became healthy again.
    pub turned_ms: u64,
    /// Cooldowns without a success since; 0: it is healthy.
    pub streak: u32,
    /// Failures in a row, as far as successes were written.
    pub in_a_row: u32,
    /// When the current minute began.
    pub window_started_ms: u64,
    /// Successes in it.
    pub successes: u32,
    /// Failures in it, by cause.
    pub(super) failures: [u16; CAUSES],
    /// When the lease of the probe in flight ends.
    pub(super) probe: (u64, u64),
    /// The provider reported that a limit is reached until then.
    pub full_until_ms: u64,
    /// When it reported that.
    pub(super) full_since_ms: u64,
}

impl HealthRecord {
    /// Its state now.
    #[must_use]
    pub const fn health(&self, now_ms: u64) -> Health {
        if self.cooling_until_ms > now_ms {
            Health::Cooling { until_ms: self.cooling_until_ms }
        } else if self.streak > 0 {
            let (_, until_ms) = self.probe;
            Health::HalfOpen { probed_until_ms: if until_ms > now_ms { until_ms } else { 0 } }
        } else {
            Health::Healthy
        }
    }

    /// Failures in the current minute, of some causes.
    pub(super) fn failures_of(&self, of: impl Fn(Cause) -> bool) -> u32 {
        ALL_CAUSES.iter().zip(self.failures).filter(|(cause, _)| of(**cause)).map(|(_, times)| u32::from(times)).sum()
    }

    /// Whether failures of this minute are known, so that successes matter.
    pub(super) fn has_failures(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.window_started_ms) < WINDOW_MS && self.failures_of(|_| true) > 0
    }

    /// It served this many times, at some time before now.
    pub(super) fn served(&mut self, times: u32, now_ms: u64) {
        self.roll(now_ms);
        self.successes = self.successes.saturating_add(times);
        if times > 0 {
            self.in_a_row = 0;
        }
    }

    /// An attempt that began at `began_ms` served. Returns whether it is healthy again because of it.
    pub(super) fn recover(&mut self, began_ms: u64, now_ms: u64) -> bool {
        self.served(1, now_ms);
        let recovers = self.streak > 0 && began_ms >= self.turned_ms;
        if recovers {
            self.turn(now_ms);
            self.streak = 0;
            self.cooling_until_ms = 0;
        }
        recovers
    }

    /// An attempt that began at `began_ms` failed. Returns whether it cools because of it, or for longer.
    pub(super) fn failed(&mut self, failure: &Failure, rules: &CooldownRules, began_ms: u64, now_ms: u64) -> bool {
        if rules.never || !rules.blames(failure) {
            return false;
        }
        self.roll(now_ms);
        self.in_a_row = self.in_a_row.saturating_add(1);
        if let Some(times) = self.failures.get_mut(Cause::of(failure) as usize) {
            *times = times.saturating_add(1);
        }
        let until_ms = now_ms.saturating_add(rules.duration_ms(failure, self.streak));
        if self.cooling_until_ms > now_ms {
            let named = rules.own_cooldown_ms.is_none() && failure.retry_after_ms.is_some_and(|wait_ms| wait_ms > 0);
            let longer = named && until_ms > self.cooling_until_ms;
            self.cooling_until_ms = if longer { until_ms } else { self.cooling_until_ms };
            return longer;
        }
        let is_news = began_ms >= self.turned_ms;
        let cools = is_news && until_ms > now_ms && (self.streak > 0 || rules.cool(self, failure));
        if cools {
            self.turn(now_ms);
            self.streak = self.streak.saturating_add(1);
            self.cooling_until_ms = until_ms;
        }
        cools
    }

    /// Claims the probe of a half-open deployment. Returns whether the worker has it now.
    pub(super) fn claim(&mut self, worker: u64, until_ms: u64, now_ms: u64) -> bool {
        let free = self.health(now_ms) == Health::HalfOpen { probed_until_ms: 0 };
        if free {
            self.probe = (worker, until_ms);
        }
        free
    }

    /// Gives a claim back, if it is still held. Returns whether it was.
    pub(super) fn release(&mut self, worker: u64, until_ms: u64) -> bool {
        let held = self.probe == (worker, until_ms);
        if held {
            self.probe = (0, 0);
        }
        held
    }

    /// The provider reported that a limit is reached until then. Returns whether that is news.
    pub(super) fn fill(&mut self, until_ms: u64, now_ms: u64) -> bool {
        // Each answer computes the end of the same window anew, a little differently.
        const SAME_MS: u64 = 1_000;
        let until_ms = until_ms.min(now_ms.saturating_add(MAX_WAIT_MS));
        let news = until_ms > now_ms
            && (self.full_until_ms <= now_ms || until_ms > self.full_until_ms.saturating_add(SAME_MS));
        if news {
            self.full_until_ms = until_ms;
            self.full_since_ms = now_ms;
        }
        news
    }

    /// An answer to an attempt that began at `began_ms` reported room. Returns whether that is news.
    pub(super) fn make_room(&mut self, began_ms: u64, now_ms: u64) -> bool {
        let news = self.full_until_ms > now_ms && began_ms > self.full_since_ms;
        if news {
            self.full_until_ms = 0;
        }
        news
    }

    /// A transition resets what was counted before it.
    const fn turn(&mut self, now_ms: u64) {
        self.turned_ms = now_ms;
        self.probe = (0, 0);
        self.in_a_row = 0;
        self.successes = 0;
        self.failures = [0; CAUSES];
        self.window_started_ms = now_ms;
    }

    const fn roll(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.window_started_ms) >= WINDOW_MS {
            self.window_started_ms = now_ms;
            self.in_a_row = 0;
            self.successes = 0;
            self.failures = [0; CAUSES];
        }
    }
}

impl Record for HealthRecord {
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.u64(self.cooling_until_ms);
        writer.u64(self.turned_ms);
        writer.u32(self.streak);
        writer.u32(self.in_a_row);
        writer.u64(self.window_started_ms);
        writer.u32(self.successes);
        self.failures.iter().for_each(|times| writer.u16(*times));
        writer.u64(self.probe.0);
        writer.u64(self.probe.1);
        writer.u64(self.full_until_ms);
        writer.u64(self.full_since_ms);
        writer.done()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, FORMAT)?;
        let mut health = Self {
            cooling_until_ms: reader.u64()?,
            turned_ms: reader.u64()?,
            streak: reader.u32()?,
            in_a_row: reader.u32()?,
            window_started_ms: reader.u64()?,
            successes: reader.u32()?,
            ..Self::default()
        };
        for times in &mut health.failures {
            *times = reader.u16()?;
        }
        health.probe = (reader.u64()?, reader.u64()?);
        health.full_until_ms = reader.u64()?;
        health.full_since_ms = reader.u64()?;
        reader.done()?;
        Some(health)
    }
}

/// The key of a deployment's record.
pub(super) fn key(deployment_id: &str) -> String {
    format!("health/{deployment_id}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::FailureClass;

    fn rules() -> CooldownRules {
        CooldownRules { cooldown_ms: 5_000, max_cooldown_ms: 20_000, ..CooldownRules::default() }
    }

    fn failure(class: FailureClass) -> Failure {
        Failure::local(class, "")
    }

    #[test]
    fn a_cooldown_doubles_to_its_bound_and_one_success_ends_it() {
        let (mut health, mut now_ms) = (HealthRecord::default(), 1_000);
        for wanted_ms in [5_000, 10_000, 20_000, 20_000] {
            assert!(health.failed(&failure(FailureClass::Connect), &rules(), now_ms, now_ms));
            assert_eq!(health.health(now_ms), Health::Cooling { until_ms: now_ms + wanted_ms });
            now_ms += wanted_ms;
            assert_eq!(health.health(now_ms), Health::HalfOpen { probed_until_ms: 0 });
            assert!(health.claim(7, now_ms + 500, now_ms));
            assert_eq!(health.health(now_ms), Health::HalfOpen { probed_until_ms: now_ms + 500 });
        }
        assert!(health.recover(now_ms, now_ms + 100));
        assert_eq!(health.health(now_ms + 100), Health::Healthy);
        now_ms += 200;
        assert!(health.failed(&failure(FailureClass::Connect), &rules(), now_ms, now_ms));
        assert_eq!(health.cooling_until_ms, now_ms + 5_000, "it begins again with the shortest");
    }

    #[test]
    fn any_failure_of_a_half_open_deployment_cools_it_again() {
        let mut health = HealthRecord::default();
        assert!(health.failed(&failure(FailureClass::Auth), &rules(), 1_000, 1_000));
        assert!(!health.failed(&failure(FailureClass::BadRequest), &rules(), 6_000, 6_000), "the request's own fault");
        assert!(health.failed(&failure(FailureClass::Upstream), &rules(), 6_000, 6_500), "once is enough");
        assert_eq!(health.cooling_until_ms, 16_500);
    }

    #[test]
    fn what_began_before_a_turn_says_nothing_about_what_came_after() {
        let mut health = HealthRecord::default();
        assert!(health.failed(&failure(FailureClass::Timeout), &rules(), 1_000, 31_000));
        for began_ms in [1_100, 8_000] {
            assert!(!health.failed(&failure(FailureClass::Timeout), &rules(), began_ms, 31_000 + began_ms / 100));
        }
        assert!(
            !health.failed(&failure(FailureClass::Timeout), &rules(), 20_000, 36_100),
            "late, and half-open by now"
        );
        assert!(!health.recover(20_000, 36_200), "a stream from better times");
        assert_eq!((health.cooling_until_ms, health.streak), (36_000, 1));
        assert!(health.recover(33_000, 36_300), "the least bad was asked while it cooled, and served");
        assert_eq!(health.health(36_300), Health::Healthy);
    }

    #[test]
    fn a_lease_runs_out_and_only_its_owner_gives_it_back() {
        let mut health = HealthRecord { streak: 1, cooling_until_ms: 5_000, ..HealthRecord::default() };
        assert!(!health.claim(1, 9_000, 4_999), "still cooling");
        assert!(health.claim(1, 9_000, 5_000));
        assert!(!health.claim(2, 9_500, 6_000));
        assert!(!health.release(2, 9_000) && !health.release(1, 8_999));
        assert!(health.claim(2, 12_000, 9_000), "the first one's VM is dead");
        assert!(!health.release(1, 9_000), "its late end is not the second one's");
        assert!(health.release(2, 12_000));
        assert!(health.claim(3, 13_000, 9_100));
        assert!(!HealthRecord::default().claim(1, 9_000, 5_000), "nothing to probe");
    }

    #[test]
    fn a_second_cooldown_never_ends_sooner_and_only_the_provider_makes_it_longer() {
        let mut health = HealthRecord::default();
        let limited = |wait_ms| Failure { retry_after_ms: Some(wait_ms), ..failure(FailureClass::RateLimit) };
        assert!(health.failed(&limited(30_000), &rules(), 1_000, 1_000));
        assert!(!health.failed(&limited(2_000), &rules(), 1_000, 2_000));
        assert!(!health.failed(&failure(FailureClass::Connect), &rules(), 2_000, 30_000));
        assert_eq!((health.cooling_until_ms, health.streak), (31_000, 1));
        assert!(health.failed(&limited(40_000), &rules(), 1_000, 2_000));
        assert_eq!(health.cooling_until_ms, 42_000);
        let mut own = HealthRecord::default();
        let rules = CooldownRules { own_cooldown_ms: Some(1_000), ..rules() };
        assert!(own.failed(&limited(30_000), &rules, 1_000, 1_000));
        assert_eq!(own.cooling_until_ms, 2_000, "a deployment's own time is not overridden");
        assert!(!own.failed(&limited(30_000), &rules, 1_000, 1_500), "nor made longer");
    }

    #[test]
    fn a_crowd_that_may_retry_at_once_cools_once_and_not_for_longer() {
        let mut health = HealthRecord::default();
        let at_once = Failure { retry_after_ms: Some(0), ..failure(FailureClass::RateLimit) };
        let cools = [0; 20].map(|_| health.failed(&at_once, &rules(), 1_000, 1_000));
        assert_eq!(cools.iter().filter(|cools| **cools).count(), 1);
        assert_eq!((health.cooling_until_ms, health.streak), (6_000, 1));
    }

    #[test]
    fn what_a_provider_says_of_its_room_is_bounded_and_taken_back() {
        let mut health = HealthRecord::default();
        assert!(!health.fill(1_000, 1_000), "past");
        assert!(health.fill(u64::MAX, 1_000));
        assert_eq!(health.full_until_ms, 1_000 + MAX_WAIT_MS);
        assert!(!health.make_room(900, 2_000), "an answer from before");
        assert!(health.make_room(1_500, 2_000));
        assert!(health.fill(10_000, 2_000) && !health.fill(10_900, 2_100) && health.fill(12_000, 2_100));
    }

    #[test]
    fn a_record_survives_its_bytes_and_a_foreign_one_is_no_record() {
        let mut health =
            HealthRecord { turned_ms: 2, in_a_row: 4, probe: (8, 9), full_until_ms: 10, ..HealthRecord::default() };
        (health.cooling_until_ms, health.streak, health.window_started_ms, health.successes) = (1, 3, 5, 6);
        health.failures = std::array::from_fn(|at| at as u16);
        health.full_since_ms = 11;
        let bytes = health.to_bytes();
        assert_eq!(HealthRecord::from_bytes(&bytes), Some(health));
        assert_eq!(HealthRecord::from_bytes(&bytes[..20]), None);
        assert_eq!(HealthRecord::from_bytes(&[9; 90]), None);
        assert_eq!(HealthRecord::from_bytes(&[]), None);
    }
}
