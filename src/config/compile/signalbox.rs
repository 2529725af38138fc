//! `signalbox:`: what only Signalbox has.
//!
//! **Invariant:** Envoy's admin interface, which shows and changes everything, stays on loopback.

use std::net::SocketAddr;

use super::access;
use super::edge;
use super::field::{Diagnostics, Field};
use super::names::nearest;
use crate::config::model::{Affinity, Edge, HealthCheck, IdentitySource, Naming, Settings, StreamCommit};
use crate::config::tree::Value;

/// A body is read and written anew within a worker's VM, which may have 1 GiB in all.
const MOST_BYTES: i64 = 128 * 1024 * 1024;

/// Reads the key, with defaults.
pub(super) fn read(root: &Field<'_>, diagnostics: &mut Diagnostics) -> Settings {
    let mut settings = Settings {
        listen: "127.0.0.1:10000".to_owned(),
        admin: "127.0.0.1:9901".to_owned(),
        first_token_timeout_ms: Some(10_000),
        answer_timeout_ms: Some(60_000),
        connect_timeout_ms: 5_000,
        ca_file: "/etc/ssl/certs/ca-certificates.crt".to_owned(),
        max_request_bytes: 32 * 1024 * 1024,
        max_response_bytes: 8 * 1024 * 1024,
        secret_files: Vec::new(),
        access_log: false,
        fallback_on_bad_request: false,
        max_wait_ms: 5_000,
        max_cooldown_ms: 20_000,
        stream_commit: StreamCommit::FirstToken,
        stream_idle_timeout_ms: Some(30_000),
        stream_progress_timeout_ms: Some(300_000),
        stream_usage: true,
        affinity: None,
        health_check: None,
        mock_testing: false,
        state_path: None,
        identity_from: vec![IdentitySource::PeerCertificate, IdentitySource::PeerPrincipal],
        edge: Edge::default(),
        naming: Naming::default(),
    };
    // LiteLLM's own key for the same. Nothing else of that section is in this tree.
    let general =
        root.at("general_settings").and_then(|general| general.at("dangerously_allow_mock_testing_request_params"));
    replace(&mut settings.mock_testing, general.and_then(|field| field.flag(diagnostics)));
    let Some(section) = root.at("signalbox") else { return settings };
    for (name, field) in section.entries(diagnostics) {
        if field.node.value != Value::Null {
            read_one(&mut settings, name, &field, diagnostics);
        }
    }
    edge::check(&settings.edge, settings.max_request_bytes, &section, diagnostics);
    settings
}

