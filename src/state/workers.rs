//! Many workers on one store, interleaved at random: tests of the rules that no single call shows.
//!
//! Before each write of one worker, others may do whole operations of their own, so that every compare-and-set may be lost. A seeded
//! generator draws everything: a failure names its seed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::memory::Memory;
use super::store;
use super::*;
use crate::chat::{Failure, FailureClass};
use crate::config::model::Budget;

const NOW_MS: u64 = 1_800_000_000_000 / 60_000 * 60_000;

fn account(id: &str) -> Account {
    let rules = CooldownRules { cooldown_ms: 5_000, max_cooldown_ms: 20_000, ..CooldownRules::default() };
    Account { id: id.into(), rules, ..Account::default() }
}

/// xorshift.
struct Chance(Cell<u64>);

impl Chance {
    fn below(&self, bound: u64) -> u64 {
        let mut x = self.0.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.0.set(x);
        (x >> 11) % bound
    }
}

struct Worker {
    ledger: Ledger,
    reservations: Vec<Reservation>,
}

impl Worker {
    fn new(nonce: u64, accounts: &[Account], store: &Memory, now_ms: u64) -> RefCell<Self> {
        let mut ledger = Ledger::new(nonce);
        ledger.configure(accounts.to_vec(), store, now_ms);
        RefCell::new(Self { ledger, reservations: Vec::new() })
    }
}

/// Several workers, time, chance, and what really happened.
struct World {
    workers: Vec<RefCell<Worker>>,
    accounts: Vec<Account>,
    chance: Chance,
    now_ms: Cell<u64>,
    nonces: Cell<u64>,
    spent: Cell<u64>,
    /// Requests that were reserved and not cancelled, by minute.
    sent: RefCell<BTreeMap<u64, i64>>,
    tokens: RefCell<BTreeMap<u64, i64>>,
    probes: RefCell<Vec<(u64, u64)>>,
    refused: Cell<u32>,
    deaths: Cell<u32>,
}

impl World {
    fn new(seed: u64, accounts: Vec<Account>, workers: u64) -> (Rc<Self>, Memory) {
        let store = Memory::default();
        let all = (1..=workers).map(|nonce| Worker::new(nonce, &accounts, &store, NOW_MS)).collect();
        let world = Rc::new(Self {
            workers: all,
            accounts,
            chance: Chance(Cell::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)),
            now_ms: Cell::new(NOW_MS),
            nonces: Cell::new(workers + 1),
            spent: Cell::new(0),
            sent: RefCell::default(),
            tokens: RefCell::default(),
            probes: RefCell::default(),
            refused: Cell::new(0),
            deaths: Cell::new(0),
        });
        let others = Rc::clone(&world);
        *store.meanwhile.borrow_mut() = Some(Rc::new(move |store| {
            if others.chance.below(4) == 0 {
                others.step(store, false);
            }
        }));
        (world, store)
    }

    fn on_their_way(&self) -> usize {
        // The worker in the middle of an operation is counted by its caller.
        self.workers.iter().filter_map(|worker| worker.try_borrow().ok()).map(|worker| worker.reservations.len()).sum()
    }

    /// A worker without an open operation does something. Time passes only between operations.
    fn step(&self, store: &Memory, outermost: bool) {
        let at = usize::try_from(self.chance.below(self.workers.len() as u64)).unwrap();
        let Ok(mut worker) = self.workers[at].try_borrow_mut() else { return };
        let now_ms = self.now_ms.get();
        match self.chance.below(12) {
            0..=4 => self.reserve(&mut worker, store, now_ms),
            5 | 6 => self.end(&mut worker, store, now_ms),
            7 => {
                if let Some(reservation) = worker.reservations.pop() {
                    self.count(reservation.began_ms, -1, -i64::try_from(reservation.tokens).unwrap());
                    worker.ledger.cancel(store, reservation, now_ms);
                }
            }
            8..=10 => worker.ledger.sync(store, now_ms),
            _ if outermost && self.chance.below(10) == 0 => {
                // The VM traps: its memory and its requests are lost.
                drop(worker);
                self.nonces.set(self.nonces.get() + 1);
                let fresh = Worker::new(self.nonces.get(), &self.accounts, store, now_ms);
                self.workers[at].replace(fresh.into_inner());
                self.deaths.set(self.deaths.get() + 1);
            }
            _ => {}
        }
    }

    fn count(&self, at_ms: u64, requests: i64, tokens: i64) {
        *self.sent.borrow_mut().entry(at_ms / 60_000).or_default() += requests;
        *self.tokens.borrow_mut().entry(at_ms / 60_000).or_default() += tokens;
    }

    fn reserve(&self, worker: &mut Worker, store: &Memory, now_ms: u64) {
        let tokens = self.chance.below(50);
        match worker.ledger.reserve(store, 0, tokens, now_ms) {
            Ok(mut reservation) => {
                self.count(now_ms, 1, i64::try_from(tokens).unwrap());
                let half_open = matches!(worker.ledger.views()[0].health, Health::HalfOpen { probed_until_ms: 0 });
                if half_open && worker.ledger.probe(store, &mut reservation, 500, now_ms) {
                    self.probes.borrow_mut().push((reservation.record as u64, now_ms + 500));
                }
                worker.reservations.push(reservation);
            }
            Err(_) => self.refused.set(self.refused.get() + 1),
        }
    }

    fn end(&self, worker: &mut Worker, store: &Memory, now_ms: u64) {
        if worker.reservations.is_empty() {
            return;
        }
        let at = usize::try_from(self.chance.below(worker.reservations.len() as u64)).unwrap();
        let reservation = worker.reservations.swap_remove(at);
        let outcome = match self.chance.below(3) {
            0 => Outcome::Served,
            1 => Outcome::Abandoned,
            _ => Outcome::Failed(Failure::local(FailureClass::BadRequest, "")),
        };
        let tokens = Some(reservation.tokens);
        self.spent.set(self.spent.get() + 3);
        let ended = AttemptRecord { tokens, cost_nanos: 3, ..AttemptRecord::with(outcome) };
        worker.ledger.end(store, reservation, &ended, now_ms);
    }

    fn settle(&self, store: &Memory) {
        store.meanwhile.borrow_mut().take();
        for _ in 0..2 {
            self.workers.iter().for_each(|worker| worker.borrow_mut().ledger.sync(store, self.now_ms.get()));
        }
    }
}

