//! LiteLLM's scorer: seven dimensions of the newest ask, weighted and summed, and boundaries that make a tier of the sum.
//!
//! It looks for words, not for what they mean; it is here so that a configuration of LiteLLM's decides as it did there.
//!
//! **Invariant:** the sum goes over the dimensions in LiteLLM's order, in f64, so that the score is the same to the last bit.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::keywords::{CODE, REASONING, SIMPLE, TECHNICAL};
use super::scored::{Cause, Dimension, Scored, Tier};
use super::steps::{MARKS, Steps};
use super::words::{Found, Words};
use crate::config::complexity::{ComplexityConfig, DimensionWeights, TierBoundaries, TokenThresholds};

/// LiteLLM's scorer, as configured.
#[derive(Debug, Clone)]
pub struct Heuristic {
    words: Words,
    /// Every keyword as it was written, list after list.
    keywords: Vec<String>,
    code: Range<usize>,
    reasoning: Range<usize>,
    technical: Range<usize>,
    simple: Range<usize>,
    weights: DimensionWeights,
    thresholds: TokenThresholds,
    boundaries: TierBoundaries,
    override_from: f64,
}

/// One dimension before it is weighted.
struct Part {
    name: &'static str,
    value: f64,
    weight: f64,
}

impl Heuristic {
    /// Takes what the configuration says of it.
    #[must_use]
    pub fn new(config: &ComplexityConfig) -> Self {
        let mut keywords = Vec::new();
        let mut list = |own: &[String], default: &[&str], more: &[String]| {
            let start = keywords.len();
            if own.is_empty() {
                keywords.extend(default.iter().map(|keyword| (*keyword).to_owned()));
            } else {
                keywords.extend_from_slice(own);
            }
            append(&mut keywords, start, more);
            start..keywords.len()
        };
        let code = list(&config.code_keywords, CODE, &[]);
        let reasoning = list(&config.reasoning_keywords, REASONING, &[]);
        let technical = list(&config.technical_keywords, TECHNICAL, &config.custom_technical_keywords);
        let simple = list(&config.simple_keywords, SIMPLE, &[]);
        Self {
            words: Words::new(keywords.iter().map(String::as_str), MARKS),
            keywords,
            code,
            reasoning,
            technical,
            simple,
            weights: config.dimension_weights,
            thresholds: config.token_thresholds,
            boundaries: config.tier_boundaries,
            override_from: config.reasoning_override_min_score.unwrap_or(config.tier_boundaries.simple_medium),
        }
    }

    /// Scores an ask as it stands. `explain` fills in signals and dimensions.
    #[must_use]
    pub fn score(&self, ask: &str, explain: bool) -> Scored {
        let tokens = i64::try_from(ask.chars().count() / 4).unwrap_or(i64::MAX);
        let text = self.words.lower(ask);
        let mut steps = Steps::default();
        let found = self.words.scan(&text, |mark, end| steps.mark(&text, mark, end));
        steps.finish(&text);

        let reasoning = found.count(&self.reasoning);
        let parts = self.parts(tokens, reasoning, &found, &steps);
        let score = parts.iter().fold(0.0, |sum, part| sum + part.value * part.weight);
        let (tier, cause) = if reasoning >= 2 && score >= self.override_from {
            (Tier::Reasoning, Cause::ReasoningOverride)
        } else {
            (self.boundaries.tier(score), Cause::HeuristicScorer)
        };
        let mut scored = Scored { tier, score, asked: true, cause, signals: Vec::new(), dimensions: Vec::new() };
        if explain {
            let details = self.details(tokens, &found, &steps);
            scored.signals = details.iter().filter(|detail| !detail.is_empty()).cloned().collect();
            scored.dimensions = parts.into_iter().zip(details).map(|(part, detail)| part.explained(detail)).collect();
        }
        scored
    }

    fn parts(&self, tokens: i64, reasoning: usize, found: &Found, steps: &Steps) -> [Part; 7] {
        let (weights, thresholds) = (&self.weights, &self.thresholds);
        let part = |name, value, weight| Part { name, value, weight };
        let length = match tokens {
            short if short < thresholds.simple => -1.0,
            long if long > thresholds.complex => 1.0,
            _ => 0.0,
        };
        let code = [0.0, 0.5].get(found.count(&self.code)).copied().unwrap_or(1.0);
        let reasoning = [0.0, 0.7].get(reasoning).copied().unwrap_or(1.0);
        let technical = [0.0, 0.0, 0.5, 0.5].get(found.count(&self.technical)).copied().unwrap_or(1.0);
        let simple = if found.count(&self.simple) > 0 { -1.0 } else { 0.0 };
        let several = if steps.several { 0.5 } else { 0.0 };
        let questions = if steps.questions > 3 { 0.5 } else { 0.0 };
        [
            part("tokenCount", length, weights.token_count),
            part("codePresence", code, weights.code_presence),
            part("reasoningMarkers", reasoning, weights.reasoning_markers),
            part("technicalTerms", technical, weights.technical_terms),
            part("simpleIndicators", simple, weights.simple_indicators),
            part("multiStepPatterns", several, weights.multi_step_patterns),
            part("questionComplexity", questions, weights.question_complexity),
        ]
    }

