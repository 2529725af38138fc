//! The neutral conversation: what a client asks, in ordered blocks, borrowed from its body.
//!
//! Every client's dialect is read into it and every provider's is written from it, so it holds what two of them can say. Instructions are
//! no list of their own, as some dialects have them, but turns of [`Speaker::System`]: those in front are the instructions, and later ones
//! keep their place ([`Conversation::instructions`]). What only one dialect has is [`Content::Opaque`] or a [`ForeignTool`]: the same
//! dialect never comes here, so another one refuses it or names it.
//!
//! **Invariant:** the order of the client stays; each turn, block and tool knows its place in the client's request, so that what is left
//! out can be named.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::{Block, Content, Place};

/// One request as every dialect sees it. What the client did not send is `None` or empty.
#[derive(Debug, Clone, Default)]
pub struct Conversation<'a> {
    /// What was said, oldest first.
    pub turns: Vec<Turn<'a>>,
    /// Functions the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Tools that are no functions of the client's.
    pub foreign_tools: Vec<ForeignTool<'a>>,
    /// How freely the tools may be called.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether several calls may come in one answer.
    pub parallel_tool_calls: Option<bool>,
    /// The shape the answer must have.
    pub output: Option<OutputFormat<'a>>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling, 0 to 1.
    pub top_p: Option<f64>,
    /// How many tokens are sampled from.
    pub top_k: Option<u64>,
    /// Texts that end the answer.
    pub stop: Vec<Cow<'a, str>>,
    /// How much the model should think.
    pub effort: Option<Effort>,
    /// How the model should think.
    pub thinking: Option<Thinking>,
    /// How long-winded the answer should be, in OpenAI's words.
    pub verbosity: Option<Cow<'a, str>>,
    /// The end user, opaque.
    pub user: Option<Cow<'a, str>>,
    /// Cache mark of the whole request, raw.
    pub cache_control: Option<&'a RawValue>,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with its usage.
    pub include_usage: bool,
    /// The functions came by their deprecated name (`functions`), so the client waits for a `function_call`.
    pub deprecated_functions: bool,
    /// Those functions that the client writes in a form of its own, by their names here.
    pub tool_forms: BTreeMap<String, ToolForm>,
    /// Members at the top that have no neutral form, by name, raw. JSON `null` is never in here.
    pub other: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Places below the top that have no neutral form, such as `messages[3].content[0].foo`; the first few.
    pub unread: Vec<String>,
    /// How the client calls what another dialect may not take.
    pub words: Words,
}

/// The client's names of neutral members, to name those that are left out.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// [`Conversation::stop`].
    pub stop: &'static str,
    /// [`Conversation::effort`].
    pub effort: &'static str,
    /// [`Conversation::output`].
    pub output: &'static str,
    /// [`Conversation::user`].
    pub user: &'static str,
    /// [`Conversation::parallel_tool_calls`].
    pub parallel_tool_calls: &'static str,
    /// [`Conversation::verbosity`].
    pub verbosity: &'static str,
    /// What a provider wants back of its thinking, in a block.
    pub signature: &'static str,
    /// How closely an image is looked at, in its block.
    pub detail: &'static str,
    /// A file's name, in its block.
    pub file_name: &'static str,
    /// A function's schema.
    pub parameters: &'static str,
    /// What a schema is for, in [`Conversation::output`].
    pub schema_description: &'static str,
}

impl Default for Words {
    /// OpenAI's.
    fn default() -> Self {
        Self {
            stop: "stop",
            effort: "reasoning_effort",
            output: "response_format",
            user: "user",
            parallel_tool_calls: "parallel_tool_calls",
            verbosity: "verbosity",
            signature: "signature",
            detail: "image_url.detail",
            file_name: "file.filename",
            parameters: "parameters",
            schema_description: "json_schema.description",
        }
    }
}

impl<'a> Conversation<'a> {
    /// The turns of instructions that stand in front, and all others.
    #[must_use]
    pub fn instructions(&self) -> (&[Turn<'a>], &[Turn<'a>]) {
        let leading = self.turns.iter().take_while(|turn| turn.speaker == Speaker::System).count();
        self.turns.split_at_checked(leading).unwrap_or((&[], &self.turns))
    }

