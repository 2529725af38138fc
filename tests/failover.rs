//! The failover table, row by row, and what bounds it.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fmt::Write;

use signalbox::chat::{Failure, FailureClass, Fault};
use signalbox::config::model::RetryPolicy;
use signalbox::provider::Dialect;
use signalbox::routing::failover::{MAX_RETRIES, Next, Rules, next, next_or_again, rule_out};
use signalbox::routing::strategy::{Random, RankReason};
use signalbox::routing::{By, Candidate, Place, Plan, Purpose, Stage};

const RULES: Rules = Rules { fallback_on_bad_request: false, max_wait_ms: 5_000, another_provider: true };

const FIRST: Place = Place { stage: 0, candidate: 0 };

const CLASSES: [FailureClass; 14] = [
    FailureClass::Connect,
    FailureClass::Reset,
    FailureClass::Timeout,
    FailureClass::FirstToken,
    FailureClass::RateLimit,
    FailureClass::Quota,
    FailureClass::Overloaded,
    FailureClass::Upstream,
    FailureClass::Auth,
    FailureClass::Permission,
    FailureClass::NotFound,
    FailureClass::ContextWindow,
    FailureClass::ContentPolicy,
    FailureClass::BadRequest,
];

fn failure(class: FailureClass, retry_after_ms: Option<u64>) -> Failure {
    Failure { retry_after_ms, ..Failure::local(class, "") }
}

/// A plan of stages with so many candidates, each stage a group of its own.
fn stages(sizes: &[usize], retries: u32) -> Plan {
    let candidate = |deployment| Candidate {
        deployment,
        provider: None,
        is_translated: false,
        model: None,
        window: None,
        reason: RankReason::None,
        rests_until_ms: None,
        ruled_out: false,
    };
    let stage = |(group, &size)| Stage {
        group,
        purpose: Purpose::General,
        from: 0,
        order: None,
        candidates: (0..size).map(candidate).collect(),
        retries,
        policy: None,
    };
    Plan { asked: 0, by: By::Name, stages: sizes.iter().enumerate().map(stage).collect(), excluded: Vec::new() }
}

/// The places that are tried when every attempt fails like this, as `stage.candidate`, and `+` where one waits first.
fn course(plan: &Plan, class: FailureClass, retry_after_ms: Option<u64>) -> String {
    let mut tried = vec![Place { stage: 0, candidate: 0 }];
    let mut text = "0.0".to_owned();
    while let Next::Try(place, wait_ms) = next_or_again(plan, &tried, &[], &failure(class, retry_after_ms), &RULES, 1) {
        write!(text, " {}{}.{}", if wait_ms > 0 { "+" } else { "" }, place.stage, place.candidate).unwrap();
        tried.push(place);
    }
    text
}

/// Each class: alone, two of a group, with a fallback group, each with two retries; and with no retries and a fallback.
const TABLE: [(FailureClass, [&str; 4]); 14] = {
    use FailureClass as C;
    [
        (C::Connect, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Reset, ["0.0 0.0 +0.0", "0.0 0.1 +0.0", "0.0 0.0 1.0 1.0 +1.0", "0.0 1.0"]),
        (C::Timeout, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::FirstToken, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::RateLimit, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Quota, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::Overloaded, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Upstream, ["0.0 +0.0 +0.0", "0.0 0.1 +0.0", "0.0 +0.0 1.0 +1.0 +1.0", "0.0 1.0"]),
        (C::Auth, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::Permission, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::NotFound, ["0.0", "0.0 0.1", "0.0 1.0", "0.0 1.0"]),
        (C::ContextWindow, ["0.0", "0.0", "0.0 1.0", "0.0 1.0"]),
        (C::ContentPolicy, ["0.0", "0.0", "0.0", "0.0"]),
        (C::BadRequest, ["0.0", "0.0", "0.0", "0.0"]),
    ]
};

#[test]
fn every_row_of_the_failover_table() {
    let plans = [stages(&[1], 2), stages(&[2], 2), stages(&[1, 1], 2), stages(&[1, 1], 0)];
    for (class, courses) in TABLE {
        for (plan, wanted) in plans.iter().zip(courses) {
            assert_eq!(course(plan, class, None), wanted, "{} in {} stages", class.as_str(), plan.stages.len());
        }
    }
    assert_eq!(TABLE.map(|(class, _)| class), CLASSES);
}

