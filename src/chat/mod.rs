//! The neutral forms that every codec meets in: a request, an answer, a stream event, usage, and a failure.
//!
//! They follow OpenAI's chat completions, because that is what clients speak, and borrow from the bytes they were read from,
//! so that a translation copies each text once. Whatever a codec only carries (a tool's schema, its arguments) stays raw JSON.
//!
//! **Invariant:** nothing in here knows a provider, a configuration or the host.

mod answer;
mod failure;
mod limits;
mod request;
mod transcript;

pub use answer::{ChatEvent, ChatResponse, Choice, FinishReason, ThinkingBlock, ToolCall, Usage};
pub use failure::{ApiError, Failure, FailureClass, Fault};
pub use limits::{RateLimits, Window};
pub use request::{
    ChatRequest, Content, Message, Part, ReasoningEffort, ResponseFormat, Role, Tool, ToolChoice, ToolUse,
};
pub use transcript::{Transcript, Utterance};
