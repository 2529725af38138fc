//! B8: no request is refused while a deployment that may serve it was not asked in it. Plans that grow old while others fail.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/memory.rs"]
mod memory;

use std::hash::RandomState;
use std::rc::Rc;

use memory::Memory;
use signalbox::filter::{Api, Asked, Attempt, HeaderMap, Setup, SharedFlight, Verdict, Worker};

struct Gateway {
    worker: Worker,
    setup: Rc<Setup>,
    store: Memory,
    now_ms: u64,
}

impl Gateway {
    /// Of deployments, each with its group before its id.
    fn new(deployments: &[(&str, &str)], router: &str) -> Self {
        let of_one = |(group, id): &(&str, &str)| {
            format!(
                r#"{{"model_name":"{group}","litellm_params":{{"model":"openai/x","api_base":"http://h/v1"}},"model_info":{{"id":"{id}"}}}}"#
            )
        };
        let list: Vec<String> = deployments.iter().map(of_one).collect();
        let config = format!(r#"{{"model_list":[{}],"router_settings":{router}}}"#, list.join(","));
        let (store, mut worker, now_ms) = (Memory::default(), Worker::new(3, RandomState::new()), 1_800_000_000_000);
        let setup = worker.configure(&config, &store, now_ms).unwrap();
        Self { worker, setup, store, now_ms }
    }

    fn depart(&mut self, model: &str) -> SharedFlight {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]}}"#);
        let asked = Asked { api: Api::Chat, body: body.into_bytes(), header: &|_| String::new(), client: None };
        self.worker.depart(&self.store, &self.setup, asked).unwrap()
    }

    /// One attempt, as the shell carries it out: which deployment was asked, and whether another follows.
    fn attempt(&mut self, flight: &SharedFlight, status: impl Fn(&str) -> u16) -> (String, bool) {
        let asked = flight.borrow().next_cluster().to_owned();
        let now_ms = self.now_ms;
        let (mut attempt, _) = Attempt::start(flight, None, &|| now_ms).unwrap();
        self.worker.record(&self.store, flight, &|| now_ms);
        self.worker.lead_past_limits(&self.store, &mut flight.borrow_mut());
        let status = status(&asked);
        let verdict = attempt.on_headers(status, &HeaderMap::new, true);
        self.worker.record(&self.store, flight, &|| now_ms);
        let goes_on = matches!(verdict, Verdict::Retry);
        if goes_on {
            self.worker.lead_past_limits(&self.store, &mut flight.borrow_mut());
        }
        (asked, goes_on)
    }

    /// All attempts of one request.
    fn run(&mut self, flight: &SharedFlight, status: impl Fn(&str) -> u16) -> Vec<String> {
        let mut all = Vec::new();
        loop {
            let (asked, goes_on) = self.attempt(flight, &status);
            all.push(asked);
            if !goes_on {
                return all;
            }
        }
    }

    /// Everybody of these fails, so that they rest.
    fn cool(&mut self, ids: &[&str]) {
        for id in ids {
            let flight = self.depart(id);
            self.attempt(&flight, |_| 401);
            let number = flight.borrow().id;
            self.worker.land(&self.store, number);
            self.now_ms += 1;
            self.worker.tick(&self.store, self.now_ms);
        }
    }
}

const TWO: &[(&str, &str)] = &[("m", "a"), ("m", "b")];

#[test]
fn b8_of_two_that_are_down_each_is_asked_in_every_request() {
    for cooled in [&["a"][..], &["b"], &["a", "b"], &["b", "a"]] {
        let mut gateway = Gateway::new(TWO, r#"{"num_retries":2}"#);
        gateway.cool(cooled);
        let flight = gateway.depart("m");
        let asked = gateway.run(&flight, |_| 503);
        assert_eq!(asked.len(), 3, "{asked:?}");
        assert_ne!(asked[0], asked[1], "each once before any twice");
        let last = if cooled.len() == 1 { &asked[1] } else { &asked[0] };
        assert_eq!(
            last, cooled[0],
            "one that rests comes last, and of those that rest the one that is done soonest first"
        );
    }
}

#[test]
fn b8_who_began_to_rest_after_the_plan_was_made_is_asked_before_the_client_is_told() {
    let groups = [("m", "a"), ("m", "b"), ("spare", "c")];
    let mut gateway = Gateway::new(&groups, r#"{"num_retries":2,"fallbacks":[{"m":["spare"]}]}"#);
    let flight = gateway.depart("m");
    let first = flight.borrow().next_cluster().to_owned();
    let other = if first == "a" { "b" } else { "a" };
    gateway.cool(&[other]);
    assert_eq!(gateway.run(&flight, |_| 401), [first.as_str(), "c", other]);

    let flight = gateway.depart("m");
    let planned = flight.borrow().next_cluster().to_owned();
    gateway.cool(&["c"]);
    let asked = gateway.run(&flight, |_| 401);
    assert_eq!(asked.len(), 3, "whichever rests meanwhile: {asked:?}");
    assert_eq!(asked[0], planned);
}

#[test]
fn b8_a_fallback_that_rests_is_asked_before_the_client_is_told() {
    let groups = [("m", "a"), ("spare", "b"), ("spare", "c")];
    let router = r#"{"num_retries":2,"fallbacks":[{"m":["spare"]}]}"#;
    let mut gateway = Gateway::new(&groups, router);
    gateway.cool(&["c", "b"]);
    let flight = gateway.depart("m");
    assert_eq!(gateway.run(&flight, |_| 401), ["a", "c", "b"]);

    let mut gateway = Gateway::new(&groups, router);
    gateway.cool(&["a"]);
    let flight = gateway.depart("m");
    let asked = gateway.run(&flight, |_| 401);
    assert_eq!((asked.len(), asked[2].as_str()), (3, "a"), "the fallbacks before one that rests: {asked:?}");
}
