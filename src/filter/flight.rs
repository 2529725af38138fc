//! One request on its way: the client's original body, the plan, and what came of each attempt.
//!
//! It lives in the VM's memory from the route filter's decision until the client's stream ends; the attempts of the request share
//! it. Every attempt starts from the original body, never from what another attempt made of it.

use std::ops::Range;
use std::rc::Rc;

use super::added::{Refused, USAGE};
use super::kept::Kept;
use super::patience::Way;
use super::relay::RELAY;
use super::{Api, Ending, Reply, Report};
use crate::catalogue::{Usd, cost, facts};
use crate::chat::{Failure, FailureClass, Usage};
use crate::config::model::{Deployment, DeploymentIndex, GroupIndex, RouterConfig, StrategyName, header_text};
use crate::dialect::{AnswerStream, Echo, Encoded};
use crate::routing::auto::Choice;
use crate::routing::failover::{self, Rules};
use crate::routing::strategy::Random;
use crate::routing::{Candidate, Place, Plan};
use crate::state::{Booking, Outcome};

/// One request on its way.
#[derive(Debug)]
pub struct Flight {
    /// Its name among this worker's flights; given when it departs.
    pub id: u64,
    /// The configuration it was planned with; a newer one does not touch it.
    pub config: Rc<RouterConfig>,
    /// What was asked.
    pub api: Api,
    /// The client's body; nothing where Envoy alone has it ([`Self::is_with_envoy`]), save while an attempt begins.
    pub body: Vec<u8>,
    pub(super) is_with_envoy: bool,
    /// How much of it this worker keeps.
    pub(super) kept: Kept,
    /// The gateway's own wishes were taken out of it, so that it is no longer what Envoy holds.
    pub stripped: bool,
    /// Where the model's name stands in it, quotes included.
    pub model_span: Range<usize>,
    /// The model as the client asked for it.
    pub asked: String,
    /// Whether the answer is streamed.
    pub stream: bool,
    /// Whether a stream ends with usage.
    pub include_usage: bool,
    /// Whether the client said anything of how it wants its stream, be it `null`.
    pub stream_options: bool,
    /// When it came, Unix milliseconds.
    pub started_ms: u64,
    /// How long an attempt may take until its headers come, in milliseconds, as Envoy was told.
    pub per_try_ms: u64,
    /// The request's own `timeout`, in milliseconds.
    pub(super) own_ms: Option<u64>,
    /// The request's own `timeout`, in milliseconds, where the configuration would have waited longer.
    pub patience_ms: Option<u64>,
    /// What will be tried.
    pub plan: Plan,
    /// What a router chose; `None`: the client named a group itself.
    pub choice: Option<Choice>,
    /// Members that the gateway added to the body: the client's own has none of these.
    pub(super) added: Vec<String>,
    /// What deployments are known to refuse of that.
    pub(super) refused: Rc<Refused>,
    /// How many attempts have begun, each of which has another number. A rehearsed failure is among those tried too, and has none.
    pub(super) begun: usize,
    /// What was tried, in order; the last one may still be open.
    pub(super) tried: Vec<Place>,
    /// What failed, in order.
    pub(super) causes: Vec<(Place, Failure)>,
    /// Attempts that spent nothing: see [`super::link`] and [`super::added`].
    pub(super) free: u32,
    /// The next attempt is one of them.
    pub(super) is_again: bool,
    /// How many hosts of the latest attempt's deployment could not be reached.
    pub(super) unreached: u64,
    /// How the preset is reached.
    pub(super) way: Way,
    /// How the latest attempt's deployment was reached.
    pub(super) way_taken: Way,
    /// Where Envoy goes if it retries now, and how long that attempt waits first. `None`: nowhere.
    pub(super) preset: Option<(Place, u64)>,
    /// All candidates' dialects can say the request: it was looked at closely when it was planned.
    pub(super) is_checked: bool,
    /// The request in the dialect of a place where it goes next.
    pub(super) translated: Option<(Place, Encoded)>,
    /// When the latest attempt began, Unix milliseconds.
    pub(super) attempt_started_ms: u64,
    /// When it was sent, Unix milliseconds: later, where it was held back first.
    pub(super) sent_ms: u64,
    /// When something was heard of it last, Unix milliseconds.
    pub(super) heard_ms: u64,
    /// When its stream last moved on, Unix milliseconds.
    pub(super) progress_ms: u64,
    /// When its first token came, Unix milliseconds; only for streams.
    pub(super) first_token_ms: Option<u64>,
    /// The tokens that its stream has told of so far.
    pub(super) told_usage: Option<Usage>,
    /// It is the caller that does not wait longer for the first token, not the configuration.
    pub(super) is_impatient: bool,
    /// What the preset is for.
    pub(super) feared: Option<Failure>,
    /// The latest attempt has not ended yet.
    pub(super) open: bool,
    /// An attempt's answer, good or bad, went to the client.
    pub(super) answered: bool,
    /// The client's fields that the latest attempt left out, because its provider cannot express them.
    pub(super) dropped: Vec<String>,
    /// What the answer of the try must be told by.
    pub(super) echo: Echo,
    pub(super) reports: Vec<Report>,
    /// The open attempt in the books, or the first one that is yet to begin.
    pub(super) booking: Option<Booking>,
    /// The prompt's length in tokens, where anybody counts them.
    pub(super) prompt_tokens: u64,
    pub(super) random: Random,
}

