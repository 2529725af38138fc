//! Plans from the configuration's text, for the tests of routing.

#![allow(dead_code, reason = "not every test file uses all")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use signalbox::config::model::{Deployment, RouterConfig};
use signalbox::config::{compile, yaml};
use signalbox::routing::{Candidate, Claim, Exclusion, Plan, PlanInputs, Refusal, Requirements, explain, plan};
use signalbox::state::{DeploymentView, Health, Samples};

pub const NOW: u64 = 1_000_000;

pub fn config(text: &str) -> RouterConfig {
    let tree = yaml::read(text).unwrap_or_else(|errors| panic!("{errors:?}"));
    compile::compile(&tree, &|_| None).unwrap_or_else(|errors| panic!("{errors:?}")).config
}

/// Groups of one deployment each, whose id is the group's name with `-1`, and more settings.
pub fn groups(names: &[&str], more: &str) -> RouterConfig {
    let list = names.iter().fold(String::new(), |mut list, name| {
        writeln!(list, "- {{model_name: '{name}', litellm_params: {{model: 'openai/served-{name}'}}}}").unwrap();
        list
    });
    config(&format!("model_list:\n{list}{more}"))
}

/// One group `m` of deployments `d0`, `d1`, ... with these parameters.
pub fn one_group(deployments: &[&str]) -> RouterConfig {
    let list = deployments.iter().enumerate().fold(String::new(), |mut list, (n, params)| {
        let params = format!("{{model: openai/x, api_base: 'http://h{n}'{params}}}");
        writeln!(list, "- {{model_name: m, litellm_params: {params}, model_info: {{id: d{n}}}}}").unwrap();
        list
    });
    config(&format!("model_list:\n{list}"))
}

/// The deployment of an id, to set what no key sets in these tests.
pub fn at<'a>(config: &'a mut RouterConfig, id: &str) -> &'a mut Deployment {
    config.deployments.iter_mut().find(|deployment| deployment.id == id).unwrap()
}

pub fn cooling(until_ms: u64) -> DeploymentView {
    DeploymentView { health: Health::Cooling { until_ms }, ..DeploymentView::default() }
}

pub fn half_open(probed_until_ms: u64) -> DeploymentView {
    DeploymentView { health: Health::HalfOpen { probed_until_ms }, ..DeploymentView::default() }
}

pub fn in_flight(in_flight: u32) -> DeploymentView {
    DeploymentView { in_flight, ..DeploymentView::default() }
}

/// So many requests and tokens in a minute that ends 30 s from now.
pub fn used(requests: u32, tokens: u64) -> DeploymentView {
    DeploymentView { requests, tokens, minute_ends_ms: NOW + 30_000, ..DeploymentView::default() }
}

/// Samples of now.
pub fn samples(values: &[f32]) -> Samples {
    let mut samples = Samples::default();
    values.iter().for_each(|value| samples.push(*value, NOW));
    samples
}

/// What there is around a request; deployments by id.
#[derive(Default)]
pub struct World<'a> {
    pub views: &'a [(&'a str, DeploymentView)],
    /// What cannot express the request.
    pub excluded: &'a [&'a str],
    /// What grants no place, and until when.
    pub refusing: &'a [(&'a str, u64)],
    pub num_retries: Option<u32>,
    pub disable_fallbacks: bool,
    pub fallbacks: &'a [&'a str],
    pub seed: u64,
}

