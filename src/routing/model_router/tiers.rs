//! From a conversation to a tier, and from the tier to a group.
//!
//! In this order, each step after the first only where the configuration asks for it: the classifier and its rules · what the
//! conversation had before · the client's wish · down to what the client may have · up, where the prompt is too long for the tier's models · down, where the tier's
//! budgets are nearly spent · always, where none of the tier's models could serve such a request (an image, tools, a schema, its length
//! ...): to the next harder tier that has one, else to the next easier. What moved the tier last is the cause that is told. The
//! request after it is judged anew: a conversation does not stay where an image took it.
//!
//! **Invariant:** a tier is reached by moving only if it has a group.

use super::decision::{Cause, Chosen, Decision, Label, Reasons};
use super::{Given, draw, session};
use crate::config::complexity::{ComplexityConfig, Tier};
use crate::config::model::{Deployment, DeploymentIndex, GroupIndex, Router, RouterConfig, Target};
use crate::routing::complexity::{self, Classifier, TierDecision};
use crate::routing::exclusion::Exclusion;
use crate::routing::facts;

/// What a client may say in `x-signalbox-tier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// This tier.
    Exactly(Tier),
    /// This tier or a harder one.
    AtLeast(Tier),
}

impl Wish {
    /// Reads `COMPLEX`, `>=COMPLEX` or `min COMPLEX`, in any case. `None`: it says nothing that is understood.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let least = text.strip_prefix(">=").or_else(|| {
            let (word, rest) = text.split_once(' ')?;
            word.eq_ignore_ascii_case("min").then_some(rest)
        });
        match least {
            Some(tier) => Tier::named(tier.trim()).map(Self::AtLeast),
            None => Tier::named(text).map(Self::Exactly),
        }
    }
}

/// All that a choice among tiers looks at.
pub(super) struct Context<'c, 'g> {
    pub(super) config: &'c RouterConfig,
    pub(super) router: &'c Router,
    pub(super) settings: &'c ComplexityConfig,
    /// Up to the hardest that the client gets.
    pub(super) ladder: &'c [(Tier, Vec<Target>)],
    pub(super) most: Tier,
    pub(super) given: &'g Given<'g>,
}

/// The tier so far, and how it came to be.
struct Way {
    tier: Tier,
    cause: Cause,
    steps: Vec<(Tier, Cause)>,
    explain: bool,
}

impl Way {
    fn to(&mut self, tier: Tier, cause: Cause) {
        (self.tier, self.cause) = (tier, cause);
        if self.explain {
            self.steps.push((tier, cause));
        }
    }
}

