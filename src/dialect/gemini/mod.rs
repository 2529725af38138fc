//! Google's Gemini dialect, of which there is a provider's face only: nobody asks us in it.

pub mod provider;
