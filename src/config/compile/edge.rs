//! The keys of `signalbox:` that bound what clients may do.
//!
//! **Invariant:** a body of the largest size that is allowed fits into what a worker may keep; no setting sends a provider a client's
//! credentials or addresses.

use super::field::{Diagnostics, Field};
use super::signalbox::header_name;
use crate::config::model::Edge;

/// Half of what a VM may have: what is kept is also read and written anew there.
const MOST_BUFFERED: i64 = 512 * 1024 * 1024;
/// Below it, Envoy has not enough for itself.
const LEAST_HEAP: i64 = 64 * 1024 * 1024;

/// Headers that no provider gets from a client: credentials, addresses, and what belongs to a connection or a body.
const NEVER_FORWARDED: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "anthropic-version",
    "forwarded",
    "via",
    "x-real-ip",
    "host",
    "accept-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
];
/// Beginnings of such names.
const NEVER_BEGINNING: &[&str] = &["x-signalbox-", "x-envoy-", "x-forwarded-", "content-", "proxy-", "x-amz-"];

/// Reads one of them. Returns whether the name is one.
pub(super) fn read_one(edge: &mut Edge, name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) -> bool {
    let bytes = |diagnostics: &mut Diagnostics, least, most| {
        field.whole(diagnostics, least, most).and_then(|bytes| u64::try_from(bytes).ok())
    };
    match name {
        "max_buffered_bytes" => {
            edge.max_buffered_bytes = bytes(diagnostics, 1024, MOST_BUFFERED).unwrap_or(edge.max_buffered_bytes);
        }
        "max_heap_bytes" => {
            edge.max_heap_bytes = bytes(diagnostics, LEAST_HEAP, i64::MAX).unwrap_or(edge.max_heap_bytes);
        }
        "request_body_timeout" => {
            let seconds = field.seconds(diagnostics, false);
            edge.request_body_timeout_ms = seconds.unwrap_or(edge.request_body_timeout_ms);
        }
        "allowed_hosts" => edge.allowed_hosts = each(field, diagnostics, host),
        "allowed_origins" => edge.allowed_origins = each(field, diagnostics, origin),
        "xff_num_trusted_hops" => {
            edge.xff_num_trusted_hops = field.few(diagnostics).unwrap_or_default();
        }
        "forward_headers" => edge.forward_headers = each(field, diagnostics, forwarded),
        _ => return false,
    }
    true
}

fn each(
    list: &Field<'_>,
    diagnostics: &mut Diagnostics,
    read: impl Fn(&Field<'_>, &mut Diagnostics) -> Option<String>,
) -> Vec<String> {
    list.items(diagnostics).iter().filter_map(|item| read(item, diagnostics)).collect()
}

/// A name, or address, without a port.
fn host(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = field.text(diagnostics)?.to_ascii_lowercase();
    let name = text.strip_prefix("*.").unwrap_or(&text);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    let is_address = || text.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok();
    if text == "*" || is_name(name) {
        return Some(text);
    }
    if is_address() {
        return Some(format!("[{}]", text.trim_matches(['[', ']'])));
    }
    let example = "`llm.example.com`, `*.example.com`, or `*` for any";
    field.invalid(diagnostics, "host", "a name without a port", example);
    None
}

/// An origin as browsers send it.
fn origin(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = field.text(diagnostics)?.to_ascii_lowercase();
    let fits = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_graphic() && !b"/*?#\"\\".contains(&b));
    if text == "*" || text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && fits(rest)) {
        return Some(text);
    }
    let expected = "scheme, host and port as a browser sends them";
    field.invalid(diagnostics, "origin", expected, "`https://chat.example.com`, or `*` for any");
    None
}

fn forwarded(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let name = header_name(field, diagnostics)?;
    let is_never = NEVER_FORWARDED.contains(&name.as_str()) || NEVER_BEGINNING.iter().any(|it| name.starts_with(it));
    if is_never {
        let problem = format!("`{name}` never goes to a provider");
        field.error(diagnostics, problem, "take it out; a provider's key is its deployment's `api_key`");
    }
    (!is_never).then_some(name)
}

/// Looks at what only all of them together tell.
pub(super) fn check(edge: &Edge, max_request_bytes: u64, section: &Field<'_>, diagnostics: &mut Diagnostics) {
    let most = edge.max_buffered_bytes;
    if max_request_bytes > most {
        let at = section.at("max_request_bytes").or_else(|| section.at("max_buffered_bytes"));
        let problem =
            format!("no request of `max_request_bytes`, {max_request_bytes}, fits into `max_buffered_bytes`, {most}");
        at.as_ref().unwrap_or(section).error(diagnostics, problem, "lower the first, or raise the second");
    }
}
