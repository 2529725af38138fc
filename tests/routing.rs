//! Routing from the configuration's text: resolution, levels, shuffle, cooldown, chains, and the failover table row by row.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fmt::Write;

use signalbox::chat::{Failure, FailureClass};
use signalbox::config::model::RouterConfig;
use signalbox::config::{compile, yaml};
use signalbox::routing::failover::{MAX_RETRIES, Next, SHORT_WAIT_MS, next};
use signalbox::routing::strategy::Random;
use signalbox::routing::{Candidate, Inputs, Place, Plan, Refusal, Stage, plan};

const NOW: u64 = 1_000_000;

fn config(text: &str) -> RouterConfig {
    let tree = yaml::read(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    compile::compile(&tree, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes:?}")).config
}

/// Groups of one deployment each, whose id is the group's name with `-1`, and more settings.
fn groups(names: &[&str], more: &str) -> RouterConfig {
    let list = names.iter().fold(String::new(), |mut list, name| {
        writeln!(list, "- {{model_name: '{name}', litellm_params: {{model: 'openai/served-{name}'}}}}").unwrap();
        list
    });
    config(&format!("model_list:\n{list}{more}"))
}

/// One group `m` of deployments with these parameters.
fn one_group(deployments: &[&str]) -> RouterConfig {
    let list = deployments.iter().enumerate().fold(String::new(), |mut list, (n, params)| {
        let params = format!("{{model: openai/x, api_base: 'http://h{n}'{params}}}");
        writeln!(list, "- {{model_name: m, litellm_params: {params}, model_info: {{id: d{n}}}}}").unwrap();
        list
    });
    config(&format!("model_list:\n{list}"))
}

/// What is cooling until when, and what may not serve, by deployment id.
#[derive(Default)]
struct World<'a> {
    cooling: &'a [(&'a str, u64)],
    excluded: &'a [&'a str],
    num_retries: Option<u32>,
    disable_fallbacks: bool,
    seed: u64,
}

fn planned(config: &RouterConfig, model: &str, world: &World<'_>) -> Result<Plan, Refusal> {
    let id = |index: usize| config.deployments[index].id.as_str();
    let inputs = Inputs {
        model,
        num_retries: world.num_retries,
        disable_fallbacks: world.disable_fallbacks,
        may_serve: &|index| !world.excluded.contains(&id(index)),
        cooling_until_ms: &|index| {
            world.cooling.iter().find(|(name, _)| *name == id(index)).map_or(0, |(_, until)| *until)
        },
        now_ms: NOW,
        seed: world.seed,
    };
    plan(config, &inputs)
}

/// A plan as text: stages of deployments, with the model where it is not the deployment's own.
fn told(config: &RouterConfig, plan: &Plan) -> String {
    let candidate = |it: &Candidate| {
        let model = it.model.as_ref().map(|model| format!("({model})")).unwrap_or_default();
        config.deployments[it.deployment].id.clone() + &model
    };
    let stage = |it: &Stage| it.candidates.iter().map(candidate).collect::<Vec<_>>().join(" ");
    plan.stages.iter().map(stage).collect::<Vec<_>>().join(" | ")
}

fn text(config: &RouterConfig, model: &str, world: &World<'_>) -> String {
    planned(config, model, world).map_or_else(|refusal| format!("{refusal:?}"), |plan| told(config, &plan))
}

