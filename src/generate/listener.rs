//! The listener: where clients come in, and the route whose cluster is chosen anew for every attempt.
//!
//! The cluster comes from filter state that only the filter can write, read again before each retry
//! (`refresh_cluster_on_retry`, Envoy 1.39 and later); a header could be forged, and is read only once.
//!
//! **Invariant:** what Envoy decides itself is never tighter than what the filter decides: its timeout is off, its retries are as
//! many as the configuration can ask for, its buffers hold the largest body allowed.

use serde_json::{Map, Value, json};

use super::envoy::{Home, WASM, address, buffer_bytes, duration, longest_silence_ms, wasm_filter};
use super::relay::{self, RELAY};
use super::{access, client_keys, edge, headers, hop};
use crate::config::compile::Compiled;
use crate::config::model::{Router, RouterConfig, RouterKind};

/// A line a request, for people: the filter says in headers what it did. What a router chose stands before the time.
const ACCESS_LINE: &str = "%START_TIME(%H:%M:%S.%3f)% %RESPONSE_CODE% %REQ(:METHOD)% %FILTER_STATE(signalbox.path:PLAIN):60% \
    %RESP(X-SIGNALBOX-MODEL-GROUP)% -> %RESP(X-SIGNALBOX-DEPLOYMENT)% \
    (%RESP(X-SIGNALBOX-PROVIDER)%/%RESP(X-SIGNALBOX-MODEL)%) \
    attempts=%RESP(X-SIGNALBOX-ATTEMPTS)% fallbacks=%RESP(X-SIGNALBOX-FALLBACKS)% \
    cost=%FILTER_STATE(wasm.signalbox.cost:PLAIN)% error=%RESP(X-SIGNALBOX-ERROR)%";
const ACCESS_LINE_END: &str = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DURATION%ms flags=%RESPONSE_FLAGS%\n";

/// Every name that begins with `x-signalbox-` save `x-signalbox-tier`, in a language that cannot say "save".
const OURS_BUT_TIER: &str = "x-signalbox-([^t].*|t([^i].*)?|ti([^e].*)?|tie([^r].*)?|tier.+)?";

/// Words to Envoy that no client is told.
const OURS_TO_ENVOY: &[&str] = &["x-signalbox-retry", "x-signalbox-relay-says"];

/// The filter state in which the filter selects a cluster.
const SELECTED: &str = "wasm.signalbox.cluster";
/// What reads it.
const SELECTS: &str = "cluster-by-filter-state";
/// The path that most requests have.
const CHAT_PATH: &str = "/v1/chat/completions";
/// The name of the filter for those.
const CHAT_FILTER: &str = "signalbox.chat";

/// The cluster that stands for "no cluster": Envoy's own 503, which the route filter rewrites.
pub(super) const NO_CLUSTER: &str = "signalbox-none";

/// The retries a request may have at most, whatever a client asks for itself.
const LEAST_RETRIES: u32 = 10;
/// Retries that the filter does not count: a stale connection, another address of a name.
const FREE_RETRIES: u32 = 5;

/// The listeners: the one that clients see, and those within this Envoy.
pub(super) fn listeners(compiled: &Compiled, home: Home<'_>) -> Vec<Value> {
    [listener(compiled, home.wasm)].into_iter().chain(within(&compiled.config, home)).collect()
}

/// The listeners within this Envoy.
pub(super) fn within(config: &RouterConfig, home: Home<'_>) -> Vec<Value> {
    let listeners = [relay::listener(config)].into_iter().chain(hop::listeners(config, home));
    listeners.chain(client_keys::listener(config)).collect()
}

fn listener(compiled: &Compiled, wasm: &str) -> Value {
    let config = &compiled.config;
    json!({
        "name": "signalbox",
        "address": address(&config.signalbox.listen),
        "per_connection_buffer_limit_bytes": buffer_bytes(config),
        "filter_chains": [{"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": connection_manager(compiled, wasm),
        }]}],
    })
}

