//! Shared data in memory, for the tests of this room: with Envoy's rules, and with races.
//!
//! As in Envoy, versions count up over all keys, and none is 0; a missing key is written whatever version is expected. A test can lose
//! races, and can do something else in the middle of a read-change-write, as another worker would.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::{StateStore, Version};

/// What other workers do in between.
type Meanwhile = Rc<dyn Fn(&Memory)>;

#[derive(Default)]
pub(super) struct Memory {
    values: RefCell<HashMap<String, (Vec<u8>, Version)>>,
    version: Cell<Version>,
    /// How many compare-and-sets are lost.
    pub(super) losses: Cell<u32>,
    /// Host calls so far.
    pub(super) calls: Cell<u32>,
    /// What happens just before each write.
    pub(super) meanwhile: RefCell<Option<Meanwhile>>,
}

impl StateStore for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.calls.set(self.calls.get() + 1);
        self.values.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        self.calls.set(self.calls.get() + 1);
        let meanwhile = self.meanwhile.borrow().clone();
        if let Some(meanwhile) = meanwhile {
            meanwhile(self);
        }
        if expected.is_some() && self.losses.get() > 0 {
            self.losses.set(self.losses.get() - 1);
            return false;
        }
        let mut values = self.values.borrow_mut();
        let now = values.get(key).map(|(_, version)| *version);
        if now.is_some() && expected.is_some() && expected != now {
            return false;
        }
        self.version.set(self.version.get() + 1);
        values.insert(key.into(), (value.into(), self.version.get()));
        true
    }
}

impl Memory {
    pub(super) fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.values.borrow().keys().cloned().collect();
        keys.sort();
        keys
    }
}