#[test]
fn a_short_wait_is_waited_out_and_a_long_one_is_the_clients() {
    let lone = stages(&[1], 2);
    for class in [FailureClass::RateLimit, FailureClass::Overloaded] {
        assert_eq!(course(&lone, class, Some(RULES.max_wait_ms)), "0.0 +0.0 +0.0");
        assert_eq!(course(&lone, class, Some(RULES.max_wait_ms + 1)), "0.0");
        assert_eq!(course(&stages(&[2], 2), class, Some(60_000)), "0.0 0.1", "another has nothing to do with the wait");
        assert_eq!(course(&stages(&[1, 1], 2), class, Some(60_000)), "0.0 1.0");
        assert_eq!(course(&stages(&[1, 1], 2), class, Some(1_000)), "0.0 +0.0 +0.0 1.0 +1.0 +1.0");
    }
    assert_eq!(course(&lone, FailureClass::Upstream, Some(60_000)), "0.0", "a 500 may ask for a wait as well");
    assert_eq!(course(&stages(&[1, 1], 2), FailureClass::Upstream, Some(60_000)), "0.0 1.0");
    let tried = [Place { stage: 0, candidate: 0 }];
    let Next::Try(_, wait_ms) = next(&lone, &tried, &failure(FailureClass::RateLimit, Some(2_000)), &RULES, 0) else {
        panic!()
    };
    assert_eq!(wait_ms, 2_000);
}

#[test]
fn waits_double_up_to_eight_seconds() {
    let plan = stages(&[1], 9);
    let mut tried = vec![Place { stage: 0, candidate: 0 }];
    let mut waits = Vec::new();
    while let Next::Try(place, wait_ms) = next(&plan, &tried, &failure(FailureClass::Upstream, None), &RULES, 0) {
        waits.push(wait_ms);
        tried.push(place);
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000, 8000]);
    let jittered = next(&plan, &tried[..1], &failure(FailureClass::Upstream, None), &RULES, u64::MAX);
    let Next::Try(_, wait_ms) = jittered else { panic!() };
    assert!((500..1250).contains(&wait_ms), "{wait_ms}");
}

#[test]
fn a_prompt_too_long_for_one_level_skips_the_groups_next_level() {
    let mut plan = stages(&[1, 1, 1], 2);
    plan.stages[1].group = 0;
    assert_eq!(course(&plan, FailureClass::ContextWindow, None), "0.0 2.0");
    assert_eq!(course(&plan, FailureClass::Auth, None), "0.0 1.0 2.0");
}

#[test]
fn a_bad_request_falls_back_where_it_is_wanted() {
    let plan = stages(&[2, 1], 2);
    let tried = [Place { stage: 0, candidate: 0 }];
    let bad = failure(FailureClass::BadRequest, None);
    assert_eq!(
        next(&plan, &tried, &bad, &Rules { fallback_on_bad_request: true, ..RULES }, 0),
        Next::Try(Place { stage: 1, candidate: 0 }, 0)
    );
    assert_eq!(next(&plan, &tried, &bad, &RULES, 0), Next::GiveUp);
}

/// A plan whose deployments are run by these providers, a group a line.
fn run_by(groups: &[&[&str]]) -> Plan {
    let sizes: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let mut plan = stages(&sizes, 2);
    for (stage, names) in plan.stages.iter_mut().zip(groups) {
        for (candidate, name) in stage.candidates.iter_mut().zip(*names) {
            candidate.provider = signalbox::provider::by_name(name);
            candidate.is_translated = candidate.provider.unwrap().dialect != Dialect::OpenAi;
        }
    }
    plan
}

