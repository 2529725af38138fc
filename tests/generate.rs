//! A configuration to Envoy's: golden bootstraps, and what must hold for every one.
#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
#![cfg(feature = "cli")]

#[path = "support/golden.rs"]
mod golden;

use serde_json::{Value, json};
use signalbox::config::compile::{Compiled, compile};
use signalbox::config::yaml as text;
use signalbox::generate::{attempt_configuration, envoy, keys, route_configuration, yaml};

fn compiled(yaml: &str) -> Compiled {
    compile(&text::read(yaml).unwrap(), &|_| None).unwrap()
}

const KEYS: &str = "
model_list:
- {model_name: a.b, litellm_params: {model: openai/x, api_key: sk-SECRET}}
- {model_name: a-b, litellm_params: {model: anthropic/x, api_key: sk-SECRET-2}}
- {model_name: file, litellm_params: {model: openai/x, api_key: os.environ/FILE}}
- {model_name: watched, litellm_params: {model: openai/x, api_key: os.environ/WATCHED}}
- {model_name: open, litellm_params: {model: openai/x, api_base: 'http://10.0.0.1/v1'}}
signalbox: {secret_files: {FILE: /run/key, WATCHED: /run/key.yaml}}
";

#[test]
fn bootstraps_of_the_tutorials() {
    for number in 1..=3 {
        let config = std::fs::read_to_string(golden::path(&format!("config/tutorial-{number}.yaml"))).unwrap();
        let bootstrap = envoy::bootstrap(&compiled(&config), "/usr/lib/signalbox/signalbox.wasm");
        let written = yaml::write(&bootstrap);
        assert_eq!(text::read(&written).unwrap().to_json(), bootstrap);
        golden::assert(&format!("envoy/tutorial-{number}.yaml"), &written);
    }
}

#[test]
fn the_bootstrap_that_operators_read_is_the_quick_start_s() {
    let config = std::fs::read_to_string(golden::path("../../examples/quick-start.yaml")).unwrap();
    let bootstrap = envoy::bootstrap(&compiled(&config), "/usr/lib/signalbox/signalbox.wasm");
    let origin =
        "# What `signalbox envoy examples/quick-start.yaml --wasm /usr/lib/signalbox/signalbox.wasm` writes.\n";
    golden::assert("../../envoy/bootstrap.yaml", &format!("{origin}{}", yaml::write(&bootstrap)));
}

#[test]
fn no_key_is_in_a_bootstrap() {
    let compiled = compiled(KEYS);
    let written = yaml::write(&envoy::bootstrap(&compiled, "w"));
    assert!(!written.contains("sk-SECRET"));
    assert!(!route_configuration(&compiled, None).contains("SECRET"));
}

/// Of a client's key its hash is written, or the name of its variable, which both filters are given. Where nobody is named nothing is.
#[test]
fn keys_of_clients_are_hashes_and_names() {
    let clients = "
general_settings: {master_key: os.environ/MASTER, allowed_ips: [10.0.0.0/8]}
signalbox:
  access_log: true
  jwt: {issuer: 'https://h/', jwks_uri: 'https://h:8443/keys'}
  clients:
  - {name: literal, key: sk-SECRET-0123456789}
  - {name: variable, key: os.environ/SHOP}
  - {name: token, jwt: {}}
";
    let compiled = compiled(&format!("{}{clients}", KEYS.split("signalbox:").next().unwrap()));
    let bootstrap = envoy::bootstrap(&compiled, "w");
    let written = yaml::write(&bootstrap);
    assert!(!written.contains("SECRET") && written.contains("sha256:"), "{written}");
    let given = written.matches("host_env_keys:").count();
    assert_eq!(given, written.matches("vm_id: signalbox").count(), "whichever is loaded first makes the VM");
    let manager = &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let names = manager["http_filters"].as_array().unwrap().iter().map(|filter| filter["name"].as_str().unwrap());
    assert_eq!(names.take(2).collect::<Vec<_>>(), ["envoy.filters.http.rbac", "envoy.filters.http.jwt_authn"]);
    let keys = clusters(&bootstrap).iter().find(|cluster| cluster["name"] == "signalbox-jwks").cloned().unwrap();
    assert_eq!(keys["transport_socket"]["typed_config"]["sni"], "h");
    assert!(written.contains("client=%FILTER_STATE(wasm.signalbox.client:PLAIN)%@"));
    let nobody = yaml::write(&envoy::bootstrap(&self::compiled(KEYS), "w"));
    assert!(!nobody.contains("host_env_keys") && !nobody.contains("client_") && !nobody.contains("jwt"), "{nobody}");
}

