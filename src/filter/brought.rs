//! The client's body with what a deployment brings to it.
//!
//! Done anew at each attempt, from the client's own body, since each deployment brings something else. Most bring nothing, and nobody
//! comes here then.
//!
//! **Invariant:** what the client asks for goes before what a deployment brings.

use std::borrow::Cow;

use serde_json::Map;

use super::Api;
use crate::chat::ApiError;
use crate::config::model::{Defaults, Deployment};
use crate::dialect::body_defaults::{Brought, completed, overlaid};
use crate::dialect::openai_chat::client as openai;
use crate::dialect::{self, Encoded, Target};

/// The body in the client's dialect, and the names of the client's members that are left out. Without an API it is chat that will be
/// translated, where `extra_body` is in the provider's dialect already.
pub(super) fn brought<'a>(body: &'a [u8], defaults: &Defaults, own: Option<Api>) -> (Cow<'a, [u8]>, Vec<String>) {
    let takes = |name: &str| own.unwrap_or(Api::Chat).takes(name);
    let members = defaults.members.iter().filter(|(name, _)| takes(name));
    let members = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    let none = Map::new();
    let extra = if own.is_some() { &defaults.extra_body } else { &none };
    let brought = Brought { members: &members, extra, dropped: &defaults.dropped };
    match completed(body, &brought) {
        Some((body, left_out)) => (body.into(), left_out),
        None => (body.into(), Vec::new()),
    }
}

/// The same in a foreign deployment's dialect.
///
/// # Errors
/// Why the client's request cannot be said there.
pub(super) fn translated(
    body: &[u8],
    deployment: &Deployment,
    defaults: &Defaults,
    target: Target<'_>,
) -> Result<Encoded, ApiError> {
    let translate = |body: &[u8]| dialect::request(deployment.provider.dialect, &openai::decode(body)?, target);
    let (filled, left_out) = brought(body, defaults, None);
    let mut encoded = match translate(&filled) {
        Ok(encoded) => encoded,
        // Together with what the client asks for they cannot be said.
        Err(_) => {
            let only_dropped = Defaults { dropped: defaults.dropped.clone(), ..Defaults::default() };
            let mut encoded = translate(&brought(body, &only_dropped, None).0)?;
            encoded.dropped.extend(defaults.members.keys().cloned());
            encoded
        }
    };
    encoded.dropped.extend(left_out);
    if !defaults.extra_body.is_empty() {
        encoded.body = overlaid(encoded.body, &defaults.extra_body);
    }
    Ok(encoded)
}
