//! What a request says to the gateway: rehearsals, its own time; and how a failure leads past those that have filled up meanwhile.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/memory.rs"]
mod memory;

use std::cell::RefCell;
use std::hash::RandomState;
use std::rc::Rc;

use memory::Memory;
use signalbox::chat::FailureClass;
use signalbox::config::compile::compile_json;
use signalbox::filter::route::{PlanContext, decide};
use signalbox::filter::{
    Api, Asked, Attempt, ErrorReply, Flight, HeaderMap, Reply, Report, Setup, SharedFlight, Verdict, Worker,
};
use signalbox::state::Outcome;

const GROUPS: &str = r#"
    {"model_name": "a", "litellm_params": {"model": "openai/x", "api_base": "http://h", "order": 1}},
    {"model_name": "a", "litellm_params": {"model": "openai/y", "api_base": "http://h", "order": 2}},
    {"model_name": "b", "litellm_params": {"model": "openai/z", "api_base": "http://h"}},
    {"model_name": "large", "litellm_params": {"model": "openai/z", "api_base": "http://h"}},
    {"model_name": "lax", "litellm_params": {"model": "openai/z", "api_base": "http://h"}}"#;

fn config(router: &str, signalbox: &str) -> Setup {
    let text =
        format!(r#"{{"model_list": [{GROUPS}], "router_settings": {{{router}}}, "signalbox": {{{signalbox}}}}}"#);
    Setup::new(compile_json(&text).unwrap()).unwrap()
}

const CHAINS: &str = r#""fallbacks": [{"a": ["b"]}], "context_window_fallbacks": [{"a": ["large"]}],
    "content_policy_fallbacks": [{"a": ["lax"]}], "timeout": 60, "stream_timeout": 20"#;

fn decided(config: &Setup, more: &str) -> Result<Flight, Reply> {
    let body = format!(r#"{{"model":"a",{more},"messages":[{{"role":"user","content":"hello"}}]}}"#);
    decide(config, Api::Chat, body.into_bytes(), &PlanContext { now_ms: 1_000, ..PlanContext::default() })
        .map_err(ErrorReply::write_for_anyone)
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

#[test]
fn a_rehearsal_leads_where_its_failure_would() {
    let config = config(CHAINS, r#""mock_testing": true"#);
    for (member, cluster) in [
        ("mock_testing_fallbacks", "b-1"),
        ("mock_testing_context_fallbacks", "large-1"),
        ("mock_testing_content_policy_fallbacks", "lax-1"),
        ("mock_testing_rate_limit_error", "a-2"),
    ] {
        let mut flight = decided(&config, &format!(r#""{member}":true"#)).unwrap();
        assert_eq!(flight.next_cluster(), cluster, "{member}");
        assert!(!String::from_utf8_lossy(flight.body()).contains("mock"), "the provider is not told");
        assert!(flight.take_reports().is_empty(), "health and statistics learn nothing");
        let (attempt, _) = Attempt::start(&Rc::new(RefCell::new(flight)), None, &|| 1_000).unwrap();
        assert!(attempt.flight().borrow_mut().take_reports().is_empty(), "an attempt is reported when it ends");
        attempt.flight().borrow_mut().finish(false);
        let reports = attempt.flight().borrow_mut().take_reports();
        assert_eq!(reports.len(), 1, "only the attempt that is really made: {reports:?}");
    }
    let plain = decided(&config, r#""mock_testing_fallbacks":false"#).unwrap();
    assert_eq!(plain.next_cluster(), "a-1");
    assert!(!String::from_utf8_lossy(plain.body()).contains("mock"));
}

#[test]
fn a_rehearsal_that_leads_nowhere_is_told_as_the_failure_it_is() {
    let config = config("", r#""mock_testing": true"#);
    for (member, status, class) in [
        ("mock_testing_fallbacks", 502, "upstream"),
        ("mock_testing_context_fallbacks", 400, "context_window"),
        ("mock_testing_content_policy_fallbacks", 400, "content_policy"),
    ] {
        let reply = decided(&config, &format!(r#""{member}":true"#)).unwrap_err();
        assert_eq!(reply.status, status, "{}", text(&reply));
        let told: Vec<_> = reply.headers.iter().filter(|(name, _)| *name == "x-signalbox-error").collect();
        assert_eq!(told, [&("x-signalbox-error", class.to_owned())]);
        assert!(text(&reply).contains(member), "{}", text(&reply));
    }
}

#[test]
fn without_leave_there_is_no_rehearsal() {
    let reply = decided(&config(CHAINS, ""), r#""mock_testing_fallbacks":true"#).unwrap_err();
    let told = text(&reply);
    assert_eq!(reply.status, 400);
    assert!(told.contains("mock_testing: true") && told.contains("mock_testing_not_allowed"), "{told}");
    let code = ("x-signalbox-error", "mock_testing_not_allowed".to_owned());
    assert!(reply.headers.contains(&code), "the log says why, too: {:?}", reply.headers);
    assert!(decided(&config(CHAINS, ""), r#""mock_testing_fallbacks":false"#).is_ok());
}

#[test]
fn the_requests_own_time_bounds_each_attempt() {
    let config = config(CHAINS, "");
    let times = |more: &str| {
        let flight = decided(&config, more).unwrap();
        (flight.per_try_ms, flight.client_timeout_ms)
    };
    assert_eq!(times(r#""n":1"#), (60_000, None));
    assert_eq!(times(r#""timeout":2.5"#), (2_500, Some(2_500)));
    assert_eq!(times(r#""timeout":90"#), (90_000, None), "the configuration is the one that gives up sooner");
    assert_eq!(times(r#""timeout":0.00001"#), (1, Some(1)), "0 would be for ever");
    assert_eq!(times(r#""timeout":1e300"#), (6_000_000, None));
    assert_eq!(times(r#""timeout":2,"stream":true"#), (2_300, Some(2_000)));
    assert_eq!(times(r#""timeout":0"#), (60_000, None));
}

/// How the first attempt ends that is woken when it asked to be, and what Envoy did before.
fn outcome(more: &str, headers: bool) -> Outcome {
    let config = config(CHAINS, "");
    let flight = Rc::new(RefCell::new(decided(&config, more).unwrap()));
    let (mut attempt, _) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    if headers {
        assert!(matches!(attempt.on_headers(200, &HeaderMap::new, false), Verdict::Hold));
        let verdict = attempt.on_deadline(attempt.deadline_ms().unwrap(), &Vec::new);
        assert!(matches!(verdict, Some(Verdict::Retry)));
    } else {
        let timeout_ms = flight.borrow().per_try_ms;
        let (next, _) = Attempt::start(&flight, None, &|| 1_000 + timeout_ms).unwrap();
        drop(next);
    }
    let ended = |event| if let Report::Ended(ending) = event { Some(ending.outcome) } else { None };
    flight.borrow_mut().take_reports().into_iter().find_map(ended).unwrap()
}

#[test]
fn a_caller_in_a_hurry_says_nothing_of_a_deployment() {
    let class = |outcome| if let Outcome::Failed(failure) = outcome { Some(failure.class) } else { None };
    assert_eq!(outcome(r#""timeout":2"#, false), Outcome::Abandoned);
    assert_eq!(class(outcome(r#""timeout":90"#, false)), Some(FailureClass::Timeout));
    assert_eq!(class(outcome(r#""n":1"#, false)), Some(FailureClass::Timeout));
    assert_eq!(outcome(r#""timeout":2,"stream":true"#, true), Outcome::Abandoned);
    assert_eq!(class(outcome(r#""timeout":90,"stream":true"#, true)), Some(FailureClass::FirstToken));
    assert_eq!(class(outcome(r#""stream":true"#, true)), Some(FailureClass::FirstToken));
}

const FILLED: &str = r#"{"model_list": [
    {"model_name": "m", "litellm_params": {"model": "openai/x", "api_base": "http://h", "order": 1}},
    {"model_name": "m", "litellm_params": {"model": "openai/y", "api_base": "http://h", "order": 2, "rpm": 2}},
    {"model_name": "spare", "litellm_params": {"model": "openai/z", "api_base": "http://h"}}],
    "router_settings": {"optional_pre_call_checks": ["enforce_model_rate_limits"], SPARE "num_retries": 0}}"#;

/// Where five requests go that were planned together and then failed together at the first deployment.
fn failed_over(spare: &str) -> Vec<String> {
    let store = Memory::default();
    let mut worker = Worker::new(7, RandomState::new());
    let config = worker.configure(&FILLED.replace("SPARE", spare), &store, 1_000).unwrap();
    let body = br#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
    let mut depart = || {
        let asked = Asked { api: Api::Chat, body: body.to_vec(), header: &|_| String::new(), client: None };
        worker.depart(&store, &config, asked).unwrap()
    };
    let flights: Vec<SharedFlight> = (0..5).map(|_| depart()).collect();
    let now_ms = || 1_000;
    let start = |flight| Attempt::start(flight, None, &now_ms).unwrap().0;
    let mut first: Vec<Attempt> = flights.iter().map(start).collect();
    flights.iter().for_each(|flight| drop(worker.record(&store, flight, &now_ms)));
    let mut lead = |(flight, attempt): (&SharedFlight, &mut Attempt)| {
        assert!(matches!(attempt.on_headers(401, &HeaderMap::new, true), Verdict::Retry));
        worker.record(&store, flight, &now_ms);
        worker.lead_past_limits(&store, &mut flight.borrow_mut());
        flight.borrow().next_cluster().to_owned()
    };
    let clusters = flights.iter().zip(&mut first).map(&mut lead).collect();
    for flight in &flights {
        drop(Attempt::start(flight, None, &now_ms).unwrap());
        worker.record(&store, flight, &now_ms);
    }
    clusters
}

#[test]
fn a_failure_leads_past_who_has_filled_up_meanwhile() {
    let with_a_spare = failed_over(r#""fallbacks": [{"m": ["spare"]}],"#);
    assert_eq!(with_a_spare, ["m-2", "m-2", "spare-1", "spare-1", "spare-1"]);
    assert_eq!(failed_over(""), ["m-2"; 5], "over a limit rather than not at all");
}
