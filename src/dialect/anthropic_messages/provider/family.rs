//! What each family of Claude models accepts, as data.
//!
//! Source: LiteLLM 1.106.2's model table and the official SDK 2.11.0, read 2026-11-20; not seen live. A new family is one row.
//!
//! **Invariant:** the first row that matches counts, so the more specific name stands above the shorter one.

/// How a family can be told to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thinking {
    /// It cannot.
    Never,
    /// `thinking.budget_tokens`.
    Budget,
    /// `thinking: adaptive` and `output_config.effort`.
    Adaptive,
    /// As adaptive, and it cannot be told not to.
    Always,
}

/// Which sampling parameters a family takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampling {
    /// `temperature` and `top_p` together.
    Both,
    /// One of them.
    One,
    /// None at all.
    None,
}

/// What a family of models accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// How it thinks.
    pub thinking: Thinking,
    /// Whether one that thinks adaptively takes `thinking.budget_tokens` as well.
    pub budget: bool,
    /// Whether it knows the effort `xhigh`.
    pub xhigh: bool,
    /// Whether it takes `output_config.format`.
    pub structured: bool,
    /// Which sampling parameters it takes.
    pub sampling: Sampling,
    /// Whether a call can be demanded (`tool_choice` any or tool).
    pub forced_tools: bool,
    /// Whether the last turn may be the assistant's.
    pub prefill: bool,
}

const CLAUDE_3: Family = Family {
    thinking: Thinking::Never,
    budget: false,
    xhigh: false,
    structured: false,
    sampling: Sampling::Both,
    forced_tools: true,
    prefill: true,
};
const CLAUDE_4: Family = Family { thinking: Thinking::Budget, budget: true, ..CLAUDE_3 };
const CLAUDE_4_5: Family = Family { structured: true, sampling: Sampling::One, ..CLAUDE_4 };
const CLAUDE_4_6: Family = Family { thinking: Thinking::Adaptive, prefill: false, ..CLAUDE_4_5 };
const CLAUDE_5: Family = Family { budget: false, xhigh: true, sampling: Sampling::None, ..CLAUDE_4_6 };
const CLAUDE_MIND: Family = Family { thinking: Thinking::Always, ..CLAUDE_5 };
const CLAUDE_5_5: Family = Family { forced_tools: false, ..CLAUDE_MIND };

/// A part of the model's name, and what that family accepts.
const FAMILIES: &[(&str, Family)] = &[
    ("opus-5-5", CLAUDE_5_5),
    ("sonnet-5-5", CLAUDE_5_5),
    ("fable-5-1", CLAUDE_5_5),
    ("mythos-5-1", CLAUDE_5_5),
    ("fable", CLAUDE_MIND),
    ("mythos", CLAUDE_MIND),
    ("opus-4-5", CLAUDE_4_5),
    ("sonnet-4-5", CLAUDE_4_5),
    ("haiku-4-5", CLAUDE_4_5),
    ("opus-4-6", CLAUDE_4_6),
    ("sonnet-4-6", CLAUDE_4_6),
    ("opus-4-7", CLAUDE_5),
    ("opus-4-8", CLAUDE_5),
    ("opus-4", CLAUDE_4),
    ("sonnet-4", CLAUDE_4),
    ("claude-3-7", CLAUDE_4),
    ("claude-3", CLAUDE_3),
    ("claude-2", CLAUDE_3),
    // A Claude that is not in this table is newer than it: the newest rules leave out most.
    ("claude", CLAUDE_5),
];

/// What the model accepts. A model that is no Claude, behind a compatible API, is taken for a plain one of the 4 generation
/// that takes no schema.
#[must_use]
pub fn of(model: &str) -> Family {
    FAMILIES.iter().find(|(name, _)| matches(model, name)).map_or(CLAUDE_4, |(_, family)| *family)
}

/// Whether the name stands in the model's, and its last number ends there.
fn matches(model: &str, name: &str) -> bool {
    model.match_indices(name).any(|(at, _)| {
        let after = at.checked_add(name.len()).and_then(|end| model.as_bytes().get(end));
        !after.is_some_and(u8::is_ascii_digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_wrappings_do_not_hide_a_family() {
        assert_eq!(of("claude-haiku-4-5-20251001"), CLAUDE_4_5);
        assert_eq!(of("anthropic.claude-sonnet-4-6-v1:0"), CLAUDE_4_6);
        assert_eq!(of("claude-sonnet-4-20250514"), CLAUDE_4);
        assert_eq!(of("claude-3-7-sonnet-20250219"), CLAUDE_4);
        assert_eq!(of("claude-3-5-haiku-20241022"), CLAUDE_3);
        assert_eq!(of("claude-opus-5-5"), CLAUDE_5_5);
        assert_eq!(of("claude-opus-5"), CLAUDE_5);
        assert_eq!(of("claude-haiku-5-5"), CLAUDE_5);
    }

    #[test]
    fn a_longer_number_is_another_family() {
        assert_eq!(of("claude-opus-4-70"), CLAUDE_4, "not 4-7");
        assert_eq!(of("claude-next"), CLAUDE_5);
        assert_eq!(of("MiniMax-M2"), CLAUDE_4);
    }
}
