//! Which attempts wait for a moment, and for which: the shell wakes them at its next tick.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Attempt;

/// One attempt that waits.
#[derive(Clone)]
pub struct Alarm {
    /// Until when, Unix milliseconds.
    pub until_ms: u64,
    /// Whether the request itself is held back; else an answer is awaited.
    pub held_back: bool,
    /// Who waits.
    pub attempt: Rc<RefCell<Attempt>>,
}

/// Attempts that wait, by the id that the host knows them by.
#[derive(Default)]
pub struct Alarms(BTreeMap<u32, Alarm>);

impl Alarms {
    /// Holds a request back.
    pub fn hold_back(&mut self, id: u32, until_ms: u64, attempt: Rc<RefCell<Attempt>>) {
        self.0.insert(id, Alarm { until_ms, held_back: true, attempt });
    }

    /// Whether a request is held back.
    #[must_use]
    pub fn holds_back(&self, id: u32) -> bool {
        self.0.get(&id).is_some_and(|alarm| alarm.held_back)
    }

    /// Waits for an answer until the attempt's deadline, if it has one. One that is woken too soon, because something came
    /// since, waits on: that is cheaper than to move its deadline with each chunk of a stream.
    pub fn await_answer(&mut self, id: u32, attempt: &Rc<RefCell<Attempt>>) {
        let Some(until_ms) = attempt.borrow().deadline_ms() else { return self.forget(id) };
        if self.0.get(&id).is_none_or(|alarm| alarm.held_back || alarm.until_ms > until_ms) {
            self.0.insert(id, Alarm { until_ms, held_back: false, attempt: Rc::clone(attempt) });
        }
    }

    /// Waits for nothing any more.
    pub fn forget(&mut self, id: u32) {
        self.0.remove(&id);
    }

    /// Takes those out whose moment has come. Whoever heard something since waits on.
    pub fn due(&mut self, now_ms: u64) -> Vec<(u32, Alarm)> {
        let mut due = Vec::new();
        for (id, alarm) in &mut self.0 {
            if alarm.until_ms <= now_ms && !alarm.held_back {
                let deadline_ms = alarm.attempt.borrow().deadline_ms();
                alarm.until_ms = deadline_ms.map_or(alarm.until_ms, |deadline_ms| deadline_ms.max(alarm.until_ms));
            }
            if alarm.until_ms <= now_ms {
                due.push((*id, alarm.clone()));
            }
        }
        self.0.retain(|_, alarm| alarm.until_ms > now_ms);
        due
    }
}
