//! A request for a deployment that speaks another dialect than its client.

use super::{Api, defaults};
use crate::catalogue;
use crate::chat::ApiError;
use crate::config::model::{Deployment, is_pattern};
use crate::dialect::request::Request;
use crate::dialect::{Encoded, Target, client_face, provider_face};
use crate::provider::{Call, Dialect};

/// Whether a client's request is translated for a deployment.
pub(super) fn is_foreign(deployment: &Deployment, client: Dialect) -> bool {
    deployment.speaks(client) != client
}

/// What a deployment's dialect needs to know of it.
pub(super) fn target<'a>(deployment: &Deployment, model: &'a str) -> Target<'a> {
    // A pattern's facts are those of no model.
    let of_model = || {
        let facts = is_pattern(&deployment.model).then(|| catalogue::facts(deployment.provider.name, model, None));
        facts?.limits.max_output_tokens
    };
    let max_output_tokens = deployment.facts.limits.max_output_tokens.or_else(of_model);
    Target { provider: deployment.provider, model, drop_params: deployment.drop_params, max_output_tokens }
}

/// The body of a client that asks this API, in a foreign deployment's dialect. `flags`: what the client's header says of them.
///
/// # Errors
/// Why it cannot be said there.
pub(super) fn translate(
    api: Api,
    body: &[u8],
    deployment: &Deployment,
    model: &str,
    flags: Option<&str>,
) -> Result<Encoded, ApiError> {
    let model = &*deployment.provider.in_body(api.neutral(), model);
    let target = target(deployment, model);
    let flagged = flags.and_then(|flags| defaults::with_flags(body, deployment, flags));
    let body = flagged.as_deref().unwrap_or(body);
    let encoded = match &deployment.defaults {
        None => read(api, body)?.write(provider_face(deployment.dialect), target),
        Some(own) => defaults::translated(api, body, deployment, own, target),
    };
    encoded.map(|encoded| as_its_model_takes_it(encoded, api, deployment, target))
}

/// What a deployment's own name does not say, its `base_model` does: what the model takes otherwise.
pub(super) fn as_its_model_takes_it(
    mut encoded: Encoded,
    api: Api,
    deployment: &Deployment,
    target: Target<'_>,
) -> Encoded {
    let base = deployment.base_model.as_deref().filter(|_| deployment.provider.habits.named_by_owner && api.is_chat());
    let face = provider_face(deployment.dialect);
    if let Some((body, more)) = base.and_then(|model| face.suited(&encoded.body, Target { model, ..target })) {
        encoded.body = body;
        encoded.dropped.extend(more);
    }
    encoded
}

/// Reads the client's body.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(api: Api, body: &[u8]) -> Result<Request<'_>, ApiError> {
    Request::read(client_face(api.dialect()), api.awaited(), body)
}

/// Whether a deployment's provider has what such a request needs.
pub(super) fn has_api(deployment: &Deployment, api: Api) -> bool {
    let client = api.dialect();
    let dialect = deployment.speaks(client);
    let call = Call { api: api.neutral(), dialect, model: &deployment.model, stream: false };
    let provider = deployment.provider;
    if dialect == client { (provider.path)(call).is_some() } else { provider.path_of(call).is_some() }
}

/// The parameters that a deployment never sends, if there are any.
pub(super) fn never_sent(deployment: &Deployment) -> Option<&[String]> {
    deployment.defaults.as_ref().map(|defaults| defaults.dropped.as_slice()).filter(|names| !names.is_empty())
}
