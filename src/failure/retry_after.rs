//! How long a provider asks to wait, in every form in which providers say it: headers, members of the body, sentences.
//!
//! There is no clock here: the caller says what time it is. Where it does not know, a date is measured against the answer's own `date`.
//!
//! **Invariant:** never more than [`CAP_MS`]. What the client gets is a number of ours, never the provider's text.

use super::limits;
use super::time::{duration_ms, http_date, scaled, spoken_ms};
use crate::chat::FailureClass;
use crate::date::rfc3339;

/// The longest wait that is believed: one hour, in milliseconds.
pub const CAP_MS: u64 = 3_600_000;

/// What a number must be to be a point in time and no duration: nobody lets its clients wait for 30 years.
const UNIX_S: u64 = 1_000_000_000;

/// What stands before a time to wait in a sentence.
const WAITS: &[&str] = &[
    "try again in",
    "try again after",
    "retry in",
    "retry after",
    "retry request after",
    "again in",
    "wait",
    "wait for",
    "available in",
    "resets in",
    "reset in",
    "reset after",
    "replenished in",
    "refreshes in",
    "expires in",
];

/// The wait, in milliseconds: `retry-after-ms`, else `retry-after`, else what the body says, else when a spent limit resets.
/// `now_ms`: Unix milliseconds; 0: not known.
pub fn retry_after_ms(
    header: &dyn Fn(&str) -> Option<String>,
    body_ms: Option<u64>,
    class: FailureClass,
    now_ms: u64,
) -> Option<u64> {
    let in_ms = || header("retry-after-ms").and_then(|value| scaled(value.trim(), 1.0));
    let plain = || {
        let value = header("retry-after")?;
        let date = || header("date").and_then(|date| http_date(date.trim()));
        written_ms(value.trim(), date().map_or(now_ms, |date| date.saturating_mul(1000)))
    };
    let is_waiting = matches!(
        class,
        FailureClass::RateLimit
            | FailureClass::Quota
            | FailureClass::Overloaded
            | FailureClass::Upstream
            | FailureClass::Timeout
    );
    let is_limited = matches!(class, FailureClass::RateLimit | FailureClass::Quota);
    let reset = || is_limited.then(|| limits::looked_up(header, now_ms).wait_ms()).flatten();
    let wait = in_ms().or_else(plain).or(body_ms.filter(|_| is_waiting)).or_else(reset)?;
    Some(wait.min(CAP_MS))
}

/// A `retry-after`: seconds, a duration, a point in time in any form. `now_ms` is 0 where nobody knows.
fn written_ms(text: &str, now_ms: u64) -> Option<u64> {
    let until = |at_ms: u64| (now_ms > 0).then(|| at_ms.saturating_sub(now_ms));
    match scaled(text, 1.0) {
        Some(at_ms) if at_ms >= UNIX_S * 1000 => return until(at_ms).or(Some(CAP_MS)),
        Some(at_s) if at_s >= UNIX_S => return until(at_s.saturating_mul(1000)).or(Some(CAP_MS)),
        _ => {}
    }
    let date = || http_date(text).or_else(|| rfc3339(text)).and_then(|at_s| until(at_s.saturating_mul(1000)));
    scaled(text, 1000.0).or_else(|| duration_ms(&text.to_ascii_lowercase())).or_else(date).or_else(|| spoken_ms(text))
}