fn connection_manager(compiled: &Compiled, wasm: &str) -> Value {
    let config = &compiled.config;
    let filters: Vec<Value> = native_filters(config).into_iter().chain(filters(compiled, wasm)).collect();
    let host = virtual_host(config, &Selection::ByName);
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "signalbox",
        "codec_type": "AUTO",
        // nginx speaks HTTP/1.0 to what is behind it unless it is told otherwise.
        "http_protocol_options": { "accept_http_10": true, "default_host_for_http_10": "signalbox" },
        "generate_request_id": false,
        // A stream that is cut off is so for its client at once.
        "delayed_close_timeout": "0.050s",
        "server_header_transformation": "PASS_THROUGH",
        // Of the first attempt; the filter sets another one where a later attempt has it.
        "scheme_header_transformation": {"match_upstream": true},
        // A whole answer may take as long as a deployment may: silence alone is no reason to cut it.
        "stream_idle_timeout": idle_timeout(config),
        "early_header_mutation_extensions": [{
            "name": "envoy.http.early_header_mutation.header_mutation",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
                "mutations": forged_headers(config),
            },
        }],
        "access_log": if config.signalbox.access_log { json!([access_log(config)]) } else { json!([]) },
        "local_reply_config": edge::local_replies(config),
        "http_filters": filters,
        "route_config": {
            "name": "signalbox",
            "virtual_hosts": [host],
            "cluster_specifier_plugins": [{"extension": cluster_by_filter_state(config, first_cluster(config))}],
        },
    });
    if let Some(manager) = manager.as_object_mut() {
        manager.extend(edge::limits(config).into_iter().map(|(key, value)| (key.to_owned(), value)));
    }
    manager
}

/// How long a request may show no sign of life.
pub(super) fn idle_timeout(config: &RouterConfig) -> String {
    duration(longest_silence_ms(config) + 60_000)
}

/// Envoy's own filters, which run before ours.
pub(super) fn native_filters(config: &RouterConfig) -> Vec<Value> {
    let cors = edge::cors(config).map(|(filter, _)| filter);
    let asked_path = config.signalbox.access_log.then(asked_path);
    access::filters(config).chain(cors).chain(asked_path).chain(DECOMPRESSORS.iter().map(decompressor)).collect()
}

/// How a route selects the cluster of an attempt.
pub(super) enum Selection {
    /// By what stands beside the routes of a whole listener: where the filter says nothing, a request goes to the first deployment.
    ByName,
    /// By what the route itself brings: where the filter says nothing, a request goes nowhere.
    Inline,
}

/// The routes, and what holds for all of them. Where most requests go stands as early as may be, since each route before it costs them a
/// match.
pub(super) fn virtual_host(config: &RouterConfig, selection: &Selection) -> Value {
    let mut routes = vec![planned(config, selection)];
    routes.extend(edge::foreign(config));
    routes.extend(matches!(selection, Selection::ByName).then(|| chat_arriving(config)));
    routes.extend(edge::other_methods(config));
    routes.extend([compressed_arriving(config), arriving(config)]);
    let mut host = json!({
        "name": "signalbox",
        "domains": ["*"],
        "request_body_buffer_limit": buffer_bytes(config),
        "routes": routes,
    });
    if let (Some(host), Some((_, policy))) = (host.as_object_mut(), edge::cors(config)) {
        host.insert("typed_per_filter_config".to_owned(), json!({"envoy.filters.http.cors": policy}));
    }
    host
}

/// The route filter, once for the requests of one path that say their length and once for all others, and the router.
fn filters(compiled: &Compiled, wasm: &str) -> [Value; 3] {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            "suppress_envoy_headers": true,
        },
    });
    let known = (CHAT_PATH, first_cluster(&compiled.config));
    let of_chat = wasm_filter("route", &super::route_configuration(compiled, Some(known)), &compiled.config, wasm);
    let of_others = wasm_filter("route", &super::route_configuration(compiled, None), &compiled.config, wasm);
    [unless_answered(CHAT_FILTER, of_chat, true), unless_answered(WASM, of_others, false), router]
}

