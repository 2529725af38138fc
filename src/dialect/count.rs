//! Numbers in a usage, as providers and the gateways before them write them.
//!
//! **Invariant:** a member that is no count is no count, and never the end of its neighbours: usage is for accounting, not for the client.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The most that is taken for a count: beyond it a float no longer tells one number from the next.
const MOST: f64 = 9_007_199_254_740_992.0;

/// A count: `3`, `3.0` or `"3"`. Anything else, `null` among it, is none.
pub fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(count_of(<&RawValue>::deserialize(deserializer)?.get().as_bytes()))
}

/// The same of a value as it stands.
pub fn count_of(raw: &[u8]) -> Option<u64> {
    // Nearly all are, and reading them as text takes three times as long.
    if (1..=15).contains(&raw.len()) && raw.iter().all(u8::is_ascii_digit) {
        return Some(raw.iter().fold(0, |count, digit| count * 10 + u64::from(digit & 15)));
    }
    let raw = std::str::from_utf8(raw).ok()?;
    let number = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(raw).trim();
    number.parse().ok().or_else(|| whole(number.parse().ok()?))
}

/// A float that is a whole number.
fn whole(number: f64) -> Option<u64> {
    if !(0.0..=MOST).contains(&number) || number.fract() != 0.0 {
        return None;
    }
    format!("{number:.0}").parse().ok()
}

/// A member that may have any form: `None` where it cannot be read.
pub fn any_or_none<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?.get();
    Ok(serde_json::from_str(raw).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c9_a_count_may_be_written_in_several_ways() {
        #[derive(Deserialize)]
        struct One(#[serde(deserialize_with = "count")] Option<u64>);
        let read = |raw: &str| serde_json::from_str::<One>(raw).unwrap().0;
        for three in ["3", "3.0", "\"3\"", "\"3.0\"", "3e0", "0.3e1"] {
            assert_eq!(read(three), Some(3), "{three}");
        }
        for none in ["null", "-1", "3.5", "\"many\"", "\"\"", "1e300", "\"NaN\"", "\"inf\"", "[3]", "{}", "true"] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