/// What is in a file, Envoy reads: the filter is given no variable for it, and the one secret serves both.
#[test]
fn keys_of_clients_in_files_have_a_cluster_each() {
    let clients = "
general_settings: {master_key: os.environ/WATCHED}
";
    let compiled = compiled(&format!("{KEYS}{clients}"));
    let bootstrap = envoy::bootstrap(&compiled, "w");
    let cluster = clusters(&bootstrap).iter().find(|it| it["name"] == "signalbox-key/WATCHED").cloned().unwrap();
    let injector = injector(&cluster);
    assert_eq!((&injector["header"], &injector["header_value_prefix"]), (&"x-signalbox-key".into(), &Value::Null));
    assert_eq!(injector["credential"]["sds_config"]["path_config_source"]["path"], "/run/key.yaml");
    let written = yaml::write(&bootstrap);
    assert!(!written.contains("host_env_keys") && written.contains("key_files"), "{written}");
    let none = yaml::write(&envoy::bootstrap(&self::compiled(KEYS), "w"));
    assert!(!none.contains("key_files") && !none.contains("signalbox-key"), "{none}");
}

#[test]
fn keys_go_by_name() {
    let compiled = compiled(KEYS);
    let variables = keys::variables(&compiled.config);
    let found: Vec<_> = variables.iter().map(|v| (v.name.as_str(), v.deployments.clone(), v.literal)).collect();
    let wanted = [
        ("SIGNALBOX_KEY_A_B_1", vec!["a.b-1"], Some("sk-SECRET")),
        ("SIGNALBOX_KEY_A_B_1_2", vec!["a-b-1"], Some("sk-SECRET-2")),
    ];
    assert_eq!(found, wanted);
    let equal = self::compiled(&KEYS.replace("sk-SECRET-2", "sk-SECRET"));
    let variables = keys::variables(&equal.config);
    let found: Vec<_> = variables.iter().map(|v| (v.name.as_str(), v.deployments.clone())).collect();
    assert_eq!(found, [("SIGNALBOX_KEY_A_B_1", vec!["a.b-1", "a-b-1"])], "B5: one secret for equal keys");

    let bootstrap = envoy::bootstrap(&compiled, "w");
    let secrets = bootstrap["static_resources"]["secrets"].to_string();
    assert!(secrets.contains(r#"{"filename":"/run/key"}"#) && !secrets.contains("WATCHED"), "{secrets}");
    let injectors: Vec<_> = clusters(&bootstrap).iter().map(injector).collect();
    assert_eq!(injectors[0]["header"], "authorization");
    assert_eq!(injectors[0]["header_value_prefix"], "Bearer ");
    assert_eq!((&injectors[1]["header"], &injectors[1]["header_value_prefix"]), (&"x-api-key".into(), &Value::Null));
    let watched = json!({"path": "/run/key.yaml", "watched_directory": {"path": "/run"}});
    assert_eq!(injectors[3]["credential"]["sds_config"]["path_config_source"], watched);
    assert_eq!(injectors[4], Value::Null, "no key, no injector");
}

#[test]
fn every_deployment_has_a_cluster_and_a_way_to_it() {
    let bootstrap = envoy::bootstrap(&compiled(KEYS), "w");
    let manager = &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    let routes = &manager["route_config"];
    let (selects, route) = (&routes["cluster_specifier_plugins"][0]["extension"], way(&routes["virtual_hosts"][0]));
    assert_eq!(route["route"]["cluster_specifier_plugin"], selects["name"]);
    let matcher = &selects["typed_config"]["cluster_matcher"];
    let ways = matcher["matcher_tree"]["prefix_match_map"]["map"].as_object().unwrap();
    for cluster in clusters(&bootstrap).iter().filter(|cluster| cluster["name"] != "signalbox-none") {
        let name = cluster["name"].as_str().unwrap();
        assert_eq!(ways[&format!("{name}/")]["action"]["typed_config"]["cluster"], name);
        let hosts = cluster["load_assignment"]["endpoints"].as_array().unwrap().len();
        assert_eq!(hosts, if cluster["type"] == "STRICT_DNS" { 2 } else { 1 }, "{name}");
    }
}

#[test]
fn both_roles_share_one_vm() {
    let bootstrap = envoy::bootstrap(&compiled(KEYS), "/x.wasm");
    let manager = &bootstrap["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    // Behind those that inflate bodies.
    let [route, other] = [2, 3].map(|at| {
        let filter = &manager["http_filters"][at]["typed_config"]["extension_config"];
        &filter["typed_config"]["config"]
    });
    assert_eq!(route["vm_config"], other["vm_config"]);
    for cluster in clusters(&bootstrap).iter().filter(|cluster| cluster["name"] != "signalbox-none") {
        let attempt = &http_filters(cluster)[0]["typed_config"]["config"];
        assert_eq!(attempt["vm_config"], route["vm_config"]);
        assert_eq!(attempt["configuration"]["value"], attempt_configuration(cluster["name"].as_str().unwrap()));
        for option in ["failure_policy", "allow_on_headers_stop_iteration"] {
            assert_eq!(attempt[option], route[option]);
        }
    }
}

#[test]
fn limits_follow_the_configuration() {
    let bootstrap = envoy::bootstrap(
        &compiled(
            "
model_list:
- {model_name: a, litellm_params: {model: openai/x, num_retries: 7, timeout: 20}}
- {model_name: b, litellm_params: {model: openai/x}}
router_settings: {timeout: 30, max_fallbacks: 1}
signalbox: {max_request_bytes: 1048576, max_response_bytes: 2097152, connect_timeout: 1.5}
",
        ),
        "w",
    );
    let listener = &bootstrap["static_resources"]["listeners"][0];
    let manager = &listener["filter_chains"][0]["filters"][0]["typed_config"];
    let host = &manager["route_config"]["virtual_hosts"][0];
    assert_eq!(listener["per_connection_buffer_limit_bytes"], 3_145_728);
    assert_eq!(host["request_body_buffer_limit"], 3_145_728);
    assert_eq!(manager["stream_idle_timeout"], "390s", "ten that are silent before the last one, and a minute");
    assert_eq!(way(host)["route"]["retry_policy"]["num_retries"], 20, "15 that count, 5 that do not");
    assert_eq!(clusters(&bootstrap)[0]["connect_timeout"], "1.500s");
}

/// The route that leads to deployments: the first one, of requests that are planned.
fn way(host: &Value) -> &Value {
    host["routes"].as_array().unwrap().first().unwrap()
}

fn clusters(bootstrap: &Value) -> &Vec<Value> {
    bootstrap["static_resources"]["clusters"].as_array().unwrap()
}

fn http_filters(cluster: &Value) -> &Vec<Value> {
    let options =
        &cluster["typed_extension_protocol_options"]["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
    options["http_filters"].as_array().unwrap()
}

/// The credential injector's generic credential, or null.
fn injector(cluster: &Value) -> Value {
    if cluster["name"] == "signalbox-none" {
        return Value::Null;
    }
    let injector =
        http_filters(cluster).iter().find(|filter| filter["name"] == "envoy.filters.http.credential_injector");
    injector.map_or(Value::Null, |injector| injector["typed_config"]["credential"]["typed_config"].clone())
}
