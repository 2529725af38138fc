//! The worker of this thread, and what it tells Envoy's statistics.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use super::host::{self, SharedData};
use proxy_wasm::types::{BufferType, MapType};

use crate::filter::{Change, Flight, Setup, Told, Worker, probe::Probe};

thread_local! {
    static WORKER: RefCell<Worker> = RefCell::new(Worker::new(RandomState::new().hash_one(0x5EED), RandomState::new()));
    /// The host's numbers for the statistics that were told before.
    static STATISTICS: RefCell<HashMap<String, u32>> = RefCell::new(HashMap::new());
}

/// Lets somebody work with this thread's worker.
pub fn with<T>(work: impl FnOnce(&mut Worker) -> T) -> T {
    WORKER.with_borrow_mut(work)
}

/// Takes a configuration over, or says what is wrong with it.
pub fn configure(json: &str) -> Result<Rc<Setup>, String> {
    with(|worker| worker.configure(json, &SharedData, host::now_ms()))
}

/// Time goes on. Tells what was counted, and returns the time, Unix milliseconds.
pub fn tick() -> u64 {
    let now_ms = host::now_ms();
    let told = with(|worker| {
        worker.tick(&SharedData, now_ms);
        worker.statistics()
    });
    STATISTICS.with_borrow_mut(|known| {
        for Told { name, change } in told {
            let (Change::Add(value) | Change::Set(value)) = change;
            let is_gauge = matches!(change, Change::Set(_));
            let number = known.entry(name).or_insert_with_key(|name| host::statistic(name, is_gauge));
            host::change(*number, is_gauge, value);
        }
    });
    now_ms
}

/// Asks the cooling deployments, where it is this worker's turn.
pub fn probe() {
    for Probe { deployment, cluster, headers, body, timeout_ms } in with(|worker| worker.probes(&SharedData)) {
        if let Some(call) = host::call(&cluster, &headers, &body, timeout_ms) {
            with(|worker| worker.probing(&SharedData, call, deployment));
        }
    }
}

/// The answer to a probe came, or its time was over.
pub fn probed(call: u32, length: usize) {
    let headers = host::headers(MapType::HttpCallResponseHeaders);
    let status = host::header(MapType::HttpCallResponseHeaders, ":status").and_then(|status| status.parse().ok());
    let body = host::body(BufferType::HttpCallResponseBody, length);
    with(|worker| worker.probed(&SharedData, call, status.map(|status| (status, headers, body)), host::now_ms()));
}

/// Now, Unix milliseconds, up to a tick ago.
pub fn now_ms() -> u64 {
    with(|worker| worker.now_ms())
}

/// Brings what happened in a flight to the books.
pub fn record(flight: &RefCell<Flight>) {
    if let Some(news) = with(|worker| worker.record(&SharedData, flight, &host::now_ms)) {
        log::info!("signalbox: {news}");
    }
}
