//! Anthropic's Messages (API version 2023-06-01): a request out, a whole answer or a stream back.
//!
//! The dialect differs from OpenAI's in more than names: instructions stand outside the conversation, results of calls are the
//! user's words, turns alternate, arguments are objects, and each generation of models refuses other parameters. Each of
//! these has its file; [`wire`] is the allow-list of what may be sent.
//!
//! **Invariant:** the model's rules are data ([`family`]); no other file asks for a model's name.

mod answer;
mod event;
mod family;
mod ids;
mod media;
mod names;
mod request;
mod sampling;
mod schema;
mod stream;
mod tools;
mod turns;
mod usage;
mod wire;

pub use answer::answer;
pub use request::{check, request};
pub use stream::{Stream, stream};
use tools::JSON_TOOL;
