//! Cut bytes into frames, nothing more.
