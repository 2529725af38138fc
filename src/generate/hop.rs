//! The credential hop: a listener inside this Envoy that adds a token to requests, between a deployment's cluster and its provider.
//!
//! What fetches tokens is no upstream filter in Envoy, and where clients come in it would see the first attempt's cluster alone. So the cluster of
//! a deployment with tokens leads to this listener, and names the cluster that leads on in a header, which goes no further. The attempt
//! filter works before it, as everywhere; the hop changes neither path nor body, has no times of its own and tries nothing again.
//!
//! **Invariant:** nothing outside of this Envoy reaches it, and no token is in anything made here.

use serde_json::{Value, json};

use super::cluster::MAX_HEADERS;
use super::envoy::{buffer_bytes, socket};
use super::headers;
use crate::config::model::{Deployment, RouterConfig, Token};

/// The header that names the cluster behind the hop.
const TO: &str = "x-signalbox-hop-to";
/// Google's filter, which reads what a cluster's metadata of that name asks for.
const GOOGLE: &str = "envoy.filters.http.gcp_authn";

/// The name of the listener, and of the cluster that gives the tokens.
fn names(token: &Token, config: &RouterConfig) -> (String, String) {
    match token {
        Token::Google { .. } => (config.cluster("signalbox-google"), config.cluster("signalbox-google-metadata")),
    }
}

/// The tokens that deployments want, each once.
fn wanted(config: &RouterConfig) -> Vec<&Token> {
    let mut wanted: Vec<&Token> = Vec::new();
    for token in config.deployments.iter().filter_map(|deployment| deployment.token.as_ref()) {
        if !wanted.contains(&token) {
            wanted.push(token);
        }
    }
    wanted
}

/// The name of the cluster behind the hop.
pub(super) fn beyond(deployment: &Deployment, config: &RouterConfig) -> String {
    config.cluster(&format!("{}/upstream", deployment.id))
}

/// What sends a request on from the hop to its deployment.
pub(super) fn mutation(deployment: &Deployment, config: &RouterConfig) -> Value {
    headers::overwrite(TO, &beyond(deployment, config))
}

/// The way to the hop. `hostname` is what a request names as its host.
pub(super) fn endpoints(token: &Token, hostname: &str, config: &RouterConfig) -> Vec<Value> {
    let (listener, _) = names(token, config);
    let address = json!({"envoy_internal_address": {"server_listener_name": listener}});
    vec![json!({"lb_endpoints": [{"endpoint": {"address": address, "hostname": hostname}}]})]
}

/// What a cluster behind the hop says of the tokens that it wants.
pub(super) fn metadata(token: &Token) -> Value {
    match token {
        Token::Google { .. } => json!({"typed_filter_metadata": {GOOGLE: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.gcp_authn.v3.Audience",
            "access_token": {},
        }}}),
    }
}

/// The clusters that give tokens.
pub(super) fn clusters(config: &RouterConfig) -> Vec<Value> {
    wanted(config).into_iter().map(|token| givers(token, config)).collect()
}

fn givers(token: &Token, config: &RouterConfig) -> Value {
    let Token::Google { metadata_host } = token;
    let (_, name) = names(token, config);
    let (host, port) = metadata_host.rsplit_once(':').unwrap_or((metadata_host, "80"));
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let address = socket(host, port.parse().unwrap_or(80));
    let endpoint = json!({"endpoint": {"address": address, "hostname": metadata_host}});
    let mut cluster = json!({
        "name": name,
        "type": if is_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    if let (false, Some(cluster)) = (is_address, cluster.as_object_mut()) {
        cluster.insert("dns_lookup_family".to_owned(), json!("V4_PREFERRED"));
    }
    cluster
}

/// The listeners.
pub(super) fn listeners(config: &RouterConfig) -> Vec<Value> {
    wanted(config).into_iter().map(|token| listener(token, config)).collect()
}

fn listener(token: &Token, config: &RouterConfig) -> Value {
    let (name, giver) = names(token, config);
    let filter = match token {
        Token::Google { .. } => json!({
            "name": GOOGLE,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.gcp_authn.v3.GcpAuthnFilterConfig",
                "cluster": giver,
                "timeout": "5s",
                "cache_config": {"cache_size": 100},
                "retry_policy": {"num_retries": 2},
            },
        }),
    };
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "codec_type": "HTTP1",
        "use_remote_address": false,
        "skip_xff_append": true,
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "scheme_header_transformation": {"match_upstream": true},
        // The way to here has its times.
        "stream_idle_timeout": "0s",
        "delayed_close_timeout": "0.050s",
        "common_http_protocol_options": {"max_headers_count": MAX_HEADERS},
        "http_filters": [
            filter,
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
                    "suppress_envoy_headers": true,
                },
            },
        ],
        "route_config": {
            "name": name,
            "virtual_hosts": [{
                "name": name,
                "domains": ["*"],
                "request_body_buffer_limit": buffer_bytes(config),
                "routes": [{
                    "match": {"prefix": "/"},
                    "route": {"cluster_header": TO, "timeout": "0s", "auto_host_rewrite": true},
                    "request_headers_to_remove": [TO, "x-forwarded-proto"],
                }],
            }],
        },
    });
    json!({
        "name": name,
        "internal_listener": {},
        "per_connection_buffer_limit_bytes": buffer_bytes(config),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": manager,
        }]}],
    })
}
