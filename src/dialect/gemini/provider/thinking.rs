//! How the model is told to think, by what its family accepts.
//!
//! **Invariant:** never a budget and a level together, no budget of 0 where a model cannot stop, no level that it does not have.

use super::family::{self, Family};
use super::wire::Thinking;
use crate::chat::{self, Display, Effort};
use crate::dialect::unsupported::DroppedFields;

/// As Anthropic's own `asked` says, else by OpenAI's effort. `name`: the client's of the effort.
pub fn write(
    effort: Option<Effort>,
    asked: Option<chat::Thinking>,
    family: Family,
    name: &str,
    dropped: &mut DroppedFields,
) -> Option<Thinking> {
    let (wanted, budget, display) = match asked {
        None => (effort, None, None),
        Some(chat::Thinking::Disabled) => (Some(Effort::None), None, None),
        Some(chat::Thinking::Adaptive { display }) => (effort, None, display),
        // LiteLLM's word for none.
        Some(chat::Thinking::Enabled { budget_tokens: Some(0), .. }) => (Some(Effort::None), None, None),
        Some(chat::Thinking::Enabled { budget_tokens, display }) => (effort, budget_tokens, display),
    };
    if asked.is_none() && wanted.is_none() {
        return None;
    }
    let rests = wanted == Some(Effort::None);
    let mut told = Thinking { include_thoughts: !rests && display != Some(Display::Omitted), ..Thinking::default() };
    match family.thinking {
        family::Thinking::Never => {
            if !rests {
                dropped.hint(if asked.is_some() { "thinking" } else { name });
            }
            return None;
        }
        family::Thinking::Budget { rest, least, most } => {
            let tokens = match (wanted, budget) {
                (Some(Effort::None), _) => Some(rest),
                (_, Some(budget)) => Some(budget.clamp(least, most)),
                (Some(effort), None) => Some(tokens(effort).clamp(least, most)),
                (None, None) => None,
            };
            // -1: as the model finds fit.
            told.thinking_budget = Some(tokens.and_then(|tokens| i64::try_from(tokens).ok()).unwrap_or(-1));
        }
        family::Thinking::Level { minimal } => {
            let lowest = if minimal { "MINIMAL" } else { "LOW" };
            told.thinking_level = match (wanted, budget) {
                (Some(Effort::None | Effort::Minimal), _) => Some(lowest),
                (Some(Effort::Low), _) | (None, Some(0..2048)) => Some("LOW"),
                (Some(Effort::Medium), _) | (None, Some(2048..8192)) => Some("MEDIUM"),
                (Some(Effort::High | Effort::XHigh | Effort::Max), _) | (None, Some(_)) => Some("HIGH"),
                (None, None) => None,
            };
        }
    }
    Some(told)
}

/// LiteLLM's defaults, in tokens.
const fn tokens(effort: Effort) -> u64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal => 128,
        Effort::Low => 1024,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh => 8192,
        Effort::Max => 16_384,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G17.
    #[test]
    fn g17_efforts_are_said_as_the_model_knows_them() {
        let told = |model: &str, effort| {
            let mut dropped = DroppedFields::new(false);
            let told = write(Some(effort), None, family::of(model), "reasoning_effort", &mut dropped).unwrap();
            (told.thinking_budget, told.thinking_level)
        };
        assert_eq!(told("gemini-2.5-pro", Effort::None), (Some(128), None));
        assert_eq!(told("gemini-2.5-flash", Effort::None), (Some(0), None));
        assert_eq!(told("gemini-3.7-flash", Effort::None), (None, Some("LOW")));
        assert_eq!(told("gemini-3.7-flash", Effort::Minimal), (None, Some("LOW")));
        assert_eq!(told("gemini-3.1-pro-preview", Effort::Minimal), (None, Some("LOW")));
        assert_eq!(told("gemini-3.6-flash", Effort::Minimal), (None, Some("MINIMAL")));
        assert_eq!(told("gemini-3.6-flash", Effort::None), (None, Some("MINIMAL")));
        assert_eq!(told("gemini-3.7-flash", Effort::XHigh), (None, Some("HIGH")));
        assert_eq!(told("gemini-2.5-flash-lite", Effort::Minimal), (Some(512), None));
    }
}
