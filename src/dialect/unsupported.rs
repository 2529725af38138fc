//! What a dialect has no words for, as data: planning a request translates nothing, so it must know this without a codec.
//!
//! Only what the one pass over a body tells for sure stands here. What takes a closer look (a kind of image, a tool that is no
//! function) is found when a request is encoded, which is before it is sent.
//!
//! **Invariant:** a dialect's codec refuses each feature of its list, by one of its names, and no other feature
//! (`tests/unsupported.rs`).

use crate::provider::Dialect;

/// Something that a request may ask and not every dialect can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// More than one answer (`n`).
    SeveralChoices,
    /// `logprobs`.
    Logprobs,
    /// `top_logprobs`.
    TopLogprobs,
    /// `logit_bias`.
    LogitBias,
    /// An answer in sound (`audio`, `modalities`).
    SpokenAnswer,
}

impl Feature {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SeveralChoices, Self::Logprobs, Self::TopLogprobs, Self::LogitBias, Self::SpokenAnswer];
}

/// What a dialect has no words for. With `drop_params` it is left out of a request instead.
#[must_use]
pub const fn unsupported(dialect: Dialect) -> &'static [Feature] {
    match dialect {
        Dialect::OpenAi => &[],
        Dialect::Anthropic => &Feature::ALL,
    }
}
