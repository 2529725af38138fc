//! The edge: which clients the gateway lets in, and how much of a request it keeps.

/// Keys of `signalbox:` that bound what clients may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// `max_buffered_bytes`: what a worker keeps of bodies and held streams together; past it requests are refused: 256 MiB.
    pub max_buffered_bytes: u64,
    /// `max_heap_bytes`: what Envoy itself may hold; near it Envoy refuses requests: 2 GiB.
    pub max_heap_bytes: u64,
    /// `request_body_timeout`: how long a request may take until its last byte has come, in milliseconds: 120,000.
    pub request_body_timeout_ms: u64,
    /// `allowed_hosts`: names in `host`, lower case, without ports, beside loopback's own; `*` for any. Empty: any, save on a loopback
    /// address, where it is none.
    pub allowed_hosts: Vec<String>,
    /// `allowed_origins`: web pages of these origins may ask; `*` for any. None.
    pub allowed_origins: Vec<String>,
    /// `xff_num_trusted_hops`: how many trusted proxies before the gateway append the client to `x-forwarded-for`: 0.
    pub xff_num_trusted_hops: u32,
    /// `forward_headers`: what providers get of a client's headers besides the usual, lower case.
    pub forward_headers: Vec<String>,
}

impl Default for Edge {
    fn default() -> Self {
        Self {
            max_buffered_bytes: 256 * 1024 * 1024,
            max_heap_bytes: 2 * 1024 * 1024 * 1024,
            request_body_timeout_ms: 120_000,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            xff_num_trusted_hops: 0,
            forward_headers: Vec::new(),
        }
    }
}