/// A7: for what we translated we answer, once; what is the client's own bytes is the client's.
#[test]
fn a7_an_unexplained_refusal_of_a_translated_request_goes_to_another_provider_once() {
    let bad = failure(FailureClass::BadRequest, None);
    let first = |plan: &Plan, failure: &Failure, rules: &Rules| next(plan, &[FIRST], failure, rules, 0);
    let to = |stage, candidate| Next::Try(Place { stage, candidate }, 0);
    for (groups, wanted) in [
        (&[&["anthropic", "anthropic", "openai"][..]][..], to(0, 2)),
        (&[&["anthropic"], &["anthropic"], &["groq"]], to(2, 0)),
        (&[&["anthropic", "anthropic"], &["anthropic"]], Next::GiveUp),
        (&[&["openai", "anthropic"], &["groq"]], Next::GiveUp),
        (&[&["hosted_vllm"], &["openai"]], Next::GiveUp),
    ] {
        assert_eq!(first(&run_by(groups), &bad, &RULES), wanted, "{groups:?}");
    }
    let plan = run_by(&[&["anthropic"], &["openai"], &["groq"]]);
    assert_eq!(first(&plan, &bad, &Rules { another_provider: false, ..RULES }), Next::GiveUp, "once");
    let clients = Failure { fault: Fault::Client, ..bad.clone() };
    assert_eq!(first(&plan, &clients, &RULES), Next::GiveUp, "an image that nobody takes");
    for class in [FailureClass::ContextWindow, FailureClass::ContentPolicy] {
        assert_ne!(first(&run_by(&[&["anthropic", "openai"]]), &failure(class, None), &RULES), to(0, 1), "{class:?}");
    }
    let mut level = run_by(&[&["anthropic", "anthropic", "openai"]]);
    rule_out(&mut level, FIRST, &bad, &RULES);
    let out = |at: usize| level.stages[0].candidates[at].ruled_out;
    assert_eq!((out(0), out(1), out(2)), (true, true, false), "its own provider would say the same");
}

/// K62: what one model cannot do another may, whoever wrote the request.
#[test]
fn k62_what_a_model_lacks_is_asked_of_the_next() {
    let lacking = Failure { fault: Fault::Model, ..failure(FailureClass::BadRequest, None) };
    let first = |plan: &Plan| next(plan, &[FIRST], &lacking, &RULES, 0);
    let to = |stage, candidate| Next::Try(Place { stage, candidate }, 0);
    assert_eq!(first(&run_by(&[&["ollama", "ollama"]])), to(0, 1));
    assert_eq!(first(&run_by(&[&["hosted_vllm"], &["openai"]])), to(1, 0));
    assert_eq!(first(&run_by(&[&["hosted_vllm"]])), Next::GiveUp);
}

#[test]
fn a_request_larger_than_a_minutes_tokens_goes_on_and_never_back() {
    let large = Failure { fault: Fault::Request, ..failure(FailureClass::RateLimit, Some(1_000)) };
    let at = |plan: &Plan| next(plan, &[FIRST], &large, &RULES, 0);
    assert_eq!(at(&stages(&[1], 2)), Next::GiveUp, "waiting does not help");
    assert_eq!(at(&stages(&[2], 2)), Next::Try(Place { stage: 0, candidate: 1 }, 0));
    assert_eq!(at(&stages(&[1, 1], 2)), Next::Try(Place { stage: 1, candidate: 0 }, 0));
}

