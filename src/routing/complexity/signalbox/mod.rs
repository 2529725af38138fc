//! Signalbox's own scorer: how much a request would gain from a strong model.
//!
//! A request is worth a strong model where a weak one fails and the strong one does not. Neither needs it for what both have
//! learnt by heart, however rare the words are; it pays where several things have to be held against each other. So the
//! features look for what has to be *worked out*: relations, proportions, changes and their causes, order in time, conditions,
//! and the same things named again and again. [`FEATURES`] names all of them with their weights.
//!
//! The weights were argued first and then only rounded and checked; fitting them to labels was tried and did worse on domains
//! that were left out (`docs/routing-quality.md`). There is no feature for the length of the text.
//!
//! Every value lies in 0..1 and is a quotient of counts, the score is [`BASE`] plus the sum of value times weight in the
//! order of [`FEATURES`]: no function of a platform's own library is used, so native code and WebAssembly give the same bits.
//! The scale is chosen so that LiteLLM's default boundaries (0.15, 0.35, 0.60) divide it sensibly too.
//!
//! **Invariant:** the same conversation gives the same bits everywhere, and an ask of any length takes a bounded time.

mod prompt;
mod reading;
mod text;
mod words;

use super::{Cause, Dimension, Scored};
use crate::chat::Transcript;
use crate::config::complexity::{ComplexityConfig, TierBoundaries};
use crate::sort;
use reading::{Opening, Reading};
use words::Sign;

/// One thing that makes a request harder or easier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Its name in explanations.
    pub name: &'static str,
    /// What it adds to the score where it is fully there.
    pub weight: f64,
    /// Why it counts.
    pub why: &'static str,
}

const fn feature(name: &'static str, weight: f64, why: &'static str) -> Feature {
    Feature { name, weight, why }
}

/// All features, in the order of the sum.
pub const FEATURES: [Feature; 18] = [
    feature(
        "relations",
        0.25,
        "Two things are held against each other: than, both, between, greater, the same, sister.",
    ),
    feature("proportions", 0.35, "A quantity is given by another one: twice, a third, an average, per cent, a ratio."),
    feature(
        "changes",
        0.30,
        "Something moves something else in a direction, for a reason: increases, falls, because, why.",
    ),
    feature(
        "sequence",
        0.35,
        "Events in an order, so that the state before each has to be kept: first, then, before, ago.",
    ),
    feature("conditions", 0.10, "The answer holds only in some cases: if, unless, except, not, suppose."),
    feature(
        "mathematics",
        0.25,
        "Numbers in digits or words, signs of mathematics and logic, letters that stand for something.",
    ),
    feature("recurrence", 0.20, "Words come back: the text relates few things often instead of naming many once."),
    feature("statements", 0.10, "Premises: each one has to be taken into account."),
    feature("task", 0.20, "The result is right or wrong: calculate, prove, solve, design, debug."),
    feature("deliberation", 0.25, "The user wants it thought through: step by step, analyse, pros and cons."),
    feature("code", 0.30, "Programs: words of programming, code blocks, braces."),
    feature("demands", 0.05, "What the answer has to look like: a format, a count, JSON."),
    feature("recall", -0.25, "A fact, a name or a courtesy, which a small model knows as well."),
    feature("prose", -0.25, "A text to please, which every model writes well: a poem, a letter, a part to play."),
    feature("terms", -0.40, "Long words: the request names learnt concepts instead of describing a situation."),
    feature("context", 0.60, "What was asked before, as far as the newest ask is too short to stand by itself."),
    feature("tools", 0.15, "Tools on offer, calls already made, and files to be read: the next step has to be chosen."),
    feature(
        "language",
        0.10,
        "Letters beyond plain English: small models lose more there, and the word lists see less.",
    ),
];

/// The score of a request that shows nothing.
pub const BASE: f64 = 0.10;

/// How many of the features are read from a text alone.
const OF_TEXT: usize = 15;

type Values = [f64; FEATURES.len()];

/// The scorer, as configured.
#[derive(Debug, Clone, Copy)]
pub struct Signalbox {
    boundaries: TierBoundaries,
}

/// Where an ask stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'c> {
    /// What it belongs to.
    pub(super) conversation: &'c Transcript<'c>,
    /// Its turn.
    pub(super) turn: usize,
    /// Pairs of marks around what is no ask.
    pub(super) markers: &'c [(&'c str, &'c str)],
}

impl Signalbox {
    /// Takes the boundaries of a configuration; nothing else of it counts here.
    #[must_use]
    pub const fn new(config: &ComplexityConfig) -> Self {
        Self { boundaries: config.tier_boundaries }
    }

    /// Scores a single prompt. Signals and dimensions are written only where they will be read (`explain`).
    #[must_use]
    pub fn score(&self, prompt: &str, explain: bool) -> Scored {
        self.scored(&values(prompt, None), explain)
    }

    /// Scores an ask within its conversation.
    pub(super) fn score_in(&self, ask: &str, place: Place<'_>, explain: bool) -> Scored {
        self.scored(&values(ask, Some(place)), explain)
    }

    fn scored(&self, values: &Values, explain: bool) -> Scored {
        let sum = BASE + weighed(values);
        let score = bent(sum);
        let tier = self.boundaries.tier(score);
        let dimensions = if explain { dimensions(values, score - sum) } else { Vec::new() };
        Scored { tier, score, asked: true, cause: Cause::SignalboxScorer, signals: signals(&dimensions), dimensions }
    }
}

