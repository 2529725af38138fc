//! The parts of our own proxy, as another proxy can take them.

use serde_json::{Map, Value, json};

use super::super::envoy::{self, Home, Mesh, WASM, WASM_TYPE, buffer_bytes, plugin};
use super::super::{keys, listener, route_configuration, shared_attempt_configuration};
use super::{Manifest, Module};
use crate::config::compile::Compiled;
use crate::config::model::RouterConfig;

/// The parts.
pub(super) struct Parts {
    /// The clusters, the filter of the attempt role within.
    pub clusters: Vec<Value>,
    /// The listeners within the proxy.
    pub listeners: Vec<Value>,
    /// Envoy's own filters, in their order, each off.
    pub filters: Vec<Value>,
    /// The name of the route role's filter, which stands behind them.
    pub route_filter: String,
    /// The routes of our host, in their order. They turn the filters on.
    pub routes: Vec<Value>,
    /// What the manifest notes of itself, for the one that follows it.
    pub annotations: Map<String, Value>,
}

/// Taken apart. `attempt` is the filter of the attempt role.
pub(super) fn parts(config: &RouterConfig, manifest: &Manifest<'_>, attempt: &Value) -> Parts {
    let prefix = manifest.prefix();
    let mesh = Some(Mesh { attempt, keys: manifest.keys });
    let home = Home { wasm: "", directory: None, mesh };
    let mut clusters = envoy::clusters(config, home);
    let listeners = listener::within(config, home);
    let natives: Vec<Native> =
        [forged(config)].into_iter().chain(listener::native_filters(config)).map(Native::of).collect();
    let route_filter = format!("{prefix}route");
    let host = listener::virtual_host(config, &listener::Selection::Inline);
    let of_host = host.get("typed_per_filter_config").and_then(Value::as_object).cloned().unwrap_or_default();
    let routes = host.get("routes").and_then(Value::as_array).cloned().unwrap_or_default();
    let own = Native { name: WASM.to_owned(), is_off: false, filter: Map::new() };
    let turned_on = |route: Value| {
        let mut per_filter = of_host.clone();
        per_filter.extend(route.get("typed_per_filter_config").and_then(Value::as_object).cloned().unwrap_or_default());
        let natives = natives.iter().map(|native| (format!("{prefix}{}", native.short()), native));
        let filters = natives.chain([(route_filter.clone(), &own)]);
        let on: Map<String, Value> =
            filters.filter_map(|(name, native)| Some((name, native.on(per_filter.get(&native.name))?))).collect();
        of_its_own(route, on, config)
    };
    let mut routes: Vec<Value> = routes.into_iter().map(turned_on).collect();
    let before = manifest.before;
    let annotations =
        before.map(|before| before.retire(&mut clusters, &mut routes, manifest.now_s)).unwrap_or_default();
    let filters = natives.iter().map(|native| native.off(&prefix)).collect();
    Parts { clusters, listeners, filters, route_filter, routes, annotations }
}

/// The name of the attempt role's filter.
pub(super) fn attempt_filter(manifest: &Manifest<'_>) -> String {
    format!("{}attempt", manifest.prefix())
}

/// The module in the attempt role, for all clusters.
pub(super) fn attempt(config: &RouterConfig, manifest: &Manifest<'_>, code: &Value) -> Value {
    plugin("attempt", &shared_attempt_configuration(config), config, &vm(manifest), code)
}

/// The module in the route role.
pub(super) fn route(compiled: &Compiled, manifest: &Manifest<'_>, code: &Value) -> Value {
    plugin("route", &compact(&route_configuration(compiled, None)), &compiled.config, &vm(manifest), code)
}

/// Where the module is. `cluster` is by which it is fetched.
pub(super) fn code(manifest: &Manifest<'_>, cluster: &str) -> Value {
    match manifest.module {
        Module::File(path) => json!({"local": {"filename": path}}),
        Module::Remote { uri, sha256 } => {
            json!({"remote": {"http_uri": {"uri": uri, "cluster": cluster, "timeout": "30s"}, "sha256": sha256}})
        }
    }
}