#[test]
fn a_name_is_an_id_then_an_alias_then_a_group_then_a_pattern() {
    let config = config(
        "model_list:
- {model_name: fast, litellm_params: {model: openai/a}, model_info: {id: alias}}
- {model_name: fast, litellm_params: {model: openai/b}, model_info: {id: two}}
- {model_name: slow, litellm_params: {model: openai/c}, model_info: {id: three}}
- {model_name: two-words, litellm_params: {model: openai/d}, model_info: {id: four}}
- {model_name: 'openai/*', litellm_params: {model: 'openai/*'}, model_info: {id: stars}}
- {model_name: 'openai/gpt-*', litellm_params: {model: 'openai/new-*'}, model_info: {id: gpt}}
- {model_name: 'openai/*-mini', litellm_params: {model: 'openai/*'}, model_info: {id: mini}}
router_settings: {model_group_alias: {quick: slow, two-words: fast}}",
    );
    let at = |name: &str| text(&config, name, &World::default());
    assert_eq!(at("two"), "two", "an id is that deployment alone");
    assert_eq!(at("alias"), "alias");
    assert_eq!(at("quick"), "three");
    assert!(["alias two", "two alias"].contains(&at("two-words").as_str()), "an alias wins over a group of its name");
    assert_eq!(at("slow"), "three");
    assert_eq!(at("openai/x"), "stars(x)");
    assert_eq!(at("openai/gpt-4"), "gpt(new-4)", "the longer pattern is the more specific one");
    assert_eq!(at("openai/x-mini"), "mini(x)");
    assert_eq!(at("c"), "three", "a provider's own model name");
    assert_eq!(at("unknown"), "UnknownModel");
    assert_eq!(at(""), "UnknownModel");
}

#[test]
fn the_catch_all_and_the_default_fallback_come_last() {
    let all = groups(&["a", "*"], "");
    assert_eq!(text(&all, "a", &World::default()), "a-1");
    assert!(text(&all, "anything at all", &World::default()).ends_with("(served-anything at all)"));
    assert!(text(&all, "served-a", &World::default()).starts_with(&all.deployments[1].id), "before a model's own name");
    let default = groups(&["a", "b"], "router_settings: {default_fallbacks: [b]}");
    assert_eq!(text(&default, "unknown", &World::default()), "b-1");
    assert_eq!(text(&default, "served-a", &World::default()), "a-1 | b-1");
}

#[test]
fn levels_of_order_follow_each_other() {
    let config = one_group(&[", order: 2", ", order: 1", "", ", order: 2", ", order: -1"]);
    let plan = text(&config, "m", &World::default());
    assert!(["d4 | d1 | d0 d3", "d4 | d1 | d3 d0"].contains(&plan.as_str()), "{plan}");
    let plan = text(&config, "m", &World { excluded: &["d4", "d1", "d0", "d3"], ..World::default() });
    assert_eq!(plan, "d2", "with no order left among those that may serve, none counts");
}

/// How often each deployment came first in 4,000 plans.
fn firsts(config: &RouterConfig) -> BTreeMap<String, u32> {
    let mut firsts = BTreeMap::new();
    for seed in 0..4000 {
        let plan = planned(config, "m", &World { seed, ..World::default() }).unwrap();
        assert_eq!(plan.stages[0].candidates.len(), config.deployments.len(), "the shuffle removes nobody");
        *firsts.entry(config.deployments[plan.stages[0].candidates[0].deployment].id.clone()).or_default() += 1;
    }
    firsts
}

fn near(found: Option<&u32>, wanted: u32) -> bool {
    found.copied().unwrap_or_default().abs_diff(wanted) < 150
}

#[test]
fn the_shuffle_spreads_by_weight_then_rpm_then_tpm_then_evenly() {
    let spread = firsts(&one_group(&[", weight: 3", ", weight: 1", ""]));
    assert!(near(spread.get("d0"), 3000) && near(spread.get("d1"), 1000) && !spread.contains_key("d2"), "{spread:?}");
    let spread = firsts(&one_group(&[", rpm: 10", ", rpm: 30", ", tpm: 1000000"]));
    assert!(near(spread.get("d0"), 1000) && near(spread.get("d1"), 3000) && !spread.contains_key("d2"), "{spread:?}");
    let spread = firsts(&one_group(&[", tpm: 3000", ", tpm: 1000"]));
    assert!(near(spread.get("d0"), 3000) && near(spread.get("d1"), 1000), "{spread:?}");
    for even in [["", ""], [", weight: 0", ", weight: 0"]] {
        let spread = firsts(&one_group(&even));
        assert!(near(spread.get("d0"), 2000) && near(spread.get("d1"), 2000), "{spread:?}");
    }
}

