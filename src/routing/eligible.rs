//! Which deployments of a group may serve a request now, and in which levels of `order`.
//!
//! The checks stand in one list, in an order that makes the reason telling: first what the request can never have there, then what
//! time will mend. As LiteLLM has it, `order` counts among those that are left: with one anywhere among them, those without are left
//! out; the lowest order serves and each next one is a fallback of the same group.
//!
//! **Invariant:** what is not known excludes nobody.

use super::exclusion::{Excluded, Exclusion, Need, telling};
use super::tags::Tags;
use super::{PlanInputs, Requirements, facts};
use crate::config::model::{Deployment, DeploymentIndex, GroupIndex, ModelGroup, RouterConfig};
use crate::sort;
use crate::state::{DeploymentView, Health, Limit};

/// A place in flight is free again about as soon as a client may ask again, in milliseconds.
const PARALLEL_WAIT_MS: u64 = 1_000;
/// A window is too small where the estimate is above it by more than this part of it.
const MARGIN: u64 = 10;

/// What a group has for a request.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// Those that may serve, by `order`, lowest first; no level is empty.
    pub levels: Vec<(Option<i64>, Vec<DeploymentIndex>)>,
    /// Those that would be asked only if nobody else is left.
    pub deferred: Vec<Deferred>,
}

/// A deferred deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deferred {
    pub deployment: DeploymentIndex,
    /// Its level of `order`.
    pub order: Option<i64>,
    /// Until when it is deferred.
    pub until_ms: u64,
}

/// Sorts a group's deployments; the reasons go to `excluded`.
pub(super) fn sort(
    config: &RouterConfig,
    group: GroupIndex,
    deployments: &[DeploymentIndex],
    inputs: &PlanInputs<'_>,
    excluded: &mut Vec<Excluded>,
) -> Sorted {
    let mut sorted = Sorted::default();
    let Some(of_group) = config.groups.get(group) else { return sorted };
    let tags = Tags::of(config, deployments, &inputs.requirements);
    let mut eligible = Vec::with_capacity(deployments.len());
    for &index in deployments {
        let Some(deployment) = config.deployments.get(index) else { continue };
        let requirements = &inputs.requirements;
        let fit = Fit { config, requirements, may_serve: inputs.may_serve, index, deployment, tags: tags.as_ref() };
        let check = Check { fit, inputs, group: of_group };
        let order = order(of_group, index, deployment);
        match check.exclusion() {
            None => eligible.push((order, index)),
            Some(why) => {
                excluded.push(Excluded { group, deployment: index, why });
                if why.is_soft() {
                    let until_ms = why.until_ms().unwrap_or_default();
                    sorted.deferred.push(Deferred { deployment: index, order, until_ms });
                }
            }
        }
    }
    if eligible.iter().any(|(order, _)| order.is_some()) {
        eligible.retain(|(order, index)| {
            if order.is_none() {
                excluded.push(Excluded { group, deployment: *index, why: Exclusion::Order });
            }
            order.is_some()
        });
        sort::by_key(&mut eligible, |(order, _)| *order);
        sorted.deferred.retain(|deferred| deferred.order.is_some());
    }
    let levels = eligible.chunk_by(|(one, _), (other, _)| one == other);
    let level = |level: &[(Option<i64>, DeploymentIndex)]| {
        (level.first().and_then(|(order, _)| *order), level.iter().map(|(_, index)| *index).collect())
    };
    sorted.levels = levels.map(level).collect();
    sorted
}

/// The `order` that holds within a group.
fn order(group: &ModelGroup, index: DeploymentIndex, deployment: &Deployment) -> Option<i64> {
    let priority = group.priorities.iter().find(|(of, _)| *of == index).map(|(_, order)| *order);
    priority.or(deployment.order)
}

/// Whether any deployment of a group could serve a request at some time or other.
///
/// # Errors
/// Why none could: the reason of the one that is nearest to serving.
pub fn could_serve(
    config: &RouterConfig,
    group: GroupIndex,
    requirements: &Requirements<'_>,
    may_serve: &dyn Fn(DeploymentIndex) -> bool,
) -> Result<(), Exclusion> {
    let deployments = config.groups.get(group).map(|group| group.deployments.as_slice()).unwrap_or_default();
    let tags = Tags::of(config, deployments, requirements);
    let mut excluded = Vec::new();
    for &index in deployments {
        let Some(deployment) = config.deployments.get(index) else { continue };
        match (Fit { config, requirements, may_serve, index, deployment, tags: tags.as_ref() }).exclusion() {
            None => return Ok(()),
            Some(why) => excluded.push(Excluded { group, deployment: index, why }),
        }
    }
    Err(telling(excluded.iter()).unwrap_or(Exclusion::Blocked))
}

