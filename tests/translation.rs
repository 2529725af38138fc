//! D3: a plan translates nothing, and nobody is asked whose dialect cannot say the request.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/memory.rs"]
mod memory;

use std::cell::RefCell;
use std::hash::RandomState;
use std::rc::Rc;

use memory::Memory;
use signalbox::config::compile;
use signalbox::config::tree::Node;
use signalbox::filter::route::{self, PlanContext};
use signalbox::filter::{
    Api, Asked, Attempt, Edit, ErrorReply, Flight, HeaderMap, Link, Reply, Setup, Verdict, Worker,
};

const OPEN: &str = r#"{"model_name": "open", "litellm_params": {"model": "openai/a", "api_base": "http://h/v1"}}"#;
const CLAUDE: &str = r#"{"model_name": "claude", "litellm_params": {"model": "anthropic/claude-haiku-4-5"}}"#;
const LAX: &str =
    r#"{"model_name": "lax", "litellm_params": {"model": "anthropic/claude-haiku-4-5", "drop_params": true}}"#;
const SPARE: &str = r#"{"model_name": "spare", "litellm_params": {"model": "openai/b", "api_base": "http://h/v1"}}"#;
const WILD: &str = r#"{"model_name": "wild/*", "litellm_params": {"model": "anthropic/*"}}"#;

/// What only a closer look tells that Anthropic's dialect cannot say.
const HIDDEN: [&str; 5] = [
    r#""tools":[{"type":"custom","custom":{"name":"f"}}],"messages":[{"role":"user","content":"hi"}]"#,
    r#""messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]"#,
    r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/bmp;base64,AAAA"}}]}]"#,
    r#""messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]"#,
    r#""messages":[{"role":"user","content":"hi"}],"web_search_options":{}"#,
];

fn setup(deployments: &[&str], fallbacks: &str) -> Rc<Setup> {
    let json = format!(
        r#"{{"model_list":[{}],"router_settings":{{"fallbacks":[{fallbacks}],"num_retries":2}},"signalbox":{{"mock_testing":true}}}}"#,
        deployments.join(",")
    );
    let tree = Node::from_json_text(json.as_bytes()).unwrap();
    Rc::new(Setup::new(compile::compile(&tree, &|_| None).unwrap().config).unwrap())
}

