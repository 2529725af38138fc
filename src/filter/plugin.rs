//! Which filter a plugin configuration makes of the module.

use std::borrow::Cow;
use std::rc::Rc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::http::{Asked, asked};
use crate::config::model::Naming;
use crate::provider::Api;

/// One of the module's two roles, and what it is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plugin<'a> {
    /// In the listener's filter chain: the router's configuration, as JSON, how things are named in this Envoy, and what is known of all its
    /// requests.
    Route(&'a str, Naming, Option<Known>),
    /// In a cluster's.
    Attempt(Whereabouts),
}

/// What Envoy's route says of each of its requests. It says as well that they are JSON, and say their length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Their path.
    pub path: Rc<str>,
    /// What that asks for.
    pub api: Api,
    /// The cluster where they go unless the filter says otherwise.
    pub cluster: Box<str>,
}

impl Known {
    /// Of requests with this path that go to this cluster. `None`: it is the path of no API.
    #[must_use]
    pub fn new(path: &str, cluster: &str) -> Option<Self> {
        let Asked::Api(api) = asked(path) else { return None };
        Some(Self { path: path.into(), api, cluster: cluster.into() })
    }
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
        (Role::Route, cluster, naming) => {
            let known = read.path.zip(cluster).and_then(|(path, cluster)| Known::new(&path, &cluster));
            Ok(Plugin::Route(read.config.map_or("{}", RawValue::get), naming.unwrap_or_default(), known))
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
