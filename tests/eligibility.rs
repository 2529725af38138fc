//! Which deployments may not serve, and the answer to a client where none may.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use planning::{
    NOW, World, at, config, cooling, excluded, groups, half_open, in_flight, one_group, text, text_for, used,
};
use signalbox::catalogue::Capability;
use signalbox::config::model::RouterConfig;
use signalbox::config::model::strategy;
use signalbox::routing::estimate::Prompt;
use signalbox::routing::{Exclusion, LazyFlag, Need, Requirements};
use signalbox::state::DeploymentView;
use signalbox::state::Limit;

fn reasons(
    config: &RouterConfig,
    seen: &[(&str, DeploymentView)],
    requirements: Requirements<'_>,
) -> Vec<(String, Exclusion)> {
    excluded(config, &World { views: seen, ..World::default() }, requirements)
}

fn d(number: u32, why: Exclusion) -> (String, Exclusion) {
    (format!("d{number}"), why)
}

#[test]
fn a_model_that_is_known_to_lack_what_is_asked_is_left_out() {
    type Asking = fn() -> Requirements<'static>;
    let asks: [(Asking, Capability, Need); 5] = [
        (
            || Requirements { images: LazyFlag::Known(true), ..Requirements::default() },
            Capability::Vision,
            Need::Images,
        ),
        (|| Requirements { audio: LazyFlag::Known(true), ..Requirements::default() }, Capability::Audio, Need::Audio),
        (|| Requirements { files: LazyFlag::Known(true), ..Requirements::default() }, Capability::Pdf, Need::Files),
        (|| Requirements { tools: true, ..Requirements::default() }, Capability::Tools, Need::Tools),
        (|| Requirements { json_schema: true, ..Requirements::default() }, Capability::JsonSchema, Need::JsonSchema),
    ];
    for (ask, capability, need) in asks {
        let mut config = one_group(&["", ""]);
        assert_eq!(reasons(&config, &[], ask()), [], "unknown is not no");
        at(&mut config, "d0").facts.capabilities = config.deployments[0].facts.capabilities.with(capability, false);
        assert_eq!(reasons(&config, &[], ask()), [d(0, Exclusion::Lacks(need))]);
        assert_eq!(reasons(&config, &[], Requirements::default()), []);
    }
}

/// K62: what a provider said of its model is believed for a while, and nobody else left means that it is asked all the same.
#[test]
fn k62_what_a_provider_said_to_lack_waits_behind_the_others() {
    let config = one_group(&["", ""]);
    let said = |lacks_until_ms| DeploymentView { lacks_until_ms, ..DeploymentView::default() };
    let tools = || Requirements { tools: true, ..Requirements::default() };
    let images = || Requirements { images: LazyFlag::Known(true), ..Requirements::default() };
    let left = |need| d(0, Exclusion::SaidToLack { need, until_ms: NOW + 9 });
    let (no_tools, no_images) = ([("d0", said([NOW + 9, 0]))], [("d0", said([0, NOW + 9]))]);
    assert_eq!(reasons(&config, &no_tools, tools()), [left(Need::Tools)]);
    assert_eq!(reasons(&config, &no_images, images()), [left(Need::Images)]);
    for (seen, asks) in [(&no_tools, images()), (&no_images, tools()), (&no_tools, Requirements::default())] {
        assert_eq!(reasons(&config, seen, asks), []);
    }
    assert_eq!(reasons(&config, &[("d0", said([NOW, NOW]))], tools()), [], "a while is over");
    assert!(Exclusion::SaidToLack { need: Need::Tools, until_ms: NOW }.is_soft());
}

#[test]
fn a_prompt_is_held_against_the_window_with_a_margin() {
    let mut config = one_group(&["", ""]);
    at(&mut config, "d0").facts.limits.max_input_tokens = Some(1000);
    let of = |config: &RouterConfig, bytes: usize| {
        let body = "some text ".repeat(bytes / 10);
        reasons(config, &[], Requirements { prompt: Prompt::of(body.as_bytes()), ..Requirements::default() })
    };
    assert_eq!(of(&config, 8_000), [], "2,000 tokens probably, 500 surely: the provider may say");
    let why = Exclusion::ContextWindow { estimate: 1250, limit: 1000 };
    assert_eq!(of(&config, 20_000), [d(0, why)]);
    config.router.pre_call_checks = true;
    let why = Exclusion::ContextWindow { estimate: 2000, limit: 1000 };
    assert_eq!(of(&config, 8_000), [d(0, why)]);
    assert_eq!(of(&config, 4_400), [], "a tenth more is within the estimate's error");
}

