//! What one worker's VM keeps in memory: the configurations, the flights on their way, time, and who is cooling.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::{Rc, Weak};

use super::host::{self, SharedData};
use crate::config::model::Deployment;
use crate::filter::{Flight, Setup};
use crate::routing::cooldown_rules;
use crate::routing::strategy::Random;
use crate::state::{Ended, Gathered, settle};

thread_local! {
    static SETUPS: RefCell<Vec<Weak<Setup>>> = const { RefCell::new(Vec::new()) };
    static FLIGHTS: RefCell<HashMap<u64, Rc<RefCell<Flight>>>> = RefCell::new(HashMap::new());
    static GATHERED: RefCell<Gathered> = RefCell::new(Gathered::default());
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static LAST_FLIGHT: Cell<u64> = const { Cell::new(0) };
    static RANDOM: RefCell<Random> = RefCell::new(Random::new(RandomState::new().hash_one(0x5EED)));
}

/// Reads a configuration, which is kept up to date for as long as its listener lives.
///
/// # Errors
/// What is wrong with it.
pub fn configure(json: &str) -> Result<Rc<Setup>, String> {
    let setup = Rc::new(Setup::read(json, &SharedData)?);
    SETUPS.with_borrow_mut(|setups| setups.push(Rc::downgrade(&setup)));
    tick();
    Ok(setup)
}

/// Time goes on, and other workers may have learnt something. Requests then need to ask the host for neither.
pub fn tick() {
    NOW_MS.set(host::now_ms());
    let refresh = |setup: &Weak<Setup>| setup.upgrade().map(|setup| setup.refresh(&SharedData)).is_some();
    SETUPS.with_borrow_mut(|setups| setups.retain(refresh));
}

/// Now, Unix milliseconds, up to a tick ago.
pub fn now_ms() -> u64 {
    NOW_MS.get()
}

/// A random number.
pub fn chance() -> u64 {
    RANDOM.with_borrow_mut(Random::next)
}

/// Keeps a flight, and gives it an id that is never used again in this VM.
pub fn keep(mut flight: Flight) -> u64 {
    let id = LAST_FLIGHT.get() + 1;
    LAST_FLIGHT.set(id);
    flight.id = id;
    FLIGHTS.with_borrow_mut(|flights| flights.insert(id, Rc::new(RefCell::new(flight))));
    id
}

/// The flight of an id.
pub fn flight(id: u64) -> Option<Rc<RefCell<Flight>>> {
    FLIGHTS.with_borrow(|flights| flights.get(&id).cloned())
}

/// Ends a flight: it is known no more.
pub fn land(id: u64) -> Option<Rc<RefCell<Flight>>> {
    FLIGHTS.with_borrow_mut(|flights| flights.remove(&id))
}

/// Writes what has ended in a flight into shared data.
pub fn record_endings(flight: &RefCell<Flight>) {
    let endings = flight.borrow_mut().take_endings();
    for ending in endings {
        let (config, started_ms) = {
            let flight = flight.borrow();
            (Rc::clone(&flight.config), flight.started_ms)
        };
        let Some(Deployment { id, .. }) = config.deployments.get(ending.deployment) else { continue };
        let rules = || cooldown_rules(&config, ending.deployment);
        let ended = Ended { deployment: id, outcome: ending.outcome, started_ms };
        let cooled =
            GATHERED.with_borrow_mut(|gathered| settle(gathered, &SharedData, ended, &rules, &host::now_ms, chance()));
        if cooled {
            log::info!("signalbox: {id} is cooling down");
            tick();
        }
    }
}
