//! What Envoy itself checks of clients, before the filter is asked: addresses (`rbac`) and tokens (`jwt_authn`).
//!
//! A request without a token, or with one that is not valid, goes on: it may show a key. The filter reads what Envoy found in a valid one,
//! and refuses, in the client's words, a request that shows nothing.
//!
//! **Invariant:** what the filter reads of a token only Envoy writes, after it has checked the signature.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::cluster;
use super::envoy::socket;
use crate::config::model::{Endpoint, Jwks, Jwt, RouterConfig};

/// The cluster that leads to the issuer's keys.
const KEYS: &str = "signalbox-jwks";

/// The filters, in front of all others.
pub(super) fn filters(config: &RouterConfig) -> impl Iterator<Item = Value> {
    let addresses = config.access.addresses.as_ref().map(|allowed| addresses(allowed));
    addresses.into_iter().chain(config.access.jwt.as_ref().map(|jwt| tokens(jwt, config)))
}

fn addresses(allowed: &[(String, u8)]) -> Value {
    let of = |(address, length): &(String, u8)| json!({"remote_ip": {"address_prefix": address, "prefix_len": length}});
    let principals: Vec<Value> = allowed.iter().map(of).collect();
    json!({
        "name": "envoy.filters.http.rbac",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC",
            "rules": {"action": "ALLOW", "policies": {"allowed_ips": {
                "permissions": [{"any": true}],
                "principals": principals,
            }}},
        },
    })
}

fn tokens(jwt: &Jwt, config: &RouterConfig) -> Value {
    let keys = match &jwt.keys {
        Jwks::Remote(uri, _) => (
            "remote_jwks",
            json!({"http_uri": {"uri": uri, "cluster": config.cluster(KEYS), "timeout": "5s"}, "cache_duration": "600s"}),
        ),
        Jwks::File(path) => ("local_jwks", json!({"filename": path})),
    };
    let in_header = |name: &str, prefix: &str| json!({"name": name, "value_prefix": prefix});
    let mut provider = json!({
        "from_headers": [in_header("authorization", "Bearer "), in_header("x-api-key", ""), in_header("api-key", "")],
        "payload_in_metadata": "signalbox",
        keys.0: keys.1,
    });
    if let Some(provider) = provider.as_object_mut() {
        provider.extend(jwt.issuer.as_ref().map(|issuer| ("issuer".to_owned(), json!(issuer))));
        provider.extend((!jwt.audiences.is_empty()).then(|| ("audiences".to_owned(), json!(jwt.audiences))));
    }
    let either = json!([{"provider_name": "signalbox"}, {"allow_missing_or_failed": {}}]);
    json!({
        "name": "envoy.filters.http.jwt_authn",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"signalbox": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": either}}}],
        },
    })
}

/// The way to the issuer's keys, where they are not in a file.
pub(super) fn cluster(config: &RouterConfig) -> Option<Value> {
    let Jwks::Remote(_, endpoint) = &config.access.jwt.as_ref()?.keys else { return None };
    let Endpoint { host, port, tls, .. } = endpoint;
    let is_address = host.parse::<IpAddr>().is_ok();
    let at = json!({"endpoint": {"address": socket(host, *port)}});
    let name = config.cluster(KEYS);
    let mut cluster = json!({
        "name": name,
        "type": if is_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [at]}]},
    });
    let more = [
        (!is_address).then(|| ("dns_lookup_family", json!("V4_PREFERRED"))),
        tls.then(|| ("transport_socket", cluster::tls(endpoint, is_address, &config.signalbox.ca_file))),
    ];
    cluster.as_object_mut()?.extend(more.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)));
    Some(cluster)
}
