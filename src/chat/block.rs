//! Blocks: what a turn or an answer is made of, in order.
//!
//! **Invariant:** base64, arguments and marks are carried as they came.

use std::borrow::Cow;
use std::fmt;

use serde_json::value::RawValue;

/// One block.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    /// What it holds.
    pub content: Content<'a>,
    /// Cache mark, raw: `cache_control` in Anthropic's words.
    pub cache_control: Option<&'a RawValue>,
    /// Where it stands in the client's request.
    pub place: Place,
}

impl<'a> Block<'a> {
    /// A block of an answer: without a mark, and nowhere in a request.
    #[must_use]
    pub const fn new(content: Content<'a>) -> Self {
        Self::unmarked(content, Place::NOWHERE)
    }

    /// A block of a request without a mark.
    #[must_use]
    pub const fn unmarked(content: Content<'a>, place: Place) -> Self {
        Self { content, cache_control: None, place }
    }
}

/// What a block holds.
#[derive(Debug, Clone)]
pub enum Content<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// An image.
    Image {
        /// Where its bytes are.
        source: Source<'a>,
        /// How closely it is looked at (OpenAI's `detail`).
        detail: Option<Cow<'a, str>>,
    },
    /// Sound.
    Audio {
        /// Base64.
        data: Cow<'a, str>,
        /// Its format, such as `wav`.
        format: Cow<'a, str>,
    },
    /// A file.
    Document {
        /// Where its bytes are.
        source: Source<'a>,
        /// The file's name, or a document's title.
        name: Option<Cow<'a, str>>,
    },
    /// Readable thinking, and the signature that its provider wants back.
    Thinking {
        /// The thinking; it may be empty.
        text: Cow<'a, str>,
        /// The signature.
        signature: Option<Cow<'a, str>>,
    },
    /// Encrypted thinking.
    RedactedThinking(Cow<'a, str>),
    /// A call the model makes.
    ToolCall {
        /// The call's id.
        id: Cow<'a, str>,
        /// The function's name.
        name: Cow<'a, str>,
        /// Its arguments: a text that should hold JSON but may be empty or broken.
        arguments: Cow<'a, str>,
    },
    /// What came of a call.
    ToolResult {
        /// The call's id.
        id: Cow<'a, str>,
        /// What it gave.
        blocks: Vec<Block<'a>>,
        /// The call failed.
        is_error: Option<bool>,
    },
    /// Why the model refuses.
    Refusal(Cow<'a, str>),
    /// What only the client's dialect has, by its type.
    Opaque(Cow<'a, str>),
}

/// Where the bytes of an image or file are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<'a> {
    /// A URL, or a `data:` URI.
    Uri(Cow<'a, str>),
    /// Base64 of a media type.
    Base64 {
        /// The media type.
        media_type: Cow<'a, str>,
        /// The base64.
        data: Cow<'a, str>,
    },
    /// Plain text.
    Text(Cow<'a, str>),
}

/// A list or a member of a client's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the name that it stands for")]
pub enum Member {
    Messages,
    Input,
    Instructions,
    System,
    Tools,
    Functions,
    Function,
    Content,
    Output,
    Summary,
    Source,
    Refusal,
    ReasoningContent,
    ThinkingBlocks,
    ToolCalls,
    FunctionCall,
    Prompt,
    ExtraContent,
}

impl Member {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Input => "input",
            Self::Instructions => "instructions",
            Self::System => "system",
            Self::Tools => "tools",
            Self::Functions => "functions",
            Self::Function => "function",
            Self::Content => "content",
            Self::Output => "output",
            Self::Summary => "summary",
            Self::Source => "source",
            Self::Refusal => "refusal",
            Self::ReasoningContent => "reasoning_content",
            Self::ThinkingBlocks => "thinking_blocks",
            Self::ToolCalls => "tool_calls",
            Self::FunctionCall => "function_call",
            Self::Prompt => "prompt",
            Self::ExtraContent => "extra_content",
        }
    }
}

/// Where something stands in the client's request, such as `messages[3].content[0]`. Small, because every block has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place([Option<(Member, Option<u32>)>; 4]);

impl Place {
    /// Nowhere: it is the gateway's, or a provider's.
    pub const NOWHERE: Self = Self([None; 4]);

    /// An item of a list at the top.
    #[must_use]
    pub fn item(list: Member, index: usize) -> Self {
        Self::NOWHERE.then(list, Some(index))
    }

    /// A member at the top.
    #[must_use]
    pub fn top(member: Member) -> Self {
        Self::NOWHERE.then(member, None)
    }

    /// An item of a list below it.
    #[must_use]
    pub fn at(self, list: Member, index: usize) -> Self {
        self.then(list, Some(index))
    }

    /// A member below it.
    #[must_use]
    pub fn below(self, member: Member) -> Self {
        self.then(member, None)
    }

    /// Whether it is an item of a list.
    #[must_use]
    pub fn is_item(self) -> bool {
        self.0.iter().flatten().last().is_some_and(|(_, index)| index.is_some())
    }

    /// The item of a list that it is, or that holds it.
    #[must_use]
    pub fn of_item(mut self) -> Self {
        while !self.is_item() {
            let Some(last) = self.0.iter_mut().rev().find(|step| step.is_some()) else { break };
            *last = None;
        }
        self
    }

    /// Whether it is below an item of an item, as a block of a result is.
    #[must_use]
    pub fn is_deep(self) -> bool {
        self.0.iter().flatten().count() > 2
    }

    /// The name of another member below it.
    #[must_use]
    pub fn name(self, member: &str) -> String {
        format!("{self}.{member}")
    }

    fn then(mut self, member: Member, index: Option<usize>) -> Self {
        let index = index.map(|index| u32::try_from(index).unwrap_or(u32::MAX));
        if let Some(free) = self.0.iter_mut().find(|step| step.is_none()) {
            *free = Some((member, index));
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (member, index)) in self.0.iter().flatten().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{}", member.as_str())?;
            if let Some(index) = index {
                write!(f, "[{index}]")?;
            }
        }
        Ok(())
    }
}
