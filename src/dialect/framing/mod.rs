//! Cut bytes into frames, nothing more: what a frame means is the codecs' business.
//!
//! **Invariant:** any cut of the same bytes gives the same frames.

pub mod sse;
