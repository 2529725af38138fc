//! What one worker's VM keeps in memory: the configuration, the flights on their way, and who wants to be woken.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::host::{self, SharedData};
use crate::config::compile;
use crate::config::model::{Deployment, RouterConfig};
use crate::filter::Flight;
use crate::routing::cooldown_rules;
use crate::routing::strategy::Random;
use crate::state::{Gathered, Observation, Outcome, health_of, record};

thread_local! {
    static CONFIG: RefCell<Option<Rc<RouterConfig>>> = const { RefCell::new(None) };
    static FLIGHTS: RefCell<HashMap<u64, Rc<RefCell<Flight>>>> = RefCell::new(HashMap::new());
    static GATHERED: RefCell<Gathered> = RefCell::new(Gathered::default());
    static LAST_FLIGHT: Cell<u64> = const { Cell::new(0) };
    static RANDOM: RefCell<Random> = RefCell::new(Random::new(RandomState::new().hash_one(0x5EED)));
}

/// Takes a configuration over. Flights on their way keep the one they were planned with.
///
/// # Errors
/// What is wrong with it.
pub fn configure(json: &str) -> Result<(), String> {
    let config = compile::compile_json(json)?;
    CONFIG.with_borrow_mut(|current| *current = Some(Rc::new(config)));
    Ok(())
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

/// Forgets a flight.
pub fn forget(id: u64) {
    FLIGHTS.with_borrow_mut(|flights| flights.remove(&id));
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
        let served = |now_ms| {
            let times = GATHERED.with_borrow_mut(|gathered| gathered.take(id, now_ms));
            let outcome = Outcome::Served(times);
            times > 0 && record(&SharedData, &Observation { deployment: id, outcome, now_ms, rules: rules() })
        };
        match ending.outcome {
            Outcome::Abandoned => {}
            // A request's beginning is near enough to now for this, and needs no call.
            Outcome::Served(times) => {
                let due = GATHERED.with_borrow_mut(|gathered| gathered.add(id, times, started_ms));
                if due && health_of(&SharedData, id).window_failures > 0 {
                    served(started_ms);
                }
            }
            outcome @ Outcome::Failed(_) => {
                let now_ms = host::now_ms();
                served(now_ms);
                if record(&SharedData, &Observation { deployment: id, outcome, now_ms, rules: rules() }) {
                    log::info!("signalbox: {id} is cooling down");
                }
            }
        }
    }
}