impl<'c> Context<'c, '_> {
    pub(super) fn choose(&self, router: usize, classifier: &Classifier) -> Option<Chosen<'c>> {
        let given = self.given;
        let wish = given.wish;
        let by_tier = match wish {
            Some(Wish::Exactly(_)) => None,
            _ => Some(classifier.decide(given.conversation, given.codex, given.explain)),
        };
        let mut way =
            Way { tier: Tier::Medium, cause: Cause::ClientRequest, steps: Vec::new(), explain: given.explain };
        let mut nobody_asks = false;
        if let Some(TierDecision { scored, .. }) = &by_tier {
            way.to(scored.tier, Cause::Classifier(scored.cause));
            nobody_asks = scored.cause == complexity::Cause::DefaultFallback;
            if self.settings.keeps_tier() && !nobody_asks {
                self.keep(classifier, &mut way);
            }
        }
        match wish {
            Some(Wish::Exactly(tier)) => way.to(self.configured_from(tier).unwrap_or(tier), Cause::ClientRequest),
            Some(Wish::AtLeast(tier)) if nobody_asks || tier > way.tier => {
                way.to(self.configured_from(tier).unwrap_or(tier), Cause::ClientRequest);
            }
            _ => {}
        }
        let by_default = nobody_asks && way.cause != Cause::ClientRequest;
        if way.tier > self.most {
            way.to(self.configured_from(self.most).unwrap_or(self.most), Cause::ClientLimit);
        }
        if !by_default {
            self.escalate(&mut way);
            self.lower(&mut way);
        }
        let mut targets = self.targets(way.tier).filter(|_| !by_default);
        if targets.is_none() && !by_default {
            way.to(way.tier, Cause::DefaultModelFallback);
        }
        if let Some((tier, why)) = self.able(way.tier, targets.unwrap_or(&self.router.default)) {
            targets = tier.and_then(|tier| self.targets(tier));
            way.to(tier.unwrap_or(way.tier), Cause::Unable(why));
        }
        let will_do = |target: &Target| self.fits(target.group) && !self.is_nearly_spent(target.group);
        let targets = targets.unwrap_or(&self.router.default);
        let able = |target: &Target| given.is_able(target);
        let best = targets.iter().any(|target| able(target) && will_do(target));
        let target = draw(targets, given.seed, |target| able(target) && (!best || will_do(target)))?;
        let scored = by_tier.as_ref().map(|decision| &decision.scored);
        let decision = Decision {
            router,
            label: Label::Tier(way.tier),
            score: scored.and_then(complexity::Scored::figure),
            classifier: self.settings.classifier_type.as_str(),
            cause: way.cause,
            shadow: self.settings.shadow,
        };
        let reasons = given.explain.then_some(Reasons::Tiers(by_tier, way.steps));
        Some(Chosen { decision, target, reasons })
    }

    /// Never below what an earlier request of the same conversation had.
    fn keep(&self, classifier: &Classifier, way: &mut Way) {
        let (codex, top) = (self.given.codex, self.ladder.last().map_or(Tier::Reasoning, |(tier, _)| *tier));
        let mut hardest = way.tier;
        if hardest < top {
            session::earlier(
                self.given.conversation,
                |turn| classifier.is_prompt(turn, codex),
                |earlier| {
                    hardest = hardest.max(classifier.decide(earlier, codex, false).scored.tier);
                    hardest < top
                },
            );
        }
        if hardest > way.tier {
            way.to(hardest, Cause::SessionAffinityPin);
        }
    }

    /// Up to the first tier with a model that takes so long a prompt.
    fn escalate(&self, way: &mut Way) {
        if !self.settings.enable_context_window_escalation || self.any(way.tier, |group| self.fits(group)) {
            return;
        }
        let harder = self.ladder.iter().map(|(tier, _)| *tier).filter(|tier| *tier > way.tier);
        if let Some(tier) = harder.into_iter().find(|tier| self.any(*tier, |group| self.fits(group))) {
            way.to(tier, Cause::ContextWindowEscalation);
        }
    }

    /// Down to the first tier whose budgets have something left.
    fn lower(&self, way: &mut Way) {
        let will_do =
            |group| !self.is_nearly_spent(group) && self.fits(group) && (self.given.could_serve)(group).is_ok();
        if self.settings.budget_lowering.is_none() || self.any(way.tier, |group| !self.is_nearly_spent(group)) {
            return;
        }
        let easier = self.ladder.iter().rev().map(|(tier, _)| *tier).filter(|tier| *tier < way.tier);
        if let Some(tier) = easier.into_iter().find(|tier| self.any(*tier, will_do)) {
            way.to(tier, Cause::BudgetLowering);
        }
    }

    /// The nearest tier with a model that could serve such a request, the harder first (`None`: the default is it), and what is missing
    /// where it was to be served. Nothing where that could serve it, or where nobody could: then the refusal is that one's.
    fn able(&self, tier: Tier, targets: &[Target]) -> Option<(Option<Tier>, Exclusion)> {
        let why = self.given.unable(targets)?;
        let is_able = |targets: &[Target]| !targets.is_empty() && self.given.unable(targets).is_none();
        let able = |(_, targets): &&(Tier, Vec<Target>)| is_able(targets);
        let harder = self.ladder.iter().filter(|(of, _)| *of >= tier).find(able);
        let found = harder.or_else(|| self.ladder.iter().rev().filter(|(of, _)| *of < tier).find(able));
        match found {
            Some((tier, _)) => Some((Some(*tier), why)),
            None => is_able(&self.router.default).then_some((None, why)),
        }
    }

    fn targets(&self, tier: Tier) -> Option<&'c [Target]> {
        let found = self.ladder.iter().find(|(known, targets)| *known == tier && !targets.is_empty());
        found.map(|(_, targets)| targets.as_slice())
    }

    /// The tier itself where it has a group, else the next harder one that has, else the hardest of all.
    fn configured_from(&self, tier: Tier) -> Option<Tier> {
        let mut filled = self.ladder.iter().filter(|(_, targets)| !targets.is_empty()).map(|(tier, _)| *tier);
        let hardest = filled.clone().next_back();
        filled.find(|known| *known >= tier).or(hardest)
    }

    /// Whether any group of a tier is so. What serves a tier without groups is the default.
    fn any(&self, tier: Tier, is: impl Fn(GroupIndex) -> bool) -> bool {
        self.targets(tier).unwrap_or(&self.router.default).iter().any(|target| is(target.group))
    }

    fn deployments(&self, group: GroupIndex) -> impl Iterator<Item = (DeploymentIndex, &'c Deployment)> {
        let members = self.config.groups.get(group).map(|group| group.deployments.as_slice()).unwrap_or_default();
        members.iter().filter_map(|index| Some((*index, self.config.deployments.get(*index)?)))
    }

    /// Whether any model of a group takes so long a prompt, where that is asked and known.
    fn fits(&self, group: GroupIndex) -> bool {
        if !self.settings.enable_context_window_escalation {
            return true;
        }
        #[allow(clippy::cast_precision_loss, reason = "tokens are far below 2^53")]
        self.deployments(group).any(|(_, deployment)| {
            facts::window(deployment).is_none_or(|window| {
                let room = window as f64 * self.settings.context_window_escalation_buffer;
                self.given.prompt.estimate().probable as f64 <= room
            })
        })
    }

    /// Whether every deployment of a group has a budget, and has nearly spent it.
    fn is_nearly_spent(&self, group: GroupIndex) -> bool {
        let Some(limit) = self.settings.budget_lowering else { return false };
        // The share is kept in single precision, where 0.9 is a little less than 0.9.
        #[allow(clippy::cast_possible_truncation, reason = "a number from 0 to 1")]
        let limit = limit as f32;
        let share = |index: DeploymentIndex| self.given.views.get(index).map_or(0.0, |view| view.budget_share);
        self.deployments(group).all(|(index, _)| share(index) >= limit)
    }
}