/// The wait that a sentence asks for: "try again in 1m30s", "retry after 7 seconds".
pub fn said_ms(sentence: &str) -> Option<u64> {
    WAITS.iter().find_map(|begin| {
        let (_, after) = sentence.split_once(begin)?;
        let after = after.trim_start_matches([' ', ':', '"', '\'', '~']);
        let after = ["about ", "approximately ", "at least ", "another ", "for "]
            .iter()
            .fold(after, |after, word| after.strip_prefix(word).unwrap_or(after));
        spoken_ms(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thursday, 1 March 2029, 00:00:00 GMT.
    const NOW_MS: u64 = 1_867_017_600_000;

    fn wait_at(headers: &[(&str, &str)], now_ms: u64) -> Option<u64> {
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        retry_after_ms(&header, Some(77_000), FailureClass::RateLimit, now_ms)
    }

    fn wait(headers: &[(&str, &str)]) -> Option<u64> {
        wait_at(headers, 0)
    }

    #[test]
    fn the_most_exact_word_counts() {
        assert_eq!(wait(&[("retry-after-ms", "1500.4"), ("retry-after", "9")]), Some(1500));
        assert_eq!(wait(&[("retry-after", "2")]), Some(2000));
        assert_eq!(wait(&[("retry-after", "0.25")]), Some(250));
        assert_eq!(wait(&[("retry-after", "86400")]), Some(CAP_MS));
        assert_eq!(wait(&[("retry-after", "99999999999999999999999999")]), Some(CAP_MS));
        for nonsense in ["", "-1", "soon", "NaN", "inf", "."] {
            assert_eq!(wait(&[("retry-after", nonsense)]), Some(77_000), "{nonsense:?}");
        }
    }

    /// A9: every form in which a wait is written.
    #[test]
    fn a9_durations_and_points_in_time() {
        for (text, ms) in [
            ("20s", 20_000),
            ("1m30s", 90_000),
            ("1M30S", 90_000),
            ("250ms", 250),
            ("20 seconds", 20_000),
            ("2 minutes", 120_000),
            ("PT30S", 30_000),
            ("2029-03-01T00:00:20Z", 20_000),
            ("2029-03-01T01:00:20+01:00", 20_000),
            ("Thu, 01 Mar 2029 00:00:45 GMT", 45_000),
            ("Thursday, 01-Mar-29 00:00:45 GMT", 45_000),
            ("Thu Mar  1 00:00:45 2029", 45_000),
            ("1867017607", 7_000),
            ("1867017607000", 7_000),
            ("Thu, 01 Mar 2029 09:00:00 GMT", CAP_MS),
            ("48h", CAP_MS),
        ] {
            assert_eq!(wait_at(&[("retry-after", text)], NOW_MS), Some(ms), "{text}");
        }
    }

    #[test]
    fn a_date_is_measured_against_the_answers_own() {
        let retry = ("retry-after", "Thu, 01 Mar 2029 00:00:10 GMT");
        assert_eq!(wait(&[retry, ("date", "Wed, 28 Feb 2029 23:59:40 GMT")]), Some(30_000));
        assert_eq!(wait(&[retry, ("date", "Thu, 01 Mar 2029 00:00:11 GMT")]), Some(0), "past");
        assert_eq!(wait(&[retry]), Some(77_000), "no clock to measure by");
        assert_eq!(wait_at(&[retry, ("date", "Wed, 28 Feb 2029 23:59:40 GMT")], NOW_MS), Some(30_000), "its own clock");
    }

    #[test]
    fn a9_sentences_say_how_long() {
        for (text, ms) in [
            ("please try again in 20s.", Some(20_000)),
            ("retry in 1m30s", Some(90_000)),
            ("please retry after 7 seconds", Some(7_000)),
            ("try again in 12.5s. need more tokens?", Some(12_500)),
            ("try again in 6m0s", Some(360_000)),
            ("try again in 170ms", Some(170)),
            ("please wait 30 seconds before", Some(30_000)),
            ("try again in about 2 hours", Some(7_200_000)),
            ("quota will be replenished in 00:12:34", Some(754_000)),
            ("try again in 1 minute and 5 seconds", Some(65_000)),
            ("please wait before trying again", None),
            ("retry after some time", None),
            ("limit 30000, used 20", None),
        ] {
            assert_eq!(said_ms(text), ms, "{text}");
        }
    }

    #[test]
    fn a_spent_limit_says_when_it_resets() {
        let reset = |headers: &[(&str, &str)]| {
            let header =
                |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            retry_after_ms(&header, None, FailureClass::RateLimit, 0)
        };
        let both = [("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-reset-tokens", "1.5s")];
        assert_eq!(reset(&both), Some(1500));
        assert_eq!(reset(&[both[0], both[1], ("x-ratelimit-remaining-requests", "0")]), Some(360_000));
        assert_eq!(reset(&[("x-ratelimit-reset-tokens", "7")]), Some(7000));
        let long = |_: &str| Some("soon".to_owned());
        assert_eq!(retry_after_ms(&long, Some(9), FailureClass::Auth, 0), None, "only where waiting helps");
    }
}
