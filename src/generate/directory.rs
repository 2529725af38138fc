//! A directory that Envoy follows: the same parts as the one bootstrap, in files that can be replaced while Envoy runs.
//!
//! `envoy.yaml` names `cds.yaml` (the clusters) and `lds.yaml` (the listener), and each cluster the file of its key. Envoy reads a file
//! again when another is moved into its place. Connections that are open keep the listener they came by, and with it the configuration
//! that their requests are planned with; new ones get the new. So for a while two listeners choose clusters.
//!
//! **Invariant:** no listener names a cluster that is not there: the clusters are replaced first, and those that only the listener before
//! names stay, for the requests that it has planned, until the listener is replaced once more.

use serde_json::{Map, Value, json};

use super::envoy::{Home, clusters, frame, static_secrets};
use super::listener;
use crate::config::compile::Compiled;

/// The bootstrap, which Envoy reads at its start alone.
pub const BOOTSTRAP: &str = "envoy.yaml";
/// The clusters.
pub const CLUSTERS: &str = "cds.yaml";
/// The listener.
pub const LISTENERS: &str = "lds.yaml";

/// What Envoy calls the resources.
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// Where the listener's choice of clusters stands in its file.
const CHOICE: &str = "/resources/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/route/\
    inline_cluster_specifier_plugin/extension/typed_config/cluster_matcher/matcher_tree/prefix_match_map/map";

/// The clusters and the listener that a directory holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// [`CLUSTERS`].
    pub clusters: Value,
    /// [`LISTENERS`].
    pub listeners: Value,
}

/// The files by name, in the order in which they are to be put in place. `directory` and `wasm` are paths as Envoy will see them.
/// `before` is what the directory holds now.
#[must_use]
pub fn files(compiled: &Compiled, wasm: &str, directory: &str, before: Option<&Held>) -> Vec<(String, Value)> {
    let config = &compiled.config;
    let secrets = static_secrets(config).into_iter().filter_map(|secret| {
        let name = secret_file(secret.get("name")?.as_str()?);
        Some((name, resources(SECRET, vec![secret])))
    });
    let mut now = clusters(config, Home { wasm, directory: Some(directory) });
    let listeners = resources(LISTENER, vec![listener::listener(compiled, wasm)]);
    let left = before.map(|before| left_behind(before, &now, &listeners)).unwrap_or_default();
    now.extend(left);
    let parts = json!({
        "cds_config": followed(&format!("{directory}/{CLUSTERS}")),
        "lds_config": followed(&format!("{directory}/{LISTENERS}")),
    });
    let files = [
        (CLUSTERS.to_owned(), resources(CLUSTER, now)),
        (LISTENERS.to_owned(), listeners),
        (BOOTSTRAP.to_owned(), frame(config, "dynamic_resources", &parts)),
    ];
    secrets.chain(files).collect()
}

/// The file that tells Envoy where a key is.
#[must_use]
pub fn secret_file(name: &str) -> String {
    format!("secret-{name}.yaml")
}

/// A file that Envoy reads again when another takes its place.
pub(super) fn followed(path: &str) -> Value {
    json!({"path_config_source": {"path": path}, "resource_api_version": "V3"})
}

fn resources(kind: &str, resources: Vec<Value>) -> Value {
    let typed = resources.into_iter().map(|resource| {
        let mut typed = Map::from_iter([("@type".to_owned(), json!(kind))]);
        if let Value::Object(members) = resource {
            typed.extend(members);
        }
        Value::Object(typed)
    });
    json!({"resources": typed.collect::<Vec<_>>()})
}

/// Clusters that are no longer configured, but that a request on its way may still be sent to. Where the listener stays as it is, all of
/// them stay too.
fn left_behind(before: &Held, now: &[Value], listeners: &Value) -> Vec<Value> {
    let none = Map::new();
    let chosen = before.listeners.pointer(CHOICE).and_then(Value::as_object).unwrap_or(&none);
    let unchanged = before.listeners == *listeners;
    let is_left = |cluster: &&Value| {
        let Some(name) = cluster.get("name").and_then(Value::as_str) else { return false };
        let is_configured = now.iter().any(|cluster| cluster.get("name").is_some_and(|other| other == name));
        !is_configured && (unchanged || chosen.contains_key(&format!("{name}/")))
    };
    let held = before.clusters.get("resources").and_then(Value::as_array);
    held.into_iter().flatten().filter(is_left).cloned().collect()
}
