//! What Envoy itself does at the edge: which requests it refuses, in which words, and how much it holds.
//!
//! Refusals are routes with an answer of their own, before the one that leads to deployments, and with the filter left out: they cost
//! nothing but a match, and hold for every request whatever it brings along.
//!
//! **Invariant:** whatever Envoy answers by itself is an error in the shape of the dialect whose path was asked, so that no client has to read
//! anything else.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::envoy::{WASM, duration};
use super::listener::NO_CLUSTER;
use crate::chat::ApiError;
use crate::config::model::RouterConfig;
use crate::dialect::client_face;
use crate::provider::Api;

/// The names by which loopback is reached. (`signalbox` is what HTTP/1.0 gets that names none.)
const LOOPBACK_NAMES: &[&str] = &["localhost", "*.localhost", "[::1]", "signalbox"];
/// And its addresses: no name of a host consists of digits.
const LOOPBACK_ADDRESSES: &str = "127[.][0-9.]+(:[0-9]+)?";
/// The paths that take a POST, and an API that stands for their dialect: all their spellings, as the filter knows them.
const POST_PATHS: &[(Api, &str)] = &[
    (
        Api::Chat,
        "/+(v1/+)?(chat/+completions|completions|embeddings|responses(/+compact)?|moderations|rerank|images/+[a-z]+|audio/+[a-z]+)/*",
    ),
    (Api::Messages, "/+(v1/+)?messages(/+count_tokens)?/*"),
];
/// What agents ask to have a connection before they need it.
const HELLO_PATHS: &str = "/(api/hello)?";

/// The refusals of whoever may not ask, as routes. The first that matches holds.
pub(super) fn foreign(config: &RouterConfig) -> Vec<Value> {
    foreign_host(config).into_iter().chain(foreign_pages(config)).collect()
}

/// The answers to what is asked by another method than POST, as routes.
pub(super) fn other_methods(config: &RouterConfig) -> Vec<Value> {
    let mut routes = Vec::new();
    routes.extend((!config.signalbox.edge.allowed_origins.is_empty()).then(|| preflight(config)));
    routes.extend(POST_PATHS.iter().map(wrong_method));
    routes.push(hello());
    routes
}

/// A web page whose name leads to this address (DNS rebinding) names itself as the host.
fn foreign_host(config: &RouterConfig) -> Option<Value> {
    let edge = &config.signalbox.edge;
    let is_loopback = |address: SocketAddr| address.ip().to_canonical().is_loopback();
    let on_loopback = config.signalbox.listen.parse().is_ok_and(is_loopback);
    if edge.allowed_hosts.iter().any(|host| host == "*") || (edge.allowed_hosts.is_empty() && !on_loopback) {
        return None;
    }
    let is_not = |matcher: Value| json!({"name": ":authority", "string_match": matcher, "invert_match": true});
    let names = LOOPBACK_NAMES.iter().copied().chain(edge.allowed_hosts.iter().map(String::as_str));
    // The first that does not hold ends the question, so what most say stands first, and what takes longest last.
    let own = on_loopback.then(|| json!({"exact": config.signalbox.listen}));
    let addresses = json!({"safe_regex": {"regex": LOOPBACK_ADDRESSES}});
    let none_of: Vec<Value> = own.into_iter().chain(names.flat_map(named)).chain([addresses]).map(is_not).collect();
    let message = "This gateway does not answer to this host name: name it in `signalbox.allowed_hosts`.";
    Some(refusal(
        json!({"prefix": "/", "headers": none_of}),
        &Refusal { api: Api::Chat, status: 403, code: "host_not_allowed", message, headers: &[] },
    ))
}

/// What matches a host with and without a port. Not one regular expression: Envoy's may not be long.
fn named(host: &str) -> [Value; 2] {
    let (alone, before_port) = if host.starts_with("*.") { ("suffix", "contains") } else { ("exact", "prefix") };
    let name = host.trim_start_matches('*');
    [json!({alone: name, "ignore_case": true}), json!({before_port: format!("{name}:"), "ignore_case": true})]
}

