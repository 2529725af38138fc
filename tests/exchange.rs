//! Whole requests through the real roles of the filter, on a scripted Envoy: what it is asked, what it is told, and what the client gets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/envoy.rs"]
mod envoy;
#[path = "support/memory.rs"]
mod memory;

use std::collections::BTreeMap;
use std::rc::Rc;

use envoy::{Envoy, Lost};
use signalbox::config::model::Naming;
use signalbox::filter::plugin::Known;
use signalbox::routing::strategy::Random;

const CONFIG: &str = r#"{
"model_list": [
  {"model_name": "open", "litellm_params": {"model": "openai/served", "api_base": "http://h/v1"}, "model_info": {"id": "open-1"}},
  {"model_name": "open", "litellm_params": {"model": "openai/served", "api_base": "http://i/v1"}, "model_info": {"id": "open-2"}},
  {"model_name": "claude", "litellm_params": {"model": "anthropic/claude-haiku-4-5"}, "model_info": {"id": "claude-1"}},
  {"model_name": "lone", "litellm_params": {"model": "openai/served", "api_base": "http://h/v1"}, "model_info": {"id": "lone-1"}}],
"router_settings": {"fallbacks": [{"open": ["claude"]}], "num_retries": 2, "timeout": 60, "stream_timeout": 5}}"#;

const ANSWER: &[u8] = br#"{"id":"c","object":"chat.completion","created":1,"model":"s","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

const STREAM: &[u8] = include_bytes!("golden/openai/openai/stream.sse");
const DELTA: &[u8] = b"data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"s\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
const ERROR: &[u8] = br#"{"error":{"message":"it went wrong","type":"x","param":null,"code":null}}"#;

const ANSWER_OF_CLAUDE: &[u8] = br#"{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;

/// How often attempts ended in which way.
fn outcomes(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(outcome, count)| ((*outcome).to_owned(), *count)).collect()
}

