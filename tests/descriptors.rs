//! Providers and strategies are described in one place each: a throw-away one of each, made here, is all that it takes. That nothing asks which
//! one it is, `tests/architecture.rs` holds.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use planning::{NOW, World, one_group, planned, told, used};
use signalbox::config::compile::compile;
use signalbox::config::model::Strategy;
use signalbox::config::model::strategy::RanksBy;
use signalbox::config::yaml;
use signalbox::filter::route::{self, PlanContext};
use signalbox::filter::{Attempt, Edit, Setup};
use signalbox::generate::envoy;
use signalbox::provider::rows::compatible;
use signalbox::provider::{Api, Call, Credential, Habits, Provider};
use signalbox::state::accounts;

fn path(call: Call<'_>) -> Option<Cow<'static, str>> {
    let verb = if call.stream { "stream" } else { "generate" };
    (call.api == Api::Chat).then(|| format!("/models/{}:{verb}", call.model).into())
}

fn full_name(_: Api, model: &str) -> Cow<'_, str> {
    format!("house/{model}").into()
}

/// Its row, and nothing else.
static THROW_AWAY: Provider = Provider {
    path,
    credential: Credential::Header("x-house-key"),
    headers: &[("x-house-version", "7")],
    full_name,
    habits: Habits::COMMON,
    ..compatible("throw_away", "https://api.house.test/v9", &[], &[])
};

#[test]
fn a_provider_is_its_row() {
    let text = "model_list: [{model_name: m, litellm_params: {model: openai/small, api_key: os.environ/K}}]";
    let mut compiled = compile(&yaml::read(text).unwrap(), &|_| None).unwrap();
    let deployment = &mut compiled.config.deployments[0];
    // As the compiler of configurations takes both from the row.
    (deployment.provider, deployment.credential) = (&THROW_AWAY, THROW_AWAY.sends(false));

    // Envoy sends its key and its headers.
    let bootstrap = envoy::bootstrap(&compiled, "w.wasm").to_string();
    assert!(bootstrap.contains(r#""header":"x-house-key""#), "{bootstrap}");
    assert!(bootstrap.contains(r#"{"key":"x-house-version","value":"7"}"#), "{bootstrap}");

    // The filter asks its path, by the model's full name.
    let setup = Rc::new(Setup::new(compiled.config).unwrap());
    for (stream, wanted) in [(false, "/v1/models/house/small:generate"), (true, "/v1/models/house/small:stream")] {
        let body = format!(r#"{{"model":"m","stream":{stream},"messages":[{{"role":"user","content":"hi"}}]}}"#);
        let context = PlanContext { now_ms: NOW, ..PlanContext::default() };
        let flight = Rc::new(RefCell::new(route::decide(&setup, Api::Chat, body.into_bytes(), &context).unwrap()));
        let (_, outgoing) = Attempt::start(&flight, None, &|| NOW).unwrap();
        assert!(outgoing.headers.contains(&(":path", wanted.to_owned())), "{:?}", outgoing.headers);
        let Edit::Prefix(_, prefix) = &outgoing.body else { panic!("{:?}", outgoing.body) };
        assert!(prefix.ends_with(br#""house/small""#), "{}", String::from_utf8_lossy(prefix));
    }
}

/// By tokens, and timed, as no strategy is.
static BY_TOKENS: Strategy = Strategy {
    name: "throw-away",
    former_name: None,
    ranks_by: RanksBy::Tokens,
    limits_bind: true,
    is_timed: true,
    counts_tokens: true,
    takes_args: false,
};

#[test]
fn a_strategy_is_its_row() {
    let mut config = one_group(&[", rpm: 5", ", rpm: 5", ", rpm: 5"]);
    let before = accounts(&config);
    assert!(before.iter().all(|account| account.rpm.is_none() && !account.latency));
    config.groups[0].strategy = &BY_TOKENS;
    // It ranks by what it says, its limits bind, its times are kept, its streams are asked for their usage.
    let first = |requests: u32| {
        let seen = [("d0", used(1, 900)), ("d1", used(requests, 20)), ("d2", used(1, 500))];
        let plan = planned(&config, "m", &World { views: &seen, ..World::default() }).unwrap();
        told(&config, &plan).split_once(' ').unwrap().0.to_owned()
    };
    assert_eq!((first(1), first(5)), ("d1".to_owned(), "d2".to_owned()));
    assert!(accounts(&config).iter().all(|account| account.rpm == Some(5) && account.latency));
    assert!(config.deployments.iter().all(|deployment| config.needs_usage(deployment)));
}
