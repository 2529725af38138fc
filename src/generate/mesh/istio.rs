//! Istio: `EnvoyFilter`, and what stands around it.
//!
//! Both roles come by Istio's extension configuration discovery (ECDS): a new policy reaches connections that are open and cuts no stream, and
//! a module that cannot be had costs our own route alone, which then says 503.
//!
//! **Invariant:** every patch is for proxies of Istio 1.31 and later. Older ones drop what a retry at another provider needs.

use serde_json::{Map, Value, json};

use super::before;
use super::manifest::Document;
use super::parts::{self, Parts};
use super::{Manifest, among_others, shelves};
use crate::config::compile::Compiled;
use crate::config::model::Labels;

/// Which proxies take the patches: Envoy 1.39 and later, in which a retry chooses its cluster anew.
const VERSION: &str = r"^1\.(3[1-9]|[4-9][0-9])";
/// The filter of our own, and the one that stands in for it.
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const FAULT: &str = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";

/// Which proxies route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// A gateway that applications of the mesh are led to.
    Egress {
        /// The labels of its pods.
        labels: &'a [(String, String)],
        /// The name of its Kubernetes service.
        service: &'a str,
        /// Whether the way to it has the mesh's own TLS.
        is_mutual: bool,
    },
    /// A gateway that clients outside of the mesh call.
    Ingress {
        /// The labels of its pods.
        labels: &'a [(String, String)],
        /// The secret with its certificate, where it speaks TLS.
        tls: Option<&'a str>,
    },
    /// The sidecar of each application.
    Sidecar {
        /// The labels of the pods, where not all are meant.
        labels: &'a [(String, String)],
    },
    /// A waypoint of its own, in ambient mode.
    Waypoint,
}

impl Form<'_> {
    /// What Istio calls the place of the patches.
    const fn context(&self) -> &'static str {
        match self {
            Self::Egress { .. } | Self::Ingress { .. } => "GATEWAY",
            Self::Sidecar { .. } => "SIDECAR_OUTBOUND",
            // A waypoint takes nothing else.
            Self::Waypoint => "SIDECAR_INBOUND",
        }
    }

    /// The port of a gateway's server.
    fn server_port(&self, manifest: &Manifest<'_>) -> u16 {
        match self {
            Self::Egress { is_mutual: true, .. } | Self::Ingress { tls: Some(_), .. } => 443,
            _ => manifest.port,
        }
    }
}

/// The documents, in the order in which they are to be applied.
#[must_use]
pub fn documents(mut compiled: Compiled, manifest: &Manifest<'_>, form: Form<'_>) -> Vec<Document> {
    among_others(&mut compiled, manifest, Labels::Istio);
    let attempt_name = parts::attempt_filter(manifest);
    let parts = parts::parts(&compiled.config, manifest, &discovered(&attempt_name, false, None));
    let code = parts::code(manifest, "_");
    let attempt = parts::attempt(&compiled.config, manifest, &code);
    let route = parts::route(&compiled, manifest, &code);
    let mut documents = Vec::new();
    let keys = parts::key_files(&compiled.config, manifest);
    documents.extend((!keys.is_empty()).then(|| key_map(manifest, form, keys)));
    documents.extend(around(manifest, form));
    let filter = Filter { manifest, form };
    documents.extend(filter.clusters(&parts));
    documents.push(filter.routes(&parts));
    let extensions = [(attempt_name, attempt), (parts.route_filter.clone(), route)];
    documents.push(filter.policy(&parts, extensions));
    documents
}

/// A filter whose configuration Istio serves by name. `default`: what runs until it is there, and where it cannot be had.
fn discovered(name: &str, is_off: bool, default: Option<Value>) -> Value {
    let mut types = vec![json!(WASM)];
    types.extend(default.as_ref().and_then(|default| default.get("@type")).cloned());
    let mut discovery = json!({
        "config_source": {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "15s"},
        "type_urls": types,
    });
    if let (Some(discovery), Some(default)) = (discovery.as_object_mut(), default) {
        discovery.insert("default_config".to_owned(), default);
        discovery.insert("apply_default_config_without_warming".to_owned(), json!(true));
    }
    if is_off {
        json!({"name": name, "disabled": true, "config_discovery": discovery})
    } else {
        json!({"name": name, "config_discovery": discovery})
    }
}

