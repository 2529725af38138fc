//! How long a provider asks to wait, in every form in which providers say it.
//!
//! There is no clock here: a date is measured against the answer's own `date`.
//!
//! **Invariant:** never more than [`CAP_MS`].

use crate::chat::FailureClass;

/// The longest wait that is believed: one hour, in milliseconds.
const CAP_MS: u64 = 3_600_000;

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
    let reset = || (class == FailureClass::RateLimit).then(|| reset_ms(header)).flatten();
    let wait = in_ms().or_else(plain).or(body_ms).or_else(reset)?;
    Some(wait.min(CAP_MS))
}

/// When the limits of `x-ratelimit-*` reset: the latest of those that are spent, else the first of all.
fn reset_ms(header: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let limits = ["requests", "tokens"].map(|what| {
        let spent = header(&format!("x-ratelimit-remaining-{what}")).is_some_and(|left| left.trim() == "0");
        let reset = header(&format!("x-ratelimit-reset-{what}"))?;
        Some((spent, duration_ms(reset.trim()).or_else(|| scaled(reset.trim(), 1000.0))?))
    });
    let limits = limits.iter().flatten();
    let latest_spent = limits.clone().filter(|(spent, _)| *spent).map(|(_, ms)| *ms).max();
    latest_spent.or_else(|| limits.map(|(_, ms)| *ms).min())
}

/// A decimal number times `scale`, in whole milliseconds. Casting saturates, so no number is too large.
fn scaled(text: &str, scale: f64) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = text.parse().ok().filter(|_| digits)?;
    Some((number * scale).round() as u64)
}

/// A duration as Go and Google write it (`6m0s`, `120ms`, `1h2m3.5s`, `34.4s`), in milliseconds.
pub fn duration_ms(text: &str) -> Option<u64> {
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let (number, after) = rest.split_at_checked(rest.find(|c: char| c.is_ascii_alphabetic() || c == 'µ')?)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(end)?;
        let scale = match unit {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1000.0,
            "ms" => 1.0,
            "us" | "µs" => 0.001,
            "ns" => 0.000_001,
            _ => return None,
        };
        total = total.saturating_add(scaled(number, scale)?);
        rest = next;
    }
    (!text.is_empty()).then_some(total)
}

/// Unix seconds of an HTTP date in the form that servers send (`Sun, 06 Nov 1994 08:49:37 GMT`).
fn http_date(text: &str) -> Option<u64> {
    let mut words = text.strip_suffix(" GMT")?.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let name = words.next()?;
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = MONTHS.iter().zip(1_u64..).find(|(month, _)| **month == name)?.1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..10_000).contains(year))?;
    let mut clock = words.next()?.split(':').map(str::parse::<u64>);
    let (hour, minute, second) = (clock.next()?.ok()?, clock.next()?.ok()?, clock.next()?.ok()?);
    if day > 31 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since 1970, counting years from March so that the leap day comes last (Hinnant's days_from_civil).
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day;
    let days = (year * 365 + year / 4 - year / 100 + year / 400 + of_year).checked_sub(719_469)?;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
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
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(http_date("Thu, 01 Jan 99999999999999 00:00:00 GMT"), None);
    }

    #[test]
    fn durations_as_go_writes_them() {
        let all = [("120ms", 120), ("1s", 1000), ("6m0s", 360_000), ("1h2m3.5s", 3_723_500), ("2m59.56s", 179_560)];
        for (text, ms) in all {
            assert_eq!(duration_ms(text), Some(ms), "{text}");
        }
        for text in ["", "5", "s", "1x", "1s2", "-1s"] {
            assert_eq!(duration_ms(text), None, "{text:?}");
        }
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