impl Flight {
    /// The cluster of a place.
    pub(super) fn deployment(&self, place: Place) -> Option<(&Candidate, &Deployment)> {
        let candidate = self.plan.candidate(place)?;
        Some((candidate, self.config.deployments.get(candidate.deployment)?))
    }

    /// The cluster that Envoy takes next; empty where nothing may be tried, which matches no cluster.
    #[must_use]
    pub fn next_cluster(&self) -> &str {
        let place = self.preset.map(|(place, _)| place);
        match place.and_then(|place| self.deployment(place)) {
            Some((_, deployment)) if self.way == Way::Direct => deployment.id.as_str(),
            Some(_) => RELAY,
            None => "",
        }
    }

    /// Whether a retry would go elsewhere than the open attempt went, so that Envoy must be told.
    #[must_use]
    pub fn preset_moves(&self) -> bool {
        self.preset.map(|(place, _)| place) != self.tried.last().copied() || self.way != self.way_taken
    }

    /// What happened since the last call, for the state to record.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Whether the client gets the usage of a stream: it asked for it, or it asked for nothing and the deployment's parameters do.
    pub(super) fn shows_usage(&self, deployment: &Deployment) -> bool {
        let brings = || deployment.defaults.as_ref().is_some_and(|defaults| defaults.include_usage());
        self.include_usage || !self.stream_options && brings()
    }

    /// Whether a provider of OpenAI's dialect is asked for the usage of a stream on the gateway's own account.
    pub(super) fn asks_usage(&self, deployment: &Deployment) -> bool {
        let is_wanted = self.stream && !self.shows_usage(deployment) && self.api != Api::Embeddings;
        is_wanted && self.config.needs_usage(deployment) && !self.refused.has(deployment, USAGE)
    }

    /// The next attempt begins.
    pub(super) fn begin(&mut self, place: Place) {
        self.begun += 1;
        if !std::mem::take(&mut self.is_again) || self.tried.last() != Some(&place) {
            self.tried.push(place);
            self.unreached = 0;
        }
        self.open = true;
        let deployment = self.plan.candidate(place).map(|candidate| candidate.deployment);
        self.reports.extend(deployment.map(Report::Began));
    }

    /// The open attempt failed: notes the cause and chooses what follows.
    pub(super) fn fail(&mut self, failure: Failure) {
        // After an answer went to the client nothing follows, and the body that would follow is gone.
        let may_follow = self.open && !self.answered;
        self.note(&failure);
        if may_follow {
            self.choose(&failure);
        }
    }

    /// The open attempt failed, and what follows is chosen already, or nothing does.
    fn note(&mut self, failure: &Failure) {
        if !std::mem::take(&mut self.open) {
            return;
        }
        let Some(&place) = self.tried.last() else { return };
        failover::rule_out(&mut self.plan, place, failure, &Rules::of(&self.config.signalbox));
        let outcome = if self.is_callers(failure) { Outcome::Abandoned } else { Outcome::Failed(failure.clone()) };
        self.end(place, outcome, None);
        self.causes.push((place, failure.clone()));
    }

