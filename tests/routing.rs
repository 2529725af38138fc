//! Routing from the configuration's text: names, levels, chains, and which deployment is asked when all are cooling.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use planning::{
    NOW, World, at, config, cooling, groups, half_open, one_group, planned, planned_for, text, text_for, told,
};
use signalbox::config::model::{ModelGroup, RouterConfig};
use signalbox::routing::estimate::Prompt;
use signalbox::routing::{By, Purpose, Requirements, Stage};
use signalbox::state::DeploymentView;

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
    let to = |name: &str| text(&config, name, &World::default());
    assert_eq!(to("two"), "two", "an id is that deployment alone");
    assert_eq!(to("alias"), "alias");
    assert_eq!(to("quick"), "three");
    assert!(["alias two", "two alias"].contains(&to("two-words").as_str()), "an alias wins over a group of its name");
    assert_eq!(to("slow"), "three");
    assert_eq!(to("openai/x"), "stars(x)");
    assert_eq!(to("openai/gpt-4"), "gpt(new-4)", "the longer pattern is the more specific one");
    assert_eq!(to("openai/x-mini"), "mini(x)");
    for up in ["openai/..", "openai/../files", "openai/a/./b", "openai/gpt-/.."] {
        assert_eq!(to(up), "UnknownModel", "a model stands in some providers' paths: {up}");
    }
    assert_eq!(to("c"), "three", "a provider's own model name");
    assert_eq!(to("unknown"), "UnknownModel");
    assert_eq!(to(""), "UnknownModel");
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

#[test]
fn a_seed_gives_one_plan() {
    let config = one_group(&["", "", "", "", ""]);
    let to = |seed| text(&config, "m", &World { seed, ..World::default() });
    assert_eq!(to(7), to(7));
    assert!((0..50).any(|seed| to(seed) != to(7)));
}

fn all<'a>(cooling_until: &[(&'a str, u64)]) -> Vec<(&'a str, DeploymentView)> {
    cooling_until.iter().map(|(id, until_ms)| (*id, cooling(*until_ms))).collect()
}

#[test]
fn what_is_cooling_is_spared_while_anything_else_is_left() {
    let config = one_group(&["", "", ""]);
    let cool = |cooling: &[(&str, u64)]| text(&config, "m", &World { views: &all(cooling), ..World::default() });
    assert_eq!(cool(&[("d0", NOW + 1), ("d2", NOW + 9)]), "d1 | (d0) | (d2)");
    assert!(cool(&[("d0", NOW), ("d1", NOW - 1)]).contains("d0"), "what was cooling until now is not cooling any more");
    let all_cool = cool(&[("d0", NOW + 30), ("d1", NOW + 10), ("d2", NOW + 20)]);
    assert_eq!(all_cool, "d1 | (d2) | (d0)", "first the one that is done soonest");
    let chained = groups(&["a", "b"], "router_settings: {fallbacks: [{a: [b]}]}");
    let cool = |cooling: &[(&str, u64)]| text(&chained, "a", &World { views: &all(cooling), ..World::default() });
    assert_eq!(cool(&[("a-1", NOW + 1)]), "b-1 | (a-1)");
    assert_eq!(cool(&[("b-1", NOW + 1)]), "a-1 | (b-1)");
    let all_cool = cool(&[("a-1", NOW + 99), ("b-1", NOW + 1)]);
    assert_eq!(all_cool, "a-1 | (b-1)", "the asked group's own rather than nothing");
}

#[test]
fn what_may_not_serve_is_never_planned() {
    let config = groups(&["a", "b"], "router_settings: {fallbacks: [{a: [b]}]}");
    let without = |excluded| text(&config, "a", &World { excluded, ..World::default() });
    assert_eq!(without(&["a-1"]), "b-1");
    assert_eq!(without(&["a-1", "b-1"]), "CannotExpress");
    let cooling = all(&[("a-1", NOW + 1), ("b-1", NOW + 1)]);
    let world = World { views: &cooling, excluded: &["a-1"], ..World::default() };
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
    let yaml = "model_list:
- {model_name: a, litellm_params: {model: openai/x, num_retries: 4}}
- {model_name: b, litellm_params: {model: openai/x}}
router_settings: {num_retries: 1, fallbacks: [{a: [b]}]}";
    let config = config(yaml);
    let retries = |num_retries| {
        let plan = planned(&config, "a", &World { num_retries, ..World::default() }).unwrap();
        plan.stages.iter().map(|stage| stage.retries).collect::<Vec<_>>()
    };
    assert_eq!(retries(None), [4, 1]);
    assert_eq!(retries(Some(0)), [0, 0]);
    assert_eq!(retries(Some(7)), [7, 7]);
}

