//! The edge: whom the gateway lets in, and how much of what comes in it keeps.

/// Keys of `signalbox:` that bound what clients may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// `max_buffered_bytes`: what a worker keeps of bodies and held streams together; past it requests are refused: 256 MiB.
    pub max_buffered_bytes: u64,
}

impl Default for Edge {
    fn default() -> Self {
        Self { max_buffered_bytes: 256 * 1024 * 1024 }
    }
}
