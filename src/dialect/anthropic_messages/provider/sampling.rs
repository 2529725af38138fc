//! Thinking, sampling and limits, by what the model's family accepts.
//!
//! **Invariant:** no combination that Anthropic refuses is sent: thinking with a forced call or with sampling, a budget that
//! the limit does not hold, a blank stop sequence.

use std::borrow::Cow;

use super::family::{Family, Sampling, Thinking};
use super::wire;
use crate::chat::{self, Display, Effort};
use crate::dialect::unsupported::DroppedFields;

/// Anthropic demands a limit; this one stands where the client names none and the model's own is unknown. In tokens.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// The fewest tokens to think with.
const LEAST_BUDGET: u64 = 1024;

/// What is sent for the thinking that is asked for, and an effort where the family knows budgets by that name; `None`: the family takes no
/// such thinking.
fn told(asked: chat::Thinking, effort: Option<Effort>, family: Family, unfit: bool) -> Option<How> {
    let adaptive = |display: Option<Display>, effort: Option<&'static str>| {
        let display = display.unwrap_or(Display::Summarized).as_str();
        Some((Some(wire::Thinking::Adaptive { display }), effort))
    };
    let effort = effort.filter(|effort| *effort != Effort::None);
    let named = effort.map(|effort| word(effort, family.xhigh));
    match (asked, family.thinking) {
        (chat::Thinking::Disabled, Thinking::Never) => Some((None, None)),
        (chat::Thinking::Disabled, Thinking::Budget | Thinking::Adaptive) => {
            Some((Some(wire::Thinking::Disabled), None))
        }
        _ if unfit => None,
        (chat::Thinking::Enabled { budget_tokens, display }, Thinking::Budget | Thinking::Adaptive)
            if family.budget =>
        {
            let budget_tokens = budget_tokens.unwrap_or_default().max(LEAST_BUDGET);
            let effort = named.filter(|_| family.thinking == Thinking::Adaptive);
            let display = display.map(Display::as_str);
            Some((Some(wire::Thinking::Enabled { budget_tokens, display }), effort))
        }
        // As LiteLLM says it to the families that know no budget.
        (chat::Thinking::Enabled { budget_tokens, display }, Thinking::Adaptive | Thinking::Always) => {
            let effort = match budget_tokens.unwrap_or_default() {
                8192.. => Effort::XHigh,
                4096.. => Effort::High,
                2048.. => Effort::Medium,
                _ => Effort::Low,
            };
            adaptive(display, named.or(Some(word(effort, family.xhigh))))
        }
        (chat::Thinking::Adaptive { display }, Thinking::Adaptive | Thinking::Always) => adaptive(display, named),
        (chat::Thinking::Adaptive { display }, Thinking::Budget) => {
            let budget_tokens = budget_tokens(effort.unwrap_or(Effort::Medium));
            let display = display.map(Display::as_str);
            Some((Some(wire::Thinking::Enabled { budget_tokens, display }), None))
        }
        _ => None,
    }
}

type How = (Option<wire::Thinking>, Option<&'static str>);

/// How the model is told to think, and with what effort: as Anthropic's own `asked` says, else by OpenAI's effort. `unfit`: the rest of
/// the request does not go with thinking. `name`: the client's of the effort.
pub fn thinking(
    effort: Option<Effort>,
    asked: Option<chat::Thinking>,
    family: Family,
    unfit: bool,
    name: &str,
    dropped: &mut DroppedFields,
) -> How {
    if let Some(asked) = asked {
        if let Some(how) = told(asked, effort, family, unfit) {
            return how;
        }
        dropped.hint("thinking");
    }
    by_effort(effort, family, unfit, name, dropped)
}

fn by_effort(effort: Option<Effort>, family: Family, unfit: bool, name: &str, dropped: &mut DroppedFields) -> How {
    let Some(effort) = effort else { return (None, None) };
    match (family.thinking, effort) {
        (Thinking::Never, Effort::None) => (None, None),
        (Thinking::Budget | Thinking::Adaptive, Effort::None) => (Some(wire::Thinking::Disabled), None),
        (Thinking::Budget, effort) if !unfit => {
            (Some(wire::Thinking::Enabled { budget_tokens: budget_tokens(effort), display: None }), None)
        }
        (Thinking::Adaptive | Thinking::Always, effort) if !unfit && effort != Effort::None => {
            // Newer models keep their thinking to themselves unless they are asked for it.
            (Some(wire::Thinking::Adaptive { display: "summarized" }), Some(word(effort, family.xhigh)))
        }
        _ => {
            dropped.hint(name);
            (None, None)
        }
    }
}

/// LiteLLM's defaults, in tokens; Anthropic wants at least 1024.
const fn budget_tokens(effort: Effort) -> u64 {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 2048,
        Effort::High => 4096,
        Effort::XHigh => 8192,
        Effort::Max => 16384,
    }
}

const fn word(effort: Effort, xhigh: bool) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::XHigh if xhigh => "xhigh",
        Effort::High | Effort::XHigh => "high",
        Effort::Max => "max",
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
    temperature: Option<f64>,
    mut top_p: Option<f64>,
    family: Family,
    thinking: Option<&wire::Thinking>,
    dropped: &mut DroppedFields,
) -> (Option<f64>, Option<f64>) {
    let thinks = !matches!(thinking, None | Some(wire::Thinking::Disabled));
    let takes = if thinks { Sampling::None } else { family.sampling };
    // OpenAI's temperature goes to 2, Anthropic's to 1.
    let mut temperature = temperature.map(|value| value.clamp(0.0, 1.0));
    if takes == Sampling::None && temperature.take().is_some_and(|value| value < 1.0) {
        dropped.hint("temperature");
    }
    if (takes == Sampling::None || takes == Sampling::One && temperature.is_some())
        && top_p.take().is_some_and(|value| value < 1.0)
    {
        dropped.hint("top_p");
    }
    (temperature, top_p)
}

/// `top_k`, where the family takes it.
pub fn top_k(
    asked: Option<u64>,
    family: Family,
    thinking: Option<&wire::Thinking>,
    dropped: &mut DroppedFields,
) -> Option<u64> {
    let thinks = !matches!(thinking, None | Some(wire::Thinking::Disabled));
    let taken = asked.filter(|_| !thinks && family.sampling != Sampling::None);
    if asked.is_some() && taken.is_none() {
        dropped.hint("top_k");
    }
    taken
}

/// The texts that end the answer, without those that Anthropic refuses.
pub fn stop_sequences<'r>(stop: &'r [Cow<'_, str>], name: &str, dropped: &mut DroppedFields) -> Vec<&'r str> {
    let kept: Vec<&str> = stop.iter().map(AsRef::as_ref).filter(|text: &&str| !text.trim().is_empty()).collect();
    if kept.len() < stop.len() {
        dropped.hint(name);
    }
    kept
}
