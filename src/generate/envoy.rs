//! A complete Envoy bootstrap.
//!
//! **Invariant:** Envoy's admin interface is on loopback (the configuration accepts nothing else), and what is generated depends
//! on the configuration and the module's path alone.

use serde_json::{Value, json};

use super::keys::{self, Source};
use super::{access, client_keys, cluster, edge, headers, hop, listener, relay, stats};
use crate::config::compile::Compiled;
use crate::config::model::{Deployment, RouterConfig, StreamCommit, is_pattern};

/// The attempts that may be silent before the last one.
const MOST_ATTEMPTS: u64 = 10;
/// Room for a stream that is held until it is whole, in milliseconds: an hour.
const HELD_STREAM_MS: u64 = 3_600_000;
/// Room for headers and for what a translation adds to a body.
const BUFFER_ROOM: u64 = 1024 * 1024;

/// What Envoy's admin interface answers: what shows something. What changes something, or ends Envoy, any web page could ask for.
const READ_ONLY: &str =
    "/(ready|stats|stats/prometheus|config_dump|init_dump|clusters|listeners|server_info|certs|memory)([?].*)?";

/// Where Envoy finds what the generated parts name.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    /// The filter's module.
    pub wasm: &'a str,
    /// The directory of the files that Envoy follows ([`super::directory`]), if it follows any.
    pub directory: Option<&'a str>,
    /// What holds where the proxy is not ours alone ([`super::mesh`]).
    pub mesh: Option<Mesh<'a>>,
}

/// Parts of a proxy that is not ours alone.
#[derive(Clone, Copy)]
pub(super) struct Mesh<'a> {
    /// The filter of the attempt role, one for all clusters.
    pub attempt: &'a Value,
    /// Where the keys are mounted: a file a key, and beside it the one that tells Envoy of it.
    pub keys: &'a str,
}

impl Home<'_> {
    /// The filter of the attempt role in a cluster.
    pub fn attempt(self, cluster: &str, config: &RouterConfig) -> Value {
        let own = || wasm_filter("attempt", &super::attempt_configuration(cluster), config, self.wasm);
        self.mesh.map_or_else(own, |mesh| mesh.attempt.clone())
    }
}

/// The bootstrap. `wasm` is the path of the filter's module, as Envoy will see it.
#[must_use]
pub fn bootstrap(compiled: &Compiled, wasm: &str) -> Value {
    let config = &compiled.config;
    let home = Home { wasm, directory: None, mesh: None };
    let parts = json!({
        "listeners": listener::listeners(compiled, home),
        "clusters": clusters(config, home),
        "secrets": static_secrets(config),
    });
    frame(config, "static_resources", &parts)
}

/// The bootstrap around the listener and the clusters, which stand under `key`, or are named there.
pub(super) fn frame(config: &RouterConfig, key: &str, parts: &Value) -> Value {
    json!({
        // Watched files ask for a node.
        "node": {"id": "signalbox", "cluster": "signalbox"},
        "admin": {"address": address(&config.signalbox.admin), "allow_paths": [{"safe_regex": {"regex": READ_ONLY}}]},
        "bootstrap_extensions": [relay::extension()],
        "layered_runtime": headers::runtime(),
        key: parts,
        "stats_config": stats::stats_config(config),
        "overload_manager": edge::overload_manager(config),
        // To compile the filter takes 20 MB that nobody needs afterwards: within seconds the system has them again.
        "memory_allocator_manager": {"bytes_to_release": 4 * 1024 * 1024, "memory_release_interval": "1s"},
    })
}

/// A cluster for each deployment, one more for each that the gateway asks itself, and the one for none.
pub(super) fn clusters(config: &RouterConfig, home: Home<'_>) -> Vec<Value> {
    let secrets = keys::names(config);
    let of_deployments = || config.deployments.iter().zip(secrets.iter().map(Option::as_deref));
    let clusters = of_deployments().map(|(deployment, secret)| cluster::deployment(deployment, secret, config, home));
    let asked = |deployment: &Deployment| config.signalbox.health_check.is_some() && !is_pattern(&deployment.model);
    let asked = of_deployments().filter(|(deployment, _)| asked(deployment));
    let probes = asked.map(|(deployment, secret)| cluster::probe(deployment, secret, config, home));
    let beyond = config.deployments.iter().filter_map(|deployment| cluster::beyond_hop(deployment, config));
    let clusters = clusters.chain(probes).chain(beyond).chain(hop::clusters(config)).chain(access::cluster(config));
    let clusters = clusters.chain(client_keys::clusters(config, home));
    clusters.chain([relay::cluster(config, home), cluster::none(config)]).collect()
}

