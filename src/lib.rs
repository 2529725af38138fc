//! Signalbox: an LLM router that lives inside Envoy, as one proxy-wasm filter.
//!
//! The rooms, in the order in which a request meets them (`ARCHITECTURE.md` has a picture):
//!
//! | room | what it is for |
//! |---|---|
//! | [`chat`] | the neutral conversation, answer, stream event, usage and failure that every dialect meets in |
//! | [`json`] | JSON text, walked over where it stands |
//! | `sort`, `date`, `sha256` | the one sort; dates; the hash of a key |
//! | [`provider`] | what runs an API, and how it is reached: one row a provider |
//! | [`catalogue`] | what models cost, take and can do: one row a model |
//! | [`dialect`] | one dialect a room, bytes to `chat` and back |
//! | [`failure`] | whose fault it is: a provider's status, headers and words to a [`chat::Failure`] |
//! | [`config`] | LiteLLM's `config.yaml` to a [`config::model::RouterConfig`] that cannot be wrong |
//! | [`state`] | what is remembered between requests |
//! | [`routing`] | which deployments may serve a request, in which order |
//! | [`filter`] | the two roles as state machines over a `Host`: events in, effects out |
//! | `wasm` | the shell: the only room that says `proxy_wasm`; it implements `filter::Host` and decides nothing |
//! | [`generate`] | configuration to Envoy's own |
//! | `sim` | the provider simulator (feature `cli`) |
//!
//! **Invariant:** the library cannot panic, because a trap ends every request of the worker. The lints in `Cargo.toml` deny what panics,
//! and `tests/architecture.rs` holds which room may know which.
// Which methods, and how much is too much: .clippy.toml. Tests may panic, and hold long tables.
#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_methods,
        clippy::too_many_lines,
        clippy::cognitive_complexity,
        clippy::struct_excessive_bools
    )
)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice)
)]

pub mod catalogue;
pub mod chat;
pub mod config;
mod date;
pub mod dialect;
pub mod failure;
pub mod filter;
pub mod generate;
pub mod json;
pub mod provider;
pub mod routing;
pub mod sha256;
#[cfg(feature = "cli")]
pub mod sim;
mod sort;
pub mod state;
#[cfg(target_os = "wasi")]
mod wasm;
