//! How Envoy's statistics get their labels: the filter's names (`state::Measure`) taken apart again.

use serde_json::{Value, json};

/// `stats_config`.
pub(super) fn stats_config() -> Value {
    // The first group goes from the name, the second is the label's value.
    let tag = |name: &str, regex: &str| json!({"tag_name": name, "regex": regex});
    json!({
        "stats_tags": [
            tag("deployment", r"^wasmcustom\.signalbox\..*?(\.deployment\.(.+))$"),
            tag("outcome", r"^wasmcustom\.signalbox\.attempts(\.outcome\.(\w+))"),
            tag("type", r"^wasmcustom\.signalbox\.tokens(\.type\.(\w+))"),
            tag("tier", r"^wasmcustom\.signalbox\.decisions(\.tier\.(\w+))"),
            tag("task", r"^wasmcustom\.signalbox\.decisions(\.task\.(\w+))"),
            tag("cause", r"^wasmcustom\.signalbox\.decisions.*?(\.cause\.(\w+))"),
            tag("router", r"^wasmcustom\.signalbox\.decisions.*?(\.router\.(.+))$"),
        ],
    })
}