/// One secret a variable or plain file; watched files are named by the clusters that use them.
pub(super) fn static_secrets(config: &RouterConfig) -> Vec<Value> {
    let secret = |name: String| {
        let place = match keys::source(config, &name) {
            Source::Environment => json!({"environment_variable": name}),
            Source::File(path) => json!({"filename": path}),
            Source::Watched(_) => return None,
        };
        Some(json!({"name": name, "generic_secret": {"secret": place}}))
    };
    keys::all_names(config).into_iter().filter_map(secret).collect()
}

/// The name of the filter, by which a route leaves it out.
pub(super) const WASM: &str = "envoy.filters.http.wasm";
/// And what its configuration is called.
pub(super) const WASM_TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// How a filter of either role is loaded: one VM a worker for both. It is called otherwise than the listener's, because a route that leaves out
/// a filter leaves out all of that name, those of clusters too.
pub(super) fn wasm_filter(role: &str, configuration: &str, config: &RouterConfig, wasm: &str) -> Value {
    let code = json!({"local": {"filename": wasm}});
    json!({"name": format!("signalbox.{role}"), "typed_config": plugin(role, configuration, config, "signalbox", &code)})
}

/// The module in a role. Those of one VM share what they know.
pub(super) fn plugin(role: &str, configuration: &str, config: &RouterConfig, vm: &str, code: &Value) -> Value {
    let mut vm = json!({"vm_id": vm, "runtime": "envoy.wasm.runtime.v8", "code": code});
    let keys: Vec<&str> = keys::of_clients(config).map(|(name, _)| name).collect();
    if let (false, Some(vm)) = (keys.is_empty(), vm.as_object_mut()) {
        // Whichever filter Envoy loads first makes the VM, so both name them.
        vm.insert("environment_variables".to_owned(), json!({"host_env_keys": keys}));
    }
    json!({
        "@type": WASM_TYPE,
        "config": {
            "name": format!("signalbox-{role}"),
            "root_id": role,
            "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration},
            "vm_config": vm,
            // A trap costs the requests in hand, the next one gets a fresh VM. Without the second line Envoy refuses all requests
            // for up to a second where a VM traps that is not yet a second old, then for up to two, and so on.
            "failure_policy": "FAIL_RELOAD",
            "reload_config": {"backoff": {"base_interval": "0.010s", "max_interval": "0.010s"}},
            // Without it a body reaches a filter that still holds the headers, and the request hangs.
            "allow_on_headers_stop_iteration": true,
        },
    })
}

/// A socket address that was checked when it was read.
pub(super) fn address(text: &str) -> Value {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "0"));
    socket(host.trim_matches(['[', ']']), port.parse().unwrap_or(0))
}

pub(super) fn socket(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

/// How much of a request or answer Envoy may hold, so that bodies can be read whole and sent again.
pub(super) fn buffer_bytes(config: &RouterConfig) -> u64 {
    config.signalbox.max_request_bytes.max(config.signalbox.max_response_bytes) + BUFFER_ROOM
}

/// Milliseconds as protobuf's JSON writes a duration.
pub(super) fn duration(ms: u64) -> String {
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{}.{:03}s", ms / 1000, ms % 1000) }
}

/// The longest that all attempts of a request may take together without a word to the client.
pub(super) fn longest_silence_ms(config: &RouterConfig) -> u64 {
    let times = || config.deployments.iter().map(|deployment| config.times(deployment));
    let leave_ms = times().map(|times| times.answer_ms.max(times.first_token_ms)).max().unwrap_or_default();
    let last_ms = times().map(|times| times.last_ms).max().unwrap_or_default();
    // A stream that is held until it is whole may take long although it moves on.
    let held_ms = if config.signalbox.stream_commit == StreamCommit::Complete { HELD_STREAM_MS } else { 0 };
    leave_ms.saturating_mul(MOST_ATTEMPTS).saturating_add(last_ms).saturating_add(held_ms)
}
