//! How long a deployment may take: what is written, and what holds where nothing is.
//!
//! Where another deployment can be tried, silence is left early; where none can, late is better than never.
//!
//! **Invariant:** a deployment that can be left is never given more time than one that cannot.

use super::{Deployment, RouterConfig};

/// How long an attempt at a deployment may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// A whole answer, where another deployment can be tried: `timeout`, else `signalbox.answer_timeout`.
    pub answer_ms: u64,
    /// The first token of a stream, where another deployment can be tried: `stream_timeout`, else `signalbox.first_token_timeout`, but
    /// not longer than a `timeout`.
    pub first_token_ms: u64,
    /// The same where nothing else can be tried: `timeout`, else 600 s.
    pub last_ms: u64,
}

impl RouterConfig {
    /// The times of a deployment: its own, else the router's, else Signalbox's.
    #[must_use]
    pub fn times(&self, deployment: &Deployment) -> Times {
        self.times_of(deployment.timeout_ms, deployment.stream_timeout_ms)
    }

    /// The times of a deployment that says nothing of its own.
    #[must_use]
    pub fn default_times(&self) -> Times {
        self.times_of(None, None)
    }

    fn times_of(&self, own_ms: Option<u64>, own_of_streams_ms: Option<u64>) -> Times {
        let written_ms = own_ms.or(self.router.timeout_ms);
        let last_ms = written_ms.unwrap_or_else(|| self.router.timeout_or_default_ms());
        let of_streams_ms = own_of_streams_ms.or(self.router.stream_timeout_ms);
        Times {
            answer_ms: written_ms.or(self.signalbox.answer_timeout_ms).unwrap_or(last_ms).min(last_ms),
            first_token_ms: of_streams_ms
                .or_else(|| self.signalbox.first_token_timeout_ms.map(|ms| ms.min(last_ms)))
                .unwrap_or(last_ms),
            last_ms,
        }
    }
}