/// Lets somebody look at the inputs of a request.
pub fn with<T>(
    config: &RouterConfig,
    model: &str,
    world: &World<'_>,
    requirements: Requirements<'_>,
    look: impl FnOnce(&mut PlanInputs<'_>) -> T,
) -> T {
    let id = |index: usize| config.deployments[index].id.as_str();
    let seen: HashMap<&str, DeploymentView> = world.views.iter().copied().collect();
    let views: Vec<DeploymentView> =
        config.deployments.iter().map(|it| seen.get(it.id.as_str()).copied().unwrap_or_default()).collect();
    let fallbacks: Vec<String> = world.fallbacks.iter().map(ToString::to_string).collect();
    let mut inputs = PlanInputs {
        model,
        routed: None,
        num_retries: world.num_retries,
        disable_fallbacks: world.disable_fallbacks,
        fallbacks: &fallbacks,
        requirements,
        may_serve: &|index| !world.excluded.contains(&id(index)),
        views: &views,
        claim: &|index| match world.refusing.iter().find(|(name, _)| *name == id(index)) {
            Some((_, until_ms)) => Claim::Refused { until_ms: *until_ms },
            None => Claim::Granted,
        },
        now_ms: NOW,
        seed: world.seed,
    };
    look(&mut inputs)
}

pub fn planned_for(
    config: &RouterConfig,
    model: &str,
    world: &World<'_>,
    requirements: Requirements<'_>,
) -> Result<Plan, Refusal> {
    with(config, model, world, requirements, |inputs| plan(config, inputs))
}

pub fn planned(config: &RouterConfig, model: &str, world: &World<'_>) -> Result<Plan, Refusal> {
    planned_for(config, model, world, Requirements::default())
}

/// A plan as text: stages of deployments, with the model where it is not the deployment's own, and last resorts in parentheses.
pub fn told(config: &RouterConfig, plan: &Plan) -> String {
    let candidate = |it: &Candidate| {
        let model = it.model.as_ref().map(|model| format!("({model})")).unwrap_or_default();
        config.deployments[it.deployment].id.clone() + &model
    };
    let stages = plan.stages.iter().map(|it| {
        let all = it.candidates.iter().map(candidate).collect::<Vec<_>>().join(" ");
        if it.is_last_resort() { format!("({all})") } else { all }
    });
    stages.collect::<Vec<_>>().join(" | ")
}

/// The plan, or the reason why there is none.
pub fn text_for(config: &RouterConfig, model: &str, world: &World<'_>, requirements: Requirements<'_>) -> String {
    match planned_for(config, model, world, requirements) {
        Ok(plan) => told(config, &plan),
        Err(Refusal::UnknownModel) => "UnknownModel".to_owned(),
        Err(Refusal::NoneMayServe { why, .. }) => format!("{why:?}"),
    }
}

pub fn text(config: &RouterConfig, model: &str, world: &World<'_>) -> String {
    text_for(config, model, world, Requirements::default())
}

/// The deployments excluded from a plan, or from a refusal.
pub fn excluded(config: &RouterConfig, world: &World<'_>, requirements: Requirements<'_>) -> Vec<(String, Exclusion)> {
    let left = match planned_for(config, "m", world, requirements) {
        Ok(plan) => plan.excluded,
        Err(Refusal::NoneMayServe { excluded, .. }) => excluded,
        Err(Refusal::UnknownModel) => Vec::new(),
    };
    left.into_iter().map(|it| (config.deployments[it.deployment].id.clone(), it.why)).collect()
}

/// How often each deployment came first in 4,000 plans of the group `m`.
pub fn firsts(config: &RouterConfig, world: &World<'_>, requirements: Requirements<'_>) -> BTreeMap<String, u64> {
    let firsts = with(config, "m", world, requirements, |inputs| explain::firsts(config, inputs, 4000));
    firsts.into_iter().map(|(index, times)| (config.deployments[index].id.clone(), times)).collect()
}

/// Whether the deployments `d0`, `d1`, ... came first about so often.
#[track_caller]
pub fn assert_spread(found: &BTreeMap<String, u64>, wanted: &[u64]) {
    for (number, wanted) in wanted.iter().enumerate() {
        let times = found.get(&format!("d{number}")).copied().unwrap_or_default();
        let off = if *wanted == 0 || *wanted == 4000 { 0 } else { 150 };
        assert!(times.abs_diff(*wanted) <= off, "d{number}: {times} instead of {wanted} in {found:?}");
    }
}
