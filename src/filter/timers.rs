//! Which attempts wait for a time, and for which: [`super::on_tick`] wakes them.
//!
//! **Invariant:** an attempt that the host has closed is never woken.

use std::collections::BTreeMap;

use super::AttemptFilter;

/// Attempts that wait, each with its time in Unix milliseconds, by the number that the host knows them by.
#[derive(Default)]
pub(super) struct Timers(BTreeMap<u32, (u64, AttemptFilter)>);

impl Timers {
    /// Wakes an attempt then, which its request is held back until.
    pub(super) fn delay(&mut self, id: u32, until_ms: u64, attempt: &AttemptFilter) {
        self.0.insert(id, (until_ms, attempt.clone()));
    }

    /// Waits for an answer until the attempt's deadline, if it has one. One that is woken too soon, because something came
    /// since, waits on: that is cheaper than to move its deadline with each chunk of a stream.
    pub(super) fn wait(&mut self, id: u32, deadline_ms: Option<u64>, attempt: &AttemptFilter) {
        let Some(deadline_ms) = deadline_ms else { return self.forget(id) };
        if self.0.get(&id).is_none_or(|(until_ms, _)| *until_ms > deadline_ms) {
            self.0.insert(id, (deadline_ms, attempt.clone()));
        }
    }

    /// Waits for nothing any more.
    pub(super) fn forget(&mut self, id: u32) {
        self.0.remove(&id);
    }

    /// Takes those out whose time has come. An attempt that heard something since waits on.
    pub(super) fn due(&mut self, now_ms: u64) -> Vec<(u32, AttemptFilter)> {
        let mut due = Vec::new();
        for (id, (until_ms, attempt)) in &mut self.0 {
            if *until_ms <= now_ms {
                *until_ms = attempt.deadline_ms().map_or(*until_ms, |deadline_ms| deadline_ms.max(*until_ms));
            }
            if *until_ms <= now_ms {
                due.push((*id, attempt.clone()));
            }
        }
        self.0.retain(|_, (until_ms, _)| *until_ms > now_ms);
        due
    }
}