#[test]
fn tags_follow_litellms_rules() {
    let mut config = one_group(&["", "", ""]);
    let chosen = |config: &RouterConfig, tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        let mut ids: Vec<String> =
            text_for(config, "m", &World::default(), Requirements { tags: &tags, ..Requirements::default() })
                .split(' ')
                .map(str::to_owned)
                .collect();
        ids.sort();
        ids.join(" ")
    };
    at(&mut config, "d0").tags = vec!["free".to_owned(), "eu".to_owned()];
    at(&mut config, "d1").tags = vec!["paid".to_owned()];
    assert_eq!(chosen(&config, &["free"]), "d0 d1 d2", "only where it is enabled");
    config.router.tag_filtering = true;
    assert_eq!(chosen(&config, &["free"]), "d0");
    assert_eq!(chosen(&config, &["free", "paid"]), "d0 d1");
    assert_eq!(chosen(&config, &["unknown"]), "Tags");
    assert_eq!(chosen(&config, &[]), "d0 d1 d2", "no tags, nobody tagged default");
    assert_eq!(chosen(&config, &["!free"]), "d1 d2");
    assert_eq!(chosen(&config, &["&eu"]), "d0");
    assert_eq!(chosen(&config, &["&eu", "paid"]), "Tags");
    config.router.tag_match_any = false;
    assert_eq!(chosen(&config, &["free", "paid"]), "Tags");
    assert_eq!(chosen(&config, &["free", "eu"]), "d0");
    at(&mut config, "d2").tags = vec!["default".to_owned()];
    assert_eq!(chosen(&config, &[]), "d2");
    assert_eq!(chosen(&config, &["unknown"]), "d2");
}

#[test]
fn regions_and_owners_decide() {
    let mut config = one_group(&["", "", ""]);
    at(&mut config, "d0").region = Some("eu".to_owned());
    at(&mut config, "d1").region = Some("us".to_owned());
    let eu = || Requirements { region: Some("eu"), ..Requirements::default() };
    assert_eq!(reasons(&config, &[], eu()), [d(1, Exclusion::Region), d(2, Exclusion::Region)]);
    at(&mut config, "d0").blocked = true;
    assert_eq!(reasons(&config, &[], Requirements::default()), [d(0, Exclusion::Blocked)]);
    assert_eq!(text_for(&config, "m", &World::default(), eu()), "Region");
}

#[test]
fn limits_bind_where_litellm_has_them_bind() {
    let full = [("d0", used(10, 0)), ("d1", used(9, 999))];
    let until_ms = NOW + 30_000;
    for strategy in [&strategy::USAGE_BASED, &strategy::LATENCY_BASED, &strategy::COST_BASED] {
        let mut config = one_group(&[", rpm: 10", ", rpm: 10", ""]);
        config.groups[0].strategy = strategy;
        let why = Exclusion::LimitReached { what: Limit::Requests, until_ms };
        assert_eq!(reasons(&config, &full, Requirements::default()), [d(0, why)], "a limit of ten is ten");
        let alone = World { views: &full, excluded: &["d1", "d2"], ..World::default() };
        assert_eq!(text(&config, "m", &alone), format!("{why:?}"), "even when nobody else is left");
        at(&mut config, "d1").tpm = Some(1000);
        let ask = Requirements { prompt: Prompt::of(b"a prompt of some tokens"), ..Requirements::default() };
        let tokens = Exclusion::LimitReached { what: Limit::Tokens, until_ms };
        assert_eq!(reasons(&config, &full, ask), [d(0, why), d(1, tokens)]);
    }
    for strategy in [&strategy::SIMPLE_SHUFFLE, &strategy::LEAST_BUSY] {
        let mut config = one_group(&[", rpm: 10", ""]);
        config.groups[0].strategy = strategy;
        let world = |excluded| World { views: &full[..1], excluded, ..World::default() };
        assert_eq!(text(&config, "m", &world(&[])), "d1 | (d0)", "spared while others have room");
        assert_eq!(text(&config, "m", &world(&["d1"])), "d0", "else asked");
        config.router.enforce_rate_limits = true;
        assert!(text(&config, "m", &world(&["d1"])).starts_with("LimitReached"));
    }
}

#[test]
fn a_request_larger_than_the_limit_passes_in_an_empty_minute() {
    let mut config = one_group(&[", tpm: 10"]);
    config.router.enforce_rate_limits = true;
    let body = "word ".repeat(100);
    let ask = || Requirements { prompt: Prompt::of(body.as_bytes()), ..Requirements::default() };
    assert_eq!(text_for(&config, "m", &World::default(), ask()), "d0");
    let seen = [("d0", used(1, 1))];
    let world = World { views: &seen, ..World::default() };
    assert!(text_for(&config, "m", &world, ask()).starts_with("LimitReached"));
    assert_eq!(text(&config, "m", &world), "d0", "a small one has room");
}

