//! What a router chose, and all that led to it.
//!
//! **Invariant:** the contributions that are shown add up to the score that is shown.

use std::fmt::Write;

use serde_json::{Value, json};
use signalbox::config::complexity::{ComplexityConfig, Tier};
use signalbox::config::model::{Router, RouterConfig, RouterKind};
use signalbox::routing::complexity::{Dimension, TierDecision};
use signalbox::routing::model_router::{Cause, Chosen, Decision, Label, Reasons};
use signalbox::routing::task::Classified;

use super::group;

/// For people.
pub fn text(config: &RouterConfig, asked: &str, chosen: &Chosen<'_>) -> String {
    let Some(router) = config.routers.get(chosen.decision.router) else { return String::new() };
    let Decision { label, cause, classifier, .. } = chosen.decision;
    let mut out = String::new();
    let named = if router.name == asked { String::new() } else { format!(", as router `{}`", router.name) };
    let _ = writeln!(out, "`{asked}` is a router{named}; its classifier is {classifier}\n");
    match (&chosen.reasons, &router.kind) {
        (Some(Reasons::Tiers(decision, steps)), RouterKind::Complexity(settings, _)) => {
            decision.iter().for_each(|decision| scoring(&mut out, decision, settings));
            for (tier, cause) in steps {
                let _ = writeln!(out, "  {:<28} {}", tier.as_str(), cause.as_str());
            }
        }
        (Some(Reasons::Task(classified)), RouterKind::Task(settings, _)) => {
            cues(&mut out, classified, settings.min_confidence);
        }
        _ => {}
    }
    let served = group(config, chosen.target.group);
    let shadow = if chosen.decision.shadow { "; shadow mode, so the default serves" } else { "" };
    let _ = writeln!(out, "\n{} `{}` ({}){shadow}: group `{served}`", label.kind(), label.as_str(), cause.as_str());
    if !chosen.target.params.is_empty() {
        let _ =
            writeln!(out, "parameters that fill gaps in the request: {}", Value::Object(chosen.target.params.clone()));
    }
    out.push('\n');
    out
}

fn scoring(out: &mut String, decision: &TierDecision, settings: &ComplexityConfig) {
    let scored = &decision.scored;
    if !scored.dimensions.is_empty() {
        let _ = writeln!(out, "  {:<28} {:>8} {:>8} {:>13}", "dimension", "value", "weight", "contribution");
        for Dimension { name, value, weight, contribution, detail } in &scored.dimensions {
            let line = format!("  {name:<28} {value:>8.3} {weight:>8.2} {contribution:>+13.4}  {detail}");
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }
    if let Some(score) = scored.figure() {
        let _ = writeln!(out, "  {:<28} {:>31}", "score", shown(score, settings));
        let _ = writeln!(out, "  {}", boundaries(settings));
    }
    if let Some(matched) = &decision.matched {
        let _ = writeln!(out, "  matched: {matched}");
    }
    if let Some(wish) = &decision.escalation_keyword {
        let _ = writeln!(out, "  escalation keyword: {wish}");
    }
    out.push('\n');
}

/// Four decimals, or all where rounding would put the score into another tier.
fn shown(score: f64, settings: &ComplexityConfig) -> String {
    let tier = |score: f64| settings.tier_boundaries.tier(score);
    let short = format!("{score:.4}");
    if short.parse().is_ok_and(|rounded| tier(rounded) == tier(score)) { short } else { score.to_string() }
}

fn boundaries(settings: &ComplexityConfig) -> String {
    let from = settings.tier_boundaries;
    let pairs = [
        (Tier::Medium, from.simple_medium),
        (Tier::Complex, from.medium_complex),
        (Tier::Reasoning, from.complex_reasoning),
    ];
    let pairs = pairs.map(|(tier, from)| format!("{} from {from}", tier.as_str()));
    format!("{}, {}", Tier::Simple.as_str(), pairs.join(", "))
}

fn cues(out: &mut String, classified: &Classified, least: f64) {
    let _ = writeln!(out, "  {:<20} {:<40} {:>7}", "task", "cue", "points");
    for cue in &classified.cues {
        let _ = writeln!(out, "  {:<20} {:<40} {:>7.2}", cue.task.name(), cue.name, cue.points);
    }
    let _ = writeln!(out, "  confidence {:.3}; at least {least} is needed", classified.confidence);
}

/// For programs.
pub fn json(config: &RouterConfig, chosen: &Chosen<'_>) -> Value {
    let Decision { label, score, classifier, cause, shadow, .. } = chosen.decision;
    let router = config.routers.get(chosen.decision.router);
    let mut out = json!({
        "name": router.map(|router| &router.name),
        "classifier": classifier,
        label.kind(): label.as_str(),
        "score": score,
        "cause": cause.as_str(),
        "shadow": shadow,
        "group": group(config, chosen.target.group),
        "fills": chosen.target.params,
    });
    let more = match (&chosen.reasons, router) {
        (Some(Reasons::Tiers(decision, steps)), Some(router)) => tiers(router, decision.as_ref(), steps),
        (Some(Reasons::Task(classified)), _) => task(classified),
        _ => Value::Null,
    };
    if let (Some(out), Value::Object(more)) = (out.as_object_mut(), more) {
        out.extend(more);
    }
    out
}

fn tiers(router: &Router, decision: Option<&TierDecision>, steps: &[(Tier, Cause)]) -> Value {
    let RouterKind::Complexity(settings, _) = &router.kind else { return Value::Null };
    let from = settings.tier_boundaries;
    let dimension = |it: &Dimension| json!({"name": it.name, "value": it.value, "weight": it.weight, "contribution": it.contribution, "detail": it.detail});
    let dimensions: Vec<Value> = decision.iter().flat_map(|it| &it.scored.dimensions).map(dimension).collect();
    let steps: Vec<Value> =
        steps.iter().map(|(tier, cause)| json!({"tier": tier.as_str(), "cause": cause.as_str()})).collect();
    json!({
        "dimensions": dimensions,
        "boundaries": {
            "simple_medium": from.simple_medium,
            "medium_complex": from.medium_complex,
            "complex_reasoning": from.complex_reasoning,
        },
        "signals": decision.map(|it| &it.scored.signals),
        "matched": decision.and_then(|it| it.matched.as_ref()),
        "escalation_keyword": decision.and_then(|it| it.escalation_keyword.as_ref()),
        "steps": steps,
    })
}

fn task(classified: &Classified) -> Value {
    let cue = |cue: &signalbox::routing::task::Cue| json!({"task": Label::Task(cue.task).as_str(), "name": cue.name, "points": cue.points});
    json!({"cues": classified.cues.iter().map(cue).collect::<Vec<_>>()})
}
