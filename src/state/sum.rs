//! A number of which each worker has a part, summed over all of them: under `sum/NAME`.
//!
//! Each worker owns a slot with its part and its last sign of life ([`super::load`]), so that a VM that died no longer counts.

use super::StateStore;
use super::load::Load;
use super::store::{load, update};

/// How often a worker gives a sign of life and reads the others' if nothing changes, in milliseconds.
const LOOK_MS: u64 = 1_000;

/// One worker's view of the sum.
#[derive(Debug)]
pub struct Sum {
    key: String,
    worker: u64,
    /// Its part, and the sum, as they were last.
    written: (u32, u64),
    looked_ms: u64,
}

impl Sum {
    /// A sum of this name. `worker` must differ for each VM.
    #[must_use]
    pub fn new(name: &str, worker: u64) -> Self {
        Self { key: format!("sum/{name}"), worker, written: (0, 0), looked_ms: 0 }
    }

    /// Sets this worker's part. Returns the sum if it has changed since the last call, or at the first call.
    pub fn tell(&mut self, store: &dyn StateStore, part: u32, now_ms: u64) -> Option<u64> {
        let (written_part, written_sum) = self.written;
        let is_first = self.looked_ms == 0;
        let is_due = written_sum > 0 && now_ms.abs_diff(self.looked_ms) >= LOOK_MS;
        if part == written_part && !is_due && !is_first {
            return None;
        }
        self.looked_ms = now_ms.max(1);
        let written = if part == 0 && written_part == 0 {
            None
        } else {
            update(store, &self.key, |load: &mut Load| Ok::<_, ()>(load.beat(self.worker, part, now_ms))).ok()
        };
        let all = written.unwrap_or_else(|| load(store, &self.key));
        let sum = u64::from(part) + u64::from(all.of_others(self.worker, now_ms));
        self.written = (part, sum);
        (sum != written_sum || is_first).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::memory::Memory;

    #[test]
    fn parts_are_added_up_and_the_dead_are_forgotten() {
        let store = Memory::default();
        let (mut a, mut b) = (Sum::new("x", 1), Sum::new("x", 2));
        assert_eq!((a.tell(&store, 0, 1_000), b.tell(&store, 7, 1_000)), (Some(0), Some(7)));
        assert_eq!(a.tell(&store, 5, 1_050), Some(12));
        assert_eq!((a.tell(&store, 5, 1_100), b.tell(&store, 7, 1_100)), (None, None), "nothing new, no call");
        assert_eq!(b.tell(&store, 7, 2_100), Some(12), "after a while it looks");
        assert_eq!(b.tell(&store, 0, 2_150), Some(5));
        // `a` dies, and a fresh VM takes its place.
        let mut fresh = Sum::new("x", 3);
        assert_eq!(fresh.tell(&store, 0, 3_000), Some(5));
        assert_eq!(fresh.tell(&store, 0, 7_000), Some(0), "no sign of life for five seconds");
    }
}
