//! Why a deployment is not asked, as data: for refusals, which must be right, and for explanations.
//!
//! **Invariant:** what waiting would mend says until when.

use crate::config::model::{DeploymentIndex, GroupIndex};
use crate::state::Limit;

/// Why a deployment is not asked. Later ones are checked later: a deployment excluded by a later one was nearer to serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// Its dialect cannot express the request.
    CannotExpress,
    /// `model_info.blocked`: paused by its owner.
    Blocked,
    /// It is not in the region that the request allows.
    Region,
    /// It has not the tags of the request.
    Tags,
    /// It is known to lack what the request needs.
    Lacks(Need),
    /// The prompt is too long for it.
    ContextWindow {
        /// How many tokens the prompt has, as far as that can be told.
        estimate: u64,
        /// How many it takes.
        limit: u64,
    },
    /// What may be spent there is spent.
    OverBudget {
        /// Until then, Unix milliseconds.
        until_ms: u64,
    },
    /// A limit is reached, and it binds: it is not asked, even where nobody else is left.
    LimitReached {
        /// Which limit.
        what: Limit,
        /// Until then, Unix milliseconds.
        until_ms: u64,
    },
    /// Others have an `order`, it has none.
    Order,
    /// It is cooling down.
    Cooling {
        /// Until then, Unix milliseconds.
        until_ms: u64,
    },
    /// The provider said that it has no room.
    ProviderLimited {
        /// Until then, Unix milliseconds.
        until_ms: u64,
    },
    /// Its provider said of late that it lacks what the request needs.
    SaidToLack {
        /// What that is.
        need: Need,
        /// Taken at its word until then, Unix milliseconds.
        until_ms: u64,
    },
    /// A limit is reached that only shares out: it is deferred while others have room.
    SoftLimit {
        /// Which limit.
        what: Limit,
        /// Until then, Unix milliseconds.
        until_ms: u64,
    },
    /// It is half-open, and another request is finding out whether it serves again.
    HalfOpenTaken {
        /// Until then at the latest, Unix milliseconds.
        until_ms: u64,
    },
}

/// What a model may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Reading images.
    Images,
    /// Hearing sound.
    Audio,
    /// Reading files.
    Files,
    /// Calling tools.
    Tools,
    /// Answering by a JSON schema.
    JsonSchema,
}

impl Need {
    /// As it stands in a sentence: "… is not supported".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Images => "image input",
            Self::Audio => "audio input",
            Self::Files => "file input",
            Self::Tools => "tool calling",
            Self::JsonSchema => "a JSON schema as response format",
        }
    }
}

impl Exclusion {
    /// Whether it is only deferred: asked after all where nobody else is left.
    #[must_use]
    pub const fn is_soft(self) -> bool {
        matches!(
            self,
            Self::Cooling { .. }
                | Self::ProviderLimited { .. }
                | Self::SaidToLack { .. }
                | Self::SoftLimit { .. }
                | Self::HalfOpenTaken { .. }
        )
    }

    /// Until when it holds, Unix milliseconds; `None`: for this request always.
    #[must_use]
    pub const fn until_ms(self) -> Option<u64> {
        match self {
            Self::Cooling { until_ms }
            | Self::ProviderLimited { until_ms }
            | Self::SaidToLack { until_ms, .. }
            | Self::SoftLimit { until_ms, .. }
            | Self::HalfOpenTaken { until_ms }
            | Self::LimitReached { until_ms, .. }
            | Self::OverBudget { until_ms } => Some(until_ms),
            _ => None,
        }
    }

    /// How near to serving it was, in the order of the checks.
    const fn progress(self) -> u8 {
        match self {
            Self::CannotExpress => 0,
            Self::Blocked => 1,
            Self::Region => 2,
            Self::Tags => 3,
            Self::Lacks(_) => 4,
            Self::ContextWindow { .. } => 5,
            _ => 6,
        }
    }
}

/// A deployment that is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excluded {
    /// The group it would have served for.
    pub group: GroupIndex,
    /// Which one.
    pub deployment: DeploymentIndex,
    /// Why.
    pub why: Exclusion,
}

/// The reason that a client is told: what waiting mends, with the shortest wait; else that of the deployment that was nearest to
/// serving, and among windows that are too small the largest.
pub(super) fn telling<'a>(excluded: impl Iterator<Item = &'a Excluded>) -> Option<Exclusion> {
    let reasons: Vec<Exclusion> = excluded.map(|left| left.why).filter(|why| *why != Exclusion::Order).collect();
    let waits = reasons.iter().filter_map(|why| Some((why.until_ms()?, *why)));
    if let Some((_, soonest)) = waits.min_by_key(|(until_ms, _)| *until_ms) {
        return Some(soonest);
    }
    let window = |why: Exclusion| if let Exclusion::ContextWindow { limit, .. } = why { limit } else { 0 };
    // The first of equals: that is the asked group's.
    reasons.into_iter().rev().max_by_key(|why| (why.progress(), window(*why)))
}
