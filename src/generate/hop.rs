//! The credential hop: a listener inside this Envoy that adds a token to requests, between a deployment's cluster and its provider.
//!
//! What fetches tokens is no upstream filter in Envoy, and where clients come in it would see the first attempt's cluster alone. So the cluster of
//! a deployment with tokens leads to this listener, and names the cluster that leads on in a header, which goes no further. The attempt
//! filter works before it, as everywhere; the hop changes neither path nor body, has no times of its own and tries nothing again.
//!
//! **Invariant:** nothing outside of this Envoy reaches it, and no token is in anything made here.

use serde_json::{Value, json};

use super::cluster::{self, MAX_HEADERS};
use super::envoy::{Home, buffer_bytes, socket};
use super::{headers, keys};
use crate::config::model::{Deployment, RouterConfig, Token};

/// The header that names the cluster behind the hop.
const TO: &str = "x-signalbox-hop-to";
/// Google's filter, which reads what a cluster's metadata of that name asks for.
const GOOGLE: &str = "envoy.filters.http.gcp_authn";

/// One listener, for the deployments that want the same tokens.
#[derive(PartialEq)]
struct Hop<'a> {
    token: &'a Token,
    /// The name of the secret by which they are fetched.
    secret: Option<String>,
}

/// Every hop, each once.
fn hops(config: &RouterConfig) -> Vec<Hop<'_>> {
    let mut wanted: Vec<Hop<'_>> = Vec::new();
    for (deployment, secret) in config.deployments.iter().zip(keys::names(config)) {
        let hop = deployment.token.as_ref().map(|token| Hop { token, secret });
        wanted.extend(hop.filter(|hop| !wanted.contains(hop)));
    }
    wanted
}

/// Whether tokens are fetched by the secret of this name.
pub(super) fn needs(secret: &str, config: &RouterConfig) -> bool {
    hops(config).iter().any(|hop| hop.secret.as_deref() == Some(secret))
}

/// The name of the listener of the hop that has this place among all, and of the cluster that gives the tokens.
fn names(index: usize, token: &Token, config: &RouterConfig) -> (String, String) {
    match token {
        Token::Google { .. } => (config.cluster("signalbox-google"), config.cluster("signalbox-google-metadata")),
        Token::Entra { .. } => {
            let name = config.cluster(&format!("signalbox-entra-{index}"));
            let giver = format!("{name}-login");
            (name, giver)
        }
    }
}

/// The name of the cluster behind the hop.
pub(super) fn beyond(deployment: &Deployment, config: &RouterConfig) -> String {
    config.cluster(&format!("{}/upstream", deployment.id))
}

/// What sends a request on from the hop to its deployment.
pub(super) fn mutation(deployment: &Deployment, config: &RouterConfig) -> Value {
    headers::overwrite(TO, &beyond(deployment, config))
}

/// The way to the hop of a deployment.
pub(super) fn endpoints(deployment: &Deployment, config: &RouterConfig) -> Vec<Value> {
    let at = config.deployments.iter().position(|known| known.id == deployment.id);
    let secret = at.and_then(|at| keys::names(config).into_iter().nth(at)).flatten();
    let is_its = |hop: &Hop<'_>| Some(hop.token) == deployment.token.as_ref() && hop.secret == secret;
    let hops = hops(config);
    let hop = hops.iter().enumerate().find(|(_, hop)| is_its(hop));
    let listener = hop.map(|(index, hop)| names(index, hop.token, config).0).unwrap_or_default();
    let address = json!({"envoy_internal_address": {"server_listener_name": listener}});
    // What a request names as its host.
    let hostname = deployment.endpoint.authority();
    vec![json!({"lb_endpoints": [{"endpoint": {"address": address, "hostname": hostname}}]})]
}

/// What a cluster behind the hop says of the tokens that it wants.
pub(super) fn metadata(token: &Token) -> Option<Value> {
    match token {
        Token::Entra { .. } => None,
        Token::Google { .. } => Some(json!({"typed_filter_metadata": {GOOGLE: {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.gcp_authn.v3.Audience",
            "access_token": {},
        }}})),
    }
}

/// The clusters that give tokens.
pub(super) fn clusters(config: &RouterConfig) -> Vec<Value> {
    hops(config).iter().enumerate().map(|(index, hop)| giver(index, hop.token, config)).collect()
}

fn giver(index: usize, token: &Token, config: &RouterConfig) -> Value {
    let (_, name) = names(index, token, config);
    let metadata_host = match token {
        Token::Entra { endpoint, .. } => return cluster::plain(&name, endpoint, config),
        Token::Google { metadata_host } => metadata_host,
    };
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
pub(super) fn listeners(config: &RouterConfig, home: Home<'_>) -> Vec<Value> {
    hops(config).iter().enumerate().map(|(index, hop)| listener(index, hop, config, home)).collect()
}

/// The filter that adds the token, which it gets of a cluster.
fn adder(hop: &Hop<'_>, giver: &str, config: &RouterConfig, home: Home<'_>) -> Value {
    match hop.token {
        Token::Entra { endpoint, client, scope } => {
            let secret = cluster::named_secret(hop.secret.as_deref().unwrap_or_default(), config, home);
            let scheme = if endpoint.tls { "https" } else { "http" };
            let typed = json!({
                "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.oauth2.v3.OAuth2",
                "token_endpoint": {
                    "uri": format!("{scheme}://{}{}", endpoint.authority(), endpoint.path),
                    "cluster": giver,
                    "timeout": "5s",
                },
                "scopes": [scope],
                "client_credentials": {
                    "client_id": client,
                    "client_secret": secret,
                    "auth_type": "URL_ENCODED_BODY",
                },
                "token_fetch_retry_interval": "1s",
            });
            cluster::injector("oauth2", &typed)
        }
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
    }
}

fn listener(index: usize, hop: &Hop<'_>, config: &RouterConfig, home: Home<'_>) -> Value {
    let (name, giver) = names(index, hop.token, config);
    let filter = adder(hop, &giver, config, home);
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
        // There is no token yet: nobody's fault but the moment's.
        "local_reply_config": {"mappers": [{
            "filter": {"status_code_filter": {"comparison": {
                "op": "EQ",
                "value": {"default_value": 401, "runtime_key": "signalbox.none"},
            }}},
            "status_code": 503,
        }]},
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
