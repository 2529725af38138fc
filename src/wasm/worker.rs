//! What one worker's VM keeps in memory: the configuration, the flights on their way, time, and who is cooling.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::host::{self, SharedData};
use crate::config::compile;
use crate::config::model::{Deployment, RouterConfig};
use crate::filter::{Event, Flight};
use crate::routing::cooldown_rules;
use crate::routing::strategy::Random;
use crate::state::{CoolingView, Ended, Gathered, Measure, Tally, settle};

thread_local! {
    static CONFIG: RefCell<Option<Rc<RouterConfig>>> = const { RefCell::new(None) };
    static FLIGHTS: RefCell<HashMap<u64, Rc<RefCell<Flight>>>> = RefCell::new(HashMap::new());
    static GATHERED: RefCell<Gathered> = RefCell::new(Gathered::default());
    static COOLING: RefCell<CoolingView> = RefCell::new(CoolingView::default());
    static TALLY: RefCell<Tally> = RefCell::new(Tally::default());
    static METRICS: RefCell<BTreeMap<(usize, Measure), u32>> = const { RefCell::new(BTreeMap::new()) };
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
    COOLING.set(CoolingView::read(&SharedData, config.deployments.iter().map(|d| d.id.as_str())));
    METRICS.with_borrow_mut(BTreeMap::clear);
    CONFIG.with_borrow_mut(|current| *current = Some(Rc::new(config)));
    tick();
    Ok(())
}

/// Time goes on, and other workers may have learnt something. Requests then need to ask the host for neither.
pub fn tick() {
    NOW_MS.set(host::now_ms());
    if let Some(config) = config() {
        tell(&config);
        COOLING.with_borrow_mut(|view| view.refresh(&SharedData, config.deployments.iter().map(|d| d.id.as_str())));
    }
}

/// Tells Envoy's statistics what was counted since the last tick.
fn tell(config: &RouterConfig) {
    for (deployment, measure, count) in TALLY.with_borrow_mut(Tally::take) {
        let Some(Deployment { id, .. }) = config.deployments.get(deployment) else { continue };
        METRICS.with_borrow_mut(|known| {
            let metric = known.entry((deployment, measure)).or_insert_with(|| host::counter(&measure.name(id)));
            host::count(*metric, count);
        });
    }
}

/// Now, Unix milliseconds, up to a tick ago.
pub fn now_ms() -> u64 {
    NOW_MS.get()
}

/// Until when a deployment is cooling, as this worker knows it.
pub fn cooling_until_ms(index: usize) -> u64 {
    COOLING.with_borrow(|view| view.until_ms(index))
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

/// Writes what has ended in a flight into shared data.
pub fn record(flight: &RefCell<Flight>) {
    let events = flight.borrow_mut().take_events();
    for event in events {
        let Event::Ended(ending) = event else { continue };
        let (config, started_ms) = {
            let flight = flight.borrow();
            (Rc::clone(&flight.config), flight.started_ms)
        };
        let Some(Deployment { id, .. }) = config.deployments.get(ending.deployment) else { continue };
        TALLY.with_borrow_mut(|tally| ending.count(tally));
        let rules = || cooldown_rules(&config, ending.deployment);
        let ended = Ended { deployment: id, outcome: ending.outcome, started_ms };
        let cooled =
            GATHERED.with_borrow_mut(|gathered| settle(gathered, &SharedData, ended, &rules, &host::now_ms, chance()));
        if cooled {
            TALLY.with_borrow_mut(|tally| tally.add(ending.deployment, Measure::Cooldowns, 1));
            log::info!("signalbox: {id} is cooling down");
            tick();
        }
    }
}
