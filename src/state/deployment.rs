//! One deployment in one worker's memory: what shared data held last, and what is not written there yet.
//!
//! **Invariant:** what could not be written is kept and written later, except figures of a minute that is over.

use super::latency::Latency;
use super::load::{Load, minute, minute_end_ms};
use super::store::{self, StateStore, Unchanged, update};
use super::{Account, DeploymentView, Health, HealthRecord, Limit, LimitReached, health};
use crate::chat::Lack;

/// How often a worker with requests in flight writes that it is alive, in milliseconds.
const BEAT_MS: u64 = 1_000;
/// For so long others go first where a request needs what a provider said that the model lacks. Who runs it may mend that.
const LACK_MS: u64 = 600_000;
/// Older successes do not count: their minute is over.
const WINDOW_MS: u64 = 60_000;

/// Requests and tokens that are to be added to a minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Owed {
    minute: u64,
    requests: i32,
    tokens: i64,
}

impl Owed {
    fn add(&mut self, minute: u64, requests: i32, tokens: i64) {
        if minute > self.minute {
            *self = Self { minute, requests: 0, tokens: 0 };
        }
        if minute == self.minute {
            self.requests = self.requests.saturating_add(requests);
            self.tokens = self.tokens.saturating_add(tokens);
        }
    }

    const fn is_nothing(&self) -> bool {
        self.requests == 0 && self.tokens == 0
    }
}

/// What a worker remembers of one deployment.
#[derive(Debug, Default)]
pub(super) struct DeploymentRecord {
    pub(super) account: Account,
    /// Its index in the configuration; `None`: it is no longer configured, but requests are still in flight.
    pub(super) index: Option<usize>,
    pub(super) health_key: String,
    pub(super) health: HealthRecord,
    /// The lease of a probe that ended and could not be given back.
    pub(super) unreleased: Option<u64>,
    /// Successes that are not written yet: they matter only beside failures, so they wait for one.
    successes: u32,
    successes_since_ms: u64,
    /// What its provider said that it lacks, each until it may be asked again.
    lacks_until_ms: [u64; 2],
    load_key: String,
    load: Load,
    owed: Owed,
    in_flight: u32,
    /// What this worker's slot holds, and since when.
    shown: u32,
    beat_ms: u64,
    latency_key: String,
    latency: Latency,
    new_latency: Latency,
    /// Its budgets among the ledger's meters.
    pub(super) meters: Vec<usize>,
}

impl DeploymentRecord {
    pub(super) fn new(account: Account) -> Self {
        Self {
            health_key: health::key(&account.id),
            load_key: format!("load/{}", account.id),
            latency_key: format!("latency/{}", account.id),
            account,
            ..Self::default()
        }
    }

    /// It is no longer needed.
    pub(super) const fn is_closed(&self) -> bool {
        self.index.is_none() && self.in_flight == 0 && self.shown == 0
    }

    pub(super) fn read_health(&mut self, store: &dyn StateStore) {
        self.health = store::load(store, &self.health_key);
    }

    pub(super) fn read_load(&mut self, store: &dyn StateStore) {
        self.load = store::load(store, &self.load_key);
        if self.account.latency {
            self.latency = store::load(store, &self.latency_key);
        }
    }

