//! One cluster a deployment, named by its id.
//!
//! **Invariant:** a cluster by name always has a host: when DNS gives none, a second one refuses the connection, because Envoy
//! retries a refusal and does not retry "no healthy upstream".

use std::net::IpAddr;

use serde_json::{Value, json};

use super::directory;
use super::envoy::{Home, buffer_bytes, duration, socket};
use super::headers;
use super::hop;
use super::keys::{self, Source};
use super::listener::NO_CLUSTER;
use super::signing;
use crate::config::model::{Deployment, Endpoint, ExtraHeader, HeaderValue, RouterConfig, header_text, is_pattern};

/// How many headers an answer may have.
pub(super) const MAX_HEADERS: u64 = 1_000;

/// The cluster of a deployment; `secret` is the name of its key.
pub(super) fn deployment(
    deployment: &Deployment,
    secret: Option<&str>,
    config: &RouterConfig,
    home: Home<'_>,
) -> Value {
    // An answer meets the last filter first: the attempt sees it without what is forged.
    let ours = vec![home.attempt(&deployment.id, config), told(deployment, config)];
    cluster(&config.cluster(&deployment.id), ours, deployment, secret, config, home)
}

/// The cluster by which the gateway itself asks a deployment.
pub(super) fn probe(deployment: &Deployment, secret: Option<&str>, config: &RouterConfig, home: Home<'_>) -> Value {
    let prefix = |prefix: &str| json!({"remove_on_match": {"key_matcher": {"prefix": prefix}}});
    let mut mutations = vec![prefix("x-envoy-"), prefix("x-forwarded-")];
    mutations.extend(extra_headers(deployment));
    mutations.extend(deployment.token.as_ref().map(|_| hop::mutation(deployment, config)));
    let mutations = json!({"request_mutations": mutations});
    cluster(&config.cluster(&deployment.probe_cluster()), vec![mutation(&mutations)], deployment, secret, config, home)
}

/// The cluster behind the credential hop; `None`: there is no hop.
pub(super) fn beyond_hop(deployment: &Deployment, config: &RouterConfig) -> Option<Value> {
    let token = deployment.token.as_ref()?;
    let mut cluster = reached(&hop::beyond(deployment, config), Vec::new(), deployment, false, config);
    if let (Some(metadata), Some(cluster)) = (hop::metadata(token), cluster.as_object_mut()) {
        cluster.insert("metadata".to_owned(), metadata);
    }
    Some(cluster)
}

/// A cluster that leads to a deployment, with these filters before the one that adds its key.
fn cluster(
    name: &str,
    mut filters: Vec<Value>,
    deployment: &Deployment,
    secret: Option<&str>,
    config: &RouterConfig,
    home: Home<'_>,
) -> Value {
    let (key, prefix) = deployment.credential.header();
    // Where there are tokens, the hop adds them.
    let secret = secret.filter(|_| deployment.token.is_none());
    filters.extend(secret.map(|secret| credential(key, prefix, secret, config, home)));
    filters.extend(deployment.headers.iter().filter_map(|header| {
        let secret = header.value.variable()?;
        Some(credential(&header.name, None, secret, config, home))
    }));
    // What a signature is for must not change behind it.
    filters.extend(deployment.signing.as_ref().map(|signing| signing::filter(config, deployment, signing, home)));
    reached(name, filters, deployment, deployment.token.is_some(), config)
}

/// A cluster that leads to a deployment, or to the hop that adds its token.
fn reached(name: &str, filters: Vec<Value>, deployment: &Deployment, by_hop: bool, config: &RouterConfig) -> Value {
    let endpoint = &deployment.endpoint;
    let by_address = by_hop || endpoint.host.parse::<IpAddr>().is_ok();
    let tls_on = endpoint.tls && !by_hop;
    let endpoints = if by_hop { hop::endpoints(deployment, config) } else { endpoints(endpoint, by_address) };
    let mut cluster = json!({
        "name": name,
        "type": if by_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": duration(config.signalbox.connect_timeout_ms),
        "per_connection_buffer_limit_bytes": buffer_bytes(config),
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        "circuit_breakers": breakers(),
        // A connection that dies without a word (a NAT that forgets it) is found, and not used for ever: while it idles, by TCP's keepalive;
        // with a request on it that nobody acknowledges, when that comes to its time, since TCP then asks no more.
        "upstream_connection_options": {
            "tcp_keepalive": {"keepalive_probes": 2, "keepalive_time": 10, "keepalive_interval": 5},
        },
        "upstream_bind_config": {"socket_options": [user_timeout()]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": protocol(filters, tls_on),
        },
    });
    let more = [
        (!by_address).then(|| ("dns_lookup_family", json!("V4_PREFERRED"))),
        tls_on.then(|| ("transport_socket", tls(endpoint, by_address, &config.signalbox.ca_file))),
    ];
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.extend(more.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)));
        if by_hop {
            // Within this Envoy there is no TCP.
            cluster.remove("upstream_connection_options");
            cluster.remove("upstream_bind_config");
        }
    }
    cluster
}

