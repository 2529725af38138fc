//! Which filter a plugin configuration makes of the module.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::model::Naming;

/// One of the module's two roles, and what it is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugin<'a> {
    /// In the listener's filter chain: the router's configuration, as JSON, how things are named in this Envoy, and the path of all its
    /// requests, where they have one.
    Route(&'a str, Naming, Option<Cow<'a, str>>),
    /// In a cluster's.
    Attempt(Whereabouts),
}

/// In which cluster a filter of the attempt role is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// In the one of this id: each cluster has a filter of its own.
    In(Rc<str>),
    /// Envoy knows: one filter is shared by clusters whose names begin like this.
    Among(Rc<str>),
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
    naming: Option<Naming>,
}

/// Reads a plugin configuration.
///
/// # Errors
/// What is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Plugin<'_>, String> {
    let read: Read<'_> =
        serde_json::from_slice(bytes).map_err(|error| format!("the plugin configuration cannot be read: {error}"))?;
    match (read.role, read.cluster, read.naming) {
        (Role::Route, _, naming) => {
            Ok(Plugin::Route(read.config.map_or("{}", RawValue::get), naming.unwrap_or_default(), read.path))
        }
        (Role::Attempt, Some(cluster), _) => Ok(Plugin::Attempt(Whereabouts::In(cluster.into()))),
        (Role::Attempt, None, Some(naming)) => Ok(Plugin::Attempt(Whereabouts::Among(naming.clusters.into()))),
        // Then the cluster does not hold back either what of a client's headers is not for a provider.
        (Role::Attempt, None, None) => {
            Err("Envoy's configuration is of an older version of Signalbox: write it anew with `signalbox envoy`"
                .to_owned())
        }
    }
}
