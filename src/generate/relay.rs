//! The relay: a listener inside this Envoy that sends an attempt on to the cluster of its deployment, under a time of its own.
//!
//! Envoy has one timer for all attempts of a request. An attempt that shall have another time takes this way, which the attempt filter
//! chooses (a last attempt after silence, and streams that are held until they are whole), and names its deployment and its time in
//! headers. Nothing outside of this Envoy reaches it.
//!
//! **Invariant:** the relay changes nothing that a deployment is sent or says, tries nothing again, and says which answers are its own.

use serde_json::{Value, json};

use super::cluster::{MAX_HEADERS, breakers, upstream_codec};
use super::envoy::{Home, buffer_bytes};
use crate::config::model::RouterConfig;

/// The name of the listener and of the cluster that leads to it.
pub(super) const RELAY: &str = "signalbox-relay";

/// Internal listeners have to be asked for.
pub(super) fn extension() -> Value {
    json!({
        "name": "envoy.bootstrap.internal_listener",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.bootstrap.internal_listener.v3.InternalListener",
        },
    })
}

/// The way to the relay. The attempt filter works here as it does in the clusters of deployments.
pub(super) fn cluster(config: &RouterConfig, home: Home<'_>) -> Value {
    let name = config.cluster(RELAY);
    let address = json!({"envoy_internal_address": {"server_listener_name": name}});
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "per_connection_buffer_limit_bytes": buffer_bytes(config),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "circuit_breakers": breakers(),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": "60s", "max_headers_count": MAX_HEADERS},
                "explicit_http_config": {"http_protocol_options": {}},
                "http_filters": [home.attempt(RELAY, config), upstream_codec()],
            },
        },
    })
}

/// The relay itself.
pub(super) fn listener(config: &RouterConfig) -> Value {
    // Set behind the connection manager, which takes such a header for a client's.
    let limit = json!({"append": {
        "header": {"key": "x-envoy-upstream-rq-per-try-timeout-ms", "value": "%REQ(X-SIGNALBOX-RELAY-LIMIT)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }});
    let says = json!({
        "header": {"key": "x-signalbox-relay-says", "value": "%RESPONSE_CODE_DETAILS%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": RELAY,
        "codec_type": "HTTP1",
        "use_remote_address": false,
        "skip_xff_append": true,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "scheme_header_transformation": {"match_upstream": true},
        // The way to here has its times, and so has the way from here.
        "stream_idle_timeout": "0s",
        "delayed_close_timeout": "0.050s",
        "http_filters": [
            {
                "name": "envoy.filters.http.header_mutation",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                    "mutations": {"request_mutations": [limit]},
                },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                },
            },
        ],
        "route_config": {
            "name": RELAY,
            "virtual_hosts": [{
                "name": RELAY,
                "domains": ["*"],
                "request_body_buffer_limit": buffer_bytes(config),
                "routes": [{
                    "match": {"prefix": "/"},
                    "route": {"cluster_header": "x-signalbox-relay-to", "timeout": "0s", "auto_host_rewrite": true},
                    "response_headers_to_add": [says],
                }],
            }],
        },
    });
    json!({
        "name": config.cluster(RELAY),
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": buffer_bytes(config),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    })
}
