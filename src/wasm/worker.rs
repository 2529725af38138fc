//! What one worker's VM keeps in memory: the configuration, the flights on their way, time, and who is cooling.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::host::{self, SharedData};
use crate::config::compile;
use crate::config::model::RouterConfig;
use crate::filter::Flight;
use crate::routing::strategy::Random;
use crate::state::{Ended, Ledger, Outcome, Standing, accounts};

thread_local! {
    static CONFIG: RefCell<Option<Rc<RouterConfig>>> = const { RefCell::new(None) };
    static FLIGHTS: RefCell<HashMap<u64, Rc<RefCell<Flight>>>> = RefCell::new(HashMap::new());
    static LEDGER: RefCell<Ledger> = RefCell::new(Ledger::new(RandomState::new().hash_one(0xB0035)));
    static NOW_MS: Cell<u64> = const { Cell::new(0) };
    static LAST_FLIGHT: Cell<u64> = const { Cell::new(0) };
    static RANDOM: RefCell<Random> = RefCell::new(Random::new(RandomState::new().hash_one(0x5EED)));
}

/// Takes a configuration over. Flights on their way keep the one they were planned with.
///
/// # Errors
/// What is wrong with it.
pub fn configure(json: &str) -> Result<(), String> {
    let config = compile::compile_json(json)?;
    NOW_MS.set(host::now_ms());
    LEDGER.with_borrow_mut(|ledger| ledger.configure(accounts(&config), &SharedData, now_ms()));
    CONFIG.with_borrow_mut(|current| *current = Some(Rc::new(config)));
    Ok(())
}

/// Time goes on, and other workers may have learnt something. Requests then need to ask the host for neither.
pub fn tick() {
    NOW_MS.set(host::now_ms());
    LEDGER.with_borrow_mut(|ledger| ledger.sync(&SharedData, now_ms()));
}

/// Now, Unix milliseconds, up to a tick ago.
pub fn now_ms() -> u64 {
    NOW_MS.get()
}

/// Until when a deployment is cooling, as this worker knows it.
pub fn cooling_until_ms(index: usize) -> u64 {
    LEDGER.with_borrow(|ledger| match ledger.seen().get(index).map(|seen| seen.standing) {
        Some(Standing::Cooling { until_ms }) => until_ms,
        _ => 0,
    })
}

/// The configuration in force.
pub fn config() -> Option<Rc<RouterConfig>> {
    CONFIG.with_borrow(Clone::clone)
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

/// Enters what has ended in a flight into the books.
pub fn record_endings(flight: &RefCell<Flight>) {
    let endings = flight.borrow_mut().take_endings();
    for ending in endings {
        let config = Rc::clone(&flight.borrow().config);
        let Some(id) = config.deployments.get(ending.deployment).map(|deployment| deployment.id.as_str()) else {
            continue;
        };
        let now_ms = if matches!(ending.outcome, Outcome::Failed(_)) { host::now_ms() } else { now_ms() };
        let cooled = LEDGER.with_borrow_mut(|ledger| {
            let Some(index) = ledger.index_of(id) else { return false };
            let booking = ledger.begin(&SharedData, index, 0, ending.began_ms);
            ledger.end(&SharedData, booking, &Ended::with(ending.outcome), now_ms)
        });
        if cooled {
            log::info!("signalbox: {id} is cooling down");
        }
    }
}