    pub(super) const fn succeed(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.successes_since_ms) >= WINDOW_MS {
            self.successes = 0;
            self.successes_since_ms = now_ms;
        }
        self.successes = self.successes.saturating_add(1);
    }

    /// Its provider says that it lacks something.
    pub(super) fn lack(&mut self, lack: Lack, now_ms: u64) {
        let [tools, images] = &mut self.lacks_until_ms;
        match lack {
            Lack::Tools => *tools = now_ms.saturating_add(LACK_MS),
            Lack::Images => *images = now_ms.saturating_add(LACK_MS),
            Lack::Thinking | Lack::Other => {}
        }
    }

    /// Successes that still count.
    pub(super) const fn successes(&self, now_ms: u64) -> u32 {
        if now_ms.saturating_sub(self.successes_since_ms) < WINDOW_MS { self.successes } else { 0 }
    }

    pub(super) const fn forget_successes(&mut self, now_ms: u64) {
        self.successes = 0;
        self.successes_since_ms = now_ms;
    }

    /// Counts a request, unless a limit is reached: exactly, across workers.
    pub(super) fn reserve(
        &mut self,
        store: &dyn StateStore,
        worker: u64,
        tokens: u64,
        now_ms: u64,
    ) -> Result<(), LimitReached> {
        let (rpm, tpm, max_parallel) = (self.account.rpm, self.account.tpm, self.account.max_parallel);
        let (owed, minute) = (self.owed, minute(now_ms));
        let in_flight = self.in_flight.saturating_add(1);
        let mut latest = None;
        let written = update(store, &self.load_key, |load: &mut Load| {
            latest = Some(load.clone());
            load.add(owed.minute, owed.requests, owed.tokens);
            let minute = load.begin(minute);
            let (requests, used) = load.used(minute);
            let full = |limit, until_ms| Err(LimitReached { limit, until_ms });
            if rpm.is_some_and(|rpm| u64::from(requests) >= rpm) {
                return full(Limit::Requests, minute_end_ms(now_ms));
            }
            if tpm.is_some_and(|tpm| used.saturating_add(tokens) > tpm) {
                return full(Limit::Tokens, minute_end_ms(now_ms));
            }
            let at_a_time = load.of_others(worker, now_ms).saturating_add(in_flight);
            if max_parallel.is_some_and(|max| at_a_time > max) {
                return full(Limit::Parallel, now_ms);
            }
            load.add(minute, 1, signed(tokens));
            let has_slot = load.beat(worker, in_flight, now_ms);
            if has_slot || max_parallel.is_none() { Ok(true) } else { full(Limit::Parallel, now_ms) }
        });
        match written {
            Ok(load) => {
                self.in_flight = in_flight;
                self.written(load, now_ms);
                Ok(())
            }
            Err(Unchanged::Refused(full)) => {
                self.load = latest.unwrap_or_default();
                Err(full)
            }
            // Other workers reserved at the same moment, and this one lost every race: too many at a time.
            Err(Unchanged::Lost) => Err(LimitReached { limit: Limit::Parallel, until_ms: now_ms }),
        }
    }

    /// Counts a request in memory, whatever the limits.
    pub(super) fn begin(&mut self, tokens: u64, now_ms: u64) {
        self.in_flight = self.in_flight.saturating_add(1);
        self.owed.add(minute(now_ms), 1, signed(tokens));
    }

    /// A request was never sent.
    pub(super) fn cancel(&mut self, began_ms: u64, tokens: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.owed.add(minute(began_ms), -1, signed(tokens).saturating_neg());
    }

    /// A request used this many of its reserved tokens. A reservation belongs to the minute in which it was made; tokens used beyond it
    /// in a later minute belong to that one.
    pub(super) fn end(&mut self, began_ms: u64, reserved: u64, used: u64, now_ms: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        let more = signed(used).saturating_sub(signed(reserved));
        if minute(began_ms) == minute(now_ms) || more > 0 {
            self.owed.add(minute(now_ms), 0, more);
        }
    }

    pub(super) fn sample(&mut self, latency: Option<f32>, first_token: Option<f32>, timed_out: bool, now_ms: u64) {
        if self.account.latency {
            self.new_latency.push(latency, first_token, now_ms);
            if timed_out {
                self.new_latency.timed_out(self.account.rules.max_cooldown_ms, now_ms);
            }
        }
    }

    /// Whether its load differs from shared data's.
    pub(super) const fn is_due(&self, now_ms: u64) -> bool {
        let beats = self.in_flight > 0 && now_ms.abs_diff(self.beat_ms) >= BEAT_MS;
        beats || !self.owed.is_nothing() || self.in_flight != self.shown
    }

    /// Writes its load. Returns whether that was possible.
    pub(super) fn write_load(&mut self, store: &dyn StateStore, worker: u64, now_ms: u64) -> bool {
        let (owed, in_flight) = (self.owed, self.in_flight);
        let written = update(store, &self.load_key, |load: &mut Load| {
            load.add(owed.minute, owed.requests, owed.tokens);
            load.beat(worker, in_flight, now_ms);
            Ok::<_, ()>(true)
        });
        let Ok(load) = written else { return false };
        self.shown = in_flight;
        self.written(load, now_ms);
        true
    }

    fn written(&mut self, load: Load, now_ms: u64) {
        self.load = load;
        self.owed = Owed::default();
        self.shown = self.in_flight;
        self.beat_ms = now_ms;
    }

    /// Writes its new samples. Returns whether there were any, and that was possible.
    pub(super) fn write_latency(&mut self, store: &dyn StateStore) -> bool {
        if self.new_latency.is_empty() {
            return false;
        }
        let (new, penalty_ms) = (self.new_latency, self.account.rules.max_cooldown_ms);
        let written = update(store, &self.latency_key, |latency: &mut Latency| {
            latency.append(&new, penalty_ms);
            Ok::<_, ()>(true)
        });
        let Ok(latency) = written else { return false };
        self.latency = latency;
        self.new_latency = Latency::default();
        true
    }

    /// What a decision reads, except budgets.
    pub(super) fn view(&self, worker: u64, now_ms: u64) -> DeploymentView {
        let minute = minute(now_ms);
        let (requests, tokens) = self.load.used(minute);
        let owed = if self.owed.minute == minute { self.owed } else { Owed::default() };
        let penalty_ms = self.account.rules.max_cooldown_ms;
        let mut samples = self.latency;
        samples.append(&self.new_latency, penalty_ms);
        let (latency, first_token) = samples.latest(penalty_ms, now_ms);
        let room_at_ms = self.health.full_until_ms;
        let never = self.account.rules.never;
        DeploymentView {
            health: if never { Health::Healthy } else { self.health.health(now_ms) },
            in_flight: self.load.of_others(worker, now_ms).saturating_add(self.in_flight),
            requests: requests.saturating_add_signed(owed.requests),
            tokens: tokens.saturating_add_signed(owed.tokens),
            minute_ends_ms: minute_end_ms(now_ms),
            full_until_ms: if room_at_ms > now_ms { room_at_ms } else { 0 },
            lacks_until_ms: self.lacks_until_ms,
            latency,
            first_token,
            ..DeploymentView::default()
        }
    }
}

/// Tokens as a difference. More than half of `u64` count as that half.
fn signed(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}