/// The files that tell Envoy where the keys are.
fn key_map(manifest: &Manifest<'_>, form: Form<'_>, files: Map<String, Value>) -> Document {
    let whose = match form {
        Form::Egress { .. } | Form::Ingress { .. } => "the gateway's pods",
        Form::Sidecar { .. } => "the sidecars (a copy in each namespace of applications)",
        Form::Waypoint => "the waypoint's pods",
    };
    let about = format!(
        "Tells Envoy which file holds which key; no key is in it. Mount it at {} in {whose}, as one projected volume with the\n\
         Secret that holds the keys, one under each name.",
        manifest.keys
    );
    let (name, namespace) = (format!("{}-keys", manifest.name), manifest.namespace);
    let metadata = json!({"name": name, "namespace": namespace});
    Document::new(&about, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}))
}

/// An object of Istio's.
fn object(kind: &str, manifest: &Manifest<'_>, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": kind,
        "metadata": {"name": manifest.name, "namespace": manifest.namespace},
        "spec": spec,
    })
}

/// What makes the host known, and leads requests to the proxies.
fn around(manifest: &Manifest<'_>, form: Form<'_>) -> Vec<Document> {
    match form {
        Form::Egress { labels, service, is_mutual } => {
            let port = form.server_port(manifest);
            let mut documents = vec![known(manifest, false)];
            let server = if is_mutual {
                json!({"port": {"number": port, "name": "llm", "protocol": "HTTPS"}, "tls": {"mode": "ISTIO_MUTUAL"}})
            } else {
                json!({"port": {"number": port, "name": "http-llm", "protocol": "HTTP"}})
            };
            documents.push(gateway(manifest, labels, server));
            documents.push(led_to_gateway(manifest, service, port));
            documents.extend(is_mutual.then(|| mutual(manifest, service, port)));
            documents
        }
        Form::Ingress { labels, tls } => {
            let port = form.server_port(manifest);
            let server = tls.map_or_else(
                || json!({"port": {"number": port, "name": "http-llm", "protocol": "HTTP"}}),
                |secret| {
                    json!({
                        "port": {"number": port, "name": "https-llm", "protocol": "HTTPS"},
                        "tls": {"mode": "SIMPLE", "credentialName": secret},
                    })
                },
            );
            let spec = json!({"hosts": [manifest.host], "gateways": [manifest.name], "http": [not_installed()]});
            let about = "What the gateway answers where the policy is not in force; its routes stand before this one.";
            vec![gateway(manifest, labels, server), Document::new(about, object("VirtualService", manifest, spec))]
        }
        Form::Sidecar { .. } => vec![known(manifest, false)],
        Form::Waypoint => vec![known(manifest, true), waypoint(manifest)],
    }
}

/// Makes the host known to the mesh.
fn known(manifest: &Manifest<'_>, has_waypoint: bool) -> Document {
    let about = "The name that applications call. It has no endpoints: where the policy is not in force there is nowhere to go, and\n\
         nothing leaks out.";
    let mut parts = manifest.host.split('.');
    let (name, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if parts.collect::<Vec<_>>() == ["svc", "cluster", "local"] {
        let mut metadata = json!({"name": name, "namespace": namespace});
        if let (true, Some(metadata)) = (has_waypoint, metadata.as_object_mut()) {
            let labels =
                json!({"istio.io/use-waypoint": manifest.name, "istio.io/use-waypoint-namespace": manifest.namespace});
            metadata.insert("labels".to_owned(), labels);
        }
        let ports = json!([{"name": "http", "port": manifest.port, "appProtocol": "http"}]);
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}});
        return Document::new(about, service);
    }
    let mut entry = object(
        "ServiceEntry",
        manifest,
        json!({
            "hosts": [manifest.host],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": manifest.port, "name": "http", "protocol": "HTTP"}],
        }),
    );
    if let (true, Some(metadata)) = (has_waypoint, entry.get_mut("metadata").and_then(Value::as_object_mut)) {
        metadata.insert("labels".to_owned(), json!({"istio.io/use-waypoint": manifest.name}));
    }
    Document::new(about, entry)
}

