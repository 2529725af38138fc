//! How Envoy's statistics get their labels: the filter's names (`state::Measure`) taken apart again.

use serde_json::{Value, json};

use crate::config::model::RouterConfig;

/// All labels that a proxy among others' has, which may run several policies.
const LABELS: &[&str] = &["policy", "deployment", "outcome", "type", "router", "tier", "task", "cause", "client"];

/// `stats_config` for names as Istio's metrics have them, where the bootstrap does not take them apart by itself.
pub(super) fn for_names_of_istio() -> Value {
    let tag = |label: &&str| json!({"tag_name": label, "regex": format!(r"({label}=\.=(.*?);\.;)")});
    json!({"stats_tags": LABELS.iter().map(tag).collect::<Vec<_>>()})
}

/// `stats_config`.
pub(super) fn stats_config(config: &RouterConfig) -> Value {
    // The first group goes from the name, the second is the label's value.
    let tag = |name: &str, regex: &str| json!({"tag_name": name, "regex": regex});
    let of_both = |name: &str, of_clients: &str, label: &str| {
        let names = if config.clients.is_empty() { name.to_owned() } else { format!("(?:{name}|{of_clients})") };
        format!(r"^wasmcustom\.signalbox\.{names}{label}")
    };
    let mut tags = vec![
        tag("deployment", r"^wasmcustom\.signalbox\..*?(\.deployment\.(.+))$"),
        tag("outcome", &of_both("attempts", "client_requests", r"(\.outcome\.(\w+))")),
        tag("type", &of_both("tokens", "client_tokens", r"(\.type\.(\w+))")),
        tag("tier", r"^wasmcustom\.signalbox\.decisions(\.tier\.(\w+))"),
        tag("task", r"^wasmcustom\.signalbox\.decisions(\.task\.(\w+))"),
        tag("cause", r"^wasmcustom\.signalbox\.decisions.*?(\.cause\.(\w+))"),
        tag("router", r"^wasmcustom\.signalbox\.decisions.*?(\.router\.(.+))$"),
    ];
    if !config.clients.is_empty() {
        tags.push(tag("client", r"^wasmcustom\.signalbox\.client_.*?(\.client\.(.+))$"));
    }
    json!({"stats_tags": tags})
}