fn body(model: &str, stream: bool) -> String {
    format!(r#"{{"model":"{model}","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#)
}

/// Each call costs 5 to 20 thousand instructions: this list only gets shorter.
const PLAIN: [&str; 9] = [
    "header Request :path",
    "body Request",
    "header Request content-type",
    "set property signalbox.cluster",
    "clear route cache",
    "set Request content-length",
    "edit Request",
    "header Response :status",
    "body Response",
];

/// The host calls of one chat that is served at once, after another of the same tick.
fn calls_of(model: &str) -> Vec<String> {
    calls_with(Envoy::new(CONFIG), model)
}

fn calls_with(mut envoy: Envoy, model: &str) -> Vec<String> {
    for _ in 0..3 {
        let _ = envoy.calls();
        let chat = envoy.chat(&body(model, false));
        envoy.answer(chat, 200, ANSWER);
        assert_eq!(envoy.client(chat).body, ANSWER);
    }
    let calls = envoy.calls();
    envoy.assert_even();
    calls
}

#[test]
fn a_plain_chat_costs_so_many_host_calls() {
    assert_eq!(calls_of("lone"), PLAIN);
}

#[test]
fn a_chat_by_the_route_for_its_path_costs_fewer() {
    let mut envoy = Envoy::new(CONFIG);
    envoy.known = known("nowhere");
    // The model's name is changed, so the length is, too.
    let is_known = |call: &&str| ["header Request :path", "header Request content-type"].contains(call);
    let wanted: Vec<&str> = PLAIN.into_iter().filter(|call| !is_known(call)).collect();
    assert_eq!(calls_with(envoy, "lone"), wanted);

    let config = CONFIG.replace("openai/served", "openai/lone");
    let mut envoy = Envoy::new(&config);
    envoy.known = known("nowhere");
    let kept: Vec<&str> =
        wanted.into_iter().filter(|call| !["set Request content-length", "edit Request"].contains(call)).collect();
    assert_eq!(calls_with(envoy, "lone"), kept);
    assert_eq!(kept.len(), 5);

    // It goes where the route leads.
    let mut envoy = Envoy::new(&config);
    envoy.known = known("lone-1");
    let is_said = |call: &&str| ["set property signalbox.cluster", "clear route cache"].contains(call);
    let unsaid: Vec<&str> = kept.into_iter().filter(|call| !is_said(call)).collect();
    assert_eq!(calls_with(envoy, "lone"), unsaid);
    assert_eq!(unsaid.len(), 3);
}

/// What a route says of chats whose first attempt goes to this cluster.
fn known(cluster: &str) -> Option<Rc<Known>> {
    Known::new("/v1/chat/completions", cluster).map(Rc::new)
}

#[test]
fn what_a_chat_needs_more_than_a_plain_one_is_known() {
    let mut calls = calls_of("open");
    // Where a reset would lead elsewhere, Envoy is told so before it happens.
    let preset = calls.iter().rposition(|call| call == "set property signalbox.cluster").unwrap();
    assert_eq!(calls[preset - 1], "set Request content-length");
    calls.remove(preset);
    assert_eq!(calls, PLAIN);

    let mut envoy = Envoy::new(CONFIG);
    let _ = envoy.calls();
    let chat = envoy.chat(&body("lone", false));
    envoy.answer(chat, 200, ANSWER);
    let mut calls = envoy.calls();
    // What a provider says of its limits is read once a tick.
    let limits = calls.iter().position(|call| call == "headers Response").unwrap();
    calls.remove(limits);
    assert_eq!(calls, PLAIN);
}

/// To know a client costs one header, where its key stands in the first. Its place is given back however its request ends.
#[test]
fn a_client_has_its_place_as_long_as_its_request() {
    let clients = r#""signalbox":{"clients":[{"name":"one","key":"sk-0123456789abcdef","max_parallel_requests":1}]},"router_settings""#;
    let mut envoy = Envoy::new(&CONFIG.replace("\"router_settings\"", clients));
    let ask = |envoy: &mut Envoy, key: &str, body: &str| {
        let _ = envoy.calls();
        let path = [(":method", "POST"), (":path", "/v1/chat/completions"), ("content-type", "application/json")];
        let headers = [path.as_slice(), &[("authorization", key)]].concat();
        let number = envoy.ask(&headers, &[body.as_bytes()], false);
        let read =
            envoy.calls().into_iter().filter(|call| call.ends_with("authorization") || call.ends_with("api-key"));
        (number, envoy.client(number).status(), read.count())
    };
    let (key, whole) = ("Bearer sk-0123456789abcdef", body("lone", false));
    let (first, status, read) = ask(&mut envoy, key, &whole);
    assert_eq!((status, read), (None, 1));
    assert_eq!(ask(&mut envoy, key, &whole).1, Some(429), "one at a time");
    assert_eq!(ask(&mut envoy, "Bearer sk-wrong", &whole).1, Some(401));
    assert_eq!(ask(&mut envoy, "Bearer sk-wrong", &whole).2, 4, "it may stand in another");
    envoy.answer(first, 200, ANSWER);
    assert_eq!(envoy.client(first).body, ANSWER);
    for lost in [true, false] {
        assert_eq!(ask(&mut envoy, key, "{}").1, Some(400), "a request that is refused takes no place");
        let (next, status, _) = ask(&mut envoy, key, &whole);
        assert_eq!(status, None);
        if lost {
            envoy.leave(next);
        } else {
            envoy.answer(next, 200, ANSWER);
        }
    }
    envoy.assert_even();
}

#[test]
fn an_attempt_that_does_not_follow_its_plan_at_once_finds_its_flight_in_filter_state() {
    let mut envoy = Envoy::new(CONFIG);
    envoy.is_busy = true;
    let chat = envoy.chat(&body("lone", false));
    assert!(envoy.calls().contains(&"property signalbox.cluster".to_owned()));
    envoy.answer(chat, 200, ANSWER);
    assert_eq!(envoy.client(chat).body, ANSWER);
    envoy.assert_even();
}

#[test]
fn an_error_leads_to_another_and_the_client_sees_one_answer() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", false));
    envoy.answer(chat, 500, ERROR);
    let clusters = envoy.clusters(chat);
    assert!(clusters[0] != clusters[1] && clusters[1].starts_with("open-"), "{clusters:?}");
    envoy.answer(chat, 200, ANSWER);
    let client = envoy.client(chat);
    assert_eq!((client.status(), client.body.as_slice(), client.ended), (Some(200), ANSWER, true));
    assert_eq!(client.header("x-signalbox-retry"), None);
    assert_eq!(envoy.outcomes(), outcomes(&[("upstream", 1), ("served", 1)]));
    envoy.assert_even();
}

