//! One listener's state: its name, the fault in force, the faults in models' names, and its journal.
//!
//! A fault counts the requests that it has seen, so each text after an `@` has its own count. Setting a fault resets all counts.
//!
//! **Invariant:** a model's own fault replaces the listener's; they never mix.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use serde_json::{Value, json};

use super::{fault::Fault, record::Journal};

/// How many different faults in models' names are counted at a time; above it all counts are reset.
const MOST_SPECS: usize = 1_000;

#[derive(Clone)]
struct Armed {
    spec: String,
    fault: Fault,
    since: Instant,
    seen: u64,
}

impl Armed {
    fn new(spec: &str) -> Result<Armed, String> {
        Ok(Armed { spec: spec.trim().to_owned(), fault: spec.parse()?, since: Instant::now(), seen: 0 })
    }

    /// Counts a request and says what it gets, and whether that is the fault.
    fn next(&mut self) -> (Fault, bool) {
        self.seen += 1;
        let struck = !self.spec.is_empty() && self.fault.strikes(self.seen, self.since.elapsed());
        (if struck { self.fault.clone() } else { self.fault.spared() }, struck)
    }
}

struct Faults {
    own: Armed,
    by_model: HashMap<String, Armed>,
}

/// One listener's state.
pub struct Listener {
    /// The name in its answers.
    pub name: String,
    /// Its requests.
    pub journal: Arc<Journal>,
    faults: Mutex<Faults>,
    answers: AtomicU64,
}

impl Listener {
    /// A listener's state with a fault in force from the start.
    ///
    /// # Errors
    /// What is wrong with `spec`.
    pub fn new(name: &str, spec: &str, clock: Instant) -> Result<Listener, String> {
        let faults = Faults { own: Armed::new(spec)?, by_model: HashMap::new() };
        Ok(Listener {
            name: name.to_owned(),
            journal: Arc::new(Journal::new(clock)),
            faults: Mutex::new(faults),
            answers: AtomicU64::new(0),
        })
    }

    /// A number that no other answer of this listener has, from 1.
    pub fn next_number(&self) -> u64 {
        self.answers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The model's plain name, what happens to this request for it, and whether that is a fault.
    ///
    /// # Errors
    /// What is wrong with the fault in the model's name.
    pub fn fault_for<'a>(&self, model: &'a str) -> Result<(&'a str, Fault, bool), String> {
        let mut faults = self.faults();
        let Some((plain, spec)) = split_model(model) else {
            let (fault, struck) = faults.own.next();
            return Ok((model, fault, struck));
        };
        if !faults.by_model.contains_key(spec) {
            let armed = Armed::new(spec)?;
            if faults.by_model.len() >= MOST_SPECS {
                faults.by_model.clear();
            }
            faults.by_model.insert(spec.to_owned(), armed);
        }
        let (fault, struck) = faults.by_model.get_mut(spec).map(Armed::next).unwrap_or_default();
        Ok((plain, fault, struck))
    }

    /// Sets the fault; an empty text removes it. `text` is the fault, or JSON `{"fault": ...}`.
    ///
    /// # Errors
    /// What is wrong with it; the old fault stays.
    pub fn set(&self, text: &str) -> Result<(), String> {
        let spec = if text.trim_start().starts_with('{') {
            let body: Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
            body.get("fault").and_then(Value::as_str).ok_or("the JSON has no text `fault`")?.to_owned()
        } else {
            text.to_owned()
        };
        *self.faults() = Faults { own: Armed::new(&spec)?, by_model: HashMap::new() };
        Ok(())
    }

    /// The fault in force, with how many requests it has seen.
    pub fn shown(&self) -> Value {
        let own = self.faults().own.clone();
        json!({"name": self.name, "fault": own.spec, "seen": own.seen, "age_ms": own.since.elapsed().as_millis() as u64})
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Splits a model's name from its fault. What starts with a digit is a version (`claude-haiku-4-5@20251001`), not a fault.
fn split_model(model: &str) -> Option<(&str, &str)> {
    model.split_once('@').filter(|(_, spec)| !spec.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(spec: &str) -> Listener {
        Listener::new("primary", spec, Instant::now()).unwrap()
    }

    fn status(listener: &Listener, model: &str) -> Option<u16> {
        listener.fault_for(model).unwrap().1.status
    }

    #[test]
    fn each_fault_counts_for_itself() {
        let listener = listener("status=500,times=1");
        assert_eq!(status(&listener, "m@status=503,times=1"), Some(503));
        assert_eq!(status(&listener, "m@status=503,times=1"), None);
        assert_eq!(status(&listener, "m@status=429,times=1"), Some(429));
        assert_eq!(status(&listener, "m"), Some(500));
        assert_eq!(status(&listener, "m"), None);
    }

    #[test]
    fn setting_a_fault_starts_anew() {
        let listener = listener("");
        assert_eq!(status(&listener, "m@status=503,times=1"), Some(503));
        listener.set("status=529").unwrap();
        assert_eq!(status(&listener, "m@status=503,times=1"), Some(503));
        assert_eq!(status(&listener, "m"), Some(529));
        listener.set(r#"{"fault":""}"#).unwrap();
        assert_eq!(status(&listener, "m"), None);
        assert!(listener.set("what=1").is_err());
    }

    #[test]
    fn a_version_is_no_fault() {
        let listener = listener("");
        assert_eq!(listener.fault_for("claude-haiku-4-5@20251001").unwrap().0, "claude-haiku-4-5@20251001");
        assert_eq!(listener.fault_for("gpt-4o@status=503").unwrap().0, "gpt-4o");
        assert!(listener.fault_for("gpt-4o@statsu=503").is_err());
    }
}