/// The route filter, which has nothing to do with a deployment's answer: its cluster named itself in it ([`super::cluster`]), as no answer of
/// Envoy's own does. A filter that is left out there saves two calls into the VM.
fn unless_answered(name: &str, filter: Value, disabled: bool) -> Value {
    json!({
        "name": name,
        "disabled": disabled,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": filter,
            "xds_matcher": {"matcher_list": {"matchers": [{
                "predicate": {"single_predicate": {
                    "input": {
                        "name": "deployment",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.type.matcher.v3.HttpResponseHeaderMatchInput",
                            "header_name": "x-signalbox-deployment",
                        },
                    },
                    "value_match": {"safe_regex": {"google_re2": {}, "regex": ".+"}},
                }},
                "on_match": {"action": {
                    "name": "skip",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.common.matcher.action.v3.SkipFilter",
                    },
                }},
            }]}},
        },
    })
}

/// How a client may compress a request: what Envoy's filter for it is called, and that filter's library, with its settings.
const DECOMPRESSORS: &[(&str, &str, Option<u32>)] =
    &[("signalbox.gzip", "gzip.decompressor.v3.Gzip", Some(15)), ("signalbox.zstd", "zstd.decompressor.v3.Zstd", None)];
/// The names in `content-encoding` that these read.
const COMPRESSED: &str = "gzip|zstd";

/// Envoy's filter that inflates a request before ours reads it, on the route of compressed ones alone. What inflates to more than a hundred
/// times its size is cut off there, and refused by ours as no JSON.
fn decompressor((name, library, window_bits): &(&str, &str, Option<u32>)) -> Value {
    let kind = format!("type.googleapis.com/envoy.extensions.compression.{library}");
    let mut typed = json!({"@type": kind});
    if let (Some(typed), Some(bits)) = (typed.as_object_mut(), window_bits) {
        typed.insert("window_bits".to_owned(), json!(bits));
    }
    let off = json!({"enabled": {"default_value": false, "runtime_key": "signalbox.none"}});
    json!({
        "name": name,
        "disabled": true,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.decompressor.v3.Decompressor",
            "decompressor_library": {"name": name, "typed_config": typed},
            "request_direction_config": {"advertise_accept_encoding": false},
            "response_direction_config": {"common_config": off},
        },
    })
}

/// Where a request goes that is compressed.
fn compressed_arriving(config: &RouterConfig) -> Value {
    let on = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
    let per_filter: Map<String, Value> =
        DECOMPRESSORS.iter().map(|(name, ..)| ((*name).to_owned(), on.clone())).collect();
    let encoding = json!({"name": "content-encoding", "string_match": {"safe_regex": {"regex": COMPRESSED}}});
    json!({
        "match": {"prefix": "/", "headers": [encoding]},
        "route": {"cluster": config.cluster(NO_CLUSTER)},
        "typed_per_filter_config": per_filter,
    })
}

/// Where a request goes that is not planned yet: to the filter, which has the route chosen anew.
fn arriving(config: &RouterConfig) -> Value {
    json!({"match": {"prefix": "/"}, "route": {"cluster": config.cluster(NO_CLUSTER)}})
}

/// The same of the requests that nearly all are. The filter need not ask for what the route knows; nor need it say anything where a request
/// goes to the first deployment, which the route leads to already. (A request without a plan stays there: see the attempt filter.)
fn chat_arriving(config: &RouterConfig) -> Value {
    let is = |name: &str, value: &str| json!({"name": name, "string_match": {"exact": value}});
    let has_length = json!({"name": "content-length", "present_match": true});
    let is_json = json!({"name": "content-type", "string_match": {"prefix": "application/json"}});
    let is_plain = json!({"name": "content-encoding", "present_match": false});
    let filter = |fields: Value| {
        let mut filter = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig"});
        if let (Some(filter), Value::Object(fields)) = (filter.as_object_mut(), fields) {
            filter.extend(fields);
        }
        filter
    };
    let headers = json!([is(":path", CHAT_PATH), is(":method", "POST"), has_length, is_json, is_plain]);
    let mut route = to_deployments(config, &Selection::ByName, json!({"prefix": "/", "headers": headers}));
    if let Some(route) = route.as_object_mut() {
        let per_filter = json!({CHAT_FILTER: filter(json!({"config": {}})), WASM: filter(json!({"disabled": true}))});
        route.insert("typed_per_filter_config".to_owned(), per_filter);
    }
    route
}

