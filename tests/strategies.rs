//! The strategies: how often each deployment comes first, and that none is lost on the way.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use planning::{NOW, World, assert_spread, at, firsts, in_flight, one_group, planned, planned_for, samples, used};
use signalbox::catalogue::{Listed, Usd};
use signalbox::config::model::strategy::{self, STRATEGIES};
use signalbox::config::model::{Affinity, RouterConfig, Strategy, StrategyArgs};
use signalbox::routing::strategy::{Random, RankReason};
use signalbox::routing::{Claim, PlanInputs, Requirements, plan};
use signalbox::state::{DeploymentView, Health, Samples};

fn by(strategy: &'static Strategy, deployments: &[&str]) -> RouterConfig {
    let mut config = one_group(deployments);
    config.groups[0].strategy = strategy;
    config
}

#[track_caller]
fn assert_firsts(config: &RouterConfig, seen: &[(&str, DeploymentView)], wanted: &[u64]) {
    assert_spread(&firsts(config, &World { views: seen, ..World::default() }, Requirements::default()), wanted);
}

/// The ids in the order of one plan.
fn order(config: &RouterConfig, seen: &[(&str, DeploymentView)]) -> Vec<String> {
    let plan = planned(config, "m", &World { views: seen, ..World::default() }).unwrap();
    plan.candidates().map(|it| config.deployments[it.deployment].id.clone()).collect()
}

#[test]
fn the_shuffle_spreads_by_weight_then_rpm_then_tpm_then_evenly() {
    assert_firsts(&one_group(&[", weight: 3", ", weight: 1", ""]), &[], &[3000, 1000, 0]);
    assert_firsts(&one_group(&[", weight: 1", ", rpm: 900"]), &[], &[4000, 0]);
    assert_firsts(&one_group(&[", rpm: 10", ", rpm: 30", ", tpm: 1000000"]), &[], &[1000, 3000, 0]);
    assert_firsts(&one_group(&[", tpm: 3000", ", tpm: 1000"]), &[], &[3000, 1000]);
    for even in [["", ""], [", weight: 0", ", weight: 0"]] {
        assert_firsts(&one_group(&even), &[], &[2000, 2000]);
    }
    let plan = planned(&one_group(&[", weight: 3", ", weight: 1", ""]), "m", &World::default()).unwrap();
    let shares: Vec<(usize, RankReason)> = plan.candidates().map(|it| (it.deployment, it.reason)).collect();
    for (deployment, share) in [(0, 0.75), (1, 0.25), (2, 0.0)] {
        assert!(shares.contains(&(deployment, RankReason::Share(share))), "{shares:?}");
    }
    assert_eq!(shares[2].0, 2, "one that weighs nothing comes last, and is not lost");
}

#[test]
fn the_least_busy_comes_first_and_equals_take_turns() {
    let config = by(&strategy::LEAST_BUSY, &["", "", ""]);
    assert_firsts(&config, &[], &[1333, 1333, 1333]);
    assert_firsts(&config, &[("d0", in_flight(2))], &[0, 2000, 2000]);
    let busy = [("d0", in_flight(9)), ("d1", in_flight(1)), ("d2", in_flight(5))];
    assert_eq!(order(&config, &busy), ["d1", "d2", "d0"]);
}

#[test]
fn the_fewest_tokens_come_first_and_only_those_of_this_minute() {
    let config = by(&strategy::USAGE_BASED, &["", "", ""]);
    assert_firsts(&config, &[], &[1333, 1333, 1333]);
    assert_eq!(order(&config, &[("d0", used(1, 500)), ("d1", used(9, 100)), ("d2", used(1, 300))]), ["d1", "d2", "d0"]);
    let over = DeploymentView { tokens: 900, minute_ends_ms: NOW, ..DeploymentView::default() };
    assert_firsts(&config, &[("d0", over), ("d1", used(1, 1)), ("d2", used(1, 1))], &[4000, 0, 0]);
}

/// A price in pico-dollars for a prompt token and one of the answer.
fn price(config: &mut RouterConfig, id: &str, input: u64, output: u64) {
    let usd = |pico| Some(Usd::from_pico(pico));
    at(config, id).facts.price = Listed { input: usd(input), output: usd(output), ..Listed::default() }.price();
}

#[test]
fn the_cheapest_comes_first_and_who_has_no_price_last() {
    let mut config = by(&strategy::COST_BASED, &["", "", "", ""]);
    assert_firsts(&config, &[], &[1000, 1000, 1000, 1000]);
    price(&mut config, "d1", 100, 900);
    price(&mut config, "d2", 600, 300);
    assert_eq!(order(&config, &[])[..2], ["d2", "d1"]);
    price(&mut config, "d3", 500, 400);
    assert_firsts(&config, &[], &[0, 0, 2000, 2000]);
    price(&mut config, "d0", 0, 0);
    assert_firsts(&config, &[], &[4000, 0, 0, 0]);
}