fn selector(labels: &[(String, String)]) -> Value {
    Value::Object(labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

fn gateway(manifest: &Manifest<'_>, labels: &[(String, String)], server: Value) -> Document {
    let mut server = server;
    if let Some(server) = server.as_object_mut() {
        server.insert("hosts".to_owned(), json!([manifest.host]));
    }
    let spec = json!({"selector": selector(labels), "servers": [server]});
    Document::new("Opens the gateway for the host.", object("Gateway", manifest, spec))
}

fn not_installed() -> Value {
    let body = json!({"string": "signalbox is not installed here"});
    json!({"name": "not-installed", "directResponse": {"status": 503, "body": body}})
}

/// The way of applications to an egress gateway.
fn led_to_gateway(manifest: &Manifest<'_>, service: &str, port: u16) -> Document {
    let at_gateway = {
        let mut route = json!({"match": [{"gateways": [manifest.name]}]});
        if let (Some(route), Value::Object(answer)) = (route.as_object_mut(), not_installed()) {
            route.extend(answer);
        }
        route
    };
    let mut destination = json!({"host": service, "port": {"number": port}});
    if let (443, Some(destination)) = (port, destination.as_object_mut()) {
        destination.insert("subset".to_owned(), json!(manifest.name));
    }
    let to_gateway = json!({
        "#": "Applications come here first. Signalbox tries again itself. (There is no timeout either, if none is said.)",
        "match": [{"gateways": ["mesh"]}],
        "route": [{"destination": destination}],
        "retries": {"attempts": 0},
    });
    let spec = json!({
        "hosts": [manifest.host],
        "gateways": ["mesh", manifest.name],
        "http": [to_gateway, with_remark("What the gateway answers where the policy is not in force; its routes stand before this one.", at_gateway)],
    });
    Document::new("Leads applications to the gateway.", object("VirtualService", manifest, spec))
}

/// The mesh's own TLS on that way, by which the gateway knows who asks.
fn mutual(manifest: &Manifest<'_>, service: &str, port: u16) -> Document {
    let tls = json!({"port": {"number": port}, "tls": {"mode": "ISTIO_MUTUAL", "sni": manifest.host}});
    let subset = json!({"name": manifest.name, "trafficPolicy": {"portLevelSettings": [tls]}});
    let spec = json!({"host": service, "subsets": [subset]});
    let about = "The mesh's own TLS on the way to the gateway, which so knows who asks.";
    Document::new(about, object("DestinationRule", manifest, spec))
}

/// A waypoint for the router alone: it holds one virtual host for all services of a port.
fn waypoint(manifest: &Manifest<'_>) -> Document {
    let about = "A waypoint of the router's own: it would patch every other service of the same port as well.";
    let metadata = json!({
        "name": manifest.name,
        "namespace": manifest.namespace,
        "labels": {"istio.io/waypoint-for": "service"},
    });
    let listener = json!({"name": "mesh", "port": 15008, "protocol": "HBONE"});
    Document::new(
        about,
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": metadata,
            "spec": {"gatewayClassName": "istio-waypoint", "listeners": [listener]},
        }),
    )
}

fn with_remark(remark: &str, value: Value) -> Value {
    let mut with = Map::from_iter([("#".to_owned(), json!(remark))]);
    if let Value::Object(value) = value {
        with.extend(value);
    }
    Value::Object(with)
}

/// The patches.
struct Filter<'a> {
    manifest: &'a Manifest<'a>,
    form: Form<'a>,
}

