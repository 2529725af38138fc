//! One worker's view of who is cooling, so that planning a request asks the host for nothing.
//!
//! Whoever cools a deployment writes its record and then a new token under one key; every worker looks at that key at each tick,
//! and reads the records again only when the token is another. So another worker's cooldown is seen a tick later, which is
//! less than any request takes that was already on its way.

use super::{StateStore, health_of};

const TOKEN_KEY: &str = "health";

/// Until when each deployment is cooling, by its index, as last seen.
#[derive(Debug, Default)]
pub struct CoolingView {
    until_ms: Vec<u64>,
    token: Option<Vec<u8>>,
}

impl CoolingView {
    /// Reads every record, for a new configuration's deployments.
    #[must_use]
    pub fn read<'a>(store: &dyn StateStore, ids: impl Iterator<Item = &'a str>) -> Self {
        let token = store.read(TOKEN_KEY).map(|(token, _)| token);
        Self { until_ms: ids.map(|id| health_of(store, id).cooling_until_ms).collect(), token }
    }

    /// Reads the records again if another token was written since.
    pub fn refresh<'a>(&mut self, store: &dyn StateStore, ids: impl Iterator<Item = &'a str>) {
        let token = store.read(TOKEN_KEY).map(|(token, _)| token);
        if token != self.token {
            *self = Self::read(store, ids);
        }
    }

    /// Until when a deployment is cooling, Unix milliseconds; 0: it is not.
    #[must_use]
    pub fn until_ms(&self, index: usize) -> u64 {
        self.until_ms.get(index).copied().unwrap_or_default()
    }
}

/// Tells every worker that a record changed. `token` must never have been used before: a random number.
pub fn announce(store: &dyn StateStore, token: u64) {
    store.write(TOKEN_KEY, &token.to_le_bytes(), None);
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::HashMap};

    use super::*;
    use crate::chat::{Failure, FailureClass};
    use crate::state::{CooldownRules, Observation, Outcome, Version, record};

    #[derive(Default)]
    struct Memory(RefCell<HashMap<String, Vec<u8>>>, RefCell<u32>);

    impl StateStore for Memory {
        fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
            *self.1.borrow_mut() += 1;
            self.0.borrow().get(key).map(|value| (value.clone(), 0))
        }
        fn write(&self, key: &str, value: &[u8], _expected: Option<Version>) -> bool {
            self.0.borrow_mut().insert(key.into(), value.into());
            true
        }
    }

    #[test]
    fn a_view_is_read_again_only_when_something_was_announced() {
        let store = Memory::default();
        let ids = || ["a", "b"].into_iter();
        let mut view = CoolingView::read(&store, ids());
        let failure = Failure::local(FailureClass::Auth, "");
        let rules = CooldownRules { cooldown_ms: 5_000, ..CooldownRules::default() };
        let outcome = Outcome::Failed(failure);
        assert!(record(&store, &Observation { deployment: "b", outcome, now_ms: 1_000, rules }));
        let before = *store.1.borrow();
        view.refresh(&store, ids());
        assert_eq!((view.until_ms(1), *store.1.borrow() - before), (0, 1), "nothing announced, one look");
        announce(&store, 7);
        view.refresh(&store, ids());
        assert_eq!((view.until_ms(0), view.until_ms(1), view.until_ms(9)), (0, 6_000, 0));
    }
}
