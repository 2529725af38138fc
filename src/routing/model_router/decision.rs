//! A choice as others see it: in headers, logs, statistics and explanations.
//!
//! **Invariant:** every word of it comes from a list or the configuration, so that statistics stay few.

use crate::config::complexity::Tier;
use crate::config::model::Target;
use crate::config::task::Task;
use crate::routing::complexity::{self, TierDecision};
use crate::routing::exclusion::{Exclusion, Need};
use crate::routing::task::Classified;

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decision {
    /// The router's index.
    pub router: usize,
    /// The tier or the task.
    pub label: Label,
    /// The classifier's figure; `None` where it was not asked.
    pub score: Option<f64>,
    /// The classifier that gave it.
    pub classifier: &'static str,
    /// What had the last word.
    pub cause: Cause,
    /// It is only told: the default serves.
    pub shadow: bool,
}

/// A class of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Label {
    /// How hard.
    Tier(Tier),
    /// About what.
    Task(Task),
}

impl Label {
    /// What kind of class it is, as it stands in statistics.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Tier(_) => "tier",
            Self::Task(_) => "task",
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tier(tier) => tier.as_str(),
            Self::Task(task) => task.name(),
        }
    }
}

/// What had the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A classifier or a rule of the router.
    Classifier(complexity::Cause),
    /// The conversation had this class before.
    SessionAffinityPin,
    /// The client's wish.
    ClientRequest,
    /// The client gets no harder tier.
    ClientLimit,
    /// The prompt is too long for the tier's models.
    ContextWindowEscalation,
    /// What was chosen could not serve such a request, and why.
    Unable(Exclusion),
    /// The budgets of a harder tier are nearly spent.
    BudgetLowering,
    /// The tier, or the task, has no group.
    DefaultModelFallback,
    /// Words and shapes of the request speak for the task.
    TaskCues,
    /// The conversation is long.
    TaskLength,
    /// Nothing speaks clearly for a task.
    TaskUnclear,
}

impl Cause {
    /// The cause as it stands in headers, logs and statistics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classifier(cause) => cause.as_str(),
            Self::SessionAffinityPin => "session_affinity_pin",
            Self::ClientRequest => "client_request",
            Self::ClientLimit => "client_limit",
            Self::ContextWindowEscalation => "context_window_escalation",
            Self::Unable(why) => needed(why),
            Self::BudgetLowering => "budget_lowering",
            Self::DefaultModelFallback => "default_model_fallback",
            Self::TaskCues => "task_cues",
            Self::TaskLength => "task_length",
            Self::TaskUnclear => "task_unclear",
        }
    }
}

/// What a request needed that was not there.
const fn needed(why: Exclusion) -> &'static str {
    match why {
        Exclusion::Lacks(Need::Images) => "needs_image",
        Exclusion::Lacks(Need::Audio) => "needs_audio",
        Exclusion::Lacks(Need::Files) => "needs_file",
        Exclusion::Lacks(Need::Tools) => "needs_tools",
        Exclusion::Lacks(Need::JsonSchema) => "needs_json_schema",
        Exclusion::ContextWindow { .. } => "needs_context_window",
        Exclusion::CannotExpress => "needs_other_dialect",
        Exclusion::Region => "needs_region",
        Exclusion::Tags => "needs_tags",
        _ => "paused",
    }
}

impl Decision {
    /// What the answer's headers say of it.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let label = match self.label {
            Label::Tier(_) => "x-signalbox-tier",
            Label::Task(_) => "x-signalbox-task",
        };
        let mut headers = vec![
            (label, self.label.as_str().to_owned()),
            ("x-signalbox-classifier", self.classifier.to_owned()),
            ("x-signalbox-cause", self.cause.as_str().to_owned()),
        ];
        headers.extend(self.score.map(|score| ("x-signalbox-score", score.to_string())));
        if self.shadow {
            headers.push(("x-signalbox-shadow", "true".to_owned()));
        }
        headers
    }
}

/// A choice, the group it leads to, and why.
#[derive(Debug)]
pub struct Chosen<'c> {
    /// What was chosen.
    pub decision: Decision,
    /// What serves.
    pub target: &'c Target,
    /// Why; only where somebody asked.
    pub reasons: Option<Reasons>,
}

/// All that led to a choice.
#[derive(Debug)]
pub enum Reasons {
    /// What the classifier found (`None`: it was not asked), and every step from its tier to the final one.
    Tiers(Option<TierDecision>, Vec<(Tier, Cause)>),
    /// What the classifier found.
    Task(Classified),
}