/// The one whose route lost `refresh_cluster_on_retry` on its way through an older control plane: what follows the filter in that cluster is
/// another provider's key.
#[test]
fn a_retry_that_envoy_sends_elsewhere_than_it_was_told_is_refused() {
    let ask = |envoy: &mut Envoy, path: &str| {
        let headers = [(":method", "POST"), (":path", path), ("content-type", "application/json")];
        let body = r#"{"model":"claude","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
        envoy.ask(&headers, &[body.replace("claude", "open").as_bytes()], false)
    };
    for naming in [Naming::default(), of_mesh()] {
        for (path, pointer) in [("/v1/chat/completions", "/error/code"), ("/v1/messages", "/error/type")] {
            let mut envoy = Envoy::named(CONFIG, naming.clone());
            envoy.is_old = true;
            let chat = ask(&mut envoy, path);
            envoy.answer(chat, 500, ERROR);
            let client = envoy.client(chat);
            let error: serde_json::Value = serde_json::from_slice(&client.body).unwrap();
            let code = if path.ends_with("messages") { "overloaded_error" } else { "wrong_cluster" };
            assert_eq!((client.status(), error.pointer(pointer).unwrap().as_str()), (Some(503), Some(code)), "{error}");
            assert_eq!(client.header("x-signalbox-error").as_deref(), Some("wrong_cluster"));
            assert_eq!((envoy.clusters(chat).len(), envoy.sent(chat)), (2, None), "the second attempt stays here");
            assert!(envoy.log().iter().any(|line| line.contains("refresh_cluster_on_retry")), "{:?}", envoy.log());
            assert_eq!(envoy.outcomes(), outcomes(&[("upstream", 1)]));
            envoy.assert_nothing_is_kept();
        }
    }
}

fn of_mesh() -> Naming {
    Naming { clusters: "signalbox.team.llm/".to_owned(), ..Naming::default() }
}

#[test]
fn in_a_mesh_an_attempt_asks_once_where_it_is() {
    let calls = calls_with(Envoy::named(CONFIG, of_mesh()), "lone");
    let wanted: Vec<&str> = PLAIN
        .iter()
        .flat_map(|call| match *call {
            "set Request content-length" => vec!["property xds.cluster_name", *call],
            _ => vec![*call],
        })
        .collect();
    assert_eq!(calls, wanted);

    let mut envoy = Envoy::named(CONFIG, of_mesh());
    let chat = envoy.chat(&body("open", false));
    envoy.answer(chat, 500, ERROR);
    envoy.answer(chat, 200, ANSWER);
    assert_eq!(envoy.client(chat).body, ANSWER);
    assert_eq!(envoy.clusters(chat).len(), 2);
    envoy.assert_even();
}

/// A cluster that is none of the policy's.
#[test]
fn an_attempt_in_a_foreign_cluster_is_refused() {
    let mut envoy = Envoy::named(CONFIG, of_mesh());
    envoy.foreign = Some("outbound|443||api.openai.com".to_owned());
    let chat = envoy.chat(&body("lone", false));
    let client = envoy.client(chat);
    assert_eq!((client.status(), envoy.sent(chat)), (Some(503), None));
    assert!(client.text().contains("wrong_cluster"), "{}", client.text());
    envoy.assert_nothing_is_kept();
}

#[test]
fn each_attempt_is_made_for_its_provider() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", false));
    for wanted in ["/v1/chat/completions", "/v1/chat/completions", "/v1/messages"] {
        let sent = envoy.sent(chat).unwrap();
        assert_eq!(sent.header(":path").as_deref(), Some(wanted));
        let json: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(json["model"], if wanted == "/v1/messages" { "claude-haiku-4-5" } else { "served" });
        envoy.answer(chat, 401, ERROR);
    }
    let client = envoy.client(chat);
    assert_eq!(client.status(), Some(502));
    assert!(client.text().contains("tried"), "{}", client.text());
    assert_eq!(client.header("x-signalbox-error").as_deref(), Some("auth"));
    assert_eq!(envoy.outcomes(), outcomes(&[("auth", 3)]));
    envoy.assert_even();
}