#[test]
fn whatever_fails_the_attempts_end_and_stay_within_the_plan() {
    let mut random = Random::new(0x51_6E_A1);
    let mut below = |bound: u64| random.next() % bound;
    let mut longest = 0;
    for _ in 0..20_000 {
        let sizes: Vec<usize> = (0..=below(5)).map(|_| usize::try_from(below(6) + 1).unwrap()).collect();
        let mut plan = stages(&sizes, 0);
        for stage in &mut plan.stages {
            stage.group = usize::try_from(below(3)).unwrap();
            stage.retries = u32::try_from(below(20)).unwrap();
            for candidate in &mut stage.candidates {
                candidate.rests_until_ms = Some(below(100)).filter(|until_ms| until_ms % 3 == 0);
            }
        }
        let mut tried = vec![Place { stage: 0, candidate: 0 }];
        loop {
            let class = CLASSES[usize::try_from(below(14)).unwrap()];
            let wait = [None, Some(below(20_000))][usize::from(below(2) == 0)];
            let rules = Rules { fallback_on_bad_request: below(2) == 0, ..RULES };
            match next_or_again(&plan, &tried, &[], &failure(class, wait), &rules, below(u64::MAX)) {
                Next::GiveUp => break,
                Next::Try(place, wait_ms) => {
                    assert!(plan.candidate(place).is_some(), "{place:?} is not in {plan:?}");
                    let stage = |place: &Place| &plan.stages[place.stage];
                    let in_turn = |place: &&Place| plan.candidate(**place).unwrap().rests_until_ms.is_none();
                    let furthest = tried.iter().filter(in_turn).max_by_key(|place| place.stage);
                    let mut levels = tried.last().into_iter().chain(furthest);
                    let again = levels.any(|of| stage(&place).is_level_of(stage(of)));
                    assert!(again || !tried.contains(&place), "never back to a group that was left");
                    assert!(wait_ms <= 8_000 + 750, "{wait_ms}");
                    tried.push(place);
                }
            }
            assert!(tried.len() <= MAX_RETRIES + 1, "{tried:?}");
        }
        longest = longest.max(tried.len());
    }
    assert_eq!(longest, MAX_RETRIES + 1, "the bound was reached, so it was tested");
    let plan = stages(&[1], 2);
    let nowhere = Place { stage: 7, candidate: 7 };
    for tried in [vec![], vec![nowhere], vec![Place { stage: 0, candidate: 9 }]] {
        let next = next(&plan, &tried, &failure(FailureClass::Upstream, None), &RULES, 0);
        assert!(matches!(next, Next::GiveUp | Next::Try(Place { stage: 0, candidate: 0 | 9 }, _)), "{next:?}");
    }
}

/// A plan of these windows, a list a stage; 0: not known.
fn windows(stages_of: &[&[u64]]) -> Plan {
    let mut plan = stages(&stages_of.iter().map(|stage| stage.len()).collect::<Vec<_>>(), 2);
    for (stage, windows) in plan.stages.iter_mut().zip(stages_of) {
        for (candidate, window) in stage.candidates.iter_mut().zip(*windows) {
            candidate.window = (*window > 0).then_some(*window);
        }
    }
    plan
}

#[test]
fn a_prompt_too_long_goes_only_where_the_window_is_larger() {
    let too_long = |plan: &Plan| course(plan, FailureClass::ContextWindow, None);
    assert_eq!(too_long(&windows(&[&[100, 100, 50, 200, 300]])), "0.0 0.3 0.4");
    assert_eq!(too_long(&windows(&[&[100, 0]])), "0.0", "within the group it must be known");
    assert_eq!(too_long(&windows(&[&[0, 200]])), "0.0");
    assert_eq!(too_long(&windows(&[&[100], &[100, 200], &[0]])), "0.0 1.1 2.0", "unknown will do in another group");
    assert_eq!(too_long(&windows(&[&[100], &[50]])), "0.0");
    let mut levels = windows(&[&[100], &[100, 200]]);
    levels.stages[1].group = 0;
    assert_eq!(too_long(&levels), "0.0 1.1", "the group's next level");
}

/// The same plan with these deployments resting, each in a stage of its own behind the others.
fn resting(mut plan: Plan, rest: &[(usize, u64)]) -> Plan {
    for (group, until_ms) in rest {
        let mut stage = plan.stages.iter().find(|stage| stage.group == *group).unwrap().clone();
        stage.candidates.truncate(1);
        stage.candidates[0].deployment = 100 + plan.stages.len();
        stage.candidates[0].rests_until_ms = Some(*until_ms);
        plan.stages.push(stage);
    }
    plan
}