/// Browsers say where the page comes from that asks. One of another origin may not spend money here, nor may it read.
fn foreign_pages(config: &RouterConfig) -> Vec<Value> {
    let allowed = &config.signalbox.edge.allowed_origins;
    if allowed.iter().any(|origin| origin == "*") {
        return Vec::new();
    }
    let is = |name: &str, value: &str| json!({"name": name, "string_match": {"exact": value}});
    // Without the last word, Envoy takes a header that is not there for neither.
    let is_not = |name: &str, value: &str| json!({"name": name, "string_match": {"exact": value}, "invert_match": true, "treat_missing_header_as_empty": true});
    let not_allowed = || allowed.iter().map(|origin| is_not("origin", origin));
    let with_origin = [json!({"name": "origin", "present_match": true}), is_not("sec-fetch-site", "same-origin")];
    let without = [is("sec-fetch-site", "cross-site")];
    let message = "Web pages of other origins may not ask this gateway: name theirs in `signalbox.allowed_origins`.";
    let refused = |headers: Vec<Value>| {
        refusal(
            json!({"prefix": "/", "headers": headers}),
            &Refusal { api: Api::Chat, status: 403, code: "origin_not_allowed", message, headers: &[] },
        )
    };
    let (with_origin, without) = (with_origin.into_iter(), without.into_iter());
    vec![refused(with_origin.chain(not_allowed()).collect()), refused(without.chain(not_allowed()).collect())]
}

/// A browser's question before a request: Envoy's own filter answers it, on a route that leads somewhere.
fn preflight(config: &RouterConfig) -> Value {
    let present = |name: &str| json!({"name": name, "present_match": true});
    let options = json!({"name": ":method", "string_match": {"exact": "OPTIONS"}});
    json!({
        "match": {"prefix": "/", "headers": [options, present("origin"), present("access-control-request-method")]},
        "route": {"cluster": config.cluster(NO_CLUSTER)},
        "typed_per_filter_config": without_the_filter(),
    })
}

/// What has no way to a provider does not need the filter.
fn without_the_filter() -> Value {
    let disabled = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "disabled": true});
    json!({WASM: disabled})
}

/// The answer to a client that only wants to know whether anything is there.
fn hello() -> Value {
    let head = json!([{"name": ":method", "string_match": {"exact": "HEAD"}}]);
    json!({
        "match": {"safe_regex": {"regex": HELLO_PATHS}, "headers": head},
        "direct_response": {"status": 200},
        "typed_per_filter_config": without_the_filter(),
    })
}

fn wrong_method((api, paths): &(Api, &str)) -> Value {
    let methods = json!([{"name": ":method", "string_match": {"exact": "POST"}, "invert_match": true}]);
    let message = "This method is not allowed here: use POST.";
    refusal(
        json!({"safe_regex": {"regex": paths}, "headers": methods}),
        &Refusal { api: *api, status: 405, code: "method_not_allowed", message, headers: &[("allow", "POST")] },
    )
}

struct Refusal<'a> {
    api: Api,
    status: u16,
    code: &'a str,
    message: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

/// A route that answers by itself.
fn refusal(matching: Value, refusal: &Refusal<'_>) -> Value {
    let Refusal { api, status, code, message, headers } = *refusal;
    let says = |(name, value): &(&str, &str)| json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
    let all = [("x-signalbox-error", code), ("x-should-retry", "false")];
    json!({
        "match": matching,
        "direct_response": {"status": status, "body": {"inline_string": error(api, status, code, message)}},
        "response_headers_to_add": all.iter().chain(headers).map(says).collect::<Vec<_>>(),
        "typed_per_filter_config": without_the_filter(),
    })
}

