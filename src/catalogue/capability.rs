//! What a model can do, as far as that is known.
//!
//! **Invariant:** every capability is known to exist, known to be missing, or unknown; [`Capability::ALL`] has the order of
//! tools/models.py.

/// A capability of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Call tools.
    Tools,
    /// Call several tools in one answer.
    ParallelTools,
    /// Read images.
    Vision,
    /// Hear audio.
    Audio,
    /// Read PDF files.
    Pdf,
    /// Follow a JSON schema (`response_format: json_schema`).
    JsonSchema,
    /// Think before it answers.
    Reasoning,
    /// Keep prompts in a cache.
    PromptCaching,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Tools,
        Self::ParallelTools,
        Self::Vision,
        Self::Audio,
        Self::Pdf,
        Self::JsonSchema,
        Self::Reasoning,
        Self::PromptCaching,
    ];

    /// The word for it in data/models.csv.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::ParallelTools => "parallel_tools",
            Self::Vision => "vision",
            Self::Audio => "audio",
            Self::Pdf => "pdf",
            Self::JsonSchema => "json_schema",
            Self::Reasoning => "reasoning",
            Self::PromptCaching => "prompt_caching",
        }
    }

    /// LiteLLM's key for it in `model_info`.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools => "supports_function_calling",
            Self::ParallelTools => "supports_parallel_function_calling",
            Self::Vision => "supports_vision",
            Self::Audio => "supports_audio_input",
            Self::Pdf => "supports_pdf_input",
            Self::JsonSchema => "supports_response_schema",
            Self::Reasoning => "supports_reasoning",
            Self::PromptCaching => "supports_prompt_caching",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What is known of a model's capabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    yes: u8,
    no: u8,
}

impl Capabilities {
    pub(super) const fn from_bits([yes, no]: [u8; 2]) -> Self {
        Self { yes, no }
    }

    /// Whether it has this one, if that is known.
    #[must_use]
    pub const fn has(self, one: Capability) -> Option<bool> {
        match (self.yes & one.bit() != 0, self.no & one.bit() != 0) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// Whether it is known to lack this one, which is the only reason to exclude a deployment.
    #[must_use]
    pub fn lacks(self, one: Capability) -> bool {
        self.has(one) == Some(false)
    }

    /// The same, with this one known.
    #[must_use]
    pub const fn with(self, one: Capability, has: bool) -> Self {
        let (yes, no) = (self.yes & !one.bit(), self.no & !one.bit());
        if has { Self { yes: yes | one.bit(), no } } else { Self { yes, no: no | one.bit() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_not_no() {
        for one in Capability::ALL {
            let known = Capabilities::default().with(one, true);
            assert_eq!((known.has(one), known.lacks(one)), (Some(true), false));
            let known = known.with(one, false);
            assert_eq!((known.has(one), known.lacks(one)), (Some(false), true));
            let others = Capability::ALL.iter().filter(|other| **other != one);
            assert!(others.into_iter().all(|other| known.has(*other).is_none() && !known.lacks(*other)));
        }
    }
}
