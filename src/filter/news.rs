//! What the log is told of deployments.
//!
//! **Invariant:** a provider's own words are told where the account is at fault alone: any others may hold the prompt's.

use super::Effect;
use crate::chat::{Failure, Fault};
use crate::config::model::DeploymentIndex;
use crate::state::Health;

/// How long the log hears no more of an account, in milliseconds.
const AGAIN_MS: u64 = 60_000;

/// `smart-1 is cooling for 5 s: rate_limit, status 429`.
pub(super) fn rests(id: &str, why: &Failure, health: Health, now_ms: u64) -> Effect {
    let until_ms = if let Health::Cooling { until_ms } = health { until_ms } else { now_ms };
    let seconds = until_ms.saturating_sub(now_ms) as f64 / 1000.0;
    Effect::Log(format!("{id} is cooling for {seconds} s: {}", class(why)))
}

/// `rate_limit, status 429`.
fn class(why: &Failure) -> String {
    let status = if why.status == 0 { String::new() } else { format!(", status {}", why.status) };
    format!("{}{status}", why.class.as_str())
}

/// When the log last heard of each deployment's account, Unix milliseconds.
#[derive(Default)]
pub(super) struct Accounts(Vec<u64>);

impl Accounts {
    /// Of so many deployments.
    pub(super) fn of(deployments: usize) -> Self {
        Self(vec![0; deployments])
    }

    /// What an operator must hear of a failure that is the account's fault: what the provider says, masked, once a minute for each
    /// deployment. Of credentials and rights clients do not get to see it.
    pub(super) fn hear(&mut self, index: DeploymentIndex, id: &str, why: &Failure, now_ms: u64) -> Option<Effect> {
        if why.fault != Fault::Account {
            return None;
        }
        let told_ms = self.0.get_mut(index)?;
        if *told_ms > 0 && now_ms < told_ms.saturating_add(AGAIN_MS) {
            return None;
        }
        *told_ms = now_ms.max(1);
        let words = if why.message.is_empty() { String::new() } else { format!(", it says: {}", why.message) };
        Some(Effect::Warn(format!("the account of {id} is at fault: {}{words}", class(why))))
    }
}