impl Filter<'_> {
    fn patch(&self, to: &str, matching: Option<(&str, Value)>, operation: &str, value: Value) -> Value {
        let mut which = json!({"context": self.form.context(), "proxy": {"proxyVersion": VERSION}});
        if let (Some((key, matching)), Some(which)) = (matching, which.as_object_mut()) {
            which.insert(key.to_owned(), matching);
        }
        json!({"applyTo": to, "match": which, "patch": {"operation": operation, "value": value}})
    }

    fn document(&self, name: &str, about: &str, annotations: &Map<String, Value>, patches: Vec<Value>) -> Document {
        let mut metadata = json!({"name": name, "namespace": self.manifest.namespace});
        if let (false, Some(metadata)) = (annotations.is_empty(), metadata.as_object_mut()) {
            metadata.insert("annotations".to_owned(), Value::Object(annotations.clone()));
        }
        let mut spec = Map::new();
        let labels = match self.form {
            Form::Egress { labels, .. } | Form::Ingress { labels, .. } | Form::Sidecar { labels } => labels,
            Form::Waypoint => &[],
        };
        if !labels.is_empty() {
            spec.insert("workloadSelector".to_owned(), json!({"labels": selector(labels)}));
        }
        if self.form == Form::Waypoint {
            // Of its service a waypoint takes no patch.
            let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": self.manifest.name});
            spec.insert("targetRefs".to_owned(), json!([gateway]));
        }
        spec.insert("priority".to_owned(), json!(10));
        spec.insert("configPatches".to_owned(), json!(patches));
        let api = "networking.istio.io/v1alpha3";
        Document::new(
            about,
            json!({"apiVersion": api, "kind": "EnvoyFilter", "metadata": metadata, "spec": Value::Object(spec)}),
        )
    }

    /// The clusters, and the listeners within the proxy that some of them lead to.
    fn clusters(&self, parts: &Parts) -> Vec<Document> {
        let cluster = |value: &Value| self.patch("CLUSTER", None, "ADD", value.clone());
        let listener = |value: &Value| self.patch("LISTENER", None, "ADD", value.clone());
        let patches = parts.clusters.iter().map(cluster).chain(parts.listeners.iter().map(listener)).collect();
        let name = |patch: &Value| patch.pointer("/patch/value").map(before::name).unwrap_or_default();
        shelves::documents(self.manifest, parts, patches, &name, &|name, about, annotations, patches| {
            self.document(name, about, &annotations, patches)
        })
    }

    /// The routes of the host. Each is put before those that are there, so the first comes last.
    fn routes(&self, parts: &Parts) -> Document {
        let Manifest { host, port, name, .. } = *self.manifest;
        let which = match self.form {
            Form::Egress { .. } | Form::Ingress { .. } => {
                json!({"vhost": {"name": format!("{host}:{}", self.form.server_port(self.manifest))}})
            }
            Form::Sidecar { .. } => json!({"portNumber": port, "vhost": {"name": format!("{host}:{port}")}}),
            Form::Waypoint => json!({"vhost": {"name": format!("inbound|http|{port}")}}),
        };
        let matching = || Some(("routeConfiguration", which.clone()));
        let patch = |route: &Value| self.patch("HTTP_ROUTE", matching(), "INSERT_FIRST", route.clone());
        let patches = parts.routes.iter().rev().map(patch).collect();
        let about = "The routes of the host: each attempt of a request chooses its cluster here anew. They turn the filters on that are off\n\
             for every other host. Istio puts each before those that are there already, so the first of them stands last.";
        self.document(&format!("{name}-routes"), about, &Map::new(), patches)
    }

    /// The filters, and what the filters of both roles are configured with.
    fn policy(&self, parts: &Parts, extensions: [(String, Value); 2]) -> Document {
        let router = json!({"filter": {"name": MANAGER, "subFilter": {"name": "envoy.filters.http.router"}}});
        let which = match self.form {
            // A gateway's listener has its pod's port, not its service's. The filters are off there but on our routes.
            Form::Egress { .. } | Form::Ingress { .. } => json!({"filterChain": router}),
            Form::Sidecar { .. } => json!({"portNumber": self.manifest.port, "filterChain": router}),
            // It has no port.
            Form::Waypoint => json!({"name": "main_internal", "filterChain": router}),
        };
        let abort = json!({"@type": FAULT, "abort": {"http_status": 503, "percentage": {"numerator": 100}}});
        let own = discovered(&parts.route_filter, true, Some(abort));
        let filters = parts.filters.iter().chain([&own]);
        let filter = |filter: &Value| {
            self.patch("HTTP_FILTER", Some(("listener", which.clone())), "INSERT_BEFORE", filter.clone())
        };
        let mut patches: Vec<Value> = filters.map(filter).collect();
        remark(&mut patches, 0, "Filters of Envoy's own that run before ours, and off but on our routes.");
        let last = patches.len().saturating_sub(1);
        remark(
            &mut patches,
            last,
            "The filter that plans requests. Where its module cannot be had, our routes say 503 and no other host notices.",
        );
        let extension = |(name, configuration): (String, Value)| {
            self.patch("EXTENSION_CONFIG", None, "ADD", json!({"name": name, "typed_config": configuration}))
        };
        let mut extensions: Vec<Value> = extensions.into_iter().map(extension).collect();
        remark(
            &mut extensions,
            0,
            "The module in the role that carries out an attempt, in the cluster of each deployment.",
        );
        remark(&mut extensions, 1, "The module in the role that plans, with the policy itself.");
        patches.extend(extensions);
        let about = "The policy. A new one reaches connections that are open, and cuts no stream.";
        self.document(self.manifest.name, about, &Map::new(), patches)
    }
}

const MANAGER: &str = "envoy.filters.network.http_connection_manager";

fn remark(patches: &mut [Value], place: usize, text: &str) {
    if let Some(patch) = patches.get_mut(place) {
        *patch = with_remark(text, patch.take());
    }
}