#[test]
fn b8_nobody_is_told_before_whoever_rests_was_asked_once() {
    use FailureClass as C;
    let of_two = resting(stages(&[1], 2), &[(0, 9)]);
    for (class, wanted) in [
        (C::Overloaded, "0.0 1.0 +0.0"),
        (C::RateLimit, "0.0 1.0 +0.0"),
        (C::Upstream, "0.0 1.0 +0.0"),
        (C::Connect, "0.0 1.0 +0.0"),
        (C::Reset, "0.0 1.0 +0.0"),
        (C::Timeout, "0.0 1.0"),
        (C::Auth, "0.0 1.0"),
        (C::FirstToken, "0.0"),
        (C::ContextWindow, "0.0"),
        (C::ContentPolicy, "0.0"),
        (C::BadRequest, "0.0"),
    ] {
        assert_eq!(course(&of_two, class, None), wanted, "{}", class.as_str());
    }
    let with_a_fallback = resting(stages(&[2, 1], 2), &[(1, 5), (0, 9), (0, 7)]);
    assert_eq!(course(&with_a_fallback, C::Auth, None), "0.0 0.1 1.0 4.0 3.0 2.0", "the asked group's soonest first");
    assert_eq!(
        course(&with_a_fallback, C::FirstToken, None),
        "0.0 0.1 1.0",
        "one that is only slow is more likely to serve"
    );
    assert_eq!(course(&resting(stages(&[1, 1], 0), &[(0, 9), (1, 9)]), C::Auth, None), "0.0 1.0", "no retries");
    let mut entered = resting(stages(&[1, 1], 0), &[(1, 9)]);
    entered.stages.remove(1);
    assert_eq!(course(&entered, C::Auth, None), "0.0 1.0", "the first of its group is no retry");
}

#[test]
fn b8_whoever_the_retries_leave_out_is_asked_before_the_client_is_told() {
    assert_eq!(course(&stages(&[5, 1], 1), FailureClass::Auth, None), "0.0 0.1 1.0 0.2 0.3 0.4");
    assert_eq!(course(&stages(&[3], 1), FailureClass::FirstToken, None), "0.0 0.1 0.2");
    assert_eq!(course(&stages(&[3], 0), FailureClass::Auth, None), "0.0");
    let connect = course(&resting(stages(&[1, 1], 2), &[(0, 9)]), FailureClass::Connect, None);
    assert_eq!(connect, "0.0 1.0 2.0 +0.0 +1.0 +1.0", "what might pass is tried again after the last resorts too");
    let mut again = stages(&[1, 1], 2);
    again.stages[1].candidates[0].deployment = 0;
    again.stages[1].candidates[0].rests_until_ms = Some(1);
    assert_eq!(course(&again, FailureClass::Auth, None), "0.0", "it was asked, for another group");
}

#[test]
fn who_could_not_have_served_after_one_failure_is_no_last_resort_after_the_next() {
    let after = |class, place: Place| {
        let mut plan = resting(windows(&[&[100], &[200]]), &[(0, 9), (1, 9)]);
        plan.stages[2].candidates[0].window = Some(100);
        plan.stages[3].candidates[0].window = Some(200);
        let first = Place { stage: 0, candidate: 0 };
        rule_out(&mut plan, first, &failure(class, None), &RULES);
        next(&plan, &[first, place], &failure(FailureClass::Auth, None), &RULES, 0)
    };
    let other = Place { stage: 1, candidate: 0 };
    let at = |stage| Next::Try(Place { stage, candidate: 0 }, 0);
    assert_eq!(after(FailureClass::ContextWindow, other), at(3), "the asked group's others are as small");
    assert_eq!(after(FailureClass::BadRequest, other), at(3));
    assert_eq!(after(FailureClass::Auth, other), at(2));
}

/// `a` falls back to `b`; a prompt too long goes to `c`, refused content to `d`.
fn special() -> Plan {
    let mut plan = stages(&[1, 1, 1, 1], 2);
    plan.stages[2].purpose = Purpose::ContextWindow;
    plan.stages[3].purpose = Purpose::ContentPolicy;
    plan
}

