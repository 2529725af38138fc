//! Thinking, sampling and limits, by what the model's family accepts.
//!
//! **Invariant:** no combination that Anthropic refuses is sent: thinking with a forced call or with sampling, a budget that
//! the limit does not hold, a blank stop sequence.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::family::{Family, Sampling, Thinking};
use super::wire;
use crate::chat::{ChatRequest, ReasoningEffort};
use crate::dialect::count::count;
use crate::dialect::loss::Loss;

/// Anthropic demands a limit; this one stands where the client names none and the model's own is unknown. In tokens.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The fewest tokens to think with.
const LEAST_BUDGET: u64 = 1024;

/// `thinking`, as Anthropic's clients write it.
#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default, deserialize_with = "count")]
    budget_tokens: Option<u64>,
    #[serde(borrow, default)]
    display: Option<Cow<'a, str>>,
}

impl Asked<'_> {
    fn display(&self) -> Option<&'static str> {
        ["summarized", "omitted"].into_iter().find(|known| self.display.as_deref() == Some(known))
    }

    /// What is sent for it, and an effort where the family knows budgets by that name; `None`: the family takes no such thinking.
    fn told(&self, effort: Option<ReasoningEffort>, family: Family, unfit: bool) -> Option<How> {
        let adaptive = |effort: Option<&'static str>| {
            let display = self.display().unwrap_or("summarized");
            Some((Some(wire::Thinking::Adaptive { display }), effort))
        };
        let effort = effort.filter(|effort| *effort != ReasoningEffort::None);
        let named = effort.map(|effort| word(effort, family.xhigh));
        match (self.r#type.as_ref(), family.thinking) {
            ("disabled", Thinking::Never) => Some((None, None)),
            ("disabled", Thinking::Budget | Thinking::Adaptive) => Some((Some(wire::Thinking::Disabled), None)),
            _ if unfit => None,
            ("enabled", Thinking::Budget | Thinking::Adaptive) if family.budget => {
                let budget_tokens = self.budget_tokens.unwrap_or_default().max(LEAST_BUDGET);
                let effort = named.filter(|_| family.thinking == Thinking::Adaptive);
                Some((Some(wire::Thinking::Enabled { budget_tokens, display: self.display() }), effort))
            }
            // As LiteLLM says it to the families that know no budget.
            ("enabled", Thinking::Adaptive | Thinking::Always) => {
                let effort = match self.budget_tokens.unwrap_or_default() {
                    8192.. => ReasoningEffort::XHigh,
                    4096.. => ReasoningEffort::High,
                    2048.. => ReasoningEffort::Medium,
                    _ => ReasoningEffort::Low,
                };
                adaptive(named.or(Some(word(effort, family.xhigh))))
            }
            ("adaptive", Thinking::Adaptive | Thinking::Always) => adaptive(named),
            ("adaptive", Thinking::Budget) => {
                let budget_tokens = budget_tokens(effort.unwrap_or(ReasoningEffort::Medium));
                Some((Some(wire::Thinking::Enabled { budget_tokens, display: self.display() }), None))
            }
            _ => None,
        }
    }
}

type How = (Option<wire::Thinking>, Option<&'static str>);

/// How the model is told to think, and with what effort: as Anthropic's own `asked` says, else by OpenAI's effort. `unfit`: the rest of
/// the request does not go with thinking.
pub fn thinking(
    effort: Option<ReasoningEffort>,
    asked: Option<&RawValue>,
    family: Family,
    unfit: bool,
    loss: &mut Loss,
) -> How {
    if let Some(raw) = asked {
        let asked = serde_json::from_str::<Asked<'_>>(raw.get()).ok();
        if let Some(how) = asked.and_then(|asked| asked.told(effort, family, unfit)) {
            return how;
        }
        loss.hint("thinking");
    }
    by_effort(effort, family, unfit, loss)
}

fn by_effort(effort: Option<ReasoningEffort>, family: Family, unfit: bool, loss: &mut Loss) -> How {
    let Some(effort) = effort else { return (None, None) };
    match (family.thinking, effort) {
        (Thinking::Never, ReasoningEffort::None) => (None, None),
        (Thinking::Budget | Thinking::Adaptive, ReasoningEffort::None) => (Some(wire::Thinking::Disabled), None),
        (Thinking::Budget, effort) if !unfit => {
            (Some(wire::Thinking::Enabled { budget_tokens: budget_tokens(effort), display: None }), None)
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

/// The limit of the answer, in tokens: what the client asks, else `most`, the longest answer that the model gives. Thinking counts towards it, so a budget it does not hold is added to it.
pub fn max_tokens(asked: Option<u64>, most: Option<u64>, thinking: Option<&wire::Thinking>) -> u64 {
    let limit = asked.or(most).unwrap_or(DEFAULT_MAX_TOKENS);
    match thinking {
        Some(wire::Thinking::Enabled { budget_tokens, .. }) if limit <= *budget_tokens => {
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

/// `top_k`, where the family takes it.
pub fn top_k(
    asked: Option<&RawValue>,
    family: Family,
    thinking: Option<&wire::Thinking>,
    loss: &mut Loss,
) -> Option<u64> {
    let raw = asked?;
    let thinks = !matches!(thinking, None | Some(wire::Thinking::Disabled));
    let taken = count(raw).ok().flatten().filter(|_| !thinks && family.sampling != Sampling::None);
    if taken.is_none() {
        loss.hint("top_k");
    }
    taken
}

/// The texts that end the answer, without those that Anthropic refuses.
pub fn stop_sequences<'r>(stop: &'r [Cow<'_, str>], loss: &mut Loss) -> Vec<&'r str> {
    let kept: Vec<&str> = stop.iter().map(AsRef::as_ref).filter(|text: &&str| !text.trim().is_empty()).collect();
    if kept.len() < stop.len() {
        loss.hint("stop");
    }
    kept
}
