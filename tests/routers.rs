//! Names that stand for a choice: from a body to the group that is planned, what is said of it, and what moves a tier.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use serde_json::{Value, json};
use signalbox::config::model::RouterConfig;
use signalbox::filter::route::{HttpHead, PlanContext, admit, apply_params, decide, route_model};
use signalbox::filter::{Api, Flight, Setup};
use signalbox::routing::strategy::Random;
use signalbox::state::DeploymentView;

/// Five groups, whose models give 16,384 (`cheap`) and so many tokens at most, and a router with these settings.
fn setup(kind: &str, settings: &str, more: &str) -> Setup {
    let groups = ["cheap", "middle", "strong", "thinker", "spare"];
    let deployment = |name: &str| {
        format!("- {{model_name: {name}, litellm_params: {{model: openai/gpt-4o, api_base: 'http://h'}}}}\n")
    };
    let list: String = groups.map(deployment).concat();
    let router = format!(
        "- {{model_name: smart, litellm_params: {{model: auto_router/{kind}_router, {kind}_router_config: {settings}}}}}\n"
    );
    let config = planning::config(&format!("model_list:\n{list}{router}{more}"));
    Setup::new(config).unwrap()
}

const TIERS: &str = "tiers: {SIMPLE: cheap, MEDIUM: middle, COMPLEX: strong, REASONING: thinker}";

fn tiers(settings: &str) -> Setup {
    setup("complexity", &format!("{{{TIERS}, {settings}}}"), "")
}

const EASY: &str = "hello";
/// COMPLEX by LiteLLM's scorer.
const HARD: &str =
    "Design a distributed scalable system with grpc and protocol buffers; implement in rust with an api endpoint.";
const REASONING: &str = "Let's think step by step about it";

