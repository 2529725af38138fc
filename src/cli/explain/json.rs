//! The explanation for programs.

use serde_json::{Map, Value, json};
use signalbox::config::model::RouterConfig;
use signalbox::routing::explain::Course;
use signalbox::routing::strategy::RankReason;
use signalbox::routing::{By, Excluded, Exclusion, Plan, Purpose, Refusal, Stage};

use super::NOW_MS;
use super::{Report, group, id, routed};

/// The whole document.
pub fn of(report: &Report<'_>) -> String {
    let config = report.config;
    let mut out = Map::new();
    out.insert("model".to_owned(), json!(report.model));
    out.extend(report.chosen.iter().map(|chosen| ("router".to_owned(), routed::json(config, chosen))));
    let mut resolved = |asked: usize, by: By, left: &[Excluded]| {
        out.insert("resolved_by".to_owned(), json!(name_of(by)));
        out.insert("group".to_owned(), json!(group(config, asked)));
        out.insert("strategy".to_owned(), json!(config.groups.get(asked).map(|group| group.strategy.name)));
        out.insert("left_out".to_owned(), left.iter().map(|left| excluded(config, left)).collect());
    };
    match &report.explanation.decision {
        Ok(plan) => {
            resolved(plan.asked, plan.by, &plan.excluded);
            out.insert("plan".to_owned(), plan.stages.iter().map(|it| stage(report, it)).collect());
            let courses = report.explanation.courses.iter().map(|it| course(config, plan, it));
            out.insert("on_failure".to_owned(), courses.collect());
        }
        Err(Refusal::NoneMayServe { group, by, excluded, .. }) => resolved(*group, *by, excluded),
        Err(Refusal::UnknownModel) => {}
    }
    if let Some(refused) = &report.refused {
        let body: Value = serde_json::from_slice(&refused.body).unwrap_or_default();
        let wait = refused.headers.iter().find(|(name, _)| *name == "retry-after").map(|(_, value)| value);
        out.insert("refused".to_owned(), json!({"status": refused.status, "retry_after": wait, "body": body}));
    }
    if report.draws > 0 {
        let firsts: Map<String, Value> =
            report.firsts.iter().map(|(index, times)| (id(config, *index).to_owned(), json!(times))).collect();
        out.insert("draws".to_owned(), json!(report.draws));
        out.insert("first_in_draws".to_owned(), Value::Object(firsts));
    }
    format!("{:#}\n", Value::Object(out))
}

const fn name_of(by: By) -> &'static str {
    match by {
        By::Id => "id",
        By::Alias => "alias",
        By::Name => "name",
        By::Pattern => "pattern",
        By::Model => "model",
        By::Router => "router",
        By::DefaultFallback => "default_fallback",
    }
}

fn stage(report: &Report<'_>, stage: &Stage) -> Value {
    let config = report.config;
    let purpose = match stage.purpose {
        Purpose::General => "general",
        Purpose::ContextWindow => "context_window",
        Purpose::ContentPolicy => "content_policy",
    };
    let candidates = stage.candidates.iter().map(|it| {
        let (deployment, half_open) = (id(config, it.deployment), report.is_half_open(it.deployment));
        json!({"deployment": deployment, "model": it.model, "figure": rank_reason(it.reason), "half_open": half_open})
    });
    json!({
        "group": group(config, stage.group),
        "purpose": purpose,
        "retries": stage.retries,
        "last_resort": stage.is_last_resort(),
        "candidates": candidates.collect::<Vec<_>>(),
    })
}

fn rank_reason(reason: RankReason) -> Value {
    match reason {
        RankReason::None => json!({"by": "last_resort"}),
        RankReason::Share(share) => json!({"by": "share", "value": share}),
        RankReason::InFlight(count) => json!({"by": "in_flight", "value": count}),
        RankReason::Latency(seconds) => json!({"by": "seconds_per_token", "value": seconds}),
        RankReason::FirstToken(seconds) => json!({"by": "seconds_to_first_token", "value": seconds}),
        RankReason::Unmeasured => json!({"by": "unmeasured"}),
        RankReason::Cost(pico) => json!({"by": "pico_usd_in_and_out", "value": pico}),
        RankReason::Tokens(tokens) => json!({"by": "tokens_this_minute", "value": tokens}),
        RankReason::Affinity => json!({"by": "affinity"}),
    }
}

fn excluded(config: &RouterConfig, left: &Excluded) -> Value {
    let (reason, what) = match left.why {
        Exclusion::CannotExpress => ("cannot_express", None),
        Exclusion::Blocked => ("blocked", None),
        Exclusion::Region => ("region", None),
        Exclusion::Tags => ("tags", None),
        Exclusion::Lacks(need) => ("lacks", Some(json!(need.as_str()))),
        Exclusion::ContextWindow { estimate, limit } => {
            ("context_window", Some(json!({"estimate": estimate, "limit": limit})))
        }
        Exclusion::OverBudget { .. } => ("over_budget", None),
        Exclusion::LimitReached { what, .. } => ("no_room", Some(json!(what.as_str()))),
        Exclusion::SoftLimit { what, .. } => ("busy", Some(json!(what.as_str()))),
        Exclusion::Order => ("order", None),
        Exclusion::Cooling { .. } => ("cooling", None),
        Exclusion::ProviderLimited { .. } => ("full", None),
        Exclusion::SaidToLack { need, .. } => ("said_to_lack", Some(json!(need.as_str()))),
        Exclusion::HalfOpenTaken { .. } => ("half_open_taken", None),
    };
    let mut out =
        json!({"group": group(config, left.group), "deployment": id(config, left.deployment), "reason": reason});
    if let Some(object) = out.as_object_mut() {
        object.extend(what.map(|what| ("what".to_owned(), what)));
        let wait = left.why.until_ms().map(|until_ms| until_ms.saturating_sub(NOW_MS));
        object.extend(wait.map(|wait_ms| ("for_ms".to_owned(), json!(wait_ms))));
    }
    out
}

fn course(config: &RouterConfig, plan: &Plan, course: &Course) -> Value {
    let steps = course.steps.iter().map(|(place, wait_ms)| {
        let deployment = plan.candidate(*place).map(|candidate| id(config, candidate.deployment));
        let group = plan.group(*place).map(|index| group(config, index));
        json!({"group": group, "deployment": deployment, "after_ms": wait_ms})
    });
    json!({"class": course.class.as_str(), "retry_after_ms": course.retry_after_ms, "then": steps.collect::<Vec<_>>()})
}
