//! LiteLLM's words, in its order: signals name the first matches of a list.
//!
//! **Invariant:** the order is LiteLLM's.

/// Words of code.
#[rustfmt::skip]
pub(super) const CODE: &[&str] = &[
    "function", "class", "def", "const", "let", "var", "import", "export", "return", "async", "await", "try",
    "catch", "exception", "error", "debug", "api", "endpoint", "request", "response", "database", "sql", "query",
    "schema", "algorithm", "implement", "refactor", "optimize", "python", "javascript", "typescript", "java",
    "rust", "golang", "react", "vue", "angular", "node", "docker", "kubernetes", "git", "commit", "merge", "branch",
    "pull request",
];

/// Words of reasoning.
#[rustfmt::skip]
pub(super) const REASONING: &[&str] = &[
    "step by step", "think through", "let's think", "reason through", "analyze this", "break down",
    "explain your reasoning", "show your work", "chain of thought", "think carefully", "consider all", "evaluate",
    "pros and cons", "compare and contrast", "weigh the options", "logical", "deduce", "infer", "conclude",
];

/// Technical terms.
#[rustfmt::skip]
pub(super) const TECHNICAL: &[&str] = &[
    "architecture", "distributed", "scalable", "microservice", "machine learning", "neural network",
    "deep learning", "encryption", "authentication", "authorization", "performance", "latency", "throughput",
    "benchmark", "concurrency", "parallel", "threading", "memory", "cpu", "gpu", "optimization", "protocol", "tcp",
    "http", "grpc", "websocket", "container", "orchestration",
];

/// Words of simple requests.
#[rustfmt::skip]
pub(super) const SIMPLE: &[&str] = &[
    "what is", "what's", "define", "definition of", "who is", "who was", "when did", "when was", "where is",
    "where was", "how many", "how much", "yes or no", "true or false", "simple", "brief", "short", "quick", "hello",
    "hi", "hey", "thanks", "thank you", "goodbye", "bye", "okay",
];

/// What a user writes to have a stronger model.
pub(super) const ESCALATION: &[&str] = &["LITELLM ESCALATE"];

/// What a coding client that plans puts into its messages: Claude Code's two, VS Code Copilot's.
pub(super) const PLAN_MODE: &[&str] =
    &["You are currently running in \"Plan\" mode.", "Plan mode is active", "Plan mode still active"];

/// The tool that Copilot's command line offers while it plans.
pub(super) const PLAN_MODE_TOOL: &str = "exit_plan_mode";

/// What coding clients ask in order to name a session.
pub(super) const HOUSEKEEPING: &[&str] = &[
    "Write the title in the predominant language of the session",
    "You are coming up with a succinct title for a coding session",
];
