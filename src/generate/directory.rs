//! A directory that Envoy follows: the same parts as the one bootstrap, in files that can be replaced while Envoy runs.
//!
//! `envoy.yaml` names `cds.yaml` (the clusters) and `lds.yaml` (the listener), and each cluster the file of its key. Envoy reads a file
//! again when another is moved into its place. Connections that are open keep the listener they came by, and with it the configuration
//! that their requests are planned with; new ones get the new. So for a while two listeners choose clusters.
//!
//! **Invariant:** no listener names a cluster that is not there: the clusters are replaced first, and those that are no longer configured
//! stay for [`KEPT_S`] seconds.

use serde_json::{Map, Value, json};

use super::envoy::{Home, clusters, frame, static_secrets};
use super::{hop, keys, listener};
use crate::config::compile::Compiled;

/// The bootstrap, which Envoy reads at its start alone.
pub const BOOTSTRAP: &str = "envoy.yaml";
/// The clusters.
pub const CLUSTERS: &str = "cds.yaml";
/// The listener.
pub const LISTENERS: &str = "lds.yaml";

/// Since when clusters are no longer configured, by name, Unix seconds. Not for Envoy.
pub const RETIRED: &str = "retired.yaml";

/// What Envoy calls the resources.
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/// How long a cluster outlives its configuration, in seconds. Longer than Envoy lets the connections of a replaced listener live
/// (`--drain-time-s`, ten minutes if not set).
pub const KEPT_S: u64 = 3600;

/// What of a directory is kept when it is written anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// [`CLUSTERS`].
    pub clusters: Value,
    /// [`RETIRED`].
    pub retired: Value,
}

/// The files by name, in the order in which they are to be put in place. `directory` and `wasm` are paths as Envoy will see them.
/// `before` is what the directory holds, `now_s` the time, Unix seconds.
#[must_use]
pub fn files(
    compiled: &Compiled,
    wasm: &str,
    directory: &str,
    before: Option<&Held>,
    now_s: u64,
) -> Vec<(String, Value)> {
    let config = &compiled.config;
    let secrets = static_secrets(config).into_iter().filter_map(|secret| {
        let name = secret.get("name")?.as_str()?;
        // What is in a variable needs no file, unless tokens are fetched by it.
        let needs_file = hop::needs(name, config) || !keys::is_plain_variable(&keys::source(config, name), name);
        needs_file.then(|| (secret_file(name), resources(SECRET, vec![secret.clone()])))
    });
    let home = Home { wasm, directory: Some(directory), mesh: None };
    let mut now = clusters(config, home);
    let listeners = resources(LISTENER, listener::listeners(compiled, home));
    let retired = before.map(|before| retired(before, &now, now_s)).unwrap_or_default();
    let since: Map<String, Value> = retired.iter().map(|(name, since_s, _)| (name.clone(), json!(since_s))).collect();
    now.extend(retired.into_iter().map(|(_, _, cluster)| cluster));
    let parts = json!({
        "cds_config": followed(&format!("{directory}/{CLUSTERS}")),
        "lds_config": followed(&format!("{directory}/{LISTENERS}")),
    });
    let files = [
        (RETIRED.to_owned(), Value::Object(since)),
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

/// Clusters that are no longer configured, but that requests may still be sent to, with their names and since when.
pub(super) fn retired(before: &Held, now: &[Value], now_s: u64) -> Vec<(String, u64, Value)> {
    let name_of = |cluster: &Value| Some(cluster.get("name")?.as_str()?.to_owned());
    let configured: Vec<String> = now.iter().filter_map(name_of).collect();
    let clusters = before.clusters.get("resources").and_then(Value::as_array).into_iter().flatten();
    let kept = |cluster: &Value| {
        let name = name_of(cluster).filter(|name| !configured.contains(name))?;
        let since_s = before.retired.get(&name).and_then(Value::as_u64).unwrap_or(now_s);
        (now_s.saturating_sub(since_s) < KEPT_S).then(|| (name, since_s, cluster.clone()))
    };
    clusters.filter_map(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::compile::compile_json;
    use crate::config::tree::Node;

    fn names(held: &Held) -> Vec<&str> {
        held.clusters["resources"].as_array().unwrap().iter().map(|cluster| cluster["name"].as_str().unwrap()).collect()
    }

    fn written(model: &str, before: Option<&Held>, now_s: u64) -> Held {
        let entry =
            json!({"model_name": model, "litellm_params": {"model": "openai/x", "api_base": "http://10.0.0.1/v1"}});
        let root = json!({"model_list": [entry]}).to_string();
        let compiled =
            crate::config::compile::compile(&Node::from_json_text(root.as_bytes()).unwrap(), &|_| None).unwrap();
        let files = files(&compiled, "w", "/d", before, now_s);
        let part = |name: &str| files.iter().find(|(found, _)| found == name).unwrap().1.clone();
        assert!(compile_json(&compiled.filter.to_json().to_string()).is_ok());
        Held { clusters: part(CLUSTERS), retired: part(RETIRED) }
    }

    #[test]
    fn a_cluster_outlives_its_configuration_for_an_hour() {
        let a = written("a", None, 10);
        assert_eq!((names(&a), &a.retired), (vec!["a-1", "signalbox-relay", "signalbox-none"], &json!({})));
        let b = written("b", Some(&a), 1_000);
        assert_eq!(
            (names(&b), &b.retired),
            (vec!["b-1", "signalbox-relay", "signalbox-none", "a-1"], &json!({"a-1": 1_000}))
        );
        let same = written("b", Some(&b), 2_000);
        assert_eq!(same, b, "the same again changes nothing");
        let c = written("c", Some(&b), 4_599);
        assert_eq!(c.retired, json!({"b-1": 4_599, "a-1": 1_000}));
        let back = written("b", Some(&c), 4_600);
        assert_eq!(
            (names(&back), &back.retired),
            (vec!["b-1", "signalbox-relay", "signalbox-none", "c-1"], &json!({"c-1": 4_600}))
        );
    }
}
