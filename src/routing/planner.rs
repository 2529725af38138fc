//! How a plan is made: the stages of every group of the chain, then which deployment comes first, and which only if all else fails.
//!
//! - What is cooling, full or busy is deferred while another may serve: each has a stage of its own at the end, the asked group's first,
//!   then those that are done soonest. Where no other is left, the first of them is asked rather than nothing sent.
//! - What is half-open, or counts its places, comes first only if it grants the place ([`PlanInputs::claim`]). A half-open one that does not
//!   come first goes to the end of its stage: one request at a time finds out whether it serves again, and a request that fails anyway
//!   may.
//! - Where every deployment of the asked group is too small for the prompt, `context_window_fallbacks` come first.

use super::chain::{Link, chain, special};
use super::eligible::{self, Deferred, Sorted};
use super::exclusion::{Excluded, Exclusion, telling};
use super::list::{take, to_end, to_front};
use super::plan::{Candidate, Plan, Purpose, Refusal, Stage};
use super::resolve::{self, By, Resolved};
use super::strategy::{self, Random, RankContext, RankReason, Ranked};
use super::{Claim, PlanInputs, affinity, facts};
use crate::config::model::{DeploymentIndex, GroupIndex, RouterConfig};
use crate::sort;
use crate::state::Limit;

/// Plans a request.
///
/// # Errors
/// A [`Refusal`] where nothing could be sent.
pub fn plan(config: &RouterConfig, inputs: &PlanInputs<'_>) -> Result<Plan, Refusal> {
    let asked = match inputs.routed {
        Some(routed) => Resolved::group(routed.group, By::Router),
        None => resolve::resolve(config, inputs.model).ok_or(Refusal::UnknownModel)?,
    };
    let router_fallbacks = inputs.routed.map(|routed| routed.router_fallbacks);
    let (group, by) = (asked.group, asked.by);
    let random = Random::new(inputs.seed);
    let mut planner =
        Planner { config, inputs, random, stages: Vec::new(), deferred: Vec::new(), excluded: Vec::new() };
    let links = if inputs.disable_fallbacks {
        vec![Link { resolved: asked, name: inputs.model }]
    } else {
        chain(config, asked, inputs.model, inputs.fallbacks, router_fallbacks)
    };
    for link in &links {
        planner.add(link, Purpose::General, group);
    }
    let mut leading = planner.stages.len();
    if !inputs.disable_fallbacks {
        planner.add_special(&links);
        leading += planner.bring_larger_windows_forward(group);
    }
    let chain: Vec<GroupIndex> = links.iter().map(|link| link.resolved.group).collect();
    if !planner.pick_first(leading) && !planner.use_soonest_ready(&chain) {
        let of_chain = planner.excluded.iter().filter(|left| chain.contains(&left.group));
        // A group without deployments cannot be compiled.
        let why = telling(of_chain).unwrap_or(Exclusion::Blocked);
        return Err(Refusal::NoneMayServe { group, by, why, excluded: planner.excluded });
    }
    planner.add_last_resorts(&chain);
    planner.finish();
    Ok(Plan { asked: group, by, stages: planner.stages, excluded: planner.excluded })
}

struct Planner<'a> {
    config: &'a RouterConfig,
    inputs: &'a PlanInputs<'a>,
    random: Random,
    stages: Vec<Stage>,
    deferred: Vec<DeferredStage>,
    excluded: Vec<Excluded>,
}

/// A deferred deployment.
struct DeferredStage {
    until_ms: u64,
    /// It may come first where nobody else may.
    may_come_first: bool,
    /// The stage of it alone.
    stage: Stage,
}

impl<'a> Planner<'a> {
    /// Adds the stages of a group, one a level of `order`.
    fn add(&mut self, link: &Link<'_>, purpose: Purpose, from: GroupIndex) {
        let group = link.resolved.group;
        let of_group = || self.config.groups.get(group).map(|group| group.deployments.as_slice());
        let only = link.resolved.only.as_slice();
        let deployments = if only.is_empty() { of_group().unwrap_or_default() } else { only };
        let mut excluded = Vec::new();
        let Sorted { levels, deferred } = eligible::sort(self.config, group, deployments, self.inputs, &mut excluded);
        // A group may stand in the chain and serve a special purpose as well.
        excluded.retain(|left| !self.excluded.contains(left));
        self.excluded.append(&mut excluded);
        for (order, level) in levels {
            let mut ranked: Vec<Ranked> =
                level.into_iter().map(|deployment| Ranked { deployment, reason: RankReason::None }).collect();
            self.rank(group, &mut ranked);
            let stage = Stage { order, ..self.stage(link, purpose, from, &ranked) };
            self.stages.push(stage);
        }
        let may_come_first =
            purpose == Purpose::General || (purpose == Purpose::ContextWindow && self.is_too_long(from));
        for Deferred { deployment, order, until_ms } in deferred {
            let stage = self.stage(link, purpose, from, &[Ranked { deployment, reason: RankReason::None }]);
            self.deferred.push(DeferredStage { until_ms, may_come_first, stage: Stage { order, ..stage } });
        }
    }

