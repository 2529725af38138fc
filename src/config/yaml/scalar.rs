//! What a scalar means, as PyYAML's `SafeLoader` reads it: YAML 1.1, with its own idea of a number.
//!
//! `yes` and `on` are true, `014` is 12, `1:30` is 90, and `1e3` is a text, since a number with an exponent has a point and a sign there.
//! (What takes a number here takes it from a text too, as LiteLLM does.)
//!
//! **Invariant:** a value that PyYAML reads as a text is a text here.

use crate::config::tree::Value;

/// What an unquoted scalar without a tag means.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Value::Bool(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Value::Bool(false),
        _ if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) => {
            Value::Str(text.to_owned())
        }
        _ => int(text).or_else(|| float(text)).unwrap_or_else(|| Value::Str(text.to_owned())),
    }
}

/// A scalar with one of YAML's own tags, by the end of its name; `None`: it cannot be that.
pub(super) fn tagged(text: &str, tag: &str) -> Option<Value> {
    match tag {
        "str" => Some(Value::Str(text.to_owned())),
        "null" => Some(Value::Null),
        "bool" => match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(Value::Bool(true)),
            "false" | "no" | "off" => Some(Value::Bool(false)),
            _ => None,
        },
        "int" => int(text),
        "float" => {
            let number: Option<f64> = text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite());
            float(text).or_else(|| number.map(Value::Float))
        }
        "timestamp" => Some(Value::Str(text.to_owned())),
        _ => None,
    }
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn int(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    let in_base = |digits: &str, base: u32| {
        let fits = !digits.is_empty() && digits.chars().all(|c| c == '_' || c.is_digit(base));
        fits.then(|| whole(&digits.replace('_', ""), base, negative)).flatten()
    };
    if let Some(rest) = digits.strip_prefix("0b") {
        return in_base(rest, 2);
    }
    if let Some(rest) = digits.strip_prefix("0x") {
        return in_base(rest, 16);
    }
    match digits.strip_prefix('0') {
        Some("") => Some(Value::Int(0)),
        Some(rest) => in_base(rest, 8),
        None if !digits.starts_with(|c: char| c.is_ascii_digit()) => None,
        None if digits.contains(':') => {
            let number = base_sixty(digits)?;
            #[allow(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
            (number.fract() == 0.0 && number.abs() < 9e15 && !digits.contains('.')).then_some(Value::Int(if negative {
                -(number as i64)
            } else {
                number as i64
            }))
        }
        None => in_base(digits, 10),
    }
}

/// A whole number; one that is too large is nearly that.
fn whole(digits: &str, base: u32, negative: bool) -> Option<Value> {
    let text = format!("{}{digits}", if negative { "-" } else { "" });
    match i64::from_str_radix(&text, base) {
        Ok(whole) => Some(Value::Int(whole)),
        Err(_) if base == 10 => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Float),
        Err(_) => None,
    }
}

fn float(text: &str) -> Option<Value> {
    let (negative, digits) = signed(text);
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Some(Value::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Value::Float(f64::NAN));
    }
    let (before, after) = digits.split_once('.')?;
    if before.contains(':') {
        let number = base_sixty(digits)?;
        return Some(Value::Float(if negative { -number } else { number }));
    }
    let (after, exponent) = match after.split_once(['e', 'E']) {
        Some((after, exponent)) => (after, Some(exponent)),
        None => (after, None),
    };
    let digits_of = |part: &str| part.chars().all(|c| c.is_ascii_digit() || c == '_');
    // PyYAML knows no sign before a point.
    let begins = if before.is_empty() {
        text.starts_with('.') && after.starts_with(|c: char| c.is_ascii_digit())
    } else {
        before.starts_with(|c: char| c.is_ascii_digit())
    };
    let has_exponent = exponent.is_none_or(|exponent| {
        let number = exponent.strip_prefix(['+', '-']);
        number.is_some_and(|number| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
    });
    if !begins || !digits_of(before) || !digits_of(after) || !has_exponent {
        return None;
    }
    text.replace('_', "").parse().ok().map(Value::Float)
}

/// `190:20:30`, in parts of sixty.
fn base_sixty(digits: &str) -> Option<f64> {
    let mut number = 0.0;
    for (index, part) in digits.split(':').enumerate() {
        let plain = part.replace('_', "");
        let (whole, _) = plain.split_once('.').unwrap_or((&plain, ""));
        let fits =
            plain.starts_with(|c: char| c.is_ascii_digit()) && plain.chars().all(|c| c.is_ascii_digit() || c == '.');
        if !fits || (index > 0 && (whole.len() > 2 || whole.parse().is_ok_and(|whole: u32| whole > 59))) {
            return None;
        }
        number = number * 60.0 + plain.parse::<f64>().ok()?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_pyyaml() {
        let json = |text: &str| crate::config::tree::Node::new(plain(text)).to_json().to_string();
        for (text, wanted) in [
            ("1_000", "1000"),
            ("014", "12"),
            ("0o14", "\"0o14\""),
            ("08", "\"08\""),
            ("0x1F", "31"),
            ("-0b11", "-3"),
            ("+1", "1"),
            ("190:20:30", "685230"),
            ("1:75", "\"1:75\""),
            ("1:30.5", "90.5"),
            ("1e3", "\"1e3\""),
            ("1.5e3", "\"1.5e3\""),
            ("1.5e+3", "1500.0"),
            ("1.", "1.0"),
            (".5", "0.5"),
            ("-.5", "\"-.5\""),
            ("-1.5", "-1.5"),
            ("1.2.3", "\"1.2.3\""),
            ("127.0.0.1", "\"127.0.0.1\""),
            ("2024-02-01", "\"2024-02-01\""),
            ("-", "\"-\""),
            ("+", "\"+\""),
            (".", "\".\""),
            ("0", "0"),
            ("00", "0"),
            ("y", "\"y\""),
            ("oN", "\"oN\""),
            ("99999999999999999999", "1e+20"),
        ] {
            assert_eq!(json(text), wanted, "{text}");
        }
    }
}
