//! The explanation for people.

use std::fmt::Write;

use signalbox::config::model::{GroupIndex, RouterConfig};
use signalbox::routing::explain::Course;
use signalbox::routing::strategy::RankReason;
use signalbox::routing::{By, Excluded, Exclusion, Place, Plan, Purpose, Refusal, Stage};

use super::NOW_MS;
use super::{Report, group, id, routed};

/// The whole text.
pub fn of(report: &Report<'_>) -> String {
    let config = report.config;
    let mut out = report.chosen.as_ref().map(|chosen| routed::text(config, report.model, chosen)).unwrap_or_default();
    match &report.explanation.decision {
        Ok(plan) => {
            resolved(&mut out, report, plan.asked, plan.by);
            out += "\ntried in this order, until one serves:\n";
            let in_turn = plan.stages.iter().filter(|stage| !stage.is_last_resort());
            in_turn.for_each(|stage| one_stage(&mut out, report, plan, stage));
            excluded(&mut out, config, &plan.excluded);
            out += &format!("\nthen, if {} and all after it fail with:\n", first(config, plan));
            courses(&mut out, config, plan, &report.explanation.courses);
        }
        Err(Refusal::UnknownModel) => out += &format!("`{}` is not a name in the configuration\n", report.model),
        Err(Refusal::NoneMayServe { group, by, excluded: all, .. }) => {
            resolved(&mut out, report, *group, *by);
            excluded(&mut out, config, all);
        }
    }
    if let Some(refused) = &report.refused {
        let body = String::from_utf8_lossy(&refused.body);
        out += &format!("\nnothing is sent; the client gets {}:\n  {}\n", refused.status, body.trim_end());
        let wait = refused.headers.iter().find(|(name, _)| *name == "retry-after");
        wait.into_iter().for_each(|(name, value)| out += &format!("  {name}: {value}\n"));
    }
    if report.draws > 0 {
        out += &format!("\nfirst in {} draws:\n", report.draws);
        for (deployment, times) in &report.firsts {
            #[allow(clippy::cast_precision_loss, reason = "a share for people")]
            let share = 100.0 * *times as f64 / report.draws as f64;
            out += &format!("  {:<24} {times:>8}  {share:>5.1} %\n", id(config, *deployment));
        }
    }
    out
}

fn resolved(out: &mut String, report: &Report<'_>, index: GroupIndex, by: By) {
    let name = group(report.config, index);
    let strategy = report.config.groups.get(index).map_or("", |group| group.strategy.name);
    let how = match by {
        By::Id => format!("is the id of a deployment of group `{name}`"),
        By::Alias => format!("is another name for group `{name}`"),
        By::Name => "is a group".to_owned(),
        By::Pattern => format!("matches group `{name}`"),
        By::Model => format!("is the name of a model in group `{name}`"),
        By::Router => format!("leads to group `{name}`"),
        By::DefaultFallback => format!("is unknown, and the first default fallback is group `{name}`"),
    };
    let _ = writeln!(out, "`{}` {how}; its strategy is {strategy}", report.model);
}

fn one_stage(out: &mut String, report: &Report<'_>, plan: &Plan, stage: &Stage) {
    let config = report.config;
    let from = group(config, stage.from);
    let why = match stage.purpose {
        Purpose::General if stage.group == plan.asked => String::new(),
        Purpose::General => " (fallback)".to_owned(),
        Purpose::ContextWindow => format!(" (for a prompt too long for {from})"),
        Purpose::ContentPolicy => format!(" (for content refused by {from})"),
    };
    let _ = writeln!(out, "  {}{why}, retries: {}", group(config, stage.group), stage.retries);
    for candidate in &stage.candidates {
        let model = candidate.model.as_ref().map(|model| format!(" as {model}")).unwrap_or_default();
        let name = format!("{}{model}", id(config, candidate.deployment));
        let half_open = if report.is_half_open(candidate.deployment) { ", half-open" } else { "" };
        let _ = writeln!(out, "    {name:<24} {}{half_open}", rank_reason(candidate.reason));
    }
}