/// Where a chat goes unless the filter says otherwise.
fn first_cluster(config: &RouterConfig) -> &str {
    config.deployments.first().map_or(NO_CLUSTER, |deployment| deployment.id.as_str())
}

fn access_log(config: &RouterConfig) -> Value {
    let by_tier = |router: &Router| matches!(router.kind, RouterKind::Complexity(..));
    let mut line = ACCESS_LINE.to_owned();
    if config.routers.iter().any(by_tier) {
        line.push_str(" tier=%RESP(X-SIGNALBOX-TIER)%");
    }
    if !config.routers.iter().all(by_tier) {
        line.push_str(" task=%RESP(X-SIGNALBOX-TASK)%");
    }
    if !config.routers.is_empty() {
        line.push_str(" score=%RESP(X-SIGNALBOX-SCORE)% cause=%RESP(X-SIGNALBOX-CAUSE)%");
    }
    if config.routers.iter().any(Router::is_shadow) {
        line.push_str(" shadow=%RESP(X-SIGNALBOX-SHADOW)%");
    }
    line.push_str(" client=");
    if !config.clients.is_empty() {
        line.push_str("%FILTER_STATE(wasm.signalbox.client:PLAIN)%@");
    }
    line.push_str(ACCESS_LINE_END);
    json!({
        "name": "envoy.access_loggers.stdout",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "log_format": {"text_format_source": {"inline_string": line}},
        },
    })
}

/// Notes the path that the client asks for the log: by the time that is written, it is the last attempt's. Without its query, in which clients
/// of other gateways bring keys.
fn asked_path() -> Value {
    let path = json!({"text_format_source": {"inline_string": "%PATH(NQ:PATH)%"}});
    json!({
        "name": "envoy.filters.http.set_filter_state",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.set_filter_state.v3.Config",
            "on_request_headers": [{
                "object_key": "signalbox.path",
                "factory_key": "envoy.string",
                "format_string": path,
                "skip_if_empty": true,
            }],
        },
    })
}

/// Envoy obeys `x-envoy-*` in requests (retries, timeouts), and `x-signalbox-*` is ours: neither may come from a client, save the wish
/// for a tier where a router grants it.
pub(super) fn forged_headers(config: &RouterConfig) -> [Value; 2] {
    let ours = if config.routers.iter().any(Router::allows_client_tier) {
        json!({"remove_on_match": {"key_matcher": {"safe_regex": {"regex": OURS_BUT_TIER}}}})
    } else {
        json!({"remove_on_match": {"key_matcher": {"prefix": "x-signalbox-"}}})
    };
    let prefix = |prefix: &str| json!({"remove_on_match": {"key_matcher": {"prefix": prefix}}});
    [prefix("x-envoy-"), ours]
}

/// Where a request goes that the filter has planned: it alone writes this filter state. Tried first, since a request is checked when it
/// arrives and not once more.
fn planned(config: &RouterConfig, selection: &Selection) -> Value {
    let selected = json!({"prefix": "/", "filter_state": [{"key": SELECTED, "string_match": {"contains": "/"}}]});
    to_deployments(config, selection, selected)
}

