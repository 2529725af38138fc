//! Envoy Gateway: `EnvoyPatchPolicy`, and the `Gateway` around it.
//!
//! It has no discovery of filters, so the policy stands in the listener: a new one is a new listener, and the old one drains.
//!
//! **Invariant:** listeners, virtual hosts, routes and filters are addressed by name. A position is another one's as soon as there are two.

use serde_json::{Map, Value, json};

use super::super::{envoy, relay, stats, yaml};
use super::before;
use super::manifest::Document;
use super::parts::{self, Parts};
use super::{Manifest, Module, among_others, shelves};
use crate::config::compile::Compiled;
use crate::config::model::Labels;

/// What Envoy calls the resources.
const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";
const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";

/// Where an image with the module is mounted, and the module's name in it.
const IMAGE: (&str, &str) = ("/usr/lib/signalbox", "plugin.wasm");

/// The gateway around the policy.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The name of its class.
    pub class: &'a str,
    /// The secret with its certificate, where it speaks TLS.
    pub tls: Option<&'a str>,
    /// The secret with the keys.
    pub secret: &'a str,
}

/// The documents, in the order in which they are to be applied.
#[must_use]
pub fn documents(mut compiled: Compiled, manifest: &Manifest<'_>, around: Around<'_>) -> Vec<Document> {
    among_others(&mut compiled, manifest, Labels::Istio);
    let fetched_by = format!("{}module", manifest.prefix());
    let image = match manifest.module {
        Module::Remote { uri, .. } => uri.strip_prefix("oci://"),
        Module::File(_) => None,
    };
    let path = format!("{}/{}", IMAGE.0, IMAGE.1);
    let mounted = Manifest { module: Module::File(&path), ..*manifest };
    let code = parts::code(if image.is_some() { &mounted } else { manifest }, &fetched_by);
    let attempt = parts::attempt(&compiled.config, manifest, &code);
    let attempt = json!({"name": parts::attempt_filter(manifest), "typed_config": attempt});
    let mut parts = parts::parts(&compiled.config, manifest, &attempt);
    let route = parts::route(&compiled, manifest, &code);
    parts.filters.push(json!({"name": parts.route_filter, "disabled": true, "typed_config": route}));
    if let (Module::Remote { uri, .. }, None) = (manifest.module, image) {
        parts.clusters.push(fetching(&fetched_by, uri, &compiled.config.signalbox.ca_file));
    }
    let keys = parts::key_files(&compiled.config, manifest);
    let policy = Policy { manifest, listener: if around.tls.is_some() { "https" } else { "http" } };
    let mut documents = Vec::new();
    let volumes = volumes(manifest, around.secret, !keys.is_empty(), image);
    documents.extend((!keys.is_empty()).then(|| key_map(manifest, keys)));
    documents.push(proxy(manifest, volumes));
    documents.extend(policy.gateway(around));
    documents.extend(policy.clusters(&parts));
    documents.push(policy.policy(parts));
    documents
}

/// By which Envoy fetches the module.
fn fetching(name: &str, uri: &str, ca_file: &str) -> Value {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("http", uri));
    let authority = rest.split('/').next().unwrap_or_default();
    let is_tls = scheme == "https";
    let usual = if is_tls { 443 } else { 80 };
    let (host, port) =
        authority.rsplit_once(':').map_or((authority, usual), |(host, port)| (host, port.parse().unwrap_or(usual)));
    let endpoint = json!({"endpoint": {"address": envoy::socket(host, port)}});
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    let mut cluster = json!({
        "name": name,
        "type": if is_address { "STATIC" } else { "STRICT_DNS" },
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    });
    if let (true, Some(cluster)) = (is_tls, cluster.as_object_mut()) {
        let validation = json!({"trusted_ca": {"filename": ca_file}});
        cluster.insert(
            "transport_socket".to_owned(),
            json!({
                "name": "envoy.transport_sockets.tls",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                    "sni": host,
                    "auto_sni_san_validation": true,
                    "common_tls_context": {"validation_context": validation},
                },
            }),
        );
    }
    cluster
}

fn key_map(manifest: &Manifest<'_>, files: Map<String, Value>) -> Document {
    let metadata = json!({"name": format!("{}-keys", manifest.name), "namespace": manifest.namespace});
    let about = "Tells Envoy which file holds which key; no key is in it.";
    Document::new(about, json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": files}))
}

/// What is mounted in the proxy's pods, and where: the keys with the files that tell of them, and the module.
fn volumes(manifest: &Manifest<'_>, secret: &str, has_keys: bool, image: Option<&str>) -> Vec<(Value, Value)> {
    let keys = has_keys.then(|| {
        let sources = json!([
            {"secret": {"name": secret}},
            {"configMap": {"name": format!("{}-keys", manifest.name)}},
        ]);
        let volume = json!({"name": "signalbox-keys", "projected": {"sources": sources}});
        (volume, json!({"name": "signalbox-keys", "mountPath": manifest.keys, "readOnly": true}))
    });
    let module = image.map(|image| {
        let volume = json!({"name": "signalbox", "image": {"reference": image}});
        (volume, json!({"name": "signalbox", "mountPath": IMAGE.0, "readOnly": true}))
    });
    keys.into_iter().chain(module).collect()
}

/// The proxy's pods.
fn proxy(manifest: &Manifest<'_>, volumes: Vec<(Value, Value)>) -> Document {
    let extension = json!({"bootstrap_extensions": [relay::extension()], "stats_config": stats::for_names_of_istio()});
    let mut spec = json!({
        "bootstrap": {
            "#": "For listeners within the proxy, and for the labels of our metrics.",
            "type": "Merge",
            "value": yaml::write(&extension).trim_end(),
        },
    });
    if let (false, Some(spec)) = (volumes.is_empty(), spec.as_object_mut()) {
        let (volumes, mounts): (Vec<Value>, Vec<Value>) = volumes.into_iter().unzip();
        let deployment = json!({"pod": {"volumes": volumes}, "container": {"volumeMounts": mounts}});
        spec.insert(
            "provider".to_owned(),
            json!({"type": "Kubernetes", "kubernetes": {"envoyDeployment": deployment}}),
        );
    }
    let about = "The proxy's pods: what is mounted in them, and how Envoy starts.";
    Document::new(about, object("gateway.envoyproxy.io/v1alpha1", "EnvoyProxy", manifest, manifest.name, spec))
}

fn object(api: &str, kind: &str, manifest: &Manifest<'_>, name: &str, spec: Value) -> Value {
    let metadata = json!({"name": name, "namespace": manifest.namespace});
    json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
}

struct Policy<'a> {
    manifest: &'a Manifest<'a>,
    /// The name of the gateway's listener.
    listener: &'static str,
}

