//! Two workers on one store, with requests that end in every way at random: nothing stays reserved, and both see the same.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[path = "support/memory.rs"]
mod memory;

use std::collections::HashMap;
use std::hash::RandomState;
use std::rc::Rc;

use memory::Memory;
use signalbox::filter::{Api, Asked, Attempt, Change, Effect, Setup, SharedFlight, Verdict, Worker};
use signalbox::routing::strategy::Random;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const CONFIG: &str = r#"{
"model_list": [
  {"model_name": "main", "litellm_params": {"model": "openai/gpt-4o", "api_base": "http://h/v1", "max_parallel_requests": 6}},
  {"model_name": "main", "litellm_params": {"model": "openai/gpt-4o-mini", "api_base": "http://i/v1", "rpm": 40}},
  {"model_name": "main", "litellm_params": {"model": "anthropic/claude-haiku-4-5", "max_budget": 0.01, "budget_duration": "1h"}},
  {"model_name": "other", "litellm_params": {"model": "openai/served", "api_base": "http://j/v1"}}],
"router_settings": {"fallbacks": [{"main": ["other"]}], "num_retries": 2, "routing_strategy": "latency-based-routing", "cooldown_time": 1}}"#;

const ANSWER: &[u8] = br#"{"id":"c","object":"chat.completion","created":1,"model":"s","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":100,"total_tokens":200}}"#;
const CLAUDE: &[u8] = br#"{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":100,"output_tokens":100}}"#;

struct Traffic {
    workers: [Worker; 2],
    configs: [Rc<Setup>; 2],
    store: Memory,
    /// Whose request it is, its flight and its attempt.
    running: Vec<(usize, SharedFlight, Option<Attempt>)>,
    now_ms: u64,
    random: Random,
    gauges: HashMap<String, u64>,
}

impl Traffic {
    fn new(seed: u64) -> Self {
        let (store, now_ms) = (Memory::default(), 1_800_000_000_000);
        let mut workers = [Worker::new(seed, RandomState::new()), Worker::new(seed + 1_000, RandomState::new())];
        let configs = [0, 1].map(|n: usize| workers[n].configure(CONFIG, &store, now_ms).unwrap());
        let (random, gauges) = (Random::new(seed), HashMap::new());
        Self { workers, configs, store, running: Vec::new(), now_ms, random, gauges }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next() % bound
    }

    fn ask(&mut self) {
        let n = usize::from(self.below(2) == 1);
        let body = br#"{"model":"main","messages":[{"role":"user","content":"hi"}]}"#.to_vec();
        let asked = Asked { api: Api::Chat, body, header: &|_| String::new(), client: None };
        let flight = self.workers[n].depart(&self.store, &self.configs[n], asked);
        let flight = flight.unwrap_or_else(|reply| panic!("`other` has room for all: {}", reply.error.status));
        self.running.push((n, flight, None));
    }

    /// Something happens to one of the requests on their way.
    fn happen(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let at = usize::try_from(self.below(self.running.len() as u64)).unwrap();
        let what = self.below(12);
        let (n, flight, attempt) = self.running.swap_remove(at);
        let now_ms = self.now_ms;
        let mut ends = false;
        let attempt = match attempt {
            // The client left before the first try.
            None if what == 11 => {
                ends = true;
                None
            }
            None => match Attempt::start(&flight, None, &|| now_ms) {
                Ok((attempt, _)) => Some(attempt),
                Err(_) => {
                    ends = true;
                    None
                }
            },
            Some(mut attempt) => {
                let verdict = match what {
                    0..=5 => {
                        let claude = flight.borrow().next_cluster().starts_with("main-3");
                        attempt.on_headers(200, &Vec::new, false);
                        let first = attempt.on_body(if claude { CLAUDE } else { ANSWER }, true);
                        Some(first)
                    }
                    6 => Some(fails(&mut attempt, 500)),
                    7 => Some(fails(&mut attempt, 429)),
                    8 => Some(fails(&mut attempt, 401)),
                    // Envoy lost the connection, and tries again; or the client went away.
                    9 => None,
                    _ => {
                        ends = true;
                        None
                    }
                };
                ends |= matches!(verdict, Some(Verdict::Pass(..)));
                let again = !ends && !flight.borrow().next_cluster().is_empty();
                ends |= !again;
                None
            }
        };
        self.workers[n].record(&self.store, &flight, &|| now_ms);
        if ends {
            flight.borrow_mut().finish(false);
            self.workers[n].record(&self.store, &flight, &|| now_ms);
            let id = flight.borrow().id;
            self.workers[n].land(&self.store, id);
        } else {
            self.running.push((n, flight, attempt));
        }
    }