#[test]
fn special_stages_are_for_their_class_alone() {
    for class in CLASSES {
        let wanted = match class {
            FailureClass::ContextWindow => "0.0 2.0",
            FailureClass::ContentPolicy => "0.0 3.0",
            _ => continue,
        };
        assert_eq!(course(&special(), class, None), wanted);
    }
    assert_eq!(course(&special(), FailureClass::Auth, None), "0.0 1.0");
    let from = |place: usize, class| {
        let tried = [Place { stage: 0, candidate: 0 }, Place { stage: place, candidate: 0 }];
        next(&special(), &tried, &failure(class, None), &RULES, 0)
    };
    assert_eq!(from(2, FailureClass::Auth), Next::GiveUp, "what follows a larger window is larger windows");
    assert_eq!(from(3, FailureClass::Auth), Next::GiveUp, "refused content goes nowhere else");
    let mut plan = special();
    plan.stages[3].purpose = Purpose::ContextWindow;
    assert_eq!(course(&plan, FailureClass::ContextWindow, None), "0.0 2.0 3.0", "the next of the list may be larger");
    let tried = [Place { stage: 0, candidate: 0 }, Place { stage: 2, candidate: 0 }];
    let found = next(&plan, &tried, &failure(FailureClass::Auth, None), &RULES, 0);
    assert_eq!(found, Next::Try(Place { stage: 3, candidate: 0 }, 0), "its sibling takes over");
    plan.stages[2].candidates[0].window = Some(10);
    plan.stages[0].candidates[0].window = Some(20);
    assert_eq!(course(&plan, FailureClass::ContextWindow, None), "0.0 3.0", "a smaller one is passed by");
}

#[test]
fn a_retry_policy_replaces_the_count_and_insists() {
    type Set = fn(&mut RetryPolicy);
    let with = |sizes: &[usize], policy: RetryPolicy| {
        let mut plan = stages(sizes, 2);
        plan.stages.iter_mut().for_each(|stage| stage.policy = Some(policy));
        plan
    };
    let timeouts = |timeout| RetryPolicy { timeout, ..RetryPolicy::default() };
    assert_eq!(course(&with(&[1], timeouts(Some(3))), FailureClass::Timeout, None), "0.0 +0.0 +0.0 +0.0");
    assert_eq!(course(&with(&[2, 1], timeouts(Some(2))), FailureClass::Timeout, None), "0.0 0.1 +0.0 1.0 +1.0 +1.0");
    assert_eq!(course(&with(&[2, 1], timeouts(Some(0))), FailureClass::Timeout, None), "0.0 1.0");
    assert_eq!(course(&with(&[2], timeouts(None)), FailureClass::Timeout, None), "0.0 0.1", "other classes as ever");
    let one = |set: Set| {
        let mut policy = RetryPolicy::default();
        set(&mut policy);
        policy
    };
    let cases: [(FailureClass, Set); 13] = [
        (FailureClass::Connect, |it| it.internal_server_error = Some(1)),
        (FailureClass::Reset, |it| it.internal_server_error = Some(1)),
        (FailureClass::Upstream, |it| it.internal_server_error = Some(1)),
        (FailureClass::FirstToken, |it| it.timeout = Some(1)),
        (FailureClass::RateLimit, |it| it.rate_limit = Some(1)),
        (FailureClass::Overloaded, |it| it.service_unavailable = Some(1)),
        (FailureClass::Auth, |it| it.authentication = Some(1)),
        (FailureClass::NotFound, |it| it.not_found = Some(1)),
        (FailureClass::ContentPolicy, |it| it.content_policy = Some(1)),
        (FailureClass::ContentPolicy, |it| it.bad_request = Some(1)),
        (FailureClass::BadRequest, |it| it.bad_request = Some(1)),
        (FailureClass::Permission, |it| it.default = Some(1)),
        (FailureClass::Quota, |it| it.default = Some(1)),
    ];
    for (class, set) in cases {
        assert_eq!(course(&with(&[1], one(set)), class, None), "0.0 +0.0", "{}", class.as_str());
    }
    let all = one(|it| (it.bad_request, it.default) = (Some(3), Some(3)));
    assert_eq!(course(&with(&[2], all), FailureClass::ContextWindow, None), "0.0", "it does not grow shorter");
    assert_eq!(course(&with(&[1], all), FailureClass::Upstream, Some(60_000)), "0.0", "a long wait is the client's");
}

#[test]
fn how_long_is_waited_is_configured() {
    let rules = Rules { max_wait_ms: 100, ..RULES };
    let tried = [Place { stage: 0, candidate: 0 }];
    let at = |wait_ms| next(&stages(&[1], 2), &tried, &failure(FailureClass::RateLimit, Some(wait_ms)), &rules, 0);
    assert_eq!(at(100), Next::Try(tried[0], 100));
    assert_eq!(at(101), Next::GiveUp);
}