#[test]
fn a_lost_connection_leads_to_another_and_a_stale_one_to_the_same() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", false));
    envoy.reset(chat, Lost::Stale);
    envoy.reset(chat, Lost::Connection);
    envoy.reset(chat, Lost::Refused);
    envoy.answer(chat, 200, ANSWER_OF_CLAUDE);
    let clusters = envoy.clusters(chat);
    assert_eq!(clusters[0], clusters[1], "a stale connection says nothing: {clusters:?}");
    assert!(clusters[1] != clusters[2] && clusters[2].starts_with("open-"), "{clusters:?}");
    assert_eq!(clusters[3], "claude-1");
    assert_eq!(envoy.client(chat).status(), Some(200));
    assert_eq!(envoy.outcomes(), outcomes(&[("abandoned", 1), ("reset", 1), ("connect", 1), ("served", 1)]));
    envoy.assert_even();
}

#[test]
fn a_connection_that_may_be_new_is_taken_for_a_stale_one_once() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", false));
    for _ in 0..3 {
        envoy.reset(chat, Lost::Doubtful);
    }
    envoy.answer(chat, 200, ANSWER_OF_CLAUDE);
    let clusters = envoy.clusters(chat);
    assert_eq!(clusters[0], clusters[1], "in doubt it was stale: {clusters:?}");
    assert!(
        clusters[1] != clusters[2] && clusters[2].starts_with("open-"),
        "a provider that resets new ones too: {clusters:?}"
    );
    assert_eq!(clusters[3], "claude-1");
    assert_eq!(envoy.outcomes(), outcomes(&[("abandoned", 1), ("reset", 2), ("served", 1)]));
    envoy.assert_even();
}

#[test]
fn connections_that_are_lost_for_ever_end_in_our_words() {
    let ways = [Lost::Connection, Lost::Stale, Lost::Doubtful, Lost::Refused];
    // Where the route leads there already, Envoy was told nothing before the first one was lost.
    for (lost, cluster) in ways.into_iter().flat_map(|lost| [(lost, "nowhere"), (lost, "lone-1")]) {
        let mut envoy = Envoy::new(CONFIG);
        envoy.known = known(cluster);
        let chat = envoy.chat(&body("lone", true));
        while envoy.runs(chat) {
            envoy.reset(chat, lost);
        }
        let client = envoy.client(chat);
        assert!(client.status().is_some_and(|status| status >= 500), "{lost:?}: {client:?}");
        assert_ne!(client.header("x-signalbox-error").as_deref(), Some("not_ready"), "{lost:?}");
        serde_json::from_str::<serde_json::Value>(&client.text()).unwrap();
        assert!(envoy.clusters(chat).len() > 1, "{lost:?}");
        envoy.assert_even();
    }
}

#[test]
fn what_envoy_says_itself_is_said_in_our_words() {
    for (text, details, class) in [
        ("upstream request timeout", "upstream_per_try_timeout", "timeout"),
        ("upstream connect error", "upstream_reset_before_response_started{overflow}", "reset"),
        ("", "upstream_per_try_timeout", "timeout"),
    ] {
        let mut envoy = Envoy::new(CONFIG);
        let chat = envoy.chat(&body("open", false));
        envoy.says(chat, 504, details, text);
        let client = envoy.client(chat);
        assert_eq!(client.header("x-signalbox-error").as_deref(), Some(class), "{client:?}");
        let error: serde_json::Value = serde_json::from_slice(&client.body).unwrap();
        assert!(error["error"]["message"].is_string());
        assert_eq!(envoy.outcomes(), outcomes(&[(class, 1)]));
        envoy.assert_even();
    }
}

#[test]
fn trailers_end_what_did_not_say_its_end() {
    for stream in [false, true] {
        let answer = if stream { STREAM } else { ANSWER };
        let mut envoy = Envoy::new(CONFIG);
        let headers = [(":method", "POST"), (":path", "/v1/chat/completions")];
        let text = body("open", stream);
        let (begin, end) = text.as_bytes().split_at(9);
        let chat = envoy.ask(&headers, &[begin, end], true);
        envoy.head(chat, 500, &[], false);
        envoy.body(chat, ERROR, false);
        envoy.trailers(chat);
        assert_eq!(envoy.clusters(chat).len(), 2, "an error that trailers end is one");
        envoy.head(chat, 200, &[], false);
        envoy.body(chat, answer, false);
        envoy.trailers(chat);
        let client = envoy.client(chat);
        assert_eq!((client.body.as_slice(), client.is_cut), (answer, false), "{stream}");
        assert_eq!(envoy.outcomes(), outcomes(&[("upstream", 1), ("served", 1)]));
        envoy.assert_even();
    }
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("lone", true));
    envoy.head(chat, 200, &[], false);
    envoy.body(chat, DELTA, false);
    envoy.trailers(chat);
    assert!(envoy.client(chat).is_cut, "a stream that has no end is not ended well");
    assert_eq!(envoy.outcomes().get("served"), None);
    envoy.assert_even();
}

