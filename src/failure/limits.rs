//! What a provider says of its limits in an answer's headers, in every form in which providers say it.
//!
//! | provider | headers | `reset` |
//! |---|---|---|
//! | OpenAI, Groq, Together, Fireworks, xAI | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` | `6m0s`, `120ms` |
//! | Azure | the same; mostly `remaining` only, sometimes -1 | seconds |
//! | Cerebras | the same, ending in `-requests-day`, `-tokens-minute` | seconds |
//! | Anthropic | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` | RFC 3339 |
//! | Mistral | `x-ratelimit-{limit,remaining}-{req,tokens}-minute`; `[x-]ratelimitbysize-{limit,remaining,reset}`: tokens | seconds |
//! | Cohere | `x-trial-endpoint-call-{limit,remaining}`: requests with a trial's key | - |
//! | OpenRouter and others | `[x-]ratelimit-{limit,remaining,reset}`: requests | seconds, or Unix time in s or ms |
//!
//! Where one thing has several limits, the one that is spent counts (of several the one that lasts longest), else the one with the
//! least left. There is no clock here: points in time are measured against the answer's own `date`, else against the time that
//! the caller knows.
//!
//! **Invariant:** any headers are read; no reset is further away than an hour, and none is past.

use super::retry_after::CAP_MS;
use super::time::{duration_ms, http_date, scaled};
use crate::chat::{RateLimits, Window};
use crate::date::rfc3339;

/// What is limited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thing {
    Requests,
    Tokens,
}

/// The families of names: what comes before `limit`, `remaining` or `reset`, what after, and what is limited.
const FAMILIES: &[(&str, &str, Thing)] = &[
    ("x-ratelimit-", "-requests", Thing::Requests),
    ("x-ratelimit-", "-tokens", Thing::Tokens),
    ("x-ratelimit-", "-requests-minute", Thing::Requests),
    ("x-ratelimit-", "-requests-day", Thing::Requests),
    ("x-ratelimit-", "-req-minute", Thing::Requests),
    ("x-ratelimit-", "-tokens-minute", Thing::Tokens),
    ("x-ratelimit-", "-tokens-day", Thing::Tokens),
    ("anthropic-ratelimit-requests-", "", Thing::Requests),
    ("anthropic-ratelimit-tokens-", "", Thing::Tokens),
    ("anthropic-ratelimit-input-tokens-", "", Thing::Tokens),
    ("anthropic-ratelimit-output-tokens-", "", Thing::Tokens),
    ("x-ratelimitbysize-", "", Thing::Tokens),
    ("ratelimitbysize-", "", Thing::Tokens),
    ("x-ratelimit-", "", Thing::Requests),
    ("ratelimit-", "", Thing::Requests),
    ("x-trial-endpoint-call-", "", Thing::Requests),
];

/// Reads the limits from all headers of an answer, names in lower case. `now_ms`: Unix milliseconds; 0: not known.
pub fn read<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])> + Clone, now_ms: u64) -> RateLimits {
    let is_one = |name: &str| name.contains("ratelimit") || name.starts_with("x-trial-");
    if !headers.clone().any(|(name, _)| is_one(name)) {
        return RateLimits::default();
    }
    let header = |wanted: &str| {
        let (_, value) = headers.clone().find(|(name, _)| *name == wanted)?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    };
    looked_up(&header, now_ms)
}

/// Reads the limits by looking headers up.
pub(super) fn looked_up(header: &dyn Fn(&str) -> Option<String>, now_ms: u64) -> RateLimits {
    let date = header("date").and_then(|date| http_date(date.trim())).or((now_ms > 0).then_some(now_ms / 1000));
    let mut limits = RateLimits::default();
    for (before, after, thing) in FAMILIES {
        let value = |what: &str| header(&format!("{before}{what}{after}"));
        let window = Window {
            limit: value("limit").as_deref().and_then(count),
            remaining: value("remaining").as_deref().and_then(count),
            reset_ms: value("reset").and_then(|reset| reset_ms(reset.trim(), date)),
        };
        if window != Window::default() {
            let known = match thing {
                Thing::Requests => &mut limits.requests,
                Thing::Tokens => &mut limits.tokens,
            };
            *known = Some(known.map_or(window, |known| tighter(known, window)));
        }
    }
    limits
}