#[test]
fn the_requests_own_fallbacks_come_before_the_configured_ones() {
    let settings = "router_settings: {fallbacks: [{a: [b]}, {d: [e]}], model_group_alias: {quick: c}}";
    let config = groups(&["a", "b", "c", "d", "e", "wild/*"], settings);
    let own = |fallbacks| text(&config, "a", &World { fallbacks, ..World::default() });
    assert_eq!(own(&["quick", "d"]), "a-1 | c-1 | d-1 | e-1 | b-1", "each with its own behind it");
    assert_eq!(own(&["a", "unknown"]), "a-1 | b-1");
    assert_eq!(
        own(&["wild/x"]),
        "a-1 | wild-any-1(served-wild/x) | b-1",
        "a fallback of the request may fill a pattern"
    );
    let world = World { fallbacks: &["c"], disable_fallbacks: true, ..World::default() };
    assert_eq!(text(&config, "a", &world), "a-1");
}

/// What leads to each stage: its purpose and group.
fn purposes(config: &RouterConfig, model: &str, requirements: Requirements<'_>) -> String {
    let plan = planned_for(config, model, &World::default(), requirements).unwrap();
    let stage = |stage: &Stage| {
        let name = |group: usize| config.groups[group].name.as_str();
        match stage.purpose {
            Purpose::General => name(stage.group).to_owned(),
            Purpose::ContextWindow => format!("{}(window of {})", name(stage.group), name(stage.from)),
            Purpose::ContentPolicy => format!("{}(content of {})", name(stage.group), name(stage.from)),
        }
    };
    plan.stages.iter().map(stage).collect::<Vec<_>>().join(" | ")
}

fn with_special(names: &[&str], windows: &[(usize, usize)], contents: &[(usize, usize)]) -> RouterConfig {
    let mut config = groups(names, "router_settings: {fallbacks: [{a: [b]}, {c: [d]}]}");
    let lists = |pairs: &[(usize, usize)]| Some(pairs.iter().map(|(from, to)| (*from, vec![*to])).collect());
    config.context_window_fallbacks = lists(windows);
    config.content_policy_fallbacks = lists(contents);
    config
}

#[test]
fn special_fallbacks_have_stages_of_their_own() {
    let config = with_special(&["a", "b", "c", "d"], &[(0, 2)], &[(0, 3), (1, 0), (3, 2)]);
    let plan = "a | b | c(window of a) | d(window of a) | d(content of a) | a(content of b) | c(content of d)";
    assert_eq!(purposes(&config, "a", Requirements::default()), plan);
    assert_eq!(purposes(&config, "c", Requirements::default()), "c | d | c(content of d)");
    let plan = planned(&config, "a", &World { disable_fallbacks: true, ..World::default() }).unwrap();
    assert_eq!(plan.stages.len(), 1);
}

#[test]
fn a_prompt_that_nobody_of_the_group_takes_goes_to_the_larger_window_first() {
    let mut config = with_special(&["a", "b", "c", "d"], &[(0, 2)], &[]);
    config.router.pre_call_checks = true;
    at(&mut config, "a-1").facts.limits.max_input_tokens = Some(10);
    let body = "word ".repeat(100);
    let ask = || Requirements { prompt: Prompt::of(body.as_bytes()), ..Requirements::default() };
    assert_eq!(purposes(&config, "a", ask()), "c(window of a) | d(window of a) | b");
    let seen = [("b-1", cooling(NOW + 1)), ("c-1", cooling(NOW + 9)), ("d-1", cooling(NOW + 5))];
    let tried = text_for(&config, "a", &World { views: &seen, ..World::default() }, ask());
    assert_eq!(tried, "b-1 | (d-1) | (c-1)", "all are cooling");
    config.context_window_fallbacks = None;
    assert_eq!(purposes(&config, "a", ask()), "b");
}

#[test]
fn a_routing_group_spans_the_deployments_of_others() {
    let mut config = groups(&["a", "b"], "");
    let mut both = ModelGroup::named("both");
    both.deployments = vec![0, 1];
    both.priorities = vec![(1, 1), (0, 2)];
    config.groups.push(both);
    let plan = planned(&config, "both", &World::default()).unwrap();
    assert_eq!((told(&config, &plan).as_str(), plan.stages[0].group), ("b-1 | a-1", 2));
    assert_eq!(plan.by, By::Name);
}

#[test]
fn what_cannot_come_first_in_a_group_does_not_hide_the_next_group() {
    let config = groups(&["a", "b", "c"], "router_settings: {fallbacks: [{a: [b, c]}]}");
    let seen = [("a-1", half_open(NOW + 5)), ("b-1", half_open(NOW + 5))];
    assert_eq!(text(&config, "a", &World { views: &seen, ..World::default() }), "c-1 | a-1 | b-1");
}