#[test]
fn a_first_token_that_does_not_come_is_left_at_a_tick() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", true));
    envoy.head(chat, 200, &[], false);
    envoy.wait(4_900);
    assert_eq!(envoy.clusters(chat).len(), 1);
    envoy.wait(200);
    assert_eq!(envoy.clusters(chat).len(), 2);
    envoy.head(chat, 200, &[], false);
    envoy.body(chat, STREAM, true);
    assert_eq!(envoy.client(chat).body, STREAM);
    assert_eq!(envoy.outcomes(), outcomes(&[("first_token", 1), ("served", 1)]));
    envoy.assert_even();
}

#[test]
fn a_request_that_is_to_wait_is_sent_when_its_time_has_come() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("lone", false));
    envoy.head(chat, 429, &[("retry-after", "2")], false);
    envoy.body(chat, ERROR, true);
    assert_eq!((envoy.clusters(chat).len(), envoy.sent(chat)), (2, None));
    envoy.wait(1_900);
    assert_eq!(envoy.sent(chat), None);
    envoy.wait(200);
    assert!(envoy.sent(chat).is_some(), "its body was held with its head");
    envoy.answer(chat, 200, ANSWER);
    assert_eq!(envoy.client(chat).body, ANSWER);
    assert_eq!(envoy.outcomes(), outcomes(&[("rate_limit", 1), ("served", 1)]));
    envoy.assert_even();
}

#[test]
fn what_hangs_is_ended_at_a_tick() {
    // The body of an error, where nothing is left to try: there is no body that could be replaced, so the reply is our own.
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("lone", false));
    envoy.head(chat, 401, &[], false);
    envoy.wait(1_600);
    let client = envoy.client(chat);
    assert_eq!((client.status(), client.ended), (Some(502), true), "{client:?}");
    envoy.assert_even();
    // A stream that was let go.
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", true));
    envoy.head(chat, 200, &[], false);
    envoy.body(chat, DELTA, false);
    assert_eq!(envoy.client(chat).body, DELTA);
    envoy.wait(29_900);
    assert!(!envoy.client(chat).is_cut);
    envoy.wait(300);
    assert!(envoy.client(chat).is_cut);
    assert_eq!(envoy.outcomes(), outcomes(&[("timeout", 1)]));
    envoy.assert_even();
    // The head of the last stream is let go without a token.
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("lone", true));
    envoy.head(chat, 200, &[], false);
    envoy.wait(2_100);
    assert_eq!((envoy.client(chat).status(), envoy.client(chat).body), (Some(200), Vec::new()));
    envoy.body(chat, STREAM, true);
    assert_eq!(envoy.client(chat).body, STREAM);
    envoy.assert_even();
    // Part of it was held: what comes next waits for what comes behind it, because Envoy 1.39 loses it otherwise.
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("lone", true));
    envoy.head(chat, 200, &[], false);
    envoy.body(chat, b": ping\n\n", false);
    envoy.wait(2_100);
    assert_eq!((envoy.client(chat).status(), envoy.client(chat).body), (Some(200), Vec::new()));
    envoy.body(chat, DELTA, false);
    assert_eq!(envoy.client(chat).body, b"");
    envoy.body(chat, DELTA, false);
    assert_eq!(envoy.client(chat).body, [b": ping\n\n", DELTA, DELTA].concat());
    envoy.body(chat, STREAM, true);
    assert_eq!(envoy.client(chat).body, [b": ping\n\n", DELTA, DELTA, STREAM].concat());
    envoy.assert_even();
}

#[test]
fn silence_before_the_head_leads_elsewhere_than_a_lost_connection() {
    let mut envoy = Envoy::new(CONFIG);
    let (lost, silent) = (envoy.chat(&body("claude", false)), envoy.chat(&body("claude", false)));
    envoy.wait(50);
    envoy.reset(lost, Lost::Connection);
    assert_eq!(envoy.clusters(lost), ["claude-1", "claude-1"], "a connection is made again");
    envoy.answer(lost, 200, ANSWER_OF_CLAUDE);
    // Just before Envoy's timer strikes, the filter selects what follows on silence: here, nothing.
    envoy.wait(60_000);
    envoy.reset(silent, Lost::Connection);
    assert_eq!(envoy.clusters(silent), ["claude-1"]);
    assert_eq!(envoy.client(silent).header("x-signalbox-error").as_deref(), Some("timeout"));
    assert_eq!(envoy.outcomes(), outcomes(&[("reset", 1), ("served", 1), ("timeout", 1)]));
    envoy.assert_even();
}

