//! One worker's records of every deployment: what it knows, what it does, and what it still has to write.
//!
//! A decision reads [`Ledger::views`] and makes no host call. What an attempt does is counted in memory at once and written at the next
//! tick; only if a limit binds, it is written before the attempt is sent. HealthRecord is written at once, but only after a failure:
//! successes wait in memory until there is a failure to set them against.
//!
//! Two keys say that there is something to read: `health`, and `figures` for everything else. A worker that finds their tokens unchanged
//! at a tick reads nothing more.
//!
//! **Invariant:** every [`Reservation`] that is given back leaves nothing behind; the other workers forget what a VM that died had.

use std::collections::HashMap;
use std::rc::Rc;

use super::budget_meter::BudgetMeter;
use super::deployment::DeploymentRecord;
use super::store::{self, StateStore, update};
use super::{Account, AttemptRecord, DeploymentView, HealthRecord, LimitReached, Outcome, Reservation};
use crate::chat::{Failure, FailureClass, RateLimits};

/// A worker that changed a health record writes a new token here.
const HEALTH: &str = "health";
/// A worker that changed anything else writes one here.
const FIGURES: &str = "figures";
/// How often a worker with successes looks for failures, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// One worker's records.
#[derive(Debug)]
pub struct Ledger {
    /// This worker's number, never used before.
    worker: u64,
    tokens_made: u64,
    /// By [`Reservation::record`]. A place is reused when its record is no longer needed.
    records: Vec<Option<DeploymentRecord>>,
    /// The place of each deployment index.
    places: Vec<usize>,
    views: Rc<Vec<DeploymentView>>,
    meters: Vec<BudgetMeter>,
    health_token: Option<Vec<u8>>,
    figures_token: Option<Vec<u8>>,
    /// Something was written, and no token yet.
    unannounced: bool,
    looked_ms: u64,
}

impl Ledger {
    /// An empty ledger. `worker` must differ for each VM: a random number.
    #[must_use]
    pub fn new(worker: u64) -> Self {
        Self {
            worker,
            tokens_made: 0,
            records: Vec::new(),
            places: Vec::new(),
            views: Rc::default(),
            meters: Vec::new(),
            health_token: None,
            figures_token: None,
            unannounced: false,
            looked_ms: 0,
        }
    }

    /// Takes over the deployments of a configuration, and reads their records. Attempts in flight keep their records, also those of
    /// deployments that are no longer configured.
    pub fn configure(&mut self, accounts: Vec<Account>, store: &dyn StateStore, now_ms: u64) {
        let mut by_id: HashMap<String, usize> = HashMap::new();
        for (place, record) in self.records.iter_mut().enumerate() {
            if let Some(record) = record {
                record.index = None;
                by_id.insert(record.account.id.clone(), place);
            }
        }
        self.places.clear();
        for (index, account) in accounts.into_iter().enumerate() {
            let known = by_id.get(&account.id).copied();
            let place = known.unwrap_or_else(|| self.free_place());
            if let Some(slot) = self.records.get_mut(place) {
                let record = slot.get_or_insert_with(|| DeploymentRecord::new(account.clone()));
                record.account = account;
                record.index = Some(index);
            }
            self.places.push(place);
        }
        self.drop_closed();
        self.meters = BudgetMeter::all(std::mem::take(&mut self.meters), self.records.iter_mut().flatten());
        self.views = Rc::new(vec![DeploymentView::default(); self.places.len()]);
        (self.health_token, self.figures_token) = (token(store, HEALTH), token(store, FIGURES));
        self.read_health(store);
        self.read_load(store);
        self.look_at_all(now_ms);
    }

    fn free_place(&mut self) -> usize {
        self.records.iter().position(Option::is_none).unwrap_or_else(|| {
            self.records.push(None);
            self.records.len() - 1
        })
    }

    fn drop_closed(&mut self) {
        self.records
            .iter_mut()
            .filter(|slot| slot.as_ref().is_some_and(DeploymentRecord::is_closed))
            .for_each(|slot| *slot = None);
    }

    /// The state of each deployment now, by its index in the configuration.
    #[must_use]
    pub fn views(&self) -> &[DeploymentView] {
        &self.views
    }