/// An error in the shape of an API's dialect.
fn error(api: Api, status: u16, code: &str, message: &str) -> String {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    let (code, message) = (Some(code.to_owned()), message.to_owned());
    let error = ApiError { status, kind, code, param: None, message };
    String::from_utf8_lossy(&client_face(api.dialect()).error(&error, None)).into_owned()
}

/// The filter that answers browsers' questions on behalf of the pages that may ask, and what it is told. Nothing where none may.
pub(super) fn cors(config: &RouterConfig) -> Option<(Value, Value)> {
    let allowed = &config.signalbox.edge.allowed_origins;
    let origin =
        |origin: &String| if origin == "*" { json!({"safe_regex": {"regex": ".*"}}) } else { json!({"exact": origin}) };
    let kind = |name: &str| format!("type.googleapis.com/envoy.extensions.filters.http.cors.v3.{name}");
    let filter = json!({"name": "envoy.filters.http.cors", "typed_config": {"@type": kind("Cors")}});
    let policy = json!({
        "@type": kind("CorsPolicy"),
        "allow_origin_string_match": allowed.iter().map(origin).collect::<Vec<_>>(),
        "allow_methods": "GET, HEAD, POST",
        // A star stands for all but this one.
        "allow_headers": "*, authorization",
        "expose_headers": "*",
        "max_age": "600",
    });
    (!allowed.is_empty()).then_some((filter, policy))
}

/// Envoy's own answers. Those that the filter or a refusal gave are in their client's shape already, and no word of Envoy's is in their details.
pub(super) fn local_replies(config: &RouterConfig) -> Value {
    let ours = json!({"extension_filter": {
        "name": "envoy.access_loggers.extension_filters.cel",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter",
            "expression": r#"response.code_details == "" || response.code_details == "direct_response""#,
        },
    }});
    let too_large = format!(
        "The request body is larger than {} bytes, the limit of this gateway.",
        config.signalbox.max_request_bytes
    );
    let reply = |api: Api, path: Option<&str>, (op, status, code, message): (&str, u16, &str, &str)| {
        let comparison = json!({"op": op, "value": {"default_value": status, "runtime_key": "signalbox.none"}});
        let mut filter = json!({"status_code_filter": {"comparison": comparison}});
        if let Some(path) = path {
            let regex = format!("{path}([?].*)?");
            let header = json!({"name": ":path", "string_match": {"safe_regex": {"regex": regex}}});
            filter = json!({"and_filter": {"filters": [filter, {"header_filter": {"header": header}}]}});
        }
        let says = |name: &str, value: &str| json!({"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"});
        let mut headers = vec![says("x-signalbox-error", code)];
        headers.push(if status == 503 { says("retry-after", "1") } else { says("x-should-retry", "false") });
        json!({
            "filter": filter,
            "body": {"inline_string": error(api, status, code, message)},
            "headers_to_add": headers,
        })
    };
    let replies = [
        ("EQ", 408, "request_timeout", "The request did not come to its end in time."),
        ("EQ", 413, "request_too_large", &*too_large),
        ("EQ", 431, "headers_too_large", "The request's headers are larger than this gateway takes."),
        ("EQ", 503, "not_ready", "The gateway cannot serve this request now. Try again in a moment."),
        ("GE", 500, "gateway_error", "The gateway could not serve this request."),
        ("GE", 400, "bad_request", "The request is not one that this gateway reads: its HTTP is malformed."),
    ];
    // The first that matches holds: those of one path before those of all.
    let address = ("EQ", 403, "address_not_allowed", "Clients of this address are not let in.");
    let replies: Vec<_> = config.access.addresses.iter().map(|_| address).chain(replies).collect();
    let others = POST_PATHS.iter().filter(|(api, _)| api.dialect() != Api::Chat.dialect());
    let doors = others.map(|(api, path)| (*api, Some(*path))).chain([(Api::Chat, None)]);
    let mappers = doors.flat_map(|(api, path)| replies.iter().map(move |told| (api, path, *told)));
    let mappers = mappers.map(|(api, path, told)| reply(api, path, told));
    let mappers: Vec<Value> = [json!({"filter": ours})].into_iter().chain(mappers).collect();
    json!({
        "mappers": mappers,
        "body_format": {
            "text_format_source": {"inline_string": "%LOCAL_REPLY_BODY%"},
            "content_type": "application/json",
        },
    })
}