fn body(messages: &[(&str, &str)], more: Value) -> Vec<u8> {
    let messages: Vec<Value> = messages.iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    let mut body = json!({"model": "smart", "messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::to_vec(&body).unwrap()
}

fn asked(setup: &Setup, text: &str, moment: &PlanContext<'_>) -> Flight {
    decide(setup, Api::Chat, body(&[("user", text)], json!({})), moment).unwrap()
}

/// The group that comes first, the class, and the cause.
fn told(flight: &Flight) -> [&str; 3] {
    let decision = flight.decision.as_ref().unwrap();
    let group = &flight.config.groups[flight.cursor().plan().asked].name;
    [group, decision.label.as_str(), decision.cause.as_str()]
}

fn sent(flight: &Flight) -> Value {
    serde_json::from_slice(flight.body()).unwrap()
}

#[test]
fn a_tier_leads_to_its_group_and_says_why() {
    let setup = tiers("");
    let moment = PlanContext::default();
    let easy = asked(&setup, EASY, &moment);
    assert_eq!(told(&easy), ["cheap", "SIMPLE", "heuristic_scorer"]);
    assert_eq!(told(&asked(&setup, HARD, &moment)), ["strong", "COMPLEX", "heuristic_scorer"]);
    assert_eq!(told(&asked(&setup, REASONING, &moment)), ["thinker", "REASONING", "reasoning_override"]);
    assert_eq!(told(&asked(&setup, " ", &moment)), ["middle", "MEDIUM", "default_fallback"]);
    assert!(!easy.body_rewritten, "the client's bytes go on as they came");
    let headers = easy.decision.unwrap().headers();
    let wanted = [
        ("x-signalbox-tier", "SIMPLE"),
        ("x-signalbox-classifier", "heuristic"),
        ("x-signalbox-cause", "heuristic_scorer"),
        ("x-signalbox-score", "-0.15000000000000002"),
    ];
    assert_eq!(headers, wanted.map(|(name, value)| (name, value.to_owned())));
    let none = decide(&setup, Api::Embeddings, br#"{"model":"smart","input":"x"}"#.to_vec(), &moment).unwrap();
    assert_eq!(told(&none), ["middle", "MEDIUM", "default_fallback"]);
    let group = decide(&setup, Api::Chat, br#"{"model":"cheap","messages":[]}"#.to_vec(), &moment).unwrap();
    assert_eq!(group.decision, None);
}

/// Once such a tier was one that could be moved up to.
#[test]
fn a_tier_with_an_empty_list_is_none() {
    let one = setup("complexity", "{tiers: {SIMPLE: cheap, MEDIUM: [], COMPLEX: strong}, default_model: spare}", "");
    assert_eq!(
        told(&asked(&one, "hello, LITELLM ESCALATE", &PlanContext::default())),
        ["strong", "COMPLEX", "heuristic_scorer"]
    );
}

#[test]
fn a_tier_without_a_group_goes_to_the_default_and_a_list_is_drawn_from() {
    let one = setup("complexity", "{tiers: {SIMPLE: [cheap, middle]}, default_model: strong}", "");
    assert_eq!(told(&asked(&one, HARD, &PlanContext::default())), ["strong", "COMPLEX", "default_model_fallback"]);
    let drawn = |seed| asked(&one, EASY, &PlanContext { seed, ..PlanContext::default() }).cursor().plan().asked;
    let cheap = (0..400).filter(|seed| drawn(*seed) == 0).count();
    assert!((150..250).contains(&cheap), "{cheap}");
    assert!((0..400).all(|seed| drawn(seed) < 2));
}

#[test]
fn the_chosen_groups_own_fallbacks_come_before_the_routers() {
    let more = "router_settings: {fallbacks: [{smart: [spare]}, {strong: [cheap]}], default_fallbacks: [thinker],
        context_window_fallbacks: [{smart: [thinker]}]}";
    let setup = setup("complexity", &format!("{{{TIERS}}}"), more);
    let chain = |text: &str| {
        let flight = asked(&setup, text, &PlanContext::default());
        let stages = flight.cursor().plan().stages.iter();
        stages.map(|stage| format!("{:?} {}", stage.purpose, setup.groups[stage.group].name)).collect::<Vec<_>>()
    };
    // What stands in for `spare` and `cheap` comes after them, as for a request that names these.
    assert_eq!(chain(EASY), ["General cheap", "General spare", "General thinker", "ContextWindow thinker"]);
    assert_eq!(chain(HARD), ["General strong", "General cheap", "General thinker", "ContextWindow thinker"]);
}

#[test]
fn parameters_fill_gaps_and_nothing_else() {
    let settings =
        "{tiers: {SIMPLE: {model_name: cheap, litellm_params: {temperature: 0.5, max_tokens: 7}}, COMPLEX: strong}}";
    let with = setup("complexity", settings, "");
    let flight = asked(&with, EASY, &PlanContext::default());
    assert!(flight.body_rewritten);
    assert_eq!((&sent(&flight)["temperature"], &sent(&flight)["max_tokens"]), (&json!(0.5), &json!(7)));
    assert_eq!(&flight.body()[flight.model_span.clone()], b"\"smart\"");
    let own = body(&[("user", EASY)], json!({"temperature": 1.0, "max_completion_tokens": 3, "num_retries": 1}));
    let flight = decide(&with, Api::Chat, own, &PlanContext::default()).unwrap();
    let wanted = json!({"model": "smart", "messages": [{"role": "user", "content": EASY}], "temperature": 1.0,
        "max_completion_tokens": 3});
    assert_eq!(sent(&flight), wanted);
    assert_eq!(&flight.body()[flight.model_span.clone()], b"\"smart\"");
    assert!(!asked(&with, HARD, &PlanContext::default()).body_rewritten);
}

#[test]
fn the_length_of_an_answer_is_lowered_overwritten_or_kept() {
    let length = |how: &str, asked: Value| {
        let flight = decide(&tiers(how), Api::Chat, body(&[("user", EASY)], asked), &PlanContext::default()).unwrap();
        sent(&flight).get("max_tokens").cloned()
    };
    let (long, short) = (json!({"max_tokens": 99_999}), json!({"max_tokens": 9}));
    assert_eq!(length("", long.clone()), Some(json!(16_384)));
    assert_eq!(length("", short.clone()), Some(json!(9)));
    assert_eq!(length("", json!({})), None);
    assert_eq!(length("max_tokens_from_tier_model: true", short), Some(json!(16_384)));
    assert_eq!(length("max_tokens_from_tier_model: false", long), Some(json!(99_999)));
}

#[test]
fn in_the_shadow_the_default_serves() {
    let setup = tiers("shadow: true, default_model: spare");
    let flight = asked(&setup, HARD, &PlanContext::default());
    assert_eq!(told(&flight), ["spare", "COMPLEX", "heuristic_scorer"]);
    assert!(flight.decision.unwrap().headers().contains(&("x-signalbox-shadow", "true".to_owned())));
}

/// A client's own limit holds against all that speaks for a harder tier, its wish too.
#[test]
fn a_client_gets_no_harder_tier_than_its_own() {
    let clients = "signalbox: {clients: [{name: small, key: sk-0123456789abcdef, tier: MEDIUM}, {name: all, key: sk-0123456789abcdeF}]}";
    let setup = setup("complexity", &format!("{{{TIERS}, allow_client_tier: true}}"), clients);
    let told_as = |client: usize, text: &str, wish: &str| {
        let header = |name: &str| if name == "x-signalbox-tier" { wish.to_owned() } else { String::new() };
        let context =
            PlanContext { client: setup.config.clients.get(client), header: &header, ..PlanContext::default() };
        told(&asked(&setup, text, &context)).map(str::to_owned)
    };
    assert_eq!(told_as(0, EASY, ""), ["cheap", "SIMPLE", "heuristic_scorer"]);
    assert_eq!(told_as(0, HARD, ""), ["middle", "MEDIUM", "client_limit"]);
    assert_eq!(told_as(0, REASONING, ">=COMPLEX"), ["middle", "MEDIUM", "client_limit"]);
    assert_eq!(told_as(1, HARD, ""), ["strong", "COMPLEX", "heuristic_scorer"]);
}

#[test]
fn a_client_gets_the_tier_it_wishes_only_where_it_may() {
    let wish = |setup: &Setup, wish: &str, text: &str| {
        let header = |name: &str| if name == "x-signalbox-tier" { wish.to_owned() } else { String::new() };
        let flight = asked(setup, text, &PlanContext { header: &header, ..PlanContext::default() });
        let scored = flight.decision.unwrap().score.is_some();
        (told(&flight).map(str::to_owned), scored)
    };
    let is = |group: &str, tier: &str, cause: &str, scored| ([group, tier, cause].map(str::to_owned), scored);
    let may = tiers("allow_client_tier: true");
    assert_eq!(wish(&may, "COMPLEX", EASY), is("strong", "COMPLEX", "client_request", false));
    assert_eq!(wish(&may, " simple ", HARD), is("cheap", "SIMPLE", "client_request", false));
    assert_eq!(wish(&may, ">=MEDIUM", EASY), is("middle", "MEDIUM", "client_request", true));
    assert_eq!(wish(&may, "min medium", HARD), is("strong", "COMPLEX", "heuristic_scorer", true));
    assert_eq!(wish(&may, "min REASONING", " "), is("thinker", "REASONING", "client_request", false));
    for nonsense in ["", "HARD", ">=", "min", "maxMEDIUM", "SIMPLE, COMPLEX"] {
        assert_eq!(wish(&may, nonsense, EASY), is("cheap", "SIMPLE", "heuristic_scorer", true), "{nonsense}");
    }
    assert_eq!(wish(&tiers(""), "COMPLEX", EASY), is("cheap", "SIMPLE", "heuristic_scorer", true));
    let few = setup("complexity", "{tiers: {SIMPLE: cheap, COMPLEX: strong}, allow_client_tier: true}", "");
    assert_eq!(wish(&few, "MEDIUM", EASY), is("strong", "COMPLEX", "client_request", false));
    assert_eq!(wish(&few, "REASONING", EASY), is("strong", "COMPLEX", "client_request", false));
}

/// Once the score was lost where the floor had the last word.
#[test]
fn a_planning_client_gets_its_least_tier_and_is_told_the_score() {
    let setup = tiers("plan_mode_min_tier: COMPLEX");
    let plans = json!({"tools": [{"type": "function", "function": {"name": "exit_plan_mode"}}]});
    let flight = decide(&setup, Api::Chat, body(&[("user", EASY)], plans), &PlanContext::default()).unwrap();
    assert_eq!(told(&flight), ["strong", "COMPLEX", "plan_mode"]);
    assert_eq!(flight.decision.unwrap().score, Some(-0.150_000_000_000_000_02), "as in LiteLLM");
}

/// Once any agent with these five letters was taken for Codex, and what its users wrote was cut out.
#[test]
fn codex_is_known_by_how_its_agent_begins() {
    let setup = tiers("");
    let text = format!("<user_instructions>{HARD}</user_instructions> hello");
    let tier = |agent: &str| {
        let header = |name: &str| if name == "user-agent" { agent.to_owned() } else { String::new() };
        told(&asked(&setup, &text, &PlanContext { header: &header, ..PlanContext::default() }))[1].to_owned()
    };
    for agent in ["codex_cli_rs/0.1", "Codex Desktop", "CODEX/1", "codex-tui"] {
        assert_eq!(tier(agent), "SIMPLE", "{agent}");
    }
    for agent in ["", "code", "codex", "codexé/1", "mycodex/1", "Mozilla/5.0 codex/1"] {
        assert_ne!(tier(agent), "SIMPLE", "{agent}");
    }
}

#[test]
fn near_a_budget_the_tier_below_serves() {
    let setup = tiers("budget_lowering: 0.9");
    let at = |shares: [f32; 5]| {
        let seen = shares.map(|budget_share| DeploymentView { budget_share, ..DeploymentView::default() });
        let moment = PlanContext { views: &seen, ..PlanContext::default() };
        told(&asked(&setup, HARD, &moment)).map(str::to_owned)
    };
    let is = |told: [&str; 3]| told.map(str::to_owned);
    assert_eq!(at([0.0, 0.0, 0.89, 0.0, 0.0]), is(["strong", "COMPLEX", "heuristic_scorer"]));
    assert_eq!(at([0.0, 0.0, 0.9, 0.0, 0.0]), is(["middle", "MEDIUM", "budget_lowering"]), "from this share on");
    assert_eq!(at([0.0, 0.0, 0.95, 0.0, 0.0]), is(["middle", "MEDIUM", "budget_lowering"]));
    assert_eq!(at([0.0, 0.95, 1.2, 0.0, 0.0]), is(["cheap", "SIMPLE", "budget_lowering"]));
    assert_eq!(at([1.0, 0.95, 1.2, 0.0, 0.0]), is(["strong", "COMPLEX", "heuristic_scorer"]), "nobody has any left");
}

#[test]
fn a_prompt_too_long_for_its_tiers_model_moves_up() {
    let mut setup = tiers("enable_context_window_escalation: true");
    let config = std::rc::Rc::make_mut(&mut setup.config);
    for (deployment, window) in config.deployments.iter_mut().zip([1_000, 1_000, 100_000, 100_000, 1_000]) {
        deployment.facts.limits.max_input_tokens = Some(window);
    }
    let long = "four ".repeat(1_000);
    assert_eq!(told(&asked(&setup, EASY, &PlanContext::default())), ["cheap", "SIMPLE", "heuristic_scorer"]);
    assert_eq!(
        told(&asked(&setup, &long, &PlanContext::default())),
        ["strong", "COMPLEX", "context_window_escalation"]
    );
}

/// A conversation of random turns.
fn talk(random: &mut Random) -> Vec<(&'static str, &'static str)> {
    let says = [
        ("user", EASY),
        ("user", HARD),
        ("user", REASONING),
        ("user", "<system-reminder>nothing</system-reminder>"),
        ("user", "LITELLM ESCALATE please"),
        ("user", "Twice as many apples as pears, and a third of the pears less than plums: how many, and why?"),
        ("user", "thanks"),
        ("assistant", "an answer"),
        ("assistant", "another answer, with more words"),
        ("tool", "a result"),
    ];
    let turns = 2 + random.next() % 12;
    (0..turns).map(|_| says[usize::try_from(random.next() % says.len() as u64).unwrap()]).collect()
}

#[test]
fn a_tier_never_falls_within_a_conversation() {
    let mut random = Random::new(7);
    let kinds =
        ["classifier_type: signalbox", "session_affinity: true", "session_affinity: true, plan_mode_min_tier: COMPLEX"];
    let (mut pinned, mut fell) = (0, 0);
    for round in 0..300 {
        let affine = tiers(kinds[round % 3]);
        let free = tiers("session_affinity: false, classifier_type: signalbox");
        let turns = talk(&mut random);
        let (mut highest, mut before) = (0, 0);
        for end in 1..=turns.len() {
            // A client asks after its own turn or a result.
            if turns[end - 1].0 == "assistant" {
                continue;
            }
            let tier = |setup: &Setup| {
                let flight = decide(setup, Api::Chat, body(&turns[..end], json!({})), &PlanContext::default()).unwrap();
                let decision = flight.decision.unwrap();
                let rank =
                    ["SIMPLE", "MEDIUM", "COMPLEX", "REASONING"].iter().position(|it| *it == decision.label.as_str());
                (decision.cause.as_str() != "default_fallback").then_some((rank.unwrap(), decision.cause.as_str()))
            };
            let Some((rank, cause)) = tier(&affine) else { continue };
            assert!(rank >= highest, "{turns:?} up to {end}: {rank} after {highest}");
            highest = rank;
            pinned += usize::from(cause == "session_affinity_pin");
            if let Some((rank, _)) = tier(&free) {
                fell += usize::from(rank < before);
                before = rank;
            }
        }
    }
    assert!(pinned > 50 && fell > 50, "the test must see both: {pinned}, {fell}");
}

const TASKS: &str = "tasks: {code_generation: strong, translation: cheap, long_context: thinker}, default_model: spare";
const CODE: &str = "Write a Python function that parses a CSV file and returns a list of dicts";
const TRANSLATE: &str = "Translate into French: the house is red and the garden is green";

#[test]
fn a_task_leads_to_its_group() {
    let setup = setup("task", &format!("{{{TASKS}, long_context_tokens: 1000}}"), "");
    let told = |text: &str| told(&asked(&setup, text, &PlanContext::default())).map(str::to_owned);
    assert_eq!(told(CODE), ["strong", "code_generation", "task_cues"]);
    assert_eq!(told(TRANSLATE), ["cheap", "translation", "task_cues"]);
    assert_eq!(told(&"lorem ipsum ".repeat(1_000)), ["thinker", "long_context", "task_length"]);
    assert_eq!(told("hello"), ["spare", "general", "task_unclear"]);
    assert_eq!(told("Solve for x: 3x + 5 = 20, and prove it"), ["spare", "math", "default_model_fallback"]);
    let headers = asked(&setup, TRANSLATE, &PlanContext::default()).decision.unwrap().headers();
    assert!(headers.contains(&("x-signalbox-task", "translation".to_owned())), "{headers:?}");
    assert!(headers.contains(&("x-signalbox-classifier", "task".to_owned())), "{headers:?}");
}

#[test]
fn without_tasks_the_deployments_say_what_they_support() {
    let text = "model_list:
- {model_name: a, litellm_params: {model: openai/x}, model_info: {supports: [general]}}
- {model_name: b, litellm_params: {model: openai/x}, model_info: {supports: [code_generation]}}
- {model_name: smart, litellm_params: {model: auto_router/task_router}}";
    let setup = Setup::new(planning::config(text)).unwrap();
    let group = |text: &str| told(&asked(&setup, text, &PlanContext::default()))[0].to_owned();
    assert_eq!(group(CODE), "b");
    assert_eq!(group("Why do I get this traceback? TypeError: unsupported operand"), "b", "neighbours");
    assert_eq!(group(TRANSLATE), "a");
}

#[test]
fn a_conversation_keeps_its_first_task_where_that_is_wished() {
    let turns = [("user", "hello"), ("assistant", "hi"), ("user", CODE), ("assistant", "done"), ("user", TRANSLATE)];
    let told = |settings: &str| {
        let setup = setup("task", &format!("{{{TASKS}, {settings}}}"), "");
        let flight = decide(&setup, Api::Chat, body(&turns, json!({})), &PlanContext::default()).unwrap();
        told(&flight).map(str::to_owned)
    };
    assert_eq!(told("session_affinity: true"), ["strong", "code_generation", "session_affinity_pin"]);
    assert_eq!(told("session_affinity: false"), ["cheap", "translation", "task_cues"]);
}

#[test]
fn routers_and_their_aliases_are_listed() {
    let config: RouterConfig = planning::config(include_str!("golden/config/routers.yaml"));
    let listed = admit(&config, HttpHead { method: "GET", path: "/v1/models", ends: true, ..HttpHead::default() });
    let text = format!("{listed:?}");
    let signalbox::filter::route::Admission::Reply(reply) = listed else { panic!("{text}") };
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    let ids: Vec<&str> = body["data"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["cheap", "strong", "thinker", "small", "smart", "best", "expert", "clever", "desk"]);
}

#[test]
fn a_refusal_says_what_was_chosen() {
    let mut setup = tiers("");
    std::rc::Rc::make_mut(&mut setup.config).deployments.iter_mut().for_each(|deployment| deployment.blocked = true);
    let reply = decide(&setup, Api::Chat, body(&[("user", EASY)], json!({})), &PlanContext::default()).unwrap_err();
    assert_eq!(reply.error.status, 503);
    assert!(reply.headers.contains(&("x-signalbox-tier", "SIMPLE".to_owned())), "{:?}", reply.headers);
}

#[test]
fn nothing_that_a_body_holds_upsets_a_choice() {
    let setups = [tiers(""), tiers("classifier_type: signalbox"), setup("task", &format!("{{{TASKS}}}"), "")];
    let odd = [
        r#"[]"#,
        r#"[1,null,{"role":7},{"role":"user"}]"#,
        r#"[{"role":"user","content":[{"type":"text","text":"\ud800"},{"type":"image_url"}]}]"#,
        r#"[{"role":"assistant","content":null,"tool_calls":[{},{}]},{"role":"tool","content":"x"}]"#,
    ];
    for (setup, messages) in setups.iter().flat_map(|setup| odd.map(|messages| (setup, messages))) {
        let body = format!(r#"{{"model":"smart","messages":{messages}}}"#);
        assert!(decide(setup, Api::Chat, body.into_bytes(), &PlanContext::default()).unwrap().decision.is_some());
    }
}

#[test]
fn an_explained_choice_is_the_same_choice() {
    for setup in [tiers(""), tiers("classifier_type: signalbox"), setup("task", &format!("{{{TASKS}}}"), "")] {
        for text in [EASY, HARD, REASONING, CODE, TRANSLATE, " "] {
            let body = body(&[("user", EASY), ("assistant", "hi"), ("user", text)], json!({"max_tokens": 99_999}));
            let head = signalbox::dialect::scan::BodyScan::read(&body).unwrap();
            let of = |explain| {
                route_model(&setup, Api::Chat, &head, &body, &PlanContext::default(), &|_| true, explain).unwrap()
            };
            let (plain, explained) = (of(false), of(true));
            assert_eq!((plain.decision, plain.target), (explained.decision, explained.target));
            assert!(plain.reasons.is_none() && explained.reasons.is_some());
            assert_eq!(
                apply_params(&setup.config, &plain, &head, &body),
                apply_params(&setup.config, &explained, &head, &body)
            );
        }
    }
}

/// The first YAML block of a page after a mark.
fn example(page: &str, mark: &str) -> String {
    let text = std::fs::read_to_string(format!("{}/{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let after = text.split_once(mark).unwrap().1;
    after.split_once("```yaml\n").unwrap().1.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_examples_of_the_manual_compile() {
    let group = |name: &str| format!("- {{model_name: {name}, litellm_params: {{model: openai/gpt-4o}}}}\n");
    let manual = example("docs/configuration.md", "## Routers");
    let config = planning::config(&format!("model_list:\n{}{manual}", ["cheap", "smart"].map(group).concat()));
    assert_eq!(config.routers.len(), 2);
    let page = example("docs/task-routing.md", "# Task routing");
    let groups = ["coder", "small", "cheap", "million", "chat"].map(|name| format!("  {}", group(name))).concat();
    let config = planning::config(&page.replacen("model_list:\n", &format!("model_list:\n{groups}"), 1));
    assert_eq!(config.routers.len(), 1);
}