fn slow(seconds: &[f32]) -> DeploymentView {
    DeploymentView { latency: samples(seconds), ..DeploymentView::default() }
}

#[test]
fn the_fastest_comes_first_within_a_buffer_and_the_unmeasured_before_it() {
    let mut config = by(&strategy::LATENCY_BASED, &["", "", ""]);
    assert_firsts(&config, &[], &[1333, 1333, 1333]);
    let measured = [("d0", slow(&[0.2, 0.4])), ("d1", slow(&[0.2])), ("d2", slow(&[0.25]))];
    assert_firsts(&config, &measured, &[0, 4000, 0]);
    assert_eq!(order(&config, &measured), ["d1", "d2", "d0"], "the next fastest is tried next");
    assert_firsts(&config, &measured[..2], &[0, 0, 4000]);
    config.groups[0].strategy_args.buffer = 0.3;
    assert_firsts(&config, &measured, &[0, 2000, 2000]);
    config.groups[0].strategy_args = StrategyArgs { samples: 1, ..StrategyArgs::default() };
    assert_firsts(&config, &[("d0", slow(&[9.0, 0.1])), measured[1], measured[2]], &[4000, 0, 0]);
}

#[test]
fn samples_grow_old_and_streams_go_by_their_first_token() {
    let mut config = by(&strategy::LATENCY_BASED, &["", ""]);
    config.groups[0].strategy_args.ttl_ms = 5_000;
    let mut old = Samples::default();
    old.push(0.1, NOW - 5_000);
    let old = DeploymentView { latency: old, ..DeploymentView::default() };
    assert_firsts(&config, &[("d0", old), ("d1", slow(&[0.01]))], &[4000, 0]);

    let both = |latency: f32, first: &[f32]| DeploymentView { first_token: samples(first), ..slow(&[latency]) };
    let seen = [("d0", both(0.01, &[1.0, 1.0, 9.0])), ("d1", both(0.05, &[2.0]))];
    assert_firsts(&config, &seen, &[4000, 0]);
    let stream = || Requirements { stream: true, ..Requirements::default() };
    let world = World { views: &seen, ..World::default() };
    assert_spread(&firsts(&config, &world, stream()), &[0, 4000]);
    config.groups[0].strategy_args.ttft_percentile = Some(0.5);
    assert_spread(&firsts(&config, &world, stream()), &[4000, 0]);
    let reason = planned_for(&config, "m", &world, stream()).unwrap().stages[0].candidates[0].reason;
    assert_eq!(reason, RankReason::FirstToken(1.0));
}

#[test]
fn a_winner_with_a_crowd_before_it_waits_and_so_does_one_without_samples() {
    let config = by(&strategy::LATENCY_BASED, &["", ""]);
    let with = |count, seconds: &[f32]| DeploymentView { in_flight: count, ..slow(seconds) };
    // Ten requests more weigh as much as being twice as slow.
    assert_firsts(&config, &[("d0", with(9, &[0.1])), ("d1", with(0, &[0.2]))], &[4000, 0]);
    assert_firsts(&config, &[("d0", with(11, &[0.1])), ("d1", with(0, &[0.2]))], &[0, 4000]);
    assert_firsts(&config, &[("d0", with(51, &[0.1])), ("d1", with(50, &[0.2]))], &[4000, 0]);
    // The first request to a new deployment goes out at once, a burst does not follow it.
    assert_firsts(&config, &[("d0", in_flight(1)), ("d1", slow(&[0.2]))], &[0, 4000]);
    // In the circle of those as good as the best, the less busy of two is taken.
    let mut config = by(&strategy::LATENCY_BASED, &["", ""]);
    config.groups[0].strategy_args.buffer = 5.0;
    assert_firsts(&config, &[("d0", with(3, &[0.1])), ("d1", with(0, &[0.1]))], &[1000, 3000]);
}

#[test]
fn order_stands_above_every_strategy() {
    for strategy in STRATEGIES {
        let mut config = by(strategy, &[", order: 2", ", order: 1", ", order: 2"]);
        price(&mut config, "d0", 1, 1);
        let found = order(&config, &[("d1", DeploymentView { latency: samples(&[9.0]), ..used(99, 99) })]);
        assert_eq!(found[0], "d1", "{strategy:?}");
        config.groups[0].priorities = vec![(2, 0), (0, 5)];
        assert_eq!(order(&config, &[]), ["d2", "d1", "d0"], "a group's own priorities stand above the deployments'");
    }
}

