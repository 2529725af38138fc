//! What may be spent: `provider_budget_config`, and `max_budget` with `budget_duration` of a deployment.
//!
//! An amount of 0 limits nothing in LiteLLM and looks as if it limited all, so it is an error here.
//!
//! **Invariant:** a budget has an amount and a time; one without the other limits nothing, as in LiteLLM, and is told of.

use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::router_settings::setting;
use crate::config::model::Budget;
use crate::provider;

/// A billion dollars: more is a slip of the pen, and would not fit.
const MOST_DOLLARS: f64 = 1e9;

/// About 31 years.
const MOST_SECONDS: u64 = 1_000_000_000;

/// A deployment's own budget.
pub(super) fn deployment(params: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Budget> {
    budget(params.at("max_budget"), params.at("budget_duration"), "`max_budget`", "`budget_duration`", diagnostics)
}

/// A client's own budget. Without a time it never begins anew, as a key's in LiteLLM.
pub(super) fn client(entry: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Budget> {
    let (amount, period) = (entry.at("max_budget"), entry.at("budget_duration"));
    if period.is_none() {
        let max_nanos = nanos(&amount?, diagnostics)?;
        return Some(Budget { max_nanos, period_ms: MOST_SECONDS * 1000 });
    }
    budget(amount, period, "`max_budget`", "`budget_duration`", diagnostics)
}

/// The providers' budgets, by the providers' names.
pub(super) fn providers(root: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<(&'static str, Budget)> {
    let entries = setting(root, "provider_budget_config").map(|field| field.entries(diagnostics)).unwrap_or_default();
    let read = |(name, field): &(&str, Field<'_>)| {
        let provider = provider_name(name, field, diagnostics);
        if !field.is_map(diagnostics) {
            return None;
        }
        let (limit, time) = ("`budget_limit`", "`time_period`");
        let amount = field.at("budget_limit").or_else(|| field.at("max_budget"));
        let period = field.at("time_period").or_else(|| field.at("budget_duration"));
        if amount.is_none() && period.is_none() {
            field.error(diagnostics, "there is no budget here", format!("write {limit} and {time}"));
        }
        Some((provider?, budget(amount, period, limit, time, diagnostics)?))
    };
    entries.iter().filter_map(read).collect()
}

fn provider_name(name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<&'static str> {
    if let Some(provider) = provider::by_name(name) {
        return Some(provider.name);
    }
    let names = || provider::all().map(|provider| provider.name);
    let remedy = match nearest(name, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "write one that docs/providers.md lists, or take it out".to_owned(),
    };
    field.error(diagnostics, format!("unknown provider `{name}`"), remedy);
    None
}

fn budget(
    amount: Option<Field<'_>>,
    period: Option<Field<'_>>,
    amount_key: &str,
    period_key: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Budget> {
    let alone = match (&amount, &period) {
        (Some(amount), None) => Some((amount, period_key)),
        (None, Some(period)) => Some((period, amount_key)),
        _ => None,
    };
    if let Some((field, missing)) = alone {
        let problem = format!("without {missing} this limits nothing, as in LiteLLM");
        field.warning(diagnostics, problem, format!("write {missing} too, or take this out"));
    }
    let max_nanos = amount.and_then(|field| nanos(&field, diagnostics));
    let period_ms = period.and_then(|field| duration_ms(&field, diagnostics));
    Some(Budget { max_nanos: max_nanos?, period_ms: period_ms? })
}

/// US dollars, as billionths; never none.
fn nanos(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<u64> {
    let fits = |dollars: f64| dollars > 0.0 && dollars <= MOST_DOLLARS;
    let example = "100, or pause a deployment by `model_info.blocked: true`";
    let dollars = field.real(diagnostics, fits, "US dollars above 0", example)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "above 0, and at most 1e18")]
    Some(((dollars * 1e9).round() as u64).max(1))
}

/// `30s`, `10m`, `1h`, `7d`, `1w`, `1mo`, and LiteLLM's words for some.
fn duration_ms(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<u64> {
    let found = match &field.node.value {
        crate::config::tree::Value::Str(text) => seconds(text),
        _ => None,
    };
    if found.is_none() {
        field.invalid(diagnostics, "duration", "a number and a unit (s, m, h, d, w, mo)", "`30d`");
    }
    found.map(|seconds| seconds * 1000)
}

fn seconds(text: &str) -> Option<u64> {
    let text = match text.trim() {
        "hourly" => "1h",
        "daily" => "1d",
        "weekly" => "7d",
        "monthly" => "30d",
        other => other,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        "mo" => 30 * 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit).filter(|seconds| (1..=MOST_SECONDS).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_a_number_and_a_unit() {
        let days = |text| seconds(text).map(|seconds| (seconds / 86_400, seconds % 86_400));
        assert_eq!(days("30s"), Some((0, 30)));
        assert_eq!(days("10m"), Some((0, 600)));
        assert_eq!(days("25h"), Some((1, 3_600)));
        assert_eq!((days("7d"), days("1w"), days(" weekly ")), (Some((7, 0)), Some((7, 0)), Some((7, 0))));
        assert_eq!((days("1mo"), days("monthly")), (Some((30, 0)), Some((30, 0))));
        for wrong in ["", "d", "30", "1.5h", "30days", "1 d", "-1d", "0d", "99999999999999999999d", "20000w", "1é"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
