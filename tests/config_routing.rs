//! Strategies, policies, budgets and what else LiteLLM's configuration says of routing: what every key becomes.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use serde_json::{Value as Json, json};
use signalbox::config::compile::{Compiled, compile, compile_json, without_environment};
use signalbox::config::diagnostic::Diagnostics;
use signalbox::config::model::strategy;
use signalbox::config::model::{
    Affinity, AllowedFails, Budget, HealthCheck, RetryPolicy, RouterConfig, StrategyArgs, StreamCommit,
};
use signalbox::config::tree::Node;
use signalbox::config::yaml;

const DAY_MS: u64 = 86_400_000;

fn outcome(text: &str) -> Result<Compiled, Diagnostics> {
    yaml::read(text).and_then(|root| compile(&root, &|_| None))
}

fn compiled(text: &str) -> Compiled {
    outcome(text).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Groups `a` (two deployments), `b` and `c`, and these settings.
fn groups(more: &str) -> String {
    let entry = |name: &str| format!("- {{model_name: {name}, litellm_params: {{model: openai/{name}}}}}\n");
    format!("model_list:\n{}{}{}{}{more}", entry("a"), entry("a"), entry("b"), entry("c"))
}

fn settings(more: &str) -> RouterConfig {
    compiled(&groups(more)).config
}

fn errors(more: &str) -> Vec<String> {
    outcome(&groups(more)).unwrap_err().iter().map(|diagnostic| diagnostic.line("f")).collect()
}

fn everything() -> Compiled {
    compiled(&std::fs::read_to_string(golden::path("config/routing.yaml")).unwrap())
}

#[test]
fn deployments_have_limits_of_their_own() {
    let config = everything().config;
    let (first, second) = (&config.deployments[0], &config.deployments[1]);
    assert_eq!((first.tags.as_slice(), first.region.as_deref()), (["paid".into(), "eu".into()].as_slice(), Some("eu")));
    assert_eq!(first.budget, Some(Budget { max_nanos: 12_500_000_000, period_ms: DAY_MS }));
    // `model_info` wins.
    assert_eq!((first.cooldown_ms, first.allowed_fails), (Some(15_000), Some(3)));
    let policy = AllowedFails { rate_limit: Some(10), ..AllowedFails::default() };
    assert_eq!(first.allowed_fails_policy, Some(policy));
    assert_eq!(first.supports, ["code_generation", "long_context"]);
    // No rpm becomes a limit of requests in flight.
    assert_eq!((first.max_parallel, second.max_parallel, second.rpm), (Some(20), Some(50), Some(10)));
    assert!(second.blocked && !first.blocked);
}

#[test]
fn the_router_has_policies_budgets_and_checks() {
    let config = everything().config;
    let router = &config.router;
    let args = StrategyArgs { ttl_ms: 600_000, buffer: 0.2, samples: 5, ttft_percentile: Some(0.9) };
    assert_eq!((router.strategy, router.strategy_args), (&strategy::LATENCY_BASED, args));
    let fails = AllowedFails { internal_server_error: Some(20), bad_gateway: Some(0), ..AllowedFails::default() };
    assert_eq!(router.allowed_fails_policy, Some(fails));
    let budgets = [
        ("openai", Budget { max_nanos: 100_000_000_000, period_ms: DAY_MS }),
        ("groq", Budget { max_nanos: 250_000_000, period_ms: 30 * DAY_MS }),
    ];
    assert_eq!(router.provider_budgets, budgets);
    assert!(router.pre_call_checks && router.enforce_rate_limits && router.tag_filtering && !router.tag_match_any);
}

#[test]
fn signalbox_has_keys_of_its_own() {
    let settings = everything().config.signalbox;
    assert_eq!((settings.max_wait_ms, settings.max_cooldown_ms), (2_500, 60_000));
    assert_eq!((settings.stream_commit, settings.stream_idle_timeout_ms), (StreamCommit::Complete, None));
    assert_eq!((settings.stream_usage, settings.mock_testing), (false, true));
    let affinity = Affinity { min_prefix_tokens: 2_048, tenant_header: Some("x-tenant".to_owned()) };
    assert_eq!(settings.affinity, Some(affinity));
    assert_eq!(settings.health_check, Some(HealthCheck { interval_ms: 10_000, timeout_ms: 2_000 }));
}

#[test]
fn what_is_not_written_has_a_default() {
    let config = settings("");
    let router = &config.router;
    assert!(!router.pre_call_checks && !router.enforce_rate_limits && !router.tag_filtering && router.tag_match_any);
    assert_eq!((config.context_window_fallbacks, config.content_policy_fallbacks), (None, None));
    let own = &config.signalbox;
    assert_eq!((own.max_wait_ms, own.max_cooldown_ms, own.stream_idle_timeout_ms), (5_000, 20_000, Some(30_000)));
    assert_eq!((own.stream_usage, own.mock_testing, own.stream_commit), (true, false, StreamCommit::FirstToken));
    assert_eq!((&own.affinity, &own.health_check), (&None, &None));

    let on = settings("signalbox: {affinity: true, health_check: true, mock_testing: true}").signalbox;
    assert_eq!(on.affinity, Some(Affinity { min_prefix_tokens: 1_024, tenant_header: None }));
    assert_eq!(on.health_check, Some(HealthCheck { interval_ms: 5_000, timeout_ms: 5_000 }));
    assert!(on.mock_testing);
    let off = settings("signalbox: {affinity: false, health_check: false}").signalbox;
    assert_eq!((off.affinity, off.health_check), (None, None));
}

#[test]
fn every_strategy_has_its_name() {
    let strategy = |name: &str| settings(&format!("router_settings: {{routing_strategy: {name}}}")).router.strategy;
    for known in [
        &strategy::SIMPLE_SHUFFLE,
        &strategy::LEAST_BUSY,
        &strategy::LATENCY_BASED,
        &strategy::COST_BASED,
        &strategy::USAGE_BASED,
    ] {
        assert_eq!(strategy(known.name), known);
    }
    assert_eq!(strategy("usage-based-routing"), &strategy::USAGE_BASED);
}

#[test]
fn a_routing_group_claims_its_models_and_is_one_more_group() {
    let config = settings(
        "router_settings:
  routing_strategy: latency-based-routing
  routing_strategy_args: {ttl: 60}
  routing_groups: [{group_name: pool, models: [b, a], routing_strategy: least-busy}]
  model_group_alias: {swim: pool}
  fallbacks: [{pool: [c]}, {c: [swim]}]",
    );
    let strategies: Vec<_> = config.groups.iter().map(|group| (group.name.as_str(), group.strategy)).collect();
    let (busy, latency) = (&strategy::LEAST_BUSY, &strategy::LATENCY_BASED);
    assert_eq!(strategies, [("a", busy), ("b", busy), ("c", latency), ("pool", busy)]);
    // Its own arguments, never the router's.
    assert_eq!((config.groups[0].strategy_args.ttl_ms, config.groups[2].strategy_args.ttl_ms), (3_600_000, 60_000));
    let pool = &config.groups[3];
    assert_eq!((pool.deployments.as_slice(), pool.priorities.as_slice()), ([2, 0, 1].as_slice(), [].as_slice()));
    assert_eq!(config.deployments.iter().map(|deployment| deployment.group).collect::<Vec<_>>(), [0, 0, 1, 2]);
    assert_eq!((config.aliases[0].group, config.fallbacks), (3, vec![(3, vec![2]), (2, vec![3])]));
}

#[test]
fn priority_orders_its_models_and_claims_none() {
    let config = settings(
        "router_settings:
  routing_groups:
  - {group_name: chain, models: [a, c], routing_strategy: priority, model_priorities: {c: 1, a: 7}}
  - {group_name: pool, models: [a], routing_strategy: cost-based-routing}",
    );
    let chain = &config.groups[3];
    assert_eq!((chain.name.as_str(), chain.strategy), ("chain", &strategy::SIMPLE_SHUFFLE));
    assert_eq!(chain.priorities, [(3, 1), (0, 7), (1, 7)]);
    assert_eq!(config.groups[0].strategy, &strategy::COST_BASED);
    assert_eq!(config.groups[2].strategy, &strategy::SIMPLE_SHUFFLE);
}

#[test]
fn a_shadowed_routing_group_still_has_its_strategy() {
    for more in ["", "\n  model_group_alias: {b: c}"] {
        let name = if more.is_empty() { "a" } else { "b" };
        let group = format!("{{group_name: {name}, models: [c], routing_strategy: least-busy}}");
        let found = compiled(&groups(&format!("router_settings:\n  routing_groups: [{group}]{more}")));
        assert_eq!(found.config.groups.len(), 3);
        assert_eq!(found.config.groups[2].strategy, &strategy::LEAST_BUSY);
        assert!(found.diagnostics[0].problem.contains("which is what clients get"), "{:?}", found.diagnostics);
    }
}

#[test]
fn a_group_has_its_own_retry_policy_or_the_routers() {
    let config = settings(
        "router_settings:
  retry_policy: {TimeoutErrorRetries: 1, DefaultRetries: 3}
  model_group_retry_policy: {other: {NotFoundErrorRetries: 0}, pool: {}}
  model_group_alias: {other: b}
  routing_groups: [{group_name: pool, models: [c], routing_strategy: simple-shuffle}]",
    );
    let policy = |index: usize| config.groups[index].retry_policy;
    let common = RetryPolicy { timeout: Some(1), default: Some(3), ..RetryPolicy::default() };
    assert_eq!((policy(0), policy(2)), (Some(common), Some(common)));
    assert_eq!(policy(1), Some(RetryPolicy { not_found: Some(0), ..RetryPolicy::default() }));
    assert_eq!(policy(3), Some(RetryPolicy::default()));
    assert_eq!(settings("").groups[0].retry_policy, None);
}

#[test]
fn special_fallbacks_are_lists_like_fallbacks() {
    let config = settings(
        "router_settings:
  context_window_fallbacks: [{a: [{model: b}]}, {'*': [c]}]
  content_policy_fallbacks: []
litellm_settings:
  context_window_fallbacks: [{c: [a]}]
  content_policy_fallbacks: [{b: [c]}]",
    );
    // Those of `*` are everybody's, but for the one that stands in.
    assert_eq!(config.context_window_fallbacks, Some(vec![(0, vec![1]), (1, vec![2])]));
    // An empty list is LiteLLM's default, and the older home is asked.
    assert_eq!(config.content_policy_fallbacks, Some(vec![(1, vec![2])]));
    assert_eq!(settings("router_settings: {content_policy_fallbacks: []}").content_policy_fallbacks, None);
}

#[test]
fn a_budget_needs_an_amount_and_a_time() {
    for half in ["max_budget: 5", "budget_duration: 1d"] {
        let text = format!("model_list: [{{model_name: m, litellm_params: {{model: openai/x, {half}}}}}]");
        let found = compiled(&text);
        assert_eq!(found.config.deployments[0].budget, None);
        assert!(found.diagnostics[0].problem.contains("limits nothing, as in LiteLLM"), "{:?}", found.diagnostics);
    }
    // The smallest amount is still a limit.
    let budget = "{openai: {budget_limit: 0.000000000001, time_period: weekly}}";
    let found = settings(&format!("router_settings: {{provider_budget_config: {budget}}}"));
    assert_eq!(found.router.provider_budgets, [("openai", Budget { max_nanos: 1, period_ms: 7 * DAY_MS })]);
}

#[test]
fn rehearsal_has_litellms_key_too() {
    let general = |value: &str| {
        settings(&format!("general_settings: {{dangerously_allow_mock_testing_request_params: {value}}}"))
    };
    assert!(general("true").signalbox.mock_testing && !general("false").signalbox.mock_testing);
    let both =
        "general_settings: {dangerously_allow_mock_testing_request_params: true}\nsignalbox: {mock_testing: false}";
    assert!(!settings(both).signalbox.mock_testing);
}

#[test]
fn the_filter_gets_all_of_it_and_no_general_setting() {
    let outside = everything();
    let inside = compile_json(&outside.filter.to_json().to_string()).unwrap();
    let mut wanted = outside.config;
    for (wanted, found) in wanted.deployments.iter_mut().zip(&inside.deployments) {
        wanted.key.clone_from(&found.key);
    }
    assert_eq!(inside, wanted);

    let allowed = "dangerously_allow_mock_testing_request_params";
    for general in [
        &format!(
            "{{master_key: SECRET, database_url: SECRET, {allowed}: true, alerting: [SECRET], {allowed}s: SECRET}}"
        ),
        "{master_key: SECRET, pass_through_endpoints: [{headers: {authorization: SECRET}}]}",
        "SECRET",
        "[SECRET, {master_key: SECRET}]",
        "os.environ/SECRET",
    ] {
        let found = compiled(&groups(&format!("general_settings: {general}")));
        let json = found.filter.to_json();
        assert!(!json.to_string().contains("SECRET"), "{json}");
        let lines: String = found.diagnostics.iter().map(|diagnostic| diagnostic.line("f")).collect();
        assert!(!lines.contains("SECRET"), "{lines}");
        let mut kept = json.get("general_settings").unwrap().clone();
        // Of the master key its hash gets there.
        let hash = kept.as_object_mut().and_then(|kept| kept.shift_remove("master_key"));
        assert!(hash.is_none_or(|hash| hash.as_str().unwrap().starts_with("sha256:")));
        let wanted = if general.contains(&format!("{allowed}: ")) { json!({allowed: true}) } else { json!({}) };
        assert!(kept == wanted || kept.is_null(), "{kept}");
    }
    // A slip beside the keys of a section inside another does not get through either.
    let nested = "router_settings: {retry_policy: {DefaultRetries: 1, password: SECRET}, provider_budget_config: {openai: \
                  {budget_limit: 1, time_period: 1d, password: SECRET}}}";
    let json = compiled(&groups(nested)).filter.to_json().to_string();
    assert!(!json.contains("SECRET") && json.contains("time_period"), "{json}");
}

#[test]
fn one_slip_is_one_error() {
    for slip in [
        "router_settings: {routing_groups: [{group_name: p, models: [zzzz], routing_strategy: least-busy}], \
         model_group_alias: {x: p}, fallbacks: [{a: [p]}]}",
        "router_settings: {routing_groups: [{group_name: p, models: [a], routing_strategy: zzz}], fallbacks: [{p: [b]}]}",
        "router_settings: {routing_groups: {group_name: p}}",
        "router_settings: {model_group_retry_policy: {a: 3}}",
        "router_settings: {provider_budget_config: [openai]}",
        "router_settings: {fallbacks: [{a: [{model: b, temperature: 0}]}]}",
        "router_settings: {fallbacks: [{a: [{temperature: 0}]}]}",
        "router_settings: {optional_pre_call_checks: enforce_model_rate_limits}",
        "signalbox: {affinity: yes please}",
    ] {
        let found = errors(slip);
        assert_eq!(found.len(), 1, "{slip}: {found:#?}");
    }
}

/// Every node of a tree, by its way from the root.
fn ways(json: &Json, way: &str, found: &mut Vec<String>) {
    found.push(way.to_owned());
    match json {
        Json::Array(items) => items.iter().enumerate().for_each(|(i, item)| ways(item, &format!("{way}/{i}"), found)),
        Json::Object(map) => map.iter().for_each(|(key, item)| {
            ways(item, &format!("{way}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        _ => {}
    }
}

/// Whatever stands in whatever place: an answer, and never a panic. What compiles outside compiles in the filter too.
#[test]
fn no_tree_brings_the_compiler_down() {
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(-0.0),
        json!(""),
        json!("*"),
        json!("é*\u{0}`"),
        json!("99999999999999999999d"),
        json!("os.environ/GONE"),
        json!([]),
        json!([null, [], {}, "a", 1]),
        json!({}),
        json!({"": {"": null}}),
        json!({"*": ["smart"], "smart": {"model": "smart"}}),
    ];
    let (mut right, mut wrong) = (0, 0);
    for name in ["routing", "warnings", "tutorial-2"] {
        let text = std::fs::read_to_string(golden::path(&format!("config/{name}.yaml"))).unwrap();
        let whole = yaml::read(&text).unwrap().to_json();
        let mut all = Vec::new();
        ways(&whole, "", &mut all);
        for way in all {
            for value in &odd {
                let mut changed = whole.clone();
                *changed.pointer_mut(&way).unwrap() = value.clone();
                if let Ok(found) = without_environment(&Node::from_json(&changed)) {
                    let groups = found.config.groups;
                    assert!(groups.iter().all(|group| !group.deployments.is_empty()), "{way}: {value}");
                }
                match compile(&Node::from_json(&changed), &|_| None) {
                    Ok(found) => {
                        right += 1;
                        compile_json(&found.filter.to_json().to_string()).unwrap();
                        let groups = found.config.groups.len();
                        assert!(
                            found.config.groups.iter().all(|group| !group.deployments.is_empty()),
                            "{way}: {value}"
                        );
                        assert!(found.config.aliases.iter().all(|alias| alias.group < groups));
                    }
                    Err(errors) => {
                        wrong += 1;
                        assert!(!errors.is_empty(), "{way}: {value}");
                    }
                }
            }
        }
    }
    assert!(right > 300 && wrong > 1_000, "{right} right, {wrong} wrong");
}
