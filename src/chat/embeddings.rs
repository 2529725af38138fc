//! The neutral request for embeddings, and its answer.
//!
//! **Invariant:** there is one vector for each input, in the order of the inputs.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Usage;

/// One request for embeddings. What the client did not send is `None` or empty.
#[derive(Debug, Clone)]
pub struct EmbeddingsRequest<'a> {
    /// What is to be embedded, at least one.
    pub inputs: Inputs<'a>,
    /// The length of each vector.
    pub dimensions: Option<u64>,
    /// Whether vectors are awaited as base64 of little-endian 32-bit floats instead of as numbers.
    pub base64: bool,
    /// The end user, opaque.
    pub user: Option<Cow<'a, str>>,
    /// Members that have no neutral form, by name, raw. JSON `null` is never in here.
    pub other: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// What is to be embedded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inputs<'a> {
    /// Texts.
    Texts(Vec<Cow<'a, str>>),
    /// Lists of the tokens of one model's own tokenizer: no other model knows them.
    Tokens(Vec<Vec<u64>>),
}

impl Inputs<'_> {
    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(lists) => lists.len(),
        }
    }
}

/// The answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embeddings<'a> {
    /// The model as the provider names it; empty where it does not.
    pub model: Cow<'a, str>,
    /// The vectors.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens used, where the provider says so.
    pub usage: Option<Usage>,
}