#[test]
fn a_request_of_a_dead_vm_is_nobodys() {
    for before_answer in [true, false] {
        let mut envoy = Envoy::new(CONFIG);
        let (dead, other) = (envoy.chat(&body("open", false)), envoy.chat(&body("lone", false)));
        if !before_answer {
            envoy.head(dead, 500, &[], false);
        }
        envoy.trap();
        let fresh = envoy.chat(&body("lone", false));
        envoy.reset(dead, Lost::Connection);
        let client = envoy.client(dead);
        assert_eq!(client.status(), Some(503));
        assert!(client.text().contains("not_ready"), "{}", client.text());
        envoy.leave(other);
        envoy.answer(fresh, 200, ANSWER);
        assert_eq!(envoy.client(fresh).body, ANSWER);
        assert_eq!(envoy.outcomes(), outcomes(&[("served", 1)]), "the dead VM's attempts died with it");
    }
}

/// The stages in which a client may leave, and what its attempts come to then.
#[test]
fn a_client_that_leaves_in_any_stage_leaves_one_result_an_attempt() {
    type Until = fn(&mut Envoy, usize);
    type Stage<'a> = (&'a str, bool, Until, &'a [(&'a str, u64)]);
    let stages: &[Stage<'_>] = &[
        ("sent", false, |_, _| {}, &[("abandoned", 1)]),
        ("head", false, |envoy, chat| envoy.head(chat, 200, &[], false), &[("abandoned", 1)]),
        ("held stream", true, |envoy, chat| envoy.head(chat, 200, &[], false), &[("abandoned", 1)]),
        (
            "half an answer",
            false,
            |envoy, chat| {
                envoy.head(chat, 200, &[], false);
                envoy.body(chat, &ANSWER[..20], false);
            },
            &[("abandoned", 1)],
        ),
        (
            "flowing",
            true,
            |envoy, chat| {
                envoy.head(chat, 200, &[], false);
                envoy.body(chat, DELTA, false);
            },
            &[("abandoned", 1)],
        ),
        (
            "the last word was said",
            true,
            |envoy, chat| {
                envoy.head(chat, 200, &[], false);
                envoy.body(chat, STREAM, false);
            },
            &[("served", 1)],
        ),
        ("an error whose body comes", false, |envoy, chat| envoy.head(chat, 500, &[], false), &[("abandoned", 1)]),
        ("retried", false, |envoy, chat| envoy.answer(chat, 500, ERROR), &[("upstream", 1), ("abandoned", 1)]),
        (
            "held back",
            false,
            |envoy, chat| {
                envoy.answer(chat, 500, ERROR);
                envoy.answer(chat, 500, ERROR);
                envoy.head(chat, 429, &[("retry-after", "1")], false);
                envoy.body(chat, ERROR, true);
            },
            &[("upstream", 2), ("rate_limit", 1), ("abandoned", 1)],
        ),
        ("lost", false, |envoy, chat| envoy.reset(chat, Lost::Connection), &[("reset", 1), ("abandoned", 1)]),
        ("stale", false, |envoy, chat| envoy.reset(chat, Lost::Stale), &[("abandoned", 2)]),
    ];
    for (stage, stream, until, wanted) in stages {
        let mut envoy = Envoy::new(CONFIG);
        let chat = envoy.chat(&body("open", *stream));
        until(&mut envoy, chat);
        if envoy.runs(chat) {
            envoy.leave(chat);
        }
        assert_eq!(envoy.outcomes(), outcomes(wanted), "{stage}");
        envoy.assert_even();
    }
}

#[test]
fn a_stream_that_its_provider_breaks_is_its_failure() {
    let mut envoy = Envoy::new(CONFIG);
    let chat = envoy.chat(&body("open", true));
    envoy.head(chat, 200, &[], false);
    envoy.body(chat, DELTA, false);
    envoy.reset(chat, Lost::Connection);
    assert!(envoy.client(chat).is_cut);
    assert_eq!(envoy.outcomes(), outcomes(&[("reset", 1)]));
    envoy.assert_even();
}

