//! What is known of the model behind a deployment, as far as a decision cares.
//!
//! **Invariant:** unknown is never taken for no: what is not known excludes nobody.

use super::exclusion::Need;
use super::{LazyFlag, Requirements};
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
pub(super) fn lacking(deployment: &Deployment, requirements: &Requirements<'_>) -> Option<Need> {
    let known = LazyFlag::Known;
    let needs = [
        (requirements.images, Capability::Vision, Need::Images),
        (requirements.audio, Capability::Audio, Need::Audio),
        (requirements.files, Capability::Pdf, Need::Files),
        (known(requirements.tools), Capability::Tools, Need::Tools),
        (known(requirements.json_schema), Capability::JsonSchema, Need::JsonSchema),
    ];
    let capabilities = deployment.facts.capabilities;
    let mut lacking = needs.into_iter().filter(|(_, capability, _)| capabilities.lacks(*capability));
    lacking.find(|(needed, ..)| needed.holds()).map(|(.., need)| need)
}
