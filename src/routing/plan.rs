//! The plan of one request: stages of candidates, the asked group's first.

use super::{chain, eligible, resolve, strategy};
use crate::config::model::{DeploymentIndex, GroupIndex, RouterConfig};

/// What a plan depends on besides the configuration. Health, time and chance come from outside.
pub struct Inputs<'a> {
    /// The model as the client asked for it.
    pub model: &'a str,
    /// The request's own `num_retries`.
    pub num_retries: Option<u32>,
    /// The request's `disable_fallbacks`.
    pub disable_fallbacks: bool,
    /// Whether a deployment can express the request at all.
    pub may_serve: &'a dyn Fn(DeploymentIndex) -> bool,
    /// Until when a deployment is cooling, in Unix milliseconds; 0: it is not.
    pub cooling_until_ms: &'a dyn Fn(DeploymentIndex) -> u64,
    /// Now, in Unix milliseconds.
    pub now_ms: u64,
    /// Chance.
    pub seed: u64,
}

/// One deployment that may serve, and the name of the model there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which one.
    pub deployment: DeploymentIndex,
    /// The model's name where it is not the deployment's own (wildcards).
    pub model: Option<String>,
}

/// Candidates that are tried before the next stage: one group, one level of `order`, best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The group.
    pub group: GroupIndex,
    /// Best first.
    pub candidates: Vec<Candidate>,
    /// How many attempts may follow the first in this stage.
    pub retries: u32,
}

/// Where in a plan an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index into [`Plan::stages`].
    pub stage: usize,
    /// Index into [`Stage::candidates`].
    pub candidate: usize,
}

/// What will be tried, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The group that was asked for; a stage of another one is a fallback.
    pub asked: GroupIndex,
    /// The stages, never empty.
    pub stages: Vec<Stage>,
}

impl Plan {
    /// The candidate at a place.
    #[must_use]
    pub fn candidate(&self, place: Place) -> Option<&Candidate> {
        self.stages.get(place.stage)?.candidates.get(place.candidate)
    }

    /// How many fallback groups it took to come to a place.
    #[must_use]
    pub fn fallbacks(&self, place: Place) -> usize {
        let mut groups: Vec<GroupIndex> = self.stages.iter().take(place.stage + 1).map(|stage| stage.group).collect();
        groups.dedup();
        groups.into_iter().filter(|group| *group != self.asked).count()
    }

    /// All candidates, in order.
    pub fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.stages.iter().flat_map(|stage| &stage.candidates)
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No rule knows the model's name.
    UnknownModel,
    /// No deployment of the group or its fallbacks can express the request.
    NoneMayServe(GroupIndex),
}

/// Plans a request.
///
/// Cooling deployments are spared; where all are cooling, the one that is done soonest is tried rather than nothing.
///
/// # Errors
/// A [`Refusal`] where nothing could be sent.
pub fn plan(config: &RouterConfig, inputs: &Inputs<'_>) -> Result<Plan, Refusal> {
    let resolved = resolve::resolve(config, inputs.model).ok_or(Refusal::UnknownModel)?;
    let mut random = strategy::Random::new(inputs.seed);
    let groups = if inputs.disable_fallbacks { vec![resolved.group] } else { chain::chain(config, resolved.group) };
    let mut stages = Vec::with_capacity(groups.len());
    for &group in &groups {
        let deployments = members(config, &resolved, group);
        for level in eligible::levels(config, &deployments, inputs, true) {
            stages.push(stage(config, inputs, &resolved, group, strategy::rank(config, level, &mut random)));
        }
    }
    if stages.is_empty() {
        stages.extend(least_bad(config, inputs, &resolved, &groups));
    }
    if stages.is_empty() {
        Err(Refusal::NoneMayServe(resolved.group))
    } else {
        Ok(Plan { asked: resolved.group, stages })
    }
}

fn members(config: &RouterConfig, resolved: &resolve::Resolved, group: GroupIndex) -> Vec<DeploymentIndex> {
    match resolved.only {
        Some(only) if group == resolved.group => vec![only],
        _ => config.groups.get(group).map(|group| group.deployments.clone()).unwrap_or_default(),
    }
}

/// All are cooling: the one deployment that is done soonest, of the first group that has any.
fn least_bad(
    config: &RouterConfig,
    inputs: &Inputs<'_>,
    resolved: &resolve::Resolved,
    groups: &[GroupIndex],
) -> Option<Stage> {
    groups.iter().find_map(|&group| {
        let deployments = members(config, resolved, group);
        let levels = eligible::levels(config, &deployments, inputs, false);
        let soonest = levels.into_iter().flatten().min_by_key(|&index| (inputs.cooling_until_ms)(index))?;
        Some(stage(config, inputs, resolved, group, vec![soonest]))
    })
}

fn stage(
    config: &RouterConfig,
    inputs: &Inputs<'_>,
    resolved: &resolve::Resolved,
    group: GroupIndex,
    ranked: Vec<DeploymentIndex>,
) -> Stage {
    let own = ranked.first().and_then(|&first| config.deployments.get(first)?.num_retries);
    let captures: &[String] = if group == resolved.group { &resolved.captures } else { &[] };
    let candidate = |deployment: DeploymentIndex| {
        let model = config.deployments.get(deployment).map(|deployment| deployment.model.as_str()).unwrap_or_default();
        Candidate { deployment, model: resolve::upstream_model(model, captures, inputs.model) }
    };
    Stage {
        group,
        candidates: ranked.into_iter().map(candidate).collect(),
        retries: inputs.num_retries.or(own).unwrap_or(config.router.num_retries),
    }
}