    /// Whether a failure is that the caller would not wait for as long as the configuration would have: it says nothing of the
    /// deployment.
    fn is_callers(&self, failure: &Failure) -> bool {
        match failure.class {
            // A stream that began and then stalled was not too slow for its caller alone.
            FailureClass::Timeout if self.first_token_ms.is_some() => false,
            FailureClass::Timeout => self.patience_ms.is_some() && failure.status == 0 && !self.answered,
            FailureClass::FirstToken => self.is_impatient,
            _ => false,
        }
    }

    /// Envoy answered by itself: no host, no retry left, a timeout. Returns the error the client gets instead.
    pub fn abort(&mut self, timed_out: bool, now_ms: u64) -> Reply {
        let elapsed_ms = if timed_out { self.per_try_ms } else { now_ms.saturating_sub(self.attempt_started_ms) };
        self.note(&self.lost(elapsed_ms));
        self.answered = true;
        let (error, failure) = self.final_error();
        Reply::failure(&error, self.told(now_ms, failure))
    }

    /// Whether an attempt's answer, or our own error, went to the client.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        self.answered
    }

    /// The deployment of the attempt that is open.
    #[must_use]
    pub fn open_deployment(&self) -> Option<DeploymentIndex> {
        let place = self.tried.last().filter(|_| self.open)?;
        self.plan.candidate(*place).map(|candidate| candidate.deployment)
    }

    /// Whether the time it takes decides where others go.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        let group = self.config.groups.get(self.plan.asked);
        group.is_some_and(|group| group.strategy == StrategyName::LatencyBased)
    }

    /// More of a stream came: notes its first token, and whether it moved on.
    pub(super) fn hear_of(&mut self, stream: &dyn AnswerStream) {
        if stream.facts().meaningful {
            self.first_token_ms.get_or_insert(self.heard_ms);
        }
        if stream.progressed() {
            self.progress_ms = self.heard_ms;
        }
    }

    /// What the served attempt cost, in US dollars, where that is known.
    #[must_use]
    pub fn cost_told(&self) -> Option<String> {
        self.reports.iter().rev().find_map(|event| match event {
            Report::Ended(ending) => ending.cost.map(|cost| cost.to_string()),
            Report::Began(_) | Report::Refused { .. } => None,
        })
    }

    /// The same, where an access log wants to know: Envoy is told apart from the headers, which are gone when a stream ends.
    #[must_use]
    pub fn cost_logged(&self) -> Option<String> {
        if self.config.signalbox.access_log { self.cost_told() } else { None }
    }

    /// The open attempt served.
    pub(super) fn serve(&mut self, usage: Option<Usage>) {
        if let (true, Some(&place)) = (std::mem::take(&mut self.open), self.tried.last()) {
            self.end(place, Outcome::Served, usage);
        }
    }

    pub(super) fn end(&mut self, place: Place, outcome: Outcome, usage: Option<Usage>) {
        let Some(candidate) = self.plan.candidate(place) else { return };
        let since_sent = |at_ms: u64| at_ms.saturating_sub(self.sent_ms);
        self.reports.push(Report::Ended(Ending {
            deployment: candidate.deployment,
            outcome,
            cost: usage.and_then(|usage| self.cost(place, &usage)),
            usage,
            took_ms: since_sent(self.heard_ms),
            first_token_ms: self.first_token_ms.map(since_sent),
        }));
    }

    /// Where Envoy went: where it was told to, unless the cluster that it took says otherwise.
    pub(super) fn taken(&self, cluster: Option<&str>) -> Option<(Place, u64)> {
        let is_there = |place: Place| {
            let is_it = |id: &str| cluster.is_none_or(|cluster| cluster == id || cluster == RELAY);
            self.deployment(place).is_some_and(|(_, deployment)| is_it(&deployment.id))
        };
        let preset = self.preset.filter(|(place, _)| is_there(*place));
        preset.or_else(|| self.tried.last().filter(|place| is_there(**place)).map(|place| (*place, 0)))
    }

    /// An attempt that is still open although another begins, or Envoy gave up, brought no answer.
    pub(super) fn lose(&mut self, now_ms: u64) {
        self.note(&self.lost(now_ms.saturating_sub(self.attempt_started_ms)));
    }

    /// What an attempt without an answer means, by how long it took.
    pub(super) fn lost(&self, elapsed_ms: u64) -> Failure {
        // Envoy's timer starts a little after ours, and ours is exact to a tick.
        let timed_out = elapsed_ms + 120 >= self.per_try_ms;
        if timed_out {
            Failure::local(FailureClass::Timeout, format!("no answer within {} ms", self.per_try_ms))
        } else {
            Failure::local(FailureClass::Reset, "the connection failed or was lost before an answer")
        }
    }

    /// Whether an attempt has not ended yet.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// What so many tokens cost at a place, where the price is known.
    pub(super) fn cost(&self, place: Place, usage: &Usage) -> Option<Usd> {
        let (candidate, deployment) = self.deployment(place)?;
        let wild = |model: &String| facts(deployment.provider.name, model, None).price;
        let price = candidate.model.as_ref().map_or(deployment.facts.price, wild)?;
        Some(cost(usage, &price))
    }

    /// The client's stream is over. An attempt that is still open was abandoned by the client, or, where `reset`, lost by the
    /// provider in mid-answer. What an abandoned stream told of its tokens counts: a provider bills a prompt that it has read.
    pub fn finish(&mut self, reset: bool) {
        if reset {
            self.note(&Failure::local(FailureClass::Reset, "the connection was lost in mid-answer"));
        }
        if let (true, Some(&place)) = (std::mem::take(&mut self.open), self.tried.last()) {
            self.end(place, Outcome::Abandoned, self.told_usage);
        }
    }

    /// How many fallback groups were asked.
    fn fallbacks(&self) -> usize {
        let mut groups: Vec<GroupIndex> = Vec::new();
        for group in self.tried.iter().filter_map(|place| self.plan.group(*place)) {
            if group != self.plan.asked && !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups.len()
    }

    /// What an answer's headers say that Envoy does not know by itself (the bootstrap has it add the rest).
    pub(super) fn differs(&self) -> Vec<(&'static str, String)> {
        let mut headers = self.choice.as_ref().map(Choice::headers).unwrap_or_default();
        let Some(&place) = self.tried.last() else { return headers };
        if let Some(model) = self.plan.candidate(place).and_then(|candidate| candidate.model.as_ref()) {
            headers.push(("x-signalbox-model", header_text(model)));
        }
        let fallbacks = self.fallbacks();
        if fallbacks > 0 {
            headers.push(("x-signalbox-fallbacks", fallbacks.to_string()));
        }
        if !self.dropped.is_empty() {
            headers.push(("x-signalbox-dropped-params", header_text(&self.dropped.join(", "))));
        }
        headers
    }

    /// All that the headers of an error of Envoy's own say: who was tried last, after how much, and why it failed.
    pub(super) fn told(&self, now_ms: u64, failure: Option<&Failure>) -> Vec<(&'static str, String)> {
        let mut headers = self.differs();
        if let Some((&place, (_, deployment))) =
            self.tried.last().and_then(|place| Some((place, self.deployment(*place)?)))
        {
            let group = self.plan.group(place).and_then(|group| self.config.groups.get(group));
            headers.push(("x-signalbox-deployment", header_text(&deployment.id)));
            headers.push(("x-signalbox-provider", deployment.provider.name.to_owned()));
            headers.push(("x-signalbox-model-group", header_text(group.map_or("", |group| &group.name))));
            if self.plan.candidate(place).is_some_and(|candidate| candidate.model.is_none()) {
                headers.push(("x-signalbox-model", header_text(&deployment.model)));
            }
            if self.fallbacks() == 0 {
                headers.push(("x-signalbox-fallbacks", "0".to_owned()));
            }
        }
        headers.push(("x-signalbox-attempts", self.tried.len().to_string()));
        headers.push(("server-timing", format!("total;dur={}", now_ms.saturating_sub(self.started_ms))));
        headers.extend(self.of_failure(failure));
        headers
    }
}
