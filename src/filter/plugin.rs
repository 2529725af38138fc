//! Which filter a plugin configuration makes of the module.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One of the module's two roles.
#[derive(Debug, Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// In the listener's filter chain.
    Route,
    /// In the clusters'.
    Attempt,
}

#[derive(Deserialize)]
struct Plugin<'a> {
    role: Role,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
}

/// Reads a plugin configuration: the role, and the router's configuration, which only the route role has.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8]) -> Result<(Role, &str), String> {
    let plugin: Plugin<'_> =
        serde_json::from_slice(bytes).map_err(|error| format!("the plugin configuration cannot be read: {error}"))?;
    Ok((plugin.role, plugin.config.map_or("{}", RawValue::get)))
}
