//! A configuration to what loads it into a mesh: golden manifests, and what must hold for every one.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use signalbox::config::compile::{Compiled, compile};
use signalbox::config::yaml as text;
use signalbox::generate::mesh::envoy_gateway::{self, Around};
use signalbox::generate::mesh::istio::{self, Form};
use signalbox::generate::mesh::{Before, Document, MOST_APPLIED, Manifest, Module, write};
use signalbox::generate::yaml::without_remarks;

fn compiled(yaml: &str) -> Compiled {
    compile(&text::read(yaml).unwrap(), &|_| None).unwrap()
}

const TWO: &str = "
model_list:
- {model_name: smart, litellm_params: {model: openai/gpt-4o, api_key: os.environ/OPENAI_API_KEY}}
- {model_name: smart, litellm_params: {model: anthropic/claude-sonnet-4-5, api_key: os.environ/ANTHROPIC_API_KEY}}
signalbox: {listen: '0.0.0.0:80'}
";
/// As many parts as there are: watched keys, literal ones, signatures, tokens, probes, web pages, a log, clients.
const ALL: &str = "
model_list:
- {model_name: a, litellm_params: {model: openai/x, api_key: sk-SECRET, extra_headers: {x-team: os.environ/TEAM}}}
- {model_name: b, litellm_params: {model: anthropic/x, api_key: os.environ/WATCHED}}
- {model_name: c, litellm_params: {model: openai/x, api_key: os.environ/FILE, api_base: 'http://10.0.0.1/v1'}}
- {model_name: d, litellm_params: {model: bedrock/anthropic.claude-sonnet-4-5, aws_region_name: us-east-1, aws_access_key_id: os.environ/ID, aws_secret_access_key: os.environ/SECRET}}
- {model_name: e, litellm_params: {model: vertex_ai/gemini-2.5-pro, vertex_project: p, vertex_location: us-central1}}
router_settings: {model_group_alias: {gpt-4: a}}
general_settings: {master_key: os.environ/MASTER, allowed_ips: [10.0.0.0/8]}
signalbox:
  listen: '0.0.0.0:80'
  access_log: true
  jwt: {issuer: 'https://h/', jwks_uri: 'https://h:8443/keys'}
  clients:
  - {name: literal, key: sk-SECRET-0123456789}
  - {name: shop, key: os.environ/SHOP}
  - {name: seen, key: os.environ/SEEN}
  - {name: token, jwt: {}}
  allowed_origins: ['https://app.example.com']
  health_check: true
  secret_files: {FILE: /run/key, WATCHED: /run/key.yaml, SEEN: /run/seen.yaml}
";

const LABELS: &str = "egressgateway";
const SERVICE: &str = "istio-egressgateway.istio-egress.svc.cluster.local";

fn manifest<'a>(namespace: &'a str, host: &'a str, before: Option<&'a Before>) -> Manifest<'a> {
    Manifest {
        namespace,
        name: "signalbox",
        host,
        port: 80,
        module: Module::File("/usr/lib/signalbox/signalbox.wasm"),
        keys: "/var/run/signalbox/keys",
        before,
        now_s: 1_000,
    }
}

fn labels(value: &str) -> Vec<(String, String)> {
    vec![("istio".to_owned(), value.to_owned())]
}

fn egress(yaml: &str, before: Option<&Before>) -> Vec<Document> {
    let labels = labels(LABELS);
    let form = Form::Egress { labels: &labels, service: SERVICE, is_mutual: true };
    istio::documents(compiled(yaml), &manifest("istio-egress", "llm.local", before), form)
}

/// A manifest of each form.
fn each(yaml: &str) -> Vec<(&'static str, Vec<Document>)> {
    let ingress = labels("ingressgateway");
    let digest = "0123456789abcdef".repeat(4);
    let uri = format!("oci://registry.example.com/signalbox@sha256:{digest}");
    let remote = |manifest| Manifest { module: Module::Remote { uri: &uri, sha256: &digest }, ..manifest };
    let made = |manifest: Manifest<'_>, form| istio::documents(compiled(yaml), &manifest, form);
    let gateway = Around { class: "eg", tls: None, secret: "llm-keys" };
    vec![
        ("egress", egress(yaml, None)),
        (
            "ingress",
            made(
                manifest("istio-ingress", "llm.example.com", None),
                Form::Ingress { labels: &ingress, tls: Some("llm-certificate") },
            ),
        ),
        ("sidecar", made(remote(manifest("istio-system", "llm.local", None)), Form::Sidecar { labels: &[] })),
        ("waypoint", made(manifest("llm", "llm.llm.svc.cluster.local", None), Form::Waypoint)),
        (
            "envoy-gateway",
            envoy_gateway::documents(compiled(yaml), &remote(manifest("default", "llm.local", None)), gateway),
        ),
    ]
}

fn plain(documents: &[Document]) -> Vec<Value> {
    documents.iter().map(|document| without_remarks(&document.value)).collect()
}

