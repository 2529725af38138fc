//! `complexity_router_config`: LiteLLM's complexity router.
//!
//! LiteLLM ignores what it does not know and takes boundaries in any order. Here a slip is a mistake, a classifier that would call
//! another model is one too, because Signalbox calls none to route a request, and what only LiteLLM does is a warning.
//!
//! **Invariant:** each mistake is noted once; what comes back is usable where none was.

mod keys;

use super::field::{Field, Notes};
use super::names::nearest;
use super::sections::GAPS;
use crate::config::complexity::{
    ClassifierType, ComplexityConfig, DimensionWeights, KeywordTierRule, MOST_KEYWORD_BYTES, MaxTokens, Tier,
    TierBoundaries, TierModel, TokenThresholds,
};
use crate::config::notice::Notice;
use crate::config::tree::Value;

/// LiteLLM's classifiers that call another model, or bring one.
const CALLERS: &[&str] =
    &["llm", "capability", "llm_v2", "custom", "heuristic_first", "hybrid", "oss_classifier", "heuristic_v2"];

/// Reads the map that stands under `complexity_router_config`. `classifier_type` is who decides where it does not say.
pub(super) fn read(field: &Field<'_>, classifier_type: ClassifierType, notes: &mut Notes) -> ComplexityConfig {
    let mut config = ComplexityConfig { classifier_type, ..ComplexityConfig::default() };
    keys::check(field, notes);
    for (name, field) in field.entries(notes) {
        if field.node.value != Value::Null {
            read_one(&mut config, name, &field, notes);
        }
    }
    check_together(&config, field, notes);
    config
}

