//! Envoy's shared data as the tests have it: compare-and-set, and an absent key is written whatever was expected.

use std::cell::RefCell;
use std::collections::HashMap;

use signalbox::state::{StateStore, Version};

#[derive(Default)]
pub struct Memory(RefCell<HashMap<String, (Vec<u8>, Version)>>);

impl StateStore for Memory {
    fn read(&self, key: &str) -> Option<(Vec<u8>, Version)> {
        self.0.borrow().get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8], expected: Option<Version>) -> bool {
        let mut all = self.0.borrow_mut();
        let version = all.get(key).map(|(_, version)| *version);
        let fits = expected.is_none_or(|expected| version.is_none_or(|version| version == expected));
        if fits {
            all.insert(key.to_owned(), (value.to_vec(), version.unwrap_or_default() + 1));
        }
        fits
    }
}