/// A count, which some follow with its terms (`100, 100;w=60`). A negative one is how some say that they do not know.
fn count(text: &str) -> Option<u64> {
    let number = text.split([',', ';']).next()?.trim();
    scaled(number, 1.0)
}

fn tighter(one: Window, other: Window) -> Window {
    let strictness = |window: &Window| {
        let spent = window.is_spent();
        (spent, if spent { window.reset_ms } else { None }, u64::MAX - window.remaining.unwrap_or(u64::MAX))
    };
    if strictness(&other) > strictness(&one) { other } else { one }
}

/// How long until a limit resets, in milliseconds.
fn reset_ms(text: &str, date: Option<u64>) -> Option<u64> {
    // No provider lets its clients wait for 30 years: so large a number is a point in time.
    const UNIX_S: u64 = 1_000_000_000;
    const UNIX_MS: u64 = UNIX_S * 1_000;
    let until = |at_ms: u64| Some(at_ms.saturating_sub(date?.saturating_mul(1_000)));
    let wait_ms = match scaled(text, 1_000.0) {
        Some(ms) if ms >= UNIX_MS * 1_000 => until(ms / 1_000),
        Some(ms) if ms >= UNIX_MS => until(ms),
        Some(ms) => Some(ms),
        None => duration_ms(text).or_else(|| until(rfc3339(text)?.saturating_mul(1_000))),
    };
    Some(wait_ms?.min(CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: (&str, &str) = ("date", "Sun, 24 Aug 2025 12:03:30 GMT");

    fn of(headers: &[(&str, &str)]) -> RateLimits {
        read(headers.iter().map(|(name, value)| (*name, value.as_bytes())), 0)
    }

    fn window(limit: u64, remaining: u64, reset_ms: u64) -> Option<Window> {
        Some(Window { limit: Some(limit), remaining: Some(remaining), reset_ms: Some(reset_ms) })
    }

    #[test]
    fn openai_and_groq_write_durations() {
        let openai = of(&[
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-limit-tokens", "160000"),
            ("x-ratelimit-remaining-requests", "4999"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ]);
        assert_eq!((openai.requests, openai.tokens), (window(5_000, 4_999, 12), window(160_000, 0, 360_000)));
        assert_eq!((openai.full_for_ms(), openai.have_room()), (Some(360_000), false));
        let groq = of(&[
            ("x-ratelimit-limit-requests", "14400"),
            ("x-ratelimit-remaining-requests", "14370"),
            ("x-ratelimit-reset-requests", "2m59.56s"),
            ("x-ratelimit-limit-tokens", "18000"),
            ("x-ratelimit-remaining-tokens", "17997"),
            ("x-ratelimit-reset-tokens", "7.66s"),
        ]);
        assert_eq!((groq.requests, groq.tokens), (window(14_400, 14_370, 179_560), window(18_000, 17_997, 7_660)));
        assert_eq!((groq.full_for_ms(), groq.have_room(), groq.wait_ms()), (None, true, Some(7_660)));
    }

    #[test]
    fn azure_says_what_remains_and_sometimes_that_it_does_not_know() {
        let azure = of(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-remaining-tokens", "-1")]);
        assert_eq!(azure.requests, Some(Window { remaining: Some(0), ..Window::default() }));
        assert_eq!(
            (azure.tokens, azure.full_for_ms(), azure.have_room()),
            (None, None, false),
            "nobody says until when"
        );
        let azure = of(&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "10")]);
        assert_eq!(azure.full_for_ms(), Some(10_000));
    }

    #[test]
    fn anthropic_writes_points_in_time_and_its_tightest_limit_counts() {
        let headers = [
            DATE,
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2025-08-24T12:03:31Z"),
            ("anthropic-ratelimit-tokens-limit", "38000"),
            ("anthropic-ratelimit-tokens-remaining", "8000"),
            ("anthropic-ratelimit-tokens-reset", "2025-08-24T12:03:32Z"),
            ("anthropic-ratelimit-input-tokens-limit", "30000"),
            ("anthropic-ratelimit-input-tokens-remaining", "30000"),
            ("anthropic-ratelimit-input-tokens-reset", "2025-08-24T12:03:30Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "0"),
            ("anthropic-ratelimit-output-tokens-reset", "2025-08-24T12:03:34Z"),
        ];
        let claude = of(&headers);
        assert_eq!((claude.requests, claude.tokens), (window(50, 49, 1_000), window(8_000, 0, 4_000)));
        assert_eq!(claude.full_for_ms(), Some(4_000));
        assert_eq!(of(&headers[1..]).full_for_ms(), None, "no date to measure by");
    }

    #[test]
    fn others_count_in_seconds_or_name_a_unix_time() {
        let reset = |reset: &str| {
            of(&[DATE, ("x-ratelimit-limit", "20"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)])
                .full_for_ms()
        };
        assert_eq!(reset("7"), Some(7_000));
        assert_eq!(reset("1756037015"), Some(5_000));
        assert_eq!(reset("1756037015000"), Some(5_000));
        assert_eq!(reset("1756037000"), Some(0), "past");
        assert_eq!(reset("2756037000"), Some(CAP_MS), "far");
        assert_eq!(reset("99999999999999999999999"), Some(CAP_MS));
        assert_eq!(reset("soon"), None);
        let mistral = of(&[
            ("ratelimitbysize-limit", "500000"),
            ("ratelimitbysize-remaining", "0"),
            ("ratelimitbysize-reset", "12"),
        ]);
        assert_eq!(mistral.tokens, window(500_000, 0, 12_000));
        let some = |limit, remaining| Some(Window { limit: Some(limit), remaining: Some(remaining), reset_ms: None });
        let mistral = of(&[
            ("x-ratelimit-limit-req-minute", "720"),
            ("x-ratelimit-remaining-req-minute", "717"),
            ("x-ratelimit-limit-tokens-minute", "5000000"),
            ("x-ratelimit-remaining-tokens-minute", "4999911"),
            ("x-ratelimit-tokens-query-cost", "52"),
        ]);
        assert_eq!((mistral.requests, mistral.tokens), (some(720, 717), some(5_000_000, 4_999_911)));
        let cohere = of(&[
            ("x-endpoint-monthly-call-limit", "1000"),
            ("x-trial-endpoint-call-limit", "20"),
            ("x-trial-endpoint-call-remaining", "0"),
        ]);
        assert_eq!((cohere.requests, cohere.have_room()), (some(20, 0), false));
        let cerebras = of(&[
            ("x-ratelimit-limit-requests-day", "1000"),
            ("x-ratelimit-remaining-requests-day", "0"),
            ("x-ratelimit-reset-requests-day", "33011.382867"),
            ("x-ratelimit-remaining-tokens-minute", "59000"),
        ]);
        assert_eq!(cerebras.requests, window(1_000, 0, CAP_MS));
        let ietf =
            of(&[("ratelimit-limit", "100, 100;w=60"), ("ratelimit-remaining", "50"), ("ratelimit-reset", "30")]);
        assert_eq!(ietf.requests, window(100, 50, 30_000));
        let none = of(&[
            ("x-ratelimit-limit-requests", "0"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "0s"),
        ]);
        assert_eq!(none.full_for_ms(), None, "a limit of nothing is none");
        assert_eq!(of(&[("content-type", "text/plain")]), RateLimits::default());
    }
}