    /// A snapshot of it, in the order of `places` if they are given. Nothing is copied until something changes.
    #[must_use]
    pub fn snapshot(&self, places: Option<&[Option<usize>]>) -> Rc<Vec<DeploymentView>> {
        let Some(places) = places else { return Rc::clone(&self.views) };
        let at = |place: &Option<usize>| place.and_then(|place| self.views.get(place).copied()).unwrap_or_default();
        Rc::new(places.iter().map(at).collect())
    }

    /// Whether any deployment has a limit that binds, so that the length of prompts matters.
    #[must_use]
    pub fn has_limits(&self) -> bool {
        self.records.iter().flatten().any(|record| record.account.is_exact())
    }

    /// The index of a deployment, by its id.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<usize> {
        self.records.iter().flatten().find(|record| record.account.id == id)?.index
    }

    /// Counts an attempt before it is sent, with the tokens that it will probably use: exactly and across workers if a limit binds, else
    /// in memory.
    ///
    /// # Errors
    /// [`LimitReached`] if a limit is reached. Nothing is counted then.
    pub fn reserve(
        &mut self,
        store: &dyn StateStore,
        deployment: usize,
        tokens: u64,
        now_ms: u64,
    ) -> Result<Reservation, LimitReached> {
        let place = self.places.get(deployment).copied().unwrap_or(usize::MAX);
        let worker = self.worker;
        if let Some(record) = self::record(&mut self.records, place) {
            if record.account.is_exact() {
                let reserved = record.reserve(store, worker, tokens, now_ms);
                self.unannounced |= reserved.is_ok();
                self.look_at(place, now_ms);
                reserved?;
            } else {
                record.begin(tokens, now_ms);
                self.look_at(place, now_ms);
            }
        }
        Ok(Reservation { record: place, tokens, began_ms: now_ms, probes_until_ms: None })
    }

    /// As [`reserve`](Self::reserve), but never refused: for an attempt that is sent over a limit rather than not at all.
    pub fn begin(&mut self, store: &dyn StateStore, deployment: usize, tokens: u64, now_ms: u64) -> Reservation {
        let place = self.places.get(deployment).copied().unwrap_or(usize::MAX);
        if let Some(record) = self::record(&mut self.records, place) {
            record.begin(tokens, now_ms);
            self.write_exact(store, place, now_ms);
        }
        Reservation { record: place, tokens, began_ms: now_ms, probes_until_ms: None }
    }

    /// An attempt was never sent: it no longer counts.
    pub fn cancel(&mut self, store: &dyn StateStore, reservation: Reservation, now_ms: u64) {
        let Some(record) = self::record(&mut self.records, reservation.record) else { return };
        record.cancel(reservation.began_ms, reservation.tokens);
        self.release(store, &reservation);
        self.write_exact(store, reservation.record, now_ms);
    }

    /// Claims the probe of a half-open deployment for an attempt, with a lease of `lease_ms` (at most ten minutes) in case its end is
    /// never reported. One attempt at a time has it, across workers. Returns whether this one has; if not, the attempt should be
    /// cancelled.
    pub fn probe(&mut self, store: &dyn StateStore, reservation: &mut Reservation, lease_ms: u64, now_ms: u64) -> bool {
        const MAX_LEASE_MS: u64 = 600_000;
        let (worker, until_ms) = (self.worker, now_ms.saturating_add(lease_ms.min(MAX_LEASE_MS)));
        let claimed = self.change_health(store, reservation.record, |health| health.claim(worker, until_ms, now_ms));
        if claimed == Some(true) {
            reservation.probes_until_ms = Some(until_ms);
            self.announce(store, HEALTH);
        }
        self.look_at(reservation.record, now_ms);
        claimed == Some(true)
    }

    /// The limits that an answer reports.
    pub fn apply_rate_limits(&mut self, store: &dyn StateStore, of: &Reservation, limits: &RateLimits, now_ms: u64) {
        let Some(record) = self::record(&mut self.records, of.record).filter(|record| !record.account.is_wild) else {
            return;
        };
        let news = |health: &mut HealthRecord| match limits.full_for_ms() {
            Some(wait_ms) => health.fill(now_ms.saturating_add(wait_ms), now_ms),
            None => limits.have_room() && health.make_room(of.began_ms, now_ms),
        };
        // Most answers bring no news, and then shared data is not touched.
        let mut known = record.health;
        if news(&mut known) && self.change_health(store, of.record, news) == Some(true) {
            self.announce(store, HEALTH);
            self.look_at(of.record, now_ms);
        }
    }

    /// An attempt ended. Returns whether its deployment cools because of it, or for longer.
    pub fn end(
        &mut self,
        store: &dyn StateStore,
        reservation: Reservation,
        ended: &AttemptRecord,
        now_ms: u64,
    ) -> bool {
        let Some(record) = self::record(&mut self.records, reservation.record) else { return false };
        let unknown = if matches!(ended.outcome, Outcome::Failed(_)) { 0 } else { reservation.tokens };
        record.end(reservation.began_ms, reservation.tokens, ended.tokens.unwrap_or(unknown), now_ms);
        let class = if let Outcome::Failed(failure) = &ended.outcome { Some(failure.class) } else { None };
        record.sample(ended.latency, ended.first_token, class == Some(FailureClass::Timeout), now_ms);
        if let Outcome::Failed(Failure { lack: Some(lack), .. }) = ended.outcome {
            record.lack(lack, now_ms);
        }
        for meter in &record.meters {
            self.meters.get_mut(*meter).into_iter().for_each(|meter| meter.spend(ended.cost_nanos));
        }
        let cools = self.judge(store, &reservation, &ended.outcome, now_ms);
        self.release(store, &reservation);
        self.write_exact(store, reservation.record, now_ms);
        cools
    }

    /// What an attempt's end does to health.
    fn judge(&mut self, store: &dyn StateStore, reservation: &Reservation, outcome: &Outcome, now_ms: u64) -> bool {
        let Some(record) = self::record(&mut self.records, reservation.record) else { return false };
        let (rules, successes, began_ms) = (record.account.rules, record.successes(now_ms), reservation.began_ms);
        let turned = match outcome {
            Outcome::Abandoned => None,
            Outcome::Served if record.health.streak == 0 => {
                record.succeed(now_ms);
                None
            }
            Outcome::Failed(failure) if rules.never || !rules.blames(failure) => None,
            Outcome::Served => self.change_health(store, reservation.record, |health| {
                health.served(successes, now_ms);
                health.recover(began_ms, now_ms)
            }),
            Outcome::Failed(failure) => self.change_health(store, reservation.record, |health| {
                health.served(successes, now_ms);
                health.failed(failure, &rules, began_ms, now_ms)
            }),
        };
        if turned.is_some()
            && let Some(record) = self::record(&mut self.records, reservation.record)
        {
            record.forget_successes(now_ms);
        }
        if turned == Some(true) {
            self.announce(store, HEALTH);
        }
        turned == Some(true) && *outcome != Outcome::Served
    }

    /// Gives a probe's claim back, if it still holds.
    fn release(&mut self, store: &dyn StateStore, reservation: &Reservation) {
        let Some(until_ms) = reservation.probes_until_ms else { return };
        let worker = self.worker;
        match self.change_health(store, reservation.record, |health| health.release(worker, until_ms)) {
            Some(true) => self.announce(store, HEALTH),
            Some(false) => {}
            None => self::record(&mut self.records, reservation.record)
                .into_iter()
                .for_each(|record| record.unreleased = Some(until_ms)),
        }
    }

    /// If a limit binds, the other workers must know at once.
    fn write_exact(&mut self, store: &dyn StateStore, place: usize, now_ms: u64) {
        let worker = self.worker;
        if let Some(record) = self::record(&mut self.records, place)
            && record.account.is_exact()
        {
            self.unannounced |= record.write_load(store, worker, now_ms);
        }
        self.look_at(place, now_ms);
    }

    /// Changes a health record; the change says whether the other workers must know. `None`: it could not be written.
    fn change_health(
        &mut self,
        store: &dyn StateStore,
        place: usize,
        change: impl Fn(&mut HealthRecord) -> bool,
    ) -> Option<bool> {
        let record = self::record(&mut self.records, place)?;
        let mut is_news = false;
        let written = update(store, &record.health_key, |health: &mut HealthRecord| {
            let before = *health;
            is_news = change(health);
            Ok::<_, ()>(*health != before)
        });
        record.health = written.ok()?;
        Some(is_news)
    }

    /// Writes what is owed and reads what others wrote. To be called at each tick.
    pub fn sync(&mut self, store: &dyn StateStore, now_ms: u64) {
        self.give_back(store);
        if token_changed(store, HEALTH, &mut self.health_token) {
            self.read_health(store);
        }
        if now_ms.abs_diff(self.looked_ms) >= LOOK_MS {
            self.looked_ms = now_ms;
            self.weigh(store, now_ms);
        }
        self.write_books(store, now_ms);
        if token_changed(store, FIGURES, &mut self.figures_token) {
            self.read_load(store);
        }
        self.drop_closed();
        self.look_at_all(now_ms);
    }

    /// Claims that could not be given back when their attempt ended.
    fn give_back(&mut self, store: &dyn StateStore) {
        for place in 0..self.records.len() {
            let probes_until_ms = self::record(&mut self.records, place).and_then(|record| record.unreleased.take());
            self.release(store, &Reservation { record: place, tokens: 0, began_ms: 0, probes_until_ms });
        }
    }

    /// Writes successes if failures of any worker are known, because a failure is set against them.
    fn weigh(&mut self, store: &dyn StateStore, now_ms: u64) {
        for place in 0..self.records.len() {
            let Some(record) = self::record(&mut self.records, place) else { continue };
            let successes = record.successes(now_ms);
            if successes == 0 || !store::load::<HealthRecord>(store, &record.health_key).has_failures(now_ms) {
                continue;
            }
            let served = |health: &mut HealthRecord| {
                health.served(successes, now_ms);
                false
            };
            if self.change_health(store, place, served).is_some() {
                self::record(&mut self.records, place).into_iter().for_each(|record| record.forget_successes(now_ms));
            }
        }
    }

    fn write_books(&mut self, store: &dyn StateStore, now_ms: u64) {
        let mut changed = std::mem::take(&mut self.unannounced);
        for record in self.records.iter_mut().flatten() {
            changed |= record.is_due(now_ms) && record.write_load(store, self.worker, now_ms);
            changed |= record.write_latency(store);
        }
        for meter in &mut self.meters {
            changed |= meter.write(store, now_ms);
        }
        if changed {
            self.announce(store, FIGURES);
        }
    }

    fn read_health(&mut self, store: &dyn StateStore) {
        self.records.iter_mut().flatten().for_each(|record| record.read_health(store));
    }

    fn read_load(&mut self, store: &dyn StateStore) {
        self.records.iter_mut().flatten().for_each(|record| record.read_load(store));
        self.meters.iter_mut().for_each(|meter| meter.read(store));
    }

    fn announce(&mut self, store: &dyn StateStore, key: &str) {
        self.tokens_made = self.tokens_made.wrapping_add(1);
        let token = [self.worker.to_le_bytes(), self.tokens_made.to_le_bytes()].concat();
        store.write(key, &token, None);
    }

    fn look_at(&mut self, place: usize, now_ms: u64) {
        let Some(Some(record)) = self.records.get(place) else { return };
        let Some(view) = record.index.and_then(|index| Rc::make_mut(&mut self.views).get_mut(index)) else { return };
        *view = record.view(self.worker, now_ms);
        for meter in record.meters.iter().filter_map(|meter| self.meters.get(*meter)) {
            let (until_ms, share) = meter.used(now_ms);
            view.over_budget_until_ms = view.over_budget_until_ms.max(until_ms);
            view.budget_share = view.budget_share.max(share);
        }
    }

    fn look_at_all(&mut self, now_ms: u64) {
        (0..self.records.len()).for_each(|place| self.look_at(place, now_ms));
    }
}

