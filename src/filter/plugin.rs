//! Which filter a plugin configuration makes of the module.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// One of the module's two roles, and what it is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugin<'a> {
    /// In the listener's filter chain: the router's configuration, as JSON, and the path of all its requests, where they have one.
    Route(&'a str, Option<Cow<'a, str>>),
    /// In a cluster's: the name of that.
    Attempt(Cow<'a, str>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    Route,
    Attempt,
}

#[derive(Deserialize)]
struct Read<'a> {
    role: Role,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cluster: Option<Cow<'a, str>>,
}

/// Reads a plugin configuration.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Plugin<'_>, String> {
    let read: Read<'_> =
        serde_json::from_slice(bytes).map_err(|error| format!("the plugin configuration cannot be read: {error}"))?;
    match (read.role, read.cluster) {
        (Role::Route, _) => Ok(Plugin::Route(read.config.map_or("{}", RawValue::get), read.path)),
        (Role::Attempt, Some(cluster)) => Ok(Plugin::Attempt(cluster)),
        // Then the cluster does not hold back either what of a client's headers is not for a provider.
        (Role::Attempt, None) => {
            Err("Envoy's configuration is of an older version of Signalbox: write it anew with `signalbox envoy`"
                .to_owned())
        }
    }
}