#[test]
fn a_seed_gives_one_plan() {
    let config = one_group(&["", "", "", "", ""]);
    let at = |seed| text(&config, "m", &World { seed, ..World::default() });
    assert_eq!(at(7), at(7));
    assert!((0..50).any(|seed| at(seed) != at(7)));
}

#[test]
fn what_is_cooling_is_spared_while_anything_else_is_left() {
    let config = one_group(&["", "", ""]);
    let cool = |cooling| text(&config, "m", &World { cooling, ..World::default() });
    assert_eq!(cool(&[("d0", NOW + 1), ("d2", NOW + 9)]), "d1");
    assert!(cool(&[("d0", NOW), ("d1", NOW - 1)]).contains("d0"), "what was cooling until now is not cooling any more");
    assert_eq!(cool(&[("d0", NOW + 30), ("d1", NOW + 10), ("d2", NOW + 20)]), "d1", "the one that is done soonest");
    let chained = groups(&["a", "b"], "router_settings: {fallbacks: [{a: [b]}]}");
    let cool = |cooling| text(&chained, "a", &World { cooling, ..World::default() });
    assert_eq!(cool(&[("a-1", NOW + 1)]), "b-1");
    assert_eq!(cool(&[("b-1", NOW + 1)]), "a-1");
    assert_eq!(cool(&[("a-1", NOW + 99), ("b-1", NOW + 1)]), "a-1", "the asked group's own rather than nothing");
}

#[test]
fn what_may_not_serve_is_never_planned() {
    let config = groups(&["a", "b"], "router_settings: {fallbacks: [{a: [b]}]}");
    let without = |excluded| text(&config, "a", &World { excluded, ..World::default() });
    assert_eq!(without(&["a-1"]), "b-1");
    assert_eq!(without(&["a-1", "b-1"]), "NoneMayServe(0)");
    let cooling = &[("a-1", NOW + 1), ("b-1", NOW + 1)];
    let world = World { cooling, excluded: &["a-1"], ..World::default() };
    assert_eq!(text(&config, "a", &world), "b-1", "not even when all are cooling");
}

#[test]
fn fallbacks_are_followed_in_depth_and_no_group_twice() {
    let chains = "fallbacks: [{a: [b, c]}, {b: [d]}, {d: [a, c]}, {c: [e]}]";
    let config = groups(&["a", "b", "c", "d", "e"], &format!("router_settings: {{{chains}}}"));
    assert_eq!(text(&config, "a", &World::default()), "a-1 | b-1 | d-1 | c-1 | e-1");
    assert_eq!(text(&config, "e", &World::default()), "e-1");
    assert_eq!(text(&config, "a", &World { disable_fallbacks: true, ..World::default() }), "a-1");
    assert_eq!(text(&config, "a-1", &World::default()), "a-1 | b-1 | d-1 | c-1 | e-1", "an id falls back as its group");
    for (limit, plan) in [(0, "a-1"), (1, "a-1 | b-1 | c-1"), (2, "a-1 | b-1 | d-1 | c-1 | e-1")] {
        let settings = format!("router_settings: {{{chains}, max_fallbacks: {limit}}}");
        assert_eq!(text(&groups(&["a", "b", "c", "d", "e"], &settings), "a", &World::default()), plan, "{limit}");
    }
    let default = groups(&["a", "b", "c"], "router_settings: {fallbacks: [{a: [b]}], default_fallbacks: [c]}");
    assert_eq!(text(&default, "a", &World::default()), "a-1 | b-1 | c-1", "b has no fallback of its own");
    assert_eq!(text(&default, "c", &World::default()), "c-1");
}

#[test]
fn retries_are_the_requests_then_the_deployments_then_the_routers() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: openai/x, num_retries: 4}}
- {model_name: b, litellm_params: {model: openai/x}}
router_settings: {num_retries: 1, fallbacks: [{a: [b]}]}";
    let config = config(text);
    let retries = |num_retries| {
        let plan = planned(&config, "a", &World { num_retries, ..World::default() }).unwrap();
        plan.stages.iter().map(|stage| stage.retries).collect::<Vec<_>>()
    };
    assert_eq!(retries(None), [4, 1]);
    assert_eq!(retries(Some(0)), [0, 0]);
    assert_eq!(retries(Some(7)), [7, 7]);
}