/// A route to the cluster that the filter selects.
fn to_deployments(config: &RouterConfig, selection: &Selection, matching: Value) -> Value {
    let (how, selects) = match selection {
        Selection::ByName => ("cluster_specifier_plugin", json!(SELECTS)),
        Selection::Inline => {
            ("inline_cluster_specifier_plugin", json!({"extension": cluster_by_filter_state(config, NO_CLUSTER)}))
        }
    };
    json!({
        "match": matching,
        "route": {
            how: selects,
            "auto_host_rewrite": true,
            // No limit for the whole: an answer may be long. Attempts have theirs.
            "timeout": "0s",
            "retry_policy": {
                "retry_on": "reset,connect-failure,retriable-headers",
                "retriable_headers": [{"name": "x-signalbox-retry", "string_match": {"exact": "now"}}],
                "num_retries": most_retries(config),
                // The filter waits itself, where waiting helps.
                "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.001s"},
                "refresh_cluster_on_retry": true,
                // Of a name with several addresses, another one.
                "retry_host_predicate": [{
                    "name": "envoy.retry_host_predicates.previous_hosts",
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                    },
                }],
                "host_selection_retry_max_attempts": 5,
                // The filter sets another one by header where a deployment has its own.
                "per_try_timeout": duration(config.router.timeout_or_default_ms()),
            },
        },
        // Of our own words those that are for Envoy, of a provider's those that are for the filter.
        "response_headers_to_remove": (OURS_TO_ENVOY.iter().chain(headers::READ_ONLY).collect::<Vec<_>>()),
        "response_headers_to_add": told(),
    })
}

/// What an answer says of its way. (Its cluster says which deployment gave it: [`super::cluster`].)
fn told() -> Value {
    let timing = "first-byte;dur=%RESPONSE_DURATION%, attempt;dur=%COMMON_DURATION(US_TX_BEG:US_RX_BEG:ms)%";
    json!([
        {"header": {"key": "x-signalbox-attempts", "value": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}, "append_action": "ADD_IF_ABSENT"},
        {"header": {"key": "server-timing", "value": timing}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
    ])
}

/// The cluster that the filter selects, and this one where it has not said anything.
fn cluster_by_filter_state(config: &RouterConfig, otherwise: &str) -> Value {
    let action = |cluster: &str| {
        json!({
            "name": "cluster",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.router.cluster_specifiers.matcher.v3.ClusterAction",
                "cluster": cluster,
            },
        })
    };
    // The filter writes `ID/FLIGHT`, so that one value in filter state tells Envoy the cluster and the next attempt its flight.
    let ids = config.deployments.iter().map(|deployment| deployment.id.as_str()).chain([RELAY]);
    // It selects none where nothing may be tried.
    let none = (otherwise != NO_CLUSTER).then(|| ("/".to_owned(), NO_CLUSTER));
    let ids = ids.map(|id| (format!("{id}/"), id)).chain(none);
    let by_id: Map<String, Value> =
        ids.map(|(prefix, id)| (prefix, json!({"action": action(&config.cluster(id))}))).collect();
    json!({
        "name": SELECTS,
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.router.cluster_specifiers.matcher.v3.MatcherClusterSpecifier",
            "cluster_matcher": {
                "matcher_tree": {
                    "input": {
                        "name": "signalbox-cluster",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.matching.common_inputs.network.v3.FilterStateInput",
                            "key": SELECTED,
                        },
                    },
                    "prefix_match_map": {"map": by_id},
                },
                "on_no_match": {"action": action(&config.cluster(otherwise))},
            },
        },
    })
}

/// What all groups of the longest chain can need together, and those retries that cost none.
fn most_retries(config: &RouterConfig) -> u32 {
    let own = config.deployments.iter().filter_map(|deployment| deployment.num_retries);
    let attempts = own.fold(config.router.num_retries, u32::max).saturating_add(1);
    let of_routers = config.routers.iter().filter_map(|router| router.router_fallbacks.general.as_ref());
    let chains = config.fallbacks.iter().map(|(_, chain)| chain).chain([&config.default_fallbacks]).chain(of_routers);
    let groups = u32::try_from(chains.map(Vec::len).max().unwrap_or(0)).unwrap_or(u32::MAX);
    let groups = groups.max(config.router.max_fallbacks).saturating_add(1);
    attempts.saturating_mul(groups).saturating_sub(1).max(LEAST_RETRIES).saturating_add(FREE_RETRIES)
}
