//! The health of one deployment: a fixed-size record under `health/ID`.
//!
//! The windows are LiteLLM's (`router_utils/cooldown_handlers.py`, 1.109): a tumbling minute that begins with its first event,
//! and a count of failures that lasts as long as a cooldown.

use super::StateStore;

const WINDOW_MS: u64 = 60_000;
const FORMAT: u8 = 1;

/// What is known of a deployment's recent past. Times are Unix milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Not to be asked before this time; 0: never cooled.
    pub cooling_until_ms: u64,
    /// When the current minute began.
    pub window_started_ms: u64,
    /// Failures in it.
    pub window_failures: u32,
    /// Successes in it.
    pub window_successes: u32,
    /// When the current count for `allowed_fails` began.
    pub count_started_ms: u64,
    /// Failures counted against `allowed_fails`.
    pub counted_failures: u32,
}

impl Health {
    /// Whether the deployment is to be left alone now.
    #[must_use]
    pub const fn is_cooling(&self, now_ms: u64) -> bool {
        self.cooling_until_ms > now_ms
    }

    /// Starts a new minute if the current one is over.
    pub(super) fn roll_window(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.window_started_ms) >= WINDOW_MS {
            self.window_started_ms = now_ms;
            self.window_failures = 0;
            self.window_successes = 0;
        }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(37);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.cooling_until_ms.to_le_bytes());
        bytes.extend_from_slice(&self.window_started_ms.to_le_bytes());
        bytes.extend_from_slice(&self.window_failures.to_le_bytes());
        bytes.extend_from_slice(&self.window_successes.to_le_bytes());
        bytes.extend_from_slice(&self.count_started_ms.to_le_bytes());
        bytes.extend_from_slice(&self.counted_failures.to_le_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&format, rest) = bytes.split_first()?;
        if format != FORMAT {
            return None;
        }
        let (cooling_until_ms, rest) = take_u64(rest)?;
        let (window_started_ms, rest) = take_u64(rest)?;
        let (window_failures, rest) = take_u32(rest)?;
        let (window_successes, rest) = take_u32(rest)?;
        let (count_started_ms, rest) = take_u64(rest)?;
        let (counted_failures, _) = take_u32(rest)?;
        Some(Self {
            cooling_until_ms,
            window_started_ms,
            window_failures,
            window_successes,
            count_started_ms,
            counted_failures,
        })
    }
}

fn take_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*head), rest))
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*head), rest))
}

/// The key of a deployment's record.
pub(super) fn key(deployment_id: &str) -> String {
    format!("health/{deployment_id}")
}

/// The health of a deployment, by its id; a blank record where nothing is known.
#[must_use]
pub fn health_of(store: &dyn StateStore, deployment_id: &str) -> Health {
    store.read(&key(deployment_id)).and_then(|(bytes, _)| Health::from_bytes(&bytes)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_bytes_and_a_foreign_one_is_no_record() {
        let health = Health {
            cooling_until_ms: 1,
            window_started_ms: 2,
            window_failures: 3,
            window_successes: 4,
            count_started_ms: 5,
            counted_failures: 6,
        };
        assert_eq!(Health::from_bytes(&health.to_bytes()), Some(health));
        assert_eq!(Health::from_bytes(&health.to_bytes()[..20]), None);
        assert_eq!(Health::from_bytes(&[9; 37]), None);
        assert_eq!(Health::from_bytes(&[]), None);
    }
}
