//! A complexity router's configuration, in LiteLLM's names and with its defaults.
//!
//! It holds what decides the tier and what is done with it. Group names stay texts here: the code that puts the router among the
//! model groups resolves them.
//!
//! **Invariant:** every number is finite, no keyword or pattern is blank where a blank one would match every request, and all
//! keywords together stay below [`MOST_KEYWORD_BYTES`].

/// How long all keywords of a router may be together, in bytes: the automaton that finds them grows with it.
pub const MOST_KEYWORD_BYTES: usize = 16 * 1024;

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

/// The classifier that decides the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassifierType {
    /// LiteLLM's scorer, exactly.
    Heuristic,
    /// Signalbox's own.
    Signalbox,
}

impl ClassifierType {
    /// The name as it stands in configurations and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heuristic => "heuristic",
            Self::Signalbox => "signalbox",
        }
    }
}

/// What becomes of the client's `max_tokens`, given the tier model's own ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxTokens {
    /// The ceiling takes its place (LiteLLM's default).
    Overwrite,
    /// It is lowered to the ceiling, where it is above (Signalbox's default).
    Clamp,
    /// It stays.
    Keep,
}

/// A model that may serve a tier.
#[derive(Debug, Clone, PartialEq)]
pub struct TierModel {
    /// The model group's name.
    pub group: String,
    /// Parameters that fill gaps in the request (`litellm_params`): a JSON object, or null where there are none.
    pub params: serde_json::Value,
}

/// Scores from which the next tier begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TierBoundaries {
    /// From here MEDIUM.
    pub simple_medium: f64,
    /// From here COMPLEX.
    pub medium_complex: f64,
    /// From here REASONING.
    pub complex_reasoning: f64,
}

/// Lengths that count, in estimated tokens: characters / 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenThresholds {
    /// Below this a prompt is short.
    pub simple: i64,
    /// Above this it is long.
    pub complex: i64,
}

/// How much each dimension of the heuristic counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DimensionWeights {
    /// `tokenCount`.
    pub token_count: f64,
    /// `codePresence`.
    pub code_presence: f64,
    /// `reasoningMarkers`.
    pub reasoning_markers: f64,
    /// `technicalTerms`.
    pub technical_terms: f64,
    /// `simpleIndicators`.
    pub simple_indicators: f64,
    /// `multiStepPatterns`.
    pub multi_step_patterns: f64,
    /// `questionComplexity`.
    pub question_complexity: f64,
}

/// Keywords that decide by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeywordTierRule {
    /// One of these in the ask.
    pub keywords: Vec<String>,
    /// Gives this tier.
    pub tier: Tier,
}

/// A complexity router.
#[derive(Debug, Clone, PartialEq)]
pub struct ComplexityConfig {
    /// The classifier that decides.
    pub classifier_type: ClassifierType,
    /// The models of each configured tier, the easiest tier first. Of several one is drawn.
    pub tiers: Vec<(Tier, Vec<TierModel>)>,
    /// The group for requests without an ask, and for tiers without models.
    pub default_model: Option<String>,
    /// Where tiers begin.
    pub tier_boundaries: TierBoundaries,
    /// What is short, what is long.
    pub token_thresholds: TokenThresholds,
    /// What counts how much.
    pub dimension_weights: DimensionWeights,
    /// From this score on, two reasoning words make REASONING; none is the boundary of MEDIUM.
    pub reasoning_override_min_score: Option<f64>,
    /// Words of code; empty is LiteLLM's list, here and below.
    pub code_keywords: Vec<String>,
    /// Words of reasoning.
    pub reasoning_keywords: Vec<String>,
    /// Technical terms.
    pub technical_keywords: Vec<String>,
    /// Technical terms besides those.
    pub custom_technical_keywords: Vec<String>,
    /// Words of simple requests.
    pub simple_keywords: Vec<String>,
    /// Keywords that decide by themselves.
    pub keyword_tier_rules: Vec<KeywordTierRule>,
    /// Texts in the newest ask that raise the tier by one; case counts. None is LiteLLM's own, empty is off.
    pub escalation_keywords: Option<Vec<String>>,
    /// The least tier for a coding client that plans.
    pub plan_mode_min_tier: Option<Tier>,
    /// More signs of such a client.
    pub plan_mode_patterns: Vec<String>,
    /// Whether a client's chores (naming a session) go to the cheapest tier.
    pub route_housekeeping_to_cheapest_tier: bool,
    /// More signs of such chores.
    pub housekeeping_patterns: Vec<String>,
    /// Pairs of marks, in lower case, around what is no ask; none is LiteLLM's own.
    pub reminder_markers: Option<Vec<(String, String)>>,
    /// What becomes of the client's `max_tokens`.
    pub max_tokens_from_tier_model: MaxTokens,
    /// Whether a request too long for its tier's model moves up.
    pub enable_context_window_escalation: bool,
    /// The share of a model's window that may be filled.
    pub context_window_escalation_buffer: f64,
    /// Whether a conversation's tier never falls; none is the classifier's own way.
    pub session_affinity: Option<bool>,
    /// Whether the answer names the tier's model instead of the router.
    pub return_raw_model_name: bool,
    /// Whether the tier is only recorded, and the default serves (Signalbox).
    pub shadow: bool,
    /// From this share of every budget of a tier on, the tier below serves, 0 to 1 (Signalbox).
    pub budget_lowering: Option<f64>,
    /// Whether a client may ask for a tier (Signalbox).
    pub allow_client_tier: bool,
}