fn weighed(values: &Values) -> f64 {
    FEATURES.iter().zip(values).fold(0.0, |sum, (feature, value)| sum + feature.weight * value)
}

/// The sum itself between 0.1 and 0.9; beyond, smoothly bent so that 0 and 1 are never reached and the order is kept.
fn bent(sum: f64) -> f64 {
    if sum < 0.1 {
        0.01 / (0.2 - sum)
    } else if sum > 0.9 {
        1.0 - 0.01 / (sum - 0.8)
    } else {
        sum
    }
}

/// Half where `count` is `enough`, never 1. Long texts need more for the same, or material would outweigh the ask.
fn share(count: u32, enough: f64, words: u32) -> f64 {
    let count = f64::from(count);
    count / (count + enough + f64::from(words) / 100.0)
}

fn of_text(reading: &Reading) -> [f64; OF_TEXT] {
    let words = reading.words;
    let some = |sign: Sign| share(reading.sign(sign), 3.0, words);
    // The kind of work shows in very few words.
    let kind = |sign: Sign, more: u32| share(reading.sign(sign).saturating_add(more), 1.0, words);
    let code = (reading.code_marks / 2).saturating_add(reading.fenced / 8);
    let hints = reading.sign(Sign::CodeHint) / 2;
    let numbers = reading.numbers.saturating_add(reading.sign(Sign::Number));
    let plain = reading.numbers == 0 && reading.notation == 0 && reading.code_marks == 0;
    let quick = reading.opening == Opening::Question && words <= 8 && plain;
    [
        some(Sign::Relation),
        some(Sign::Proportion),
        some(Sign::Change),
        some(Sign::Sequence),
        some(Sign::Condition),
        share(numbers.saturating_add(reading.notation / 2), 8.0, words),
        share(reading.back, 12.0, 0),
        share(reading.statements, 5.0, 0),
        kind(Sign::Task, 0),
        kind(Sign::Deliberation, 0),
        kind(Sign::Code, code.saturating_add(hints)),
        some(Sign::Demand),
        share(reading.sign(Sign::Recall).saturating_add(if quick { 3 } else { 0 }), 2.0, words),
        kind(Sign::Prose, u32::from(reading.opening == Opening::Part)),
        f64::from(reading.long) / (f64::from(words) + 10.0),
    ]
}

fn values(ask: &str, place: Option<Place<'_>>) -> Values {
    let mut reading = prompt::newest(ask);
    let mut around = [0.0; 3];
    if let Some(Place { conversation, .. }) = place {
        reading.add(Sign::Demand, if conversation.structured { 3 } else { 0 });
        // Room for a few words only is a question with a short answer.
        reading.add(Sign::Recall, if conversation.max_tokens.is_some_and(|most| most <= 16) { 1 } else { 0 });
    }
    if let Some(place) = place {
        around = [context(place, reading.words), tools(place.conversation), 0.0];
    }
    let foreign = f64::from(reading.foreign) / f64::from(reading.words.max(1));
    around[2] = foreign / (foreign + 0.2);
    filled(of_text(&reading).into_iter().chain(around))
}

fn filled(known: impl Iterator<Item = f64>) -> Values {
    let mut values = [0.0; FEATURES.len()];
    for (value, known) in values.iter_mut().zip(known) {
        *value = known;
    }
    values
}

fn tools(conversation: &Transcript<'_>) -> f64 {
    let of_turns = conversation
        .turns
        .iter()
        .fold(0_u32, |sum, turn| sum.saturating_add(turn.calls).saturating_add(turn.attachments.saturating_mul(3)));
    share(of_turns.saturating_add(u32::try_from(conversation.tools.len()).unwrap_or(u32::MAX)), 8.0, 0)
}

/// The hardest of the asks before, in 0..1, the less the longer the newest ask is.
fn context(place: Place<'_>, words: u32) -> f64 {
    let asks = prompt::before(place.conversation, place.turn, place.markers);
    let hardest = asks.fold(0.0_f64, |hardest, it| hardest.max(weighed(&filled(of_text(&it).into_iter()))));
    hardest.min(1.0) * 20.0 / (20.0 + f64::from(words))
}

/// What adds up to the score; `bend` is what the ends of the scale took or gave.
fn dimensions(values: &Values, bend: f64) -> Vec<Dimension> {
    let dimension =
        |name, value, weight| Dimension { name, value, weight, contribution: value * weight, detail: String::new() };
    let of = |(feature, value): (&Feature, &f64)| dimension(feature.name, *value, feature.weight);
    let features = FEATURES.iter().zip(values).map(of);
    std::iter::once(dimension("base", 1.0, BASE)).chain(features).chain([dimension("bend", bend, 1.0)]).collect()
}

/// What counted most, in words.
fn signals(dimensions: &[Dimension]) -> Vec<String> {
    let counts = |it: &&Dimension| it.contribution.abs() >= 0.005 && !matches!(it.name, "base" | "bend");
    let mut counted: Vec<&Dimension> = dimensions.iter().filter(counts).collect();
    sort::by(&mut counted, |a, b| b.contribution.abs().total_cmp(&a.contribution.abs()));
    counted.iter().map(|it| format!("{} {:+.2}", it.name, it.contribution)).collect()
}
