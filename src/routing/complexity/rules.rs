//! What decides before and after a scorer: keywords of the configuration, chores, planning clients, and the wish for more.
//!
//! The order is LiteLLM's: a planning client whose least tier is the top one · keyword rules, the hardest match wins · chores to
//! the cheapest tier · the scorer · one tier up where the user asks for it · the least tier of planning clients.
//!
//! **Invariant:** a tier that is reached by moving up is a configured one.

use memchr::memmem::Finder;

use super::keywords::{ESCALATION, HOUSEKEEPING, PLAN_MODE, PLAN_MODE_TOOL};
use super::prompt::{LatestPrompt, MARKERS, is_prompt, newest};
use super::scored::{Cause, Scored, Tier};
use super::words::Words;
use crate::chat::{Role, Transcript, Utterance};
use crate::config::complexity::ComplexityConfig;

/// A tier, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct TierDecision {
    /// What was decided in the end.
    pub scored: Scored,
    /// The tier before it was raised.
    pub classified: Tier,
    /// The keyword, pattern or tool that decided, where the cause is one.
    pub matched: Option<String>,
    /// The user's wish for a harder tier, where it was found.
    pub escalation_keyword: Option<String>,
}

/// The rules of a configuration.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    keywords: Option<Words>,
    /// For each keyword its tier and how it was written.
    keyword_tiers: Vec<(Tier, String)>,
    escalation: Signs,
    floor: Option<Tier>,
    plan_mode: Signs,
    housekeeping: Signs,
    markers: Option<Vec<(String, String)>>,
    configured: Vec<Tier>,
    cheapest: Option<Tier>,
}

impl Rules {
    pub(super) fn new(config: &ComplexityConfig) -> Self {
        let keyword_tiers: Vec<(Tier, String)> = config
            .keyword_tier_rules
            .iter()
            .flat_map(|rule| rule.keywords.iter().map(|keyword| (rule.tier, keyword.clone())))
            .collect();
        let words = Words::new(keyword_tiers.iter().map(|(_, keyword)| keyword.as_str()), &[]);
        Self {
            keywords: (!keyword_tiers.is_empty()).then_some(words),
            keyword_tiers,
            escalation: match &config.escalation_keywords {
                Some(own) => Signs::new(&[], own),
                None => Signs::new(ESCALATION, &[]),
            },
            floor: config.plan_mode_min_tier,
            plan_mode: Signs::new(PLAN_MODE, &config.plan_mode_patterns),
            housekeeping: if config.route_housekeeping_to_cheapest_tier {
                Signs::new(HOUSEKEEPING, &config.housekeeping_patterns)
            } else {
                Signs::new(&[], &[])
            },
            markers: config.reminder_markers.clone(),
            configured: config.tiers.iter().map(|(tier, _)| *tier).collect(),
            cheapest: config.tiers.iter().find(|(_, models)| !models.is_empty()).map(|(tier, _)| *tier),
        }
    }

    /// Whether the rules look at more than the newest ask.
    pub(super) const fn reads_all(&self) -> bool {
        self.floor.is_some()
    }

    pub(super) fn is_prompt(&self, turn: &Utterance<'_>, codex: bool) -> bool {
        is_prompt(turn, &self.markers(codex))
    }

