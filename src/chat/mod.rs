//! The neutral forms that every dialect meets in: a conversation, an answer, a stream's event, usage, and a failure.
//!
//! Each client's dialect is read into them and each provider's is written from them, so they hold what any two of them can say: ordered
//! blocks, not one dialect's messages. They borrow from the bytes they were read from, so that a translation copies each text once.
//! Whatever a dialect only carries (a tool's schema, its arguments) stays raw JSON.
//!
//! **Invariant:** nothing in here knows a provider, a configuration or the host.

mod answer;
mod block;
mod conversation;
mod embeddings;
mod failure;
mod limits;
mod settle;
mod transcript;

pub use answer::{Answer, Begun, Delta, Event, StopReason, Usage};
pub use block::{Block, Content, Member, Place, Source};
pub use conversation::{
    Conversation, Display, Effort, ForeignTool, OutputFormat, Speaker, TEXT_ARGUMENT, Thinking, Tool, ToolChoice,
    ToolForm, Turn, Words,
};
pub use embeddings::{Embeddings, EmbeddingsRequest, Inputs};
pub use failure::{ApiError, Failure, FailureClass, Fault, Lack};
pub use limits::{RateLimits, Window};
pub use settle::NO_RESULT;
pub use transcript::{Role, Transcript, Utterance};