// --- The failover table -----------------------------------------------------------------------------------------------------

const CLASSES: [FailureClass; 14] = [
    FailureClass::Connect,
    FailureClass::Reset,
    FailureClass::Timeout,
    FailureClass::FirstToken,
    FailureClass::RateLimit,
    FailureClass::Quota,
    FailureClass::Overloaded,
    FailureClass::Upstream,
    FailureClass::Auth,
    FailureClass::Permission,
    FailureClass::NotFound,
    FailureClass::ContextWindow,
    FailureClass::ContentPolicy,
    FailureClass::BadRequest,
];

fn failure(class: FailureClass, retry_after_ms: Option<u64>) -> Failure {
    Failure { retry_after_ms, ..Failure::local(class, "") }
}

/// A plan of stages with so many candidates, each stage a group of its own.
fn stages(sizes: &[usize], retries: u32) -> Plan {
    let candidate = |deployment| Candidate { deployment, model: None };
    let stage = |(group, &size)| Stage { group, candidates: (0..size).map(candidate).collect(), retries };
    Plan { asked: 0, stages: sizes.iter().enumerate().map(stage).collect() }
}

/// The places that are tried when every attempt fails like this, as `stage.candidate`, and `+` where one waits first.
fn course(plan: &Plan, class: FailureClass, retry_after_ms: Option<u64>) -> String {
    let mut tried = vec![Place { stage: 0, candidate: 0 }];
    let mut text = "0.0".to_owned();
    while let Next::Try(place, wait_ms) = next(plan, &tried, &failure(class, retry_after_ms), false, 1) {
        write!(text, " {}{}.{}", if wait_ms > 0 { "+" } else { "" }, place.stage, place.candidate).unwrap();
        tried.push(place);
    }
    text
}

/// Each class: alone, two of a group, with a fallback group, each with two retries; and with no retries and a fallback.
const TABLE: [(FailureClass, [&str; 4]); 14] = {
    use FailureClass as C;
    [
        (C::Connect, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Reset, ["0.0 0.0 +0.0", "0.0 0.1 +0.0", "0.0 0.0 1.0 1.0 +1.0", "0.0 1.0"]),
        (C::Timeout, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::FirstToken, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::RateLimit, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Quota, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::Overloaded, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Upstream, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 +0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Auth, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::Permission, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::NotFound, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::ContextWindow, ["0.0", "0.0", "0.0 1.0", "0.0 1.0"]),
        (C::ContentPolicy, ["0.0", "0.0", "0.0", "0.0"]),
        (C::BadRequest, ["0.0", "0.0", "0.0", "0.0"]),
    ]
};

#[test]
fn every_row_of_the_failover_table() {
    let plans = [stages(&[1], 2), stages(&[2], 2), stages(&[1, 1], 2), stages(&[1, 1], 0)];
    for (class, courses) in TABLE {
        for (plan, wanted) in plans.iter().zip(courses) {
            assert_eq!(course(plan, class, None), wanted, "{} in {} stages", class.as_str(), plan.stages.len());
        }
    }
    assert_eq!(TABLE.map(|(class, _)| class), CLASSES);
}

#[test]
fn a_short_wait_is_waited_out_and_a_long_one_is_the_clients() {
    let lone = stages(&[1], 2);
    for class in [FailureClass::RateLimit, FailureClass::Overloaded] {
        assert_eq!(course(&lone, class, Some(SHORT_WAIT_MS)), "0.0 +0.0 +0.0");
        assert_eq!(course(&lone, class, Some(SHORT_WAIT_MS + 1)), "0.0");
        assert_eq!(course(&stages(&[2], 2), class, Some(60_000)), "0.0 0.1", "another has nothing to do with the wait");
        assert_eq!(course(&stages(&[1, 1], 2), class, Some(60_000)), "0.0 1.0");
        assert_eq!(course(&stages(&[1, 1], 2), class, Some(1_000)), "0.0 +0.0 +0.0 1.0 +1.0 +1.0");
    }
    assert_eq!(course(&lone, FailureClass::Upstream, Some(60_000)), "0.0", "a 500 may ask for a wait as well");
    assert_eq!(course(&stages(&[1, 1], 2), FailureClass::Upstream, Some(60_000)), "0.0 1.0");
    let tried = [Place { stage: 0, candidate: 0 }];
    let Next::Try(_, wait_ms) = next(&lone, &tried, &failure(FailureClass::RateLimit, Some(2_000)), false, 0) else {
        panic!()
    };
    assert_eq!(wait_ms, 2_000);
}