fn decide(setup: &Setup, model: &str, members: &str) -> Result<Flight, Reply> {
    let body = format!(r#"{{"model":"{model}",{members}}}"#).into_bytes();
    route::decide(setup, Api::Chat, body, &PlanContext { now_ms: 1_000, ..PlanContext::default() })
        .map_err(ErrorReply::write_for_anyone)
}

/// The groups of a plan, in order.
fn planned(setup: &Setup, flight: &Flight) -> Vec<String> {
    let name = |stage: &signalbox::routing::Stage| setup.groups[stage.group].name.clone();
    flight.cursor().plan().stages.iter().map(name).collect()
}

/// Which deployments are asked while all fail like this.
fn course(flight: Flight, status: u16) -> Vec<String> {
    let flight = Rc::new(RefCell::new(flight));
    let mut asked = Vec::new();
    loop {
        asked.push(flight.borrow().next_cluster().to_owned());
        let (mut attempt, _) = Attempt::start(&flight, None, &|| 1_000).unwrap();
        if !matches!(attempt.on_headers(status, &HeaderMap::new, true), Verdict::Retry) {
            return asked;
        }
    }
}

/// A request of an agent: so many kilobytes, most of them tools.
fn agent(kilobytes: usize, more: &str) -> String {
    let words = "Reads the part of a file between two lines. ".repeat(25);
    let tool = |n: usize| {
        format!(
            r#"{{"type":"function","function":{{"name":"f{n}","description":"{words}","parameters":{{"type":"object","properties":{{"path":{{"type":"string"}}}}}}}}}}"#
        )
    };
    let tools: Vec<String> = (0..kilobytes * 1024 / 1300).map(tool).collect();
    format!(r#""messages":[{{"role":"user","content":"hi"}}],"tools":[{}{more}]"#, tools.join(","))
}

#[test]
fn d3_a_plan_does_not_look_closely_at_what_may_follow() {
    let setup = setup(&[OPEN, CLAUDE, SPARE], r#"{"open":["claude","spare"]}"#);
    for members in HIDDEN {
        let flight = decide(&setup, "open", members).unwrap();
        assert_eq!(planned(&setup, &flight), ["open", "claude", "spare"], "{members}");
        assert_eq!(course(flight, 401), ["open-1", "spare-1"], "{members}");
    }
    let members = agent(40, r#",{"type":"custom","custom":{"name":"f"}}"#);
    assert!(members.len() > 38_000);
    assert_eq!(planned(&setup, &decide(&setup, "open", &members).unwrap()), ["open", "claude", "spare"]);
    let known = decide(&setup, "open", r#""n":2,"messages":[{"role":"user","content":"hi"}]"#).unwrap();
    assert_eq!(planned(&setup, &known), ["open", "spare"], "the one pass tells");
}

#[test]
fn d3_a_first_candidate_that_cannot_be_told_makes_room_for_the_next() {
    let setup = setup(&[OPEN, CLAUDE, LAX, SPARE, WILD], r#"{"claude":["lax","spare"]},{"wild/*":["spare"]}"#);
    for members in HIDDEN {
        let lax = decide(&setup, "claude", members).unwrap();
        assert_eq!(planned(&setup, &lax), ["lax", "spare"], "drop_params: {members}");
        assert_eq!(course(lax, 401), ["lax-1", "spare-1"]);
        assert_eq!(course(decide(&setup, "wild/claude-3-haiku", members).unwrap(), 401), ["spare-1"], "{members}");
    }
    // What is broken is so for all of them.
    let broken = r#""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"nonsense"}}]}]"#;
    assert_eq!(course(decide(&setup, "claude", broken).unwrap(), 401), ["spare-1"]);
    let broken = r#""messages":[{"role":"judge","content":"hi"}]"#;
    assert_eq!(course(decide(&setup, "claude", broken).unwrap(), 401), ["spare-1"]);
}

#[test]
fn d3_the_refusal_is_told_where_nobody_is_left() {
    let setup = setup(&[CLAUDE, WILD], "");
    for members in HIDDEN {
        for model in ["claude", "wild/claude-3-haiku"] {
            let reply = decide(&setup, model, members).unwrap_err();
            let body = String::from_utf8(reply.body).unwrap();
            assert_eq!(reply.status, 400, "{body}");
            assert!(body.contains("unsupported_parameter"), "{body}");
        }
    }
    let reply = decide(&setup, "claude", r#""n":2,"messages":[{"role":"user","content":"hi"}]"#).unwrap_err();
    let body = String::from_utf8(reply.body).unwrap();
    assert!(body.contains("has no equivalent of 'n'"), "{body}");
}

#[test]
fn d3_a_body_that_is_not_kept_is_looked_at_while_it_is_there() {
    let setup = setup(&[OPEN, CLAUDE, SPARE], r#"{"open":["claude","spare"]}"#);
    let hidden = agent(300, r#",{"type":"custom","custom":{"name":"f"}}"#);
    let flight = decide(&setup, "open", &hidden).unwrap();
    assert_eq!(planned(&setup, &flight), ["open", "spare"]);
    let flight = decide(&setup, "open", &agent(300, "")).unwrap();
    assert_eq!(course(flight, 401), ["open-1", "claude-1", "spare-1"]);
}

/// A new connection that was lost.
fn lost() -> Link {
    Link { is_made: true, ready_ns: 900_000, hosts: 1, ..Link::default() }
}

/// The only host refused.
fn refused() -> Link {
    Link { reason: "Connection refused".to_owned(), hosts: 1, ..Link::default() }
}

#[test]
fn d3_a_connection_that_is_lost_leads_past_whom_the_request_cannot_be_told() {
    let setup = setup(&[OPEN, CLAUDE, SPARE], r#"{"open":["claude","spare"]}"#);
    for members in HIDDEN {
        let flight = Rc::new(RefCell::new(decide(&setup, "open", members).unwrap()));
        let (attempt, _) = Attempt::start(&flight, None, &|| 1_000).unwrap();
        assert!(!attempt.ends(&lost, 1_010), "the same again, once");
        let (attempt, _) = Attempt::start(&flight, None, &|| 1_001).unwrap();
        assert_eq!(flight.borrow().next_cluster(), "claude-1", "only feared yet");
        assert!(attempt.ends(&lost, 1_010), "Envoy must be told");
        assert_eq!(flight.borrow().next_cluster(), "spare-1", "{members}");
    }
    let flight = Rc::new(RefCell::new(decide(&setup, "open", &agent(4, "")).unwrap()));
    let (attempt, _) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    assert!(attempt.ends(&refused, 1_010), "it could not be reached");
    assert_eq!(flight.borrow().next_cluster(), "claude-1");
    let (_, outgoing) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    let Edit::Whole(body) = outgoing.body else { panic!() };
    assert!(String::from_utf8(body).unwrap().contains("input_schema"));
}

#[test]
fn a_rehearsed_failure_leads_past_whom_the_request_cannot_be_told() {
    let setup = setup(&[OPEN, CLAUDE, SPARE], r#"{"open":["claude","spare"]}"#);
    for members in HIDDEN {
        for mock in ["mock_testing_fallbacks", "mock_testing_rate_limit_error"] {
            let flight = decide(&setup, "open", &format!(r#"{members},"{mock}":true"#)).unwrap();
            assert_eq!(flight.next_cluster(), "spare-1", "{mock} {members}");
        }
    }
}

/// A place is given back where it was taken at a deployment that cannot express the request.
#[test]
fn d3_a_place_that_is_not_used_is_given_back() {
    let config = r#"{"model_list":[
        {"model_name":"m","litellm_params":{"model":"anthropic/claude-haiku-4-5","max_parallel_requests":1,"order":1},"model_info":{"id":"a"}},
        {"model_name":"m","litellm_params":{"model":"openai/x","api_base":"http://h/v1","order":2},"model_info":{"id":"b"}}]}"#;
    let (store, mut worker) = (Memory::default(), Worker::new(1, RandomState::new()));
    let setup = worker.configure(config, &store, 1_000).unwrap();
    let mut first = |members: &str| {
        let body = format!(r#"{{"model":"m",{members}}}"#).into_bytes();
        let flight = worker
            .depart(&store, &setup, Asked { api: Api::Chat, body, header: &|_| String::new(), client: None })
            .unwrap();
        flight.borrow().next_cluster().to_owned()
    };
    assert_eq!(first(HIDDEN[0]), "b");
    assert_eq!(first(r#""messages":[{"role":"user","content":"hi"}]"#), "a", "the one place is free");
    assert_eq!(first(r#""messages":[{"role":"user","content":"hi"}]"#), "b", "and then it is not");
}
