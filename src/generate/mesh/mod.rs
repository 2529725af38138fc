//! A proxy that is not ours alone: a gateway, a sidecar or a waypoint of a mesh, which has hosts, filters and clusters of others too.
//!
//! What stands in a bootstrap of our own is taken apart ([`parts`]) and put in by a mesh's own means: Istio's `EnvoyFilter` ([`istio`]),
//! Envoy Gateway's `EnvoyPatchPolicy` ([`envoy_gateway`]).
//!
//! **Invariant:** whatever a proxy knows by name begins with the manifest's namespace and name, so that several policies live in one proxy;
//! and every filter is off but on our own routes, so that no other host notices them.

pub mod envoy_gateway;
pub mod istio;

mod before;
mod manifest;
mod parts;
mod shelves;

pub use before::Before;
pub use manifest::{Document, MOST_APPLIED, MOST_STORED, write};

use super::keys;
use crate::config::compile::Compiled;
use crate::config::model::{Labels, Naming};

/// What a manifest is told besides the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Manifest<'a> {
    /// Where its objects live.
    pub namespace: &'a str,
    /// What the names of its objects begin with.
    pub name: &'a str,
    /// The name of the host that applications call.
    pub host: &'a str,
    /// The port at which they call it.
    pub port: u16,
    /// Where the proxy finds the filter's module.
    pub module: Module<'a>,
    /// The directory in the proxy's container where the keys are mounted.
    pub keys: &'a str,
    /// The manifest in force.
    pub before: Option<&'a Before>,
    /// The time, Unix seconds.
    pub now_s: u64,
}

impl Manifest<'_> {
    /// What the names begin with by which a proxy knows what is ours.
    #[must_use]
    pub fn prefix(&self) -> String {
        format!("signalbox.{}.{}.", self.namespace, self.name)
    }
}

/// Where a proxy finds the filter's module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module<'a> {
    /// In a file, which is in the proxy's container.
    File(&'a str),
    /// At an address, `https://`, `http://` or `oci://`, with the digest of what is there: of the file, or of the image's manifest.
    Remote {
        /// The address.
        uri: &'a str,
        /// The digest, in hexadecimal digits.
        sha256: &'a str,
    },
}

/// A configuration as a proxy of others' needs it.
fn among_others(compiled: &mut Compiled, manifest: &Manifest<'_>, metrics: Labels) {
    // What is a variable elsewhere is a file here, for clients as for deployments.
    let of_clients = keys::of_clients(&compiled.config);
    let files: Vec<_> = of_clients.map(|(name, _)| (name.to_owned(), format!("{}/{name}", manifest.keys))).collect();
    let settings = &mut compiled.config.signalbox;
    settings.secret_files.extend(files);
    settings.naming = Naming { clusters: manifest.prefix(), metrics, ..Naming::default() };
    // Which hosts lead to us is the proxy's to say.
    settings.listen = format!("0.0.0.0:{}", manifest.port);
    settings.edge.allowed_hosts.clear();
}
