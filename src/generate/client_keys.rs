//! The keys of clients that are in files: how the filter comes to know them.
//!
//! The filter can read no file, and Envoy has no word for a key in what it tells filters. But it puts a key from a file into requests, as it
//! does for deployments. So each such key has a cluster, which adds the key to what the filter asks there, and leads to a listener within
//! this Envoy that answers with it. The filter keeps its hash (`filter/route/keys.rs`).
//!
//! **Invariant:** nothing outside of this Envoy reaches the listener, and a file that is missing or empty costs its own client alone.

use serde_json::{Value, json};

use super::cluster::{credential, upstream_codec};
use super::envoy::Home;
use super::keys;
use crate::config::model::RouterConfig;

/// The name of the listener.
const KEYS: &str = "signalbox-keys";
/// The header that a key comes in, to the listener and from it. The filter knows it by the same name.
const KEY: &str = "x-signalbox-key";

/// A cluster a key.
pub(super) fn clusters(config: &RouterConfig, home: Home<'_>) -> Vec<Value> {
    let cluster = |(variable, _): (&str, &str)| {
        let name = config.signalbox.naming.key_cluster(variable);
        let address = json!({"envoy_internal_address": {"server_listener_name": config.cluster(KEYS)}});
        json!({
            "name": name,
            "type": "STATIC",
            "connect_timeout": "1s",
            "load_assignment": {
                "cluster_name": name,
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
            },
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http_protocol_options": {}},
                    "http_filters": [credential(KEY, None, variable, config, home), upstream_codec()],
                },
            },
        })
    };
    keys::of_clients_in_files(config).map(cluster).collect()
}

/// The listener, where there is any such key.
pub(super) fn listener(config: &RouterConfig) -> Option<Value> {
    keys::of_clients_in_files(config).next()?;
    let says = json!({
        "header": {"key": KEY, "value": "%REQ(X-SIGNALBOX-KEY)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": KEYS,
        "codec_type": "HTTP1",
        "generate_request_id": false,
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
        "route_config": {
            "name": KEYS,
            "virtual_hosts": [{
                "name": KEYS,
                "domains": ["*"],
                "routes": [{
                    "match": {"prefix": "/"},
                    "direct_response": {"status": 200},
                    "response_headers_to_add": [says],
                }],
            }],
        },
    });
    Some(json!({
        "name": config.cluster(KEYS),
        "internal_listener": {},
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    }))
}
