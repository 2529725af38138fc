//! The state of the deployments as a file, for `signalbox explain --state`, and back.
//!
//! Times are relative, in seconds, so that a file can be written by hand and means the same tomorrow:
//!
//! ```json
//! {"deployments": {"gpt-4o-1": {"cooling_for": 12.5, "in_flight": 3, "latency": [0.021, 0.019]}}}
//! ```
//!
//! Under `clients` a gateway writes the same of its clients, which no choice of a deployment depends on.
//!
//! **Invariant:** what is not understood is an error, never ignored.

use serde_json::{Map, Value, json};

use super::load::minute_end_ms;
use super::{DeploymentView, Health, SAMPLES, Samples};
use crate::config::compile::nearest;

const KEYS: [&str; 11] = [
    "cooling_for",
    "half_open",
    "probed_for",
    "in_flight",
    "requests",
    "tokens",
    "full_for",
    "over_budget_for",
    "budget_share",
    "latency",
    "first_token",
];

/// Reads a file: the state of each of `ids`, in their order, at a Unix time in milliseconds.
///
/// # Errors
/// Every error in it, each with its place.
pub fn from_json(text: &str, ids: &[&str], now_ms: u64) -> Result<Vec<DeploymentView>, Vec<String>> {
    let blank = DeploymentView { minute_ends_ms: minute_end_ms(now_ms), ..DeploymentView::default() };
    let mut views = vec![blank; ids.len()];
    let root: Value = serde_json::from_str(text).map_err(|error| vec![format!("not JSON: {error}")])?;
    let Some(root) = root.as_object() else { return Err(vec!["must be an object".to_owned()]) };
    let mut errors: Vec<String> = root
        .keys()
        .filter(|key| !matches!(key.as_str(), "deployments" | "clients"))
        .map(|key| unknown("key", key, ["deployments", "clients"]))
        .collect();
    match root.get("deployments") {
        None => errors.push("has no `deployments`".to_owned()),
        Some(Value::Object(deployments)) => {
            for (id, value) in deployments {
                let place = ids.iter().position(|known| known == id).and_then(|index| views.get_mut(index));
                match (place, value) {
                    (None, _) => errors.push(unknown("deployment", id, ids.iter().copied())),
                    (Some(view), Value::Object(fields)) => errors.extend(
                        read(view, fields, now_ms).into_iter().map(|problem| format!("deployments.{id}: {problem}")),
                    ),
                    (Some(_), _) => errors.push(format!("deployments.{id} must be an object")),
                }
            }
        }
        Some(_) => errors.push("`deployments` must be an object of ids".to_owned()),
    }
    if errors.is_empty() { Ok(views) } else { Err(errors) }
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let hint = nearest(name, known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("there is no {what} `{name}`{hint}")
}

/// Reads one deployment. Returns its errors.
fn read(view: &mut DeploymentView, fields: &Map<String, Value>, now_ms: u64) -> Vec<String> {
    let mut errors: Vec<String> =
        fields.keys().filter(|key| !KEYS.contains(&key.as_str())).map(|key| unknown("key", key, KEYS)).collect();
    let mut take = |key: &str, wanted: &str, read: &mut dyn FnMut(&Value) -> bool| {
        if fields.get(key).is_some_and(|value| !read(value)) {
            errors.push(format!("`{key}` must be {wanted}"));
        }
    };
    let (mut cooling_ms, mut half_open, mut probed_ms) = (0, false, 0);
    let small = |value: &Value| u32::try_from(value.as_u64()?).ok();
    take("cooling_for", SECONDS, &mut |value| put(&mut cooling_ms, later(value, now_ms)));
    take("half_open", "true or false", &mut |value| put(&mut half_open, value.as_bool()));
    take("probed_for", SECONDS, &mut |value| put(&mut probed_ms, later(value, now_ms)));
    take("in_flight", COUNT, &mut |value| put(&mut view.in_flight, small(value)));
    take("requests", COUNT, &mut |value| put(&mut view.requests, small(value)));
    take("tokens", COUNT, &mut |value| put(&mut view.tokens, value.as_u64()));
    take("full_for", SECONDS, &mut |value| put(&mut view.full_until_ms, later(value, now_ms)));
    take("over_budget_for", SECONDS, &mut |value| put(&mut view.over_budget_until_ms, later(value, now_ms)));
    take("budget_share", SHARE, &mut |value| put(&mut view.budget_share, positive(value).map(|share| share as f32)));
    take("latency", TIMES, &mut |value| put(&mut view.latency, samples(value, now_ms)));
    take("first_token", TIMES, &mut |value| put(&mut view.first_token, samples(value, now_ms)));
    if cooling_ms > 0 && (half_open || probed_ms > 0) {
        errors.push("is either cooling or half-open, not both".to_owned());
    }
    view.health = if half_open || probed_ms > 0 {
        Health::HalfOpen { probed_until_ms: probed_ms }
    } else if cooling_ms > 0 {
        Health::Cooling { until_ms: cooling_ms }
    } else {
        Health::Healthy
    };
    errors
}

const SECONDS: &str = "a number of seconds, 0 or more";
const COUNT: &str = "a whole number, 0 or more";
const SHARE: &str = "a share, 0 or more";
const TIMES: &str = "a list of at most 10 numbers of seconds, oldest first";

/// Puts a value in its place, if it is one. Returns whether it was.
fn put<T>(place: &mut T, value: Option<T>) -> bool {
    let is_one = value.is_some();
    value.into_iter().for_each(|value| *place = value);
    is_one
}

fn positive(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| *number >= 0.0)
}

