//! What is known of the model behind a deployment, as far as a decision cares.
//!
//! **Invariant:** unknown is never taken for no: what is not known excludes nobody.

use super::Ask;
use super::exclusion::Need;
use crate::catalogue::Capability;
use crate::config::model::Deployment;

/// The longest prompt it takes, in tokens.
pub(super) const fn window(deployment: &Deployment) -> Option<u64> {
    deployment.facts.limits.max_input_tokens
}

/// What a prompt token and a token of the answer cost together, in pico-dollars.
pub(super) fn price(deployment: &Deployment) -> Option<u64> {
    deployment.facts.price.map(|price| price.rates.input.plus(price.rates.output).pico())
}

/// The first thing that a request needs and the model is known to lack.
pub(super) fn lacking(deployment: &Deployment, ask: &Ask<'_>) -> Option<Need> {
    let needs = [
        (ask.images, Capability::Vision, Need::Images),
        (ask.audio, Capability::Audio, Need::Audio),
        (ask.files, Capability::Pdf, Need::Files),
        (ask.tools, Capability::Tools, Need::Tools),
        (ask.json_schema, Capability::JsonSchema, Need::JsonSchema),
    ];
    let capabilities = deployment.facts.capabilities;
    needs.into_iter().find(|(needed, of, _)| *needed && capabilities.lacks(*of)).map(|(_, _, need)| need)
}