#[test]
fn waits_double_up_to_eight_seconds() {
    let plan = stages(&[1], 9);
    let mut tried = vec![Place { stage: 0, candidate: 0 }];
    let mut waits = Vec::new();
    while let Next::Try(place, wait_ms) = next(&plan, &tried, &failure(FailureClass::Upstream, None), false, 0) {
        waits.push(wait_ms);
        tried.push(place);
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000]);
    let jittered = next(&plan, &tried[..1], &failure(FailureClass::Upstream, None), false, u64::MAX);
    let Next::Try(_, wait_ms) = jittered else { panic!() };
    assert!((500..1250).contains(&wait_ms), "{wait_ms}");
}

#[test]
fn a_prompt_too_long_for_one_level_skips_the_groups_next_level() {
    let mut plan = stages(&[1, 1, 1], 2);
    plan.stages[1].group = 0;
    assert_eq!(course(&plan, FailureClass::ContextWindow, None), "0.0 2.0");
    assert_eq!(course(&plan, FailureClass::Auth, None), "0.0 1.0 2.0");
}

#[test]
fn a_bad_request_falls_back_where_it_is_wanted() {
    let plan = stages(&[2, 1], 2);
    let tried = [Place { stage: 0, candidate: 0 }];
    let bad = failure(FailureClass::BadRequest, None);
    assert_eq!(next(&plan, &tried, &bad, true, 0), Next::Try(Place { stage: 1, candidate: 0 }, 0));
    assert_eq!(next(&plan, &tried, &bad, false, 0), Next::GiveUp);
}

#[test]
fn whatever_fails_the_attempts_end_and_stay_within_the_plan() {
    let mut random = Random::new(0x51_6E_A1);
    let mut below = |bound: u64| random.next() % bound;
    let mut longest = 0;
    for _ in 0..20_000 {
        let sizes: Vec<usize> = (0..=below(5)).map(|_| usize::try_from(below(6) + 1).unwrap()).collect();
        let mut plan = stages(&sizes, 0);
        for stage in &mut plan.stages {
            stage.group = usize::try_from(below(3)).unwrap();
            stage.retries = u32::try_from(below(20)).unwrap();
        }
        let mut tried = vec![Place { stage: 0, candidate: 0 }];
        loop {
            let class = CLASSES[usize::try_from(below(14)).unwrap()];
            let wait = [None, Some(below(20_000))][usize::from(below(2) == 0)];
            match next(&plan, &tried, &failure(class, wait), below(2) == 0, below(u64::MAX)) {
                Next::GiveUp => break,
                Next::Try(place, wait_ms) => {
                    assert!(plan.candidate(place).is_some(), "{place:?} is not in {plan:?}");
                    assert!(place.stage >= tried.last().unwrap().stage, "never back to a group that was left");
                    assert!(wait_ms <= 8_000 + 750, "{wait_ms}");
                    tried.push(place);
                }
            }
            assert!(tried.len() <= MAX_RETRIES + 1, "{tried:?}");
        }
        longest = longest.max(tried.len());
    }
    assert_eq!(longest, MAX_RETRIES + 1, "the bound was reached, so it was tested");
    let plan = stages(&[1], 2);
    let nowhere = Place { stage: 7, candidate: 7 };
    for tried in [vec![], vec![nowhere], vec![Place { stage: 0, candidate: 9 }]] {
        let next = next(&plan, &tried, &failure(FailureClass::Upstream, None), true, 0);
        assert!(matches!(next, Next::GiveUp | Next::Try(Place { stage: 0, candidate: 0 | 9 }, _)), "{next:?}");
    }
}