/// Linux' `TCP_USER_TIMEOUT`: for how many milliseconds what was sent may stay without an acknowledgement. Where it is set it also ends
/// what keepalive asks in vain, so it is as long as that takes.
fn user_timeout() -> Value {
    json!({"description": "TCP_USER_TIMEOUT", "level": 6, "name": 18, "int_value": 20_000, "state": "STATE_PREBIND"})
}

/// Envoy's own limits (1024 requests, 3 retries at a time) fail requests that a provider would have served.
pub(super) fn breakers() -> Value {
    json!({"thresholds": [{
        "priority": "DEFAULT",
        "max_connections": 100_000,
        "max_pending_requests": 100_000,
        "max_requests": 100_000,
        "max_retries": 100_000,
    }]})
}

/// The last of the filters of a cluster.
pub(super) fn upstream_codec() -> Value {
    json!({
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
    })
}

/// Where a request goes that no deployment may serve.
pub(super) fn none(config: &RouterConfig) -> Value {
    json!({"name": config.cluster(NO_CLUSTER), "type": "STATIC", "connect_timeout": "1s"})
}

fn endpoints(endpoint: &Endpoint, by_address: bool) -> Vec<Value> {
    // The host name that a request gets (`auto_host_rewrite`).
    let named = json!({"address": socket(&endpoint.host, endpoint.port), "hostname": endpoint.authority()});
    let mut endpoints = vec![json!({"lb_endpoints": [{"endpoint": named}]})];
    if !by_address {
        endpoints.push(json!({"priority": 1, "lb_endpoints": [{"endpoint": {"address": socket("127.0.0.1", 1)}}]}));
    }
    endpoints
}

fn protocol(mut filters: Vec<Value>, tls: bool) -> Value {
    filters.push(upstream_codec());
    let version = if tls {
        (
            "auto_config",
            json!({
                "http_protocol_options": {},
                // And where a connection idled, ahead of the next request.
                "http2_protocol_options": {
                    "connection_keepalive": {"interval": "10s", "timeout": "3s", "connection_idle_interval": "1s"},
                },
            }),
        )
    } else {
        ("explicit_http_config", json!({"http_protocol_options": {}}))
    };
    let (version, options) = version;
    json!({
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        // Envoy takes an answer of more than 100 headers for a lost connection.
        "common_http_protocol_options": {"idle_timeout": "60s", "max_headers_count": MAX_HEADERS},
        version: options,
        "http_filters": filters,
    })
}

/// What a request says to its deployment, and what an answer says of its provider. Of a request goes what is not for a provider. Of an answer
/// first goes what is not the provider's to say ([`headers`]): `x-signalbox-*` is ours,
/// `x-envoy-*` is Envoy's (which obeys some of them), and so is whether to try again. Then comes what is known of the deployment; Envoy
/// says it for less than the filter could, which only sets what differs (a wildcard's model, fallbacks taken).
fn told(deployment: &Deployment, config: &RouterConfig) -> Value {
    let says = |key: &str, value: &str| headers::overwrite(key, &header_text(value));
    let group = config.groups.get(deployment.group).map_or("", |group| &group.name);
    let mut head = vec![
        headers::remove_from_answer(),
        says("x-signalbox-deployment", &deployment.id),
        says("x-signalbox-provider", deployment.provider.name),
        says("x-signalbox-model-group", group),
        says("x-signalbox-fallbacks", "0"),
    ];
    if !is_pattern(&deployment.model) {
        head.push(says("x-signalbox-model", &deployment.model));
    }
    let mut request = headers::to_provider(deployment, &config.signalbox.edge.forward_headers);
    request.extend(extra_headers(deployment));
    request.extend(deployment.token.as_ref().map(|_| hop::mutation(deployment, config)));
    mutation(&json!({
        "request_mutations": request,
        "response_mutations": head,
        "response_trailers_mutations": [headers::remove_all()],
    }))
}