    /// Decides with the help of a scorer, which is asked only where no rule has decided.
    pub(super) fn decide(
        &self,
        conversation: &Transcript<'_>,
        codex: bool,
        score: impl FnOnce(&LatestPrompt<'_>, &[(&str, &str)]) -> Scored,
    ) -> TierDecision {
        let markers = self.markers(codex);
        let Some(ask) = newest(conversation, &markers) else {
            return decided(Tier::Medium, Cause::DefaultFallback, None);
        };
        let wish = ask.is_newest_turn.then(|| self.escalation.first_in(&ask.text)).flatten();
        let plan = self.floor.and_then(|floor| self.plan_sign(conversation, ask.turn).map(|sign| (floor, sign)));
        let mut decision = match plan {
            Some((floor, sign)) if !self.configured.iter().any(|tier| *tier > floor) => {
                let decision = decided(floor, Cause::PlanMode, Some(sign));
                return TierDecision { escalation_keyword: wish.map(str::to_owned), ..decision };
            }
            _ => self.classify(&ask, |ask| score(ask, &markers)),
        };
        if let Some(wish) = wish {
            decision.escalation_keyword = Some(wish.to_owned());
            let harder = self.configured.iter().find(|tier| **tier > decision.scored.tier);
            decision.raise(harder.copied(), "escalation");
        }
        if let Some((floor, sign)) = plan
            && floor > decision.scored.tier
        {
            decision.raise(Some(floor), "plan_mode_floor");
            decision.scored.cause = Cause::PlanMode;
            decision.matched = Some(sign.to_owned());
        }
        decision
    }

    fn classify(&self, ask: &LatestPrompt<'_>, score: impl FnOnce(&LatestPrompt<'_>) -> Scored) -> TierDecision {
        if let Some((tier, keyword)) = self.keyword_tier(&ask.text) {
            return decided(tier, Cause::LiteralKeywordMatch, Some(keyword));
        }
        if let Some(cheapest) = self.cheapest
            && ask.is_newest_turn
            && let Some(sign) = self.housekeeping.first_in(&ask.text)
        {
            let mut decision = decided(cheapest, Cause::Housekeeping, Some(sign));
            decision.scored.signals.push("housekeeping".to_owned());
            return decision;
        }
        let scored = score(ask);
        TierDecision { classified: scored.tier, scored, matched: None, escalation_keyword: None }
    }

    /// The hardest tier whose keywords the ask holds, and the first such keyword.
    fn keyword_tier(&self, ask: &str) -> Option<(Tier, &str)> {
        let words = self.keywords.as_ref()?;
        let found = words.scan(&words.lower(ask), |_, _| {});
        let mut hardest: Option<(Tier, &str)> = None;
        for (number, (tier, keyword)) in self.keyword_tiers.iter().enumerate() {
            if found.has(number) && hardest.is_none_or(|(known, _)| *tier > known) {
                hardest = Some((*tier, keyword));
            }
        }
        hardest
    }

    /// What shows that the client plans: its tool, its system prompt, or a note at or after the newest ask. An older note stays in
    /// the conversation after planning has ended, and says nothing.
    fn plan_sign<'s>(&'s self, conversation: &Transcript<'_>, ask: usize) -> Option<&'s str> {
        if conversation.tools.iter().any(|tool| tool == PLAN_MODE_TOOL) {
            return Some(PLAN_MODE_TOOL);
        }
        let leading = conversation.turns.iter().take_while(|turn| turn.role == Role::System);
        let mut turns = leading.chain(conversation.turns.iter().skip(ask));
        turns.find_map(|turn| self.plan_mode.first_in(&turn.text))
    }

    fn markers(&self, codex: bool) -> Vec<(&str, &str)> {
        match &self.markers {
            Some(own) => own.iter().map(|(open, close)| (open.as_str(), close.as_str())).collect(),
            None => MARKERS.iter().take(if codex { MARKERS.len() } else { 1 }).copied().collect(),
        }
    }
}

impl TierDecision {
    fn raise(&mut self, tier: Option<Tier>, signal: &str) {
        if let Some(tier) = tier {
            self.scored.tier = tier;
            // LiteLLM has no signals beside a keyword of the configuration.
            if self.scored.cause != Cause::LiteralKeywordMatch {
                self.scored.signals.push(signal.to_owned());
            }
        }
    }
}

fn decided(tier: Tier, cause: Cause, matched: Option<&str>) -> TierDecision {
    let scored = Scored { tier, score: 0.0, asked: false, cause, signals: Vec::new(), dimensions: Vec::new() };
    TierDecision { scored, classified: tier, matched: matched.map(str::to_owned), escalation_keyword: None }
}

/// Texts to look for, case and all, prepared once.
#[derive(Debug, Clone)]
struct Signs(Vec<(String, Finder<'static>)>);

impl Signs {
    fn new(texts: &[&str], own: &[String]) -> Self {
        let texts = texts.iter().copied().chain(own.iter().map(String::as_str));
        Self(texts.map(|text| (text.to_owned(), Finder::new(text).into_owned())).collect())
    }

    /// The first of them that a text holds.
    fn first_in(&self, text: &str) -> Option<&str> {
        self.0.iter().find(|(_, finder)| finder.find(text.as_bytes()).is_some()).map(|(sign, _)| sign.as_str())
    }
}
