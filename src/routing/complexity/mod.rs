//! How hard a request is: which tier of models it deserves, and why.
//!
//! A [`Classifier`] reads a conversation and gives a [`TierDecision`]: a tier, and everything that led to it. `rules` is what a
//! configuration decides by itself (keywords, chores, planning clients), [`Heuristic`] LiteLLM's scorer, [`Signalbox`] our own;
//! all read the newest [`LatestPrompt`], found by `prompt`. Keywords are found by `words` in one pass of an `automaton` that is built once per configuration.
//! Nothing in here calls a model, a host or a clock, so that the same conversation always has the same tier.
//!
//! **Invariant:** the time a decision takes grows with the length of the text and with nothing else.

mod automaton;
mod heuristic;
mod keywords;
mod prompt;
mod rules;
mod scored;
pub mod signalbox;
mod steps;
mod unicode;
mod words;

pub use heuristic::Heuristic;
pub use prompt::LatestPrompt;
pub use rules::TierDecision;
pub use scored::{Cause, Dimension, Scored, Tier};
pub use signalbox::Signalbox;

use crate::chat::{Transcript, Utterance};
use crate::config::complexity::{ClassifierType, ComplexityConfig};
use rules::Rules;
use signalbox::Place;

/// A complexity router's judgement, as configured. Built once: that takes longer than many decisions.
#[derive(Debug, Clone)]
pub struct Classifier {
    rules: Rules,
    scorer: Scorer,
}

#[derive(Debug, Clone)]
enum Scorer {
    Heuristic(Box<Heuristic>),
    Signalbox(Signalbox),
}

impl Classifier {
    /// Takes a configuration.
    ///
    /// # Errors
    /// None so far: this build has every classifier that a configuration can name.
    pub fn new(config: &ComplexityConfig) -> Result<Self, String> {
        let scorer = match config.classifier_type {
            ClassifierType::Heuristic => Scorer::Heuristic(Box::new(Heuristic::new(config))),
            ClassifierType::Signalbox => Scorer::Signalbox(Signalbox::new(config)),
        };
        Ok(Self { rules: Rules::new(config), scorer })
    }

    /// Whether a decision needs the whole conversation. Else the turns from the newest one that [`Classifier::is_prompt`] on do.
    #[must_use]
    pub const fn reads_all(&self) -> bool {
        match self.scorer {
            Scorer::Heuristic(_) => self.rules.reads_all(),
            Scorer::Signalbox(_) => true,
        }
    }

    /// Whether somebody asks something in this turn. `codex`: the client is Codex, which has reminders of its own.
    #[must_use]
    pub fn is_prompt(&self, turn: &Utterance<'_>, codex: bool) -> bool {
        self.rules.is_prompt(turn, codex)
    }

    /// Decides. `explain` fills in signals and dimensions. Where nobody asks anything the cause is [`Cause::DefaultFallback`],
    /// and the default model serves instead of the tier.
    #[must_use]
    pub fn decide(&self, conversation: &Transcript<'_>, codex: bool, explain: bool) -> TierDecision {
        self.rules.decide(conversation, codex, |ask, markers| match &self.scorer {
            Scorer::Heuristic(heuristic) => heuristic.score(&ask.text, explain),
            Scorer::Signalbox(own) => own.score_in(&ask.text, Place { conversation, turn: ask.turn, markers }, explain),
        })
    }

    /// Scores a single prompt as it stands, rules aside.
    #[must_use]
    pub fn score(&self, prompt: &str, explain: bool) -> Scored {
        match &self.scorer {
            Scorer::Heuristic(heuristic) => heuristic.score(prompt, explain),
            Scorer::Signalbox(own) => own.score(prompt, explain),
        }
    }
}