/// Limits on connections of clients, as Envoy's guide for edges has them.
pub(super) fn limits(config: &RouterConfig) -> Vec<(&'static str, Value)> {
    // A header of the configuration's own may have an underscore. Others are dropped, not refused as the guide has it: coding agents send
    // such headers (`session_id`), and no header of a client's goes further.
    let tenant = config.signalbox.affinity.as_ref().and_then(|affinity| affinity.tenant_header.as_deref());
    let ours = tenant.into_iter().chain(config.signalbox.edge.forward_headers.iter().map(String::as_str));
    let underscores = if ours.into_iter().any(|name| name.contains('_')) { "ALLOW" } else { "DROP_HEADER" };
    vec![
        (
            "common_http_protocol_options",
            json!({"idle_timeout": "300s", "headers_with_underscores_action": underscores}),
        ),
        (
            "http2_protocol_options",
            json!({
                "max_concurrent_streams": 100,
                "initial_stream_window_size": 256 * 1024,
                "initial_connection_window_size": 1024 * 1024,
            }),
        ),
        ("request_headers_timeout", json!("30s")),
        // Until the last byte of the request. What follows has limits of its own.
        ("request_timeout", json!(duration(config.signalbox.edge.request_body_timeout_ms))),
        // A path means what its bytes say: the filter reads it once, and nothing goes on to a provider.
        ("normalize_path", json!(false)),
        ("merge_slashes", json!(false)),
        ("path_with_escaped_slashes_action", json!("KEEP_UNCHANGED")),
        ("use_remote_address", json!(true)),
        ("xff_num_trusted_hops", json!(config.signalbox.edge.xff_num_trusted_hops)),
        ("skip_xff_append", json!(true)),
    ]
}

/// What Envoy does as its memory runs out: it gives back what it can, then refuses requests, then ends those that hold the most.
pub(super) fn overload_manager(config: &RouterConfig) -> Value {
    let monitor = |name: &str, kind: &str, value: Value| {
        let mut typed = json!({"@type": format!("type.googleapis.com/envoy.extensions.resource_monitors.{kind}")});
        if let (Some(typed), Value::Object(value)) = (typed.as_object_mut(), value) {
            typed.extend(value);
        }
        json!({"name": format!("envoy.resource_monitors.{name}"), "typed_config": typed})
    };
    let action = |name: &str, kind: &str, at: Value| {
        json!({
            "name": format!("envoy.overload_actions.{name}"),
            "triggers": [{"name": "envoy.resource_monitors.fixed_heap", kind: at}],
        })
    };
    json!({
        "refresh_interval": "0.25s",
        // Streams that hold less than 2^20 bytes are not looked at.
        "buffer_factory_config": {"minimum_account_to_track_power_of_two": 20},
        "resource_monitors": [
            monitor(
                "fixed_heap",
                "fixed_heap.v3.FixedHeapConfig",
                json!({"max_heap_size_bytes": config.signalbox.edge.max_heap_bytes}),
            ),
            monitor(
                "global_downstream_max_connections",
                "downstream_connections.v3.DownstreamConnectionsConfig",
                json!({"max_active_downstream_connections": 50_000}),
            ),
        ],
        "actions": [
            action("shrink_heap", "threshold", json!({"value": 0.85})),
            action("stop_accepting_requests", "threshold", json!({"value": 0.92})),
            action("reset_high_memory_stream", "scaled", json!({"scaling_threshold": 0.94, "saturation_threshold": 1.0})),
        ],
    })
}
