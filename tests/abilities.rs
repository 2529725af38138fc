//! D1: a router's choice that could not serve such a request gives way to the nearest that could, and says why.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
#![cfg(feature = "cli")]

#[path = "support/planning.rs"]
mod planning;

use serde_json::{Value, json};
use signalbox::filter::route::{PlanContext, decide};
use signalbox::filter::{Api, ErrorReply, Flight, Reply, Setup};
use signalbox::state::DeploymentView;

/// Groups of one deployment each, with these parameters and facts, and more of the configuration.
fn setup(groups: &[(&str, &str, &str)], more: &str) -> Setup {
    let deployment = |(name, params, info): &(&str, &str, &str)| {
        format!("- {{model_name: {name}, litellm_params: {{{params}}}, model_info: {{{info}}}}}\n")
    };
    let list: String = groups.iter().map(deployment).collect();
    Setup::new(planning::config(&format!("model_list:\n{list}{more}"))).unwrap()
}

/// A router by how hard a request is, over groups `a` (SIMPLE) to `d` (REASONING), each with these facts of its own.
fn tiers(facts: [&str; 4], settings: &str) -> Setup {
    let names = ["a", "b", "c", "d"];
    let groups: Vec<_> = names.iter().zip(facts).map(|(name, facts)| (*name, PARAMS, facts)).collect();
    setup(&groups, &router(settings))
}

const PARAMS: &str = "model: openai/unheard-of, api_base: 'http://h/v1'";
const CLAUDE: &str = "model: anthropic/claude-haiku-4-5";

fn router(settings: &str) -> String {
    format!(
        "signalbox:\n  routers:\n    smart: {{classifier_type: heuristic, default_model: a, {settings}tiers: {{SIMPLE: a, MEDIUM: b, COMPLEX: c, REASONING: d}}}}\n"
    )
}

const EASY: &str = "hello";
const REASONING: &str = "Let's think step by step about it";
const IMAGE: &str = r#"{"type":"image_url","image_url":{"url":"https://x/y.png"}}"#;

