//! `complexity_router_config`: LiteLLM's complexity router.
//!
//! LiteLLM ignores what it does not know and takes boundaries in any order. Here a slip is an error, a classifier that would call
//! another model is one too, because Signalbox calls none to route a request, and what only LiteLLM does is a warning.
//!
//! **Invariant:** each error is noted once; what comes back is usable where none was.

mod keys;

use super::field::{Diagnostics, Field};
use super::names::nearest;
use super::sections::GAPS;
use crate::config::complexity::{
    ClassifierType, ComplexityConfig, DimensionWeights, KeywordTierRule, MOST_KEYWORD_BYTES, MaxTokens, Tier,
    TierBoundaries, TierModel, TokenThresholds,
};
use crate::config::tree::Value;

/// LiteLLM's classifiers that call another model, or bring one.
const CALLERS: &[&str] =
    &["llm", "capability", "llm_v2", "custom", "heuristic_first", "hybrid", "oss_classifier", "heuristic_v2"];

/// Reads the map that stands under `complexity_router_config`. `classifier_type` is the classifier where it does not say.
pub(super) fn read(
    field: &Field<'_>,
    classifier_type: ClassifierType,
    diagnostics: &mut Diagnostics,
) -> ComplexityConfig {
    let mut config = ComplexityConfig { classifier_type, ..ComplexityConfig::default() };
    keys::check(field, diagnostics);
    for (name, field) in field.entries(diagnostics) {
        if field.node.value != Value::Null {
            read_one(&mut config, name, &field, diagnostics);
        }
    }
    check_together(&config, field, diagnostics);
    config
}

