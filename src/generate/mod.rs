//! A configuration to what Envoy reads.
//!
//! Everything is made as a JSON value, which is what protobuf's own mapping speaks, and written as YAML for people ([`yaml`]).
//!
//! **Invariant:** no key is in anything made here, only names of environment variables and paths of files.

pub mod directory;
pub mod envoy;
pub mod keys;
pub mod yaml;

mod cluster;
mod edge;
mod headers;
mod hop;
mod listener;
mod relay;
mod signing;
mod stats;

use serde_json::json;

use crate::config::compile::Compiled;

/// The route filter's plugin configuration: its role, the path of its requests where they have one, and the configuration without secrets.
#[must_use]
pub fn route_configuration(compiled: &Compiled, path: Option<&str>) -> String {
    let mut config = compiled.filter.to_json();
    // Not always as the file has it: `signalbox up` wants a log.
    if compiled.config.signalbox.access_log
        && let Some(root) = config.as_object_mut()
        && let Some(section) = root.entry("signalbox").or_insert_with(|| json!({})).as_object_mut()
    {
        section.insert("access_log".to_owned(), json!(true));
    }
    pretty(&match path {
        Some(path) => json!({"role": "route", "path": path, "config": config}),
        None => json!({"role": "route", "config": config}),
    })
}

/// The attempt filter's plugin configuration in a cluster. It shares a VM with the route filter, which leaves it all else that it needs.
#[must_use]
pub fn attempt_configuration(cluster: &str) -> String {
    json!({"role": "attempt", "cluster": cluster}).to_string()
}

fn pretty(json: &serde_json::Value) -> String {
    format!("{json:#}")
}