fn text(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

fn with_part(text: &str, part: &str) -> Value {
    json!([{"role": "user", "content": [{"type": "text", "text": text}, serde_json::from_str::<Value>(part).unwrap()]}])
}

fn ask(setup: &Setup, messages: &Value, more: Value, moment: &PlanContext<'_>) -> Result<Flight, Reply> {
    let mut body = json!({"model": "smart", "messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    decide(setup, Api::Chat, serde_json::to_vec(&body).unwrap(), moment).map_err(ErrorReply::write_for_anyone)
}

/// The group that comes first, the class, and the cause.
fn told(flight: &Flight) -> [&str; 3] {
    let decision = flight.decision.as_ref().unwrap();
    [&flight.config.groups[flight.cursor().plan().asked].name, decision.label.as_str(), decision.cause.as_str()]
}

#[track_caller]
fn assert_told(setup: &Setup, messages: &Value, more: Value, wanted: [&str; 3]) {
    let flight =
        ask(setup, messages, more, &PlanContext::default()).unwrap_or_else(|reply| panic!("{}", body_of(&reply)));
    assert_eq!(told(&flight), wanted);
}

fn body_of(reply: &Reply) -> String {
    String::from_utf8(reply.body.clone()).unwrap()
}

const BLIND: &str = "supports_vision: false";

#[test]
fn d1_a_conversation_goes_on_with_its_own_tier_after_an_image() {
    let setup = tiers([BLIND, BLIND, "", ""], "session_affinity: true, ");
    assert_told(&setup, &text(EASY), json!({}), ["a", "SIMPLE", "heuristic_scorer"]);
    assert_told(&setup, &with_part(EASY, IMAGE), json!({}), ["c", "COMPLEX", "needs_image"]);
    let mut talk = with_part(EASY, IMAGE);
    let more = [json!({"role": "assistant", "content": "A cat."}), json!({"role": "user", "content": "thanks"})];
    talk.as_array_mut().unwrap().extend(more.clone());
    assert_told(&setup, &talk, json!({}), ["c", "COMPLEX", "needs_image"]);
    let mut without = text(EASY);
    without.as_array_mut().unwrap().extend(more);
    let flight = ask(&setup, &without, json!({}), &PlanContext::default()).unwrap();
    assert_eq!(told(&flight)[..2], ["a", "SIMPLE"], "once the client has dropped the image");
}

#[test]
fn d1_the_next_harder_tier_that_could_serve_it_does_else_the_next_easier() {
    let setup = tiers(["", "", BLIND, BLIND], "");
    assert_told(&setup, &with_part(REASONING, IMAGE), json!({}), ["b", "MEDIUM", "needs_image"]);
    assert_told(&setup, &with_part(EASY, IMAGE), json!({}), ["a", "SIMPLE", "heuristic_scorer"]);
    let setup = tiers([BLIND, BLIND, BLIND, ""], "");
    assert_told(&setup, &with_part(EASY, IMAGE), json!({}), ["d", "REASONING", "needs_image"]);
}

#[test]
fn d1_every_need_has_its_cause() {
    let of_first = |facts: &str| tiers([facts, "", "", ""], "");
    let tool = json!([{"type": "function", "function": {"name": "f"}}]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let sound = r#"{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}"#;
    let file = r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}}"#;
    for (facts, messages, more, cause) in [
        ("supports_audio_input: false", with_part(EASY, sound), json!({}), "needs_audio"),
        ("supports_pdf_input: false", with_part(EASY, file), json!({}), "needs_file"),
        ("supports_function_calling: false", text(EASY), json!({"tools": tool}), "needs_tools"),
        ("supports_response_schema: false", text(EASY), json!({"response_format": schema}), "needs_json_schema"),
        ("blocked: true", text(EASY), json!({}), "paused"),
    ] {
        assert_told(&of_first(facts), &messages, more, ["b", "MEDIUM", cause]);
    }
    let long = text(&"a word ".repeat(20_000));
    let flight = ask(&of_first("max_input_tokens: 1000"), &long, json!({}), &PlanContext::default()).unwrap();
    assert_eq!(told(&flight)[2], "needs_context_window");
    assert_ne!(told(&flight)[0], "a");
    let region = ["region_name: us, ", "region_name: eu, "].map(|region| format!("{region}{PARAMS}"));
    let groups = [("a", &*region[0], ""), ("b", &region[1], ""), ("c", PARAMS, ""), ("d", PARAMS, "")];
    let wanted = ["b", "MEDIUM", "needs_region"];
    assert_told(&setup(&groups, &router("")), &text(EASY), json!({"allowed_model_region": "eu"}), wanted);
    let tagged = ["tags: [free], ", "tags: [paid], "].map(|tags| format!("{tags}{PARAMS}"));
    let groups = [("a", &*tagged[0], ""), ("b", &tagged[1], ""), ("c", PARAMS, ""), ("d", PARAMS, "")];
    let filtering = format!("router_settings: {{enable_tag_filtering: true}}\n{}", router(""));
    assert_told(&setup(&groups, &filtering), &text(EASY), json!({"tags": ["paid"]}), ["b", "MEDIUM", "needs_tags"]);
}

#[test]
fn d1_a_dialect_that_cannot_say_it_is_no_choice_either() {
    let groups = [("a", CLAUDE, ""), ("b", CLAUDE, ""), ("c", PARAMS, ""), ("d", PARAMS, "")];
    let setup = setup(&groups, &router(""));
    let wanted = ["c", "COMPLEX", "needs_other_dialect"];
    assert_told(&setup, &text(EASY), json!({}), ["a", "SIMPLE", "heuristic_scorer"]);
    assert_told(&setup, &text(EASY), json!({"n": 2}), wanted);
    let bitmap = r#"{"type":"image_url","image_url":{"url":"data:image/bmp;base64,AAAA"}}"#;
    assert_told(&setup, &with_part(EASY, bitmap), json!({}), wanted);
    let custom = json!([{"type": "custom", "custom": {"name": "f"}}]);
    assert_told(&setup, &text(EASY), json!({"tools": custom}), wanted);
    let body = br#"{"model":"smart","input":"hello"}"#.to_vec();
    let flight = decide(&setup, Api::Embeddings, body, &PlanContext::default()).unwrap();
    assert_eq!(told(&flight)[0], "c", "another endpoint is no other");
}

#[test]
fn d1_rules_wishes_and_budgets_do_not_lead_where_it_cannot_be_served() {
    let setup = tiers([BLIND, "", BLIND, ""], "keyword_tier_rules: [{keywords: [cheaply], tier: SIMPLE}], ");
    assert_told(&setup, &with_part("do it cheaply", IMAGE), json!({}), ["b", "MEDIUM", "needs_image"]);
    assert_told(&setup, &with_part(" ", IMAGE), json!({}), ["b", "MEDIUM", "needs_image"]);

    let setup = tiers([BLIND, "", BLIND, ""], "allow_client_tier: true, ");
    for (wish, wanted) in [
        ("SIMPLE", ["b", "MEDIUM", "needs_image"]),
        ("COMPLEX", ["d", "REASONING", "needs_image"]),
        (">=COMPLEX", ["d", "REASONING", "needs_image"]),
        ("MEDIUM", ["b", "MEDIUM", "client_request"]),
    ] {
        let header = |name: &str| if name == "x-signalbox-tier" { wish.to_owned() } else { String::new() };
        let moment = PlanContext { header: &header, ..PlanContext::default() };
        assert_eq!(told(&ask(&setup, &with_part(EASY, IMAGE), json!({}), &moment).unwrap()), wanted, "{wish}");
    }

    let setup = tiers(["", BLIND, "", ""], "budget_lowering: 0.9, ");
    let spent = DeploymentView { budget_share: 0.95, ..DeploymentView::default() };
    let seen = [DeploymentView::default(), DeploymentView::default(), DeploymentView::default(), spent];
    let moment = PlanContext { views: &seen, ..PlanContext::default() };
    let lowered = |messages: &Value| {
        let flight = ask(&setup, messages, json!({}), &moment).unwrap();
        told(&flight).map(str::to_owned)
    };
    assert_eq!(lowered(&text(REASONING)), ["c", "COMPLEX", "budget_lowering"]);
    let seen = [DeploymentView::default(), DeploymentView::default(), spent, spent];
    let moment = PlanContext { views: &seen, ..PlanContext::default() };
    let flight = ask(&setup, &with_part(REASONING, IMAGE), json!({}), &moment).unwrap();
    assert_eq!(told(&flight), ["a", "SIMPLE", "budget_lowering"], "past the one that cannot");
}

#[test]
fn d1_of_several_groups_of_a_tier_one_that_could_serve_it_is_drawn() {
    let groups = [("a", PARAMS, BLIND), ("b", PARAMS, ""), ("c", PARAMS, BLIND)];
    let settings = "signalbox:\n  routers:\n    smart: {classifier_type: heuristic, default_model: c, tiers: {SIMPLE: [a, b, c]}}\n";
    let setup = setup(&groups, settings);
    for seed in 0..20 {
        let moment = PlanContext { seed, ..PlanContext::default() };
        let flight = ask(&setup, &with_part(EASY, IMAGE), json!({}), &moment).unwrap();
        assert_eq!(told(&flight), ["b", "SIMPLE", "heuristic_scorer"]);
    }
}

#[test]
fn d1_in_the_shadow_the_default_serves_all_the_same() {
    let setup = tiers(["", BLIND, "", ""], "shadow: true, ");
    let flight = ask(&setup, &with_part(REASONING, IMAGE), json!({}), &PlanContext::default()).unwrap();
    assert_eq!(told(&flight), ["a", "REASONING", "reasoning_override"]);
    let setup = tiers(["", "", "", BLIND], "shadow: true, ");
    let flight = ask(&setup, &with_part(REASONING, IMAGE), json!({}), &PlanContext::default()).unwrap();
    assert_eq!(told(&flight), ["a", "COMPLEX", "needs_image"]);
}

#[test]
fn d1_where_nobody_could_serve_it_the_refusal_is_that_of_the_tier() {
    let setup = tiers([BLIND; 4], "");
    let refused = ask(&setup, &with_part(EASY, IMAGE), json!({}), &PlanContext::default()).unwrap_err();
    assert_eq!(refused.status, 400);
    assert!(body_of(&refused).contains("does not support image input"), "{}", body_of(&refused));
    assert!(refused.headers.contains(&("x-signalbox-tier", "SIMPLE".to_owned())), "{:?}", refused.headers);
    let groups = ["a", "b", "c", "d"].map(|name| (name, CLAUDE, ""));
    let setup = self::setup(&groups, &router(""));
    let custom = json!([{"type": "custom", "custom": {"name": "f"}}]);
    let refused = ask(&setup, &text(EASY), json!({"tools": custom}), &PlanContext::default()).unwrap_err();
    assert!(body_of(&refused).contains("no equivalent of 'tools'"), "{}", body_of(&refused));
}

#[test]
fn d1_a_task_gives_way_to_the_default_or_to_another() {
    let groups = [("a", PARAMS, BLIND), ("b", PARAMS, ""), ("c", PARAMS, BLIND)];
    let router = |default: &str| {
        format!(
            "signalbox:\n  routers:\n    smart: {{tasks: {{translation: a, code_generation: b}}, default_model: {default}}}\n"
        )
    };
    let translate = "Translate this text into French: good morning";
    let plain = ask(&setup(&groups, &router("b")), &text(translate), json!({}), &PlanContext::default()).unwrap();
    assert_eq!(told(&plain)[..2], ["a", "translation"]);
    for default in ["b", "c"] {
        let setup = setup(&groups, &router(default));
        assert_told(&setup, &with_part(translate, IMAGE), json!({}), ["b", "translation", "needs_image"]);
    }
}