/// The headers that a deployment's entry adds to its requests, but for those with a secret.
fn extra_headers(deployment: &Deployment) -> Vec<Value> {
    let text = |header: &ExtraHeader| match &header.value {
        HeaderValue::Text(text) => Some(headers::overwrite(&header.name, text)),
        HeaderValue::Env(_) | HeaderValue::Literal { .. } => None,
    };
    deployment.headers.iter().filter_map(text).collect()
}

fn mutation(mutations: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": mutations,
        },
    })
}

/// Puts the key into the request after the filter, in place of anything the client sent.
pub(super) fn credential(
    name: &str,
    prefix: Option<&str>,
    secret: &str,
    config: &RouterConfig,
    home: Home<'_>,
) -> Value {
    if home.directory.is_some() && keys::is_plain_variable(&keys::source(config, secret), secret) {
        return of_variable(name, prefix, secret);
    }
    let source = named_secret(secret, config, home);
    let mut generic = json!({
        "@type": "type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic",
        "credential": source,
    });
    if let Some(generic) = generic.as_object_mut() {
        generic.insert("header".to_owned(), json!(name));
        generic.extend(prefix.map(|prefix| ("header_value_prefix".to_owned(), json!(prefix))));
    }
    injector("generic", &generic)
}

/// The filter that adds a credential of this kind.
pub(super) fn injector(kind: &str, typed: &Value) -> Value {
    json!({
        "name": "envoy.filters.http.credential_injector",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
            "overwrite": true,
            "credential": {"name": format!("envoy.http.injected_credentials.{kind}"), "typed_config": typed},
        },
    })
}

/// A secret by its name, and the file that Envoy follows for it, if there is one.
pub(super) fn named_secret(secret: &str, config: &RouterConfig, home: Home<'_>) -> Value {
    let watched = match (keys::source(config, secret), home.directory) {
        (Source::Watched(path), _) => Some(keys::followed(path)),
        (_, Some(directory)) => Some(directory::followed(&format!("{directory}/{}", directory::secret_file(secret)))),
        _ => home.mesh.map(|mesh| keys::followed(&format!("{}/{secret}.yaml", mesh.keys))),
    };
    let mut source = json!({"name": secret});
    if let (Some(watched), Some(source)) = (watched, source.as_object_mut()) {
        source.insert("sds_config".to_owned(), watched);
    }
    source
}

/// A cluster that leads to an endpoint and nothing else.
pub(super) fn plain(name: &str, endpoint: &Endpoint, config: &RouterConfig) -> Value {
    let by_address = endpoint.host.parse::<IpAddr>().is_ok();
    let mut cluster = json!({
        "name": name,
        "type": if by_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": name, "endpoints": endpoints(endpoint, by_address)},
    });
    let more = [
        (!by_address).then(|| ("dns_lookup_family", json!("V4_PREFERRED"))),
        endpoint.tls.then(|| ("transport_socket", tls(endpoint, by_address, &config.signalbox.ca_file))),
    ];
    if let Some(cluster) = cluster.as_object_mut() {
        cluster.extend(more.into_iter().flatten().map(|(key, value)| (key.to_owned(), value)));
    }
    cluster
}

/// The same from a variable, where Envoy follows a directory. A secret in a file takes an inotify instance for each name, of which a user
/// has 128; what Envoy writes here is no part of its configuration or its logs either.
fn of_variable(name: &str, prefix: Option<&str>, variable: &str) -> Value {
    let value = format!("{}%ENVIRONMENT({variable})%", prefix.unwrap_or_default());
    let header = json!({"key": name, "value": value});
    mutation(&json!({"request_mutations": [
        {"append": {"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}},
    ]}))
}

/// TLS with the provider's name asked for and checked.
pub(super) fn tls(endpoint: &Endpoint, by_address: bool, ca_file: &str) -> Value {
    let mut validation = json!({"trusted_ca": {"filename": ca_file}});
    let mut context =
        json!({"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"});
    if let (Some(context), Some(validation)) = (context.as_object_mut(), validation.as_object_mut()) {
        if by_address {
            // An address is no server name, and stands in the certificate as an address.
            let name = json!([{"san_type": "IP_ADDRESS", "matcher": {"exact": endpoint.host}}]);
            validation.insert("match_typed_subject_alt_names".to_owned(), name);
        } else {
            context.insert("sni".to_owned(), json!(endpoint.host));
            context.insert("auto_sni_san_validation".to_owned(), json!(true));
        }
        let common = json!({
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "validation_context": validation,
        });
        context.insert("common_tls_context".to_owned(), common);
    }
    json!({"name": "envoy.transport_sockets.tls", "typed_config": context})
}