impl Policy<'_> {
    /// The gateway, and a route that makes the virtual host.
    fn gateway(&self, around: Around<'_>) -> Vec<Document> {
        let manifest = self.manifest;
        let mut listener = json!({"name": self.listener, "protocol": "HTTP", "port": manifest.port});
        if let (Some(secret), Some(listener)) = (around.tls, listener.as_object_mut()) {
            listener.insert("protocol".to_owned(), json!("HTTPS"));
            let certificates = json!([{"kind": "Secret", "name": secret}]);
            listener.insert("tls".to_owned(), json!({"mode": "Terminate", "certificateRefs": certificates}));
        }
        let parameters = json!({"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": manifest.name});
        let gateway = json!({
            "gatewayClassName": around.class,
            "infrastructure": {"parametersRef": parameters},
            "listeners": [listener],
        });
        let filter = format!("{}-not-installed", manifest.name);
        let body = json!({"type": "Inline", "inline": "signalbox is not installed here"});
        let answer = json!({"directResponse": {"statusCode": 503, "contentType": "text/plain", "body": body}});
        let reference = json!({"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": filter});
        let rule = json!({
            "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
            "filters": [{"type": "ExtensionRef", "extensionRef": reference}],
        });
        let route = json!({"parentRefs": [{"name": manifest.name}], "hostnames": [manifest.host], "rules": [rule]});
        let api = "gateway.networking.k8s.io/v1";
        let about = "What the host answers where the policy is not in force: so nothing leaks out.";
        vec![
            Document::new("The gateway.", object(api, "Gateway", manifest, manifest.name, gateway)),
            Document::new(
                "Makes the host known. The policy puts its own routes in the place of this one's.",
                object(api, "HTTPRoute", manifest, manifest.name, route),
            ),
            Document::new(
                about,
                object("gateway.envoyproxy.io/v1alpha1", "HTTPRouteFilter", manifest, &filter, answer),
            ),
        ]
    }

    fn document(
        &self,
        name: &str,
        about: &str,
        priority: u32,
        annotations: Map<String, Value>,
        patches: Vec<Value>,
    ) -> Document {
        let target = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": self.manifest.name});
        let spec = json!({"type": "JSONPatch", "targetRef": target, "priority": priority, "jsonPatches": patches});
        let mut object = object("gateway.envoyproxy.io/v1alpha1", "EnvoyPatchPolicy", self.manifest, name, spec);
        if let (false, Some(metadata)) =
            (annotations.is_empty(), object.get_mut("metadata").and_then(Value::as_object_mut))
        {
            metadata.insert("annotations".to_owned(), Value::Object(annotations));
        }
        Document::new(about, object)
    }

    /// The clusters, and the listeners within the proxy that some of them lead to.
    fn clusters(&self, parts: &Parts) -> Vec<Document> {
        let whole = |kind: &str, value: &Value| json!({"type": kind, "name": before::name(value), "operation": {"op": "add", "path": "", "value": value}});
        let clusters = parts.clusters.iter().map(|cluster| whole(CLUSTER, cluster));
        let patches = clusters.chain(parts.listeners.iter().map(|listener| whole(LISTENER, listener))).collect();
        shelves::documents(self.manifest, parts, patches, &before::name, &|name, about, annotations, patches| {
            self.document(name, about, 10, annotations, patches)
        })
    }

    /// The filters and the routes.
    fn policy(&self, parts: Parts) -> Document {
        let Manifest { namespace, name, host, .. } = *self.manifest;
        let listener = format!("{namespace}/{name}/{}", self.listener);
        let filter = |filter: Value| {
            let path = r#"$..http_filters[?(@.name=="envoy.filters.http.router")]"#;
            json!({"type": LISTENER, "name": listener, "operation": {"op": "add", "jsonPath": path, "value": filter}})
        };
        let mut patches: Vec<Value> = parts.filters.into_iter().map(filter).collect();
        let host = format!("{listener}/{}", host.replace('.', "_"));
        let path = format!(r#"$.virtual_hosts[?(@.name=="{host}")].routes"#);
        let operation = json!({"op": "replace", "jsonPath": path, "value": parts.routes});
        patches.push(json!({
            "#": "The routes of the host: each attempt of a request chooses its cluster here anew. They turn the filters on.",
            "type": ROUTES,
            "name": listener,
            "operation": operation,
        }));
        let about = "The policy: filters before the router, off but on our routes, with what the filter that plans is configured with; and\n\
             the routes.";
        self.document(name, about, 20, Map::new(), patches)
    }
}
