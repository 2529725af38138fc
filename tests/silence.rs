//! How long a request waits, by default and as configured: the times that Envoy, the filter and the relay are given.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::cell::RefCell;
use std::rc::Rc;

use signalbox::config::model::{Deployment, RouterConfig, Times};
use signalbox::config::{compile, yaml};
use signalbox::filter::route::{self, PlanContext};
use signalbox::filter::{Api, Attempt, Flight, HeaderChanges, RELAY, RELAY_LIMIT_HEADER, RELAY_TO_HEADER, Setup};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const GROUPS: &str = "
model_list:
- {model_name: two, litellm_params: {model: openai/a, api_base: 'http://a'}, model_info: {id: a}}
- {model_name: two, litellm_params: {model: openai/b, api_base: 'http://b'}, model_info: {id: b}}
- {model_name: one, litellm_params: {model: openai/c, api_base: 'http://c'}, model_info: {id: c}}
- {model_name: small, litellm_params: {model: openai/d, api_base: 'http://d'}, model_info: {id: d}}
";

fn config(more: &str) -> RouterConfig {
    let tree = yaml::read(&format!("{GROUPS}{more}")).unwrap();
    compile::compile(&tree, &|_| None).unwrap().config
}

fn depart(more: &str, model: &str, stream: bool, own: &str) -> Rc<RefCell<Flight>> {
    let setup = Rc::new(Setup::new(config(more)).unwrap());
    let body = format!(r#"{{"model":"{model}","stream":{stream},"messages":[]{own}}}"#);
    let moment = PlanContext { now_ms: 1_000, seed: 1, ..PlanContext::default() };
    Rc::new(RefCell::new(route::decide(&setup, Api::Chat, body.into_bytes(), &moment).unwrap()))
}

/// Envoy's timer for each attempt.
fn per_try_ms(more: &str, model: &str, stream: bool) -> u64 {
    depart(more, model, stream, "").borrow().per_try_ms
}

#[test]
fn b1_by_default_silence_is_left_where_another_can_be_tried() {
    assert_eq!(per_try_ms("", "two", false), 60_000, "within a minute, for a whole answer");
    assert_eq!(
        per_try_ms("", "two", true),
        10_300,
        "after first_token_timeout, for a stream; the filter comes before Envoy"
    );
    assert_eq!(per_try_ms("", "one", false), 600_000);
    assert_eq!(per_try_ms("", "one", true), 600_000);
}

#[test]
fn b1_what_only_other_failures_lead_to_is_nothing_that_silence_could_be_left_for() {
    let more = "router_settings: {context_window_fallbacks: [{small: [one]}]}";
    assert_eq!(per_try_ms(more, "small", true), 600_000);
    assert_eq!(per_try_ms("router_settings: {fallbacks: [{small: [one]}]}", "small", true), 10_300);
    assert_eq!(per_try_ms("router_settings: {num_retries: 0}", "two", true), 600_000);
}

#[test]
fn b1_what_is_written_always_wins() {
    let written = "router_settings: {timeout: 30}";
    assert_eq!(per_try_ms(written, "two", false), 30_000);
    assert_eq!(per_try_ms(written, "one", true), 30_000);
    assert_eq!(per_try_ms(written, "two", true), 10_300);
    assert_eq!(per_try_ms("router_settings: {timeout: 5}", "two", true), 5_300, "a first token is a part of an answer");
    assert_eq!(per_try_ms("router_settings: {timeout: 300}", "two", false), 300_000);
    assert_eq!(per_try_ms("router_settings: {timeout: 5, stream_timeout: 20}", "two", true), 20_300);
    assert_eq!(per_try_ms("signalbox: {answer_timeout: 0}", "two", false), 600_000);
    assert_eq!(per_try_ms("signalbox: {first_token_timeout: 0}", "two", true), 600_300);
}

#[test]
fn the_effective_times_of_each_deployment_can_be_asked_for() {
    let config = config("router_settings: {stream_timeout: 3}");
    let of = |deployment: &Deployment| (deployment.id.clone(), config.times(deployment));
    let times: Vec<(String, Times)> = config.deployments.iter().take(2).map(of).collect();
    let each = Times { answer_ms: 60_000, first_token_ms: 3_000, last_ms: 600_000 };
    assert_eq!(times, [("a".to_owned(), each), ("b".to_owned(), each)]);
}

fn limit_of(headers: &HeaderChanges) -> Option<String> {
    headers.iter().find(|(name, _)| *name == RELAY_LIMIT_HEADER).map(|(_, value)| value.clone())
}

fn expects(headers: &HeaderChanges) -> bool {
    headers.iter().any(|(name, value)| *name == "expect" && value == "100-continue")
}

#[test]
fn b1_after_silence_the_last_one_goes_by_the_relay_with_all_the_time_there_is() {
    let flight = depart("", "two", true, "");
    let (mut first, outgoing) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    assert_eq!(limit_of(&outgoing.headers), None, "the first one is asked directly");
    assert!(first.on_deadline(first.deadline_ms().unwrap(), &Vec::new).is_none());
    assert_eq!(flight.borrow().next_cluster(), RELAY, "what follows is chosen before Envoy's timer strikes");
    let (last, outgoing) = Attempt::start(&flight, Some(RELAY), &|| 11_300).unwrap();
    assert_eq!(limit_of(&outgoing.headers).as_deref(), Some("600000"));
    assert!(expects(&outgoing.headers), "so that Envoy's timer is stopped");
    assert_eq!((last.deadline_ms(), flight.borrow().next_cluster()), (None, ""), "nothing follows");
}

#[test]
fn b2_a_stream_that_is_held_whole_goes_by_the_relay_and_can_be_tried_again() {
    let more = "signalbox: {stream_commit: complete}\nrouter_settings: {timeout: 30}";
    let flight = depart(more, "two", true, "");
    assert_eq!(flight.borrow().per_try_ms, 6_000_000, "Envoy's timer would run while the stream is held");
    assert_eq!(flight.borrow().next_cluster(), RELAY);
    let (_, outgoing) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    assert_eq!(limit_of(&outgoing.headers).as_deref(), Some("10000"));
    assert!(!expects(&outgoing.headers));
    let (_, outgoing) = Attempt::start(&flight, Some(RELAY), &|| 11_000).unwrap();
    assert_eq!(limit_of(&outgoing.headers).as_deref(), Some("30000"), "the last one has its timeout");
    assert_eq!(depart(more, "two", false, "").borrow().next_cluster().len(), 1, "whole answers go directly");
}

#[test]
fn the_relay_passes_on_what_an_open_attempt_sent_and_nothing_else() {
    let flight = depart("signalbox: {stream_commit: complete}", "two", true, "");
    let (_, outgoing) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    let to = outgoing.headers.iter().find(|(name, _)| *name == RELAY_TO_HEADER).map(|(_, to)| to.clone()).unwrap();
    assert!(flight.borrow().is_relayed_to(&to));
    assert!(!flight.borrow().is_relayed_to("c"), "another cluster");
    flight.borrow_mut().finish(false);
    assert!(!flight.borrow().is_relayed_to(&to), "the attempt is over");
}
