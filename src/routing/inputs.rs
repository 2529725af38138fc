//! What a decision depends on besides the configuration: the request, what is known of each deployment, time and chance.
//!
//! **Invariant:** all of it are values, so that the same inputs give the same plan; only [`PlanInputs::claim`] changes anything.

use super::estimate::Prompt;
use crate::config::model::{DeploymentIndex, GroupIndex, RouterFallbacks};
use crate::provider::Dialect;
use crate::state::DeploymentView;

/// What a plan depends on besides the configuration.
pub struct PlanInputs<'a> {
    /// The model as the client asked for it.
    pub model: &'a str,
    /// What a router chose for that name; `None`: no router has it.
    pub routed: Option<Routed<'a>>,
    /// The request's own `num_retries`.
    pub num_retries: Option<u32>,
    /// The request's `disable_fallbacks`.
    pub disable_fallbacks: bool,
    /// The request's own `fallbacks`: models to try before the configured ones.
    pub fallbacks: &'a [String],
    /// What else the request needs.
    pub requirements: Requirements<'a>,
    /// Whether a deployment's dialect can express the request at all.
    pub may_serve: &'a dyn Fn(DeploymentIndex) -> bool,
    /// What is known of each deployment, by its index. One that is missing is taken for well and idle.
    pub views: &'a [DeploymentView],
    /// Takes a place at a deployment whose places are counted. Asked for the candidate that comes first, and only where that one
    /// is half-open or has a limit that binds.
    pub claim: &'a dyn Fn(DeploymentIndex) -> Claim,
    /// Now, in Unix milliseconds.
    pub now_ms: u64,
    /// Chance.
    pub seed: u64,
}

/// What a router chose.
#[derive(Debug, Clone, Copy)]
pub struct Routed<'a> {
    /// The group that serves in place of the router's name.
    pub group: GroupIndex,
    /// What stands in for a group without fallbacks of its own.
    pub router_fallbacks: &'a RouterFallbacks,
}

/// The answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The place is taken.
    Granted,
    /// Another request was quicker.
    Refused {
        /// Until when there will be none, Unix milliseconds.
        until_ms: u64,
    },
}

/// Yes, no, or to be found out where it matters: looking through a long body costs more than the rest of a decision.
#[derive(Clone, Copy)]
pub enum LazyFlag<'a> {
    /// It is known.
    Known(bool),
    /// Found by this, when it matters.
    Lazy(&'a dyn Fn() -> bool),
}

impl LazyFlag<'_> {
    /// Finds out.
    #[must_use]
    pub fn holds(self) -> bool {
        match self {
            Self::Known(known) => known,
            Self::Lazy(find) => find(),
        }
    }
}

impl Default for LazyFlag<'_> {
    fn default() -> Self {
        Self::Known(false)
    }
}

/// What a request needs of a deployment.
#[derive(Default)]
pub struct Requirements<'a> {
    /// What its client speaks.
    pub client: Dialect,
    /// How long the prompt is.
    pub prompt: Prompt<'a>,
    /// It holds images.
    pub images: LazyFlag<'a>,
    /// It holds sound.
    pub audio: LazyFlag<'a>,
    /// It holds files.
    pub files: LazyFlag<'a>,
    /// It offers tools.
    pub tools: bool,
    /// The answer must follow a JSON schema.
    pub json_schema: bool,
    /// `tags`.
    pub tags: &'a [String],
    /// Those of its client, which its own cannot widen.
    pub client_tags: &'a [String],
    /// `allowed_model_region`.
    pub region: Option<&'a str>,
    /// The hash of tenant and prefix ([`super::affinity::prefix`]), where requests with the same shall stay together.
    pub affinity: Option<u64>,
    /// The answer is streamed.
    pub stream: bool,
}

impl PlanInputs<'_> {
    /// What is known of a deployment.
    pub(super) fn view(&self, deployment: DeploymentIndex) -> DeploymentView {
        self.views.get(deployment).copied().unwrap_or_default()
    }

    /// Requests of the current minute; 0 where that minute is over.
    pub(super) fn requests(&self, deployment: DeploymentIndex) -> u64 {
        let view = self.view(deployment);
        if view.minute_ends_ms > self.now_ms { u64::from(view.requests) } else { 0 }
    }

    /// Tokens of the current minute; 0 where that minute is over.
    pub(super) fn tokens(&self, deployment: DeploymentIndex) -> u64 {
        let view = self.view(deployment);
        if view.minute_ends_ms > self.now_ms { view.tokens } else { 0 }
    }
}