fn read_one(settings: &mut Settings, name: &str, field: &Field<'_>, diagnostics: &mut Diagnostics) {
    match name {
        "listen" => replace(&mut settings.listen, address(field, false, diagnostics)),
        "admin" => replace(&mut settings.admin, address(field, true, diagnostics)),
        "first_token_timeout" => {
            settings.first_token_timeout_ms = field.seconds(diagnostics, true).filter(|ms| *ms > 0);
        }
        "answer_timeout" => {
            settings.answer_timeout_ms = field.seconds(diagnostics, true).filter(|ms| *ms > 0);
        }
        "connect_timeout" => replace(&mut settings.connect_timeout_ms, field.seconds(diagnostics, false)),
        "ca_file" => replace(&mut settings.ca_file, field.text(diagnostics).map(str::to_owned)),
        "max_request_bytes" => replace(&mut settings.max_request_bytes, bytes(field, diagnostics)),
        "max_response_bytes" => replace(&mut settings.max_response_bytes, bytes(field, diagnostics)),
        "secret_files" => {
            for (name, path) in field.entries(diagnostics) {
                settings.secret_files.extend(path.text(diagnostics).map(|path| (name.to_owned(), path.to_owned())));
            }
        }
        "access_log" => replace(&mut settings.access_log, field.flag(diagnostics)),
        "fallback_on_bad_request" => replace(&mut settings.fallback_on_bad_request, field.flag(diagnostics)),
        "max_wait" => replace(&mut settings.max_wait_ms, field.seconds(diagnostics, true)),
        "max_cooldown" => replace(&mut settings.max_cooldown_ms, field.seconds(diagnostics, false)),
        "stream_commit" => replace(&mut settings.stream_commit, stream_commit(field, diagnostics)),
        "stream_idle_timeout" => {
            settings.stream_idle_timeout_ms = field.seconds(diagnostics, true).filter(|ms| *ms > 0);
        }
        "stream_progress_timeout" => {
            settings.stream_progress_timeout_ms = field.seconds(diagnostics, true).filter(|ms| *ms > 0);
        }
        "stream_usage" => replace(&mut settings.stream_usage, field.flag(diagnostics)),
        "affinity" => settings.affinity = affinity(field, diagnostics),
        "health_check" => settings.health_check = health_check(field, diagnostics),
        "mock_testing" => replace(&mut settings.mock_testing, field.flag(diagnostics)),
        "identity_from" => settings.identity_from = access::sources(field, diagnostics),
        "state_path" => settings.state_path = path(field, diagnostics),
        _ => _ = edge::read_one(&mut settings.edge, name, field, diagnostics),
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn stream_commit(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<StreamCommit> {
    let choices = [("first_token", StreamCommit::FirstToken), ("complete", StreamCommit::Complete)];
    let text = field.text(diagnostics)?;
    let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
    if found.is_none() {
        let remedy = match nearest(text, choices.map(|(name, _)| name)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write `first_token` or `complete`".to_owned(),
        };
        field.error(diagnostics, format!("unknown value {}", field.shown()), remedy);
    }
    found
}

/// What stands under a key that may also be `true` (all defaults) or `false`. `None`: off.
fn switched<'a>(field: &Field<'a>, diagnostics: &mut Diagnostics) -> Option<Option<Field<'a>>> {
    match field.node.value {
        Value::Map(_) => Some(Some(field.clone())),
        _ => field.flag(diagnostics)?.then_some(None),
    }
}

fn affinity(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<Affinity> {
    let map = switched(field, diagnostics)?;
    let at = |name: &str| map.as_ref().and_then(|map| map.at(name));
    Some(Affinity {
        min_prefix_tokens: at("min_prefix_tokens").and_then(|field| field.count(diagnostics)).unwrap_or(1_024),
        tenant_header: at("tenant_header").and_then(|field| header_name(&field, diagnostics)),
    })
}

/// A header's name in lower case, as Envoy has it.
pub(super) fn header_name(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = field.text(diagnostics)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.is_empty() || !text.chars().all(fits) {
        field.error(diagnostics, format!("invalid header name {}", field.shown()), "write for example `x-tenant`");
        return None;
    }
    Some(text.to_ascii_lowercase())
}

fn health_check(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<HealthCheck> {
    let map = switched(field, diagnostics)?;
    let mut seconds = |name: &str| map.as_ref()?.at(name)?.seconds(diagnostics, false);
    Some(HealthCheck {
        interval_ms: seconds("interval").unwrap_or(5_000),
        timeout_ms: seconds("timeout").unwrap_or(5_000),
    })
}

fn bytes(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<u64> {
    field.whole(diagnostics, 1024, MOST_BYTES).and_then(|bytes| u64::try_from(bytes).ok())
}

/// A path of our own, apart from the API's.
fn path(field: &Field<'_>, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = field.text(diagnostics)?;
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'%'));
    let is_ours = text.starts_with("/v1/") || text == "/models" || text.starts_with("/models/");
    if !plain || !text.starts_with('/') || is_ours || text.ends_with('/') {
        let problem = format!("{} is not a free path that begins with `/`", field.shown());
        field.error(diagnostics, problem, "write for example `/signalbox/state`");
        return None;
    }
    Some(text.to_owned())
}

fn address(field: &Field<'_>, loopback: bool, diagnostics: &mut Diagnostics) -> Option<String> {
    let text = field.text(diagnostics)?;
    let written = text.replace("localhost:", "127.0.0.1:");
    let example = if loopback { "`127.0.0.1:9901`" } else { "`0.0.0.0:10000`" };
    match written.parse::<SocketAddr>() {
        Err(_) => field.invalid(diagnostics, "address", "an IP address and a port", example),
        Ok(address) if loopback && !address.ip().is_loopback() => {
            let problem =
                format!("{} is not on loopback, and Envoy's admin interface shows and changes all", field.shown());
            field.error(diagnostics, problem, format!("write for example {example}"));
        }
        Ok(_) => return Some(written),
    }
    None
}
