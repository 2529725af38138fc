//! What a classifier says of a conversation.
//!
//! **Invariant:** causes are LiteLLM's words where it has one.

pub use crate::config::complexity::Tier;

/// Which rule had the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// LiteLLM's scorer.
    HeuristicScorer,
    /// LiteLLM's scorer: two reasoning words and a score that is not too low.
    ReasoningOverride,
    /// Signalbox's scorer.
    SignalboxScorer,
    /// A keyword of the configuration stands for a tier.
    LiteralKeywordMatch,
    /// A coding client is planning, which needs a tier at least.
    PlanMode,
    /// A client's own chore, such as naming the session.
    Housekeeping,
    /// Nobody asks anything.
    DefaultFallback,
}

impl Cause {
    /// The cause as it stands in headers, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeuristicScorer => "heuristic_scorer",
            Self::ReasoningOverride => "reasoning_override",
            Self::SignalboxScorer => "signalbox_scorer",
            Self::LiteralKeywordMatch => "literal_keyword_match",
            Self::PlanMode => "plan_mode",
            Self::Housekeeping => "housekeeping",
            Self::DefaultFallback => "default_fallback",
        }
    }

    /// Whether the scorer had the last word.
    #[must_use]
    pub const fn is_scored(self) -> bool {
        matches!(self, Self::HeuristicScorer | Self::ReasoningOverride | Self::SignalboxScorer)
    }
}

/// What a classifier decided, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The tier.
    pub tier: Tier,
    /// The sum of the contributions; its scale is the classifier's own.
    pub score: f64,
    /// Whether a scorer was asked, so that the score says something; a rule may have had the last word all the same.
    pub asked: bool,
    /// The rule that had the last word.
    pub cause: Cause,
    /// What was noticed, in words. Empty in the hot path: written only where somebody will read it.
    pub signals: Vec<String>,
    /// What each dimension contributed, in the order of the sum. Empty in the hot path.
    pub dimensions: Vec<Dimension>,
}

impl Scored {
    /// The score, where a scorer was asked.
    #[must_use]
    pub fn figure(&self) -> Option<f64> {
        self.asked.then_some(self.score)
    }
}

/// One feature of a conversation and its part in the score.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// Its name.
    pub name: &'static str,
    /// What was found, on the dimension's own scale.
    pub value: f64,
    /// How much it counts.
    pub weight: f64,
    /// What it adds to the score.
    pub contribution: f64,
    /// What was found, in words; may be empty.
    pub detail: String,
}
