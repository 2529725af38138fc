//! The flights of one worker, by ids that cannot be guessed and that no other VM gives.
//!
//! When a VM dies, Envoy still retries requests that it planned, and the filter state of those names a flight of that VM. A fresh VM
//! must find nothing under such a name: whatever it found would be the request of another client.
//!
//! **Invariant:** an id is the keyed hash of a count, under a key that the shell draws for each VM from the host's entropy and that is
//! used for nothing else. The generator that spreads load would not do: its outputs, some of which clients see, tell its state.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::Flight;

/// A flight that several callbacks of the host share.
pub type SharedFlight = Rc<RefCell<Flight>>;

/// The flights that have departed and not landed.
#[derive(Debug)]
pub(in crate::filter) struct Flights {
    by_id: HashMap<u64, SharedFlight>,
    key: RandomState,
    departed: u64,
}

impl Flights {
    /// None yet. `key` must be drawn anew for each VM.
    pub(in crate::filter) fn new(key: RandomState) -> Self {
        Self { by_id: HashMap::new(), key, departed: 0 }
    }

    /// Takes a flight in and gives it its id.
    pub(in crate::filter) fn depart(&mut self, mut flight: Flight) -> SharedFlight {
        // A hash may repeat, be it once in a universe; an id that is in use may not.
        flight.id = loop {
            self.departed = self.departed.wrapping_add(1);
            let id = self.key.hash_one(self.departed);
            if !self.by_id.contains_key(&id) {
                break id;
            }
        };
        let id = flight.id;
        let flight = Rc::new(RefCell::new(flight));
        self.by_id.insert(id, Rc::clone(&flight));
        flight
    }

    /// The flight of an id.
    pub(in crate::filter) fn get(&self, id: u64) -> Option<SharedFlight> {
        self.by_id.get(&id).cloned()
    }

    /// The flight that an attempt's filter state names. One whose client has its answer already is another request's.
    pub(in crate::filter) fn of_attempt(&self, id: u64) -> Option<SharedFlight> {
        let flight = self.by_id.get(&id)?;
        flight.try_borrow().is_ok_and(|flight| !flight.is_answered()).then(|| Rc::clone(flight))
    }

    /// Forgets a flight.
    pub(in crate::filter) fn land(&mut self, id: u64) -> Option<SharedFlight> {
        self.by_id.remove(&id)
    }
}