#[test]
fn limits_hold_and_nothing_leaks_whatever_the_interleaving() {
    let mut seen = [0_u32; 3];
    for seed in 1..=60 {
        let mut limited = account("a");
        let (rpm, tpm) = [(40, 1_000_000), (1_000_000, 900), (1_000_000, 1_000_000)][seed as usize % 3];
        (limited.rpm, limited.tpm, limited.max_parallel) = (Some(rpm), Some(tpm), Some(7));
        limited.budgets = vec![("spend/deployment/a".into(), Budget { max_nanos: 1_000_000, period_ms: 86_400_000 })];
        let (world, store) = World::new(seed, vec![limited], 4);
        for _ in 0..1_500 {
            world.step(&store, true);
            assert!(world.on_their_way() <= 7, "seed {seed}: {} at a time", world.on_their_way());
            world.now_ms.set(world.now_ms.get() + world.chance.below(60));
        }
        // Dead workers' reservations count to the end of what they were sent in: only more, never less, than what is checked here.
        for (minute, requests) in world.sent.borrow().iter() {
            assert!(*requests <= i64::try_from(rpm).unwrap(), "seed {seed}, minute {minute}: {requests} requests");
        }
        for (minute, tokens) in world.tokens.borrow().iter() {
            assert!(*tokens <= i64::try_from(tpm).unwrap(), "seed {seed}, minute {minute}: {tokens} tokens");
        }
        seen[0] += world.refused.get();
        seen[1] += world.deaths.get();
        let left: usize = world.on_their_way();
        world.settle(&store);
        world.now_ms.set(world.now_ms.get() + 6_000);
        world.settle(&store);
        for worker in &world.workers {
            assert_eq!(
                worker.borrow().ledger.views()[0].in_flight as usize,
                left,
                "seed {seed}: the dead are forgotten"
            );
        }
        for worker in &world.workers {
            let mut worker = worker.borrow_mut();
            for reservation in std::mem::take(&mut worker.reservations) {
                seen[2] += 1;
                worker.ledger.end(&store, reservation, &AttemptRecord::with(Outcome::Abandoned), world.now_ms.get());
            }
        }
        world.settle(&store);
        for worker in &world.workers {
            assert_eq!(worker.borrow().ledger.views()[0].in_flight, 0, "seed {seed}");
        }
        let reservation = world.workers[0].borrow_mut().ledger.begin(&store, 0, 0, world.now_ms.get());
        world.workers[0].borrow_mut().ledger.cancel(&store, reservation, world.now_ms.get());
        assert_eq!(store.keys(), ["figures", "load/a", "spend/deployment/a"]);
        assert_eq!(store.read("load/a").unwrap().0.len(), 21, "no slot is left");
    }
    assert!(seen.iter().all(|times| *times > 60), "{seen:?}");
}

