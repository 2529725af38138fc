//! Cuts bytes into frames, nothing more: what a frame means is for the dialects.
//!
//! **Invariant:** any cut of the same bytes gives the same frames.

pub mod sse;