/// The files that tell Envoy of the keys that are mounted, by name.
pub(super) fn key_files(config: &RouterConfig, manifest: &Manifest<'_>) -> Map<String, Value> {
    let is_ours = |name: &String| !matches!(keys::source(config, name), keys::Source::Watched(_));
    let file = |name: String| {
        let path = match keys::source(config, &name) {
            keys::Source::File(path) => path.to_owned(),
            _ => format!("{}/{name}", manifest.keys),
        };
        let secret = json!({"resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": name,
            "generic_secret": {"secret": keys::file(&path)},
        }]});
        (format!("{name}.yaml"), json!(super::super::yaml::write(&secret).trim_end()))
    };
    keys::all_names(config).into_iter().filter(is_ours).map(file).collect()
}

/// Both roles are in one.
fn vm(manifest: &Manifest<'_>) -> String {
    manifest.prefix().trim_end_matches('.').to_owned()
}

/// For people as it is; on one line where it is too long to be read.
fn compact(json: &str) -> String {
    let is_read = json.len() <= MOST_READ;
    let value = (!is_read).then(|| serde_json::from_str::<Value>(json).ok()).flatten();
    value.map_or_else(|| json.to_owned(), |value| value.to_string())
}

/// So many bytes of a policy are for people.
const MOST_READ: usize = 30_000;

/// What our own listener does before all else: headers that nobody may forge are taken out.
fn forged(config: &RouterConfig) -> Value {
    json!({
        "name": "signalbox.forged",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
            "mutations": {"request_mutations": listener::forged_headers(config)},
        },
    })
}

/// A filter of our own listener.
struct Native {
    name: String,
    /// Whether a route must turn it on there too.
    is_off: bool,
    filter: Map<String, Value>,
}

impl Native {
    fn of(filter: Value) -> Self {
        let filter = if let Value::Object(filter) = filter { filter } else { Map::new() };
        Self {
            name: filter.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
            is_off: filter.get("disabled") == Some(&json!(true)),
            filter,
        }
    }

    /// Its name behind the manifest's.
    fn short(&self) -> &str {
        if self.name == WASM {
            return "route";
        }
        let bare = self.name.strip_prefix("envoy.filters.http.").or_else(|| self.name.strip_prefix("signalbox."));
        bare.unwrap_or(&self.name)
    }

    /// For a chain that others use too.
    fn off(&self, prefix: &str) -> Value {
        let mut filter = Map::from_iter([
            ("name".to_owned(), json!(format!("{prefix}{}", self.short()))),
            ("disabled".to_owned(), json!(true)),
        ]);
        filter
            .extend(self.filter.iter().filter(|(key, _)| *key == "typed_config").map(|(k, v)| (k.clone(), v.clone())));
        Value::Object(filter)
    }

    /// What turns it on for a route that says this of it in our own listener; `None`: it stays off.
    fn on(&self, of_route: Option<&Value>) -> Option<Value> {
        let is_setting = |of_route: &&Value| of_route.get("@type") == Some(&json!(FILTER_CONFIG));
        let (setting, own) = (of_route.filter(is_setting), of_route.filter(|of_route| !is_setting(of_route)));
        if setting.is_some_and(|setting| setting.get("disabled") == Some(&json!(true))) {
            return None;
        }
        if let Some(own) = own {
            return Some(json!({"@type": FILTER_CONFIG, "config": own}));
        }
        // Istio's parser takes no empty configuration. An optional one of a type that has no form for a route says the same, also to Envoy.
        let on = json!({"@type": FILTER_CONFIG, "is_optional": true, "config": {"@type": WASM_TYPE}});
        (!self.is_off || setting.is_some()).then_some(on)
    }
}

/// What a route says of a filter.
const FILTER_CONFIG: &str = "type.googleapis.com/envoy.config.route.v3.FilterConfig";

/// A route that carries what our own listener and virtual host say of all routes.
fn of_its_own(route: Value, filters: Map<String, Value>, config: &RouterConfig) -> Value {
    let Value::Object(mut route) = route else { return route };
    route.insert("request_body_buffer_limit".to_owned(), json!(buffer_bytes(config)));
    if let Some(action) = route.get_mut("route").and_then(Value::as_object_mut) {
        action.insert("idle_timeout".to_owned(), json!(listener::idle_timeout(config)));
    }
    route.insert("typed_per_filter_config".to_owned(), Value::Object(filters));
    Value::Object(route)
}
