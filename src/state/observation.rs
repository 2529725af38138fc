//! How an attempt ended, and what that does to its deployment's health.
//!
//! The rules are LiteLLM's (1.109, measured): without `allowed_fails`, a 429 cools at once, so do wrong credentials and a missing
//! model, and the rest cools when more than half of at least five requests in a minute failed; with `allowed_fails`, the failure
//! after the allowed ones cools, whatever its class. Two traps are mended: a host that cannot be reached counts like any
//! other failure, and a second cooldown never ends earlier than the first.

use super::{Health, StateStore, health};
use crate::chat::{Failure, FailureClass};

/// A lost race is retried this often; after that the observation is dropped rather than the request held up.
const MAX_RACES: u32 = 8;
/// A `retry-after` may not cool a deployment for longer.
const MAX_COOLDOWN_MS: u64 = 3_600_000;
const MIN_REQUESTS: u32 = 5;
const LONE_MIN_REQUESTS: u32 = 1000;

/// How one attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The deployment served, so many times since the last observation.
    Served(u32),
    /// It did not.
    Failed(Failure),
    /// The client went away first: says nothing about the deployment.
    Abandoned,
}

/// One attempt's end. Each attempt has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation<'a> {
    /// The deployment's id.
    pub deployment: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// When, in Unix milliseconds.
    pub now_ms: u64,
    /// The rules that hold for this deployment.
    pub rules: CooldownRules,
}

/// What cools a deployment, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CooldownRules {
    /// `disable_cooldowns`, or a deployment behind a wildcard: LiteLLM never cools those.
    pub never: bool,
    /// The group has no other deployment.
    pub single: bool,
    /// The group has a fallback group.
    pub has_fallback: bool,
    /// `allowed_fails`, if set.
    pub allowed_fails: Option<u32>,
    /// The deployment's own `cooldown_time`, which a `retry-after` does not override, in milliseconds.
    pub own_cooldown_ms: Option<u64>,
    /// The router's `cooldown_time`, in milliseconds.
    pub cooldown_ms: u64,
}

/// Writes an observation into shared data. Returns whether the deployment is cooling because of it.
pub fn record(store: &dyn StateStore, observation: &Observation<'_>) -> bool {
    if observation.outcome == Outcome::Abandoned {
        return false;
    }
    let key = health::key(observation.deployment);
    for _ in 0..MAX_RACES {
        let read = store.read(&key);
        let version = read.as_ref().map(|(_, version)| *version);
        let before = read.and_then(|(bytes, _)| Health::from_bytes(&bytes)).unwrap_or_default();
        let (after, cooled) = apply(before, observation);
        if after == before || store.write(&key, &after.to_bytes(), version) {
            return cooled;
        }
    }
    false
}

fn apply(mut health: Health, observation: &Observation<'_>) -> (Health, bool) {
    let now_ms = observation.now_ms;
    health.roll_window(now_ms);
    let Outcome::Failed(failure) = &observation.outcome else {
        if let Outcome::Served(times) = observation.outcome {
            health.window_successes = health.window_successes.saturating_add(times);
        }
        return (health, false);
    };
    if !counts(failure.class) || observation.rules.never {
        return (health, false);
    }
    health.window_failures = health.window_failures.saturating_add(1);
    let rules = &observation.rules;
    let duration_ms = duration_ms(rules, failure);
    let cool = match rules.allowed_fails {
        Some(_) if rules.single && !rules.has_fallback => false,
        Some(allowed) => {
            if now_ms.saturating_sub(health.count_started_ms) >= duration_ms {
                health.count_started_ms = now_ms;
                health.counted_failures = 0;
            }
            health.counted_failures = health.counted_failures.saturating_add(1);
            health.counted_failures > allowed
        }
        None => cools_by_default(&health, rules, failure.class),
    };
    if cool && duration_ms > 0 {
        health.cooling_until_ms = health.cooling_until_ms.max(now_ms.saturating_add(duration_ms));
    }
    (health, cool && duration_ms > 0)
}

/// Whether a failure says anything about the deployment rather than about the request.
const fn counts(class: FailureClass) -> bool {
    !matches!(class, FailureClass::BadRequest | FailureClass::ContextWindow | FailureClass::ContentPolicy)
}

fn cools_by_default(health: &Health, rules: &CooldownRules, class: FailureClass) -> bool {
    let requests = health.window_failures.saturating_add(health.window_successes);
    match class {
        FailureClass::RateLimit | FailureClass::Quota => !rules.single,
        FailureClass::Auth | FailureClass::Permission | FailureClass::NotFound => true,
        _ if health.window_successes == 0 && requests >= LONE_MIN_REQUESTS => true,
        _ => !rules.single && requests >= MIN_REQUESTS && health.window_failures.saturating_mul(2) > requests,
    }
}

