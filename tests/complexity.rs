//! LiteLLM's complexity router: its scorer bit for bit on LiteLLM's own vectors, the rules around it, and bounds on hostile texts.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

#[cfg(all(feature = "cli", unix))]
#[path = "support/golden.rs"]
mod golden;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use signalbox::chat::{Role, Transcript, Utterance};
use signalbox::config::complexity::{
    ComplexityConfig, DimensionWeights, KeywordTierRule, Tier, TierBoundaries, TierModel, TokenThresholds,
};
use signalbox::routing::complexity::{Cause, Classifier, Heuristic, Scored, TierDecision};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const VECTORS: &[u8] = include_bytes!("golden/complexity/vectors.json");
#[derive(Deserialize)]
struct Vector<'a> {
    prompt: String,
    tier: String,
    /// Raw, because serde_json's own reading may miss the last bit.
    #[serde(borrow)]
    score: &'a RawValue,
    signals: Vec<String>,
}

const SORTS: &str = "Write a Python function that sorts a list of numbers and returns it please";

fn litellm() -> ComplexityConfig {
    ComplexityConfig::default()
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn score(config: &ComplexityConfig, prompt: &str) -> Scored {
    Heuristic::new(config).score(prompt, true)
}

#[test]
fn every_vector_has_litellms_tier_score_and_signals() {
    let heuristic = Heuristic::new(&litellm());
    let vectors: Vec<Vector<'_>> = serde_json::from_slice(VECTORS).unwrap();
    assert!(vectors.len() > 50);
    for Vector { prompt, tier, score, signals } in vectors {
        let scored = heuristic.score(&prompt, true);
        let wanted: f64 = score.get().parse().unwrap();
        assert_eq!(scored.score.to_bits(), wanted.to_bits(), "{prompt}: {} for {wanted}", scored.score);
        assert_eq!((scored.tier.as_str(), &scored.signals), (&*tier, &signals), "{prompt}");
        let sum = scored.dimensions.iter().fold(0.0, |sum, dimension| sum + dimension.contribution);
        assert_eq!((scored.dimensions.len(), sum.to_bits()), (7, scored.score.to_bits()), "{prompt}");

        let silent = heuristic.score(&prompt, false);
        assert_eq!((silent.tier, silent.score, silent.cause), (scored.tier, scored.score, scored.cause));
        assert!(silent.signals.is_empty() && silent.dimensions.is_empty());
    }
}

#[test]
fn the_configuration_changes_the_score_as_in_litellm() {
    let judged = |config: ComplexityConfig| {
        let scored = score(&config, SORTS);
        (scored.tier, scored.score)
    };
    assert_eq!(judged(litellm()), (Tier::Medium, 0.3));
    let dimension_weights = DimensionWeights { code_presence: 0.4, ..DimensionWeights::ZERO };
    assert_eq!(judged(ComplexityConfig { dimension_weights, ..litellm() }), (Tier::Complex, 0.4));
    assert_eq!(judged(ComplexityConfig { code_keywords: owned(&["sorts"]), ..litellm() }), (Tier::Medium, 0.15));
    assert_eq!(judged(ComplexityConfig { code_keywords: Vec::new(), ..litellm() }), (Tier::Medium, 0.3));
    let custom_technical_keywords = owned(&["sorts", "numbers"]);
    assert_eq!(judged(ComplexityConfig { custom_technical_keywords, ..litellm() }), (Tier::Complex, 0.425));
    let tier_boundaries = TierBoundaries { simple_medium: 0.5, medium_complex: 0.2, complex_reasoning: 0.1 };
    assert_eq!(judged(ComplexityConfig { tier_boundaries, ..litellm() }).0, Tier::Simple);
    let token_thresholds = TokenThresholds { simple: 3, complex: 17 };
    assert_eq!(judged(ComplexityConfig { token_thresholds, ..litellm() }), (Tier::Complex, 0.4));
}

#[test]
fn two_reasoning_words_need_a_score_from_the_floor_on() {
    let prompt = "hello evaluate infer";
    let by_default = score(&litellm(), prompt);
    assert_eq!((by_default.tier, by_default.score), (Tier::Simple, 0.099_999_999_999_999_99));
    let lowered = score(&ComplexityConfig { reasoning_override_min_score: Some(0.0), ..litellm() }, prompt);
    assert_eq!((lowered.tier, lowered.cause), (Tier::Reasoning, Cause::ReasoningOverride));
}

#[test]
fn words_end_where_pythons_do() {
    let code = |prompt: &str| score(&litellm(), prompt).signals.iter().any(|signal| signal.starts_with("code"));
    for prompt in
        ["api", "API", "the_api api", "x-api", "’api’", "发票。api", "की\u{93f}api", "ⓐapi", "api\u{301}", "apİ"]
    {
        assert!(code(prompt), "{prompt}");
    }
    for prompt in ["apis", "api_", "_api", "发票api", "éapi", "api٣", "api²", "apiª", "ǅapi", "rapid"] {
        assert!(!code(prompt), "{prompt}");
    }
    let keywords = ComplexityConfig { code_keywords: owned(&["c++", "发票", "ΟΔΟΣ", "é", ".net"]), ..litellm() };
    let code = |prompt: &str| score(&keywords, prompt).signals.iter().any(|signal| signal.starts_with("code"));
    for prompt in ["c++x", "我需要开发票", "οδος", "ΟΔΟΣ", "É", "asp.net"] {
        assert!(code(prompt), "{prompt}");
    }
    for prompt in ["c++", "发 票", "οδοσ", "été", "use .net"] {
        assert!(!code(prompt), "{prompt}");
    }
}

// --- The rules around the scorer ------------------------------------------------------------------------------------------

fn says(role: Role, text: &'static str) -> Utterance<'static> {
    Utterance { role, text: text.into(), attachments: 0, calls: 0 }
}

fn decide(config: &ComplexityConfig, turns: &[Utterance<'static>]) -> TierDecision {
    let conversation = Transcript { turns: turns.to_vec(), ..Transcript::default() };
    Classifier::new(config).unwrap().decide(&conversation, false, true)
}

fn outcome(config: &ComplexityConfig, turns: &[Utterance<'static>]) -> (Tier, Cause) {
    let decision = decide(config, turns);
    (decision.scored.tier, decision.scored.cause)
}

fn only(tiers: &[Tier]) -> ComplexityConfig {
    let model = || vec![TierModel { group: "m".to_owned(), params: Value::Null }];
    ComplexityConfig { tiers: tiers.iter().map(|tier| (*tier, model())).collect(), ..litellm() }
}

#[test]
fn the_newest_ask_decides() {
    let turns = [
        says(Role::System, "You write code: function, class, api."),
        says(Role::User, "implement a function in rust"),
        says(Role::Assistant, "fn"),
        says(Role::User, "thanks <system-reminder>class function api</system-reminder>"),
    ];
    let decision = decide(&litellm(), &turns);
    assert_eq!((decision.scored.tier, decision.scored.score), (Tier::Simple, -0.150_000_000_000_000_02));
    assert_eq!(outcome(&litellm(), &turns[..3]), (Tier::Medium, Cause::HeuristicScorer));
    assert_eq!(outcome(&litellm(), &turns[..1]), (Tier::Medium, Cause::DefaultFallback));
    assert_eq!(outcome(&litellm(), &[]), (Tier::Medium, Cause::DefaultFallback));
}

#[test]
fn a_user_can_ask_for_the_next_configured_tier() {
    let wish = [says(Role::User, "hello, LITELLM ESCALATE")];
    assert_eq!(outcome(&litellm(), &wish), (Tier::Medium, Cause::HeuristicScorer));
    let decision = decide(&only(&[Tier::Simple, Tier::Reasoning]), &wish);
    assert_eq!((decision.scored.tier, decision.classified), (Tier::Reasoning, Tier::Simple));
    assert_eq!(decision.escalation_keyword.as_deref(), Some("LITELLM ESCALATE"));
    assert!(decision.scored.signals.contains(&"escalation".to_owned()));
    assert_eq!(outcome(&only(&[Tier::Simple]), &wish).0, Tier::Simple);
    assert_eq!(outcome(&litellm(), &[says(Role::User, "hello, litellm escalate")]).0, Tier::Simple);
    let off = ComplexityConfig { escalation_keywords: Some(Vec::new()), ..litellm() };
    assert_eq!(outcome(&off, &wish).0, Tier::Simple);
    // An older wish is not repeated with every turn of tool results that follows it.
    let later = [wish[0].clone(), says(Role::User, "<system-reminder>x</system-reminder>")];
    assert_eq!(outcome(&litellm(), &later).0, Tier::Simple);
}

#[test]
fn the_hardest_keyword_rule_wins_and_skips_the_scorer() {
    let rule = |tier, keywords: &[&str]| KeywordTierRule { keywords: owned(keywords), tier };
    let keyword_tier_rules =
        vec![rule(Tier::Medium, &["invoice"]), rule(Tier::Complex, &["no", "Contract"]), rule(Tier::Simple, &["bill"])];
    let config = ComplexityConfig { keyword_tier_rules, ..litellm() };
    let decision = decide(&config, &[says(Role::User, "the CONTRACT and the invoice")]);
    assert_eq!((decision.scored.tier, decision.scored.cause), (Tier::Complex, Cause::LiteralKeywordMatch));
    assert_eq!(decision.matched.as_deref(), Some("Contract"));
    assert_eq!(outcome(&config, &[says(Role::User, "invoices")]), (Tier::Simple, Cause::HeuristicScorer));
    let both = [says(Role::User, "bill: LITELLM ESCALATE")];
    assert_eq!(outcome(&config, &both), (Tier::Medium, Cause::LiteralKeywordMatch));
    assert_eq!(decide(&config, &both).scored.signals, [""; 0], "as in LiteLLM");
}

#[test]
fn chores_go_to_the_cheapest_tier() {
    let title = "Implement the api function. Write the title in the predominant language of the session";
    let turns = [says(Role::User, title)];
    assert_eq!(outcome(&litellm(), &turns), (Tier::Simple, Cause::Housekeeping));
    assert_eq!(outcome(&only(&[Tier::Complex, Tier::Reasoning]), &turns), (Tier::Complex, Cause::Housekeeping));
    let off = ComplexityConfig { route_housekeeping_to_cheapest_tier: false, ..litellm() };
    assert_eq!(outcome(&off, &turns), (Tier::Medium, Cause::HeuristicScorer));
}

#[test]
fn a_planning_client_gets_its_least_tier() {
    let config = ComplexityConfig { plan_mode_min_tier: Some(Tier::Complex), ..litellm() };
    let ask = says(Role::User, "hello");
    let note = says(Role::System, "Plan mode is active");
    let planning = [ask.clone(), note.clone()];
    assert_eq!(outcome(&config, &planning), (Tier::Complex, Cause::PlanMode));
    assert_eq!(outcome(&litellm(), &planning), (Tier::Simple, Cause::HeuristicScorer));
    let ended = [ask.clone(), note.clone(), ask.clone()];
    assert_eq!(outcome(&config, &ended), (Tier::Simple, Cause::HeuristicScorer));
    assert_eq!(outcome(&config, &[note, ask.clone()]), (Tier::Complex, Cause::PlanMode));
    let hard = [says(Role::User, "Let's think step by step"), says(Role::System, "Plan mode still active")];
    assert_eq!(outcome(&config, &hard), (Tier::Reasoning, Cause::ReasoningOverride));
    let top = ComplexityConfig { plan_mode_min_tier: Some(Tier::Complex), ..only(&[Tier::Simple, Tier::Complex]) };
    assert_eq!(outcome(&top, &hard), (Tier::Complex, Cause::PlanMode));

    let tools = vec!["exit_plan_mode".into()];
    let conversation = Transcript { turns: vec![ask], tools, ..Transcript::default() };
    let classifier = Classifier::new(&config).unwrap();
    assert!(classifier.reads_all());
    assert_eq!(classifier.decide(&conversation, false, true).matched.as_deref(), Some("exit_plan_mode"));
}

#[test]
fn codex_has_reminders_of_its_own() {
    let turns = vec![says(Role::User, "<environment_context>class api</environment_context> Tell me about the sea.")];
    let conversation = Transcript { turns, ..Transcript::default() };
    let classifier = Classifier::new(&litellm()).unwrap();
    assert_eq!(classifier.decide(&conversation, true, false).scored.tier, Tier::Simple);
    assert_eq!(classifier.decide(&conversation, false, false).scored.tier, Tier::Medium);
}

// --- Hostile texts ----------------------------------------------------------------------------------------------------------

/// Texts that would be slow if any part of them were looked at again and again.
fn hostile(bytes: usize) -> Vec<String> {
    let pieces = [
        "a",
        " ",
        "?",
        "\n",
        "Σ",
        "Σ.",
        "İ",
        "first ",
        "first\n",
        "first then\n",
        "firsthen",
        "step ",
        "step\t\n",
        "1.",
        "1",
        "a)",
        "let's thin",
        "step by ste",
        "api ",
        "发票",
        "\u{93f}",
        "\u{10ffff}",
        "<system-reminder>",
        "<system-reminde",
        "<system-reminder></system-reminder>",
        "LITELLM ESCALAT",
    ];
    pieces.iter().map(|piece| piece.repeat(bytes / piece.len())).collect()
}

#[test]
fn hostile_texts_do_no_harm() {
    let classifier = Classifier::new(&litellm()).unwrap();
    for text in hostile(20_000) {
        let turn = Utterance { role: Role::User, text: text.into(), attachments: 0, calls: 0 };
        let conversation = Transcript { turns: vec![turn], ..Transcript::default() };
        let decision = classifier.decide(&conversation, true, true);
        assert!(decision.scored.score.is_finite());
    }
}

/// What took quadratic time would take hours here; the bound is generous because the machine may be busy.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn time_grows_with_the_text_alone() {
    let classifier = Classifier::new(&litellm()).unwrap();
    for text in hostile(1_000_000) {
        let took = time(&classifier, &text);
        assert!(took.as_secs() < 10, "{}…: {took:?}", text.chars().take(20).collect::<String>());
    }
}

#[cfg(not(target_arch = "wasm32"))]
fn time(classifier: &Classifier, text: &str) -> std::time::Duration {
    let turn = Utterance { role: Role::User, text: text.into(), attachments: 0, calls: 0 };
    let conversation = Transcript { turns: vec![turn], ..Transcript::default() };
    let start = std::time::Instant::now();
    std::hint::black_box(classifier.decide(&conversation, true, false));
    start.elapsed()
}

// --- The configuration and the command line -----------------------------------------------------------------------------------

#[cfg(all(feature = "cli", unix))]
mod read {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use signalbox::config::compile::complexity_router;
    use signalbox::config::complexity::{ClassifierType, MaxTokens};
    use signalbox::config::diagnostic::Diagnostics;
    use signalbox::config::yaml;

    use super::*;

    fn notes(diagnostics: &Diagnostics) -> String {
        diagnostics.iter().map(|diagnostic| diagnostic.line("config.yaml") + "\n").collect()
    }

    #[test]
    fn every_key_is_read() {
        let root = yaml::read(include_str!("golden/complexity/router.yaml")).unwrap();
        let found = complexity_router(&root, None).unwrap_or_else(|errors| panic!("{}", notes(&errors)));
        let (config, warnings) = (found.config, found.diagnostics);
        assert_eq!(warnings.len(), 1, "{}", notes(&warnings));
        assert!(warnings[0].problem.starts_with("`deployment_affinity` has no effect here"), "{}", notes(&warnings));
        let model = |group: &str, params: Value| TierModel { group: group.to_owned(), params };
        let wanted = ComplexityConfig {
            classifier_type: ClassifierType::Signalbox,
            tiers: vec![
                (Tier::Simple, vec![model("cheap", Value::Null)]),
                (Tier::Complex, vec![model("strong", Value::Null), model("other", Value::Null)]),
                (Tier::Reasoning, vec![model("thinker", serde_json::json!({"reasoning_effort": "high"}))]),
            ],
            default_model: Some("cheap".to_owned()),
            tier_boundaries: TierBoundaries { simple_medium: 0.15, medium_complex: 0.4, complex_reasoning: 0.6 },
            token_thresholds: TokenThresholds { simple: 10, complex: 400 },
            dimension_weights: DimensionWeights { code_presence: 0.4, token_count: -0.1, ..DimensionWeights::ZERO },
            reasoning_override_min_score: Some(0.0),
            simple_keywords: owned(&["hello"]),
            custom_technical_keywords: owned(&["Kafka"]),
            keyword_tier_rules: vec![KeywordTierRule { keywords: owned(&["invoice"]), tier: Tier::Simple }],
            escalation_keywords: Some(Vec::new()),
            plan_mode_min_tier: Some(Tier::Complex),
            plan_mode_patterns: owned(&["PLAN"]),
            housekeeping_patterns: owned(&["TITLE"]),
            reminder_markers: Some(vec![("<note>".to_owned(), "</note>".to_owned())]),
            max_tokens_from_tier_model: MaxTokens::Clamp,
            enable_context_window_escalation: true,
            context_window_escalation_buffer: 0.9,
            session_affinity: Some(true),
            return_raw_model_name: true,
            shadow: true,
            ..litellm()
        };
        assert_eq!(config, wanted);
    }

    #[test]
    fn every_error_is_told_with_its_place() {
        let root = yaml::read(include_str!("golden/complexity/mistakes.yaml")).unwrap();
        let told = notes(&complexity_router(&root, None).unwrap_err());
        golden::assert("complexity/mistakes.txt", &told);
        let none = yaml::read("model_list: []").unwrap();
        assert!(notes(&complexity_router(&none, None).unwrap_err()).contains("it has no complexity router"));
        let long = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: auto_router/complexity_router, complexity_router_config: {{code_keywords: [{}]}}}}}}]",
            "x".repeat(20_000)
        );
        let told = notes(&complexity_router(&yaml::read(&long).unwrap(), None).unwrap_err());
        assert!(told.contains("all keywords together are 20000 bytes long; keep them below 16384"), "{told}");
    }

    fn score(args: &[&str], stdin: &[u8]) -> (Option<i32>, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        command.arg("score").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that refuses its arguments ends before it has read all, and then nobody reads the rest.
        let written = child.stdin.take().unwrap().write_all(stdin);
        assert!(written.is_ok() || written.unwrap_err().kind() == std::io::ErrorKind::BrokenPipe);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn score_answers_line_by_line() {
        let lines = concat!(
            r#"{"prompt":"hello"}"#,
            "\n",
            r#"{"messages":[{"role":"user","content":"debug this api"},{"role":"assistant","content":"x"}],"tools":[]}"#,
            "\n",
        );
        let answers = concat!(
            r#"{"score":-0.15000000000000002,"tier":"SIMPLE","signals":["short (1 tokens)","simple (hello)"],"cause":"heuristic_scorer"}"#,
            "\n",
            r#"{"score":0.19999999999999998,"tier":"MEDIUM","signals":["short (3 tokens)","code (debug, api)"],"cause":"heuristic_scorer"}"#,
            "\n",
        );
        assert_eq!(score(&[], lines.as_bytes()), (Some(0), answers.to_owned(), String::new()));
        assert_eq!(score(&[], b""), (Some(0), String::new(), String::new()));
        let (code, out, _) = score(&["--classifier", "heuristic"], b"{}\n\xff\n{\"prompt\":\"hello\"}");
        let errors: Vec<bool> = out.lines().map(|line| line.starts_with(r#"{"error":""#)).collect();
        assert_eq!((code, errors), (Some(1), vec![true, true, false]), "{out}");
        let bad = b"\xef\xbb\xbf{\"prompt\":\"hello\"}\r\n\r\nnonsense\n[\"hello\"]\n{\"prompt\":5}\n{\"messages\":\"x\"}\n{\"prompt\":";
        let (code, out, told) = score(&[], bad);
        let wanted = [
            r#"{"error":"this line is empty","line":2}"#,
            r#"{"error":"this is not a JSON object","line":3}"#,
            r#"{"error":"this is not a JSON object","line":4}"#,
            r#"{"error":"`prompt` is not a text","line":5}"#,
            r#"{"error":"this has neither a `prompt` nor a list of `messages`","line":6}"#,
            r#"{"error":"this is not a JSON object: EOF while parsing a value at column 10","line":7}"#,
        ];
        assert_eq!(out.lines().skip(1).collect::<Vec<_>>(), wanted);
        assert_eq!((code, out.lines().next()), (Some(1), answers.lines().next()));
        assert_eq!(told, "error: 6 lines could not be read; the first is line 2\n");
        let file = golden::path("complexity/mistakes.yaml");
        let (code, out, told) = score(&["--config", &file.display().to_string()], lines.as_bytes());
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(told.contains("the classifier `llm`"), "{told}");
    }
}