#[test]
fn counters_add_up_whatever_the_interleaving() {
    for seed in 1..=60 {
        let mut counted = account("a");
        counted.budgets = vec![("spend/provider/p".into(), Budget { max_nanos: 1_000_000, period_ms: 86_400_000 })];
        let (world, store) = World::new(seed, vec![counted], 5);
        for _ in 0..800 {
            let deaths = world.deaths.get();
            world.step(&store, world.chance.below(50) == 0 && deaths == u32::MAX);
        }
        store.losses.set(u32::try_from(world.chance.below(200)).unwrap());
        world.settle(&store);
        store.losses.set(0);
        world.settle(&store);
        let minute = NOW_MS / 60_000;
        for worker in &world.workers {
            let worker = worker.borrow();
            let view = worker.ledger.views()[0];
            assert_eq!(i64::from(view.requests), world.sent.borrow()[&minute], "seed {seed}");
            assert_eq!(i64::try_from(view.tokens).unwrap(), world.tokens.borrow()[&minute], "seed {seed}");
            assert_eq!(view.in_flight as usize, world.on_their_way(), "seed {seed}");
            let share = world.spent.get() as f32 / 1_000_000.0;
            assert!((view.budget_share - share).abs() < 1e-6, "seed {seed}: {} {share}", view.budget_share);
        }
    }
}

#[test]
fn never_more_than_one_probe_at_a_time_whatever_the_interleaving() {
    let mut total = 0;
    for seed in 1..=60 {
        let (world, store) = World::new(seed, vec![account("a")], 6);
        let cool = |now_ms| {
            let mut worker = world.workers[0].borrow_mut();
            let reservation = worker.ledger.begin(&store, 0, 0, now_ms);
            let failure = Failure::local(FailureClass::Connect, "");
            worker.ledger.end(&store, reservation, &AttemptRecord::with(Outcome::Failed(failure)), now_ms)
        };
        assert!(cool(NOW_MS), "seed {seed}");
        world.now_ms.set(NOW_MS + 5_000);
        for _ in 0..400 {
            world.step(&store, true);
            world.now_ms.set(world.now_ms.get() + world.chance.below(30));
            let now_ms = world.now_ms.get();
            let live = world.workers.iter().flat_map(|worker| {
                let worker = worker.borrow();
                worker.reservations.iter().filter_map(|reservation| reservation.probes_until_ms).collect::<Vec<_>>()
            });
            let live = live.filter(|until_ms| *until_ms > now_ms).count();
            assert!(live <= 1, "seed {seed}: {live} probes");
        }
        total += world.probes.borrow().len();
    }
    assert!(total > 90, "{total} probes");
}

#[test]
fn any_bytes_are_survived() {
    let chance = Chance(Cell::new(77));
    let mut limited = account("a");
    (limited.rpm, limited.latency) = (Some(1_000_000), true);
    limited.budgets = vec![("spend/deployment/a".into(), Budget { max_nanos: 100, period_ms: 1_000 })];
    for _ in 0..3_000 {
        let store = Memory::default();
        for key in ["health", "figures", "health/a", "load/a", "latency/a", "spend/deployment/a"] {
            let mut bytes: Vec<u8> = (0..chance.below(130)).map(|_| chance.below(256) as u8).collect();
            bytes.iter_mut().take(1).for_each(|format| *format = chance.below(3) as u8);
            store.write(key, &bytes, None);
        }
        let mut ledger = Ledger::new(1);
        ledger.configure(vec![limited.clone()], &store, NOW_MS);
        if let Ok(mut reservation) = ledger.reserve(&store, 0, 5, NOW_MS) {
            ledger.probe(&store, &mut reservation, u64::MAX, NOW_MS);
            let failure = Failure { retry_after_ms: Some(u64::MAX), ..Failure::local(FailureClass::RateLimit, "") };
            let outcome = if chance.below(2) == 0 { Outcome::Served } else { Outcome::Failed(failure) };
            let ended = AttemptRecord {
                cost_nanos: u64::MAX,
                tokens: Some(u64::MAX),
                latency: Some(f32::NAN),
                ..AttemptRecord::with(outcome)
            };
            ledger.end(&store, reservation, &ended, NOW_MS + 1);
        }
        ledger.sync(&store, NOW_MS + 2_000);
        ledger.sync(&store, u64::MAX);
        ledger.sync(&store, 0);
    }
    for (bytes, format) in [(vec![], 1), (vec![2], 1), (vec![1, 0], 1)] {
        assert!(store::Reader::new(&bytes, format).and_then(|mut reader| reader.u32()).is_none());
    }
}
