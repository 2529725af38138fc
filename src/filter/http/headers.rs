//! Which headers cross the gateway: an allow-list towards providers; towards clients all but what is withheld.
//!
//! A provider gets nothing of the client's but what it needs to answer: no credentials of the client's, no addresses, nothing
//! internal. Each attempt builds the whole list, because all attempts of a request share one map and would else see what the one
//! before them put there.

use std::borrow::Cow;

use super::super::FLIGHT_HEADER;
use super::Api;
use crate::config::model::{Deployment, Endpoint};
use crate::provider::Dialect;

/// Header names in lower case, and their bytes, as the host gives them.
pub type HeaderMap = Vec<(String, Vec<u8>)>;
/// The same, as it is given to the host: most of it stands in the binary.
pub type OutgoingHeaders = Vec<(Cow<'static, str>, Cow<'static, [u8]>)>;

/// What a client may say to a provider, beside what `signalbox.forward_headers` names.
const FORWARDED: &[&str] = &["user-agent", "accept", "traceparent", "tracestate", "openai-beta", "anthropic-beta"];
/// What belongs to a body that was replaced. (What else a provider may not say to a client, Envoy removes: see `generate`.)
pub(in crate::filter) const OF_REPLACED_BODY: &[&str] = &["content-encoding", "content-length"];
/// What else of a failed answer never passes: how long to wait is said in our own words, or not at all.
pub(in crate::filter) const OF_FAILURE: &[&str] =
    &["content-encoding", "content-length", "retry-after", "retry-after-ms"];

/// The headers of one attempt.
pub(in crate::filter) fn to_provider(
    client: HeaderMap,
    more: &[String],
    deployment: &Deployment,
    api: Api,
    length: usize,
) -> OutgoingHeaders {
    let Endpoint { tls, path, .. } = &deployment.endpoint;
    let provider = deployment.provider;
    let below = if provider.dialect == Dialect::OpenAi && api != Api::Chat { api.path() } else { provider.chat_path };
    let mut headers: OutgoingHeaders = Vec::with_capacity(16);
    let mut set = |name: &'static str, value: Cow<'static, [u8]>| headers.push((name.into(), value));
    set(":method", b"POST".into());
    set(":scheme", if *tls { b"https".into() } else { b"http".into() });
    set(":authority", deployment.endpoint.authority().into_bytes().into());
    set(":path", [path.as_bytes(), below.as_bytes()].concat().into());
    set("content-type", b"application/json".into());
    set("content-length", length.to_string().into_bytes().into());
    set("accept-encoding", b"identity".into());
    for (name, value) in provider.headers {
        set(name, value.as_bytes().into());
    }
    let forwarded = client.into_iter().filter(|(name, _)| FORWARDED.contains(&name.as_str()) || more.contains(name));
    headers.extend(forwarded.map(|(name, value)| (name.into(), value.into())));
    headers
}

/// The flight of a request: the first attempt finds it in the headers, which it reads anyway; the later ones, whose headers the
/// first one replaced, in filter state, which costs more.
#[must_use]
pub fn flight_of(headers: &HeaderMap) -> Option<u64> {
    let (_, value) = headers.iter().find(|(name, _)| name == FLIGHT_HEADER)?;
    std::str::from_utf8(value).ok()?.parse().ok()
}
