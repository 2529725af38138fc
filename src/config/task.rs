//! Task routing as configured: which groups serve which task, and when the classifier is believed.
//!
//! The names of the tasks are words of the configuration (`tasks`, `model_info.supports`), so they live here; what a prompt must
//! look like to be one is [`crate::routing::task`]'s.
//!
//! **Invariant:** `Task::from_name(task.name())` is the task itself; in [`TaskRouterConfig::tasks`] a task stands once, with a group.

/// What a request is about. The list is short: each has models that teams keep for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// Code, queries, configuration: written, changed, reviewed or explained.
    CodeGeneration,
    /// Something technical that does not do what it should.
    Debugging,
    /// More text than ordinary models take, whatever is asked about it.
    LongContext,
    /// A text or file at hand is summed up, searched, compared, or turned into data.
    DocumentAnalysis,
    /// Text whose form and invention are the point.
    CreativeWriting,
    /// A text put into another language.
    Translation,
    /// To be calculated or proved.
    Math,
    /// All else.
    General,
}

impl Task {
    /// All, in the order of every table.
    pub const ALL: [Self; 8] = [
        Self::CodeGeneration,
        Self::Debugging,
        Self::LongContext,
        Self::DocumentAnalysis,
        Self::CreativeWriting,
        Self::Translation,
        Self::Math,
        Self::General,
    ];

    /// Its name in configuration, headers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CodeGeneration => "code_generation",
            Self::Debugging => "debugging",
            Self::LongContext => "long_context",
            Self::DocumentAnalysis => "document_analysis",
            Self::CreativeWriting => "creative_writing",
            Self::Translation => "translation",
            Self::Math => "math",
            Self::General => "general",
        }
    }

    /// The task of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.name() == name)
    }
}

/// `task_router_config`, with defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRouterConfig {
    /// The groups of each task, in file order. Empty where the deployments' `model_info.supports` are to tell.
    pub tasks: Vec<(Task, Vec<String>)>,
    /// The group for what no other serves.
    pub default_model: Option<String>,
    /// From so many estimated tokens on, a conversation is [`Task::LongContext`].
    pub long_context_tokens: u64,
    /// Below this confidence, from 0 to 1, a request is [`Task::General`].
    pub min_confidence: f64,
    /// Decide and record, but route to the default.
    pub shadow: bool,
    /// A conversation keeps the task it began with.
    pub session_affinity: bool,
}

impl Default for TaskRouterConfig {
    fn default() -> Self {
        Self {
            tasks: Vec::new(),
            default_model: None,
            long_context_tokens: 32_000,
            min_confidence: 0.4,
            shadow: false,
            session_affinity: false,
        }
    }
}