    fn rank(&mut self, group: GroupIndex, ranked: &mut [Ranked]) {
        let Some(of_group) = self.config.groups.get(group) else { return };
        let context = RankContext { config: self.config, inputs: self.inputs, args: of_group.strategy_args };
        strategy::rank(of_group.strategy, &context, ranked, &mut self.random);
        let (Some(prefix), Some(_)) = (self.inputs.requirements.affinity, &self.config.signalbox.affinity) else {
            return;
        };
        let weights = strategy::shares(of_group.strategy, self.config, ranked);
        let weighted = ranked.iter().map(|it| it.deployment).zip(weights);
        let home = affinity::home(self.config, weighted, prefix);
        let found = ranked.iter().position(|it| Some(it.deployment) == home);
        if let Some(found) = found {
            to_front(ranked, found);
            if let Some(first) = ranked.first_mut() {
                first.reason = RankReason::Affinity;
            }
        }
    }

    fn stage(&self, link: &Link<'_>, purpose: Purpose, from: GroupIndex, ranked: &[Ranked]) -> Stage {
        let Resolved { group, captures, .. } = &link.resolved;
        let client = self.inputs.requirements.client;
        let candidate = |it: &Ranked| {
            let deployment = self.config.deployments.get(it.deployment);
            let model = deployment.map(|deployment| deployment.model.as_str()).unwrap_or_default();
            Candidate {
                deployment: it.deployment,
                provider: deployment.map(|deployment| deployment.provider),
                is_translated: deployment.is_some_and(|it| it.speaks(client) != client),
                model: resolve::upstream_model(model, captures, link.name),
                window: deployment.and_then(facts::window),
                reason: it.reason,
                rests_until_ms: None,
                ruled_out: false,
            }
        };
        let policy = self.config.groups.get(*group).and_then(|group| group.retry_policy);
        Stage {
            group: *group,
            purpose,
            from,
            order: None,
            candidates: ranked.iter().map(candidate).collect(),
            retries: 0,
            policy: policy.filter(|_| self.inputs.num_retries != Some(0)),
        }
    }

