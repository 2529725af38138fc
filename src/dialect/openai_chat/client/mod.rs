//! OpenAI's dialect as clients speak it: the request in, the answer, the chunks and the errors out.
//!
//! The neutral forms follow this dialect, so most of this is reading with care and writing in OpenAI's order of keys.
//!
//! **Invariant:** knows no provider: what comes out depends on [`crate::chat`] alone.

pub mod answer;
pub mod chunk;
pub mod error;
pub mod request;
pub mod transcript;

pub use request::decode;