fn duration_ms(rules: &CooldownRules, failure: &Failure) -> u64 {
    rules.own_cooldown_ms.or(failure.retry_after_ms).unwrap_or(rules.cooldown_ms).min(MAX_COOLDOWN_MS)
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::HashMap};

    use super::*;
    use crate::state::health_of;

    #[derive(Default)]
    struct Memory(RefCell<HashMap<String, (Vec<u8>, u32)>>, RefCell<u32>);

    impl StateStore for Memory {
        fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.0.borrow().get(key).cloned()
        }
        fn write(&self, key: &str, value: &[u8], expected: Option<u32>) -> bool {
            if *self.1.borrow() > 0 {
                *self.1.borrow_mut() -= 1;
                return false;
            }
            let mut map = self.0.borrow_mut();
            let version = map.get(key).map_or(0, |(_, version)| *version);
            if expected.is_some_and(|expected| expected != version) {
                return false;
            }
            map.insert(key.into(), (value.into(), version + 1));
            true
        }
    }

    fn rules() -> CooldownRules {
        CooldownRules { cooldown_ms: 5_000, ..CooldownRules::default() }
    }

    fn fail(
        store: &Memory,
        class: FailureClass,
        retry_after_ms: Option<u64>,
        rules: CooldownRules,
        now_ms: u64,
    ) -> bool {
        let failure = Failure { class, status: 0, message: String::new(), code: None, param: None, retry_after_ms };
        record(store, &Observation { deployment: "a", outcome: Outcome::Failed(failure), now_ms, rules })
    }

    #[test]
    fn a_429_cools_at_once_unless_alone_and_for_as_long_as_the_provider_says() {
        let store = Memory::default();
        assert!(!fail(&store, FailureClass::RateLimit, None, CooldownRules { single: true, ..rules() }, 1_000));
        assert!(fail(&store, FailureClass::RateLimit, Some(30_000), rules(), 1_000));
        assert!(health_of(&store, "a").is_cooling(30_999));
        assert!(!health_of(&store, "a").is_cooling(31_000));
        assert!(fail(&store, FailureClass::RateLimit, Some(2_000), rules(), 2_000), "a shorter one does not shorten");
        assert!(health_of(&store, "a").is_cooling(30_999));
    }

    #[test]
    fn five_failures_in_a_minute_cool_by_default_and_successes_count_against_them() {
        let store = Memory::default();
        let cooled: Vec<bool> =
            (0..5).map(|n| fail(&store, FailureClass::Upstream, None, rules(), 1_000 + n)).collect();
        assert_eq!(cooled, [false, false, false, false, true]);
        let store = Memory::default();
        for _ in 0..5 {
            record(
                &store,
                &Observation { deployment: "a", outcome: Outcome::Served(1), now_ms: 1_000, rules: rules() },
            );
        }
        assert!((0..5).all(|n| !fail(&store, FailureClass::Connect, None, rules(), 1_000 + n)));
        assert!(fail(&store, FailureClass::Connect, None, rules(), 1_006), "six of eleven");
        let later = 1_000 + 60_000;
        assert!(!fail(&store, FailureClass::Upstream, None, rules(), later), "a new minute counts anew");
    }

    #[test]
    fn allowed_fails_counts_every_class_and_forgets_after_a_cooldown_time() {
        let store = Memory::default();
        let one = CooldownRules { allowed_fails: Some(1), ..rules() };
        assert!(!fail(&store, FailureClass::RateLimit, None, one, 1_000));
        assert!(fail(&store, FailureClass::Upstream, None, one, 2_000));
        let store = Memory::default();
        assert!(!fail(&store, FailureClass::Upstream, None, one, 1_000));
        assert!(!fail(&store, FailureClass::Upstream, None, one, 6_000), "the first is forgotten");
        let lone = CooldownRules { single: true, ..one };
        assert!((0..9).all(|n| !fail(&store, FailureClass::Upstream, None, lone, 7_000 + n)));
        assert!(fail(&store, FailureClass::Upstream, None, CooldownRules { has_fallback: true, ..lone }, 7_010));
    }

    #[test]
    fn the_request_s_own_faults_and_an_abandoned_attempt_say_nothing() {
        let store = Memory::default();
        let none = CooldownRules { allowed_fails: Some(0), ..rules() };
        for class in [FailureClass::BadRequest, FailureClass::ContextWindow, FailureClass::ContentPolicy] {
            assert!(!fail(&store, class, None, none, 1_000));
        }
        assert!(!fail(&store, FailureClass::Auth, None, CooldownRules { never: true, ..none }, 1_000));
        record(&store, &Observation { deployment: "b", outcome: Outcome::Abandoned, now_ms: 1, rules: none });
        assert_eq!(store.read("health/b"), None);
    }

    #[test]
    fn a_lost_race_is_run_again_and_a_hopeless_one_is_given_up() {
        let store = Memory::default();
        *store.1.borrow_mut() = 3;
        assert!(fail(&store, FailureClass::Auth, None, rules(), 1_000));
        assert!(health_of(&store, "a").is_cooling(2_000));
        *store.1.borrow_mut() = 100;
        assert!(!fail(&store, FailureClass::Auth, None, rules(), 9_000));
    }
}
