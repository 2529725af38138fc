//! `signalbox:`: what only Signalbox has.
//!
//! **Invariant:** Envoy's admin interface, which shows and changes everything, stays on loopback.

use std::net::SocketAddr;

use super::field::{Field, Notes};
use crate::config::model::{Settings, StreamCommit};
use crate::config::tree::Value;

/// Half a GiB: what a worker could still hold.
const MOST_BYTES: i64 = 512 * 1024 * 1024;

/// Reads the key, with defaults.
pub(super) fn read(root: &Field<'_>, notes: &mut Notes) -> Settings {
    let mut settings = Settings {
        listen: "127.0.0.1:10000".to_owned(),
        admin: "127.0.0.1:9901".to_owned(),
        first_token_timeout_ms: Some(10_000),
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
        stream_usage: true,
        affinity: None,
        health_check: None,
        mock_testing: false,
    };
    let Some(section) = root.at("signalbox") else { return settings };
    for (name, field) in section.entries(notes) {
        if field.node.value != Value::Null {
            read_one(&mut settings, name, &field, notes);
        }
    }
    settings
}

fn read_one(settings: &mut Settings, name: &str, field: &Field<'_>, notes: &mut Notes) {
    match name {
        "listen" => replace(&mut settings.listen, address(field, false, notes)),
        "admin" => replace(&mut settings.admin, address(field, true, notes)),
        "first_token_timeout" => {
            settings.first_token_timeout_ms = field.seconds(notes, true).filter(|ms| *ms > 0);
        }
        "connect_timeout" => replace(&mut settings.connect_timeout_ms, field.seconds(notes, false)),
        "ca_file" => replace(&mut settings.ca_file, field.text(notes).map(str::to_owned)),
        "max_request_bytes" => replace(&mut settings.max_request_bytes, bytes(field, notes)),
        "max_response_bytes" => replace(&mut settings.max_response_bytes, bytes(field, notes)),
        "secret_files" => {
            for (name, path) in field.entries(notes) {
                settings.secret_files.extend(path.text(notes).map(|path| (name.to_owned(), path.to_owned())));
            }
        }
        "access_log" => replace(&mut settings.access_log, field.flag(notes)),
        "fallback_on_bad_request" => replace(&mut settings.fallback_on_bad_request, field.flag(notes)),
        _ => {}
    }
}

fn replace<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn bytes(field: &Field<'_>, notes: &mut Notes) -> Option<u64> {
    field.whole(notes, 1024, MOST_BYTES).and_then(|bytes| u64::try_from(bytes).ok())
}

fn address(field: &Field<'_>, loopback: bool, notes: &mut Notes) -> Option<String> {
    let text = field.text(notes)?;
    let written = text.replace("localhost:", "127.0.0.1:");
    let example = if loopback { "write for example `127.0.0.1:9901`" } else { "write for example `0.0.0.0:10000`" };
    match written.parse::<SocketAddr>() {
        Err(_) => field.mistake(notes, format!("{} is no address and port", field.shown()), example),
        Ok(address) if loopback && !address.ip().is_loopback() => {
            let problem =
                format!("{} is not on loopback, and Envoy's admin interface shows and changes all", field.shown());
            field.mistake(notes, problem, example);
        }
        Ok(_) => return Some(written),
    }
    None
}