/// One deployment before one request, whatever the time.
struct Fit<'a> {
    config: &'a RouterConfig,
    requirements: &'a Requirements<'a>,
    may_serve: &'a dyn Fn(DeploymentIndex) -> bool,
    index: DeploymentIndex,
    deployment: &'a Deployment,
    tags: Option<&'a Tags<'a>>,
}

impl Fit<'_> {
    fn exclusion(&self) -> Option<Exclusion> {
        if !(self.may_serve)(self.index) {
            return Some(Exclusion::CannotExpress);
        }
        if self.deployment.blocked {
            return Some(Exclusion::Blocked);
        }
        let region = self.requirements.region;
        if region.is_some() && region != self.deployment.region.as_deref() {
            return Some(Exclusion::Region);
        }
        if self.tags.is_some_and(|tags| !tags.allow(self.config, self.index)) {
            return Some(Exclusion::Tags);
        }
        self.lacks().or_else(|| self.window())
    }

    fn lacks(&self) -> Option<Exclusion> {
        facts::lacking(self.deployment, self.requirements).map(Exclusion::Lacks)
    }

    fn window(&self) -> Option<Exclusion> {
        let prompt = &self.requirements.prompt;
        let limit = facts::window(self.deployment)?;
        if prompt.at_most() <= limit {
            return None;
        }
        let estimate = prompt.estimate();
        let estimate = if self.config.router.pre_call_checks { estimate.probable } else { estimate.fewest };
        (estimate > limit.saturating_add(limit / MARGIN)).then_some(Exclusion::ContextWindow { estimate, limit })
    }
}

/// One deployment before one request, now.
struct Check<'a> {
    fit: Fit<'a>,
    inputs: &'a PlanInputs<'a>,
    group: &'a ModelGroup,
}

impl Check<'_> {
    fn exclusion(&self) -> Option<Exclusion> {
        self.fit.exclusion().or_else(|| self.budget()).or_else(|| self.room()).or_else(|| self.health())
    }

    fn budget(&self) -> Option<Exclusion> {
        let until_ms = self.inputs.view(self.fit.index).over_budget_until_ms;
        (until_ms > self.inputs.now_ms).then_some(Exclusion::OverBudget { until_ms })
    }

    /// The limits of the configuration. `max_parallel_requests` always binds; `rpm` and `tpm` where the strategy is one that LiteLLM
    /// has honour them, or where they are enforced.
    fn room(&self) -> Option<Exclusion> {
        let view = self.inputs.view(self.fit.index);
        if self.fit.deployment.max_parallel.is_some_and(|most| view.in_flight >= most) {
            let until_ms = self.inputs.now_ms.saturating_add(PARALLEL_WAIT_MS);
            return Some(Exclusion::LimitReached { what: Limit::Parallel, until_ms });
        }
        let (requests, tokens) = (self.inputs.requests(self.fit.index), self.inputs.tokens(self.fit.index));
        let what = if self.fit.deployment.rpm.is_some_and(|most| requests >= most) {
            Limit::Requests
        } else if self.fit.deployment.tpm.is_some_and(|most| self.too_many_tokens(tokens, most)) {
            Limit::Tokens
        } else {
            return None;
        };
        let until_ms = if view.minute_ends_ms > self.inputs.now_ms {
            view.minute_ends_ms
        } else {
            // A limit of 0: no minute will mend it, and the next one is as good a time to ask as any.
            self.inputs.now_ms.saturating_add(60_000)
        };
        if rates_bind(self.fit.config, self.group) {
            Some(Exclusion::LimitReached { what, until_ms })
        } else {
            Some(Exclusion::SoftLimit { what, until_ms })
        }
    }

    /// A request that is larger than the whole limit passes in an empty minute: no wait would ever make it fit.
    fn too_many_tokens(&self, tokens: u64, most: u64) -> bool {
        let prompt = &self.inputs.requirements.prompt;
        let left = most.saturating_sub(tokens);
        left == 0 || (tokens > 0 && prompt.at_most() > left && prompt.estimate().probable > left)
    }

    fn health(&self) -> Option<Exclusion> {
        let (view, now_ms) = (self.inputs.view(self.fit.index), self.inputs.now_ms);
        let [tools_ms, images_ms] = view.lacks_until_ms;
        let requirements = self.fit.requirements;
        if tools_ms > now_ms && requirements.tools {
            return Some(Exclusion::SaidToLack { need: Need::Tools, until_ms: tools_ms });
        }
        if images_ms > now_ms && requirements.images.holds() {
            return Some(Exclusion::SaidToLack { need: Need::Images, until_ms: images_ms });
        }
        if let Health::Cooling { until_ms } = view.health
            && until_ms > now_ms
        {
            return Some(Exclusion::Cooling { until_ms });
        }
        (view.full_until_ms > now_ms).then_some(Exclusion::ProviderLimited { until_ms: view.full_until_ms })
    }
}

