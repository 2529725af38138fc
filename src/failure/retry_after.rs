//! How long a provider asks to wait, in every form in which providers say it.
//!
//! There is no clock here: a date is measured against the answer's own `date`.
//!
//! **Invariant:** never more than [`CAP_MS`].

use super::limits;
use super::time::{http_date, scaled};
use crate::chat::FailureClass;

/// The longest wait that is believed: one hour, in milliseconds.
pub const CAP_MS: u64 = 3_600_000;

/// The wait, in milliseconds: `retry-after-ms`, else `retry-after`, else what the body says, else when a spent limit resets.
pub fn retry_after_ms(
    header: &dyn Fn(&str) -> Option<String>,
    body_ms: Option<u64>,
    class: FailureClass,
) -> Option<u64> {
    let in_ms = || header("retry-after-ms").and_then(|value| scaled(value.trim(), 1.0));
    let plain = || {
        let value = header("retry-after")?;
        scaled(value.trim(), 1000.0).or_else(|| {
            let seconds = http_date(value.trim())?.saturating_sub(http_date(header("date")?.trim())?);
            Some(seconds.saturating_mul(1000))
        })
    };
    let is_limited = matches!(class, FailureClass::RateLimit | FailureClass::Quota);
    let reset = || is_limited.then(|| limits::looked_up(header).wait_ms()).flatten();
    let wait = in_ms().or_else(plain).or(body_ms).or_else(reset)?;
    Some(wait.min(CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(headers: &[(&str, &str)]) -> Option<u64> {
        let header = |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        retry_after_ms(&header, Some(77_000), FailureClass::RateLimit)
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

    #[test]
    fn a_date_is_measured_against_the_answers_own() {
        let retry = ("retry-after", "Thu, 01 Mar 2029 00:00:10 GMT");
        assert_eq!(wait(&[retry, ("date", "Wed, 28 Feb 2029 23:59:40 GMT")]), Some(30_000));
        assert_eq!(wait(&[retry, ("date", "Thu, 01 Mar 2029 00:00:11 GMT")]), Some(0), "past");
        assert_eq!(wait(&[retry]), Some(77_000), "no clock to measure by");
    }

    #[test]
    fn a_spent_limit_says_when_it_resets() {
        let reset = |headers: &[(&str, &str)]| {
            let header =
                |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            retry_after_ms(&header, None, FailureClass::RateLimit)
        };
        let both = [("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-reset-tokens", "1.5s")];
        assert_eq!(reset(&both), Some(1500));
        assert_eq!(reset(&[both[0], both[1], ("x-ratelimit-remaining-requests", "0")]), Some(360_000));
        assert_eq!(reset(&[("x-ratelimit-reset-tokens", "7")]), Some(7000));
        assert_eq!(retry_after_ms(&|_| Some("6m0s".into()), None, FailureClass::Auth), None, "only for a rate limit");
    }
}
