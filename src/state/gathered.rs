//! Successes of one worker that are not written yet.
//!
//! Successes only weigh failures. While no failure of a deployment is known, its successes stay here and requests leave shared
//! data alone; they are written with the next failure, or once a second while failures are known.

use std::collections::HashMap;

use super::{CooldownRules, Observation, Outcome, StateStore, announce, health_of, record};

/// How often a worker looks whether failures are known, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Older successes weigh nothing: the window they would be counted in is over.
const WINDOW_MS: u64 = 60_000;

#[derive(Debug, Default)]
struct Successes {
    since_ms: u64,
    looked_ms: u64,
    times: u32,
}

/// Successes by deployment id.
#[derive(Debug, Default)]
pub struct Gathered(HashMap<String, Successes>);

impl Gathered {
    /// Adds a success at a Unix time in milliseconds. Returns whether it is time to look for failures.
    pub fn add(&mut self, deployment: &str, times: u32, now_ms: u64) -> bool {
        let Some(successes) = self.0.get_mut(deployment) else {
            self.0.insert(deployment.to_owned(), Successes { since_ms: now_ms, looked_ms: now_ms, times });
            return false;
        };
        if now_ms.saturating_sub(successes.since_ms) >= WINDOW_MS {
            *successes = Successes { since_ms: now_ms, looked_ms: successes.looked_ms, times: 0 };
        }
        successes.times = successes.times.saturating_add(times);
        let due = now_ms.saturating_sub(successes.looked_ms) >= LOOK_MS;
        if due {
            successes.looked_ms = now_ms;
        }
        due
    }

    /// Takes what is there to be written.
    pub fn take(&mut self, deployment: &str, now_ms: u64) -> u32 {
        let Some(successes) = self.0.get_mut(deployment) else { return 0 };
        let current = now_ms.saturating_sub(successes.since_ms) < WINDOW_MS;
        let times = std::mem::take(&mut successes.times);
        successes.since_ms = now_ms;
        if current { times } else { 0 }
    }
}

/// An attempt that ended.
#[derive(Debug, Clone)]
pub struct Ended<'a> {
    /// The deployment's id.
    pub deployment: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// When its request began, in Unix milliseconds: near enough to now for a success, and known without asking.
    pub started_ms: u64,
}

/// What one worker does with an attempt's end: successes are gathered, a failure is written with them.
///
/// `rules` and `now_ms` are asked only where something is written. `token` is any random number. Returns whether the deployment
/// is cooling because of it.
pub fn settle(
    gathered: &mut Gathered,
    store: &dyn StateStore,
    ended: Ended<'_>,
    rules: &dyn Fn() -> CooldownRules,
    now_ms: &dyn Fn() -> u64,
    token: u64,
) -> bool {
    let Ended { deployment, outcome, started_ms } = ended;
    let failed = matches!(outcome, Outcome::Failed(_));
    let now_ms = if failed { now_ms() } else { started_ms };
    let due = match outcome {
        Outcome::Served(times) => {
            gathered.add(deployment, times, now_ms) && health_of(store, deployment).window_failures > 0
        }
        Outcome::Failed(_) => true,
        Outcome::Abandoned => false,
    };
    let times = if due { gathered.take(deployment, now_ms) } else { 0 };
    if times > 0 {
        record(store, &Observation { deployment, outcome: Outcome::Served(times), now_ms, rules: rules() });
    }
    let cooled = failed && record(store, &Observation { deployment, outcome, now_ms, rules: rules() });
    if cooled {
        announce(store, token);
    }
    cooled
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::chat::{Failure, FailureClass};

    #[test]
    fn successes_are_looked_at_once_a_second_and_forgotten_after_a_minute() {
        let mut gathered = Gathered::default();
        assert!(!gathered.add("a", 1, 1_000));
        assert!(!gathered.add("a", 1, 1_999));
        assert!(gathered.add("a", 1, 2_000));
        assert!(!gathered.add("a", 1, 2_999), "looked at a moment ago");
        assert_eq!(gathered.take("a", 3_000), 4);
        assert_eq!(gathered.take("a", 3_000), 0);
        gathered.add("a", 1, 3_000);
        gathered.add("a", 1, 63_000);
        assert_eq!(gathered.take("a", 63_000), 1, "the first is a minute old");
        gathered.add("a", 1, 64_000);
        assert_eq!(gathered.take("a", 123_000), 0);
        assert_eq!(gathered.take("b", 0), 0);
    }

    #[derive(Default)]
    struct Memory(RefCell<HashMap<String, (Vec<u8>, u32)>>);

    impl StateStore for Memory {
        fn read(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.0.borrow().get(key).cloned()
        }
        fn write(&self, key: &str, value: &[u8], _expected: Option<u32>) -> bool {
            let mut map = self.0.borrow_mut();
            let version = map.get(key).map_or(0, |(_, version)| *version);
            map.insert(key.into(), (value.into(), version + 1));
            true
        }
    }

    #[test]
    fn shared_data_is_left_alone_until_a_failure_and_then_told_what_was_gathered() {
        let (store, mut gathered) = (Memory::default(), Gathered::default());
        let rules = || CooldownRules { cooldown_ms: 5_000, ..CooldownRules::default() };
        let mut end = |outcome, at_ms| {
            let ended = Ended { deployment: "a", outcome, started_ms: at_ms };
            settle(&mut gathered, &store, ended, &rules, &|| at_ms, 1)
        };
        let failed = |class| Outcome::Failed(Failure::local(class, ""));
        for second in 1..5 {
            assert!(!end(Outcome::Served(1), second * 1_000));
        }
        end(Outcome::Abandoned, 5_000);
        assert!(store.0.borrow().is_empty());
        assert!(!end(failed(FailureClass::Upstream), 5_000));
        let health = health_of(&store, "a");
        assert_eq!((health.window_successes, health.window_failures), (4, 1));
        end(Outcome::Served(1), 5_100);
        end(Outcome::Served(1), 5_200);
        assert_eq!(health_of(&store, "a").window_successes, 5, "failures are known now, and looked at once a second");
        assert!(store.read("health").is_none(), "nothing cooled, nothing announced");
        assert!(end(failed(FailureClass::Auth), 6_100));
        assert!(store.read("health").is_some());
    }
}