/// What a deployment would be excluded for, were a plan made now: a limit that is reached, else that it rests. What a prompt needs of
/// the room is not asked again.
#[must_use]
pub fn exclusion_of(
    config: &RouterConfig,
    group: GroupIndex,
    index: DeploymentIndex,
    view: &DeploymentView,
    now_ms: u64,
) -> Option<Exclusion> {
    let (group, deployment) = (config.groups.get(group)?, config.deployments.get(index)?);
    let this_minute = view.minute_ends_ms > now_ms && rates_bind(config, group);
    if view.over_budget_until_ms > now_ms {
        return Some(Exclusion::OverBudget { until_ms: view.over_budget_until_ms });
    }
    let (what, until_ms) = if deployment.max_parallel.is_some_and(|most| view.in_flight >= most) {
        (Some(Limit::Parallel), now_ms.saturating_add(PARALLEL_WAIT_MS))
    } else if this_minute && deployment.rpm.is_some_and(|most| u64::from(view.requests) >= most) {
        (Some(Limit::Requests), view.minute_ends_ms)
    } else if this_minute && deployment.tpm.is_some_and(|most| view.tokens >= most) {
        (Some(Limit::Tokens), view.minute_ends_ms)
    } else {
        (None, 0)
    };
    if let Some(what) = what {
        return Some(Exclusion::LimitReached { what, until_ms });
    }
    match view.health {
        Health::Cooling { until_ms } if until_ms > now_ms => Some(Exclusion::Cooling { until_ms }),
        Health::HalfOpen { probed_until_ms: until_ms } if until_ms > now_ms => {
            Some(Exclusion::HalfOpenTaken { until_ms })
        }
        _ => (view.full_until_ms > now_ms).then_some(Exclusion::ProviderLimited { until_ms: view.full_until_ms }),
    }
}

/// Whether `rpm` and `tpm` bind in a group, rather than only share out.
pub(super) fn rates_bind(config: &RouterConfig, group: &ModelGroup) -> bool {
    config.router.enforce_rate_limits || group.strategy.limits_bind
}

/// Whether a place at a deployment must be claimed: it is half-open, or has a limit that binds.
pub(super) fn is_counted(
    config: &RouterConfig,
    group: GroupIndex,
    index: DeploymentIndex,
    inputs: &PlanInputs<'_>,
) -> bool {
    let Some(deployment) = config.deployments.get(index) else { return false };
    let rates = deployment.rpm.is_some() || deployment.tpm.is_some();
    deployment.max_parallel.is_some()
        || is_half_open(inputs, index)
        || (rates && config.groups.get(group).is_some_and(|group| rates_bind(config, group)))
}

/// Whether an eligible deployment must show that it serves again: also one whose cooldown is over and that nobody has asked since.
pub(super) fn is_half_open(inputs: &PlanInputs<'_>, index: DeploymentIndex) -> bool {
    !matches!(inputs.view(index).health, Health::Healthy)
}

/// Until when another request is finding out whether a deployment serves again, as far as this worker knows.
pub(super) fn probed_until_ms(inputs: &PlanInputs<'_>, index: DeploymentIndex) -> Option<u64> {
    match inputs.view(index).health {
        Health::HalfOpen { probed_until_ms } if probed_until_ms > inputs.now_ms => Some(probed_until_ms),
        _ => None,
    }
}
