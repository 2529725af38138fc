//! What is known of the deployments, from a file.

use std::collections::HashMap;

use serde::Deserialize;
use signalbox::config::model::RouterConfig;
use signalbox::state::{Samples, Seen, Standing};

/// The moment of the decision, Unix milliseconds. Any would do: the file's times are relative.
pub const NOW_MS: u64 = 1_700_000_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    deployments: HashMap<String, Told>,
}

/// One deployment. Times in seconds.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Told {
    cooling_for: f64,
    half_open: bool,
    probed_for: f64,
    in_flight: u32,
    requests: u32,
    tokens: u64,
    minute_ends_in: Option<f64>,
    full_for: f64,
    over_budget_for: f64,
    latency: Vec<f32>,
    first_token: Vec<f32>,
}

/// Reads it: a value for each deployment of the configuration.
///
/// # Errors
/// What is wrong, in one line.
pub fn read(config: &RouterConfig, bytes: &[u8]) -> Result<Vec<Seen>, String> {
    let mut file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let seen = config.deployments.iter().map(|it| file.deployments.remove(&it.id).unwrap_or_default().seen()).collect();
    match file.deployments.keys().min() {
        Some(unknown) => Err(format!("there is no deployment `{unknown}` in the configuration")),
        None => Ok(seen),
    }
}

impl Told {
    fn seen(&self) -> Seen {
        let standing = if self.cooling_for > 0.0 {
            Standing::Cooling { until_ms: after(self.cooling_for) }
        } else if self.half_open || self.probed_for > 0.0 {
            Standing::HalfOpen { probed_until_ms: time(self.probed_for) }
        } else {
            Standing::Well
        };
        Seen {
            standing,
            in_flight: self.in_flight,
            requests: self.requests,
            tokens: self.tokens,
            minute_ends_ms: after(self.minute_ends_in.unwrap_or(60.0)),
            full_until_ms: time(self.full_for),
            over_budget_until_ms: time(self.over_budget_for),
            budget_share: if self.over_budget_for > 0.0 { 1.0 } else { 0.0 },
            latency: samples(&self.latency),
            first_token: samples(&self.first_token),
        }
    }
}

fn after(seconds: f64) -> u64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats is bounded")]
    let ms = (seconds * 1000.0) as u64;
    NOW_MS.saturating_add(ms)
}

/// 0 where there is nothing to wait for.
fn time(seconds: f64) -> u64 {
    if seconds > 0.0 { after(seconds) } else { 0 }
}

fn samples(values: &[f32]) -> Samples {
    let mut samples = Samples::default();
    values.iter().for_each(|value| samples.push(*value, NOW_MS));
    samples
}