    fn tick(&mut self) {
        self.now_ms += 50;
        for worker in &mut self.workers {
            worker.tick(&self.store, self.now_ms);
            for told in worker.statistics() {
                if let Change::Set(value) = told.change {
                    self.gauges.insert(told.name, value);
                }
            }
        }
    }
}

fn fails(attempt: &mut Attempt, status: u16) -> Verdict {
    fails_with(attempt, status, "{}")
}

fn fails_with(attempt: &mut Attempt, status: u16, body: &str) -> Verdict {
    attempt.on_headers(status, &Vec::new, false);
    attempt.on_body(body.as_bytes(), true)
}

/// Credentials, money, rights: the operator reads what the provider says, masked and once a minute; other failures may quote prompts.
#[test]
fn what_an_account_is_accused_of_is_told_to_the_operator() {
    let (store, mut worker) = (Memory::default(), Worker::new(1, RandomState::new()));
    let setup = worker.configure(&of(&["a"], ""), &store, 1_000).unwrap();
    let mut warned = |now_ms: u64, status: u16, body: &str| {
        worker.tick(&store, now_ms);
        let request = br#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#.to_vec();
        let asked = Asked { api: Api::Chat, body: request, header: &|_| String::new(), client: None };
        let flight = worker.depart(&store, &setup, asked).unwrap();
        let (mut attempt, _) = Attempt::start(&flight, None, &|| now_ms).unwrap();
        fails_with(&mut attempt, status, body);
        let news = worker.record(&store, &flight, &|| now_ms).into_iter();
        news.filter_map(|one| if let Effect::Warn(line) = one { Some(line) } else { None }).collect::<Vec<_>>()
    };
    let wrong_key = r#"{"error":{"message":"Incorrect API key provided: sk-abcdefghijklmnop.\nSee the\u0007 page","code":"invalid_api_key"}}"#;
    let told =
        "the account of a is at fault: auth, status 401, it says: Incorrect API key provided: [key]. See the  page";
    assert_eq!(warned(1_000, 401, wrong_key), [told]);
    assert_eq!(warned(30_000, 401, wrong_key), [""; 0], "once a minute");
    let poor = r#"{"error":{"message":"Insufficient Balance"}}"#;
    assert_eq!(
        warned(62_000, 402, poor),
        ["the account of a is at fault: quota, status 402, it says: Insufficient Balance"]
    );
    let less = r#"{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 99 tokens, but can only afford 7"}}"#;
    assert_eq!(warned(200_000, 402, less), [""; 0], "another request may be paid for");
    assert_eq!(warned(300_000, 400, r#"{"error":{"message":"a secret of the prompt"}}"#), [""; 0]);
}

#[test]
fn nothing_stays_booked_however_requests_end() {
    for seed in 1..=20 {
        let mut traffic = Traffic::new(seed);
        for _ in 0..600 {
            match traffic.below(6) {
                0 => traffic.ask(),
                1 => traffic.tick(),
                _ => traffic.happen(),
            }
        }
        while !traffic.running.is_empty() {
            traffic.happen();
            if traffic.below(4) == 0 {
                traffic.tick();
            }
        }
        for _ in 0..3 {
            traffic.tick();
        }
        let in_flight: Vec<_> = traffic.gauges.iter().filter(|(name, _)| name.contains("in_flight")).collect();
        assert_eq!(in_flight.len(), 4);
        assert!(in_flight.iter().all(|(_, value)| **value == 0), "seed {seed}: {in_flight:?}");
    }
}

/// A configuration of one group, of deployments with these ids.
fn of(ids: &[&str], more: &str) -> String {
    let of_one = |id: &&str| {
        format!(
            r#"{{"model_name":"m","litellm_params":{{"model":"openai/x","api_base":"http://h/v1"}},"model_info":{{"id":"{id}"}}}}"#
        )
    };
    format!(r#"{{"model_list":[{}]{more}}}"#, ids.iter().map(of_one).collect::<Vec<_>>().join(","))
}

/// What is told, as text.
fn told(worker: &mut Worker) -> Vec<String> {
    let told = worker.statistics().into_iter();
    told.map(|told| format!("{} {:?}", told.name, told.change)).collect()
}

#[test]
fn what_was_counted_before_a_reload_is_told_of_whom_it_was_and_who_is_gone_rests() {
    let (store, mut worker) = (Memory::default(), Worker::new(1, RandomState::new()));
    let setup = worker.configure(&of(&["a", "b"], ""), &store, 1_000).unwrap();
    let body = br#"{"model":"a","messages":[{"role":"user","content":"hi"}]}"#.to_vec();
    let flight = worker
        .depart(&store, &setup, Asked { api: Api::Chat, body, header: &|_| String::new(), client: None })
        .unwrap();
    let (mut attempt, _) = Attempt::start(&flight, None, &|| 1_000).unwrap();
    worker.record(&store, &flight, &|| 1_000);
    worker.tick(&store, 1_050);
    assert!(told(&mut worker).contains(&"signalbox.in_flight.deployment.a Set(1)".to_owned()));
    fails(&mut attempt, 401);
    let logged = worker.record(&store, &flight, &|| 1_060);
    let [Effect::Log(rests), Effect::Warn(account)] = logged.as_slice() else { panic!("{logged:?}") };
    assert_eq!(rests, "a is cooling for 5 s: auth, status 401");
    assert_eq!(account, "the account of a is at fault: auth, status 401, it says: {}");
    worker.configure(&of(&["b", "c"], ""), &store, 1_070).unwrap();
    assert_eq!(
        told(&mut worker)[..4],
        [
            "signalbox.attempts.outcome.auth.deployment.a Add(1)",
            "signalbox.cooldowns.deployment.a Add(1)",
            "signalbox.in_flight.deployment.a Set(0)",
            "signalbox.cooling.deployment.a Set(0)",
        ]
    );
}

#[test]
fn a_probe_whose_end_is_never_told_is_given_back() {
    let (store, mut worker) = (Memory::default(), Worker::new(1, RandomState::new()));
    worker.configure(&of(&["a"], r#","signalbox":{"health_check":{"timeout":2}}"#), &store, 1_000).unwrap();
    worker.probing(&store, 7, 0);
    for (now_ms, in_flight) in [(1_050, 1), (3_950, 1), (4_000, 0)] {
        worker.tick(&store, now_ms);
        let told = told(&mut worker);
        let changed = told.iter().find(|told| told.contains("in_flight"));
        let wanted = (now_ms != 3_950).then(|| format!("signalbox.in_flight.deployment.a Set({in_flight})"));
        assert_eq!(changed, wanted.as_ref(), "{now_ms}");
    }
    worker.probed(&store, 7, None, 4_100);
}

#[test]
fn s3_an_attempt_finds_its_own_flight_and_no_other() {
    let store = Memory::default();
    let mut ids = Vec::new();
    // The same chance on purpose: what spreads load must not tell the names of flights.
    for mut worker in [1, 1].map(|chance| Worker::new(chance, RandomState::new())) {
        let setup = worker.configure(&of(&["a", "b"], ""), &store, 1_000).unwrap();
        for _ in 0..100 {
            let body = br#"{"model":"m","messages":[]}"#.to_vec();
            let asked = Asked { api: Api::Chat, body, header: &|_| String::new(), client: None };
            ids.push(worker.depart(&store, &setup, asked).unwrap().borrow().id);
        }
        let id = *ids.last().unwrap();
        assert!(worker.flight_of_attempt(id ^ 1).is_none(), "another VM's");
        let flight = worker.flight_of_attempt(id).unwrap();
        let (mut attempt, _) = Attempt::start(&flight, None, &|| 1_000).unwrap();
        assert!(worker.flight_of_attempt(id).is_some(), "Envoy retries");
        attempt.on_headers(200, &Vec::new, false);
        attempt.on_body(ANSWER, true);
        assert!(worker.flight_of_attempt(id).is_none(), "its client has its answer");
        worker.land(&store, id);
        assert!(worker.flight(id).is_none());
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 200);
    let near = ids.windows(2).filter(|pair| pair[1] - pair[0] < 1 << 32).count();
    assert!(near < 5, "counted ids would all be near each other");
}