fn rank_reason(reason: RankReason) -> String {
    match reason {
        RankReason::None => "last resort: nothing else is left".to_owned(),
        RankReason::Share(share) => format!("{:.1} % of the draws", 100.0 * share),
        RankReason::InFlight(count) => format!("{count} in flight"),
        RankReason::Latency(seconds) => format!("{seconds:.4} s per output token"),
        RankReason::FirstToken(seconds) => format!("{seconds:.3} s until the first token"),
        RankReason::Unmeasured => "no latency measured yet".to_owned(),
        #[allow(clippy::cast_precision_loss, reason = "for people")]
        RankReason::Cost(Some(pico)) => format!("{:.2} USD for a million tokens in and out", pico as f64 / 1e6),
        RankReason::Cost(None) => "price unknown".to_owned(),
        RankReason::Tokens(tokens) => format!("{tokens} tokens in this minute"),
        RankReason::Affinity => "where requests with the same beginning go".to_owned(),
    }
}

fn excluded(out: &mut String, config: &RouterConfig, all: &[Excluded]) {
    if all.is_empty() {
        return;
    }
    *out += "\nexcluded:\n";
    for left in all {
        let last = if left.why.is_soft() { "; tried if all else fails" } else { "" };
        let _ = writeln!(out, "  {:<26} {}{last}", id(config, left.deployment), reason(left.why));
    }
}

fn reason(why: Exclusion) -> String {
    let left = why.until_ms().map_or(0.0, seconds_left);
    match why {
        Exclusion::CannotExpress => "its dialect cannot express the request".to_owned(),
        Exclusion::Blocked => "blocked".to_owned(),
        Exclusion::Region => "not in the region that the request allows".to_owned(),
        Exclusion::Tags => "not for the request's tags".to_owned(),
        Exclusion::Lacks(need) => format!("does not support {}", need.as_str()),
        Exclusion::ContextWindow { estimate, limit } => {
            format!("takes {limit} tokens, and the prompt has about {estimate}")
        }
        Exclusion::OverBudget { .. } => format!("over budget for {left} s"),
        Exclusion::LimitReached { what, .. } => format!("its {} is reached for {left} s", what.as_str()),
        Exclusion::SoftLimit { what, .. } => format!("its {} is reached for {left} s, others go first", what.as_str()),
        Exclusion::Order => "has no order, but others have".to_owned(),
        Exclusion::Cooling { .. } => format!("cooling for {left} s"),
        Exclusion::ProviderLimited { .. } => format!("its provider has no room for {left} s"),
        Exclusion::SaidToLack { need, .. } => format!("its provider said that it does not support {}", need.as_str()),
        Exclusion::HalfOpenTaken { .. } => "half-open, and another request probes it".to_owned(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn seconds_left(until_ms: u64) -> f64 {
    until_ms.saturating_sub(NOW_MS) as f64 / 1000.0
}

fn first<'a>(config: &'a RouterConfig, plan: &Plan) -> &'a str {
    plan.candidates().next().map_or("", |candidate| id(config, candidate.deployment))
}

fn courses(out: &mut String, config: &RouterConfig, plan: &Plan, courses: &[Course]) {
    for course in courses {
        let mut name = course.class.as_str().to_owned();
        if let Some(wait_ms) = course.retry_after_ms {
            let _ = write!(name, " (retry-after {} s)", wait_ms / 1000);
        }
        let mut tried = vec![Place { stage: 0, candidate: 0 }];
        let mut steps = Vec::new();
        for (place, wait_ms) in &course.steps {
            let deployment = plan.candidate(*place).map_or("", |candidate| id(config, candidate.deployment));
            let again = if tried.contains(place) { " again" } else { "" };
            #[allow(clippy::cast_precision_loss, reason = "for people")]
            let wait = if *wait_ms > 0 { format!("after {} s ", *wait_ms as f64 / 1000.0) } else { String::new() };
            steps.push(format!("{wait}{deployment}{again}"));
            tried.push(*place);
        }
        let steps = if steps.is_empty() { "the client gets the error".to_owned() } else { steps.join(", ") };
        let _ = writeln!(out, "  {name:<30} {steps}");
    }
}