/// The values of all patches of a kind, in Istio's words or Envoy Gateway's.
fn patches<'a>(documents: &'a [Value], istio: &str, gateway: &str) -> Vec<&'a Value> {
    let list = |document: &'a Value, at: &str| document.pointer(at).and_then(Value::as_array).into_iter().flatten();
    let of_istio = documents.iter().flat_map(|document| list(document, "/spec/configPatches"));
    let of_istio = of_istio.filter(|patch| patch["applyTo"] == istio).map(|patch| &patch["patch"]["value"]);
    let of_gateway = documents.iter().flat_map(|document| list(document, "/spec/jsonPatches"));
    let of_gateway = of_gateway.filter(|patch| patch["type"].as_str().unwrap().ends_with(gateway));
    of_istio.chain(of_gateway.map(|patch| &patch["operation"]["value"])).collect()
}

fn every<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(entries) => {
            found.extend(entries.get(key));
            entries.values().for_each(|value| every(value, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| every(item, key, found)),
        _ => {}
    }
}

#[test]
fn manifests_of_each_form() {
    for (name, documents) in each(TWO) {
        let written = write("Made by a test.", &documents);
        let read: Vec<Value> = written.split("\n---\n").map(|text| text::read_own(text).unwrap().to_json()).collect();
        assert_eq!(read, plain(&documents), "{name}");
        golden::assert(&format!("mesh/{name}.yaml"), &written);
    }
}

#[test]
fn whatever_a_proxy_knows_by_name_is_the_manifest_s_own() {
    for (form, documents) in each(ALL) {
        let documents = plain(&documents);
        let clusters = patches(&documents, "CLUSTER", "Cluster");
        let namespace = documents.last().unwrap()["metadata"]["namespace"].as_str().unwrap();
        let prefix = format!("signalbox.{namespace}.signalbox.");
        let mut named: Vec<&Value> = clusters.iter().map(|cluster| &cluster["name"]).collect();
        named.extend(patches(&documents, "EXTENSION_CONFIG", "-").iter().map(|extension| &extension["name"]));
        named.extend(patches(&documents, "HTTP_FILTER", "-").iter().map(|filter| &filter["name"]));
        let listeners = patches(&documents, "LISTENER", "listener.v3.Listener");
        named.extend(listeners.iter().map(|listener| &listener["name"]));
        for document in &documents {
            every(document, "server_listener_name", &mut named);
            every(document, "cluster_name", &mut named);
        }
        assert!(named.len() > 20, "{form}");
        for name in named {
            assert!(name.as_str().unwrap().starts_with(&prefix), "{form}: {name}");
        }
        let mut vms = Vec::new();
        documents.iter().for_each(|document| every(document, "vm_id", &mut vms));
        assert!(!vms.is_empty() && vms.iter().all(|vm| **vm == prefix.trim_end_matches('.')), "{form}: {vms:?}");
    }
}

#[test]
fn no_route_names_a_cluster_or_a_filter_that_is_not_there() {
    for (form, documents) in each(ALL) {
        let documents = plain(&documents);
        let of = |istio, gateway| patches(&documents, istio, gateway);
        let clusters: BTreeSet<&str> = of("CLUSTER", "Cluster").iter().filter_map(|it| it["name"].as_str()).collect();
        let filters: BTreeSet<&str> = if form == "envoy-gateway" {
            of("-", "listener.v3.Listener")
                .iter()
                .filter(|it| it["disabled"] == true)
                .filter_map(|it| it["name"].as_str())
                .collect()
        } else {
            let filters = of("HTTP_FILTER", "-");
            assert!(filters.iter().all(|filter| filter["disabled"] == true), "{form}: a filter is on for other hosts");
            filters.iter().filter_map(|it| it["name"].as_str()).collect()
        };
        let mut routes = of("HTTP_ROUTE", "-");
        routes.extend(of("-", "RouteConfiguration").into_iter().flat_map(|routes| routes.as_array().unwrap()));
        assert!(routes.len() > 6, "{form}");
        let (mut named, mut on) = (Vec::new(), BTreeSet::new());
        for route in routes {
            every(route, "cluster", &mut named);
            on.extend(route["typed_per_filter_config"].as_object().unwrap().keys().map(String::as_str));
        }
        assert!(named.iter().all(|name| clusters.contains(name.as_str().unwrap())), "{form}");
        assert_eq!(on, filters, "{form}: every filter is on for some route, and no other one is named");
    }
}

#[test]
fn every_patch_of_istio_is_for_proxies_of_a_version() {
    for (form, documents) in each(ALL) {
        for document in plain(&documents) {
            for patch in document.pointer("/spec/configPatches").and_then(Value::as_array).into_iter().flatten() {
                assert_eq!(patch["match"]["proxy"]["proxyVersion"], r"^1\.(3[1-9]|[4-9][0-9])", "{form}");
            }
        }
    }
}

#[test]
fn nothing_is_addressed_by_its_position() {
    let (_, documents) = each(ALL).pop().unwrap();
    let mut paths = Vec::new();
    documents
        .iter()
        .for_each(|document| ["path", "jsonPath"].iter().for_each(|key| every(&document.value, key, &mut paths)));
    let digits = |path: &&&Value| path.as_str().is_some_and(|path| path.contains("/0") || path.contains("[0"));
    assert_eq!(paths.iter().filter(digits).count(), 0, "{paths:?}");
}

