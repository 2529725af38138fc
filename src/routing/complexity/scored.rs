//! What a classifier says of a conversation.
//!
//! **Invariant:** tiers are ordered, the cheapest first; names and causes are LiteLLM's words where it has one.

/// How hard a request is, the easiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A cheap model will do.
    Simple,
    /// An ordinary one.
    Medium,
    /// A strong one.
    Complex,
    /// One that thinks.
    Reasoning,
}

impl Tier {
    /// Every tier, the easiest first.
    pub const ALL: [Self; 4] = [Self::Simple, Self::Medium, Self::Complex, Self::Reasoning];

    /// The name as it stands in configurations, headers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "SIMPLE",
            Self::Medium => "MEDIUM",
            Self::Complex => "COMPLEX",
            Self::Reasoning => "REASONING",
        }
    }

    /// The tier of a name in any case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.as_str().eq_ignore_ascii_case(name))
    }

    /// The next harder tier; the hardest stays.
    #[must_use]
    pub const fn above(self) -> Self {
        match self {
            Self::Simple => Self::Medium,
            Self::Medium => Self::Complex,
            Self::Complex | Self::Reasoning => Self::Reasoning,
        }
    }
}

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
    /// The user asked for more.
    EscalationKeyword,
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
            Self::EscalationKeyword => "escalation_keyword",
            Self::PlanMode => "plan_mode",
            Self::Housekeeping => "housekeeping",
            Self::DefaultFallback => "default_fallback",
        }
    }
}

/// What a classifier decided, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The tier.
    pub tier: Tier,
    /// The sum of the contributions; its scale is the classifier's own.
    pub score: f64,
    /// The rule that had the last word.
    pub cause: Cause,
    /// What was noticed, in words. Empty in the hot path: written only where somebody will read it.
    pub signals: Vec<String>,
    /// What each dimension contributed, in the order of the sum. Empty in the hot path.
    pub dimensions: Vec<Dimension>,
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
