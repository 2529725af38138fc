//! Thinking, sampling and limits, by what the model's family accepts.
//!
//! **Invariant:** no combination that Anthropic refuses is sent: thinking with a forced call or with sampling, a budget that
//! the limit does not hold, a blank stop sequence.

use std::borrow::Cow;

use super::family::{Family, Sampling, Thinking};
use super::wire;
use crate::chat::{ChatRequest, ReasoningEffort};
use crate::codec::loss::Loss;

/// Anthropic demands a limit; this one stands where the client names none. In tokens.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// How the model is told to think, and with what effort. `unfit`: the rest of the request does not go with thinking.
pub fn thinking(
    effort: Option<ReasoningEffort>,
    family: Family,
    unfit: bool,
    loss: &mut Loss,
) -> (Option<wire::Thinking>, Option<&'static str>) {
    let Some(effort) = effort else { return (None, None) };
    match (family.thinking, effort) {
        (Thinking::Never, ReasoningEffort::None) => (None, None),
        (Thinking::Budget | Thinking::Adaptive, ReasoningEffort::None) => (Some(wire::Thinking::Disabled), None),
        (Thinking::Budget, effort) if !unfit => {
            (Some(wire::Thinking::Enabled { budget_tokens: budget_tokens(effort) }), None)
        }
        (Thinking::Adaptive | Thinking::Always, effort) if !unfit && effort != ReasoningEffort::None => {
            // Newer models keep their thinking to themselves unless they are asked for it.
            (Some(wire::Thinking::Adaptive { display: "summarized" }), Some(word(effort, family.xhigh)))
        }
        _ => {
            loss.hint("reasoning_effort");
            (None, None)
        }
    }
}

/// LiteLLM's defaults, in tokens; Anthropic wants at least 1024.
const fn budget_tokens(effort: ReasoningEffort) -> u64 {
    match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal | ReasoningEffort::Low => 1024,
        ReasoningEffort::Medium => 2048,
        ReasoningEffort::High => 4096,
        ReasoningEffort::XHigh => 8192,
        ReasoningEffort::Max => 16384,
    }
}

const fn word(effort: ReasoningEffort, xhigh: bool) -> &'static str {
    match effort {
        ReasoningEffort::None | ReasoningEffort::Minimal | ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::XHigh if xhigh => "xhigh",
        ReasoningEffort::High | ReasoningEffort::XHigh => "high",
        ReasoningEffort::Max => "max",
    }
}

/// The limit of the answer, in tokens. Thinking counts towards it, so a budget it does not hold is added to it.
pub fn max_tokens(asked: Option<u64>, thinking: Option<&wire::Thinking>) -> u64 {
    let limit = asked.unwrap_or(DEFAULT_MAX_TOKENS);
    match thinking {
        Some(wire::Thinking::Enabled { budget_tokens }) if limit <= *budget_tokens => {
            limit.saturating_add(*budget_tokens)
        }
        _ => limit,
    }
}

/// `temperature` and `top_p`.
pub fn sampling(
    request: &ChatRequest<'_>,
    family: Family,
    thinking: Option<&wire::Thinking>,
    loss: &mut Loss,
) -> (Option<f64>, Option<f64>) {
    let thinks = !matches!(thinking, None | Some(wire::Thinking::Disabled));
    let takes = if thinks { Sampling::None } else { family.sampling };
    // OpenAI's temperature goes to 2, Anthropic's to 1.
    let mut temperature = request.temperature.map(|value| value.clamp(0.0, 1.0));
    let mut top_p = request.top_p;
    if takes == Sampling::None && temperature.take().is_some_and(|value| value < 1.0) {
        loss.hint("temperature");
    }
    if (takes == Sampling::None || takes == Sampling::One && temperature.is_some())
        && top_p.take().is_some_and(|value| value < 1.0)
    {
        loss.hint("top_p");
    }
    (temperature, top_p)
}

/// The texts that end the answer, without those that Anthropic refuses.
pub fn stop_sequences<'r>(stop: &'r [Cow<'_, str>], loss: &mut Loss) -> Vec<&'r str> {
    let kept: Vec<&str> = stop.iter().map(AsRef::as_ref).filter(|text: &&str| !text.trim().is_empty()).collect();
    if kept.len() < stop.len() {
        loss.hint("stop");
    }
    kept
}
