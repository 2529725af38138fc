//! Clients that are known: who may come in, for what, and how much of it.

use super::Budget;
use crate::config::complexity::Tier;

/// The name of the client that has `general_settings.master_key`.
pub const MASTER: &str = "master";

/// One client. Where there is any, a request of nobody's is refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// `name`, as it stands in statistics and the log.
    pub name: String,
    /// What it is known by.
    pub proof: Proof,
    /// `models`: the names of models that it may ask for, with `*`. None: all.
    pub models: Vec<String>,
    /// `rpm`, requests a minute.
    pub rpm: Option<u64>,
    /// `tpm`, tokens a minute.
    pub tpm: Option<u64>,
    /// `max_parallel_requests`, requests at a time.
    pub max_parallel: Option<u32>,
    /// `max_budget` with `budget_duration`.
    pub budget: Option<Budget>,
    /// `tags`: its requests have these too.
    pub tags: Vec<String>,
    /// `tier`: the hardest tier that a router gives it.
    pub tier: Option<Tier>,
    /// `expires`: from then on it is not let in, Unix milliseconds.
    pub expires_ms: Option<u64>,
}

/// What a client shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// A key, of which this is the hash.
    Hash([u8; 32]),
    /// A key that is in this variable of Envoy's environment.
    Variable(String),
    /// `match`: an identity that Envoy knows, of this pattern.
    Identity(String),
    /// `jwt`: a token that Envoy has checked, whose claims fit these patterns.
    Claims(Vec<(String, String)>),
}

impl Client {
    /// Whether it has the master key: it may see the gateway's state, and nothing limits it.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.name == MASTER
    }

    /// The variable of Envoy's environment that its key is in.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match &self.proof {
            Proof::Variable(name) => Some(name),
            _ => None,
        }
    }

    /// What the books know it by. No deployment's id has a slash.
    #[must_use]
    pub fn account(&self) -> String {
        format!("client/{}", self.name)
    }
}