#[test]
fn places_and_money_are_hard_limits() {
    let mut config = one_group(&["", ""]);
    at(&mut config, "d0").max_parallel = Some(2);
    let why = Exclusion::LimitReached { what: Limit::Parallel, until_ms: NOW + 1_000 };
    assert_eq!(reasons(&config, &[("d0", in_flight(2))], Requirements::default()), [d(0, why)]);
    assert_eq!(reasons(&config, &[("d0", in_flight(1))], Requirements::default()), []);
    let broke = DeploymentView { over_budget_until_ms: NOW + 5, ..DeploymentView::default() };
    let seen = [("d0", broke), ("d1", DeploymentView { over_budget_until_ms: NOW + 9, ..broke })];
    assert_eq!(
        reasons(&config, &seen[..1], Requirements::default()),
        [d(0, Exclusion::OverBudget { until_ms: NOW + 5 })]
    );
    let world = World { views: &seen, ..World::default() };
    assert_eq!(
        text(&config, "m", &world),
        format!("{:?}", Exclusion::OverBudget { until_ms: NOW + 5 }),
        "the least wait"
    );
}

#[test]
fn a_provider_that_said_it_is_full_is_spared_as_if_cooling() {
    let config = groups(&["a", "b"], "router_settings: {fallbacks: [{a: [b]}]}");
    let full = DeploymentView { full_until_ms: NOW + 9, ..DeploymentView::default() };
    assert_eq!(text(&config, "a", &World { views: &[("a-1", full)], ..World::default() }), "b-1 | (a-1)");
    let both = [("a-1", full), ("b-1", cooling(NOW + 1))];
    assert_eq!(
        text(&config, "a", &World { views: &both, ..World::default() }),
        "a-1 | (b-1)",
        "asked rather than nothing sent"
    );
}

#[test]
fn the_reason_that_is_told_is_the_right_one() {
    let mut config = one_group(&[", rpm: 1", "", ""]);
    config.router.enforce_rate_limits = true;
    let images = || Requirements { images: LazyFlag::Known(true), ..Requirements::default() };
    at(&mut config, "d1").facts.capabilities = config.deployments[1].facts.capabilities.with(Capability::Vision, false);
    at(&mut config, "d2").blocked = true;
    let seen = [("d0", used(1, 1))];
    let world = World { views: &seen, ..World::default() };
    assert!(text_for(&config, "m", &world, images()).starts_with("LimitReached"), "what waiting mends comes first");
    let world = World { excluded: &["d0"], ..World::default() };
    assert_eq!(text_for(&config, "m", &world, images()), "Lacks(Images)", "then the one that was nearest to serving");
    let mut config = one_group(&["", ""]);
    config.router.pre_call_checks = true;
    at(&mut config, "d0").facts.limits.max_input_tokens = Some(10);
    at(&mut config, "d1").facts.limits.max_input_tokens = Some(20);
    let body = "four".repeat(100);
    let ask = Requirements { prompt: Prompt::of(body.as_bytes()), ..Requirements::default() };
    let why = Exclusion::ContextWindow { estimate: 100, limit: 20 };
    assert_eq!(text_for(&config, "m", &World::default(), ask), format!("{why:?}"), "the largest window");
}

#[test]
fn a_half_open_deployment_comes_first_only_where_it_grants_the_place() {
    let config = one_group(&[", order: 1", ", order: 2"]);
    let seen = [("d0", half_open(0))];
    let world = World { views: &seen, ..World::default() };
    assert_eq!(text(&config, "m", &world), "d0 | d1");
    let refusing = World { refusing: &[("d0", NOW + 9)], ..World { views: &seen, ..World::default() } };
    assert_eq!(text(&config, "m", &refusing), "d1 | d0", "a request that fails may still use it");
    let probed = [("d0", half_open(NOW + 5))];
    let world = World { views: &probed, ..World::default() };
    assert_eq!(text(&config, "m", &world), "d1 | d0", "another request is finding out: no claim is made");
    let last = World { excluded: &["d1"], ..world };
    assert_eq!(text(&config, "m", &last), "d0", "rather than nothing");

    let config = one_group(&["", "", ""]);
    for seed in 0..50 {
        let plan = text(&config, "m", &World { views: &seen, seed, ..World::default() });
        assert!(plan.starts_with("d0") || plan.ends_with("d0"), "first, or behind the others: {plan}");
    }
}

#[test]
fn a_place_that_is_refused_goes_to_the_next_or_to_nobody() {
    let mut config = config(
        "model_list:
- {model_name: m, litellm_params: {model: openai/x, rpm: 5}, model_info: {id: d0}}
- {model_name: b, litellm_params: {model: openai/x, rpm: 5}, model_info: {id: d1}}
router_settings: {fallbacks: [{m: [b]}]}",
    );
    let refusing = |refusing| World { refusing, ..World::default() };
    assert_eq!(text(&config, "m", &refusing(&[("d0", NOW + 9)])), "d0 | d1", "a share is no limit: nothing is claimed");
    config.router.enforce_rate_limits = true;
    assert_eq!(text(&config, "m", &refusing(&[("d0", NOW + 9)])), "d1");
    let why = Exclusion::LimitReached { what: Limit::Requests, until_ms: NOW + 7 };
    assert_eq!(text(&config, "m", &refusing(&[("d0", NOW + 9), ("d1", NOW + 7)])), format!("{why:?}"));
}
