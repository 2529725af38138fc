//! From a body to a decision: what the route role reads of a request, and what it answers where nobody may be asked.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::RefCell;

use signalbox::catalogue::Capability;
use signalbox::config::compile::compile_json;
use signalbox::config::model::{Affinity, RouterConfig};
use signalbox::filter::route::{PlanContext, decide};
use signalbox::filter::{Api, Flight, Reply, Setup};
use signalbox::routing::Claim;
use signalbox::state::DeploymentView;

fn config() -> RouterConfig {
    let text = r#"{"model_list": [
        {"model_name": "a", "litellm_params": {"model": "openai/x", "api_base": "http://h"}},
        {"model_name": "a", "litellm_params": {"model": "openai/y", "api_base": "http://h"}},
        {"model_name": "b", "litellm_params": {"model": "openai/z", "api_base": "http://h"}}]}"#;
    compile_json(text).unwrap()
}

fn decided(config: RouterConfig, more: &str, moment: &PlanContext<'_>) -> Result<Flight, (Reply, String)> {
    let body = format!(r#"{{"model":"a"{more},"messages":[{{"role":"user","content":"hello there"}}]}}"#);
    decide(&Setup::new(config).unwrap(), Api::Chat, body.into_bytes(), moment).map_err(|error| {
        let reply = error.write_for_anyone();
        let text = String::from_utf8(reply.body.clone()).unwrap();
        (reply, text)
    })
}

fn clusters(flight: &Flight) -> Vec<String> {
    flight.cursor().plan().candidates().map(|it| flight.config.deployments[it.deployment].id.clone()).collect()
}

#[test]
fn the_requests_wishes_are_honoured_and_not_sent_on() {
    let mut config = config();
    config.router.tag_filtering = true;
    config.deployments[1].tags = vec!["paid".to_owned()];
    config.deployments[2].tags = vec!["paid".to_owned()];
    let flight = decided(config.clone(), r#","fallbacks":["b"],"tags":["paid"]"#, &PlanContext::default()).unwrap();
    assert_eq!(clusters(&flight), ["a-2", "b-1"]);
    assert!(flight.body_rewritten);
    let sent = String::from_utf8(flight.body().to_vec()).unwrap();
    assert!(!sent.contains("tags") && !sent.contains("fallbacks") && sent.contains("hello there"), "{sent}");
    let by_header = PlanContext { tags: " paid , ", ..PlanContext::default() };
    assert_eq!(clusters(&decided(config.clone(), "", &by_header).unwrap()), ["a-2"]);
    let (reply, text) = decided(config, r#","metadata":{"tags":["other"]}"#, &PlanContext::default()).unwrap_err();
    assert_eq!(reply.status, 400);
    assert!(text.contains("no_deployment_with_tags"), "{text}");
}

#[test]
fn what_the_body_holds_is_held_against_what_a_model_can() {
    let mut config = config();
    let lacks = |config: &mut RouterConfig, index: usize, what| {
        let facts = &mut config.deployments[index].facts;
        facts.capabilities = facts.capabilities.with(what, false);
    };
    lacks(&mut config, 0, Capability::Tools);
    let tools = r#","tools":[{"type":"function","function":{"name":"f"}}]"#;
    assert_eq!(clusters(&decided(config.clone(), tools, &PlanContext::default()).unwrap()), ["a-2"]);
    lacks(&mut config, 1, Capability::JsonSchema);
    let both = format!(r#"{tools},"response_format":{{"type":"json_schema"}}"#);
    let (reply, text) = decided(config.clone(), &both, &PlanContext::default()).unwrap_err();
    assert_eq!(reply.status, 400);
    assert!(text.contains("does not support tool calling"), "{text}");
    assert_eq!(decided(config, "", &PlanContext::default()).unwrap().cursor().plan().excluded, []);
}

#[test]
fn a_request_that_must_wait_is_told_how_long() {
    let mut config = config();
    config.router.enforce_rate_limits = true;
    config.deployments.iter_mut().for_each(|deployment| deployment.rpm = Some(3));
    let used = DeploymentView { requests: 3, minute_ends_ms: 41_500, ..DeploymentView::default() };
    let moment = PlanContext { now_ms: 20_000, views: &[used, used], ..PlanContext::default() };
    let (reply, text) = decided(config.clone(), "", &moment).unwrap_err();
    assert_eq!(reply.status, 429);
    assert!(reply.headers.contains(&("retry-after", "22".to_owned())), "{:?}", reply.headers);
    assert!(text.contains("(`rpm`)"), "{text}");
    // The last place went to another worker meanwhile.
    let asked = RefCell::new(Vec::new());
    let claim = |index| {
        asked.borrow_mut().push(index);
        if index == 0 { Claim::Refused { until_ms: 30_000 } } else { Claim::Granted }
    };
    for seed in 0..20 {
        let flight =
            decided(config.clone(), "", &PlanContext { seed, claim: &claim, ..PlanContext::default() }).unwrap();
        let asked = asked.take();
        assert_eq!(flight.next_cluster(), "a-2");
        assert!(asked == [1] || asked == [0, 1], "claims end with the one that is granted: {asked:?}");
    }
}

#[test]
fn requests_that_begin_alike_stay_together_within_a_tenant() {
    let mut config = config();
    config.signalbox.affinity = Some(Affinity { min_prefix_tokens: 8, tenant_header: Some("x-tenant".to_owned()) });
    let home = |tenant: &str, seed| {
        let flight = decided(config.clone(), "", &PlanContext { tenant, seed, ..PlanContext::default() }).unwrap();
        flight.next_cluster().to_owned()
    };
    for tenant in ["", "one", "two"] {
        assert!((1..20).all(|seed| home(tenant, seed) == home(tenant, 0)));
    }
    let tenants: Vec<String> = (0..20).map(|tenant| home(&tenant.to_string(), 0)).collect();
    assert!(tenants.contains(&"a-1".to_owned()) && tenants.contains(&"a-2".to_owned()), "tenants differ: {tenants:?}");
}