#[test]
fn no_key_is_in_a_manifest() {
    for (form, documents) in each(ALL) {
        assert!(!write("", &documents).contains("sk-SECRET"), "{form}");
    }
}

/// In a mesh no key of a client's is a variable: each has a file, a cluster by which the filter hears of it, and a listener behind those.
#[test]
fn keys_of_clients_are_in_files() {
    for (form, documents) in each(ALL) {
        let documents = plain(&documents);
        let clusters = patches(&documents, "CLUSTER", "Cluster");
        let of_keys = clusters.iter().filter_map(|it| it["name"].as_str()?.split_once("signalbox-key/"));
        let mut of_keys: Vec<&str> = of_keys.map(|(_, variable)| variable).collect();
        of_keys.sort_unstable();
        assert_eq!(of_keys, ["MASTER", "SEEN", "SHOP"], "{form}");
        let listeners = patches(&documents, "LISTENER", "listener.v3.Listener");
        let is_of_keys = |it: &&&Value| it["name"].as_str().is_some_and(|name| name.ends_with(".signalbox-keys"));
        assert_eq!(listeners.iter().filter(is_of_keys).count(), 1, "{form}");
        let text = json!(documents).to_string();
        assert!(!text.contains("host_env_keys") && text.contains("/run/seen.yaml"), "{form}");
        assert!(text.contains("key_files"), "{form}");
        let files = documents.iter().find(|it| it["kind"] == "ConfigMap").map(|it| it["data"].clone()).unwrap();
        assert!(files["SHOP.yaml"].as_str().unwrap().contains("/var/run/signalbox/keys/SHOP"), "{form}: {files}");
        assert!(files["MASTER.yaml"].is_string() && files["SEEN.yaml"].is_null(), "{form}: {files}");
    }
}

fn of_model(names: &[&str]) -> String {
    let entry = |name: &&str| json!({"model_name": name, "litellm_params": {"model": "openai/x", "api_base": "http://10.0.0.1/v1"}});
    json!({"model_list": names.iter().map(entry).collect::<Vec<_>>(), "signalbox": {"listen": "0.0.0.0:80"}})
        .to_string()
}

#[test]
fn a_cluster_outlives_its_configuration() {
    let first = plain(&egress(&of_model(&["a", "b"]), None));
    let before = Before::read(&first);
    let second = plain(&egress(&of_model(&["b"]), Some(&before)));
    let names = |documents: &[Value]| {
        let clusters = patches(documents, "CLUSTER", "-");
        clusters
            .iter()
            .map(|it| it["name"].as_str().unwrap().rsplit('.').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&second), ["b-1", "signalbox-relay", "signalbox-none", "a-1"]);
    let way = |documents: &[Value]| {
        let mut ways = Vec::new();
        documents.iter().for_each(|document| every(document, "prefix_match_map", &mut ways));
        ways[0]["map"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(way(&second), ["b-1/", "signalbox-relay/", "a-1/"]);
    let note = |documents: &[Value]| {
        let shelf = documents.iter().find(|it| it["metadata"]["name"] == "signalbox-clusters").unwrap();
        shelf["metadata"]["annotations"]["signalbox.dev/retired"].clone()
    };
    assert_eq!(note(&first), Value::Null);
    assert_eq!(note(&second), r#"{"signalbox.istio-egress.signalbox.a-1":1000}"#);
    let again = Before::read(&second);
    assert_eq!(plain(&egress(&of_model(&["b"]), Some(&again))), second, "the same again changes nothing");
    let back = plain(&egress(&of_model(&["a", "b"]), Some(&again)));
    assert_eq!(names(&back), names(&first));
    let labels = labels(LABELS);
    let form = Form::Egress { labels: &labels, service: SERVICE, is_mutual: true };
    let later = Manifest { now_s: 1_000 + 3_600, ..manifest("istio-egress", "llm.local", Some(&again)) };
    let later = plain(&istio::documents(compiled(&of_model(&["b"])), &later, form));
    assert_eq!(names(&later), ["b-1", "signalbox-relay", "signalbox-none"]);
}

#[test]
fn kubectl_applies_five_hundred_deployments() {
    let entry = |number: usize| {
        json!({
            "model_name": format!("group-{}", number / 5),
            "litellm_params": {
                "model": "openai/gpt-4o",
                "api_base": format!("https://provider-{number}.example.com/v1"),
                "api_key": format!("os.environ/KEY_{}", number % 7),
            },
        })
    };
    let entries: Vec<Value> = (0..500).map(entry).collect();
    let config = json!({"model_list": entries, "signalbox": {"listen": "0.0.0.0:80"}}).to_string();
    for (form, documents) in each(&config) {
        let sizes: Vec<usize> = documents.iter().map(Document::bytes).collect();
        assert!(sizes.iter().all(|size| *size < MOST_APPLIED), "{form}: {sizes:?}");
        assert!(sizes.iter().sum::<usize>() > 1_000_000, "{form}: {sizes:?}");
    }
}