    /// What was found in each dimension, in LiteLLM's words.
    fn details(&self, tokens: i64, found: &Found, steps: &Steps) -> [String; 7] {
        let length = match tokens {
            short if short < self.thresholds.simple => format!("short ({short} tokens)"),
            long if long > self.thresholds.complex => format!("long ({long} tokens)"),
            _ => String::new(),
        };
        let first_three = |label: &str, list: &Range<usize>, least: usize| {
            let names: Vec<&str> = list
                .clone()
                .filter(|number| found.has(*number))
                .filter_map(|number| self.keywords.get(number).map(String::as_str))
                .collect();
            if names.len() < least {
                return String::new();
            }
            format!("{label} ({})", names.iter().take(3).copied().collect::<Vec<_>>().join(", "))
        };
        [
            length,
            first_three("code", &self.code, 1),
            first_three("reasoning", &self.reasoning, 1),
            first_three("technical", &self.technical, 2),
            first_three("simple", &self.simple, 1),
            if steps.several { "multi-step".to_owned() } else { String::new() },
            if steps.questions > 3 { format!("{} questions", steps.questions) } else { String::new() },
        ]
    }
}

/// Appends keywords that are not in the list from `start` on, in any case. Of one given twice the last spelling counts, at the
/// place of the first.
fn append(keywords: &mut Vec<String>, start: usize, more: &[String]) {
    let lowered = |keyword: &String| keyword.to_lowercase();
    let mut known = BTreeSet::new();
    known.extend(keywords.iter().skip(start).map(lowered));
    let mut added: BTreeMap<String, usize> = BTreeMap::new();
    for keyword in more.iter().filter(|keyword| !known.contains(&lowered(keyword))) {
        let place = *added.entry(lowered(keyword)).or_insert(keywords.len());
        match keywords.get_mut(place) {
            Some(spelling) => keyword.clone_into(spelling),
            None => keywords.push(keyword.clone()),
        }
    }
}

impl Part {
    fn explained(self, detail: String) -> Dimension {
        let Self { name, value, weight } = self;
        Dimension { name, value, weight, contribution: value * weight, detail }
    }
}

impl TierBoundaries {
    /// The tier of a score: a boundary itself belongs to the harder one.
    #[must_use]
    pub fn tier(&self, score: f64) -> Tier {
        if score < self.simple_medium {
            Tier::Simple
        } else if score < self.medium_complex {
            Tier::Medium
        } else if score < self.complex_reasoning {
            Tier::Complex
        } else {
            Tier::Reasoning
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn several(prompt: &str) -> bool {
        let scored = Heuristic::new(&ComplexityConfig::default()).score(prompt, true);
        scored.signals.iter().any(|signal| signal == "multi-step")
    }

    #[test]
    fn steps_are_seen() {
        for prompt in [
            "first a then b",
            "FIRST\nfirst, then",
            "first firsthen",
            "firstthen",
            "step 3",
            "STEP\n\t٣",
            "1. a",
            "v2.\u{a0}x",
            "b) c",
            "K)\u{1c}x",
            "ſtep 1",
            "fırſt then",
            "ı) x",
            "İ step1",
        ] {
            assert!(several(prompt), "{prompt:?}");
        }
        for prompt in [
            "",
            "firsthen",
            "first\nthen",
            "then first",
            "step three",
            "step ²",
            "1.5",
            "a. b",
            "1) b",
            "é) b",
            "a)b",
            "stop 1",
            "first\n then\nfirsthen",
            "İ) x",
        ] {
            assert!(!several(prompt), "{prompt:?}");
        }
    }

    #[test]
    fn a_custom_term_counts_once_in_its_last_spelling() {
        let config = ComplexityConfig {
            custom_technical_keywords: ["Kafka", "LATENCY", "KAFKA", "Flink"].map(str::to_owned).into(),
            ..ComplexityConfig::default()
        };
        let scored = Heuristic::new(&config).score("kafka and flink with low latency", true);
        assert_eq!(scored.signals[1], "technical (latency, KAFKA, Flink)");
    }
}
