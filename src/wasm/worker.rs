//! What one worker's VM keeps in memory: the configuration, the flights on their way, and who wants to be woken.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::host::{self, SharedData};
use crate::config::compile;
use crate::config::model::RouterConfig;
use crate::config::tree::Node;
use crate::filter::Flight;
use crate::routing::cooldown_rules;
use crate::routing::strategy::Random;
use crate::state::{Observation, Outcome, record};

/// How long successes are gathered, in milliseconds.
const GATHER_MS: u64 = 1_000;

thread_local! {
    static CONFIG: RefCell<Option<Rc<RouterConfig>>> = const { RefCell::new(None) };
    static FLIGHTS: RefCell<HashMap<u64, Rc<RefCell<Flight>>>> = RefCell::new(HashMap::new());
    /// By deployment: since when successes are gathered, and how many.
    static SERVED: RefCell<HashMap<String, (u64, u32)>> = RefCell::new(HashMap::new());
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

/// Writes what has ended in a flight into shared data. Successes are gathered and written at most once a second, or with
/// the next failure: they only weigh failures, and most requests then leave shared data alone.
pub fn record_endings(flight: &RefCell<Flight>) {
    let endings = flight.borrow_mut().take_endings();
    for ending in endings {
        let (config, started_ms) = {
            let flight = flight.borrow();
            (Rc::clone(&flight.config), flight.started_ms)
        };
        let Some(deployment) = config.deployments.get(ending.deployment) else { continue };
        let failed = matches!(ending.outcome, Outcome::Failed(_));
        // A request's beginning is near enough to now for gathering, and needs no call.
        let now_ms = if failed { host::now_ms() } else { started_ms };
        let observe = |outcome| {
            let rules = cooldown_rules(&config, ending.deployment);
            record(&SharedData, &Observation { deployment: &deployment.id, outcome, now_ms, rules })
        };
        if let Some(times) = gathered(&deployment.id, &ending.outcome, now_ms, failed) {
            observe(Outcome::Served(times));
        }
        if failed && observe(ending.outcome) {
            log::info!("signalbox: {} is cooling down", deployment.id);
        }
    }
}

/// Successes of a deployment that are due to be written.
fn gathered(id: &str, outcome: &Outcome, now_ms: u64, failed: bool) -> Option<u32> {
    SERVED.with_borrow_mut(|served| {
        if let Outcome::Served(times) = outcome {
            match served.get_mut(id) {
                Some((_, gathered)) => *gathered += times,
                None => drop(served.insert(id.to_owned(), (now_ms, *times))),
            }
        }
        let (since_ms, times) = served.get_mut(id)?;
        if *times == 0 || !(failed || now_ms.saturating_sub(*since_ms) >= GATHER_MS) {
            return None;
        }
        *since_ms = now_ms;
        Some(std::mem::take(times))
    })
}