    /// Adds the stages that only a prompt too long, or content refused, leads to: for every group that may be asked.
    fn add_special(&mut self, links: &[Link<'_>]) {
        let config = self.config;
        if config.context_window_fallbacks.is_none() && config.content_policy_fallbacks.is_none() {
            return;
        }
        for purpose in [Purpose::ContextWindow, Purpose::ContentPolicy] {
            let mut from: Vec<GroupIndex> = links.iter().map(|link| link.resolved.group).collect();
            let mut next = 0;
            while let Some(&group) = from.get(next) {
                next += 1;
                let routed = self.inputs.routed.filter(|routed| routed.group == group);
                for link in special(config, group, purpose, routed.map(|routed| routed.router_fallbacks)) {
                    self.add(&link, purpose, group);
                    if !from.contains(&link.resolved.group) {
                        from.push(link.resolved.group);
                    }
                }
            }
        }
    }

    /// Whether all that keeps a group from serving is the length of the prompt.
    fn is_too_long(&self, group: GroupIndex) -> bool {
        let too_long = |left: &Excluded| left.group == group && matches!(left.why, Exclusion::ContextWindow { .. });
        let serves = |stage: &Stage| stage.group == group && stage.purpose == Purpose::General;
        self.excluded.iter().any(too_long) && !self.stages.iter().any(serves)
    }

    /// No deployment of the asked group takes so long a prompt: `context_window_fallbacks` come first. Returns how many stages that are.
    fn bring_larger_windows_forward(&mut self, asked: GroupIndex) -> usize {
        if !self.is_too_long(asked) {
            return 0;
        }
        let leads = |stage: &Stage| stage.purpose == Purpose::ContextWindow && stage.from == asked;
        let count = self.stages.iter().filter(|stage| leads(stage)).count();
        sort::by_key(&mut self.stages, |stage| !leads(stage));
        count
    }

    /// Finds the deployment that comes first among the first `leading` stages, and puts behind it those that did not grant a place.
    /// Returns whether there is one.
    fn pick_first(&mut self, mut leading: usize) -> bool {
        let mut at = 0;
        while at < leading {
            let Some(stage) = self.stages.get_mut(at) else { return false };
            let mut unasked = stage.candidates.len();
            while let Some(first) = stage.candidates.first().filter(|_| unasked > 0) {
                let deployment = first.deployment;
                let Some(why) = refused(self.config, self.inputs, stage.group, deployment) else {
                    // Those before have only such as did not grant a place: they come last.
                    to_end(self.stages.get_mut(..leading).unwrap_or_default(), at);
                    return true;
                };
                self.excluded.push(Excluded { group: stage.group, deployment, why });
                if let (true, Some(until_ms)) = (why.is_soft(), why.until_ms()) {
                    let only = stage.candidates.iter().take(1).cloned().collect();
                    let alone = Stage { candidates: only, ..stage.clone() };
                    self.deferred.push(DeferredStage { until_ms, may_come_first: true, stage: alone });
                    to_end(&mut stage.candidates, 1);
                } else {
                    take(&mut stage.candidates, 0);
                }
                unasked -= 1;
            }
            if stage.candidates.is_empty() {
                take(&mut self.stages, at);
                leading -= 1;
            } else {
                at += 1;
            }
        }
        self.stages = std::mem::take(&mut self.stages).into_iter().skip(leading).collect();
        false
    }

    /// None comes first: of those that are deferred, the one that is ready soonest does, of the first group of the chain that has any.
    /// Returns whether there is one.
    fn use_soonest_ready(&mut self, chain: &[GroupIndex]) -> bool {
        sort::by_key(&mut self.deferred, |rest| (place(chain, &rest.stage), rest.until_ms));
        let least = self.deferred.iter().position(|rest| rest.may_come_first);
        let least = least.and_then(|at| take(&mut self.deferred, at)).map(|rest| rest.stage);
        let found = least.is_some();
        self.stages.splice(..0, least);
        found
    }

    /// Those that are deferred come last, except one that stands in its stage already, because it did not grant a place.
    fn add_last_resorts(&mut self, chain: &[GroupIndex]) {
        sort::by_key(&mut self.deferred, |rest| (place(chain, &rest.stage), rest.until_ms));
        for DeferredStage { until_ms, mut stage, .. } in std::mem::take(&mut self.deferred) {
            let only = stage.candidates.first().map(|it| it.deployment);
            let is_in = |other: &Stage| other.candidates.iter().any(|it| Some(it.deployment) == only);
            if self.stages.iter().any(|other| other.is_level_of(&stage) && is_in(other)) {
                continue;
            }
            stage.candidates.iter_mut().for_each(|candidate| candidate.rests_until_ms = Some(until_ms));
            self.stages.push(stage);
        }
    }

    /// Puts half-open ones behind, save the very first, and counts the retries.
    fn finish(&mut self) {
        let mut is_first = true;
        for stage in &mut self.stages {
            let behind = stage.candidates.get_mut(usize::from(is_first)..).unwrap_or_default();
            sort::by_key(behind, |candidate| eligible::is_half_open(self.inputs, candidate.deployment));
            is_first = false;
            let first = stage.candidates.first().and_then(|first| self.config.deployments.get(first.deployment));
            let own = first.and_then(|deployment| deployment.num_retries);
            stage.retries = self.inputs.num_retries.or(own).unwrap_or(self.config.router.num_retries);
        }
    }
}

/// Where a stage's group stands in the chain; special ones behind.
fn place(chain: &[GroupIndex], stage: &Stage) -> usize {
    chain.iter().position(|group| *group == stage.group).unwrap_or(usize::MAX)
}

/// Why a candidate may not come first.
fn refused(
    config: &RouterConfig,
    inputs: &PlanInputs<'_>,
    group: GroupIndex,
    deployment: DeploymentIndex,
) -> Option<Exclusion> {
    if let Some(until_ms) = eligible::probed_until_ms(inputs, deployment) {
        return Some(Exclusion::HalfOpenTaken { until_ms });
    }
    if !eligible::is_counted(config, group, deployment, inputs) {
        return None;
    }
    let Claim::Refused { until_ms } = (inputs.claim)(deployment) else { return None };
    if eligible::is_half_open(inputs, deployment) {
        return Some(Exclusion::HalfOpenTaken { until_ms });
    }
    let of = config.deployments.get(deployment);
    let rates = of.is_some_and(|of| of.rpm.is_some() || of.tpm.is_some());
    let what = match of {
        Some(of) if of.max_parallel.is_some() && !rates => Limit::Parallel,
        Some(of) if of.rpm.is_some() => Limit::Requests,
        _ => Limit::Tokens,
    };
    Some(Exclusion::LimitReached { what, until_ms })
}
