//! Which group a router chooses for a request, and why: by how hard it is ([`tiers`]) or by what it is about ([`tasks`]).
//!
//! An [`Engine`] is what takes long to build, once for each router of a configuration. What a choice depends on besides is a
//! value ([`Given`]), so that requests and explanations choose alike. The chosen group is planned as if the client had asked for it.
//!
//! **Invariant:** a choice names a group of the configuration, whatever the request holds.

mod decision;
mod session;
mod tasks;
mod tiers;

pub use decision::{Cause, Chosen, Decision, Label, Reasons};
pub use tiers::Wish;

use super::complexity::Classifier;
use super::estimate::Prompt;
use super::exclusion::Exclusion;
use super::strategy::Random;
use crate::chat::{Transcript, Utterance};
use crate::config::complexity::Tier;
use crate::config::model::{GroupIndex, Router, RouterConfig, RouterKind, Target};
use crate::config::task::Task;
use crate::state::DeploymentView;

/// What chooses for one router.
#[derive(Debug, Clone)]
pub struct Engine(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Tiers(Box<Classifier>),
    /// Its words are compiled in.
    Tasks,
}

/// What a choice depends on besides the configuration.
pub struct Given<'a> {
    /// What was said, as far as [`Engine::reads`] wants it.
    pub conversation: &'a Transcript<'a>,
    /// The client is Codex, which has reminders of its own.
    pub codex: bool,
    /// The tier that the client wishes, where it may.
    pub wish: Option<Wish>,
    /// The hardest tier that the client gets.
    pub most: Option<Tier>,
    /// How long the prompt is.
    pub prompt: &'a Prompt<'a>,
    /// What is known of each deployment, by its index.
    pub views: &'a [DeploymentView],
    /// Whether a group could serve such a request at all, and if not, why.
    pub could_serve: &'a dyn Fn(GroupIndex) -> Result<(), Exclusion>,
    /// Chance.
    pub seed: u64,
    /// Somebody will read why.
    pub explain: bool,
}

/// How much of a conversation a choice needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// Nothing: it is decided already.
    Nothing,
    /// The turns from the newest ask on.
    Newest,
    /// Everything.
    All,
}

impl Given<'_> {
    /// Whether a target could serve such a request.
    fn is_able(&self, target: &Target) -> bool {
        (self.could_serve)(target.group).is_ok()
    }

    /// Why none of these could; `None`: one could.
    fn unable(&self, targets: &[Target]) -> Option<Exclusion> {
        let mut why = None;
        for target in targets {
            match (self.could_serve)(target.group) {
                Ok(()) => return None,
                Err(reason) => why = why.or(Some(reason)),
            }
        }
        why
    }
}

impl Engine {
    /// Builds what a router chooses with.
    ///
    /// # Errors
    /// What the classifier lacks.
    pub fn new(router: &Router) -> Result<Self, String> {
        Ok(Self(match &router.kind {
            RouterKind::Complexity(config, _) => Kind::Tiers(Box::new(Classifier::new(config)?)),
            RouterKind::Task(..) => Kind::Tasks,
        }))
    }

    /// How much of the conversation it needs.
    #[must_use]
    pub fn reads(&self, router: &Router, wish: Option<Wish>) -> Reads {
        match (&self.0, &router.kind) {
            (Kind::Tiers(_), _) if matches!(wish, Some(Wish::Exactly(_))) => Reads::Nothing,
            (Kind::Tiers(classifier), RouterKind::Complexity(config, _)) => {
                if classifier.reads_all() || config.keeps_tier() { Reads::All } else { Reads::Newest }
            }
            _ => Reads::All,
        }
    }

    /// Whether somebody asks something in this turn.
    #[must_use]
    pub fn is_prompt(&self, turn: &Utterance<'_>, codex: bool) -> bool {
        matches!(&self.0, Kind::Tiers(classifier) if classifier.is_prompt(turn, codex))
    }
}

/// Chooses. `router` is the index of the router that `engine` was built for; `None` where there is no such router.
#[must_use]
pub fn choose<'c>(config: &'c RouterConfig, router: usize, engine: &Engine, given: &Given<'_>) -> Option<Chosen<'c>> {
    let of = config.routers.get(router)?;
    let mut chosen = match (&engine.0, &of.kind) {
        (Kind::Tiers(classifier), RouterKind::Complexity(settings, ladder)) => {
            let most = given.most.unwrap_or(Tier::Reasoning);
            let within = ladder.iter().take_while(|(tier, _)| *tier <= most).count();
            let ladder = ladder.get(..within).unwrap_or_default();
            tiers::Context { config, router: of, settings, ladder, most, given }.choose(router, classifier)
        }
        (Kind::Tasks, RouterKind::Task(settings, groups)) => tasks::choose(of, router, settings, groups, given),
        _ => None,
    }?;
    if chosen.decision.shadow {
        chosen.target = draw(&of.default, given.seed, |target| given.is_able(target))?;
    }
    Some(chosen)
}

/// One of several, by chance: of those that will do, else of all.
fn draw(targets: &[Target], seed: u64, will_do: impl Fn(&Target) -> bool) -> Option<&Target> {
    if targets.len() < 2 {
        return targets.first();
    }
    let mut fit: Vec<&Target> = targets.iter().filter(|target| will_do(target)).collect();
    if fit.is_empty() {
        fit = targets.iter().collect();
    }
    // Not the number that the plan begins with, or the two choices would go together.
    let drawn = Random::new(seed ^ 0xA076_1D64_78BD_642F).below(fit.len());
    fit.get(drawn).copied()
}

/// The targets of the first of these tasks that has any.
fn serving<'c>(groups: &'c [(Task, Vec<Target>)], tasks: &[Task]) -> Option<&'c [Target]> {
    let of = |task: &Task| groups.iter().find(|(known, targets)| known == task && !targets.is_empty());
    tasks.iter().find_map(of).map(|(_, targets)| targets.as_slice())
}