fn read_one(config: &mut ComplexityConfig, name: &str, field: &Field<'_>, notes: &mut Notes) {
    match name {
        "tiers" => config.tiers = tiers(field, notes),
        "tier_boundaries" => config.tier_boundaries = boundaries(field, notes),
        "token_thresholds" => config.token_thresholds = thresholds(field, notes),
        "dimension_weights" => config.dimension_weights = weights(field, notes),
        "code_keywords" => config.code_keywords = texts(field, notes),
        "reasoning_keywords" => config.reasoning_keywords = texts(field, notes),
        "technical_keywords" => config.technical_keywords = texts(field, notes),
        "custom_technical_keywords" => config.custom_technical_keywords = texts(field, notes),
        "simple_keywords" => config.simple_keywords = texts(field, notes),
        "keyword_tier_rules" => config.keyword_tier_rules = rules(field, notes),
        "reasoning_override_min_score" => config.reasoning_override_min_score = number(field, notes),
        "default_model" => config.default_model = field.text(notes).map(str::to_owned),
        "escalation_keywords" => config.escalation_keywords = Some(filled(field, notes)),
        "plan_mode_min_tier" => config.plan_mode_min_tier = tier(field, notes),
        "plan_mode_patterns" => config.plan_mode_patterns = filled(field, notes),
        "route_housekeeping_to_cheapest_tier" => {
            set(&mut config.route_housekeeping_to_cheapest_tier, field.flag(notes));
        }
        "housekeeping_patterns" => config.housekeeping_patterns = filled(field, notes),
        "reminder_markers" => config.reminder_markers = Some(markers(field, notes)),
        "max_tokens_from_tier_model" => set(&mut config.max_tokens_from_tier_model, max_tokens(field, notes)),
        "enable_context_window_escalation" => set(&mut config.enable_context_window_escalation, field.flag(notes)),
        "context_window_escalation_buffer" => set(&mut config.context_window_escalation_buffer, share(field, notes)),
        "session_affinity" => config.session_affinity = field.flag(notes),
        "return_raw_model_name" => set(&mut config.return_raw_model_name, field.flag(notes)),
        "classifier_type" => set(&mut config.classifier_type, classifier(field, notes)),
        "shadow" => set(&mut config.shadow, field.flag(notes)),
        "budget_lowering" => config.budget_lowering = share(field, notes),
        "allow_client_tier" => set(&mut config.allow_client_tier, field.flag(notes)),
        _ => {}
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// What only several keys together can get wrong.
fn check_together(config: &ComplexityConfig, field: &Field<'_>, notes: &mut Notes) {
    if let (Some(floor), Some(field)) = (config.plan_mode_min_tier, field.at("plan_mode_min_tier"))
        && !config.tiers.iter().any(|(tier, models)| *tier == floor && !models.is_empty())
    {
        let problem = format!("the tier {} has no model", floor.as_str());
        field.mistake(notes, problem, "name a model for it in `tiers`, or write another tier");
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
        field.mistake(notes, problem, format!("keep them below {MOST_KEYWORD_BYTES}"));
    }
    let boundaries = config.tier_boundaries;
    let ascend = boundaries.simple_medium <= boundaries.medium_complex
        && boundaries.medium_complex <= boundaries.complex_reasoning;
    if let (false, Some(field)) = (ascend, field.at("tier_boundaries")) {
        let problem = "the boundaries do not ascend, so that some tiers are never reached";
        notes.warnings.push(Notice::new(field.node.place, &field.path, problem, "write them in ascending order"));
    }
}

/// A map's entries whose keys are known; any other is a mistake.
fn known<'a>(field: &Field<'a>, names: &[&str], notes: &mut Notes) -> Vec<(&'a str, Field<'a>)> {
    let mut entries = field.entries(notes);
    entries.retain(|(name, field)| {
        let known = names.contains(name);
        if !known {
            let remedy = nearest(name, names.iter().copied()).map_or_else(
                || format!("its keys are {}", names.join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            field.mistake(notes, format!("`{name}` is not a key"), remedy);
        }
        known && field.node.value != Value::Null
    });
    entries
}

fn tiers(field: &Field<'_>, notes: &mut Notes) -> Vec<(Tier, Vec<TierModel>)> {
    let names = Tier::ALL.map(Tier::as_str);
    let mut tiers: Vec<(Tier, Vec<TierModel>)> = Vec::new();
    for (name, field) in known(field, &names, notes) {
        let Some(tier) = Tier::named(name) else { continue };
        let items = if matches!(field.node.value, Value::Seq(_)) { field.items(notes) } else { vec![field.clone()] };
        if items.is_empty() {
            field.warning(
                notes,
                "this tier has no group, as if it were not written",
                "write a group's name, or take it out",
            );
            continue;
        }
        let mut models: Vec<TierModel> = Vec::new();
        for item in items {
            let Some(model) = model(&item, notes) else { continue };
            if models.iter().any(|other| other.group == model.group) {
                item.mistake(notes, format!("`{}` stands in this tier already", model.group), "take it out");
            } else {
                models.push(model);
            }
        }
        tiers.push((tier, models));
    }
    tiers.sort_by_key(|(tier, _)| *tier);
    tiers
}

fn model(field: &Field<'_>, notes: &mut Notes) -> Option<TierModel> {
    if !matches!(field.node.value, Value::Map(_)) {
        let group = field.text(notes)?.to_owned();
        return Some(TierModel { group, params: serde_json::Value::Null });
    }
    let mut params = serde_json::Value::Null;
    let mut group = None;
    for (name, field) in known(field, &["model_name", "litellm_params"], notes) {
        match name {
            "model_name" => group = Some(field.text(notes)?.to_owned()),
            _ => params = gaps(&field, notes),
        }
    }
    if group.is_none() {
        field.mistake(notes, "no `model_name`", "write `model_name:` and the name of a model group");
    }
    Some(TierModel { group: group?, params })
}

/// Parameters that fill gaps in a request. Nothing else may stand there: the filter's configuration holds no secret.
fn gaps(field: &Field<'_>, notes: &mut Notes) -> serde_json::Value {
    let entries = field.entries(notes);
    for (name, field) in entries.iter().filter(|(name, _)| !GAPS.contains(name)) {
        let remedy = match nearest(name, GAPS.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write it at the deployments of the group".to_owned(),
        };
        field.mistake(notes, format!("`{name}` is no parameter that a tier can set"), remedy);
    }
    if entries.is_empty() { serde_json::Value::Null } else { field.node.to_json() }
}

fn boundaries(field: &Field<'_>, notes: &mut Notes) -> TierBoundaries {
    let mut boundaries = TierBoundaries::default();
    for (name, field) in known(field, &["simple_medium", "medium_complex", "complex_reasoning"], notes) {
        let place = match name {
            "simple_medium" => &mut boundaries.simple_medium,
            "medium_complex" => &mut boundaries.medium_complex,
            _ => &mut boundaries.complex_reasoning,
        };
        set(place, number(&field, notes));
    }
    boundaries
}

fn thresholds(field: &Field<'_>, notes: &mut Notes) -> TokenThresholds {
    let mut thresholds = TokenThresholds::default();
    for (name, field) in known(field, &["simple", "complex"], notes) {
        let place = if name == "simple" { &mut thresholds.simple } else { &mut thresholds.complex };
        set(place, field.whole(notes, i64::MIN, i64::MAX));
    }
    thresholds
}

/// A dimension that is not named has no weight, as in LiteLLM.
fn weights(field: &Field<'_>, notes: &mut Notes) -> DimensionWeights {
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
    for (name, field) in known(field, &names, notes) {
        let place = match name {
            "tokenCount" => &mut weights.token_count,
            "codePresence" => &mut weights.code_presence,
            "reasoningMarkers" => &mut weights.reasoning_markers,
            "technicalTerms" => &mut weights.technical_terms,
            "simpleIndicators" => &mut weights.simple_indicators,
            "multiStepPatterns" => &mut weights.multi_step_patterns,
            _ => &mut weights.question_complexity,
        };
        set(place, number(&field, notes));
    }
    weights
}

fn rules(field: &Field<'_>, notes: &mut Notes) -> Vec<KeywordTierRule> {
    let mut rules = Vec::new();
    for item in field.items(notes) {
        let before = notes.mistakes.len();
        let (mut keywords, mut named) = (None, None);
        for (name, field) in known(&item, &["keywords", "tier"], notes) {
            match name {
                "keywords" => keywords = Some(filled(&field, notes)),
                _ => named = Some(tier(&field, notes)),
            }
        }
        match (keywords, named) {
            (Some(keywords), Some(Some(tier))) if !keywords.is_empty() => {
                rules.push(KeywordTierRule { keywords, tier })
            }
            // What is wrong with a part of it is said already.
            _ if notes.mistakes.len() > before => {}
            _ => item.mistake(notes, "a rule needs keywords and a tier", "write `{keywords: [invoice], tier: SIMPLE}`"),
        }
    }
    rules
}

fn markers(field: &Field<'_>, notes: &mut Notes) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for item in field.items(notes) {
        let mut pair = [String::new(), String::new()];
        for (name, field) in known(&item, &["open", "close"], notes) {
            let text = field.text(notes).map(|text| text.trim().to_lowercase());
            let [open, close] = &mut pair;
            set(if name == "open" { open } else { close }, text);
        }
        let [open, close] = pair;
        if open.is_empty() || close.is_empty() || open == close {
            item.mistake(notes, "a pair of marks needs two different texts", "write `{open: <note>, close: </note>}`");
        } else {
            pairs.push((open, close));
        }
    }
    pairs
}

fn classifier(field: &Field<'_>, notes: &mut Notes) -> Option<ClassifierType> {
    let remedy = "write `heuristic` (LiteLLM's scorer) or `signalbox` (our own)";
    match field.text(notes)? {
        "heuristic" => return Some(ClassifierType::Heuristic),
        "signalbox" => return Some(ClassifierType::Signalbox),
        name if CALLERS.contains(&name) => {
            let problem =
                format!("the classifier `{name}` asks or brings another model, and Signalbox calls none to route");
            field.mistake(notes, problem, remedy);
        }
        name => field.mistake(notes, format!("there is no classifier `{name}`"), remedy),
    }
    None
}

fn tier(field: &Field<'_>, notes: &mut Notes) -> Option<Tier> {
    let name = field.text(notes)?.trim();
    let found = Tier::ALL.into_iter().find(|tier| tier.as_str() == name);
    if found.is_none() {
        let names = Tier::ALL.map(Tier::as_str);
        let remedy = nearest(name, names)
            .map_or_else(|| format!("write one of {}", names.join(", ")), |meant| format!("did you mean `{meant}`?"));
        field.mistake(notes, format!("there is no tier {}", field.shown()), remedy);
    }
    found
}

fn max_tokens(field: &Field<'_>, notes: &mut Notes) -> Option<MaxTokens> {
    if field.node.value == Value::Str("clamp".to_owned()) {
        return Some(MaxTokens::Clamp);
    }
    field.flag(notes).map(|overwrite| if overwrite { MaxTokens::Overwrite } else { MaxTokens::Keep })
}

fn number(field: &Field<'_>, notes: &mut Notes) -> Option<f64> {
    let number = field.number();
    if number.is_none() {
        field.mistake(notes, format!("{} is no number", field.shown()), "write a number, for example 0.35");
    }
    number
}

fn share(field: &Field<'_>, notes: &mut Notes) -> Option<f64> {
    let share = field.number().filter(|share| *share > 0.0 && *share <= 1.0);
    if share.is_none() {
        field.mistake(notes, format!("{} is no share", field.shown()), "write a number above 0, up to 1");
    }
    share
}

fn texts(field: &Field<'_>, notes: &mut Notes) -> Vec<String> {
    field.items(notes).iter().filter_map(|item| item.text(notes)).map(str::to_owned).collect()
}

/// Texts without space around them, blank ones left out: a blank text is part of every prompt.
fn filled(field: &Field<'_>, notes: &mut Notes) -> Vec<String> {
    let texts = texts(field, notes);
    texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}