    /// The choice among its functions. One of a tool that runs at a provider is none.
    #[must_use]
    pub fn choice(&self) -> Option<&ToolChoice<'a>> {
        let is_foreign = |name: &Cow<'_, str>| {
            let is_own = self.tools.iter().any(|tool| tool.name == *name);
            !is_own && self.foreign_tools.iter().any(|tool| tool.name.as_ref() == Some(name))
        };
        self.tool_choice.as_ref().filter(|choice| !matches!(choice, ToolChoice::Named(name) if is_foreign(name)))
    }

    /// The names of the functions that were called before, in order.
    pub fn called(&self) -> impl Iterator<Item = &str> {
        self.turns.iter().flat_map(|turn| &turn.blocks).filter_map(|block| match &block.content {
            Content::ToolCall { name, .. } => Some(name.as_ref()),
            _ => None,
        })
    }
}

/// One turn of the conversation.
#[derive(Debug, Clone)]
pub struct Turn<'a> {
    /// The speaker.
    pub speaker: Speaker,
    /// What is said; results of calls are the user's blocks.
    pub blocks: Vec<Block<'a>>,
    /// The speaker's name.
    pub name: Option<Cow<'a, str>>,
    /// Cache mark of the whole turn, raw.
    pub cache_control: Option<&'a RawValue>,
    /// Where it stands.
    pub place: Place,
}

/// The speaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// Instructions.
    System,
    /// The caller, and what came of the model's calls.
    User,
    /// The model.
    Assistant,
}

/// A function the model may call.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// The function's name.
    pub name: Cow<'a, str>,
    /// What it does.
    pub description: Option<Cow<'a, str>>,
    /// JSON Schema of its arguments, raw.
    pub parameters: Option<&'a RawValue>,
    /// Its arguments must follow the schema.
    pub strict: Option<bool>,
    /// Cache mark, raw.
    pub cache_control: Option<&'a RawValue>,
    /// Where it stands: what holds its `strict`.
    pub place: Place,
}

/// How a client writes a function that others know by one name and with arguments that are an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolForm {
    /// What the function is part of.
    pub namespace: Option<String>,
    /// Its name in there.
    pub name: String,
    /// It takes a text, which is the only member of its arguments here ([`TEXT_ARGUMENT`]).
    pub takes_text: bool,
}

/// The name of the only argument of a function that takes a text.
pub const TEXT_ARGUMENT: &str = "input";

/// A tool that is no function of the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignTool<'a> {
    /// Its name, where a choice can name it.
    pub name: Option<Cow<'a, str>>,
    /// A request that has other tools can do without it: it runs at the provider.
    pub is_optional: bool,
    /// Where it stands.
    pub place: Place,
}

/// How freely tools may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// The model decides.
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
    /// This one.
    Named(Cow<'a, str>),
    /// None but these.
    Allowed {
        /// At least one call.
        required: bool,
        /// Their names.
        names: Vec<Cow<'a, str>>,
    },
}

impl<'a> ToolChoice<'a> {
    /// None but these; `None`: a call of none is demanded.
    #[must_use]
    pub fn allowed(required: bool, names: Vec<Cow<'a, str>>) -> Option<Self> {
        match names.is_empty() {
            true => (!required).then_some(Self::None),
            false => Some(Self::Allowed { required, names }),
        }
    }
}

/// The shape the answer must have.
#[derive(Debug, Clone)]
pub enum OutputFormat<'a> {
    /// Free text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON by a schema.
    JsonSchema {
        /// The schema's name; empty where it has none.
        name: Cow<'a, str>,
        /// What it is for.
        description: Option<Cow<'a, str>>,
        /// The JSON Schema, raw.
        schema: Option<&'a RawValue>,
        /// Whether the schema binds.
        strict: Option<bool>,
    },
}

/// How the model should think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// Not at all.
    Disabled,
    /// With a budget, in tokens.
    Enabled {
        /// The budget.
        budget_tokens: Option<u64>,
        /// How it is shown.
        display: Option<Display>,
    },
    /// As much as the model finds fit.
    Adaptive {
        /// How it is shown.
        display: Option<Display>,
    },
}

/// How thinking is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Display {
    /// In short.
    Summarized,
    /// Not at all.
    Omitted,
}

impl Display {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Summarized => "summarized",
            Self::Omitted => "omitted",
        }
    }
}

/// How much the model should think, least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Somewhat.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// All of them, least first.
    pub const ALL: [Self; 7] = [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::XHigh, Self::Max];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::XHigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// The effort of this word, or of LiteLLM's for none.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let word = if word == "disable" { "none" } else { word };
        Self::ALL.into_iter().find(|effort| effort.as_str() == word)
    }
}
