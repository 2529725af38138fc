//! Cuts bytes into frames, nothing more: what a frame means is for the dialects.
//!
//! **Invariant:** any cut of the same bytes gives the same frames.

pub mod aws_event_stream;
pub mod ndjson;
pub mod sse;

use sse::{Cutter, Frame, Overlong};

/// Why a stream cannot be read on. Nothing of it that was not handed over counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A frame is longer than one may be.
    Overlong,
    /// A frame is not what its own words say of it, for example its checksum.
    Damaged,
}

impl From<Overlong> for Broken {
    fn from(Overlong: Overlong) -> Self {
        Self::Overlong
    }
}

/// Cuts the bytes of one stream into frames.
pub trait Framing {
    /// Takes the next bytes and hands on each frame that is whole.
    ///
    /// # Errors
    /// [`Broken`]; nothing more should be pushed.
    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken>;
    /// The bytes ended: hands on what waits, where it may be a frame without its end.
    ///
    /// # Errors
    /// [`Broken`] where what waits is no frame.
    fn end(&mut self, each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken>;
    /// How many bytes it keeps for later.
    fn kept(&self) -> usize;
}

impl Framing for Cutter {
    fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken> {
        Ok(Self::push(self, bytes, each)?)
    }

    fn end(&mut self, each: &mut dyn FnMut(Frame<'_>)) -> Result<(), Broken> {
        Self::end(self, each);
        Ok(())
    }

    fn kept(&self) -> usize {
        Self::kept(self)
    }
}
