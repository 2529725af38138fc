//! Durations and points in time as servers write them.
//!
//! **Invariant:** any text is read without overflow; what is no time is `None`.

use std::time::UNIX_EPOCH;

/// A decimal number times `scale`, in whole milliseconds. Casting saturates, so no number is too large.
pub fn scaled(text: &str, scale: f64) -> Option<u64> {
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
            "d" => 86_400_000.0,
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

/// A duration as people and some servers say it, at the beginning of a text: `7 seconds`, `1 minute and 5 seconds`, `1m30s`, `00:12:34`,
/// `PT30S`. In milliseconds.
pub fn spoken_ms(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let lower =
        lower.strip_prefix("pt").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(&lower);
    if let Some(clock) = clock_ms(lower) {
        return Some(clock);
    }
    let (mut rest, mut total, mut found) = (lower, 0_u64, false);
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Some((number, after)) = rest.split_at_checked(end).filter(|(number, _)| !number.is_empty()) else { break };
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let Some((unit, next)) = after.split_at_checked(end) else { break };
        let scale = match unit {
            "ms" | "milliseconds" | "millisecond" => 1.0,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
            "d" | "day" | "days" => 86_400_000.0,
            _ => break,
        };
        let Some(ms) = scaled(number, scale) else { break };
        (total, found, rest) = (total.saturating_add(ms), true, next);
    }
    found.then_some(total)
}

/// `hh:mm:ss` at the beginning of a text, in milliseconds.
fn clock_ms(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != ':').unwrap_or(text.len());
    let mut parts = text.get(..end)?.split(':').map(str::parse::<u64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let in_range = parts.next().is_none() && hours < 1000 && minutes < 60 && seconds < 60;
    in_range.then_some((hours * 3600 + minutes * 60 + seconds) * 1000)
}

/// Unix seconds of an HTTP date, in any of its three forms.
pub fn http_date(text: &str) -> Option<u64> {
    let time = httpdate::parse_http_date(text).ok()?;
    Some(time.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http() {
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Sun Nov  6 08:49:37 1994"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 12:00:00 GMT"), Some(1_709_208_000));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for text in ["Thu, 01 Jan 99999999999999 00:00:00 GMT", "Thu, 00 Jan 1970 00:00:00 GMT", "GMT", ""] {
            assert_eq!(http_date(text), None, "{text:?}");
        }
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
}
