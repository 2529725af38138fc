//! Which headers cross the gateway: an allow-list towards providers; towards clients all but what is withheld.
//!
//! A provider gets nothing of the client's but what it needs to answer: no credentials of the client's, no addresses, nothing
//! internal. Each attempt builds the whole list, because all attempts of a request share one map and would else see what the one
//! before them put there.

use super::Api;
use crate::config::model::{Deployment, Endpoint};
use crate::provider::Dialect;

/// Header names in lower case, and their bytes.
pub type HeaderMap = Vec<(String, Vec<u8>)>;

/// What a client may say to a provider.
const FORWARDED: &[&str] = &[
    "user-agent",
    "accept",
    "traceparent",
    "tracestate",
    "baggage",
    "openai-beta",
    "anthropic-beta",
    "idempotency-key",
];
/// What belongs to a body that was replaced. (What else a provider may not say to a client, Envoy removes: see `generate`.)
pub(super) const OF_REPLACED_BODY: &[&str] = &["content-encoding", "content-length"];

/// The headers of one attempt.
pub(super) fn to_provider(client: &HeaderMap, deployment: &Deployment, api: Api, length: usize) -> HeaderMap {
    let Endpoint { tls, path, .. } = &deployment.endpoint;
    let provider = deployment.provider;
    let below = if provider.dialect == Dialect::OpenAi && api != Api::Chat { api.path() } else { provider.chat_path };
    let mut headers: HeaderMap = Vec::with_capacity(16);
    let mut set = |name: &str, value: &str| headers.push((name.to_owned(), value.as_bytes().to_vec()));
    set(":method", "POST");
    set(":scheme", if *tls { "https" } else { "http" });
    set(":authority", &deployment.endpoint.authority());
    set(":path", &format!("{path}{below}"));
    set("content-type", "application/json");
    set("content-length", &length.to_string());
    set("accept-encoding", "identity");
    for (name, value) in provider.headers {
        set(name, value);
    }
    headers.extend(client.iter().filter(|(name, _)| FORWARDED.contains(&name.as_str())).cloned());
    headers
}

/// A value that may stand in a header: names come from a configuration and may hold anything.
pub(super) fn printable(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(200).collect()
}