#[test]
fn a_prefix_has_a_home_by_weight_and_it_yields() {
    let mut config = one_group(&[", weight: 3", ", weight: 1"]);
    let with = |prefix| Requirements { affinity: Some(prefix), ..Requirements::default() };
    let home = |config: &RouterConfig, prefix, seen: &[(&str, DeploymentView)], seed| {
        let world = World { views: seen, seed, ..World::default() };
        planned_for(config, "m", &world, with(prefix)).unwrap().stages[0].candidates[0].deployment
    };
    assert!((0..50).any(|seed| home(&config, 7, &[], seed) != home(&config, 7, &[], 0)), "only where it is wanted");
    config.signalbox.affinity = Some(Affinity { min_prefix_tokens: 1024, tenant_header: None });
    let homes: Vec<usize> = (0..4000).map(|prefix| home(&config, prefix, &[], 0)).collect();
    assert!(homes.iter().filter(|home| **home == 0).count().abs_diff(3000) < 150);
    for (prefix, at_home) in (0..50).zip(homes) {
        assert!((0..20).all(|seed| home(&config, prefix, &[], seed) == at_home), "chance does not move it");
        let cooling = planning::cooling(NOW + 1);
        assert_ne!(
            home(&config, prefix, &[([["d0"], ["d1"]][at_home][0], cooling)], 0),
            at_home,
            "it yields to health"
        );
    }
    config.groups[0].priorities = vec![(0, 1), (1, 2)];
    assert!((0..50).all(|prefix| home(&config, prefix, &[], 0) == 0), "and to order");
}

#[test]
fn whatever_is_seen_a_plan_has_everybody_once_or_says_why_not() {
    let mut random = Random::new(0x5EED);
    let mut below = |bound: u64| random.next() % bound;
    let (mut plans, mut refusals) = (0, 0);
    let configs: Vec<RouterConfig> = (1..=5).map(|count| one_group(&vec![""; count])).collect();
    for round in 0..6000u64 {
        let count = usize::try_from(below(5) + 1).unwrap();
        let mut config = configs[count - 1].clone();
        config.groups[0].strategy = STRATEGIES[usize::try_from(below(5)).unwrap()];
        let mut seen = Vec::new();
        for deployment in &mut config.deployments {
            let maybe = |value: u64, chance: u64| (chance == 0).then_some(value);
            deployment.weight = maybe(below(4), below(2)).map(|weight| weight as f64);
            deployment.rpm = maybe(below(4), below(3));
            deployment.tpm = maybe(below(400), below(4));
            deployment.max_parallel = maybe(below(4), below(4)).map(|most| u32::try_from(most).unwrap());
            deployment.order = maybe(below(2), below(4)).map(|order| i64::try_from(order).unwrap());
            deployment.blocked = below(9) == 0;
            let wild = [0.0, f32::MIN_POSITIVE, 1e30, f32::MAX, 0.5];
            let around = |offset: u64| [0, NOW - 1, NOW, NOW + offset, u64::MAX][usize::try_from(offset % 5).unwrap()];
            let health = match below(5) {
                0 => Health::Cooling { until_ms: around(below(99)) },
                1 => Health::HalfOpen { probed_until_ms: around(below(99)) },
                _ => Health::Healthy,
            };
            seen.push(DeploymentView {
                health,
                in_flight: [0, 1, 3, u32::MAX][usize::try_from(below(4)).unwrap()],
                requests: u32::try_from(below(5)).unwrap(),
                tokens: [0, 100, u64::MAX][usize::try_from(below(3)).unwrap()],
                minute_ends_ms: around(below(99)),
                full_until_ms: if below(6) == 0 { around(below(99)) } else { 0 },
                over_budget_until_ms: if below(9) == 0 { around(below(99)) } else { 0 },
                latency: samples(&[wild[usize::try_from(below(5)).unwrap()]]),
                ..DeploymentView::default()
            });
        }
        let grants = below(2) == 0;
        let inputs = PlanInputs {
            model: "m",
            routed: None,
            num_retries: None,
            disable_fallbacks: false,
            fallbacks: &[],
            requirements: Requirements::default(),
            may_serve: &|_| true,
            views: &seen,
            claim: &|_| if grants { Claim::Granted } else { Claim::Refused { until_ms: NOW + 7 } },
            now_ms: NOW,
            seed: round,
        };
        match plan(&config, &inputs) {
            Ok(plan) => {
                plans += 1;
                assert!(plan.stages.iter().all(|stage| !stage.candidates.is_empty()) && !plan.stages.is_empty());
                let mut all: Vec<usize> = plan.candidates().map(|it| it.deployment).collect();
                all.sort_unstable();
                assert!(all.windows(2).all(|two| two[0] != two[1]), "nobody twice: {all:?}");
                let missing = (0..count).filter(|index| !all.contains(index));
                for index in missing {
                    assert!(plan.excluded.iter().any(|left| left.deployment == index), "{index} is lost: {plan:?}");
                }
            }
            Err(_) => refusals += 1,
        }
    }
    assert!(plans > 1000 && refusals > 300, "both were tried: {plans} {refusals}");
}
