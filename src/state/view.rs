//! What one worker sees of a deployment at one moment: everything that a decision may depend on besides the configuration.
//!
//! A worker keeps one of these for each deployment, updates it from shared data at each tick, and adds at once what it does itself.
//! Planning a request reads them and makes no host call.
//!
//! **Invariant:** its size is fixed.

/// How many samples of a latency are kept: LiteLLM's `max_latency_list_size`.
pub const SAMPLES: usize = 10;

/// The state of a deployment now. Times are Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DeploymentView {
    /// Its health.
    pub health: Health,
    /// Requests in flight, of all workers.
    pub in_flight: u32,
    /// Requests sent to it in the current minute.
    pub requests: u32,
    /// Tokens used there in the current minute.
    pub tokens: u64,
    /// When the current minute ends.
    pub minute_ends_ms: u64,
    /// Until when a limit is reached, as its provider reported; 0: none is.
    pub full_until_ms: u64,
    /// Until when its provider is taken at its word that it cannot call tools, and that it cannot read images.
    pub lacks_until_ms: [u64; 2],
    /// Until when its budget, or its provider's, is used up; 0: it is not.
    pub over_budget_until_ms: u64,
    /// The used share of the tightest budget, 0 to 1 and above.
    pub budget_share: f32,
    /// Seconds per output token of whole answers (or seconds, if the tokens are not known), newest last.
    pub latency: Samples,
    /// Seconds until the first token of streams, newest last.
    pub first_token: Samples,
}

/// HealthRecord, as far as a decision needs it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    /// It may get requests.
    #[default]
    Healthy,
    /// It gets no requests until this time.
    Cooling {
        /// Unix milliseconds.
        until_ms: u64,
    },
    /// Its cooldown is over, and one request at a time may probe it.
    HalfOpen {
        /// A request probes it, until this time at the latest; 0: none does.
        probed_until_ms: u64,
    },
}

/// The latest samples of one measure.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Samples {
    /// Oldest first; only the first `len` count.
    values: [f32; SAMPLES],
    len: u8,
    /// When the newest came, Unix milliseconds.
    pub newest_ms: u64,
}

impl Samples {
    /// Adds one, in seconds, at a Unix time in milliseconds. An invalid time is ignored.
    pub fn push(&mut self, seconds: f32, at_ms: u64) {
        if !seconds.is_finite() || seconds < 0.0 {
            return;
        }
        if usize::from(self.len) == SAMPLES {
            let [_, rest @ ..] = self.values;
            self.values = std::array::from_fn(|index| rest.get(index).copied().unwrap_or_default());
            self.len -= 1;
        }
        if let Some(value) = self.values.get_mut(usize::from(self.len)) {
            *value = seconds;
            self.len += 1;
        }
        self.newest_ms = at_ms;
    }

    /// The samples, oldest first.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        self.values.get(..usize::from(self.len)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_are_kept_and_what_is_no_time_is_not() {
        let mut samples = Samples::default();
        for value in [f32::NAN, f32::INFINITY, -1.0] {
            samples.push(value, 5);
        }
        assert!(samples.values().is_empty());
        for number in 0..12u8 {
            samples.push(f32::from(number), u64::from(number));
        }
        assert_eq!(samples.values(), [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(samples.newest_ms, 11);
    }
}
