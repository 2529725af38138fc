//! A configuration to what Envoy reads.
//!
//! Everything is made as a JSON value, which is what protobuf's own mapping speaks, and written as YAML for people ([`yaml`]).
//!
//! **Invariant:** no key is in anything made here, only names of environment variables and paths of files.

pub mod directory;
pub mod envoy;
pub mod keys;
pub mod mesh;
pub mod yaml;

mod access;
mod client_keys;
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
use crate::config::model::{Labels, Naming, RouterConfig};

/// The route filter's plugin configuration: its role, what is known of all its requests (their path, and the cluster where they go unless it
/// says otherwise), and the configuration without secrets.
#[must_use]
pub fn route_configuration(compiled: &Compiled, known: Option<(&str, &str)>) -> String {
    let mut config = compiled.filter.to_json();
    // Not always as the file has it: `signalbox up` wants a log.
    if compiled.config.signalbox.access_log
        && let Some(root) = config.as_object_mut()
        && let Some(section) = root.entry("signalbox").or_insert_with(|| json!({})).as_object_mut()
    {
        section.insert("access_log".to_owned(), json!(true));
    }
    let mut plugin = json!({"role": "route"});
    let mut naming = named_otherwise(&compiled.config);
    let in_files: Vec<&str> = keys::of_clients_in_files(&compiled.config).map(|(name, _)| name).collect();
    if !in_files.is_empty()
        && let Some(naming) = naming.get_or_insert_with(|| json!({})).as_object_mut()
    {
        naming.insert("key_files".to_owned(), json!(in_files));
    }
    let (path, cluster) = known.map(|(path, cluster)| (json!(path), json!(cluster))).unzip();
    let more = [("path", path), ("cluster", cluster), ("naming", naming), ("config", Some(config))];
    if let Some(plugin) = plugin.as_object_mut() {
        plugin.extend(more.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    }
    pretty(&plugin)
}

/// The attempt filter's plugin configuration in a cluster. It shares a VM with the route filter, which leaves it all else that it needs.
#[must_use]
pub fn attempt_configuration(cluster: &str) -> String {
    json!({"role": "attempt", "cluster": cluster}).to_string()
}

/// The same for all clusters of a configuration: it asks Envoy in which one it is, once an attempt. For where one resource serves all of
/// them, as in a mesh.
#[must_use]
pub fn shared_attempt_configuration(config: &RouterConfig) -> String {
    json!({"role": "attempt", "naming": naming(config)}).to_string()
}

/// Where names differ from those that an Envoy of our own has.
fn named_otherwise(config: &RouterConfig) -> Option<serde_json::Value> {
    (config.signalbox.naming != Naming::default()).then(|| naming(config))
}

fn naming(config: &RouterConfig) -> serde_json::Value {
    let metrics = match config.signalbox.naming.metrics {
        Labels::Words => "words",
        Labels::Istio => "istio",
    };
    json!({"clusters": config.signalbox.naming.clusters, "metrics": metrics})
}

fn pretty(json: &serde_json::Value) -> String {
    format!("{json:#}")
}
