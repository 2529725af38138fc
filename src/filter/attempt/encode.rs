//! The request of one try: the client's original body, as its deployment's provider wants it.
//!
//! Most deployments bring nothing of their own, and then a body of the provider's dialect is not looked into.

use super::super::defaults;
use super::super::exchange::USAGE;
use super::super::foreign::translate;
use super::super::{Api, ErrorReply, Flight};
use super::verdict::Edit;
use crate::config::model::{Defaults, Deployment};
use crate::dialect::body_defaults::{versioned, with_usage_asked, without};
use crate::dialect::openai_responses::provider::without_sealed;
use crate::dialect::verbatim::splice;
use crate::dialect::{Echo, Encoded, Target, provider_face};

/// What is said of a body beside it.
#[derive(Default)]
pub(super) struct Apart {
    /// Which of the client's fields were left out.
    pub dropped: Vec<String>,
    /// What the answer must be told by.
    pub echo: Echo,
}

/// The client's body in the provider's dialect, its length, and what is said of it. `translated`: it is at hand.
pub(super) fn encode(
    flight: &Flight,
    deployment: &Deployment,
    model: &str,
    translated: Option<Encoded>,
) -> Result<(Edit, usize, Apart), ErrorReply> {
    if flight.api == Api::Kept {
        return Ok((Edit::Keep, flight.body().len(), Apart::default()));
    }
    let model = &*deployment.provider.in_body(flight.api.neutral(), model);
    if flight.is_form {
        return Ok(form(flight, model));
    }
    if !flight.is_foreign(deployment) {
        let done = spliced(flight, deployment, model)?;
        return Ok(match deployment.provider.habits.version_in_body {
            Some(version) => with_version(flight, done, version),
            None => done,
        });
    }
    let (plain, untold) = flight.without_thinking(deployment).unzip();
    let mut encoded = match translated.filter(|_| plain.is_none()) {
        Some(encoded) => encoded,
        None => {
            let body = plain.as_deref().unwrap_or(flight.body());
            translate(flight.api, body, deployment, model, flight.flags.as_deref())?
        }
    };
    encoded.dropped.extend(untold.unwrap_or_default());
    let length = encoded.body.len();
    Ok((Edit::Whole(encoded.body), length, Apart { dropped: encoded.dropped, echo: encoded.echo }))
}

/// A body for a provider that knows its model by the path.
fn with_version(flight: &Flight, done: Done, version: &str) -> Done {
    let (edit, _, apart) = done;
    let body = match edit {
        // Requests have nothing appended.
        Edit::Keep | Edit::Append(_) => flight.body().to_vec(),
        Edit::Prefix(end, prefix) => [&*prefix, flight.body().get(end..).unwrap_or_default()].concat(),
        Edit::Whole(body) => body,
    };
    let body = versioned(body, version);
    let length = body.len();
    (Edit::Whole(body), length, apart)
}

type Done = (Edit, usize, Apart);

/// The client's own body, with what its deployment needs otherwise.
fn spliced(flight: &Flight, deployment: &Deployment, model: &str) -> Result<Done, ErrorReply> {
    if let Some(own) = &deployment.defaults {
        return with_defaults(flight, deployment, own, model);
    }
    let ask_usage = flight.asks_usage(deployment);
    let withheld = flight.withheld(deployment);
    let reduced = if withheld.is_empty() { None } else { without(flight.body(), &withheld) };
    let given = reduced.as_deref().unwrap_or(flight.body());
    let suited = suited(flight, given, deployment, model);
    if flight.names(model) && !flight.body_rewritten && !ask_usage && suited.is_none() && reduced.is_none() {
        return Ok((Edit::Keep, flight.body().len(), Apart::default()));
    }
    // The wish stands beside the model, unless there is a place for it already.
    let has_place = ask_usage && flight.stream_options;
    let (suited, dropped) = suited.unzip();
    let dropped = [withheld, dropped.unwrap_or_default()].concat();
    let asking = has_place.then(|| with_usage_asked(suited.as_deref().unwrap_or(given)));
    let changed = asking.or(suited).or(reduced);
    let (body, model_span) = match &changed {
        Some(changed) => (changed.as_slice(), flight.client().scan(changed)?.model_span),
        None => (flight.body(), flight.model_span.clone()),
    };
    let (end, mut prefix) = splice(body, model_span, model, ask_usage && !has_place);
    let rest = body.get(end..).unwrap_or_default();
    let length = prefix.len() + rest.len();
    if flight.body_rewritten || changed.is_some() {
        prefix.extend_from_slice(rest);
        let apart = Apart { dropped, echo: Echo::default() };
        return Ok((Edit::Whole(prefix), length, apart));
    }
    Ok((Edit::Prefix(end, prefix), length, Apart::default()))
}

/// A form, with the provider's name of the model in its field.
fn form(flight: &Flight, model: &str) -> (Edit, usize, Apart) {
    let (body, span) = (flight.body(), flight.model_span.clone());
    let prefix = [body.get(..span.start).unwrap_or_default(), model.as_bytes()].concat();
    let length = (prefix.len() + body.len()).saturating_sub(span.end);
    (Edit::Prefix(span.end, prefix), length, Apart::default())
}

/// A chat, or a request for embeddings where the provider is as strict with those, without what it refuses, and the names of what was left
/// out.
fn suited(flight: &Flight, body: &[u8], deployment: &Deployment, model: &str) -> Option<(Vec<u8>, Vec<String>)> {
    let is_fitted = flight.api.is_chat() || flight.api == Api::Embeddings && deployment.provider.habits.rigid_turns;
    let face = is_fitted.then(|| provider_face(flight.api.dialect()))?;
    let (provider, drop_params) = (deployment.provider, deployment.drop_params);
    // What the model is decides, and not what its owner calls it.
    let model = deployment.base_model.as_deref().unwrap_or(model);
    let target = Target { provider, model, drop_params, max_output_tokens: None };
    let suited = if flight.ids { face.suited(body, target) } else { face.suited_without_ids(body, target) };
    if !flight.lacks_reasoning(deployment) {
        return suited;
    }
    let (before, mut names) = suited.unzip();
    let opened = without_sealed(before.as_deref().unwrap_or(body));
    if let Some((_, more)) = &opened {
        names.get_or_insert_default().extend_from_slice(more);
    }
    opened.map(|(opened, _)| opened).or(before).zip(names)
}

/// A body of the provider's own dialect, with what its deployment brings.
fn with_defaults(
    flight: &Flight,
    deployment: &Deployment,
    own: &Defaults,
    model: &str,
) -> Result<(Edit, usize, Apart), ErrorReply> {
    let takes = |name: &str| flight.api.takes(name) && (flight.stream || name != USAGE);
    let (mut body, mut dropped) = defaults::with_defaults(flight.body(), own, &takes);
    let withheld = flight.withheld(deployment);
    if let Some(reduced) = if withheld.is_empty() { None } else { without(&body, &withheld) } {
        body = reduced.into();
        dropped.extend(withheld);
    }
    if let Some((suited, more)) = suited(flight, &body, deployment, model) {
        body = suited.into();
        dropped.extend(more);
    }
    if flight.asks_usage(deployment) {
        body = with_usage_asked(&body).into();
    }
    let span = flight.client().scan(&body)?.model_span;
    let (end, mut whole) = splice(&body, span, model, false);
    whole.extend_from_slice(body.get(end..).unwrap_or_default());
    let length = whole.len();
    Ok((Edit::Whole(whole), length, Apart { dropped, echo: Echo::default() }))
}