fn record(records: &mut [Option<DeploymentRecord>], place: usize) -> Option<&mut DeploymentRecord> {
    records.get_mut(place)?.as_mut()
}

fn token(store: &dyn StateStore, key: &str) -> Option<Vec<u8>> {
    store.read(key).map(|(token, _)| token)
}

fn token_changed(store: &dyn StateStore, key: &str, known: &mut Option<Vec<u8>>) -> bool {
    let now = token(store, key);
    let changed = now != *known;
    *known = now;
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Fault, Lack, Window};
    use crate::config::model::Budget;
    use crate::state::memory::Memory;
    use crate::state::{CooldownRules, Health, Limit};

    const NOW_MS: u64 = 1_800_000_000_000;

    fn account(id: &str) -> Account {
        let rules = CooldownRules { cooldown_ms: 5_000, max_cooldown_ms: 20_000, ..CooldownRules::default() };
        Account { id: id.into(), rules, ..Account::default() }
    }

    fn ledger(worker: u64, accounts: &[Account], store: &Memory) -> Ledger {
        let mut ledger = Ledger::new(worker);
        ledger.configure(accounts.to_vec(), store, NOW_MS);
        ledger
    }

    fn failed(class: FailureClass) -> AttemptRecord {
        AttemptRecord::with(Outcome::Failed(Failure::local(class, "")))
    }

    /// The number of host calls that something takes.
    fn calls(store: &Memory, act: impl FnOnce()) -> u32 {
        let before = store.calls.get();
        act();
        store.calls.get() - before
    }

    #[test]
    fn what_a_model_is_said_to_lack_is_remembered_for_a_while_and_cools_nothing() {
        let store = Memory::default();
        let mut ledger = ledger(1, &[account("a"), account("b")], &store);
        let said =
            |lack| Failure { fault: Fault::Model, lack: Some(lack), ..Failure::local(FailureClass::BadRequest, "no") };
        for lack in [Lack::Images, Lack::Thinking, Lack::Other] {
            let reservation = ledger.begin(&store, 0, 0, NOW_MS);
            assert!(!ledger.end(&store, reservation, &AttemptRecord::with(Outcome::Failed(said(lack))), NOW_MS));
        }
        let [first, second] = ledger.views() else { panic!() };
        assert_eq!((first.lacks_until_ms, first.health), ([0, NOW_MS + 600_000], Health::Healthy));
        assert_eq!(second.lacks_until_ms, [0, 0]);
    }

    #[test]
    fn where_nothing_binds_requests_and_ticks_hardly_touch_shared_data() {
        let store = Memory::default();
        let mut ledger = ledger(1, &[account("a"), account("b")], &store);
        let served = calls(&store, || {
            for at in 0..100 {
                let reservation = ledger.reserve(&store, 0, 1_000, NOW_MS + at).unwrap();
                assert_eq!(ledger.views()[0].in_flight, 1);
                assert!(!ledger.end(&store, reservation, &AttemptRecord::with(Outcome::Served), NOW_MS + at));
            }
        });
        assert_eq!((served, ledger.views()[0].in_flight), (0, 0));
        ledger.sync(&store, NOW_MS + 2_000);
        assert_eq!(calls(&store, || ledger.sync(&store, NOW_MS + 2_050)), 2, "two looks at a tick");
        assert_eq!(
            calls(&store, || ledger.sync(&store, NOW_MS + 3_050)),
            3,
            "and each second one for a worker that served"
        );
        let reservation = ledger.begin(&store, 0, 0, NOW_MS + 3_100);
        ledger.end(&store, reservation, &failed(FailureClass::BadRequest), NOW_MS + 3_200);
        assert!(!store.keys().iter().any(|key| key.starts_with("health")), "the request's own fault is nobody's");
    }

    #[test]
    fn successes_weigh_a_failure_whoever_saw_them() {
        let store = Memory::default();
        let (mut one, mut two) = (ledger(1, &[account("a")], &store), ledger(2, &[account("a")], &store));
        let end = |ledger: &mut Ledger, ended: &AttemptRecord, now_ms| {
            let reservation = ledger.begin(&store, 0, 0, now_ms);
            ledger.end(&store, reservation, ended, now_ms)
        };
        let (served, broken) = (AttemptRecord::with(Outcome::Served), failed(FailureClass::Upstream));
        assert!((0..20).all(|_| !end(&mut two, &served, NOW_MS)));
        assert!(!end(&mut one, &broken, NOW_MS) && !end(&mut one, &broken, NOW_MS + 1));
        two.sync(&store, NOW_MS + 1_000);
        assert!((0..2).all(|at| !end(&mut one, &broken, NOW_MS + 1_100 + at)), "others served in between");
        assert!(end(&mut one, &broken, NOW_MS + 1_200), "three in a row");
        assert_eq!(two.views()[0].health, Health::Healthy);
        two.sync(&store, NOW_MS + 1_250);
        assert_eq!(two.views()[0].health, Health::Cooling { until_ms: NOW_MS + 6_200 });
    }

    #[test]
    fn one_probe_is_seen_by_all_and_its_success_too() {
        let store = Memory::default();
        let (mut one, mut two) = (ledger(1, &[account("a")], &store), ledger(2, &[account("a")], &store));
        let reservation = one.begin(&store, 0, 0, NOW_MS);
        assert!(one.end(&store, reservation, &failed(FailureClass::Timeout), NOW_MS));
        two.sync(&store, NOW_MS + 50);
        let mut early = two.begin(&store, 0, 0, NOW_MS + 4_000);
        assert!(!two.probe(&store, &mut early, 30_000, NOW_MS + 4_000), "not yet");
        two.cancel(&store, early, NOW_MS + 4_000);
        let half_ms = NOW_MS + 5_000;
        one.sync(&store, half_ms);
        assert_eq!(one.views()[0].health, Health::HalfOpen { probed_until_ms: 0 });
        let mut probe = one.reserve(&store, 0, 0, half_ms).unwrap();
        let mut second = two.reserve(&store, 0, 0, half_ms).unwrap();
        assert!(one.probe(&store, &mut probe, 30_000, half_ms));
        assert!(!two.probe(&store, &mut second, 30_000, half_ms), "one at a time");
        assert_eq!(two.views()[0].health, Health::HalfOpen { probed_until_ms: half_ms + 30_000 });
        two.cancel(&store, second, half_ms);
        store.losses.set(100);
        one.end(&store, probe, &AttemptRecord::with(Outcome::Abandoned), half_ms + 100);
        store.losses.set(0);
        one.sync(&store, half_ms + 150);
        two.sync(&store, half_ms + 200);
        let mut next = two.reserve(&store, 0, 0, half_ms + 200).unwrap();
        assert!(two.probe(&store, &mut next, 30_000, half_ms + 200), "the client went away, the claim was given back");
        assert!(!two.end(&store, next, &AttemptRecord::with(Outcome::Served), half_ms + 300));
        one.sync(&store, half_ms + 350);
        assert_eq!((one.views()[0].health, two.views()[0].health), (Health::Healthy, Health::Healthy));
    }

    #[test]
    fn limits_say_which_and_until_when() {
        let store = Memory::default();
        let mut limited = account("a");
        (limited.rpm, limited.tpm, limited.max_parallel) = (Some(3), Some(100), Some(2));
        let (mut one, mut two) =
            (ledger(1, std::slice::from_ref(&limited), &store), ledger(2, std::slice::from_ref(&limited), &store));
        let full = |limit, until_ms| Err(LimitReached { limit, until_ms });
        let first = one.reserve(&store, 0, 60, NOW_MS).unwrap();
        let end_ms = NOW_MS / 60_000 * 60_000 + 60_000;
        assert_eq!(two.reserve(&store, 0, 41, NOW_MS).map(drop), full(Limit::Tokens, end_ms));
        assert_eq!((two.views()[0].requests, two.views()[0].tokens), (1, 60), "a refusal brings news");
        let second = two.reserve(&store, 0, 10, NOW_MS).unwrap();
        assert_eq!(one.reserve(&store, 0, 10, NOW_MS).map(drop), full(Limit::Parallel, NOW_MS));
        let used = AttemptRecord { tokens: Some(20), ..AttemptRecord::with(Outcome::Served) };
        one.end(&store, first, &used, NOW_MS);
        let third = two.reserve(&store, 0, 70, NOW_MS).unwrap();
        two.cancel(&store, third, NOW_MS);
        let third = two.reserve(&store, 0, 70, NOW_MS).unwrap();
        two.end(&store, second, &failed(FailureClass::Upstream), NOW_MS);
        assert_eq!(two.views()[0].tokens, 90, "what failed used none");
        assert_eq!(one.reserve(&store, 0, 0, NOW_MS).map(drop), full(Limit::Requests, end_ms));
        let over = one.begin(&store, 0, 0, NOW_MS);
        assert_eq!((one.views()[0].requests, one.views()[0].in_flight), (4, 2), "better over a limit than not at all");
        two.sync(&store, end_ms);
        let next = one.reserve(&store, 0, 100, end_ms).map(|reservation| one.cancel(&store, reservation, end_ms));
        assert_eq!(next, full(Limit::Parallel, end_ms));
        one.cancel(&store, over, end_ms);
        two.end(&store, third, &AttemptRecord { tokens: Some(75), ..AttemptRecord::with(Outcome::Served) }, end_ms);
        assert_eq!((two.views()[0].requests, two.views()[0].tokens), (0, 5), "a new minute has what went beyond");
        store.losses.set(1_000);
        assert_eq!(one.reserve(&store, 0, 1, end_ms).map(drop), full(Limit::Parallel, end_ms));
    }

    #[test]
    fn what_a_provider_says_of_its_limits_is_every_workers() {
        let store = Memory::default();
        let (mut one, mut two) = (ledger(1, &[account("a")], &store), ledger(2, &[account("a")], &store));
        let reservation = one.begin(&store, 0, 0, NOW_MS);
        let window =
            |remaining, reset_ms| Window { limit: Some(9), remaining: Some(remaining), reset_ms: Some(reset_ms) };
        let limits = |window| RateLimits { requests: None, tokens: Some(window) };
        assert_eq!(
            calls(&store, || one.apply_rate_limits(&store, &reservation, &limits(window(5, 100)), NOW_MS)),
            0,
            "no news"
        );
        one.apply_rate_limits(&store, &reservation, &limits(window(0, 8_000)), NOW_MS);
        assert_eq!(
            calls(&store, || one.apply_rate_limits(&store, &reservation, &limits(window(0, 7_950)), NOW_MS + 60)),
            0,
            "the same"
        );
        two.sync(&store, NOW_MS + 50);
        assert_eq!((one.views()[0].full_until_ms, two.views()[0].full_until_ms), (NOW_MS + 8_000, NOW_MS + 8_000));
        two.sync(&store, NOW_MS + 8_000);
        assert_eq!(two.views()[0].full_until_ms, 0, "its window says so");
        one.cancel(&store, reservation, NOW_MS);
        let mut wild = ledger(3, &[Account { is_wild: true, ..account("openai/*") }], &store);
        let reservation = wild.begin(&store, 0, 0, NOW_MS);
        wild.apply_rate_limits(&store, &reservation, &limits(window(0, 8_000)), NOW_MS);
        assert_eq!(wild.views()[0].full_until_ms, 0, "of many models one has no room");
        wild.cancel(&store, reservation, NOW_MS);
    }

    #[test]
    fn a_budget_is_shared_and_a_new_configuration_keeps_what_is_on_its_way() {
        let store = Memory::default();
        let mut paid = account("a");
        paid.budgets = vec![("spend/provider/p".into(), Budget { max_nanos: 100, period_ms: 60_000 })];
        let mut also = account("b");
        also.budgets.clone_from(&paid.budgets);
        also.latency = true;
        let mut one = ledger(1, &[paid.clone(), also.clone()], &store);
        let mut two = ledger(2, &[also.clone(), paid.clone()], &store);
        let (first, second) = (one.begin(&store, 0, 0, NOW_MS), one.begin(&store, 1, 0, NOW_MS));
        one.configure(vec![also, account("c")], &store, NOW_MS);
        assert_eq!((one.index_of("b"), one.index_of("a"), one.views()[0].in_flight), (Some(0), None, 1));
        one.end(&store, first, &AttemptRecord { cost_nanos: 70, ..AttemptRecord::with(Outcome::Served) }, NOW_MS);
        let slow = AttemptRecord { cost_nanos: 40, latency: Some(0.5), ..AttemptRecord::with(Outcome::Served) };
        one.end(&store, second, &slow, NOW_MS);
        assert!(one.views()[0].over_budget_until_ms > NOW_MS && one.views()[1].budget_share == 0.0);
        one.sync(&store, NOW_MS + 50);
        two.sync(&store, NOW_MS + 100);
        for view in two.views() {
            assert_eq!((view.over_budget_until_ms, view.budget_share), (NOW_MS + 60_050, 1.1));
        }
        assert_eq!(two.views()[0].latency.values(), [0.5]);
        assert_eq!(one.records.iter().flatten().count(), 2, "`a` is gone when its last request is");
        two.sync(&store, NOW_MS + 60_050);
        assert_eq!(two.views()[0].over_budget_until_ms, 0);
    }
}
