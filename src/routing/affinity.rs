//! Stickiness that pays: requests that begin alike go to the same deployment, because its provider keeps their beginning in a cache.
//!
//! Nothing is remembered. A rendezvous hash gives each deployment a number for a prefix; the highest wins. Where the winner is
//! away, its prefixes spread over the others and come back with it, and nobody else's move.
//!
//! The prefix is the first bytes of tools and messages, as they were sent, and so many that they are worth a provider's while: a
//! conversation that grows keeps its first bytes, and with them its place. Shorter requests have no prefix. All requests that share a
//! long system prompt and a tenant share a deployment: that is where the cache is.
//!
//! **Invariant:** pure, and the same on every worker and platform. The hash keeps nobody from choosing a deployment on purpose, and
//! needs not to.

use crate::config::model::{Deployment, DeploymentIndex, RouterConfig};

use super::strategy::mix;

/// About so many bytes are a token.
const BYTES_A_TOKEN: u64 = 4;
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// The hash of a tenant and a long beginning, given the raw JSON of tools and messages; `None` where it is shorter than
/// `min_tokens`.
#[must_use]
pub fn prefix(tenant: &str, tools: &[u8], messages: &[u8], min_tokens: u64) -> Option<u64> {
    let wanted = usize::try_from(min_tokens.saturating_mul(BYTES_A_TOKEN)).unwrap_or(usize::MAX);
    if tools.len() + messages.len() < wanted {
        return None;
    }
    let tools = tools.get(..wanted.min(tools.len()))?;
    let messages = messages.get(..wanted - tools.len())?;
    let parts = [tenant.as_bytes(), tools, messages];
    Some(parts.iter().fold(0, |seed, part| hash(seed, part)))
}

/// The one of these that a prefix belongs to.
pub(super) fn home(
    config: &RouterConfig,
    candidates: impl Iterator<Item = (DeploymentIndex, f64)>,
    prefix: u64,
) -> Option<DeploymentIndex> {
    let scored =
        candidates.filter_map(|(index, weight)| Some((score(config.deployments.get(index)?, weight, prefix), index)));
    scored.max_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, index)| index)
}

/// Weighted rendezvous: of all prefixes, each deployment scores highest for its weight's share.
fn score(deployment: &Deployment, weight: f64, prefix: u64) -> f64 {
    let drawn = mix(hash(prefix, deployment.id.as_bytes()));
    // Above 0 and below 1, in steps that an f64 holds exactly.
    #[allow(clippy::cast_precision_loss)]
    let unit = ((drawn >> 12) as f64 + 0.5) / 4_503_599_627_370_496.0;
    -weight.max(0.0) / unit.ln()
}

/// Eight bytes at a time, and the length, so that parts cannot run into each other.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let eat = |state: u64, chunk: u64| mix((state ^ chunk).wrapping_mul(MULTIPLIER));
    let chunks = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        u64::from_le_bytes(word)
    });
    chunks.fold(eat(seed, bytes.len() as u64), eat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_growing_conversation_keeps_its_prefix() {
        let turns = |count: usize| format!("[{}", "{\"role\":\"user\",\"content\":\"hello there\"},".repeat(count));
        let of =
            |tenant: &str, tools: &str, count: usize| prefix(tenant, tools.as_bytes(), turns(count).as_bytes(), 100);
        assert_eq!(of("", "", 5), None, "too short");
        assert!(of("", "", 10).is_some());
        assert_eq!(of("", "", 10), of("", "", 90));
        assert_ne!(of("", "", 10), of("x", "", 10), "tenants share nothing");
        assert_ne!(of("", "", 10), of("", "[{}]", 10), "tools come first in a provider's cache");
        assert_eq!(of("", &"t".repeat(500), 1), of("", &"t".repeat(900), 9), "tools alone may be long enough");
        assert_ne!(prefix("a", b"b", b"", 0), prefix("ab", b"", b"", 0).map(|it| it ^ 1), "no overflow");
        assert_eq!(prefix("", b"", b"", u64::MAX), None);
    }
}
