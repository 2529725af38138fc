//! The client's body with what a deployment brings to it.
//!
//! Done anew at each attempt, from the client's own body, since each deployment brings something else. Most bring nothing, and are
//! not handled here.
//!
//! **Invariant:** what the client asks for goes before what a deployment brings.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Api;
use super::foreign::read;
use crate::chat::ApiError;
use crate::config::model::{Defaults, Deployment};
use crate::dialect::body_defaults::{Brought, completed, overlaid, without_inside};
use crate::dialect::{Encoded, Target, provider_face};

/// The body in the provider's own dialect, which is the client's, and the names of what is left out.
pub(super) fn with_defaults<'a>(
    body: &'a [u8],
    defaults: &Defaults,
    takes: &dyn Fn(&str) -> bool,
) -> (Cow<'a, [u8]>, Vec<String>) {
    let (body, left_out) = with_members(body, defaults, takes, &defaults.extra_body);
    match without_inside(&body, &defaults.dropped_inside) {
        Some((body, more)) => (body.into(), [left_out, more].concat()),
        None => (body, left_out),
    }
}

fn with_members<'a>(
    body: &'a [u8],
    defaults: &Defaults,
    takes: &dyn Fn(&str) -> bool,
    extra: &Map<String, Value>,
) -> (Cow<'a, [u8]>, Vec<String>) {
    let members = defaults.members.iter().filter(|(name, _)| takes(name));
    let members = members.map(|(name, value)| (name.clone(), value.clone())).collect();
    match completed(body, &Brought { members: &members, extra, dropped: &defaults.dropped }) {
        Some((body, left_out)) => (body.into(), left_out),
        None => (body.into(), Vec::new()),
    }
}

/// The body with what the client's header says of flags, where the deployment's provider has them there.
pub(super) fn with_flags(body: &[u8], deployment: &Deployment, flags: &str) -> Option<Vec<u8>> {
    let (_, member) = deployment.provider.habits.flags?;
    let members = Map::from_iter([(member.to_owned(), Value::from(flags))]);
    completed(body, &Brought { members: &members, extra: &Map::new(), dropped: &[] }).map(|(body, _)| body)
}

/// The same in a foreign deployment's dialect, which `extra_body` is in already, and paths lead into.
///
/// # Errors
/// Why the client's request cannot be said there.
pub(super) fn translated(
    api: Api,
    body: &[u8],
    deployment: &Deployment,
    defaults: &Defaults,
    target: Target<'_>,
) -> Result<Encoded, ApiError> {
    let translate = |body: &[u8]| read(api, body)?.write(provider_face(deployment.dialect), target);
    let none = Map::new();
    let filled = |defaults: &Defaults| with_members(body, defaults, &|name| api.takes(name), &none);
    let (whole, left_out) = filled(defaults);
    let mut encoded = match translate(&whole) {
        Ok(encoded) => encoded,
        // Together with what the client asks for they cannot be said.
        Err(_) => {
            let only_dropped = Defaults { dropped: defaults.dropped.clone(), ..Defaults::default() };
            let mut encoded = translate(&filled(&only_dropped).0)?;
            encoded.dropped.extend(defaults.members.keys().cloned());
            encoded
        }
    };
    encoded.dropped.extend(left_out);
    if !defaults.extra_body.is_empty() {
        encoded.body = overlaid(encoded.body, &defaults.extra_body);
    }
    if let Some((body, left_out)) = without_inside(&encoded.body, &defaults.dropped_inside) {
        encoded.body = body;
        encoded.dropped.extend(left_out);
    }
    Ok(encoded)
}