fn read_one(config: &mut ComplexityConfig, name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) {
    match name {
        "tiers" => config.tiers = tiers(field, diagnostics),
        "tier_boundaries" => config.tier_boundaries = boundaries(field, diagnostics),
        "token_thresholds" => config.token_thresholds = thresholds(field, diagnostics),
        "dimension_weights" => config.dimension_weights = weights(field, diagnostics),
        "code_keywords" => config.code_keywords = texts(field, diagnostics),
        "reasoning_keywords" => config.reasoning_keywords = texts(field, diagnostics),
        "technical_keywords" => config.technical_keywords = texts(field, diagnostics),
        "custom_technical_keywords" => config.custom_technical_keywords = texts(field, diagnostics),
        "simple_keywords" => config.simple_keywords = texts(field, diagnostics),
        "keyword_tier_rules" => config.keyword_tier_rules = rules(field, diagnostics),
        "reasoning_override_min_score" => config.reasoning_override_min_score = number(field, diagnostics),
        "default_model" => config.default_model = field.text(diagnostics).map(str::to_owned),
        "escalation_keywords" => config.escalation_keywords = Some(filled(field, diagnostics)),
        "plan_mode_min_tier" => config.plan_mode_min_tier = tier(field, diagnostics),
        "plan_mode_patterns" => config.plan_mode_patterns = filled(field, diagnostics),
        "route_housekeeping_to_cheapest_tier" => {
            set(&mut config.route_housekeeping_to_cheapest_tier, field.flag(diagnostics));
        }
        "housekeeping_patterns" => config.housekeeping_patterns = filled(field, diagnostics),
        "reminder_markers" => config.reminder_markers = Some(markers(field, diagnostics)),
        "max_tokens_from_tier_model" => set(&mut config.max_tokens_from_tier_model, max_tokens(field, diagnostics)),
        "enable_context_window_escalation" => {
            set(&mut config.enable_context_window_escalation, field.flag(diagnostics))
        }
        "context_window_escalation_buffer" => {
            set(&mut config.context_window_escalation_buffer, share(field, diagnostics))
        }
        "session_affinity" => config.session_affinity = field.flag(diagnostics),
        "return_raw_model_name" => set(&mut config.return_raw_model_name, field.flag(diagnostics)),
        "classifier_type" => set(&mut config.classifier_type, classifier(field, diagnostics)),
        "shadow" => set(&mut config.shadow, field.flag(diagnostics)),
        "budget_lowering" => config.budget_lowering = share(field, diagnostics),
        "allow_client_tier" => set(&mut config.allow_client_tier, field.flag(diagnostics)),
        _ => {}
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// What only several keys together can get wrong.
fn check_together(config: &ComplexityConfig, field: &Field<'_>, diagnostics: &mut Diagnostics) {
    if let (Some(floor), Some(field)) = (config.plan_mode_min_tier, field.at("plan_mode_min_tier"))
        && !config.tiers.iter().any(|(tier, models)| *tier == floor && !models.is_empty())
    {
        let problem = format!("the tier {} has no model", floor.as_str());
        field.error(diagnostics, problem, "name a model for it in `tiers`, or write another tier");
    }
    let rules = config.keyword_tier_rules.iter().map(|rule| &rule.keywords);
    let lists = [
        &config.code_keywords,
        &config.reasoning_keywords,
        &config.technical_keywords,
        &config.custom_technical_keywords,
        &config.simple_keywords,
    ];
    let bytes: usize = lists.into_iter().chain(rules).flatten().map(String::len).sum();
    if bytes > MOST_KEYWORD_BYTES {
        let problem = format!("all keywords together are {bytes} bytes long");
        field.error(diagnostics, problem, format!("keep them below {MOST_KEYWORD_BYTES}"));
    }
    let boundaries = config.tier_boundaries;
    let ascend = boundaries.simple_medium <= boundaries.medium_complex
        && boundaries.medium_complex <= boundaries.complex_reasoning;
    if let (false, Some(field)) = (ascend, field.at("tier_boundaries")) {
        let problem = "the boundaries do not ascend, so that some tiers are never reached";
        field.warning(diagnostics, problem, "write them in ascending order");
    }
}

/// A map's entries whose keys are known; any other is an error.
fn known<'a>(field: &Field<'a>, names: &[&str], diagnostics: &mut Diagnostics) -> Vec<(&'a str, Field<'a>)> {
    let mut entries = field.entries(diagnostics);
    entries.retain(|(name, field)| {
        let known = names.contains(name);
        if !known {
            let remedy = nearest(name, names.iter().copied()).map_or_else(
                || format!("its keys are {}", names.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            field.error(diagnostics, format!("unknown key `{name}`"), remedy);
        }
        known && field.node.value != Value::Null
    });
    entries
}

fn tiers(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<(Tier, Vec<TierModel>)> {
    let names = Tier::ALL.map(Tier::as_str);
    let mut tiers: Vec<(Tier, Vec<TierModel>)> = Vec::new();
    for (name, field) in known(field, &names, diagnostics) {
        let Some(tier) = Tier::named(name) else { continue };
        let items =
            if matches!(field.node.value, Value::Seq(_)) { field.items(diagnostics) } else { vec![field.clone()] };
        if items.is_empty() {
            field.warning(
                diagnostics,
                "this tier has no group, as if it were not written",
                "write a group's name, or take it out",
            );
            continue;
        }
        let mut models: Vec<TierModel> = Vec::new();
        for item in items {
            let Some(model) = model(&item, diagnostics) else { continue };
            if models.iter().any(|other| other.group == model.group) {
                item.error(diagnostics, format!("`{}` stands in this tier already", model.group), "take it out");
            } else {
                models.push(model);
            }
        }
        tiers.push((tier, models));
    }
    crate::sort::by_key(&mut tiers, |(tier, _)| *tier);
    tiers
}

fn model(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<TierModel> {
    if !matches!(field.node.value, Value::Map(_)) {
        let group = field.text(diagnostics)?.to_owned();
        return Some(TierModel { group, params: serde_json::Value::Null });
    }
    let mut params = serde_json::Value::Null;
    let mut group = None;
    for (name, field) in known(field, &["model_name", "litellm_params"], diagnostics) {
        match name {
            "model_name" => group = Some(field.text(diagnostics)?.to_owned()),
            _ => params = gaps(&field, diagnostics),
        }
    }
    if group.is_none() {
        field.error(diagnostics, "no `model_name`", "write `model_name:` and the name of a model group");
    }
    Some(TierModel { group: group?, params })
}

/// Parameters that fill gaps in a request. Nothing else may stand there: the filter's configuration holds no secret.
fn gaps(field: &Field<'_>, diagnostics: &mut Diagnostics) -> serde_json::Value {
    let entries = field.entries(diagnostics);
    for (name, field) in entries.iter().filter(|(name, _)| !GAPS.contains(name)) {
        let remedy = match nearest(name, GAPS.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write it at the deployments of the group".to_owned(),
        };
        field.error(diagnostics, format!("a tier cannot set `{name}`"), remedy);
    }
    if entries.is_empty() { serde_json::Value::Null } else { field.node.to_json() }
}

fn boundaries(field: &Field<'_>, diagnostics: &mut Diagnostics) -> TierBoundaries {
    let mut boundaries = TierBoundaries::default();
    for (name, field) in known(field, &["simple_medium", "medium_complex", "complex_reasoning"], diagnostics) {
        let place = match name {
            "simple_medium" => &mut boundaries.simple_medium,
            "medium_complex" => &mut boundaries.medium_complex,
            _ => &mut boundaries.complex_reasoning,
        };
        set(place, number(&field, diagnostics));
    }
    boundaries
}

fn thresholds(field: &Field<'_>, diagnostics: &mut Diagnostics) -> TokenThresholds {
    let mut thresholds = TokenThresholds::default();
    for (name, field) in known(field, &["simple", "complex"], diagnostics) {
        let place = if name == "simple" { &mut thresholds.simple } else { &mut thresholds.complex };
        set(place, field.whole(diagnostics, i64::MIN, i64::MAX));
    }
    thresholds
}

/// A dimension that is not named has no weight, as in LiteLLM.
fn weights(field: &Field<'_>, diagnostics: &mut Diagnostics) -> DimensionWeights {
    let names = [
        "tokenCount",
        "codePresence",
        "reasoningMarkers",
        "technicalTerms",
        "simpleIndicators",
        "multiStepPatterns",
        "questionComplexity",
    ];
    let mut weights = DimensionWeights::ZERO;
    for (name, field) in known(field, &names, diagnostics) {
        let place = match name {
            "tokenCount" => &mut weights.token_count,
            "codePresence" => &mut weights.code_presence,
            "reasoningMarkers" => &mut weights.reasoning_markers,
            "technicalTerms" => &mut weights.technical_terms,
            "simpleIndicators" => &mut weights.simple_indicators,
            "multiStepPatterns" => &mut weights.multi_step_patterns,
            _ => &mut weights.question_complexity,
        };
        set(place, number(&field, diagnostics));
    }
    weights
}

fn rules(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<KeywordTierRule> {
    let mut rules = Vec::new();
    for item in field.items(diagnostics) {
        let before = diagnostics.errors();
        let (mut keywords, mut named) = (None, None);
        for (name, field) in known(&item, &["keywords", "tier"], diagnostics) {
            match name {
                "keywords" => keywords = Some(filled(&field, diagnostics)),
                _ => named = Some(tier(&field, diagnostics)),
            }
        }
        match (keywords, named) {
            (Some(keywords), Some(Some(tier))) if !keywords.is_empty() => {
                rules.push(KeywordTierRule { keywords, tier })
            }
            // What is wrong with a part of it is said already.
            _ if diagnostics.errors() > before => {}
            _ => item.error(
                diagnostics,
                "a rule needs keywords and a tier",
                "write `{keywords: [invoice], tier: SIMPLE}`",
            ),
        }
    }
    rules
}

fn markers(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for item in field.items(diagnostics) {
        let mut pair = [String::new(), String::new()];
        for (name, field) in known(&item, &["open", "close"], diagnostics) {
            let text = field.text(diagnostics).map(|text| text.trim().to_lowercase());
            let [open, close] = &mut pair;
            set(if name == "open" { open } else { close }, text);
        }
        let [open, close] = pair;
        if open.is_empty() || close.is_empty() || open == close {
            item.error(
                diagnostics,
                "a pair of marks needs two different texts",
                "write `{open: <note>, close: </note>}`",
            );
        } else {
            pairs.push((open, close));
        }
    }
    pairs
}

fn classifier(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<ClassifierType> {
    let remedy = "write `heuristic` (LiteLLM's scorer) or `signalbox` (our own)";
    match field.text(diagnostics)? {
        "heuristic" => return Some(ClassifierType::Heuristic),
        "signalbox" => return Some(ClassifierType::Signalbox),
        name if CALLERS.contains(&name) => {
            let problem =
                format!("the classifier `{name}` asks or brings another model, and Signalbox calls none to route");
            field.error(diagnostics, problem, remedy);
        }
        name => field.error(diagnostics, format!("unknown classifier `{name}`"), remedy),
    }
    None
}

fn tier(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Tier> {
    let name = field.text(diagnostics)?.trim();
    let found = Tier::ALL.into_iter().find(|tier| tier.as_str() == name);
    if found.is_none() {
        let names = Tier::ALL.map(Tier::as_str);
        let remedy = nearest(name, names)
            .map_or_else(|| format!("write one of {}", names.join(", ")), |meant| format!("did you mean `{meant}`?"));
        field.error(diagnostics, format!("unknown tier {}", field.shown()), remedy);
    }
    found
}

fn max_tokens(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<MaxTokens> {
    if field.node.value == Value::Str("clamp".to_owned()) {
        return Some(MaxTokens::Clamp);
    }
    field.flag(diagnostics).map(|overwrite| if overwrite { MaxTokens::Overwrite } else { MaxTokens::Keep })
}

fn number(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<f64> {
    let number = field.number();
    if number.is_none() {
        field.invalid(diagnostics, "number", "a number", "0.35");
    }
    number
}

fn share(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<f64> {
    let share = field.number().filter(|share| *share > 0.0 && *share <= 1.0);
    if share.is_none() {
        field.invalid(diagnostics, "share", "a number above 0, up to 1", "0.9");
    }
    share
}

fn texts(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<String> {
    field.items(diagnostics).iter().filter_map(|item| item.text(diagnostics)).map(str::to_owned).collect()
}

/// Texts without space around them, blank ones left out: a blank text is part of every prompt.
fn filled(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Vec<String> {
    let texts = texts(field, diagnostics);
    texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}