/// The time that is this many seconds from now; 0 for none. Casting saturates.
fn later(value: &Value, now_ms: u64) -> Option<u64> {
    let wait_ms = (positive(value)? * 1000.0).round() as u64;
    Some(if wait_ms == 0 { 0 } else { now_ms.saturating_add(wait_ms) })
}

fn samples(value: &Value, now_ms: u64) -> Option<Samples> {
    let list = value.as_array().filter(|list| list.len() <= SAMPLES)?;
    let mut samples = Samples::default();
    for number in list {
        samples.push(positive(number)? as f32, now_ms);
    }
    Some(samples)
}

/// Writes the state of each of `ids`, at a Unix time in milliseconds. Values that say nothing are left out.
#[must_use]
pub fn to_json(views: &[DeploymentView], ids: &[&str], now_ms: u64) -> Value {
    let deployments: Map<String, Value> =
        ids.iter().zip(views).map(|(id, view)| ((*id).to_owned(), write(view, now_ms))).collect();
    json!({ "deployments": deployments })
}

fn write(view: &DeploymentView, now_ms: u64) -> Value {
    let mut fields = Map::new();
    let mut put = |key: &str, value: Value| drop(fields.insert(key.to_owned(), value));
    let (cooling_ms, probed_ms) = match view.health {
        Health::Healthy => (0, 0),
        Health::Cooling { until_ms } => (until_ms, 0),
        Health::HalfOpen { probed_until_ms } => {
            put("half_open", json!(true));
            (0, probed_until_ms)
        }
    };
    for (key, at_ms) in [
        ("cooling_for", cooling_ms),
        ("probed_for", probed_ms),
        ("full_for", view.full_until_ms),
        ("over_budget_for", view.over_budget_until_ms),
    ] {
        if at_ms > now_ms {
            put(key, json!((at_ms - now_ms) as f64 / 1000.0));
        }
    }
    for (key, count) in
        [("in_flight", u64::from(view.in_flight)), ("requests", u64::from(view.requests)), ("tokens", view.tokens)]
    {
        if count > 0 {
            put(key, json!(count));
        }
    }
    if view.budget_share > 0.0 {
        put("budget_share", number(view.budget_share));
    }
    for (key, samples) in [("latency", &view.latency), ("first_token", &view.first_token)] {
        if !samples.values().is_empty() {
            put(key, samples.values().iter().copied().map(number).collect());
        }
    }
    Value::Object(fields)
}

/// A number in its shortest form: the plain conversion would show digits that were never measured.
fn number(value: f32) -> Value {
    value.to_string().parse::<f64>().map_or(Value::Null, |number| json!(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_000_000;
    const IDS: [&str; 3] = ["gpt-4o-1", "gpt-4o-2", "claude-1"];

    #[test]
    fn every_key_is_in_the_manual() {
        let manual = include_str!("../../docs/routing.md");
        let rows: String = manual.lines().filter(|line| line.starts_with("| `")).collect();
        assert!(KEYS.iter().all(|key| rows.contains(&format!("`{key}`"))), "docs/routing.md has no row for a key");
    }

    #[test]
    fn a_file_is_read_and_written_back_as_it_was() {
        let text = r#"{"deployments":{
            "gpt-4o-1":{"cooling_for":12.5,"full_for":60.0,"in_flight":3,"latency":[0.021,1000.0]},
            "gpt-4o-2":{"probed_for":2.0,"half_open":true,"over_budget_for":3600.0,"requests":7,"tokens":90000,"budget_share":1.25,"first_token":[0.5]},
            "claude-1":{}}}"#;
        let views = from_json(text, &IDS, NOW_MS).unwrap();
        assert_eq!(views[0].health, Health::Cooling { until_ms: NOW_MS + 12_500 });
        assert_eq!(views[1].health, Health::HalfOpen { probed_until_ms: NOW_MS + 2_000 });
        assert_eq!((views[0].in_flight, views[1].requests, views[1].tokens), (3, 7, 90_000));
        assert_eq!(views[2], DeploymentView { minute_ends_ms: 1_020_000, ..DeploymentView::default() });
        let written = to_json(&views, &IDS, NOW_MS);
        assert_eq!(written, serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn every_error_is_reported_with_what_was_probably_meant() {
        let text = r#"{"deployment":1,"deployments":{"gpt-4o-3":{},"claude-1":{"cooling":1,"in_flight":-1,
            "latency":[1,"2"],"half_open":1,"first_token":[1,2,3,4,5,6,7,8,9,10,11],"full_for":"1"},"gpt-4o-1":5,
            "gpt-4o-2":{"cooling_for":1,"half_open":true}}}"#;
        let reported = from_json(text, &IDS, NOW_MS).unwrap_err().join("\n");
        for error in [
            "there is no key `deployment`; did you mean `deployments`?",
            "there is no deployment `gpt-4o-3`; did you mean `gpt-4o-",
            "deployments.claude-1: there is no key `cooling`",
            "deployments.claude-1: `in_flight` must be a whole number, 0 or more",
            "deployments.claude-1: `latency` must be a list of at most 10 numbers of seconds, oldest first",
            "deployments.claude-1: `half_open` must be true or false",
            "deployments.claude-1: `first_token` must be a list of at most 10",
            "deployments.claude-1: `full_for` must be a number of seconds, 0 or more",
            "deployments.gpt-4o-1 must be an object",
            "deployments.gpt-4o-2: is either cooling or half-open, not both",
        ] {
            assert!(reported.contains(error), "{error}\n---\n{reported}");
        }
        for (text, error) in [("[]", "object"), ("{", "not JSON"), ("{}", "has no"), (r#"{"deployments":[]}"#, "ids")] {
            assert!(from_json(text, &IDS, NOW_MS).unwrap_err().join("\n").contains(error), "{text}");
        }
    }
}