impl ComplexityConfig {
    /// Whether a conversation's tier never falls. LiteLLM's scorer: no, as in LiteLLM; Signalbox's: yes.
    #[must_use]
    pub fn keeps_tier(&self) -> bool {
        self.session_affinity.unwrap_or(self.classifier_type == ClassifierType::Signalbox)
    }
}

impl Default for TierBoundaries {
    fn default() -> Self {
        Self { simple_medium: 0.15, medium_complex: 0.35, complex_reasoning: 0.60 }
    }
}

impl Default for TokenThresholds {
    fn default() -> Self {
        Self { simple: 15, complex: 400 }
    }
}

impl DimensionWeights {
    /// Nothing counts: where a configuration names some dimensions, the others have no weight.
    pub const ZERO: Self = Self {
        token_count: 0.0,
        code_presence: 0.0,
        reasoning_markers: 0.0,
        technical_terms: 0.0,
        simple_indicators: 0.0,
        multi_step_patterns: 0.0,
        question_complexity: 0.0,
    };
}

impl Default for DimensionWeights {
    fn default() -> Self {
        Self {
            token_count: 0.10,
            code_presence: 0.30,
            reasoning_markers: 0.25,
            technical_terms: 0.25,
            simple_indicators: 0.05,
            multi_step_patterns: 0.03,
            question_complexity: 0.02,
        }
    }
}

impl Default for ComplexityConfig {
    /// LiteLLM's defaults, its groups for the tiers included; but `max_tokens` is only lowered.
    fn default() -> Self {
        let groups = ["gpt-4o-mini", "gpt-4o", "claude-sonnet-4-20250514", "claude-sonnet-4-20250514"];
        let model = |group: &str| vec![TierModel { group: group.to_owned(), params: serde_json::Value::Null }];
        Self {
            classifier_type: ClassifierType::Heuristic,
            tiers: Tier::ALL.into_iter().zip(groups.into_iter().map(model)).collect(),
            default_model: None,
            tier_boundaries: TierBoundaries::default(),
            token_thresholds: TokenThresholds::default(),
            dimension_weights: DimensionWeights::default(),
            reasoning_override_min_score: None,
            code_keywords: Vec::new(),
            reasoning_keywords: Vec::new(),
            technical_keywords: Vec::new(),
            custom_technical_keywords: Vec::new(),
            simple_keywords: Vec::new(),
            keyword_tier_rules: Vec::new(),
            escalation_keywords: None,
            plan_mode_min_tier: None,
            plan_mode_patterns: Vec::new(),
            route_housekeeping_to_cheapest_tier: true,
            housekeeping_patterns: Vec::new(),
            reminder_markers: None,
            max_tokens_from_tier_model: MaxTokens::Clamp,
            enable_context_window_escalation: false,
            context_window_escalation_buffer: 0.95,
            session_affinity: None,
            return_raw_model_name: false,
            shadow: false,
            budget_lowering: None,
            allow_client_tier: false,
        }
    }
}
