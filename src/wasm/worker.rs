//! What one worker's VM keeps in memory: the configuration, the flights on their way, and who wants to be woken.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::host::SharedData;
use crate::config::compile;
use crate::config::model::RouterConfig;
use crate::config::tree::Node;
use crate::filter::Flight;
use crate::routing::cooldown_rules;
use crate::routing::strategy::Random;
use crate::state::{Observation, record};

thread_local! {
    static CONFIG: RefCell<Option<Rc<RouterConfig>>> = const { RefCell::new(None) };
    static FLIGHTS: RefCell<HashMap<u64, Rc<RefCell<Flight>>>> = RefCell::new(HashMap::new());
    static LAST_FLIGHT: Cell<u64> = const { Cell::new(0) };
    static RANDOM: RefCell<Random> = RefCell::new(Random::new(RandomState::new().hash_one(0x5EED)));
}

/// Takes a configuration over. Flights on their way keep the one they were planned with.
pub fn configure(json: &str) -> bool {
    match compile_json(json) {
        Ok(config) => {
            CONFIG.with_borrow_mut(|current| *current = Some(Rc::new(config)));
            true
        }
        Err(mistakes) => {
            log::error!("signalbox: the configuration is not valid: {mistakes}");
            false
        }
    }
}

fn compile_json(json: &str) -> Result<RouterConfig, String> {
    let tree = Node::from_json_text(json.as_bytes())?;
    let compiled = compile::compile(&tree, &|_| None);
    compiled.map(|compiled| compiled.config).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(|mistake| mistake.line("config", "")).collect();
        mistakes.join("; ")
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
pub fn keep(flight: Flight) -> u64 {
    let id = LAST_FLIGHT.get() + 1;
    LAST_FLIGHT.set(id);
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
pub fn record_endings(flight: &RefCell<Flight>, now_ms: u64) {
    let mut flight = flight.borrow_mut();
    for ending in flight.take_endings() {
        let config = &flight.config;
        let Some(deployment) = config.deployments.get(ending.deployment) else { continue };
        let rules = cooldown_rules(config, ending.deployment);
        let observation = Observation { deployment: &deployment.id, outcome: ending.outcome, now_ms, rules };
        if record(&SharedData, &observation) {
            log::info!("signalbox: {} is cooling down", deployment.id);
        }
    }
}
