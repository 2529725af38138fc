//! What Envoy itself finds out about a client before the filter is asked.

use super::Endpoint;

/// Where an identity of a mesh is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySource {
    /// `peer_certificate`: the URI in the certificate that the client showed.
    PeerCertificate,
    /// `peer_principal`: the identity that connected to a waypoint of Istio.
    PeerPrincipal,
    /// `node`: whose sidecar this is, as `node/NAMESPACE/SERVICE_ACCOUNT`.
    Node,
}

impl IdentitySource {
    /// All, by their names in configurations.
    pub const ALL: [(&'static str, Self); 3] =
        [("peer_certificate", Self::PeerCertificate), ("peer_principal", Self::PeerPrincipal), ("node", Self::Node)];
}

/// What Envoy checks of clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `signalbox.jwt`: whose tokens it checks.
    pub jwt: Option<Jwt>,
    /// `general_settings.allowed_ips`: the addresses that it lets in, each with the length of its prefix. `None`: all.
    pub addresses: Option<Vec<(String, u8)>>,
}

/// Whose tokens are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// `issuer`.
    pub issuer: Option<String>,
    /// `audiences`: one of these must be named. None: any.
    pub audiences: Vec<String>,
    /// Where the issuer's keys are.
    pub keys: Jwks,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwks {
    /// `jwks_uri`, and its host.
    Remote(String, Endpoint),
    /// `jwks_file`.
    File(String),
}
