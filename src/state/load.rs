//! The load on one deployment: requests and tokens of the current minute, and each worker's requests in flight; under `load/ID`.
//!
//! Minutes are UTC minutes, as in LiteLLM's `usage-based-routing-v2`. Requests in flight are not one counter that workers
//! change, because a VM that dies would never subtract its own. Each worker owns a slot with its count and the time of its last sign
//! of life; after a while without one, the slot does not count and is reused.
//!
//! **Invariant:** there are at most [`MAX_SLOTS`] slots.

use super::store::{Reader, Record, Writer};

const FORMAT: u8 = 1;
const MINUTE_MS: u64 = 60_000;
/// After this long without a sign of life a worker counts as dead, in milliseconds.
const DEAD_MS: u64 = 5_000;
/// How many workers can have requests in flight at a time.
const MAX_SLOTS: usize = 256;

/// One worker's requests in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    worker: u64,
    count: u32,
    beat_ms: u64,
}

impl Slot {
    const fn is_alive(&self, now_ms: u64) -> bool {
        self.beat_ms.abs_diff(now_ms) <= DEAD_MS
    }
}

/// The load on one deployment, of all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// The UTC minute: Unix milliseconds over 60,000.
    minute: u64,
    requests: u32,
    tokens: u64,
    slots: Vec<Slot>,
}

/// The UTC minute of a time.
pub(super) const fn minute(now_ms: u64) -> u64 {
    now_ms / MINUTE_MS
}

/// When a time's minute ends.
pub(super) const fn minute_end_ms(now_ms: u64) -> u64 {
    minute(now_ms).saturating_add(1).saturating_mul(MINUTE_MS)
}

impl Load {
    /// Begins a minute, and returns the one that is counted. A worker's clock may be a tick behind the one that began the next
    /// minute: what it sends then belongs to that. A record from further ahead is invalid.
    pub(super) const fn begin(&mut self, minute: u64) -> u64 {
        if self.minute < minute || self.minute > minute.saturating_add(1) {
            self.minute = minute;
            self.requests = 0;
            self.tokens = 0;
        }
        self.minute
    }

    /// Requests and tokens of a minute, if it is the current one.
    pub(super) const fn used(&self, minute: u64) -> (u32, u64) {
        if self.minute == minute { (self.requests, self.tokens) } else { (0, 0) }
    }

    /// Adds to a minute, or subtracts. A minute that is over does not change.
    pub(super) const fn add(&mut self, minute: u64, requests: i32, tokens: i64) {
        if minute > self.minute {
            self.minute = minute;
            self.requests = 0;
            self.tokens = 0;
        }
        if minute == self.minute {
            self.requests = self.requests.saturating_add_signed(requests);
            self.tokens = self.tokens.saturating_add_signed(tokens);
        }
    }

    /// Requests that other workers have in flight.
    pub(super) fn of_others(&self, worker: u64, now_ms: u64) -> u32 {
        let others = self.slots.iter().filter(|slot| slot.worker != worker && slot.is_alive(now_ms));
        others.fold(0, |sum, slot| sum.saturating_add(slot.count))
    }

    /// Writes how many requests a worker has in flight, and that it is alive. Dead workers are forgotten. Returns whether there was a
    /// slot for it.
    pub(super) fn beat(&mut self, worker: u64, count: u32, now_ms: u64) -> bool {
        self.slots.retain(|slot| slot.worker != worker && slot.is_alive(now_ms));
        let is_free = self.slots.len() < MAX_SLOTS;
        if count > 0 && is_free {
            self.slots.push(Slot { worker, count, beat_ms: now_ms });
        }
        is_free
    }
}

impl Record for Load {
    fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::new(FORMAT);
        writer.u64(self.minute);
        writer.u32(self.requests);
        writer.u64(self.tokens);
        for slot in &self.slots {
            writer.u64(slot.worker);
            writer.u32(slot.count);
            writer.u64(slot.beat_ms);
        }
        writer.done()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes, FORMAT)?;
        let (minute, requests, tokens) = (reader.u64()?, reader.u32()?, reader.u64()?);
        let mut slots = Vec::new();
        while let Some(worker) = reader.u64() {
            slots.push(Slot { worker, count: reader.u32()?, beat_ms: reader.u64()? });
        }
        reader.done()?;
        (slots.len() <= MAX_SLOTS).then_some(Self { minute, requests, tokens, slots })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_a_tick_behind_counts_in_the_minute_that_others_began() {
        let mut load = Load::default();
        assert_eq!(load.begin(7), 7);
        load.add(7, 3, 30);
        assert_eq!((load.begin(8), load.used(8)), (8, (0, 0)));
        load.add(8, 1, 10);
        assert_eq!((load.begin(7), load.used(8)), (8, (1, 10)));
        load.add(7, 5, 5);
        assert_eq!((load.used(8), load.used(7)), ((1, 10), (0, 0)), "what is over is over");
        load.add(8, -5, -50);
        assert_eq!(load.used(8), (0, 0));
        assert_eq!(load.begin(3), 3, "nobody is five minutes ahead");
    }

    #[test]
    fn slots_are_bounded_and_the_dead_make_room() {
        let mut load = Load::default();
        assert!((1..=256).all(|worker| load.beat(worker, 1, 1_000)));
        assert!(!load.beat(300, 1, 2_000), "full");
        assert!(load.beat(7, 5, 2_000), "one's own is always there");
        assert_eq!((load.of_others(7, 2_000), load.of_others(300, 2_000)), (255, 260));
        assert_eq!(Load::from_bytes(&load.to_bytes()), Some(load.clone()));
        assert_eq!(load.of_others(300, 6_001), 5, "all but one are dead");
        assert!(load.beat(300, 1, 6_001));
        assert_eq!(load.slots.len(), 2);
        let mut bytes = load.to_bytes();
        bytes.pop();
        assert_eq!(Load::from_bytes(&bytes), None);
    }
}