#[test]
fn a_body_that_envoy_alone_keeps_is_lent_to_each_attempt() {
    let mut envoy = Envoy::new(CONFIG);
    let long = "x".repeat(400_000);
    let chat = envoy.chat(&body("open", false).replace("hi", &long));
    for status in [500, 200] {
        let sent = envoy.sent(chat).unwrap();
        assert!(sent.body.len() > 400_000);
        let json: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(json["model"], "served");
        envoy.answer(chat, status, if status == 200 { ANSWER } else { ERROR });
    }
    assert_eq!(envoy.client(chat).body, ANSWER);
    envoy.assert_even();
}

#[test]
fn what_is_refused_never_reaches_a_provider() {
    let headers = [(":method", "POST"), (":path", "/v1/chat/completions")];
    let compressed = [headers[0], headers[1], ("content-encoding", "gzip")];
    let get = [(":method", "GET"), (":path", "/v1/chat/completions")];
    let elsewhere = [(":method", "POST"), (":path", "/v2/rerank")];
    let models = [(":method", "GET"), (":path", "/v1/models")];
    let large = vec![b' '; 40 << 20];
    let unknown = body("none", false);
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a [u8]], u16);
    let cases: &[Case<'_>] = &[
        (&headers, &[], 400),
        (&headers, &[b"{"], 400),
        (&compressed, &[b"\x1f\x8b"], 415),
        (&get, &[], 405),
        (&elsewhere, &[], 404),
        (&headers, &[&large], 413),
        (&headers, &[unknown.as_bytes()], 404),
        (&models, &[], 200),
    ];
    let mut envoy = Envoy::new(CONFIG);
    for (headers, pieces, status) in cases {
        let chat = envoy.ask(headers, pieces, false);
        let client = envoy.client(chat);
        assert_eq!((client.status(), client.ended), (Some(*status), true), "{}", client.text());
        assert!(envoy.clusters(chat).is_empty());
    }
    envoy.assert_even();
}

/// What an adversary would do, with many requests at a time. Nothing panics, nothing is done that Envoy would refuse, each attempt has one
/// result, and nothing is kept when all is over.
#[test]
fn whatever_happens_each_attempt_has_one_result() {
    for seed in 0..20 {
        let mut envoy = Envoy::new(CONFIG);
        envoy.known = known("lone-1").filter(|_| seed % 2 == 0);
        let mut random = Random::new(seed);
        let mut below = |bound: u64| usize::try_from(random.next() % bound).unwrap();
        let mut chats = Vec::new();
        for _ in 0..300 {
            if chats.len() < 4 {
                chats.push(envoy.chat(&body(["open", "claude", "lone"][below(3)], below(2) == 0)));
            }
            let at = below(chats.len() as u64);
            let chat = chats[at];
            let is_sent = envoy.runs(chat) && envoy.sent(chat).is_some();
            match below(12) {
                0 => envoy.leave(chat),
                1 => envoy.says(chat, 503, ["no_healthy_upstream", "upstream_per_try_timeout"][below(2)], "no"),
                2 => envoy.wait([50, 1_000, 6_000, 31_000][below(4)]),
                3 if is_sent => envoy.reset(chat, [Lost::Connection, Lost::Stale, Lost::Refused][below(3)]),
                4 | 5 if is_sent && !envoy.has_head(chat) => {
                    let status = [200, 200, 200, 204, 301, 400, 401, 429, 500, 529][below(10)];
                    envoy.head(chat, status, &[("retry-after", "1")], below(6) == 0);
                }
                6 if is_sent && envoy.has_head(chat) => envoy.trailers(chat),
                _ if is_sent && envoy.has_head(chat) => {
                    let bytes: &[u8] = [ANSWER, STREAM, DELTA, ERROR, b"", b": ping\n\n", b"<html>"][below(7)];
                    envoy.body(chat, bytes, below(3) == 0);
                }
                _ => {}
            }
            assert_ne!(envoy.client(chat).header("x-signalbox-error").as_deref(), Some("not_ready"), "it lost its way");
            chats.retain(|chat| envoy.runs(*chat));
        }
        chats.iter().for_each(|chat| envoy.leave(*chat));
        envoy.assert_even();
    }
}
